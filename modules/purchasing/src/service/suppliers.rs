//! Whom we buy from.

use chrono::Datelike;
use contracts::ids::SupplierId;
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::supplier;
use crate::error::Error;
use crate::routes::suppliers::{ListSuppliers, NewSupplier, Supplier, SupplierPatch};
use crate::service::{MAX_PAYMENT_TERMS_DAYS, Service};

impl Service {
    pub(crate) async fn list_suppliers(&self, query: ListSuppliers) -> Result<Page<Supplier>> {
        let mut select = supplier::Entity::find();
        if let Some(number) = query.number {
            select = select.filter(supplier::Column::Number.eq(String::from(number)));
        }
        if let Some(external_id) = query.external_id {
            select = select.filter(supplier::Column::ExternalId.eq(String::from(external_id)));
        }
        if let Some(is_active) = query.is_active {
            select = select.filter(supplier::Column::IsActive.eq(is_active));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &supplier::Model| row.id.uuid();
        let column = supplier::Column::Id;
        let page: Page<supplier::Model> =
            fetch(self.db.read(), select, column, id_of, "suppliers", &request).await?;
        let data: Result<Vec<_>> = page.data.into_iter().map(to_supplier).collect();
        Ok(Page { data: data?, page: page.page })
    }

    pub(crate) async fn supplier(&self, id: SupplierId) -> Result<Supplier> {
        let found = supplier::Entity::find_by_id(id).one(self.db.read()).await?;
        to_supplier(found.ok_or_else(|| kernel::Error::not_found("supplier", id))?)
    }

    pub(crate) async fn create_supplier(&self, ctx: &Ctx, new: NewSupplier) -> Result<Reply> {
        let company = self.company.currency;
        let currency = new.currency.unwrap_or(company);
        if currency != company {
            return Err(Error::CurrencyNotSupported { asked: currency, company }.into());
        }
        check_payment_terms(new.payment_terms_days)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let number = tx.next_number("SU", tx.now().year()).await?;
        let external_id = new.external_id.map(String::from);
        let row = supplier::ActiveModel {
            id: Set(SupplierId::new()),
            number: Set(number),
            name: Set(new.name.into()),
            email: Set(new.email.map(Into::into)),
            tax_id: Set(new.tax_id.map(Into::into)),
            currency: Set(currency),
            payment_terms_days: Set(new.payment_terms_days.into()),
            address: Set(serde_json::to_string(&new.address)?),
            external_id: Set(external_id.clone()),
            is_active: Set(true),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        };
        let row = row.insert(&*tx).await.or_conflict(|| external_id_taken(external_id))?;
        let supplier = to_supplier(row)?;
        tx.audit_new("supplier", supplier.id.uuid(), &supplier)?;
        let location = format!("/api/v1/purchasing/suppliers/{}", supplier.id);
        tx.reply(Reply::created(&supplier, location)).await
    }

    pub(crate) async fn update_supplier(
        &self,
        ctx: &Ctx,
        id: SupplierId,
        patch: SupplierPatch,
    ) -> Result<Reply> {
        if let Some(days) = patch.payment_terms_days {
            check_payment_terms(days)?;
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<supplier::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("supplier", id))?;
        ctx.check_version(before.version)?;
        let mut row = before.clone().into_active_model();
        let external_id = patch.external_id.clone().flatten().map(String::from);
        if let Some(name) = patch.name {
            row.name = Set(name.into());
        }
        if let Some(email) = patch.email {
            row.email = Set(email.map(Into::into));
        }
        if let Some(tax_id) = patch.tax_id {
            row.tax_id = Set(tax_id.map(Into::into));
        }
        if let Some(days) = patch.payment_terms_days {
            row.payment_terms_days = Set(days.into());
        }
        if let Some(address) = patch.address {
            row.address = Set(serde_json::to_string(&address)?);
        }
        if patch.external_id.is_some() {
            row.external_id = Set(external_id.clone());
        }
        if let Some(is_active) = patch.is_active {
            row.is_active = Set(is_active);
        }
        row.version = Set(before.version + 1);
        row.updated_at = Set(tx.now());
        let row = row.update(&*tx).await.or_conflict(|| external_id_taken(external_id))?;
        let after = to_supplier(row)?;
        tx.audit("supplier", id.uuid(), Some(&to_supplier(before)?), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// The supplier an order names, if more can be ordered there.
pub(crate) async fn find_active(tx: &Tx, id: SupplierId) -> Result<supplier::Model> {
    match supplier::Entity::find_by_id(id).one(&**tx).await? {
        None => Err(Error::UnknownSupplier(id).into()),
        Some(found) if !found.is_active => {
            Err(Error::SupplierInactive { number: found.number }.into())
        }
        Some(found) => Ok(found),
    }
}

fn check_payment_terms(asked: u16) -> Result<(), Error> {
    if asked <= MAX_PAYMENT_TERMS_DAYS {
        Ok(())
    } else {
        Err(Error::PaymentTermsTooLong { asked, most: MAX_PAYMENT_TERMS_DAYS })
    }
}

fn external_id_taken(external_id: Option<String>) -> kernel::Error {
    Error::ExternalIdTaken { external_id: external_id.unwrap_or_default() }.into()
}

fn to_supplier(row: supplier::Model) -> Result<Supplier> {
    Ok(Supplier {
        id: row.id,
        number: row.number,
        name: row.name,
        email: row.email,
        tax_id: row.tax_id,
        currency: row.currency,
        payment_terms_days: row.payment_terms_days as u16,
        address: serde_json::from_str(&row.address)?,
        external_id: row.external_id,
        is_active: row.is_active,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

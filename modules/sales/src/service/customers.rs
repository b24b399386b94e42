//! Whom we sell to, and how much they may owe.

use std::collections::HashMap;

use chrono::Datelike;
use contracts::common::Address;
use contracts::ids::{CustomerId, PriceListId};
use contracts::sales::CustomerInfo;
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::money::{Currency, Money};
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
};

use crate::entities::{customer, customer_credit, price_list};
use crate::error::Error;
use crate::routes::customers::{
    Customer, CustomerCredit, CustomerPatch, ListCustomers, NewCustomer,
};
use crate::service::Service;

const MAX_PAYMENT_TERMS_DAYS: u16 = 120;

impl Service {
    pub(crate) async fn list_customers(&self, query: ListCustomers) -> Result<Page<Customer>> {
        let mut select = customer::Entity::find();
        if let Some(number) = query.number {
            select = select.filter(customer::Column::Number.eq(String::from(number)));
        }
        if let Some(external_id) = query.external_id {
            select = select.filter(customer::Column::ExternalId.eq(String::from(external_id)));
        }
        if let Some(is_active) = query.is_active {
            select = select.filter(customer::Column::IsActive.eq(is_active));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &customer::Model| row.id.uuid();
        let column = customer::Column::Id;
        let page = fetch(self.db.read(), select, column, id_of, "customers", &request).await?;
        let ids: Vec<_> = page.data.iter().map(|row| row.id).collect();
        let credits = customer_credit::Entity::find()
            .filter(customer_credit::Column::CustomerId.is_in(ids))
            .all(self.db.read())
            .await?;
        let credits: HashMap<_, _> =
            credits.into_iter().map(|row| (row.customer_id, row)).collect();
        let mut data = Vec::with_capacity(page.data.len());
        for row in page.data {
            let credit = credits.get(&row.id).ok_or_else(|| without_credit(row.id))?;
            data.push(to_customer(row, credit)?);
        }
        Ok(Page { data, page: page.page })
    }

    pub(crate) async fn customer_with_credit(&self, id: CustomerId) -> Result<Customer> {
        let (row, credit) = load(self.db.read(), id).await?;
        to_customer(row, &credit)
    }

    pub(crate) async fn create_customer(&self, ctx: &Ctx, new: NewCustomer) -> Result<Reply> {
        let currency = new.currency.unwrap_or(self.company.currency);
        self.check_currency(currency, "/currency")?;
        check_payment_terms(new.payment_terms_days)?;
        let limit_minor = new.credit_limit.map(|limit| limit_minor(limit, currency)).transpose()?;
        let mut tx = self.db.begin_once(ctx).await?;
        check_price_list(&*tx, new.price_list_id).await?;
        let number = tx.next_number("CU", tx.now().year()).await?;
        let external_id = new.external_id.map(String::from);
        let row = customer::ActiveModel {
            id: Set(CustomerId::new()),
            number: Set(number),
            name: Set(new.name.into()),
            email: Set(new.email.map(Into::into)),
            tax_id: Set(new.tax_id.map(Into::into)),
            currency: Set(currency),
            payment_terms_days: Set(new.payment_terms_days.into()),
            billing_address: Set(serde_json::to_string(&new.billing_address)?),
            shipping_address: Set(to_json(new.shipping_address.as_ref())?),
            price_list_id: Set(new.price_list_id),
            external_id: Set(external_id.clone()),
            is_active: Set(true),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        };
        let row = row.insert(&*tx).await.or_conflict(|| external_id_taken(external_id))?;
        let credit = customer_credit::ActiveModel {
            customer_id: Set(row.id),
            limit_minor: Set(limit_minor),
            open_receivables_minor: Set(0),
            uninvoiced_minor: Set(0),
            held_minor: Set(0),
        };
        let credit = credit.insert(&*tx).await?;
        let customer = to_customer(row, &credit)?;
        tx.audit_new("customer", customer.id.uuid(), &customer)?;
        let location = format!("/api/v1/sales/customers/{}", customer.id);
        tx.reply(Reply::created(&customer, location)).await
    }

    pub(crate) async fn update_customer(
        &self,
        ctx: &Ctx,
        id: CustomerId,
        patch: CustomerPatch,
    ) -> Result<Reply> {
        if let Some(days) = patch.payment_terms_days {
            check_payment_terms(days)?;
        }
        let mut tx = self.db.begin_once(ctx).await?;
        // Whoever else changes it waits here, and is then told of this version.
        tx.lock::<customer::Entity>(id).await?;
        let (before, credit_before) = load(&*tx, id).await?;
        ctx.check_version(before.version)?;
        check_price_list(&*tx, patch.price_list_id.flatten()).await?;
        let credit = match patch.credit_limit {
            Some(limit) => set_limit(&tx, &credit_before, limit, before.currency).await?,
            None => credit_before.clone(),
        };
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
        if let Some(address) = patch.billing_address {
            row.billing_address = Set(serde_json::to_string(&address)?);
        }
        if let Some(address) = patch.shipping_address {
            row.shipping_address = Set(to_json(address.as_ref())?);
        }
        if let Some(price_list_id) = patch.price_list_id {
            row.price_list_id = Set(price_list_id);
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
        let after = to_customer(row, &credit)?;
        let before = to_customer(before, &credit_before)?;
        tx.audit("customer", id.uuid(), Some(&before), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// A customer as the other modules are told of them.
pub(crate) fn customer_info(row: &customer::Model) -> Result<CustomerInfo> {
    let billing_address: Address = serde_json::from_str(&row.billing_address)?;
    let shipping_address = from_json(row.shipping_address.as_deref())?;
    Ok(CustomerInfo {
        id: row.id,
        number: row.number.clone(),
        name: row.name.clone(),
        is_active: row.is_active,
        currency: row.currency,
        payment_terms_days: row.payment_terms_days as u16,
        shipping_address: shipping_address.unwrap_or_else(|| billing_address.clone()),
        billing_address,
    })
}

/// The customer named in a request; 422 if there is none.
pub(crate) async fn known_customer(
    conn: &impl ConnectionTrait,
    id: CustomerId,
) -> Result<customer::Model> {
    let found = customer::Entity::find_by_id(id).one(conn).await?;
    Ok(found.ok_or(Error::UnknownCustomer { id })?)
}

/// The customer named in a request; 422 if there is none, 409 if it is not active.
pub(crate) async fn active_customer(
    conn: &impl ConnectionTrait,
    id: CustomerId,
) -> Result<customer::Model> {
    let row = known_customer(conn, id).await?;
    if row.is_active { Ok(row) } else { Err(Error::CustomerInactive { number: row.number }.into()) }
}

async fn load(
    conn: &impl ConnectionTrait,
    id: CustomerId,
) -> Result<(customer::Model, customer_credit::Model)> {
    let row = customer::Entity::find_by_id(id).one(conn).await?;
    let row = row.ok_or_else(|| kernel::Error::not_found("customer", id))?;
    let credit = customer_credit::Entity::find_by_id(id).one(conn).await?;
    Ok((row, credit.ok_or_else(|| without_credit(id))?))
}

async fn set_limit(
    tx: &Tx,
    credit: &customer_credit::Model,
    limit: Option<Money>,
    currency: Currency,
) -> Result<customer_credit::Model> {
    let limit_minor = limit.map(|limit| limit_minor(limit, currency)).transpose()?;
    // Only the limit: the other columns belong to the orders and invoices.
    let row = customer_credit::ActiveModel {
        customer_id: Set(credit.customer_id),
        limit_minor: Set(limit_minor),
        ..Default::default()
    };
    Ok(row.update(&**tx).await?)
}

async fn check_price_list(conn: &impl ConnectionTrait, id: Option<PriceListId>) -> Result<()> {
    let Some(id) = id else {
        return Ok(());
    };
    match price_list::Entity::find_by_id(id).one(conn).await? {
        Some(_) => Ok(()),
        None => Err(Error::UnknownPriceList { id }.into()),
    }
}

fn check_payment_terms(asked: u16) -> Result<(), Error> {
    if asked <= MAX_PAYMENT_TERMS_DAYS { Ok(()) } else { Err(Error::PaymentTermsTooLong { asked }) }
}

fn limit_minor(limit: Money, currency: Currency) -> Result<i64, Error> {
    if limit.currency() != currency {
        return Err(Error::CurrencyNotSupported {
            pointer: "/credit_limit/currency",
            asked: limit.currency(),
            company: currency,
        });
    }
    if limit.is_negative() { Err(Error::NegativeCreditLimit) } else { Ok(limit.minor()) }
}

fn external_id_taken(external_id: Option<String>) -> kernel::Error {
    Error::ExternalIdTaken { external_id: external_id.unwrap_or_default() }.into()
}

fn without_credit(id: CustomerId) -> kernel::Error {
    kernel::Error::internal(format!("customer {id} has no row in customer_credit"))
}

fn to_json(address: Option<&Address>) -> Result<Option<String>> {
    Ok(address.map(serde_json::to_string).transpose()?)
}

fn from_json(address: Option<&str>) -> Result<Option<Address>> {
    Ok(address.map(serde_json::from_str).transpose()?)
}

fn to_customer(row: customer::Model, credit: &customer_credit::Model) -> Result<Customer> {
    Ok(Customer {
        id: row.id,
        number: row.number,
        name: row.name,
        email: row.email,
        tax_id: row.tax_id,
        currency: row.currency,
        payment_terms_days: row.payment_terms_days as u16,
        billing_address: serde_json::from_str(&row.billing_address)?,
        shipping_address: from_json(row.shipping_address.as_deref())?,
        price_list_id: row.price_list_id,
        external_id: row.external_id,
        is_active: row.is_active,
        credit: to_credit(credit, row.currency),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn to_credit(row: &customer_credit::Model, currency: Currency) -> CustomerCredit {
    let money = |minor| Money::new(minor, currency);
    let exposure = row.exposure_minor();
    CustomerCredit {
        limit: row.limit_minor.map(money),
        exposure: money(exposure),
        open_receivables: money(row.open_receivables_minor),
        uninvoiced_orders: money(row.uninvoiced_minor),
        holds: money(row.held_minor),
        // A limit lowered below what is open leaves nothing, not less than nothing.
        available: row.limit_minor.map(|limit| money((limit - exposure).max(0))),
    }
}

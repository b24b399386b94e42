//! Which tax applies to what.

use std::collections::HashMap;

use contracts::common::TaxClass;
use kernel::db::{Tx, lock_table};
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::money::Percent;
use kernel::page::{Page, fetch};
use kernel::text::Code;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};

use crate::entities::tax_rate;
use crate::entities::tax_rate::TaxRateId;
use crate::error::Error;
use crate::routes::tax_rates::{ListTaxRates, NewTaxRate, TaxRate, TaxRatePatch};
use crate::service::{Service, insert_all};

/// What a company begins with: code, name, rate in parts per million.
const SEED: [(&str, &str, i64); 3] = [
    ("standard", "Standard rate", 200_000),
    ("reduced", "Reduced rate", 100_000),
    ("zero", "Zero rate", 0),
];

impl Service {
    /// Makes the first tax rates where there are none.
    pub(crate) async fn seed_tax_rates(&self) -> Result<()> {
        if tax_rate::Entity::find().count(self.db.read()).await? > 0 {
            return Ok(());
        }
        let mut tx = self.db.begin(&Ctx::system("seed_tax_rates")).await?;
        lock_table(&*tx, "tax_rates").await?;
        // Another process may have been faster.
        if tax_rate::Entity::find().count(&*tx).await? > 0 {
            return Ok(());
        }
        let rows = SEED.map(|(code, name, ppm)| tax_rate::Model {
            id: TaxRateId::new(),
            code: code.into(),
            name: name.into(),
            rate: Percent::from_ppm(ppm),
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        });
        insert_all(&tx, rows.clone()).await?;
        for row in rows {
            let id = row.id.uuid();
            tx.audit_new("tax_rate", id, &TaxRate::from(row))?;
        }
        tx.commit().await
    }

    pub(crate) async fn list_tax_rates(
        &self,
        query: ListTaxRates,
    ) -> Result<Page<tax_rate::Model>> {
        let mut select = tax_rate::Entity::find();
        if let Some(code) = &query.code {
            select = select.filter(tax_rate::Column::Code.eq(&**code));
        }
        let id_of = |row: &tax_rate::Model| row.id.uuid();
        let request = query.page();
        fetch(self.db.read(), select, tax_rate::Column::Id, id_of, "tax-rates", &request).await
    }

    pub(crate) async fn tax_rate(&self, id: TaxRateId) -> Result<tax_rate::Model> {
        let found = tax_rate::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("tax rate", id))
    }

    pub(crate) async fn create_tax_rate(&self, ctx: &Ctx, new: NewTaxRate) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let row = tax_rate::Model {
            id: TaxRateId::new(),
            code: String::from(new.code),
            name: new.name.into(),
            rate: new.rate,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        insert_all(&tx, [row.clone()])
            .await
            .or_conflict(|| Error::TaxCodeTaken { code: row.code.clone() }.into())?;
        let created = TaxRate::from(row);
        tx.audit_new("tax_rate", created.id.uuid(), &created)?;
        let location = format!("/api/v1/billing/tax-rates/{}", created.id);
        tx.reply(Reply::created(&created, location)).await
    }

    /// Documents keep the rate they were made with.
    pub(crate) async fn update_tax_rate(
        &self,
        ctx: &Ctx,
        id: TaxRateId,
        patch: TaxRatePatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<tax_rate::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("tax rate", id))?;
        ctx.check_version(before.version)?;
        let mut model = before.clone().into_active_model();
        if let Some(name) = patch.name {
            model.name = Set(name.into());
        }
        if let Some(rate) = patch.rate {
            model.rate = Set(rate);
        }
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = TaxRate::from(model.update(&*tx).await?);
        tx.audit("tax_rate", id.uuid(), Some(&TaxRate::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// The rates in force.
pub(crate) struct TaxTable(HashMap<String, Percent>);

impl TaxTable {
    /// They are few, so all are read.
    pub(crate) async fn load(conn: &impl ConnectionTrait) -> Result<Self> {
        let rows = tax_rate::Entity::find().all(conn).await?;
        Ok(TaxTable(rows.into_iter().map(|row| (row.code, row.rate)).collect()))
    }

    /// As `load`, in a transaction.
    pub(crate) async fn load_in(tx: &Tx) -> Result<Self> {
        TaxTable::load(&**tx).await
    }

    /// The rate of the class of the line at `index`.
    pub(crate) fn rate(&self, tax_class: &TaxClass, index: usize) -> Result<Percent, Error> {
        self.0.get(&**tax_class).copied().ok_or_else(|| Error::UnknownTaxClass {
            pointer: format!("/lines/{index}/tax_class"),
            tax_class: tax_class.to_string(),
        })
    }
}

/// A tax class as a document stores it; it was checked when it was written.
pub(crate) fn stored_class(text: &str) -> Result<TaxClass> {
    Code::parse(text).map_err(kernel::Error::internal)
}

impl From<tax_rate::Model> for TaxRate {
    fn from(row: tax_rate::Model) -> Self {
        TaxRate {
            id: row.id,
            code: row.code,
            name: row.name,
            rate: row.rate,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

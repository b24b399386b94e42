//! Lists of prices and when they hold.

use chrono::NaiveDate;
use contracts::ids::PriceListId;
use kernel::date::check_date;
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::money::Currency;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
};

use crate::entities::price_list;
use crate::error::Error;
use crate::routes::price_lists::{ListPriceLists, NewPriceList, PriceList, PriceListPatch};
use crate::service::Service;

impl Service {
    pub(crate) async fn list_price_lists(
        &self,
        query: ListPriceLists,
    ) -> Result<Page<price_list::Model>> {
        let mut select = price_list::Entity::find();
        if let Some(code) = query.code {
            select = select.filter(price_list::Column::Code.eq(String::from(code)));
        }
        if let Some(is_default) = query.is_default {
            select = select.filter(price_list::Column::IsDefault.eq(is_default));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &price_list::Model| row.id.uuid();
        let column = price_list::Column::Id;
        fetch(self.db.read(), select, column, id_of, "price_lists", &request).await
    }

    pub(crate) async fn price_list(&self, id: PriceListId) -> Result<price_list::Model> {
        find(self.db.read(), id).await
    }

    pub(crate) async fn create_price_list(&self, ctx: &Ctx, new: NewPriceList) -> Result<Reply> {
        self.check_currency(new.currency, "/currency")?;
        check_validity(new.valid_from, new.valid_until)?;
        let mut tx = self.db.begin_once(ctx).await?;
        if new.is_default {
            check_no_default(&*tx, new.currency).await?;
        }
        let code = String::from(new.code);
        let row = price_list::ActiveModel {
            id: Set(PriceListId::new()),
            code: Set(code.clone()),
            name: Set(new.name.into()),
            currency: Set(new.currency),
            valid_from: Set(new.valid_from),
            valid_until: Set(new.valid_until),
            is_default: Set(new.is_default),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        };
        let taken = || Error::PriceListCodeTaken { code }.into();
        let list = PriceList::from(row.insert(&*tx).await.or_conflict(taken)?);
        tx.audit_new("price_list", list.id.uuid(), &list)?;
        let location = format!("/api/v1/sales/price-lists/{}", list.id);
        tx.reply(Reply::created(&list, location)).await
    }

    pub(crate) async fn update_price_list(
        &self,
        ctx: &Ctx,
        id: PriceListId,
        patch: PriceListPatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = lock(&tx, id).await?;
        ctx.check_version(before.version)?;
        let valid_from = patch.valid_from.unwrap_or(before.valid_from);
        let valid_until = patch.valid_until.unwrap_or(before.valid_until);
        check_validity(valid_from, valid_until)?;
        let is_default = patch.is_default.unwrap_or(before.is_default);
        if is_default && !before.is_default {
            check_no_default(&*tx, before.currency).await?;
        }
        let mut row = before.clone().into_active_model();
        if let Some(name) = patch.name {
            row.name = Set(name.into());
        }
        row.valid_from = Set(valid_from);
        row.valid_until = Set(valid_until);
        row.is_default = Set(is_default);
        row.version = Set(before.version + 1);
        row.updated_at = Set(tx.now());
        let after = PriceList::from(row.update(&*tx).await?);
        tx.audit("price_list", id.uuid(), Some(&PriceList::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

pub(crate) async fn find(
    conn: &impl ConnectionTrait,
    id: PriceListId,
) -> Result<price_list::Model> {
    let found = price_list::Entity::find_by_id(id).one(conn).await?;
    found.ok_or_else(|| kernel::Error::not_found("price list", id))
}

/// The list, to be changed.
pub(crate) async fn lock(tx: &Tx, id: PriceListId) -> Result<price_list::Model> {
    let found = tx.lock::<price_list::Entity>(id).await?;
    found.ok_or_else(|| kernel::Error::not_found("price list", id))
}

fn check_validity(from: Option<NaiveDate>, until: Option<NaiveDate>) -> Result<()> {
    if let Some(from) = from {
        check_date(from, "/valid_from")?;
    }
    if let Some(until) = until {
        check_date(until, "/valid_until")?;
    }
    match (from, until) {
        (Some(from), Some(until)) if from > until => Err(Error::ValidityReversed.into()),
        _ => Ok(()),
    }
}

async fn check_no_default(conn: &impl ConnectionTrait, currency: Currency) -> Result<()> {
    let holder = price_list::Entity::find()
        .filter(price_list::Column::IsDefault.eq(true))
        .filter(price_list::Column::Currency.eq(currency))
        .one(conn)
        .await?;
    match holder {
        Some(holder) => Err(Error::DefaultPriceListExists { code: holder.code, currency }.into()),
        None => Ok(()),
    }
}

impl From<price_list::Model> for PriceList {
    fn from(row: price_list::Model) -> Self {
        PriceList {
            id: row.id,
            code: row.code,
            name: row.name,
            currency: row.currency,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            is_default: row.is_default,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

//! The rows behind the account of goods received and not invoiced.

use std::collections::BTreeMap;

use contracts::ids::PurchaseOrderLineId;
use kernel::Result;
use kernel::db::Tx;
use kernel::money::{Currency, Rounding};
use kernel::quantity::Quantity;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::entities::goods_received;
use crate::error::Error;
use crate::service::grni::{Pricing, bill};
use crate::service::order_lines::OrderLines;

/// By purchase order line.
pub(crate) type Goods = BTreeMap<PurchaseOrderLineId, goods_received::Model>;

/// A line of which nothing has come.
pub(crate) fn nothing_received(id: PurchaseOrderLineId) -> goods_received::Model {
    goods_received::Model {
        purchase_order_line_id: id,
        quantity: Quantity::ZERO,
        value_minor: 0,
        billed: Quantity::ZERO,
        relieved_minor: 0,
    }
}

/// The rows of these lines, kept from others until this ends. What is not there yet is made
/// first: nobody can be kept from a row that is not there.
pub(crate) async fn goods_of(tx: &Tx, mut ids: Vec<PurchaseOrderLineId>) -> Result<Goods> {
    ids.sort();
    ids.dedup();
    let none_yet = ids.iter().map(|id| nothing_received(*id).into_active_model());
    goods_received::Entity::insert_many(none_yet)
        .on_conflict_do_nothing_on([goods_received::Column::PurchaseOrderLineId])
        .exec_without_returning(&**tx)
        .await?;
    let rows = goods_received::Entity::find()
        .filter(goods_received::Column::PurchaseOrderLineId.is_in(ids))
        .order_by_asc(goods_received::Column::PurchaseOrderLineId)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    Ok(rows.into_iter().map(|row| (row.purchase_order_line_id, row)).collect())
}

/// Writes rows, new and changed.
pub(crate) async fn keep_goods(tx: &Tx, goods: Goods) -> Result<()> {
    use goods_received::Column;
    let on_conflict = OnConflict::column(Column::PurchaseOrderLineId)
        .update_columns([
            Column::Quantity,
            Column::ValueMinor,
            Column::Billed,
            Column::RelievedMinor,
        ])
        .to_owned();
    let rows = goods.into_values().map(IntoActiveModel::into_active_model);
    goods_received::Entity::insert_many(rows)
        .on_conflict(on_conflict)
        .exec_without_returning(&**tx)
        .await?;
    Ok(())
}

/// Bills goods; returns what goes off the account of goods received not invoiced.
pub(crate) async fn relieve(
    tx: &Tx,
    ordered: &OrderLines,
    billed: impl Iterator<Item = (PurchaseOrderLineId, Quantity)> + Clone,
    (currency, rounding): (Currency, Rounding),
) -> Result<i64> {
    let mut goods = goods_of(tx, billed.clone().map(|(id, _)| id).collect()).await?;
    let mut relief = 0_i64;
    for (id, quantity) in billed {
        let pricing = Pricing { unit_price: ordered.line(id)?.unit_price, currency, rounding };
        let goods = goods.entry(id).or_insert_with(|| nothing_received(id));
        let taken = bill(goods, quantity, pricing).map_err(Error::from)?;
        relief = relief.checked_add(taken).ok_or(Error::AmountOverflow)?;
    }
    keep_goods(tx, goods).await?;
    Ok(relief)
}

//! How picking lists end: with what they are for, or given up.

use std::collections::BTreeSet;

use contracts::ids::{OrderLineId, PickingListId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::quantity::Quantity;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use crate::entities::picking_line;
use crate::service::picking::{allocate, store};

/// Takes from picking lists what they hold in some bins: it is not to be shipped.
pub(crate) async fn give_up_bins(tx: &Tx, bins: impl Iterator<Item = Uuid>) -> Result<()> {
    let bins: Vec<_> = bins.collect();
    if bins.is_empty() {
        return Ok(());
    }
    let lines = picking_line::Entity::find()
        .filter(picking_line::Column::BinId.is_in(bins))
        .filter(picking_line::Column::Allocated.gt(0));
    give_up(tx, lines.all(&**tx).await?).await
}

/// Takes from picking lists what they hold for order lines that no longer want all of it, and
/// what is still to be picked for them.
pub(crate) async fn give_up_lines(tx: &Tx, lines: Vec<OrderLineId>) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let is_held = Condition::any()
        .add(picking_line::Column::Allocated.gt(0))
        .add(picking_line::Column::Picked.is_null());
    let lines = picking_line::Entity::find()
        .filter(picking_line::Column::OrderLineId.is_in(lines))
        .filter(is_held);
    give_up(tx, lines.all(&**tx).await?).await
}

async fn give_up(tx: &Tx, mut lines: Vec<picking_line::Model>) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    allocate(tx, &lines, -1).await?;
    for line in &mut lines {
        line.allocated = Quantity::ZERO;
        // Nobody has to look for it any more.
        line.picked = line.picked.or(Some(Quantity::ZERO));
    }
    store(tx, lines.iter()).await?;
    end_lists(tx, lines.iter().map(|line| line.picking_list_id)).await
}

#[derive(FromQueryResult)]
pub(crate) struct ListOf {
    pub picking_list_id: PickingListId,
}

/// Notes that all that order lines wanted has left: what is listed for them where there are no
/// bins was picked, whether or not somebody said so.
pub(crate) async fn note_all_shipped(tx: &Tx, lines: Vec<OrderLineId>) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let rows = lines.into_iter().map(|id| vec![id.into()]);
    let (sql, values) = Values::new(tx.get_database_backend(), "k", &[("id", Column::Uuid)], rows)
        .statement(
            "UPDATE picking_lines SET picked = picking_lines.quantity FROM k \
             WHERE picking_lines.order_line_id = k.id AND picking_lines.picked IS NULL \
             AND picking_lines.bin_id IS NULL RETURNING picking_list_id",
        );
    let lists: Vec<ListOf> = query_all(&**tx, sql, values).await?;
    end_lists(tx, lists.into_iter().map(|row| row.picking_list_id)).await
}

/// Ends those of some lists that have nothing left to pick.
pub(crate) async fn end_lists(
    tx: &Tx,
    lists: impl IntoIterator<Item = PickingListId>,
) -> Result<()> {
    let lists: BTreeSet<_> = lists.into_iter().collect();
    if lists.is_empty() {
        return Ok(());
    }
    let rows = lists.into_iter().map(|id| vec![id.into()]);
    let mut values = Values::new(tx.get_database_backend(), "k", &[("id", Column::Uuid)], rows);
    let now = values.bind(tx.now());
    let (sql, values) = values.statement(&format!(
        "UPDATE picking_lists SET status = CASE WHEN EXISTS (SELECT 1 FROM picking_lines p \
           WHERE p.picking_list_id = picking_lists.id AND p.picked > 0) \
           THEN 'picked' ELSE 'cancelled' END, \
         version = picking_lists.version + 1, updated_at = {now} FROM k \
         WHERE picking_lists.id = k.id AND picking_lists.status = 'open' \
         AND NOT EXISTS (SELECT 1 FROM picking_lines p \
           WHERE p.picking_list_id = picking_lists.id AND p.picked IS NULL)"
    ));
    execute(&**tx, sql, values).await?;
    Ok(())
}

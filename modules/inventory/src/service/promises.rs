//! Breaking promises: what is to be taken out though it is reserved.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::events::{OrderLineQuantity, ReservationBroken};
use contracts::ids::{OrderId, OrderLineId, ProductId, WarehouseId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, query_all};
use kernel::quantity::Quantity;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;
use uuid::Uuid;

use crate::error::internal;
use crate::service::holds::{Cut, End, NewHold, Table, add, reduce};
use crate::service::kit_lines::settle;
use crate::service::levels::{Key, Levels};
use crate::service::picking_ends::give_up_lines;
use crate::service::promise_dates::{Promises, Whose, date};

/// Reservations changed by one statement: their parameters have to fit.
const BATCH: usize = 1000;

#[derive(FromQueryResult)]
struct Promise {
    id: Uuid,
    order_id: Option<OrderId>,
    order_line_id: Option<OrderLineId>,
    product_id: ProductId,
    warehouse_id: WarehouseId,
    remaining: Quantity,
    expires_at: Option<DateTime<Utc>>,
    /// The first hold of its line: its age.
    first_id: Uuid,
    /// The line for kits that it is a part of.
    kit_line_id: Option<OrderLineId>,
    /// What is missing there, and how much newer promises than this one make up for.
    missing: Quantity,
    newer: Quantity,
}

/// Makes `missing` of each level available by breaking promises, the newest first (I25): that of
/// the line that was promised something last, whenever it was broken and filled since. An
/// order that was confirmed waits for it as a backorder and is told. One that was not finds
/// out when it is; what was set aside by hand is given back.
pub(crate) async fn break_newest(
    tx: &mut Tx,
    levels: &mut Levels,
    missing: &[(Key, Quantity)],
) -> Result<()> {
    let (mut cuts, mut waiting) = (Vec::new(), Vec::new());
    let mut broken: BTreeMap<OrderId, Vec<OrderLineQuantity>> = BTreeMap::new();
    let mut kits = BTreeSet::new();
    for row in promises(tx, missing).await? {
        let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
        let short = row.missing.checked_sub(row.newer).map_err(internal)?;
        let quantity = row.remaining.min(short);
        let level = levels.at(key)?;
        level.release(quantity).map_err(internal)?;
        cuts.push(Cut { id: row.id, by: quantity });
        match (row.order_id, row.order_line_id) {
            (Some(order_id), Some(line_id)) if row.expires_at.is_none() => {
                level.backorder(quantity).map_err(internal)?;
                let first_id = Some(row.first_id);
                waiting.push(NewHold { order_id, line_id, key, quantity, first_id });
                if let Some(kit_line_id) = row.kit_line_id {
                    kits.insert(kit_line_id);
                    continue;
                }
                let line = OrderLineQuantity { order_line_id: line_id, quantity };
                broken.entry(order_id).or_default().push(line);
            }
            _ => {
                let before = json!({ "remaining": row.remaining });
                let left = row.remaining.checked_sub(quantity).map_err(internal)?;
                let after = json!({ "remaining": left });
                tx.audit("reservation", row.id, Some(&before), Some(&after))?;
            }
        }
    }
    give_up_lines(tx, waiting.iter().map(|row| row.line_id).collect()).await?;
    for cuts in cuts.chunks(BATCH) {
        reduce(tx, Table::Reservations, cuts, End::Released).await?;
    }
    for waiting in waiting.chunks(BATCH) {
        add(tx, Table::Backorders, waiting, None).await?;
    }
    // What is available now is what is to be taken out.
    let waits: BTreeSet<_> = waiting.iter().map(|row| row.key).collect();
    let waits: Vec<_> = waits.into_iter().map(|key| (key, Quantity::ZERO)).collect();
    let dated = date(tx, &waits, Whose::Confirmed).await?;
    let mut promises = Promises::default();
    kits.extend(promises.add_dated(&dated));
    // The order hears of whole kits.
    for change in settle(tx, &kits).await? {
        let quantity = Quantity::from_micros(-change.micros);
        let line = OrderLineQuantity { order_line_id: change.order_line_id, quantity };
        if !quantity.is_zero() {
            broken.entry(change.order_id).or_default().push(line);
        }
        promises.add(change.order_id, change.promise);
    }
    for (order_id, lines) in broken {
        let event = ReservationBroken { order_id, lines };
        tx.audit_new("order_hold", order_id.uuid(), &event)?;
        // Inventory does not know the order's version.
        tx.publish(order_id.uuid(), 0, &event)?;
    }
    promises.tell(tx)
}

/// The reservations that have to be cut, newest first.
async fn promises(tx: &Tx, missing: &[(Key, Quantity)]) -> Result<Vec<Promise>> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let columns =
        [("product_id", Column::Uuid), ("warehouse_id", Column::Uuid), ("missing", Column::BigInt)];
    let rows = missing.iter().map(|(key, quantity)| {
        vec![key.product_id.into(), key.warehouse_id.into(), (*quantity).into()]
    });
    let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows).statement(
        "SELECT q.* FROM (SELECT r.id, COALESCE(r.first_id, r.id) AS first_id, r.order_id, \
           r.order_line_id, r.product_id, r.warehouse_id, r.remaining, r.expires_at, \
           r.kit_line_id, k.missing, CAST(SUM(r.remaining) OVER (\
             PARTITION BY r.product_id, r.warehouse_id \
             ORDER BY COALESCE(r.first_id, r.id) DESC, r.id DESC \
             ROWS UNBOUNDED PRECEDING) AS BIGINT) - r.remaining AS newer \
           FROM k JOIN reservations r \
           ON r.product_id = k.product_id AND r.warehouse_id = k.warehouse_id \
           WHERE r.status = 'active') q \
         WHERE q.newer < q.missing ORDER BY q.first_id DESC, q.id DESC",
    );
    Ok(query_all(&**tx, sql, values).await?)
}

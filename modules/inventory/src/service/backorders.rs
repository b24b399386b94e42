//! Filling backorders: what becomes available goes to the oldest promise, then to who has
//! waited longest.

use std::collections::{BTreeMap, BTreeSet};

use contracts::events::{BackorderFilled, OrderLineQuantity};
use contracts::ids::{BackorderId, OrderId, OrderLineId, ProductId, WarehouseId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, query_all};
use kernel::quantity::Quantity;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::error::internal;
use crate::service::holds::{Cut, End, NewHold, Table, add, reduce};
use crate::service::kit_lines::settle;
use crate::service::levels::{Key, Levels};
use crate::service::promise_dates::{Lost, Promises, Whose, available, date};

/// Backorders filled by one round of statements: their parameters have to fit one.
const BATCH: usize = 1000;

#[derive(FromQueryResult)]
struct Waiting {
    id: BackorderId,
    order_id: OrderId,
    order_line_id: OrderLineId,
    product_id: ProductId,
    warehouse_id: WarehouseId,
    remaining: Quantity,
    /// The line for kits that it is a part of.
    kit_line_id: Option<OrderLineId>,
    /// The first hold of its line: how long it waits.
    first_id: Uuid,
}

/// Reserves what is available in `levels` for the orders that wait for it, in their order,
/// and tells each order once. Called wherever stock becomes available, so that nobody
/// waits while there is some. Orders not confirmed yet are passed over: should they never
/// be, orders would be told of a backorder it does not know.
pub(crate) async fn fill_backorders(tx: &mut Tx, levels: &mut Levels) -> Result<()> {
    fill(tx, levels, BTreeSet::new(), Promises::default()).await
}

/// The same where more can be promised than before at the keys `freed`: what waits there
/// without a day gets one. Tells what has changed of `kits`, lines for kits, as well.
pub(crate) async fn fill_and_promise(
    tx: &mut Tx,
    levels: &mut Levels,
    freed: &BTreeSet<Key>,
    mut kits: BTreeSet<OrderLineId>,
) -> Result<()> {
    let mut promises = Promises::default();
    let dated = date(tx, &available(levels, freed)?, Whose::Confirmed).await?;
    kits.extend(promises.add_dated(&dated));
    fill(tx, levels, kits, promises).await
}

/// The same where what is expected at the keys `changed` has changed: what has lost its day by that
/// gets another, or its order hears that none is known any more.
pub(crate) async fn fill_and_promise_anew(
    tx: &mut Tx,
    levels: &mut Levels,
    changed: &BTreeSet<Key>,
    lost: &[Lost],
) -> Result<()> {
    let mut promises = Promises::default();
    let dated = date(tx, &available(levels, changed)?, Whose::Confirmed).await?;
    let mut kits = promises.add_dated(&dated);
    kits.extend(promises.add_lost(lost, &dated));
    fill(tx, levels, kits, promises).await
}

async fn fill(
    tx: &mut Tx,
    levels: &mut Levels,
    mut kits: BTreeSet<OrderLineId>,
    mut promises: Promises,
) -> Result<()> {
    let mut filled: BTreeMap<OrderId, Vec<OrderLineQuantity>> = BTreeMap::new();
    loop {
        let waiting = next_in_queue(tx, levels).await?;
        let (mut cuts, mut reservations) = (Vec::new(), Vec::new());
        for row in &waiting {
            let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
            let level = levels.at(key)?;
            let quantity = level.reserve_up_to(row.remaining);
            level.unbackorder(quantity).map_err(internal)?;
            cuts.push(Cut { id: row.id.uuid(), by: quantity });
            let (order_id, line_id) = (row.order_id, row.order_line_id);
            let first_id = Some(row.first_id);
            reservations.push(NewHold { order_id, line_id, key, quantity, first_id });
            if let Some(kit_line_id) = row.kit_line_id {
                kits.insert(kit_line_id);
                continue;
            }
            let line = OrderLineQuantity { order_line_id: line_id, quantity };
            filled.entry(order_id).or_default().push(line);
        }
        reduce(tx, Table::Backorders, &cuts, End::Filled).await?;
        add(tx, Table::Reservations, &reservations, None).await?;
        if waiting.len() < BATCH {
            break;
        }
    }
    // The order hears of whole kits.
    for change in settle(tx, &kits).await? {
        let quantity = Quantity::from_micros(change.micros);
        let line = OrderLineQuantity { order_line_id: change.order_line_id, quantity };
        if !quantity.is_zero() {
            filled.entry(change.order_id).or_default().push(line);
        }
        promises.add(change.order_id, change.promise);
    }
    for (order_id, lines) in filled {
        let event = BackorderFilled { order_id, lines };
        tx.audit_new("order_hold", order_id.uuid(), &event)?;
        // Inventory does not know the order's version.
        tx.publish(order_id.uuid(), 0, &event)?;
    }
    promises.tell(tx)
}

/// The backorders that what is available reaches: the oldest promise first, what is promised
/// nothing last, and of one day who has waited longest, a broken promise included.
async fn next_in_queue(tx: &Tx, levels: &Levels) -> Result<Vec<Waiting>> {
    let rows: Vec<_> = levels
        .fillable()
        .map(|(key, level)| {
            vec![key.product_id.into(), key.warehouse_id.into(), level.available().into()]
        })
        .collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let columns = [
        ("product_id", Column::Uuid),
        ("warehouse_id", Column::Uuid),
        ("available", Column::BigInt),
    ];
    let values = Values::new(tx.get_database_backend(), "k", &columns, rows);
    let (sql, values) = values.statement(&format!(
        "SELECT q.id, q.order_id, q.order_line_id, q.product_id, q.warehouse_id, q.remaining, \
         q.kit_line_id, q.first_id \
         FROM (SELECT b.id, COALESCE(b.first_id, b.id) AS first_id, b.order_id, b.order_line_id, b.product_id, b.warehouse_id, \
           b.remaining, b.kit_line_id, b.promised_on, k.available, CAST(SUM(b.remaining) OVER (\
             PARTITION BY b.product_id, b.warehouse_id \
             ORDER BY b.promised_on NULLS LAST, COALESCE(b.first_id, b.id), b.id \
             ROWS UNBOUNDED PRECEDING) AS BIGINT) - b.remaining AS ahead \
           FROM k JOIN backorders b \
           ON b.product_id = k.product_id AND b.warehouse_id = k.warehouse_id \
           WHERE b.status = 'open' AND b.expires_at IS NULL) q \
         WHERE q.ahead < q.available \
         ORDER BY q.promised_on NULLS LAST, q.first_id, q.id LIMIT {BATCH}"
    ));
    Ok(query_all(&**tx, sql, values).await?)
}

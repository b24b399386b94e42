//! The days by which what waits is promised.
//!
//! A backorder gets one as soon as something is known to promise it by: what is expected covers
//! it and all that wait before it, or the lead time of its reorder rule does. It keeps the day
//! until somebody says another, or until a delivery that it counts on comes later, brings less or
//! is given up. What is late and of which nobody says more may still come today.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use contracts::events::{BackorderPromised, LinePromise};
use contracts::ids::{BackorderId, OrderId, OrderLineId, PurchaseOrderLineId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::quantity::Quantity;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::service::kit_lines::MAX_PARTS;
use crate::service::levels::{Key, Levels};

/// Whose backorders are looked at: an order not confirmed yet knows of its own alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    Order(OrderId),
    Confirmed,
}

/// A backorder that has got a day.
pub(crate) struct Dated {
    pub id: BackorderId,
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    /// The line for kits that it is a part of.
    pub kit_line_id: Option<OrderLineId>,
    pub promised_on: NaiveDate,
}

/// What a line of a purchase order will bring from now on, instead of what was expected of it.
pub(crate) struct Change {
    pub id: PurchaseOrderLineId,
    pub key: Key,
    pub quantity: Quantity,
    /// None: on the day it was expected.
    pub expected_on: Option<NaiveDate>,
}

/// A backorder that has lost its day.
#[derive(FromQueryResult)]
pub(crate) struct Lost {
    pub id: BackorderId,
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    /// The line for kits that it is a part of.
    pub kit_line_id: Option<OrderLineId>,
}

/// What orders are to be told.
#[derive(Default)]
pub(crate) struct Promises(BTreeMap<OrderId, Vec<LinePromise>>);

impl Promises {
    pub fn add(&mut self, order_id: OrderId, promise: impl Into<Option<LinePromise>>) {
        if let Some(promise) = promise.into() {
            self.0.entry(order_id).or_default().push(promise);
        }
    }

    /// Adds those that are of no kit, and returns the lines for kits of the others: `settle`
    /// knows by when a kit is whole.
    pub fn add_dated(&mut self, dated: &[Dated]) -> BTreeSet<OrderLineId> {
        let mut kits = BTreeSet::new();
        for row in dated {
            if let Some(kit_line_id) = row.kit_line_id {
                kits.insert(kit_line_id);
                continue;
            }
            let promised_on = Some(row.promised_on);
            let promise = LinePromise { order_line_id: row.order_line_id, promised_on };
            self.add(row.order_id, promise);
        }
        kits
    }

    /// The same for those that have lost their day and got no other: none is known any more.
    pub fn add_lost(&mut self, lost: &[Lost], dated: &[Dated]) -> BTreeSet<OrderLineId> {
        let dated: BTreeSet<_> = dated.iter().map(|row| row.id).collect();
        let mut kits = BTreeSet::new();
        for row in lost.iter().filter(|row| !dated.contains(&row.id)) {
            if let Some(kit_line_id) = row.kit_line_id {
                kits.insert(kit_line_id);
                continue;
            }
            let promise = LinePromise { order_line_id: row.order_line_id, promised_on: None };
            self.add(row.order_id, promise);
        }
        kits
    }

    /// Tells each order once.
    pub fn tell(self, tx: &mut Tx) -> Result<()> {
        for (order_id, lines) in self.0 {
            let event = BackorderPromised { order_id, lines };
            tx.audit_new("order_hold", order_id.uuid(), &event)?;
            // Inventory does not know the order's version.
            tx.publish(order_id.uuid(), 0, &event)?;
        }
        Ok(())
    }
}

/// What is available of the keys that somebody waits at.
pub(crate) fn available(levels: &mut Levels, keys: &BTreeSet<Key>) -> Result<Vec<(Key, Quantity)>> {
    let mut available = Vec::new();
    for key in keys {
        let level = levels.at(*key)?;
        if level.backordered.is_positive() {
            // What comes is owed first.
            let left = level.available().micros() - level.owed.micros();
            available.push((*key, Quantity::from_micros(left)));
        }
    }
    Ok(available)
}

/// Gives a day to what waits at these keys without one, as far as one is known. With each key
/// goes how much those who wait have there already.
pub(crate) async fn date(
    tx: &Tx,
    available: &[(Key, Quantity)],
    whose: Whose,
) -> Result<Vec<Dated>> {
    let mut dated = Vec::new();
    loop {
        let found = undated(tx, available, whose).await?;
        store(tx, &found).await?;
        let count = found.len();
        dated.extend(found);
        if count < MAX_PARTS {
            return Ok(dated);
        }
    }
}

/// What waits without a day, is not to be had now and could have a day: the first by which what
/// is expected covers it and whatever is before it in the queue (what is late comes today), or
/// that of the lead time.
async fn undated(tx: &Tx, available: &[(Key, Quantity)], whose: Whose) -> Result<Vec<Dated>> {
    #[derive(FromQueryResult)]
    struct Row {
        id: BackorderId,
        order_id: OrderId,
        order_line_id: OrderLineId,
        kit_line_id: Option<OrderLineId>,
        covered_on: Option<NaiveDate>,
        lead_time_days: i64,
    }
    if available.is_empty() {
        return Ok(Vec::new());
    }
    let rows = available.iter().map(|(key, available)| {
        vec![key.product_id.into(), key.warehouse_id.into(), (*available).into()]
    });
    let columns = [
        ("product_id", Column::Uuid),
        ("warehouse_id", Column::Uuid),
        ("available", Column::BigInt),
    ];
    let mut values = Values::new(tx.get_database_backend(), "k", &columns, rows);
    let whose = match whose {
        Whose::Order(id) => format!("q.order_id = {}", values.bind(id)),
        Whose::Confirmed => "q.expires_at IS NULL".to_owned(),
    };
    let (sql, values) = values.statement(&format!(
        ", q AS (SELECT b.*, k.available, SUM(b.remaining) OVER (\
           PARTITION BY b.product_id, b.warehouse_id ORDER BY b.promised_on NULLS LAST, \
           COALESCE(b.first_id, b.id), b.id ROWS UNBOUNDED PRECEDING) AS needed \
           FROM k JOIN backorders b \
           ON b.product_id = k.product_id AND b.warehouse_id = k.warehouse_id \
           WHERE b.status = 'open'), \
         e AS (SELECT e.product_id, e.warehouse_id, e.expected_on, \
           SUM(e.quantity - e.received) OVER (\
           PARTITION BY e.product_id, e.warehouse_id ORDER BY e.expected_on, e.id \
           ROWS UNBOUNDED PRECEDING) AS coming \
           FROM k JOIN expected_receipts e \
           ON e.product_id = k.product_id AND e.warehouse_id = k.warehouse_id \
           WHERE e.quantity > e.received), \
         d AS (SELECT q.id, q.order_id, q.order_line_id, q.kit_line_id, \
           (SELECT MIN(e.expected_on) FROM e WHERE e.product_id = q.product_id \
             AND e.warehouse_id = q.warehouse_id AND e.coming + q.available >= q.needed) \
             AS covered_on, COALESCE(r.lead_time_days, 0) AS lead_time_days \
           FROM q LEFT JOIN reorder_rules r \
           ON r.product_id = q.product_id AND r.warehouse_id = q.warehouse_id \
           WHERE q.promised_on IS NULL AND q.needed > q.available AND {whose}) \
         SELECT * FROM d WHERE covered_on IS NOT NULL OR lead_time_days > 0 \
         ORDER BY id LIMIT {MAX_PARTS}"
    ));
    let today = tx.now().date_naive();
    let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
    let dated = rows.into_iter().filter_map(|row| {
        Some(Dated {
            id: row.id,
            order_id: row.order_id,
            order_line_id: row.order_line_id,
            kit_line_id: row.kit_line_id,
            promised_on: promise(today, row.covered_on, row.lead_time_days)?,
        })
    });
    Ok(dated.collect())
}

/// The sooner of the day that what is expected covers it and that by which more could be bought.
/// A lead time of no days is none: nobody has said how long buying takes.
fn promise(
    today: NaiveDate,
    covered_on: Option<NaiveDate>,
    lead_time_days: i64,
) -> Option<NaiveDate> {
    let days = u64::try_from(lead_time_days).ok().filter(|days| *days > 0);
    let bought_on = days.and_then(|days| today.checked_add_days(Days::new(days)));
    let covered_on = covered_on.map(|day| day.max(today));
    covered_on.into_iter().chain(bought_on).min()
}

/// Takes the day of what counts on deliveries that are to change: by that day what is expected
/// covers it, and with the changes will not. To be asked before they are made, under the lock of
/// their levels and before those are changed. Orders that are not confirmed keep what they were
/// answered.
pub(crate) async fn withdraw(tx: &Tx, changes: &[Change]) -> Result<Vec<Lost>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = changes.iter().map(|change| {
        vec![
            change.id.into(),
            change.key.product_id.into(),
            change.key.warehouse_id.into(),
            change.quantity.into(),
            change.expected_on.into(),
        ]
    });
    let columns = [
        ("id", Column::Uuid),
        ("product_id", Column::Uuid),
        ("warehouse_id", Column::Uuid),
        ("quantity", Column::BigInt),
        ("expected_on", Column::Date),
    ];
    let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    let now = values.bind(tx.now());
    let covered = |quantity: &str, day: &str| {
        format!(
            "q.available + COALESCE((SELECT SUM(e.{quantity}) FROM e \
             WHERE e.product_id = q.product_id AND e.warehouse_id = q.warehouse_id \
             AND e.{day} <= q.promised_on), 0) >= q.needed"
        )
    };
    let (was, is) = (covered("was", "was_on"), covered("quantity", "expected_on"));
    let (sql, values) = values.statement(&format!(
        ", k AS (SELECT DISTINCT e.product_id, e.warehouse_id FROM v \
           JOIN expected_receipts e ON e.id = v.id AND e.product_id = v.product_id \
           AND e.warehouse_id = v.warehouse_id WHERE e.quantity > e.received), \
         e AS (SELECT e.product_id, e.warehouse_id, e.expected_on AS was_on, \
           e.quantity - e.received AS was, COALESCE(v.expected_on, e.expected_on) AS expected_on, \
           CASE WHEN v.id IS NULL THEN e.quantity - e.received \
           WHEN v.quantity > e.received THEN v.quantity - e.received ELSE 0 END AS quantity \
           FROM k JOIN expected_receipts e \
           ON e.product_id = k.product_id AND e.warehouse_id = k.warehouse_id \
           LEFT JOIN v ON v.id = e.id WHERE e.quantity > e.received), \
         q AS (SELECT b.id, b.product_id, b.warehouse_id, b.promised_on, b.expires_at, \
           s.on_hand - s.owed - s.reserved - s.blocked AS available, SUM(b.remaining) OVER (\
           PARTITION BY b.product_id, b.warehouse_id ORDER BY b.promised_on NULLS LAST, \
           COALESCE(b.first_id, b.id), b.id ROWS UNBOUNDED PRECEDING) AS needed \
           FROM k JOIN stock_levels s \
           ON s.product_id = k.product_id AND s.warehouse_id = k.warehouse_id \
           JOIN backorders b \
           ON b.product_id = k.product_id AND b.warehouse_id = k.warehouse_id \
           WHERE b.status = 'open') \
         UPDATE backorders SET promised_on = NULL, version = backorders.version + 1, \
         updated_at = {now} WHERE id IN (SELECT q.id FROM q WHERE q.promised_on IS NOT NULL \
         AND q.expires_at IS NULL AND {was} AND NOT {is}) \
         RETURNING id, order_id, order_line_id, kit_line_id"
    ));
    Ok(query_all(&**tx, sql, values).await?)
}

async fn store(tx: &Tx, dated: &[Dated]) -> Result<()> {
    if dated.is_empty() {
        return Ok(());
    }
    let rows = dated.iter().map(|row| vec![row.id.into(), row.promised_on.into()]);
    let columns = [("id", Column::Uuid), ("promised_on", Column::Date)];
    let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    let now = values.bind(tx.now());
    let (sql, values) = values.statement(&format!(
        "UPDATE backorders SET promised_on = v.promised_on, version = backorders.version + 1, \
         updated_at = {now} FROM v WHERE backorders.id = v.id"
    ));
    execute(&**tx, sql, values).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_or_could_be_bought_first_is_promised() {
        let day = |day: u32| NaiveDate::from_ymd_opt(2026, 1, day).expect("a day");
        let check = |covered: Option<u32>, lead: i64, expected: Option<u32>| {
            let found = promise(day(10), covered.map(day), lead);
            assert_eq!(found, expected.map(day), "{covered:?} {lead}");
        };
        check(None, 0, None);
        check(Some(12), 0, Some(12));
        check(Some(2), 0, Some(10));
        check(None, 7, Some(17));
        check(Some(12), 7, Some(12));
        check(Some(20), 7, Some(17));
    }
}

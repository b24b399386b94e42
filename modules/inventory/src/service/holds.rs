//! What orders hold and wait for: rows of `reservations` and `backorders`. Every function
//! here expects the levels concerned to be locked, and leaves changing them to its caller.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{OrderId, OrderLineId, ProductId, WarehouseId};
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::quantity::Quantity;
use kernel::{Error, Result};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::entities::{backorder, reservation};
use crate::error::internal;
use crate::service::levels::{Key, Levels};
use crate::service::picking_ends::give_up_lines;

/// What one order line holds and waits for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Hold {
    pub line_id: OrderLineId,
    #[serde(skip)]
    pub key: Key,
    pub reserved: Quantity,
    pub backordered: Quantity,
    /// When what it waits for is promised, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promised_on: Option<NaiveDate>,
    /// Whether it no longer expires.
    pub is_lasting: bool,
    /// The line for kits that it is a part of.
    #[serde(skip)]
    pub kit_line_id: Option<OrderLineId>,
    #[serde(skip)]
    reservation: Option<Uuid>,
    #[serde(skip)]
    backorder: Option<Uuid>,
}

/// The two tables of holds, which are alike.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table {
    Reservations,
    Backorders,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Table::Reservations => "reservations",
            Table::Backorders => "backorders",
        }
    }

    /// The status of a row that still counts.
    fn live(self) -> &'static str {
        match self {
            Table::Reservations => "active",
            Table::Backorders => "open",
        }
    }
}

/// How a hold, or a part of it, goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Shipped.
    Consumed,
    /// Not wanted any more.
    Released,
    /// Its time ran out.
    Expired,
    /// The wait is over: reserved.
    Filled,
}

impl End {
    fn status(self, table: Table) -> &'static str {
        match (table, self) {
            (Table::Reservations, End::Consumed) => "consumed",
            (Table::Reservations, End::Expired) => "expired",
            (Table::Reservations, _) => "released",
            (Table::Backorders, End::Filled) => "filled",
            (Table::Backorders, _) => "cancelled",
        }
    }
}

/// A quantity to take off a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub id: Uuid,
    pub by: Quantity,
}

/// A new row: what is reserved or waited for now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewHold {
    pub order_id: OrderId,
    pub line_id: OrderLineId,
    pub key: Key,
    pub quantity: Quantity,
    /// The first hold the line had, if there has been one: who has waited longest comes first,
    /// whatever was broken and filled meanwhile.
    pub first_id: Option<Uuid>,
}

/// The levels an order has something in: what to lock before [`of_order`].
pub(crate) async fn keys_of_order(tx: &Tx, order_id: OrderId) -> Result<BTreeSet<Key>> {
    #[derive(FromQueryResult)]
    struct Row {
        product_id: ProductId,
        warehouse_id: WarehouseId,
    }
    let sql = "SELECT product_id, warehouse_id FROM reservations \
               WHERE order_id = $1 AND status = 'active' \
               UNION SELECT product_id, warehouse_id FROM backorders \
               WHERE order_id = $1 AND status = 'open'";
    let rows: Vec<Row> = query_all(&**tx, sql, vec![order_id.into()]).await?;
    let key = |row: Row| Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
    Ok(rows.into_iter().map(key).collect())
}

/// What the lines of an order hold and wait for now.
pub(crate) async fn of_order(tx: &Tx, order_id: OrderId) -> Result<BTreeMap<OrderLineId, Hold>> {
    let reserved = reservation::Entity::find()
        .filter(reservation::Column::OrderId.eq(order_id))
        .filter(reservation::Column::Status.eq(reservation::ReservationStatus::Active))
        .all(&**tx)
        .await?;
    let waiting = backorder::Entity::find()
        .filter(backorder::Column::OrderId.eq(order_id))
        .filter(backorder::Column::Status.eq(backorder::BackorderStatus::Open))
        .all(&**tx)
        .await?;
    let mut holds = BTreeMap::new();
    for row in reserved {
        // The table has a line wherever it has an order.
        let Some(line_id) = row.order_line_id else { continue };
        let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
        let hold = Hold {
            line_id,
            key,
            reserved: row.remaining,
            backordered: Quantity::ZERO,
            promised_on: None,
            is_lasting: row.expires_at.is_none(),
            kit_line_id: row.kit_line_id,
            reservation: Some(row.id.uuid()),
            backorder: None,
        };
        holds.insert(line_id, hold);
    }
    for row in waiting {
        let line_id = row.order_line_id;
        let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
        let hold = holds.entry(line_id).or_insert(Hold {
            line_id,
            key,
            reserved: Quantity::ZERO,
            backordered: Quantity::ZERO,
            promised_on: None,
            is_lasting: row.expires_at.is_none(),
            kit_line_id: row.kit_line_id,
            reservation: None,
            backorder: None,
        });
        hold.backordered = row.remaining;
        hold.promised_on = row.promised_on;
        hold.backorder = Some(row.id.uuid());
    }
    Ok(holds)
}

/// Takes `reserved` and `backordered` off each hold, in the tables and in the levels.
pub(crate) async fn cut(
    tx: &Tx,
    levels: &mut Levels,
    cuts: &[(Hold, Quantity, Quantity)],
    end: End,
) -> Result<()> {
    let (mut reservations, mut backorders) = (Vec::new(), Vec::new());
    for (hold, reserved, backordered) in cuts {
        let level = levels.at(hold.key)?;
        if let Some(id) = hold.reservation.filter(|_| reserved.is_positive()) {
            level.release(*reserved).map_err(internal)?;
            reservations.push(Cut { id, by: *reserved });
        }
        if let Some(id) = hold.backorder.filter(|_| backordered.is_positive()) {
            level.unbackorder(*backordered).map_err(internal)?;
            backorders.push(Cut { id, by: *backordered });
        }
    }
    if end == End::Released {
        let held = cuts.iter().filter(|(_, reserved, _)| reserved.is_positive());
        give_up_lines(tx, held.map(|(hold, ..)| hold.line_id).collect()).await?;
    }
    reduce(tx, Table::Reservations, &reservations, end).await?;
    reduce(tx, Table::Backorders, &backorders, end).await
}

/// Takes everything off these holds.
pub(crate) async fn give_up(
    tx: &Tx,
    levels: &mut Levels,
    holds: impl IntoIterator<Item = Hold>,
) -> Result<()> {
    let cuts: Vec<_> =
        holds.into_iter().map(|hold| (hold, hold.reserved, hold.backordered)).collect();
    cut(tx, levels, &cuts, End::Released).await
}

/// Takes quantities off rows; a row with nothing left has ended.
pub(crate) async fn reduce(tx: &Tx, table: Table, cuts: &[Cut], end: End) -> Result<()> {
    if cuts.is_empty() {
        return Ok(());
    }
    let (name, ended) = (table.name(), end.status(table));
    let rows = cuts.iter().map(|cut| vec![cut.id.into(), cut.by.into()]);
    let columns = [("id", Column::Uuid), ("cut", Column::BigInt)];
    let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    let now = values.bind(tx.now());
    let (sql, values) = values.statement(&format!(
        "UPDATE {name} SET remaining = {name}.remaining - v.cut, \
         status = CASE WHEN {name}.remaining = v.cut THEN '{ended}' ELSE {name}.status END, \
         version = {name}.version + 1, updated_at = {now} FROM v WHERE {name}.id = v.id"
    ));
    if execute(&**tx, sql, values).await? != cuts.len() as u64 {
        return Err(Error::internal(format!("a row of {name} is gone")));
    }
    Ok(())
}

/// Adds rows, or to the row a line has already.
pub(crate) async fn add(
    tx: &Tx,
    table: Table,
    rows: &[NewHold],
    expires_at: Option<DateTime<Utc>>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (name, live) = (table.name(), table.live());
    let columns = [
        ("id", Column::Uuid),
        ("order_id", Column::Uuid),
        ("order_line_id", Column::Uuid),
        ("product_id", Column::Uuid),
        ("warehouse_id", Column::Uuid),
        ("quantity", Column::BigInt),
        ("first_id", Column::Uuid),
    ];
    let rows = rows.iter().map(|row| -> Vec<Value> {
        vec![
            Uuid::now_v7().into(),
            row.order_id.into(),
            row.line_id.into(),
            row.key.product_id.into(),
            row.key.warehouse_id.into(),
            row.quantity.into(),
            row.first_id.into(),
        ]
    });
    let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    let (expires_at, now) = (values.bind(expires_at), values.bind(tx.now()));
    let (sql, values) = values.statement(&format!(
        "INSERT INTO {name} (id, order_id, order_line_id, product_id, warehouse_id, quantity, \
         remaining, status, expires_at, version, created_at, updated_at, kit_line_id, kit_id, \
         first_id) \
         SELECT v.id, v.order_id, v.order_line_id, v.product_id, v.warehouse_id, v.quantity, \
         v.quantity, '{live}', {expires_at}, 1, {now}, {now}, p.order_line_id, p.kit_id, \
         v.first_id \
         FROM v LEFT JOIN kit_parts p ON p.id = v.order_line_id WHERE true \
         ON CONFLICT (order_line_id) WHERE status = '{live}' DO UPDATE SET \
         quantity = {name}.quantity + excluded.quantity, \
         remaining = {name}.remaining + excluded.remaining, \
         version = {name}.version + 1, updated_at = excluded.updated_at"
    ));
    execute(&**tx, sql, values).await?;
    Ok(())
}

/// Sets when what an order holds and waits for expires; none makes it lasting. What is
/// lasting stays so.
pub(crate) async fn set_expiry(
    tx: &Tx,
    order_id: OrderId,
    expires_at: Option<DateTime<Utc>>,
) -> Result<()> {
    for table in [Table::Reservations, Table::Backorders] {
        let sql = format!(
            "UPDATE {} SET expires_at = $1, version = version + 1, updated_at = $2 \
             WHERE order_id = $3 AND status = '{}' AND expires_at IS NOT NULL",
            table.name(),
            table.live()
        );
        execute(&**tx, sql, vec![expires_at.into(), tx.now().into(), order_id.into()]).await?;
    }
    Ok(())
}

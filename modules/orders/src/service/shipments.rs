//! Packing goods, and reading shipments.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use contracts::events::ShipmentPacked;
use contracts::ids::{OrderId, OrderLineId, ProductId, ShipmentId};
use kernel::date::business_date;
use kernel::db::{Tx, query_all};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};

use crate::entities::order::{self, OrderStatus};
use crate::entities::shipment::{self, ShipmentStatus};
use crate::entities::shipment_line;
use crate::error::{Error, Excess, LineFault};
use crate::routes::shipments::{
    ListShipments, NewShipment, NewShipmentLine, Shipment, ShipmentLine,
};
use crate::service::document::Document;
use crate::service::draft::too_fine;
use crate::service::status::{ORDER, SHIPMENT};
use crate::service::{Service, check_line_count, is_fine_enough};

impl Service {
    pub(crate) async fn list_shipments(&self, query: ListShipments) -> Result<Page<Shipment>> {
        let mut select = shipment::Entity::find();
        if let Some(order_id) = query.order_id {
            select = select.filter(shipment::Column::OrderId.eq(order_id));
        }
        if let Some(status) = query.status {
            select = select.filter(shipment::Column::Status.eq(status));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &shipment::Model| row.id.uuid();
        let conn = self.db.read();
        let page: Page<shipment::Model> =
            fetch(conn, select, shipment::Column::Id, id_of, "shipments", &request).await?;
        let mut lines = lines_of(conn, page.data.iter().map(|shipment| shipment.id)).await?;
        Ok(page.map(|shipment| {
            let lines = lines.remove(&shipment.id).unwrap_or_default();
            view(&shipment, lines)
        }))
    }

    pub(crate) async fn shipment(&self, id: ShipmentId) -> Result<Shipment> {
        let conn = self.db.read();
        let shipment = find(conn, id).await?;
        let lines = lines_of(conn, [id]).await?.remove(&id).unwrap_or_default();
        Ok(view(&shipment, lines))
    }

    pub(crate) async fn check_order_exists(&self, id: OrderId) -> Result<()> {
        match order::Entity::find_by_id(id).count(self.db.read()).await? {
            0 => Err(kernel::Error::not_found("order", id)),
            _ => Ok(()),
        }
    }

    pub(crate) async fn create_shipment(
        &self,
        ctx: &Ctx,
        order_id: OrderId,
        new: NewShipment,
    ) -> Result<Reply> {
        if let Some(lines) = &new.lines {
            check_line_count(lines.len())?;
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let before = Document::lock(&tx, order_id).await?;
        if before.order.status != OrderStatus::Confirmed {
            return Err(ORDER.illegal(before.order.status, "ship"));
        }
        if new.shipped_on.is_some() {
            let date = business_date(new.shipped_on, tx.now().date_naive(), "/shipped_on")?;
            not_before(date, before.order.ordered_on, "/shipped_on", "it was ordered")?;
        }
        let mut after = before.clone();
        let picked = match &new.lines {
            Some(lines) => pick_lines(&mut after, lines)?,
            None => pick_everything(&mut after)?,
        };
        let shipment = insert(&tx, order_id, new, &picked).await?;
        after.save(&mut tx, &before).await?;
        let view = view(&shipment, lines_from(&after, &picked));
        tx.audit_new("shipment", shipment.id.uuid(), &view)?;
        let packed = ShipmentPacked { shipment_id: shipment.id, number: shipment.number };
        tx.publish(order_id.uuid(), after.order.version, &packed)?;
        let location = format!("/api/v1/orders/shipments/{}", view.id);
        tx.reply(Reply::created(&view, location)).await
    }
}

/// Refuses a day before the one on which something else has happened first.
pub(crate) fn not_before(
    date: NaiveDate,
    first: NaiveDate,
    pointer: &str,
    what: &str,
) -> Result<()> {
    if date >= first {
        return Ok(());
    }
    let detail = format!("{date} is before {what}, on {first}");
    Err(kernel::Error::invalid("date_out_of_range", pointer, detail))
}

/// Claims what was asked for, all of it or nothing.
fn pick_lines(
    document: &mut Document,
    lines: &[NewShipmentLine],
) -> Result<Vec<(OrderLineId, Quantity)>, Error> {
    let mut faults = Vec::new();
    let mut excesses = Vec::new();
    let mut picked = HashMap::with_capacity(lines.len());
    for (index, asked) in lines.iter().enumerate() {
        let id = asked.order_line_id;
        let quantity = asked.quantity.get();
        let Some(line) = document.line_mut(id) else {
            faults.push(unknown_line(index, id));
            continue;
        };
        if picked.insert(id, quantity).is_some() {
            faults.push(LineFault {
                index,
                field: "order_line_id",
                code: "duplicate_line",
                message: "the order line is listed twice".to_owned(),
            });
        } else if !is_fine_enough(quantity.micros(), line.unit_decimals) {
            faults.push(too_fine(index, line.unit_decimals));
        } else if let Err(exceeds) = line.step(|counters| counters.pick(quantity.micros())) {
            let available = exceeds.left;
            excesses.push(Excess { order_line_id: id, asked: quantity, available });
        }
    }
    if !faults.is_empty() {
        return Err(Error::Lines(faults));
    }
    if !excesses.is_empty() {
        return Err(Error::NotEnoughReserved(excesses));
    }
    let in_order = document.lines.iter();
    Ok(in_order.filter_map(|line| Some((line.id, *picked.get(&line.id)?))).collect())
}

fn pick_everything(document: &mut Document) -> Result<Vec<(OrderLineId, Quantity)>, Error> {
    let mut picked = Vec::new();
    for line in &mut document.lines {
        let packable = line.counters().packable();
        if packable > 0 && line.step(|counters| counters.pick(packable)).is_ok() {
            picked.push((line.id, Quantity::from_micros(packable)));
        }
    }
    if picked.is_empty() { Err(Error::NothingToShip) } else { Ok(picked) }
}

pub(crate) fn unknown_line(index: usize, id: OrderLineId) -> LineFault {
    LineFault {
        index,
        field: "order_line_id",
        code: "unknown_order_line",
        message: format!("the order has no line {id}"),
    }
}

async fn insert(
    tx: &Tx,
    order_id: OrderId,
    new: NewShipment,
    picked: &[(OrderLineId, Quantity)],
) -> Result<shipment::Model> {
    let shipment = shipment::Model {
        id: ShipmentId::new(),
        number: tx.next_number("SH", tx.now().year()).await?,
        order_id,
        status: ShipmentStatus::Packed,
        carrier: new.carrier.map(Into::into),
        tracking_number: new.tracking_number.map(Into::into),
        shipped_on: new.shipped_on,
        shipped_at: None,
        delivered_at: None,
        cancelled_at: None,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let row = shipment.clone().into_active_model();
    shipment::Entity::insert(row).exec_without_returning(&**tx).await?;
    let rows = picked.iter().map(|(order_line_id, quantity)| {
        let line = shipment_line::Model {
            shipment_id: shipment.id,
            order_line_id: *order_line_id,
            quantity: *quantity,
        };
        line.into_active_model()
    });
    tx.insert_late(rows)?;
    Ok(shipment)
}

/// The lines of a shipment out of its order's.
fn lines_from(document: &Document, picked: &[(OrderLineId, Quantity)]) -> Vec<ShipmentLine> {
    let quantities: HashMap<_, _> = picked.iter().copied().collect();
    let lines = document.lines.iter().filter_map(|line| {
        Some(ShipmentLine {
            order_line_id: line.id,
            product_id: line.product_id,
            sku: line.sku.clone(),
            name: line.name.clone(),
            unit: line.unit.clone(),
            quantity: *quantities.get(&line.id)?,
        })
    });
    lines.collect()
}

pub(crate) async fn find(conn: &impl ConnectionTrait, id: ShipmentId) -> Result<shipment::Model> {
    let shipment = shipment::Entity::find_by_id(id).one(conn).await?;
    shipment.ok_or_else(|| kernel::Error::not_found("shipment", id))
}

#[derive(FromQueryResult)]
struct LineRow {
    shipment_id: ShipmentId,
    order_line_id: OrderLineId,
    product_id: ProductId,
    sku: String,
    name: String,
    unit: String,
    quantity: Quantity,
}

/// The lines of each of these shipments, in the order of the order's.
pub(crate) async fn lines_of(
    conn: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = ShipmentId>,
) -> Result<HashMap<ShipmentId, Vec<ShipmentLine>>> {
    let values: Vec<sea_orm::Value> = ids.into_iter().map(Into::into).collect();
    let mut lines: HashMap<_, Vec<_>> = HashMap::with_capacity(values.len());
    if values.is_empty() {
        return Ok(lines);
    }
    let marks: Vec<_> = (1..=values.len()).map(|i| format!("${i}")).collect();
    let sql = format!(
        "SELECT s.shipment_id, s.order_line_id, l.product_id, l.sku, l.name, l.unit, s.quantity \
         FROM shipment_lines s JOIN order_lines l ON l.id = s.order_line_id \
         WHERE s.shipment_id IN ({}) ORDER BY l.position",
        marks.join(", ")
    );
    for row in query_all::<LineRow, _>(conn, sql, values).await? {
        lines.entry(row.shipment_id).or_default().push(ShipmentLine {
            order_line_id: row.order_line_id,
            product_id: row.product_id,
            sku: row.sku,
            name: row.name,
            unit: row.unit,
            quantity: row.quantity,
        });
    }
    Ok(lines)
}

pub(crate) fn view(shipment: &shipment::Model, lines: Vec<ShipmentLine>) -> Shipment {
    Shipment {
        id: shipment.id,
        number: shipment.number.clone(),
        order_id: shipment.order_id,
        status: shipment.status,
        carrier: shipment.carrier.clone(),
        tracking_number: shipment.tracking_number.clone(),
        shipped_on: shipment.shipped_on,
        lines,
        allowed_actions: SHIPMENT.allowed_actions(shipment.status),
        shipped_at: shipment.shipped_at,
        delivered_at: shipment.delivered_at,
        cancelled_at: shipment.cancelled_at,
        version: shipment.version,
        created_at: shipment.created_at,
        updated_at: shipment.updated_at,
    }
}

//! What happens to a packed shipment.

use contracts::events::{ShipmentCancelled, ShipmentDelivered, ShipmentShipped, ShippedLine};
use contracts::ids::{OrderId, ShipmentId};
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, QuerySelect};

use crate::entities::order::{self, OrderStatus};
use crate::entities::shipment::{self, ShipmentStatus};
use crate::error::Error;
use crate::routes::shipments::{Shipment, ShipmentLine, ShipmentPatch};
use crate::service::Service;
use crate::service::cancel::publish_completed;
use crate::service::counters::{Counters, Exceeds};
use crate::service::document::Document;
use crate::service::shipments::{find, lines_of, view};
use crate::service::status::{SHIPMENT, after_change};
use crate::service::view::tax_class;

/// A shipment and its order, both loaded to be changed.
struct Loaded {
    shipment: shipment::Model,
    lines: Vec<ShipmentLine>,
    order: Document,
}

impl Service {
    pub(crate) async fn update_shipment(
        &self,
        ctx: &Ctx,
        id: ShipmentId,
        patch: ShipmentPatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let (shipment, lines) = load_alone(&tx, ctx, id).await?;
        if !matches!(shipment.status, ShipmentStatus::Packed | ShipmentStatus::Shipped) {
            return Err(SHIPMENT.illegal(shipment.status, "update"));
        }
        let mut after = shipment.clone();
        if let Some(carrier) = patch.carrier {
            after.carrier = carrier.map(Into::into);
        }
        if let Some(tracking_number) = patch.tracking_number {
            after.tracking_number = tracking_number.map(Into::into);
        }
        // What changes nothing makes no new version.
        if after == shipment {
            return tx.reply(Reply::ok(&view(&shipment, lines))).await;
        }
        let after = save(&mut tx, &shipment, after, lines).await?;
        tx.reply(Reply::ok(&after)).await
    }

    pub(crate) async fn ship_shipment(&self, ctx: &Ctx, id: ShipmentId) -> Result<Reply> {
        let order_id = find(self.db.read(), id).await?.order_id;
        let mut tx = self.db.begin_once(ctx).await?;
        let Loaded { shipment, lines, order: before } = load(&tx, ctx, id, order_id).await?;
        let mut shipped = shipment.clone();
        shipped.status = SHIPMENT.apply(shipment.status, "ship")?;
        shipped.shipped_at = Some(tx.now());
        let shipped_on = *shipped.shipped_on.get_or_insert(tx.now().date_naive());

        let mut order = before.clone();
        step_lines(&mut order, &lines, Counters::ship)?;
        let status = after_change(&order.counters());
        if status != OrderStatus::Confirmed {
            order.enter(&tx, status);
        }
        order.save(&mut tx, &before).await?;
        let model = &order.order;
        let event = ShipmentShipped {
            shipment_id: id,
            number: shipment.number.clone(),
            order_id: model.id,
            order_number: model.number.clone(),
            shipped_on,
            customer: model.customer_info()?,
            currency: model.currency,
            prices_include_tax: model.prices_include_tax,
            rounding_mode: model.rounding()?,
            lines: shipped_lines(&order, &lines)?,
        };
        tx.publish(model.id.uuid(), model.version, &event)?;
        if status == OrderStatus::Completed {
            publish_completed(&mut tx, &order)?;
        }
        let after = save(&mut tx, &shipment, shipped, lines).await?;
        tx.reply(Reply::ok(&after)).await
    }

    pub(crate) async fn deliver_shipment(&self, ctx: &Ctx, id: ShipmentId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let (shipment, lines) = load_alone(&tx, ctx, id).await?;
        let mut delivered = shipment.clone();
        delivered.status = SHIPMENT.apply(shipment.status, "deliver")?;
        delivered.delivered_at = Some(tx.now());
        let event = ShipmentDelivered { shipment_id: id, number: shipment.number.clone() };
        let order_version = version_of(&tx, shipment.order_id).await?;
        tx.publish(shipment.order_id.uuid(), order_version, &event)?;
        let after = save(&mut tx, &shipment, delivered, lines).await?;
        tx.reply(Reply::ok(&after)).await
    }

    pub(crate) async fn cancel_shipment(&self, ctx: &Ctx, id: ShipmentId) -> Result<Reply> {
        let order_id = find(self.db.read(), id).await?.order_id;
        let mut tx = self.db.begin_once(ctx).await?;
        let Loaded { shipment, lines, order: before } = load(&tx, ctx, id, order_id).await?;
        // Refused before the order is touched.
        SHIPMENT.apply(shipment.status, "cancel")?;
        let mut order = before.clone();
        let after = unpack(&mut tx, &mut order, &shipment, lines).await?;
        order.save(&mut tx, &before).await?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// Cancels a packed shipment and gives its goods back to the reserved ones of `order`,
/// which the caller saves.
pub(crate) async fn unpack(
    tx: &mut Tx,
    order: &mut Document,
    shipment: &shipment::Model,
    lines: Vec<ShipmentLine>,
) -> Result<Shipment> {
    let mut cancelled = shipment.clone();
    cancelled.status = SHIPMENT.apply(shipment.status, "cancel")?;
    cancelled.cancelled_at = Some(tx.now());
    step_lines(order, &lines, Counters::unpick)?;
    let event = ShipmentCancelled { shipment_id: shipment.id, number: shipment.number.clone() };
    // The version the order is about to have.
    tx.publish(order.order.id.uuid(), order.order.version + 1, &event)?;
    save(tx, shipment, cancelled, lines).await
}

/// Loads a shipment and its order to change both. Whoever locks the two locks the order
/// first.
async fn load(tx: &Tx, ctx: &Ctx, id: ShipmentId, order_id: OrderId) -> Result<Loaded> {
    let order = Document::lock(tx, order_id).await?;
    let (shipment, lines) = load_alone(tx, ctx, id).await?;
    Ok(Loaded { shipment, lines, order })
}

/// Loads a shipment to change what does not concern its order.
async fn load_alone(
    tx: &Tx,
    ctx: &Ctx,
    id: ShipmentId,
) -> Result<(shipment::Model, Vec<ShipmentLine>)> {
    let found = tx.lock::<shipment::Entity>(id).await?;
    let shipment = found.ok_or_else(|| kernel::Error::not_found("shipment", id))?;
    ctx.check_version(shipment.version)?;
    let lines = lines_of(&**tx, [id]).await?.remove(&id).unwrap_or_default();
    Ok((shipment, lines))
}

async fn version_of(tx: &Tx, id: OrderId) -> Result<i64> {
    let version = order::Entity::find_by_id(id)
        .select_only()
        .column(order::Column::Version)
        .into_tuple()
        .one(&**tx)
        .await?;
    version.ok_or_else(|| kernel::Error::not_found("order", id))
}

async fn save(
    tx: &mut Tx,
    before: &shipment::Model,
    mut after: shipment::Model,
    lines: Vec<ShipmentLine>,
) -> Result<Shipment> {
    after.version = before.version + 1;
    after.updated_at = tx.now();
    after.clone().into_active_model().reset_all().update(&**tx).await?;
    let old = view(before, lines.clone());
    let new = view(&after, lines);
    tx.audit("shipment", after.id.uuid(), Some(&old), Some(&new))?;
    Ok(new)
}

/// Takes the same step with each line of a shipment.
fn step_lines(
    order: &mut Document,
    lines: &[ShipmentLine],
    step: fn(&mut Counters, i64) -> Result<(), Exceeds>,
) -> Result<()> {
    for packed in lines {
        let id = packed.order_line_id;
        let refused = || Error::DoesNotFit { event: "shipment", line: id };
        let line = order.line_mut(id).ok_or_else(refused)?;
        line.step(|counters| step(counters, packed.quantity.micros())).map_err(|_| refused())?;
    }
    Ok(())
}

fn shipped_lines(order: &Document, lines: &[ShipmentLine]) -> Result<Vec<ShippedLine>> {
    let mut packed = lines.iter().peekable();
    let mut shipped = Vec::with_capacity(lines.len());
    // Both are in the order of the positions.
    for line in &order.lines {
        let Some(goods) = packed.next_if(|goods| goods.order_line_id == line.id) else { continue };
        shipped.push(ShippedLine {
            order_line_id: line.id,
            product_id: line.product_id,
            warehouse_id: order.order.warehouse_id,
            sku: line.sku.clone(),
            name: line.name.clone(),
            unit: line.unit.clone(),
            quantity: goods.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_class: tax_class(&line.tax_class)?,
        });
    }
    Ok(shipped)
}

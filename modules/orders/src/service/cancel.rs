//! Taking back an order: the whole of it, part of a line, or whatever is left.

use contracts::billing::{CalculateTotals, LineToTotal};
use contracts::events::{CancelledLine, OrderCancelled, OrderCompleted, OrderLinesCancelled};
use contracts::ids::{OrderId, OrderLineId};
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::money::Money;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};

use crate::entities::order::OrderStatus;
use crate::entities::order_line;
use crate::error::Error;
use crate::routes::orders::CancelLine;
use crate::service::document::Document;
use crate::service::status::{ORDER, after_change};
use crate::service::view::tax_class;
use crate::service::{Service, is_fine_enough};

impl Service {
    pub(crate) async fn cancel_order(&self, ctx: &Ctx, id: OrderId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = Document::lock(&tx, id).await?;
        ctx.check_version(before.order.version)?;
        let cancelled = ORDER.apply(before.order.status, "cancel")?;
        if before.has_shipped() {
            return Err(Error::AlreadyShipped.into());
        }
        if before.has_packed() {
            return Err(Error::PackedShipments.into());
        }
        let mut after = before.clone();
        cancel_the_rest(&mut after);
        after.enter(&tx, cancelled);
        after.save(&mut tx, &before).await?;
        // A draft whose confirmation came to nothing may still hold something.
        if before.order.held_version.is_some() {
            publish_cancelled(&mut tx, &after)?;
        }
        tx.reply(Reply::ok(&after.view()?)).await
    }

    pub(crate) async fn close_order_short(&self, ctx: &Ctx, id: OrderId) -> Result<Reply> {
        let seen = self.look(ctx, id).await?;
        let completed = ORDER.apply(seen.order.status, "close_short")?;
        if !seen.has_shipped() {
            return Err(Error::NothingShipped.into());
        }
        if seen.has_packed() {
            return Err(Error::PackedShipments.into());
        }
        let mut planned = seen.clone();
        let taken = cancel_the_rest(&mut planned);
        let remaining_total = self.remaining_total(ctx, &planned).await?;

        let mut tx = self.db.begin_once(ctx).await?;
        let before = self.lock_as_seen(&tx, &seen).await?;
        let mut after = planned;
        after.enter(&tx, completed);
        after.save(&mut tx, &before).await?;
        publish_lines_cancelled(&mut tx, &after, remaining_total, taken)?;
        publish_completed(&mut tx, &after)?;
        tx.reply(Reply::ok(&after.view()?)).await
    }

    pub(crate) async fn cancel_order_line(
        &self,
        ctx: &Ctx,
        id: OrderId,
        line_id: OrderLineId,
        request: CancelLine,
    ) -> Result<Reply> {
        let seen = self.look(ctx, id).await?;
        if seen.order.status != OrderStatus::Confirmed {
            return Err(ORDER.illegal(seen.order.status, "cancel_line"));
        }
        let mut planned = seen.clone();
        let line = planned
            .line_mut(line_id)
            .ok_or_else(|| kernel::Error::not_found("order line", line_id))?;
        let quantity = request.quantity.get().micros();
        if !is_fine_enough(quantity, line.unit_decimals) {
            return Err(Error::QuantityTooFine { decimals: line.unit_decimals }.into());
        }
        let taken = line
            .step(|counters| counters.cancel(quantity))
            .map_err(|exceeds| Error::ExceedsOpen { left: exceeds.left })?;
        let taken = vec![CancelledLine {
            line_id,
            released: Quantity::from_micros(taken.released),
            unbackordered: Quantity::from_micros(taken.unbackordered),
        }];
        let remaining_total = self.remaining_total(ctx, &planned).await?;

        let mut tx = self.db.begin_once(ctx).await?;
        let before = self.lock_as_seen(&tx, &seen).await?;
        let mut after = planned;
        let status = after_change(&after.counters());
        if status != OrderStatus::Confirmed {
            after.enter(&tx, status);
        }
        after.save(&mut tx, &before).await?;
        publish_lines_cancelled(&mut tx, &after, remaining_total, taken)?;
        match status {
            OrderStatus::Completed => publish_completed(&mut tx, &after)?,
            OrderStatus::Cancelled => publish_cancelled(&mut tx, &after)?,
            OrderStatus::Draft | OrderStatus::Confirmed => {}
        }
        tx.reply(Reply::ok(&after.view()?)).await
    }

    /// What the order comes to without its cancelled quantities.
    async fn remaining_total(&self, ctx: &Ctx, document: &Document) -> Result<Money> {
        let order = &document.order;
        let wanted = document.lines.iter().filter(|line| line.counters().wanted() > 0);
        let lines = wanted.map(|line| {
            Ok(LineToTotal {
                quantity: Quantity::from_micros(line.counters().wanted()),
                unit_price: line.unit_price,
                discount: line.discount,
                tax_class: tax_class(&line.tax_class)?,
            })
        });
        let lines = lines.collect::<Result<Vec<_>>>()?;
        if lines.is_empty() {
            return Ok(order.money(0));
        }
        let request = CalculateTotals {
            currency: order.currency,
            prices_include_tax: order.prices_include_tax,
            rounding_mode: Some(order.rounding()?),
            lines,
        };
        Ok(self.billing.calculate_totals(ctx, request).await?.total)
    }
}

/// Cancels all that can still be cancelled and returns what that took.
fn cancel_the_rest(document: &mut Document) -> Vec<CancelledLine> {
    document.lines.iter_mut().filter_map(cancel_rest_of_line).collect()
}

fn cancel_rest_of_line(line: &mut order_line::Model) -> Option<CancelledLine> {
    let quantity = line.counters().cancellable();
    // Exactly what is cancellable is never too much.
    let taken = line.step(|counters| counters.cancel(quantity)).ok()?;
    (taken.total() > 0).then(|| CancelledLine {
        line_id: line.id,
        released: Quantity::from_micros(taken.released),
        unbackordered: Quantity::from_micros(taken.unbackordered),
    })
}

fn publish_cancelled(tx: &mut Tx, document: &Document) -> Result<()> {
    let order = &document.order;
    let event = OrderCancelled { order_id: order.id, customer_id: order.customer_id };
    tx.publish(order.id.uuid(), order.version, &event)
}

fn publish_lines_cancelled(
    tx: &mut Tx,
    document: &Document,
    remaining_total: Money,
    lines: Vec<CancelledLine>,
) -> Result<()> {
    let order = &document.order;
    let event = OrderLinesCancelled {
        order_id: order.id,
        customer_id: order.customer_id,
        remaining_total,
        lines,
    };
    tx.publish(order.id.uuid(), order.version, &event)
}

pub(crate) fn publish_completed(tx: &mut Tx, document: &Document) -> Result<()> {
    let order = &document.order;
    let event = OrderCompleted { order_id: order.id, number: order.number.clone() };
    tx.publish(order.id.uuid(), order.version, &event)
}

//! What orders does when it hears from inventory and billing.

use std::collections::{BTreeSet, HashSet};

use contracts::events::{
    BackorderFilled, BackorderPromised, CreditApplied, CreditNoteIssued, InvoiceIssued,
    OrderLineQuantity, PaymentApplied, PaymentUnapplied, RefundMade, RefundReversed, RefundedOrder,
    ReservationBroken,
};
use contracts::ids::{OrderId, OrderLineId};
use kernel::db::Tx;
use kernel::events::{Event, EventData};
use kernel::money::Money;
use kernel::{Error as KernelError, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entities::shipment::{self, ShipmentStatus};
use crate::error::Error;
use crate::service::Service;
use crate::service::counters::{Counters, Exceeds};
use crate::service::document::Document;
use crate::service::ship::unpack;
use crate::service::shipments::lines_of;

impl Service {
    /// Stock came in for what waited: it is reserved now.
    pub(crate) async fn fill_backorder(&self, event: &Event) -> Result<()> {
        let filled: BackorderFilled = event.parse()?;
        self.change_order(event, filled.order_id, |order| {
            for line in &filled.lines {
                let quantity = line.quantity.micros();
                find_line::<BackorderFilled>(order, line.order_line_id)?
                    .step(|counters| counters.fill(quantity));
            }
            Ok(())
        })
        .await
    }

    /// What waits is promised for a day, or for another than before. What does not wait any
    /// more needs no promise.
    pub(crate) async fn promise_backorder(&self, event: &Event) -> Result<()> {
        let promised: BackorderPromised = event.parse()?;
        self.change_order(event, promised.order_id, |order| {
            for line in &promised.lines {
                let promised_on = line.promised_on;
                find_line::<BackorderPromised>(order, line.order_line_id)?.promise(promised_on);
            }
            Ok(())
        })
        .await
    }

    /// A promise could not be kept: the goods wait again. Shipments packed with goods that
    /// are not there are unpacked first.
    pub(crate) async fn break_reservation(&self, event: &Event) -> Result<()> {
        let broken: ReservationBroken = event.parse()?;
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let before = Document::lock(&tx, broken.order_id).await?;
        let mut after = before.clone();
        let mut overpacked = HashSet::new();
        for line in &broken.lines {
            let found = find_line::<ReservationBroken>(&mut after, line.order_line_id)?;
            if line.quantity.micros() > found.counters().packable() {
                overpacked.insert(found.id);
            }
        }
        if !overpacked.is_empty() {
            unpack_shipments_of(&mut tx, &mut after, &overpacked).await?;
        }
        for line in &broken.lines {
            let quantity = line.quantity.micros();
            find_line::<ReservationBroken>(&mut after, line.order_line_id)?
                .step(|counters| counters.break_promise(quantity));
        }
        store_if_changed(&mut tx, &mut after, &before).await?;
        tx.commit().await
    }

    /// The customer owes for what was shipped.
    pub(crate) async fn note_invoice(&self, event: &Event) -> Result<()> {
        let issued: InvoiceIssued = event.parse()?;
        self.change_order(event, issued.order_id, |order| {
            order.order.invoiced_minor = add(order, order.order.invoiced_minor, issued.total)?;
            for line in &issued.lines {
                step_line::<InvoiceIssued>(order, line, Counters::invoice)?;
            }
            Ok(())
        })
        .await
    }

    /// Part of what the customer owed is taken back.
    pub(crate) async fn note_credit_note(&self, event: &Event) -> Result<()> {
        let issued: CreditNoteIssued = event.parse()?;
        self.change_order(event, issued.order_id, |order| {
            order.order.credited_minor = add(order, order.order.credited_minor, issued.total)?;
            for credited in &issued.lines {
                step_line::<CreditNoteIssued>(order, &credited.line, Counters::credit)?;
            }
            Ok(())
        })
        .await
    }

    /// Money settles an invoice of the order.
    pub(crate) async fn note_payment(&self, event: &Event) -> Result<()> {
        let applied: PaymentApplied = event.parse()?;
        self.change_order(event, applied.order_id, |order| {
            order.order.paid_minor = add(order, order.order.paid_minor, applied.amount)?;
            Ok(())
        })
        .await
    }

    /// Money that settled an invoice of the order does not any more.
    pub(crate) async fn note_unapplied(&self, event: &Event) -> Result<()> {
        let unapplied: PaymentUnapplied = event.parse()?;
        self.change_order(event, unapplied.order_id, |order| {
            let back = negated(unapplied.amount);
            order.order.paid_minor = add(order, order.order.paid_minor, back)?;
            Ok(())
        })
        .await
    }

    /// Credit of a note settles an invoice of an order. It goes there from the order that the
    /// note was for; where that is the same one, the money stays where it is counted.
    pub(crate) async fn note_credit_applied(&self, event: &Event) -> Result<()> {
        let applied: CreditApplied = event.parse()?;
        let (from, to) = (applied.credited_order_id, applied.order_id);
        self.change_orders(event, BTreeSet::from([from, to]), |order| {
            if from == to {
                return Ok(());
            }
            if order.order.id == from {
                return refund::<CreditApplied>(order, applied.amount);
            }
            order.order.paid_minor = add(order, order.order.paid_minor, applied.amount)?;
            Ok(())
        })
        .await
    }

    /// Credit that notes of orders left was paid back. What was left of a payment is of no
    /// order: it had settled nothing.
    pub(crate) async fn note_refund(&self, event: &Event) -> Result<()> {
        let made: RefundMade = event.parse()?;
        self.change_orders(event, ids_of(&made.orders), |order| {
            parts_of(&made.orders, order.order.id)
                .try_for_each(|amount| refund::<RefundMade>(order, amount))
        })
        .await
    }

    /// What was paid back is credit of the orders' notes again.
    pub(crate) async fn note_refund_reversal(&self, event: &Event) -> Result<()> {
        let reversed: RefundReversed = event.parse()?;
        self.change_orders(event, ids_of(&reversed.orders), |order| {
            parts_of(&reversed.orders, order.order.id)
                .try_for_each(|amount| refund::<RefundReversed>(order, negated(amount)))
        })
        .await
    }

    /// Applies an event to one order.
    async fn change_order(
        &self,
        event: &Event,
        id: OrderId,
        change: impl FnMut(&mut Document) -> Result<()>,
    ) -> Result<()> {
        self.change_orders(event, BTreeSet::from([id]), change).await
    }

    /// Applies an event to each of the orders, which are locked in the order of their ids.
    async fn change_orders(
        &self,
        event: &Event,
        ids: BTreeSet<OrderId>,
        mut change: impl FnMut(&mut Document) -> Result<()>,
    ) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        for id in ids {
            let before = Document::lock(&tx, id).await?;
            let mut after = before.clone();
            change(&mut after)?;
            store_if_changed(&mut tx, &mut after, &before).await?;
        }
        tx.commit().await
    }
}

/// An event that came too late to change anything leaves the version alone.
async fn store_if_changed(tx: &mut Tx, after: &mut Document, before: &Document) -> Result<()> {
    if after == before {
        return Ok(());
    }
    after.save(tx, before).await
}

/// Unpacks the packed shipments of `order` that hold any of these lines.
async fn unpack_shipments_of(
    tx: &mut Tx,
    order: &mut Document,
    lines: &HashSet<OrderLineId>,
) -> Result<()> {
    let packed = shipment::Entity::find()
        .filter(shipment::Column::OrderId.eq(order.order.id))
        .filter(shipment::Column::Status.eq(ShipmentStatus::Packed))
        .order_by_asc(shipment::Column::Id)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    let mut contents = lines_of(&**tx, packed.iter().map(|shipment| shipment.id)).await?;
    for shipment in &packed {
        let contents = contents.remove(&shipment.id).unwrap_or_default();
        if contents.iter().any(|line| lines.contains(&line.order_line_id)) {
            unpack(tx, order, shipment, contents).await?;
        }
    }
    Ok(())
}

fn find_line<E: EventData>(
    order: &mut Document,
    id: OrderLineId,
) -> Result<&mut crate::entities::order_line::Model> {
    order.line_mut(id).ok_or_else(|| Error::DoesNotFit { event: E::TYPE, line: id }.into())
}

/// Takes a step that the laws must allow; where they do not, somebody's books are wrong,
/// and the event is kept for a person to look at.
fn step_line<E: EventData>(
    order: &mut Document,
    line: &OrderLineQuantity,
    step: fn(&mut Counters, i64) -> Result<(), Exceeds>,
) -> Result<()> {
    let id = line.order_line_id;
    find_line::<E>(order, id)?
        .step(|counters| step(counters, line.quantity.micros()))
        .map_err(|_| Error::DoesNotFit { event: E::TYPE, line: id }.into())
}

fn ids_of(parts: &[RefundedOrder]) -> BTreeSet<OrderId> {
    parts.iter().map(|part| part.order_id).collect()
}

/// What of a refund is of the order.
fn parts_of(parts: &[RefundedOrder], id: OrderId) -> impl Iterator<Item = Money> {
    parts.iter().filter(move |part| part.order_id == id).map(|part| part.amount)
}

/// Takes what its credit notes left away from the order; below zero, it comes back. A note may
/// not have been heard of yet, for it is of another aggregate than the event: then that is
/// refused, and comes again after it.
fn refund<E: EventData>(order: &mut Document, amount: Money) -> Result<()> {
    let refunded_minor = add(order, order.order.refunded_minor, amount)?;
    if !(0..=order.order.credited_minor).contains(&refunded_minor) {
        return Err(Error::DoesNotFitCredit { event: E::TYPE, order: order.order.id }.into());
    }
    order.order.refunded_minor = refunded_minor;
    Ok(())
}

fn negated(amount: Money) -> Money {
    Money::new(-amount.minor(), amount.currency())
}

/// A sum in the order's currency.
fn add(order: &Document, minor: i64, amount: Money) -> Result<i64> {
    let sum = order.order.money(minor).checked_add(amount).map_err(KernelError::internal)?;
    Ok(sum.minor())
}

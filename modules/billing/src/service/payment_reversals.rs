//! Taking back: a payment that was a mistake or that bounced, or one of its allocations.
//!
//! Rows stay: what is taken back has a row that mirrors it, and the documents are open again
//! by just that much. An allocation moves nothing in the journal, and neither does its
//! reversal; that of a payment posts the payment's entry the other way round.

use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;
use contracts::events::{PaymentReversed, PaymentUnapplied};
use contracts::ids::{BillId, InvoiceId, PaymentId};
use kernel::date::business_date;
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::money::Money;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::entities::journal_entry::SourceType;
use crate::entities::payment::Direction;
use crate::entities::payment_allocation::AllocationId;
use crate::entities::{bill, invoice, payment, payment_allocation};
use crate::error::Error;
use crate::routes::payments::{ReverseAllocation, ReversePayment};
use crate::service::allocations::check_not_reversed;
use crate::service::journal::{Entry, post};
use crate::service::payments::{allocations_of, lock_payment, postings, present};
use crate::service::settling::{open_of, settle_bills, settle_invoices};
use crate::service::{Service, insert_all};

impl Service {
    pub(crate) async fn reverse_payment(
        &self,
        ctx: &Ctx,
        id: PaymentId,
        request: ReversePayment,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = lock_payment(&tx, id).await?;
        ctx.check_version(before.version)?;
        check_not_reversed(&before)?;
        if before.refunded_minor > 0 {
            let refunded = Money::new(before.refunded_minor, before.currency);
            return Err(Error::PaymentRefunded { refunded }.into());
        }
        let today = tx.now().date_naive();
        let reversed_on = business_date(request.reversed_on, today, "/reversed_on")?;
        if reversed_on < before.received_on {
            return Err(Error::ReversedBeforeReceived { received_on: before.received_on }.into());
        }
        let reason = request.reason.into_string();
        let live = live_of(&allocations_of(&*tx, id).await?);
        take_back(&mut tx, &before, live, &reason).await?;
        let mut model = before.clone().into_active_model();
        model.applied_minor = Set(0);
        model.reversed_on = Set(Some(reversed_on));
        model.reversal_reason = Set(Some(reason));
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        post(&tx, entry(&after, reversed_on)).await?;
        publish_reversed(&mut tx, &after, reversed_on)?;
        reply(tx, before, after).await
    }

    pub(crate) async fn reverse_allocation(
        &self,
        ctx: &Ctx,
        (id, allocation_id): (PaymentId, AllocationId),
        request: ReverseAllocation,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = lock_payment(&tx, id).await?;
        ctx.check_version(before.version)?;
        let rows = allocations_of(&*tx, id).await?;
        let found = rows.iter().find(|row| row.id == allocation_id && row.reverses_id.is_none());
        let row = found.ok_or_else(|| kernel::Error::not_found("allocation", allocation_id))?;
        if rows.iter().any(|other| other.reverses_id == Some(allocation_id)) {
            return Err(Error::AllocationReversed.into());
        }
        let amount_minor = row.amount_minor;
        take_back(&mut tx, &before, vec![row.clone()], &request.reason.into_string()).await?;
        let mut model = before.clone().into_active_model();
        model.applied_minor = Set(before.applied_minor - amount_minor);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        reply(tx, before, after).await
    }
}

async fn reply(mut tx: Tx, before: payment::Model, after: payment::Model) -> Result<Reply> {
    let id = after.id;
    let allocations = allocations_of(&*tx, id).await?;
    let after = present(after, Some(allocations));
    tx.audit("payment", id.uuid(), Some(&present(before, None)), Some(&after))?;
    tx.reply(Reply::ok(&after)).await
}

/// The allocations that count.
fn live_of(rows: &[payment_allocation::Model]) -> Vec<payment_allocation::Model> {
    let reversed: HashSet<_> = rows.iter().filter_map(|row| row.reverses_id).collect();
    let is_live =
        |row: &&payment_allocation::Model| row.reverses_id.is_none() && !reversed.contains(&row.id);
    rows.iter().filter(is_live).cloned().collect()
}

/// Writes the mirrors of allocations, and opens what they settled by as much.
async fn take_back(
    tx: &mut Tx,
    payment: &payment::Model,
    live: Vec<payment_allocation::Model>,
    reason: &str,
) -> Result<()> {
    if live.is_empty() {
        return Ok(());
    }
    // One document may have been settled by several of them.
    let mut taken: BTreeMap<Uuid, i64> = BTreeMap::new();
    for row in &live {
        let document = row.invoice_id.map(|id| id.uuid()).or(row.bill_id.map(|id| id.uuid()));
        *taken.entry(document.unwrap_or_default()).or_default() -= row.amount_minor;
    }
    let mirrors: Vec<_> = live
        .into_iter()
        .map(|row| payment_allocation::Model {
            id: AllocationId::new(),
            reverses_id: Some(row.id),
            reason: Some(reason.to_owned()),
            created_at: tx.now(),
            ..row
        })
        .collect();
    // The documents are locked in the order of their ids, as everywhere, and then lowered to
    // what their allocations come to: so those are written in between.
    match payment.direction {
        Direction::Incoming => {
            let rows = invoice::Entity::find()
                .filter(invoice::Column::Id.is_in(taken.keys().copied().map(InvoiceId::from_uuid)))
                .order_by_asc(invoice::Column::Id)
                .lock_exclusive()
                .all(&**tx)
                .await?;
            insert_all(tx, mirrors).await?;
            // Both are in the order of the ids.
            let amounts = rows.into_iter().zip(taken.into_values()).collect();
            let event_of = |row: &invoice::Model, amount: i64| PaymentUnapplied {
                payment_id: payment.id,
                invoice_id: row.id,
                order_id: row.order_id,
                customer_id: row.customer_id,
                amount: Money::new(-amount, row.currency),
                invoice_open: open_of(row),
            };
            settle_invoices(tx, amounts, event_of).await
        }
        Direction::Outgoing => {
            let rows = bill::Entity::find()
                .filter(bill::Column::Id.is_in(taken.keys().copied().map(BillId::from_uuid)))
                .order_by_asc(bill::Column::Id)
                .lock_exclusive()
                .all(&**tx)
                .await?;
            insert_all(tx, mirrors).await?;
            // Both are in the order of the ids.
            let amounts = rows.into_iter().zip(taken.into_values()).collect();
            settle_bills(tx, amounts).await
        }
    }
}

/// The entry of the payment with its sides changed.
fn entry(row: &payment::Model, reversed_on: NaiveDate) -> Entry {
    let mirrored = postings(row).into_iter().map(|(account, amount)| (account, -amount));
    Entry {
        source_type: SourceType::PaymentReversal,
        source_id: row.id.uuid(),
        entry_on: reversed_on,
        document_on: reversed_on,
        description: format!("Payment {} reversed", row.number),
        currency: row.currency,
        postings: mirrored.collect(),
    }
}

fn publish_reversed(tx: &mut Tx, row: &payment::Model, reversed_on: NaiveDate) -> Result<()> {
    // As of its capture: nobody hears of what we pay.
    let Some(customer_id) = row.customer_id else { return Ok(()) };
    let event = PaymentReversed {
        payment_id: row.id,
        customer_id,
        reversed_on,
        amount: Money::new(row.amount_minor, row.currency),
    };
    tx.publish(row.id.uuid(), row.version, &event)
}

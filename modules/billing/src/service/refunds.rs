//! Refunds: credit of a customer that is paid back, never above what is left of it.
//!
//! One that did not arrive, or that was a mistake, is reversed: it is credit again, of what it
//! was of, and may be paid back anew.

use chrono::{Datelike, NaiveDate};
use contracts::events::{RefundMade, RefundReversed, RefundedOrder};
use contracts::ids::{CreditNoteId, CustomerId, OrderId, PaymentId, RefundId};
use kernel::date::business_date;
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::money::Money;
use kernel::page::{Page, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::journal_entry::SourceType;
use crate::entities::{credit_note, payment, refund};
use crate::error::Error;
use crate::routes::refunds::{ListRefunds, NewRefund, Refund, ReverseRefund};
use crate::service::allocations::check_not_reversed;
use crate::service::credits::lock_use;
use crate::service::journal::{Entry, account, post};
use crate::service::payments::present as present_payment;
use crate::service::{Service, insert_all};

/// Whose credit it is, and since when.
struct Source {
    customer_id: CustomerId,
    dated_on: NaiveDate,
    payment_id: Option<PaymentId>,
    credit_note_id: Option<CreditNoteId>,
    /// The order the credit note was for.
    order_id: Option<OrderId>,
}

impl Service {
    pub(crate) async fn list_refunds(&self, query: ListRefunds) -> Result<Page<Refund>> {
        let mut select = refund::Entity::find();
        if let Some(id) = query.customer_id {
            select = select.filter(refund::Column::CustomerId.eq(id));
        }
        let id_of = |row: &refund::Model| row.id.uuid();
        let request = query.page();
        let key = refund::Column::Id;
        let page = fetch(self.db.read(), select, key, id_of, "refunds", &request).await?;
        Ok(page.map(present))
    }

    pub(crate) async fn refund(&self, id: RefundId) -> Result<Refund> {
        let found = refund::Entity::find_by_id(id).one(self.db.read()).await?;
        Ok(present(found.ok_or_else(|| kernel::Error::not_found("refund", id))?))
    }

    pub(crate) async fn create_refund(&self, ctx: &Ctx, new: NewRefund) -> Result<Reply> {
        self.check_amount(new.amount, "/amount")?;
        let mut tx = self.db.begin_once(ctx).await?;
        let refunded_on = business_date(new.refunded_on, tx.now().date_naive(), "/refunded_on")?;
        let source = take(&mut tx, (new.payment_id, new.credit_note_id), new.amount).await?;
        if refunded_on < source.dated_on {
            return Err(Error::RefundedBeforeCredit { dated_on: source.dated_on }.into());
        }
        let number = tx.next_number("RF", refunded_on.year()).await?;
        let row = refund::Model {
            id: RefundId::new(),
            number,
            customer_id: source.customer_id,
            payment_id: source.payment_id,
            credit_note_id: source.credit_note_id,
            method: new.method,
            refunded_on,
            external_key: new.external_key.map(Into::into),
            reason: new.reason.into(),
            currency: new.amount.currency(),
            amount_minor: new.amount.minor(),
            created_at: tx.now(),
            reversed_on: None,
            reversal_reason: None,
        };
        insert_all(&tx, [row.clone()]).await.or_conflict(|| Error::RefundKeyTaken.into())?;
        post(&tx, entry(&row)).await?;
        let event = RefundMade {
            refund_id: row.id,
            customer_id: row.customer_id,
            refunded_on,
            amount: new.amount,
            orders: source.orders(new.amount),
        };
        tx.publish(row.id.uuid(), 1, &event)?;
        let refund = present(row);
        tx.audit_new("refund", refund.id.uuid(), &refund)?;
        let location = format!("/api/v1/billing/refunds/{}", refund.id);
        tx.reply(Reply::created_plain(&refund, location)).await
    }

    pub(crate) async fn reverse_refund(
        &self,
        ctx: &Ctx,
        id: RefundId,
        request: ReverseRefund,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        // What it was of is locked after it: who made it held only that.
        let before = tx.lock::<refund::Entity>(id).await?;
        let before = before.ok_or_else(|| kernel::Error::not_found("refund", id))?;
        if let Some(on) = before.reversed_on {
            return Err(Error::RefundReversed { on }.into());
        }
        let today = tx.now().date_naive();
        let reversed_on = business_date(request.reversed_on, today, "/reversed_on")?;
        if reversed_on < before.refunded_on {
            let refunded_on = before.refunded_on;
            return Err(Error::ReversedBeforeRefunded { refunded_on }.into());
        }
        let mut model = before.clone().into_active_model();
        model.reversed_on = Set(Some(reversed_on));
        model.reversal_reason = Set(Some(request.reason.into_string()));
        let after = model.update(&*tx).await?;
        let amount = Money::new(after.amount_minor, after.currency);
        let back = Money::new(-after.amount_minor, after.currency);
        let source = take(&mut tx, (after.payment_id, after.credit_note_id), back).await?;
        post(&tx, reversal_entry(&after, reversed_on)).await?;
        let event = RefundReversed {
            refund_id: id,
            customer_id: after.customer_id,
            reversed_on,
            amount,
            orders: source.orders(amount),
        };
        tx.publish(id.uuid(), 2, &event)?;
        let (before, after) = (present(before), present(after));
        tx.audit("refund", id.uuid(), Some(&before), Some(&after))?;
        tx.reply(Reply::plain(&after)).await
    }
}

impl Source {
    /// Of which orders' credit a refund of `amount` is.
    fn orders(&self, amount: Money) -> Vec<RefundedOrder> {
        self.order_id.map(|order_id| RefundedOrder { order_id, amount }).into_iter().collect()
    }
}

/// Counts a refund on the payment or credit note it is of; below zero, one that is reversed.
async fn take(
    tx: &mut Tx,
    of: (Option<PaymentId>, Option<CreditNoteId>),
    amount: Money,
) -> Result<Source> {
    match of {
        (Some(id), None) => take_of_payment(tx, id, amount).await,
        (None, Some(id)) => take_of_credit_note(tx, id, amount).await,
        _ => Err(Error::WrongSource.into()),
    }
}

/// Counts the refund on the payment, if that much is left of it.
async fn take_of_payment(tx: &mut Tx, id: PaymentId, amount: Money) -> Result<Source> {
    let found = tx.lock::<payment::Entity>(id).await?;
    // What we pay a supplier comes back as it went: by reversing it.
    let found = found.and_then(|row| row.customer_id.map(|customer_id| (row, customer_id)));
    let unknown = || Error::UnknownCredit { pointer: "/payment_id" };
    let (before, customer_id) = found.ok_or_else(unknown)?;
    check_not_reversed(&before)?;
    check_left(before.amount_minor - before.applied_minor - before.refunded_minor, amount)?;
    let mut model = before.clone().into_active_model();
    model.refunded_minor = Set(before.refunded_minor + amount.minor());
    model.version = Set(before.version + 1);
    model.updated_at = Set(tx.now());
    let after = model.update(&**tx).await?;
    let dated_on = after.received_on;
    let (before, after) = (present_payment(before, None), present_payment(after, None));
    tx.audit("payment", id.uuid(), Some(&before), Some(&after))?;
    Ok(Source { customer_id, dated_on, payment_id: Some(id), credit_note_id: None, order_id: None })
}

/// Counts the refund on the credit of the note, if that much is left of it.
async fn take_of_credit_note(tx: &Tx, id: CreditNoteId, amount: Money) -> Result<Source> {
    let note = credit_note::Entity::find_by_id(id).one(&**tx).await?;
    let note = note.ok_or(Error::UnknownCredit { pointer: "/credit_note_id" })?;
    let before = lock_use(tx, &note).await?;
    check_left(before.left_minor(), amount)?;
    let refunded_minor = before.refunded_minor + amount.minor();
    let mut model = before.into_active_model();
    model.refunded_minor = Set(refunded_minor);
    model.update(&**tx).await?;
    Ok(Source {
        customer_id: note.customer_id,
        dated_on: note.issued_on,
        payment_id: None,
        credit_note_id: Some(id),
        order_id: Some(note.order_id),
    })
}

fn check_left(left: i64, amount: Money) -> Result<(), Error> {
    if amount.minor() <= left {
        return Ok(());
    }
    let left = Money::new(left, amount.currency());
    Err(Error::CreditExhausted { pointer: "/amount", left })
}

/// The customer's credit against the bank.
fn entry(row: &refund::Model) -> Entry {
    Entry {
        source_type: SourceType::Refund,
        source_id: row.id.uuid(),
        entry_on: row.refunded_on,
        document_on: row.refunded_on,
        description: format!("Refund {} sent", row.number),
        currency: row.currency,
        postings: vec![(account::RECEIVABLE, row.amount_minor), (account::BANK, -row.amount_minor)],
    }
}

/// The entry of the refund with its sides changed.
fn reversal_entry(row: &refund::Model, reversed_on: NaiveDate) -> Entry {
    let made = entry(row);
    Entry {
        source_type: SourceType::RefundReversal,
        entry_on: reversed_on,
        document_on: reversed_on,
        description: format!("Refund {} reversed", row.number),
        postings: made.postings.iter().map(|(account, amount)| (*account, -amount)).collect(),
        ..made
    }
}

fn present(row: refund::Model) -> Refund {
    let allowed_actions = if row.reversed_on.is_none() { vec!["reverse"] } else { Vec::new() };
    Refund {
        id: row.id,
        number: row.number,
        customer_id: row.customer_id,
        payment_id: row.payment_id,
        credit_note_id: row.credit_note_id,
        method: row.method,
        refunded_on: row.refunded_on,
        external_key: row.external_key,
        reason: row.reason,
        amount: Money::new(row.amount_minor, row.currency),
        reversed_on: row.reversed_on,
        reversal_reason: row.reversal_reason,
        allowed_actions,
        created_at: row.created_at,
    }
}

//! What customers owe: billing tells of invoices, credit notes and payments, and each is
//! an entry that moves the customer's open receivables.

use chrono::NaiveDate;
use contracts::events::{
    CreditNoteIssued, InvoiceIssued, PaymentCaptured, PaymentReversed, RefundMade, RefundReversed,
};
use contracts::ids::CustomerId;
use kernel::db::{Tx, execute};
use kernel::events::Event;
use kernel::{Error, Result};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use uuid::Uuid;

use crate::entities::credit_exposure::{self, State};
use crate::entities::receivable_entry::{self, Kind};
use crate::service::Service;
use crate::service::exposure::{Limit, exposure_of, lock_credit, put_exposure, sum_micros};

/// Something that changed what a customer owes.
struct Entry {
    customer_id: CustomerId,
    kind: Kind,
    document_id: Uuid,
    amount_minor: i64,
    occurred_on: NaiveDate,
}

impl Service {
    /// The invoiced part of the order moves from uninvoiced to owed.
    pub(crate) async fn note_invoice(&self, event: &Event, invoice: InvoiceIssued) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        if lock_credit(&tx, [invoice.customer_id]).await?.is_empty() {
            unknown_customer(event, invoice.customer_id);
            return tx.commit().await;
        }
        let before = exposure_of(&tx, invoice.order_id).await?;
        // Events of two modules are not ordered: should the invoice be heard of before the
        // order was confirmed, it is noted with what there is, and the order fills in later.
        let fresh = credit_exposure::Model {
            state: State::Committed,
            ..credit_exposure::Model::new(invoice.order_id, invoice.customer_id, tx.now())
        };
        let mut after = before.clone().unwrap_or(fresh);
        after.invoiced_minor = after
            .invoiced_minor
            .checked_add(invoice.total.minor())
            .ok_or_else(|| Error::internal("the invoices of an order exceed an i64"))?;
        let units = sum_micros(invoice.lines.iter().map(|line| line.quantity));
        after.invoiced_micros = after.invoiced_micros.saturating_add(units);
        after.updated_at = tx.now();
        put_exposure(&mut tx, before.as_ref(), &after, Limit::Passed).await?;
        let entry = Entry {
            customer_id: invoice.customer_id,
            kind: Kind::Invoice,
            document_id: invoice.invoice_id.uuid(),
            amount_minor: invoice.total.minor(),
            occurred_on: invoice.issued_on,
        };
        post(&mut tx, event, entry).await?;
        tx.commit().await
    }

    /// The customer owes that much less, or has a credit.
    pub(crate) async fn note_payment(&self, event: &Event, payment: PaymentCaptured) -> Result<()> {
        let entry = Entry {
            customer_id: payment.customer_id,
            kind: Kind::Payment,
            document_id: payment.payment_id.uuid(),
            amount_minor: -payment.amount.minor(),
            occurred_on: payment.received_on,
        };
        self.note_money(event, entry).await
    }

    /// The customer owes that much again.
    pub(crate) async fn note_reversal(
        &self,
        event: &Event,
        reversed: PaymentReversed,
    ) -> Result<()> {
        let entry = Entry {
            customer_id: reversed.customer_id,
            kind: Kind::Payment,
            // The payment has its own entry already.
            document_id: event.id,
            amount_minor: reversed.amount.minor(),
            occurred_on: reversed.reversed_on,
        };
        self.note_money(event, entry).await
    }

    /// The customer has that much less credit.
    pub(crate) async fn note_refund(&self, event: &Event, refund: RefundMade) -> Result<()> {
        let entry = Entry {
            customer_id: refund.customer_id,
            kind: Kind::Payment,
            document_id: refund.refund_id.uuid(),
            amount_minor: refund.amount.minor(),
            occurred_on: refund.refunded_on,
        };
        self.note_money(event, entry).await
    }

    /// The customer has that much more credit again.
    pub(crate) async fn note_refund_reversal(
        &self,
        event: &Event,
        reversed: RefundReversed,
    ) -> Result<()> {
        let entry = Entry {
            customer_id: reversed.customer_id,
            kind: Kind::Payment,
            // The refund has its own entry already.
            document_id: event.id,
            amount_minor: -reversed.amount.minor(),
            occurred_on: reversed.reversed_on,
        };
        self.note_money(event, entry).await
    }

    async fn note_money(&self, event: &Event, entry: Entry) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        if lock_credit(&tx, [entry.customer_id]).await?.is_empty() {
            unknown_customer(event, entry.customer_id);
        } else {
            post(&mut tx, event, entry).await?;
        }
        tx.commit().await
    }

    /// The customer owes that much less, and that much less was sold.
    pub(crate) async fn note_credit_note(
        &self,
        event: &Event,
        note: CreditNoteIssued,
    ) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        let entry = Entry {
            customer_id: note.customer_id,
            kind: Kind::CreditNote,
            document_id: note.credit_note_id.uuid(),
            amount_minor: -note.total.minor(),
            occurred_on: note.issued_on,
        };
        if lock_credit(&tx, [note.customer_id]).await?.is_empty() {
            unknown_customer(event, note.customer_id);
        } else {
            post(&mut tx, event, entry).await?;
            self.credit_facts(&mut tx, event, note).await?;
        }
        tx.commit().await
    }
}

/// Writes the entry and moves the projection with it. Lock the customer's credit first.
async fn post(tx: &mut Tx, event: &Event, entry: Entry) -> Result<()> {
    let row = receivable_entry::Model {
        source_event_id: event.id,
        customer_id: entry.customer_id,
        kind: entry.kind,
        document_id: entry.document_id,
        amount_minor: entry.amount_minor,
        occurred_on: entry.occurred_on,
        created_at: tx.now(),
    };
    let insert = receivable_entry::Entity::insert(row.clone().into_active_model().reset_all());
    insert.exec_without_returning(&**tx).await?;
    let sql = "UPDATE customer_credit SET open_receivables_minor = open_receivables_minor + $2 \
               WHERE customer_id = $1";
    execute(&**tx, sql, vec![entry.customer_id.into(), entry.amount_minor.into()]).await?;
    tx.touch("customer", entry.customer_id.uuid());
    tx.audit_new("receivable_entry", entry.document_id, &row)
}

/// Billing may know people sales does not, such as one a payment was typed in for by
/// mistake. There is no account to put it on, and waiting would hold up what follows.
pub(crate) fn unknown_customer(event: &Event, customer_id: CustomerId) {
    tracing::warn!(
        event.id = %event.id,
        event.r#type = %event.kind,
        customer.id = %customer_id,
        "an event about a customer sales does not know"
    );
}

//! What orders hears, and what it does then.

use async_trait::async_trait;
use contracts::events::{
    BackorderFilled, BackorderPromised, CreditApplied, CreditNoteIssued, InvoiceIssued,
    PaymentApplied, PaymentUnapplied, QuotationAccepted, RefundMade, RefundReversed,
    ReservationBroken,
};
use kernel::events::{Event, EventData, Subscriber};
use kernel::{Error, Result};

use crate::service::Service;

#[async_trait]
impl Subscriber for Service {
    async fn handle(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            QuotationAccepted::TYPE => self.order_quotation(event).await,
            BackorderFilled::TYPE => self.fill_backorder(event).await,
            BackorderPromised::TYPE => self.promise_backorder(event).await,
            ReservationBroken::TYPE => self.break_reservation(event).await,
            InvoiceIssued::TYPE => self.note_invoice(event).await,
            CreditNoteIssued::TYPE => self.note_credit_note(event).await,
            PaymentApplied::TYPE => self.note_payment(event).await,
            CreditApplied::TYPE => self.note_credit_applied(event).await,
            PaymentUnapplied::TYPE => self.note_unapplied(event).await,
            RefundMade::TYPE => self.note_refund(event).await,
            RefundReversed::TYPE => self.note_refund_reversal(event).await,
            other => Err(Error::internal(format!("orders does not hear {other}"))),
        }
    }
}

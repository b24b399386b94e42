//! What sales hears, and what it does then.

use async_trait::async_trait;
use contracts::events::{
    CreditNoteIssued, InvoiceIssued, OrderCancelled, OrderConfirmed, OrderCreated,
    OrderLinesCancelled, PaymentCaptured, PaymentReversed, RefundMade, RefundReversed,
    ShipmentShipped, StockIssued, StockReturned,
};
use kernel::events::{Event, EventData, Subscriber};
use kernel::{Error, Result};

use crate::service::Service;

#[async_trait]
impl Subscriber for Service {
    async fn handle(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            OrderCreated::TYPE => self.convert_quotation(event, event.parse()?).await,
            OrderConfirmed::TYPE => self.commit_credit(event, event.parse()?).await,
            OrderCancelled::TYPE => self.release_order(event, event.parse()?).await,
            OrderLinesCancelled::TYPE => self.shrink_order(event, event.parse()?).await,
            InvoiceIssued::TYPE => self.note_invoice(event, event.parse()?).await,
            PaymentCaptured::TYPE => self.note_payment(event, event.parse()?).await,
            RefundMade::TYPE => self.note_refund(event, event.parse()?).await,
            RefundReversed::TYPE => self.note_refund_reversal(event, event.parse()?).await,
            PaymentReversed::TYPE => self.note_reversal(event, event.parse()?).await,
            CreditNoteIssued::TYPE => self.note_credit_note(event, event.parse()?).await,
            ShipmentShipped::TYPE => self.note_shipment(event, event.parse()?).await,
            StockIssued::TYPE => self.note_cost(event, event.parse()?).await,
            StockReturned::TYPE => self.note_returned_cost(event, event.parse()?).await,
            other => Err(Error::internal(format!("sales does not hear {other}"))),
        }
    }
}

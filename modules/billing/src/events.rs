//! What billing hears, and what it does then.

use async_trait::async_trait;
use contracts::events::{
    PurchaseOrderApproved, ReceiptPosted, ShipmentShipped, StockAdjusted, StockIssued,
    StockReceived, StockReturned,
};
use kernel::events::{Event, EventData, Subscriber};
use kernel::{Error, Result};

use crate::service::Service;

#[async_trait]
impl Subscriber for Service {
    async fn handle(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            ShipmentShipped::TYPE => self.draft_invoice(event, event.parse()?).await,
            StockIssued::TYPE => self.post_issued(event, event.parse()?).await,
            StockReceived::TYPE => self.post_received(event, event.parse()?).await,
            StockReturned::TYPE => self.post_returned(event, event.parse()?).await,
            StockAdjusted::TYPE => self.post_adjusted(event, event.parse()?).await,
            PurchaseOrderApproved::TYPE => self.copy_purchase_order(event, event.parse()?).await,
            ReceiptPosted::TYPE => self.note_receipt(event, event.parse()?).await,
            other => Err(Error::internal(format!("billing does not hear {other}"))),
        }
    }
}

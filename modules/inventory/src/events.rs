//! What inventory hears, and what it does then.

use async_trait::async_trait;
use contracts::events::{
    OrderCancelled, OrderConfirmed, OrderLinesCancelled, PurchaseOrderApproved,
    PurchaseOrderClosed, ReceiptPosted, ReturnReceived, ShipmentShipped,
};
use kernel::events::{Event, EventData, Subscriber};
use kernel::{Error, Result};

use crate::service::Service;

#[async_trait]
impl Subscriber for Service {
    async fn handle(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            OrderConfirmed::TYPE => self.order_confirmed(event).await,
            OrderCancelled::TYPE => self.order_cancelled(event).await,
            OrderLinesCancelled::TYPE => self.order_lines_cancelled(event).await,
            ShipmentShipped::TYPE => self.shipment_shipped(event).await,
            ReturnReceived::TYPE => self.return_received(event).await,
            PurchaseOrderApproved::TYPE => self.purchase_order_approved(event).await,
            PurchaseOrderClosed::TYPE => self.purchase_order_closed(event).await,
            ReceiptPosted::TYPE => self.receipt_posted(event).await,
            other => Err(Error::internal(format!("inventory does not hear {other}"))),
        }
    }
}

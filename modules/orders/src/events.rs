//! What orders hears and what it does then, and those of its events that nobody else
//! hears: they are told to the timeline only.

use async_trait::async_trait;
use contracts::events::{
    BackorderFilled, CreditNoteIssued, InvoiceIssued, PaymentApplied, QuotationAccepted,
    ReservationBroken,
};
use contracts::ids::{OrderId, ShipmentId};
use kernel::events::{Event, EventData, Subscriber};
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::service::Service;

#[async_trait]
impl Subscriber for Service {
    async fn handle(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            QuotationAccepted::TYPE => self.order_quotation(event).await,
            BackorderFilled::TYPE => self.fill_backorder(event).await,
            ReservationBroken::TYPE => self.break_reservation(event).await,
            InvoiceIssued::TYPE => self.note_invoice(event).await,
            CreditNoteIssued::TYPE => self.note_credit_note(event).await,
            PaymentApplied::TYPE => self.note_payment(event).await,
            other => Err(Error::internal(format!("orders does not hear {other}"))),
        }
    }
}

/// Every line of the order is shipped or cancelled. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrderCompleted {
    pub order_id: OrderId,
    pub number: String,
}

impl EventData for OrderCompleted {
    const TYPE: &'static str = "orders.order.completed";
}

/// Goods are packed for the customer. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShipmentPacked {
    pub shipment_id: ShipmentId,
    pub number: String,
}

impl EventData for ShipmentPacked {
    const TYPE: &'static str = "orders.shipment.packed";
}

/// Packed goods were unpacked again. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShipmentCancelled {
    pub shipment_id: ShipmentId,
    pub number: String,
}

impl EventData for ShipmentCancelled {
    const TYPE: &'static str = "orders.shipment.cancelled";
}

/// Goods have arrived at the customer's. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShipmentDelivered {
    pub shipment_id: ShipmentId,
    pub number: String,
}

impl EventData for ShipmentDelivered {
    const TYPE: &'static str = "orders.shipment.delivered";
}

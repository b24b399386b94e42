//! What orders tells. The aggregate of all of these is the order.

use chrono::NaiveDate;
use kernel::events::EventData;
use kernel::money::{Currency, Money, Percent, UnitPrice};
use kernel::quantity::Quantity;
use serde::{Deserialize, Serialize};

use crate::billing::RoundingMode;
use crate::common::TaxClass;
use crate::ids::{
    CustomerId, OrderId, OrderLineId, ProductId, QuotationId, ReturnId, ShipmentId, WarehouseId,
};
use crate::sales::CustomerInfo;

/// A draft order exists; sales marks its quotation converted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderCreated {
    pub order_id: OrderId,
    pub number: String,
    pub quotation_id: Option<QuotationId>,
    pub customer_id: CustomerId,
}

impl EventData for OrderCreated {
    const TYPE: &'static str = "orders.order.created";
}

/// The order stands: its credit and its stock are no longer held but committed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderConfirmed {
    pub order_id: OrderId,
    pub number: String,
    pub customer_id: CustomerId,
    pub total: Money,
    pub lines: Vec<ConfirmedLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfirmedLine {
    pub line_id: OrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub reserved: Quantity,
    pub backordered: Quantity,
}

impl EventData for OrderConfirmed {
    const TYPE: &'static str = "orders.order.confirmed";
}

/// The whole order is off; nothing of it was shipped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderCancelled {
    pub order_id: OrderId,
    pub customer_id: CustomerId,
}

impl EventData for OrderCancelled {
    const TYPE: &'static str = "orders.order.cancelled";
}

/// Part of the order is off: single lines, or all that was left at a short close.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderLinesCancelled {
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    /// What the order comes to without the cancelled quantities.
    pub remaining_total: Money,
    pub lines: Vec<CancelledLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CancelledLine {
    pub line_id: OrderLineId,
    /// Given back from the reservation.
    pub released: Quantity,
    /// Taken off the backorder.
    pub unbackordered: Quantity,
}

impl EventData for OrderLinesCancelled {
    const TYPE: &'static str = "orders.order.lines_cancelled";
}

/// Goods have left. Inventory issues them at cost, billing drafts the invoice, sales
/// notes the fact. Carries all that an invoice needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShipmentShipped {
    pub shipment_id: ShipmentId,
    pub number: String,
    pub order_id: OrderId,
    pub order_number: String,
    pub shipped_on: NaiveDate,
    pub customer: CustomerInfo,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub rounding_mode: RoundingMode,
    pub lines: Vec<ShippedLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShippedLine {
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub discount: Percent,
    pub tax_class: TaxClass,
}

impl EventData for ShipmentShipped {
    const TYPE: &'static str = "orders.shipment.shipped";
}

/// Goods came back. Inventory takes in, at their original cost, those fit for sale.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReturnReceived {
    pub return_id: ReturnId,
    pub number: String,
    pub order_id: OrderId,
    pub received_on: NaiveDate,
    pub lines: Vec<ReturnedLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReturnedLine {
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub quantity: Quantity,
    /// Whether it goes back on the shelf; otherwise it is scrapped.
    pub restock: bool,
}

impl EventData for ReturnReceived {
    const TYPE: &'static str = "orders.return.received";
}

/// Every line of the order is shipped or cancelled. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderCompleted {
    pub order_id: OrderId,
    pub number: String,
}

impl EventData for OrderCompleted {
    const TYPE: &'static str = "orders.order.completed";
}

/// Goods are packed for the customer. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShipmentPacked {
    pub shipment_id: ShipmentId,
    pub number: String,
}

impl EventData for ShipmentPacked {
    const TYPE: &'static str = "orders.shipment.packed";
}

/// Packed goods were unpacked again. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShipmentCancelled {
    pub shipment_id: ShipmentId,
    pub number: String,
}

impl EventData for ShipmentCancelled {
    const TYPE: &'static str = "orders.shipment.cancelled";
}

/// Goods have arrived at the customer's. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShipmentDelivered {
    pub shipment_id: ShipmentId,
    pub number: String,
}

impl EventData for ShipmentDelivered {
    const TYPE: &'static str = "orders.shipment.delivered";
}

//! What inventory tells.

use chrono::NaiveDate;
use kernel::events::EventData;
use kernel::money::Money;
use kernel::quantity::Quantity;
use serde::{Deserialize, Serialize};

use crate::ids::{
    OrderId, OrderLineId, ProductId, PurchaseOrderId, PurchaseOrderLineId, ReceiptId, ReturnId,
    ShipmentId, StockMoveId, WarehouseId,
};

/// A shipment's goods left the books at this cost. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockIssued {
    pub shipment_id: ShipmentId,
    pub order_id: OrderId,
    pub issued_on: NaiveDate,
    pub lines: Vec<IssuedLine>,
    /// Σ of the lines.
    pub cost: Money,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedLine {
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    pub quantity: Quantity,
    pub cost: Money,
}

impl EventData for StockIssued {
    const TYPE: &'static str = "inventory.stock.issued";
}

/// A receipt's goods are in stock at this value. Aggregate: the purchase order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockReceived {
    pub receipt_id: ReceiptId,
    pub purchase_order_id: PurchaseOrderId,
    pub received_on: NaiveDate,
    pub lines: Vec<ReceivedStockLine>,
    /// Σ of the lines.
    pub value: Money,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceivedStockLine {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub product_id: ProductId,
    pub quantity: Quantity,
    pub value: Money,
}

impl EventData for StockReceived {
    const TYPE: &'static str = "inventory.stock.received";
}

/// Goods of a customer's return are in stock again, at their original cost, or were scrapped.
/// Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockReturned {
    pub return_id: ReturnId,
    pub order_id: OrderId,
    pub returned_on: NaiveDate,
    /// What is in stock again.
    pub lines: Vec<IssuedLine>,
    /// Σ of `lines`.
    pub cost: Money,
    /// What was scrapped: it is not sold any more, and what it cost is lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scrapped: Vec<IssuedLine>,
}

impl EventData for StockReturned {
    const TYPE: &'static str = "inventory.stock.returned";
}

/// Somebody corrected the stock, or received some without a purchase order.
/// Aggregate: the product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockAdjusted {
    pub move_id: StockMoveId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub adjusted_on: NaiveDate,
    /// Negative if stock went down.
    pub quantity: Quantity,
    /// Negative if stock went down.
    pub value: Money,
    pub reason: String,
    /// Whether it is what goods that had been sold came to cost more or less than was known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cost_of_sales: bool,
}

impl EventData for StockAdjusted {
    const TYPE: &'static str = "inventory.stock.adjusted";
}

/// Stock came in for what an order was waiting for; it is reserved now.
/// Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackorderFilled {
    pub order_id: OrderId,
    pub lines: Vec<OrderLineQuantity>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderLineQuantity {
    pub order_line_id: OrderLineId,
    pub quantity: Quantity,
}

impl EventData for BackorderFilled {
    const TYPE: &'static str = "inventory.backorder.filled";
}

/// When what an order waits for was promised, or is promised anew. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackorderPromised {
    pub order_id: OrderId,
    pub lines: Vec<LinePromise>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinePromise {
    pub order_line_id: OrderLineId,
    /// The day by which all of what waits is to be there; none: not known any more.
    pub promised_on: Option<NaiveDate>,
}

impl EventData for BackorderPromised {
    const TYPE: &'static str = "inventory.backorder.promised";
}

/// A promise could not be kept: these quantities are no longer reserved but wait as
/// backorders. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReservationBroken {
    pub order_id: OrderId,
    pub lines: Vec<OrderLineQuantity>,
}

impl EventData for ReservationBroken {
    const TYPE: &'static str = "inventory.reservation.broken";
}

/// Nothing of a product is available in a warehouse any more: what is there is promised.
/// Aggregate: the product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockDepleted {
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
}

impl EventData for StockDepleted {
    const TYPE: &'static str = "inventory.stock.depleted";
}

/// Something of a product is available in a warehouse again, or for the first time.
/// Aggregate: the product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockRestocked {
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub available: Quantity,
}

impl EventData for StockRestocked {
    const TYPE: &'static str = "inventory.stock.restocked";
}

/// Less of a product is available in a warehouse than the minimum of its reorder rule, and
/// was not before. Aggregate: the product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockFellBelowReorderPoint {
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub available: Quantity,
    pub reorder_point: Quantity,
}

impl EventData for StockFellBelowReorderPoint {
    const TYPE: &'static str = "inventory.stock.fell_below_reorder_point";
}

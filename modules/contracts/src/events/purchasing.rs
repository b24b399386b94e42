//! What purchasing tells. The aggregate of all of these is the purchase order.

use chrono::NaiveDate;
use kernel::events::EventData;
use kernel::money::{Currency, UnitPrice};
use kernel::quantity::Quantity;
use serde::{Deserialize, Serialize};

use crate::common::TaxClass;
use crate::ids::{
    ProductId, PurchaseOrderId, PurchaseOrderLineId, ReceiptId, SupplierId, WarehouseId,
};

/// We mean to buy this; billing keeps a copy to match the supplier's bill with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurchaseOrderApproved {
    pub purchase_order_id: PurchaseOrderId,
    pub number: String,
    pub supplier_id: SupplierId,
    pub supplier_name: String,
    pub payment_terms_days: u16,
    pub currency: Currency,
    pub lines: Vec<ApprovedLine>,
    /// Where the goods are to come; orders approved before it was told say nothing.
    #[serde(default)]
    pub warehouse_id: Option<WarehouseId>,
    /// And when, as far as that is known.
    #[serde(default)]
    pub expected_on: Option<NaiveDate>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApprovedLine {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub quantity: Quantity,
    /// Without tax.
    pub unit_price: UnitPrice,
    pub tax_class: TaxClass,
}

impl EventData for PurchaseOrderApproved {
    const TYPE: &'static str = "purchasing.purchase_order.approved";
}

/// What has not come of these lines will not: the order was cancelled or closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurchaseOrderClosed {
    pub purchase_order_id: PurchaseOrderId,
    pub warehouse_id: WarehouseId,
    pub lines: Vec<ClosedLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClosedLine {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub product_id: ProductId,
}

impl EventData for PurchaseOrderClosed {
    const TYPE: &'static str = "purchasing.purchase_order.closed";
}

/// Goods have arrived. Inventory takes them in, billing notes what may be billed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceiptPosted {
    pub receipt_id: ReceiptId,
    pub number: String,
    pub purchase_order_id: PurchaseOrderId,
    pub warehouse_id: WarehouseId,
    pub received_on: NaiveDate,
    pub currency: Currency,
    pub lines: Vec<ReceivedLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceivedLine {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub product_id: ProductId,
    pub quantity: Quantity,
    /// What a unit is taken into stock at: the price ordered, without tax.
    pub unit_cost: UnitPrice,
}

impl EventData for ReceiptPosted {
    const TYPE: &'static str = "purchasing.receipt.posted";
}

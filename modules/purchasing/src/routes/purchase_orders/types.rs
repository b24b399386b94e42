//! What a purchase order looks like from outside.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{ProductId, PurchaseOrderId, PurchaseOrderLineId, SupplierId, WarehouseId};
use kernel::http::Versioned;
use kernel::money::{Currency, Money, UnitPrice};
use kernel::quantity::Quantity;
use serde::Serialize;
use utoipa::ToSchema;

use crate::entities::purchase_order::{BillingStatus, PurchaseOrderStatus, ReceiptStatus};

/// A purchase order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurchaseOrder {
    pub id: PurchaseOrderId,
    #[schema(example = "PO-2026-000123")]
    pub number: String,
    pub status: PurchaseOrderStatus,
    pub receipt_status: ReceiptStatus,
    pub billing_status: BillingStatus,
    pub supplier_id: SupplierId,
    /// As it was when the order was drafted.
    pub supplier_name: String,
    /// Days from bill to due date.
    pub payment_terms_days: u16,
    /// Where the goods are to go.
    pub warehouse_id: WarehouseId,
    pub ordered_on: NaiveDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expected_on: Option<NaiveDate>,
    pub currency: Currency,
    pub lines: Vec<PurchaseOrderLine>,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// What can be asked of it now.
    #[schema(value_type = Vec<String>, example = json!(["approve", "cancel"]))]
    pub allowed_actions: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub approved_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub closed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cancelled_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for PurchaseOrder {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A line of a purchase order, and where its goods are. `ordered` is always
/// `received + open + short_closed`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurchaseOrderLine {
    pub id: PurchaseOrderLineId,
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub name: String,
    #[schema(example = "pcs")]
    pub unit: String,
    #[schema(example = "standard")]
    pub tax_class: String,
    /// Without tax.
    pub unit_price: UnitPrice,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    pub ordered: Quantity,
    pub received: Quantity,
    /// Still to come.
    pub open: Quantity,
    /// Received, and on an approved bill.
    pub billed: Quantity,
    /// On an approved bill, and not received: somebody in billing allowed it.
    pub billed_ahead: Quantity,
    /// Not wanted any more.
    pub short_closed: Quantity,
}

/// A purchase order without its lines, as lists have it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurchaseOrderSummary {
    pub id: PurchaseOrderId,
    #[schema(example = "PO-2026-000123")]
    pub number: String,
    pub status: PurchaseOrderStatus,
    pub receipt_status: ReceiptStatus,
    pub billing_status: BillingStatus,
    pub supplier_id: SupplierId,
    /// As it was when the order was drafted.
    pub supplier_name: String,
    /// Where the goods are to go.
    pub warehouse_id: WarehouseId,
    pub ordered_on: NaiveDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expected_on: Option<NaiveDate>,
    pub currency: Currency,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// What can be asked of it now.
    #[schema(value_type = Vec<String>, example = json!(["approve", "cancel"]))]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

//! What an order looks like from outside.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::billing::{RoundingMode, TaxTotal};
use contracts::common::Address;
use contracts::ids::{CustomerId, OrderId, OrderLineId, ProductId, QuotationId, WarehouseId};
use kernel::http::Versioned;
use kernel::money::{Currency, Money, Percent, UnitPrice};
use kernel::quantity::Quantity;
use serde::Serialize;
use utoipa::ToSchema;

use crate::entities::order::{BillingStatus, FulfilmentStatus, OrderStatus, PaymentStatus};

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Order {
    pub id: OrderId,
    #[schema(example = "SO-2026-000123")]
    pub number: String,
    pub status: OrderStatus,
    pub fulfilment_status: FulfilmentStatus,
    pub billing_status: BillingStatus,
    pub payment_status: PaymentStatus,
    /// The quotation it was made of, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotation_id: Option<QuotationId>,
    pub customer: OrderCustomer,
    pub shipping_address: Address,
    /// Where its goods come from.
    pub warehouse_id: WarehouseId,
    /// The customer's own number for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_reference: Option<String>,
    pub ordered_on: NaiveDate,
    /// Whether what is short waits for stock; otherwise the order cannot be confirmed.
    pub allow_backorder: bool,
    pub prices_include_tax: bool,
    pub currency: Currency,
    pub rounding_mode: RoundingMode,
    pub totals: OrderTotals,
    /// Σ of its invoices.
    pub invoiced: Money,
    /// Σ of its credit notes.
    pub credited: Money,
    /// Σ of the payments, and of the credit of other orders, its invoices were settled with.
    pub paid: Money,
    /// Σ of the credit of its credit notes that was paid back, or that settles invoices of
    /// other orders. It is paid when `paid` less this is `invoiced` less `credited`.
    pub refunded: Money,
    pub lines: Vec<OrderLine>,
    /// What can be asked of it now.
    #[schema(value_type = Vec<String>, example = json!(["confirm", "cancel"]))]
    pub allowed_actions: Vec<&'static str>,
    /// What was noticed when it was created or changed, and is no error:
    /// `duplicate_customer_reference`, when another open order of the customer has it too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub warnings: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Order {
    fn version(&self) -> i64 {
        self.version
    }
}

/// The customer, as they were when the order was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderCustomer {
    pub id: CustomerId,
    #[schema(example = "CU-2026-000001")]
    pub number: String,
    pub name: String,
    /// Days from invoice to due date.
    pub payment_terms_days: u16,
    pub billing_address: Address,
}

/// What an order comes to, cancelled quantities included: what was agreed stays.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderTotals {
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// By tax class.
    pub taxes: Vec<TaxTotal>,
}

/// A line of an order. Product, price and tax are as they were when it was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderLine {
    pub id: OrderLineId,
    /// Counts from 1.
    pub position: i64,
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub name: String,
    /// Unit of measure.
    #[schema(example = "pcs")]
    pub unit: String,
    pub unit_price: UnitPrice,
    pub discount: Percent,
    #[schema(example = "standard")]
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// When what is `backordered` was promised; absent where nothing waits or no date is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub promised_on: Option<NaiveDate>,
    pub counters: LineCounters,
}

/// Where the units of a line are. `ordered` is the sum of `unallocated`, `reserved`,
/// `backordered`, `shipped` and `cancelled`; the others are parts of these.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineCounters {
    pub ordered: Quantity,
    /// Nobody has promised them yet: those of a draft.
    pub unallocated: Quantity,
    pub reserved: Quantity,
    /// Waiting for stock.
    pub backordered: Quantity,
    /// Part of `reserved`: packed, and not left yet.
    pub picked: Quantity,
    pub shipped: Quantity,
    pub cancelled: Quantity,
    /// Part of `shipped`.
    pub invoiced: Quantity,
    /// Part of `shipped`.
    pub returned: Quantity,
    /// Part of `invoiced`.
    pub credited: Quantity,
}

/// An order as lists show it: without its lines.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderSummary {
    pub id: OrderId,
    #[schema(example = "SO-2026-000123")]
    pub number: String,
    pub status: OrderStatus,
    pub fulfilment_status: FulfilmentStatus,
    pub billing_status: BillingStatus,
    pub payment_status: PaymentStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotation_id: Option<QuotationId>,
    pub customer: OrderCustomer,
    pub warehouse_id: WarehouseId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_reference: Option<String>,
    pub ordered_on: NaiveDate,
    pub currency: Currency,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    pub invoiced: Money,
    pub credited: Money,
    pub paid: Money,
    pub refunded: Money,
    #[schema(value_type = Vec<String>, example = json!(["confirm", "cancel"]))]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

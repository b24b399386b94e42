//! Every event there is, and who hears it.

mod auth;
mod billing;
mod inventory;
mod orders;
mod purchasing;
mod sales;

pub use auth::*;
pub use billing::*;
pub use inventory::*;
pub use orders::*;
pub use purchasing::*;
pub use sales::*;

use kernel::events::{EventData, Subscriptions};

/// Every type there is, sorted: others than modules can be told of each.
pub const TYPES: &[&str] = &[
    RefreshTokenReused::TYPE,
    UserInvited::TYPE,
    PasswordResetRequested::TYPE,
    BillApproved::TYPE,
    CreditApplied::TYPE,
    CreditNoteIssued::TYPE,
    InvoiceIssued::TYPE,
    PaymentApplied::TYPE,
    PaymentCaptured::TYPE,
    PaymentReversed::TYPE,
    PaymentUnapplied::TYPE,
    PeriodLocked::TYPE,
    RefundMade::TYPE,
    RefundReversed::TYPE,
    BackorderFilled::TYPE,
    BackorderPromised::TYPE,
    ReservationBroken::TYPE,
    StockAdjusted::TYPE,
    StockDepleted::TYPE,
    StockFellBelowReorderPoint::TYPE,
    StockIssued::TYPE,
    StockReceived::TYPE,
    StockRestocked::TYPE,
    StockReturned::TYPE,
    OrderCancelled::TYPE,
    OrderCompleted::TYPE,
    OrderConfirmed::TYPE,
    OrderCreated::TYPE,
    OrderLinesCancelled::TYPE,
    ReturnReceived::TYPE,
    ShipmentCancelled::TYPE,
    ShipmentDelivered::TYPE,
    ShipmentPacked::TYPE,
    ShipmentShipped::TYPE,
    PurchaseOrderApproved::TYPE,
    PurchaseOrderClosed::TYPE,
    ReceiptPosted::TYPE,
    QuotationAccepted::TYPE,
];

/// Who hears what. A module that wants an event it does not hear adds itself here.
pub const SUBSCRIPTIONS: Subscriptions = &[
    (BillApproved::TYPE, &["purchasing"]),
    (CreditApplied::TYPE, &["orders"]),
    (CreditNoteIssued::TYPE, &["orders", "sales"]),
    (InvoiceIssued::TYPE, &["orders", "sales"]),
    (PaymentApplied::TYPE, &["orders"]),
    (PaymentCaptured::TYPE, &["sales"]),
    (PaymentReversed::TYPE, &["sales"]),
    (PaymentUnapplied::TYPE, &["orders"]),
    (RefundMade::TYPE, &["orders", "sales"]),
    (RefundReversed::TYPE, &["orders", "sales"]),
    (BackorderFilled::TYPE, &["orders"]),
    (BackorderPromised::TYPE, &["orders"]),
    (ReservationBroken::TYPE, &["orders"]),
    (StockAdjusted::TYPE, &["billing"]),
    (StockIssued::TYPE, &["billing", "sales"]),
    (StockReceived::TYPE, &["billing"]),
    (StockReturned::TYPE, &["billing", "sales"]),
    (OrderCancelled::TYPE, &["inventory", "sales"]),
    (OrderConfirmed::TYPE, &["inventory", "sales"]),
    (OrderCreated::TYPE, &["sales"]),
    (OrderLinesCancelled::TYPE, &["inventory", "sales"]),
    (ReturnReceived::TYPE, &["inventory"]),
    (ShipmentShipped::TYPE, &["billing", "inventory", "sales"]),
    (PurchaseOrderApproved::TYPE, &["billing", "inventory"]),
    (PurchaseOrderClosed::TYPE, &["inventory"]),
    (ReceiptPosted::TYPE, &["billing", "inventory"]),
    (QuotationAccepted::TYPE, &["orders"]),
];

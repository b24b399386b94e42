//! What billing tells.

use chrono::NaiveDate;
use kernel::events::EventData;
use kernel::money::Money;
use kernel::quantity::Quantity;
use serde::{Deserialize, Serialize};

use crate::events::OrderLineQuantity;
use crate::ids::{
    BillId, CreditNoteId, CustomerId, InvoiceId, OrderId, PaymentId, PeriodLockId, PurchaseOrderId,
    PurchaseOrderLineId, RefundId, ShipmentId,
};

/// The customer owes it from now on. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InvoiceIssued {
    pub invoice_id: InvoiceId,
    pub number: String,
    pub order_id: OrderId,
    pub shipment_id: ShipmentId,
    pub customer_id: CustomerId,
    pub issued_on: NaiveDate,
    pub due_on: NaiveDate,
    pub total: Money,
    pub lines: Vec<OrderLineQuantity>,
}

impl EventData for InvoiceIssued {
    const TYPE: &'static str = "billing.invoice.issued";
}

/// Part or all of an invoice is taken back. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreditNoteIssued {
    pub credit_note_id: CreditNoteId,
    pub number: String,
    pub invoice_id: InvoiceId,
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub issued_on: NaiveDate,
    pub total: Money,
    pub lines: Vec<CreditedLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreditedLine {
    pub line: OrderLineQuantity,
    pub net: Money,
}

impl EventData for CreditNoteIssued {
    const TYPE: &'static str = "billing.credit_note.issued";
}

/// Credit that a note left settles another invoice, in part or in whole. Aggregate: the order
/// of the invoice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreditApplied {
    pub credit_note_id: CreditNoteId,
    /// The order whose invoice the note took back.
    pub credited_order_id: OrderId,
    pub invoice_id: InvoiceId,
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub amount: Money,
    /// What the invoice is still open for.
    pub invoice_open: Money,
}

impl EventData for CreditApplied {
    const TYPE: &'static str = "billing.credit.applied";
}

/// A customer's money is here, for whichever invoice. Aggregate: the payment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentCaptured {
    pub payment_id: PaymentId,
    pub customer_id: CustomerId,
    pub received_on: NaiveDate,
    pub amount: Money,
}

impl EventData for PaymentCaptured {
    const TYPE: &'static str = "billing.payment.captured";
}

/// A customer's money is not here after all: a mistake, or it bounced. Aggregate: the payment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentReversed {
    pub payment_id: PaymentId,
    pub customer_id: CustomerId,
    pub reversed_on: NaiveDate,
    pub amount: Money,
}

impl EventData for PaymentReversed {
    const TYPE: &'static str = "billing.payment.reversed";
}

/// Money settles an invoice, in part or in whole. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentApplied {
    pub payment_id: PaymentId,
    pub invoice_id: InvoiceId,
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub amount: Money,
    /// What the invoice is still open for.
    pub invoice_open: Money,
}

impl EventData for PaymentApplied {
    const TYPE: &'static str = "billing.payment.applied";
}

/// Money that settled an invoice does not any more. Aggregate: the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentUnapplied {
    pub payment_id: PaymentId,
    pub invoice_id: InvoiceId,
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub amount: Money,
    /// What the invoice is open for again.
    pub invoice_open: Money,
}

impl EventData for PaymentUnapplied {
    const TYPE: &'static str = "billing.payment.unapplied";
}

/// A customer's credit was paid back. Aggregate: the refund.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefundMade {
    pub refund_id: RefundId,
    pub customer_id: CustomerId,
    pub refunded_on: NaiveDate,
    pub amount: Money,
    /// What of it credit notes had left, by the orders they were for; nothing of a payment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<RefundedOrder>,
}

/// What a refund is of the credit that an order's notes had left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefundedOrder {
    pub order_id: OrderId,
    pub amount: Money,
}

impl EventData for RefundMade {
    const TYPE: &'static str = "billing.refund.made";
}

/// What was paid back is a customer's credit again: it did not arrive, or was a mistake.
/// Aggregate: the refund.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefundReversed {
    pub refund_id: RefundId,
    pub customer_id: CustomerId,
    pub reversed_on: NaiveDate,
    pub amount: Money,
    /// As the refund said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<RefundedOrder>,
}

impl EventData for RefundReversed {
    const TYPE: &'static str = "billing.refund.reversed";
}

/// We owe the supplier this. Aggregate: the purchase order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BillApproved {
    pub bill_id: BillId,
    pub purchase_order_id: PurchaseOrderId,
    pub lines: Vec<BilledLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BilledLine {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub quantity: Quantity,
}

impl EventData for BillApproved {
    const TYPE: &'static str = "billing.bill.approved";
}

/// Nothing is posted on `through` or before it any more. Aggregate: the lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeriodLocked {
    pub period_lock_id: PeriodLockId,
    pub through: NaiveDate,
    /// It will not be reopened.
    pub is_hard: bool,
}

impl EventData for PeriodLocked {
    const TYPE: &'static str = "billing.period.locked";
}

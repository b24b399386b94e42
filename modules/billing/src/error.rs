//! What can be wrong in billing, and what the caller is told.

use chrono::NaiveDate;
use contracts::ids::{BillId, InvoiceId, InvoiceLineId, PurchaseOrderId, PurchaseOrderLineId};
use kernel::Error as KernelError;
use kernel::money::{Currency, Money};
use kernel::quantity::Quantity;
use serde_json::json;

use crate::entities::payment::Direction;
use crate::entities::period_lock::PeriodLockKind;
use crate::service::totals::Overflow;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the code {code} belongs to another tax rate")]
    TaxCodeTaken { code: String },
    #[error("there is no tax class {tax_class}")]
    UnknownTaxClass { pointer: String, tax_class: String },
    #[error("documents are in {company}, not in {asked}")]
    CurrencyNotSupported { pointer: String, asked: Currency, company: Currency },
    #[error("the amount is larger than a document can hold")]
    AmountOverflow,
    #[error("an account of the books has no room for the amount")]
    AccountFull { pointer: Option<&'static str> },
    #[error("an amount must be above zero")]
    AmountNotPositive { pointer: String },

    #[error("at least one line is needed")]
    NoLines,
    #[error("at most {max} lines, not {asked}", max = crate::service::MAX_LINES)]
    TooManyLines { asked: usize },
    #[error("the line occurs twice")]
    DuplicateLine { pointer: String },

    #[error("{asked} is before {last}, when the last document of the series was issued")]
    DateBeforeLastIssued { asked: NaiveDate, last: NaiveDate },
    #[error("issued_on is before {shipped_on}, when the goods were shipped")]
    IssuedBeforeShipped { shipped_on: NaiveDate },
    #[error("issued_on is before {issued_on}, when the invoice was issued")]
    IssuedBeforeInvoice { issued_on: NaiveDate },

    #[error("the books are closed through {through}")]
    PeriodClosed { pointer: &'static str, through: NaiveDate, kind: PeriodLockKind },
    #[error("{through} is not over: a period is closed through a day that is")]
    PeriodNotOver { through: NaiveDate },
    #[error("the books are closed through {last} already")]
    PeriodAlreadyClosed { last: NaiveDate },
    #[error("what is closed for ever is not reopened")]
    PeriodLockedHard,
    #[error("the books are closed through {last}: that is reopened first")]
    LaterPeriodClosed { last: NaiveDate },

    #[error("the invoice has no line {id}")]
    UnknownInvoiceLine { position: usize, id: InvoiceLineId },
    #[error("of this line {left} can still be credited, not {asked}")]
    OverCredited { position: usize, asked: Quantity, left: Quantity },
    #[error("the whole invoice has been credited")]
    NothingToCredit,

    #[error("{}", match direction {
        Direction::Incoming => "an incoming payment has a customer_id and no supplier_id",
        Direction::Outgoing => "an outgoing payment has a supplier_id and no customer_id",
    })]
    WrongParty { pointer: &'static str, direction: Direction },
    #[error("{}", match direction {
        Direction::Incoming => "this is a supplier: money on account comes from a customer",
        Direction::Outgoing => "no purchase order with this supplier has been approved",
    })]
    UnknownParty { pointer: &'static str, direction: Direction },
    #[error("{}", match direction {
        Direction::Incoming => "an incoming payment settles an invoice_id and nothing else",
        Direction::Outgoing => "an outgoing payment settles a bill_id and nothing else",
    })]
    WrongDocument { pointer: String, direction: Direction },
    #[error("the document occurs twice: add its amounts up")]
    DuplicateAllocation { pointer: String },
    #[error("there is no invoice {id}")]
    UnknownInvoice { index: usize, id: InvoiceId },
    #[error("there is no bill {id}")]
    UnknownBill { index: usize, id: BillId },
    #[error("the document is not of who paid or was paid")]
    OtherParty { pointer: String },
    #[error("nothing is owed for the document: it is not issued or approved")]
    DocumentNotOpen { pointer: String },
    #[error("the document is open for {open}")]
    OverAllocated { pointer: String, open: Money },
    #[error("the payment has {unapplied} left")]
    PaymentExhausted { unapplied: Money },
    #[error("the payment was reversed on {on}")]
    PaymentReversed { on: NaiveDate },
    #[error("the allocation has been reversed")]
    AllocationReversed,
    #[error("reversed_on is before {received_on}, the day of the payment")]
    ReversedBeforeReceived { received_on: NaiveDate },
    #[error("of the payment {refunded} was paid back")]
    PaymentRefunded { refunded: Money },
    #[error("{left} is left of the credit")]
    CreditExhausted { pointer: &'static str, left: Money },
    #[error("a refund is of a payment_id or of a credit_note_id, and not of both")]
    WrongSource,
    #[error("no customer has such a credit")]
    UnknownCredit { pointer: &'static str },
    #[error("refunded_on is before {dated_on}, since when there is the credit")]
    RefundedBeforeCredit { dated_on: NaiveDate },
    #[error("the refund was reversed on {on}")]
    RefundReversed { on: NaiveDate },
    #[error("reversed_on is before {refunded_on}, the day of the refund")]
    ReversedBeforeRefunded { refunded_on: NaiveDate },
    #[error("the external key belongs to another refund")]
    RefundKeyTaken,
    #[error("the external key belongs to another payment")]
    ExternalKeyTaken,

    #[error("there is no approved purchase order {id}")]
    UnknownPurchaseOrder { id: PurchaseOrderId },
    #[error("purchase order {number} is with another supplier")]
    OtherSupplier { number: String },
    #[error("the purchase order has no line {id}")]
    UnknownPurchaseOrderLine { position: usize, id: PurchaseOrderLineId },
    #[error("the supplier's invoice {supplier_invoice_number} has been entered already")]
    DuplicateBill { supplier_invoice_number: String },
    #[error("due_on is before billed_on")]
    DueBeforeBilled,
    #[error("the bill does not match: say in X-Reason why it is approved all the same")]
    ReasonRequired,
}

impl From<Overflow> for Error {
    fn from(_: Overflow) -> Self {
        Error::AmountOverflow
    }
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let invalid = |code, pointer: String| KernelError::invalid(code, pointer, &detail);
        let conflict = |code, pointer: String| {
            KernelError::conflict(code, &detail).with_field(pointer, code, &detail)
        };
        match error {
            Error::TaxCodeTaken { .. } => conflict("tax_code_taken", "/code".into()),
            Error::UnknownTaxClass { pointer, .. } => invalid("unknown_tax_class", pointer),
            Error::CurrencyNotSupported { pointer, .. } => {
                invalid("currency_not_supported", pointer)
            }
            Error::AmountOverflow => invalid("amount_overflow", "/lines".into()),
            Error::AccountFull { pointer: Some(pointer) } => {
                invalid("amount_overflow", pointer.into())
            }
            Error::AccountFull { pointer: None } => {
                KernelError::new(422, "amount_overflow", detail)
            }
            Error::AmountNotPositive { pointer } => invalid("amount_not_positive", pointer),
            Error::NoLines => invalid("no_lines", "/lines".into()),
            Error::TooManyLines { .. } => invalid("too_many_lines", "/lines".into()),
            Error::DuplicateLine { pointer } => invalid("duplicate_line", pointer),
            Error::DateBeforeLastIssued { last, .. } => {
                conflict("date_before_last_issued", "/issued_on".into())
                    .with_params(json!({ "last_issued_on": last }))
            }
            Error::IssuedBeforeShipped { shipped_on } => {
                invalid("issued_before_shipped", "/issued_on".into())
                    .with_params(json!({ "shipped_on": shipped_on }))
            }
            Error::IssuedBeforeInvoice { issued_on } => {
                invalid("issued_before_invoice", "/issued_on".into())
                    .with_params(json!({ "invoice_issued_on": issued_on }))
            }
            Error::PeriodClosed { pointer, through, kind } => {
                invalid("period_closed", pointer.into())
                    .with_params(json!({ "closed_through": through, "kind": kind }))
            }
            Error::PeriodNotOver { .. } => invalid("period_not_over", "/through".into()),
            Error::PeriodAlreadyClosed { last } => {
                conflict("period_already_closed", "/through".into())
                    .with_params(json!({ "closed_through": last }))
            }
            Error::PeriodLockedHard => KernelError::conflict("period_locked_hard", detail),
            Error::LaterPeriodClosed { last } => {
                KernelError::conflict("later_period_closed", detail)
                    .with_params(json!({ "closed_through": last }))
            }
            Error::UnknownInvoiceLine { position, .. } => {
                invalid("unknown_invoice_line", format!("/lines/{position}/invoice_line_id"))
            }
            Error::OverCredited { position, left, .. } => {
                conflict("over_credited", format!("/lines/{position}/quantity"))
                    .with_params(json!({ "left": left }))
            }
            Error::NothingToCredit => KernelError::conflict("nothing_to_credit", detail),
            Error::WrongParty { pointer, .. } => invalid("wrong_party", pointer.into()),
            Error::UnknownParty { pointer, .. } => invalid("unknown_party", pointer.into()),
            Error::WrongDocument { pointer, .. } => invalid("wrong_document", pointer),
            Error::DuplicateAllocation { pointer } => invalid("duplicate_allocation", pointer),
            Error::UnknownInvoice { index, .. } => {
                invalid("unknown_invoice", format!("/allocations/{index}/invoice_id"))
            }
            Error::UnknownBill { index, .. } => {
                invalid("unknown_bill", format!("/allocations/{index}/bill_id"))
            }
            Error::OtherParty { pointer } => invalid("other_party", pointer),
            Error::DocumentNotOpen { pointer } => conflict("document_not_open", pointer),
            Error::OverAllocated { pointer, open } => {
                conflict("over_allocated", pointer).with_params(json!({ "open": open }))
            }
            Error::PaymentExhausted { unapplied } => {
                conflict("payment_exhausted", "/allocations".into())
                    .with_params(json!({ "unapplied": unapplied }))
            }
            Error::PaymentReversed { on } => KernelError::conflict("payment_reversed", detail)
                .with_params(json!({ "reversed_on": on })),
            Error::AllocationReversed => KernelError::conflict("allocation_reversed", detail),
            Error::ReversedBeforeReceived { received_on } => {
                invalid("reversed_before_received", "/reversed_on".into())
                    .with_params(json!({ "received_on": received_on }))
            }
            Error::PaymentRefunded { refunded } => {
                KernelError::conflict("payment_refunded", detail)
                    .with_params(json!({ "refunded": refunded }))
            }
            Error::CreditExhausted { pointer, left } => {
                conflict("credit_exhausted", pointer.into()).with_params(json!({ "left": left }))
            }
            Error::WrongSource => invalid("wrong_source", "/payment_id".into()),
            Error::UnknownCredit { pointer } => invalid("unknown_credit", pointer.into()),
            Error::RefundedBeforeCredit { dated_on } => {
                invalid("refunded_before_credit", "/refunded_on".into())
                    .with_params(json!({ "dated_on": dated_on }))
            }
            Error::RefundReversed { on } => KernelError::conflict("refund_reversed", detail)
                .with_params(json!({ "reversed_on": on })),
            Error::ReversedBeforeRefunded { refunded_on } => {
                invalid("reversed_before_refunded", "/reversed_on".into())
                    .with_params(json!({ "refunded_on": refunded_on }))
            }
            Error::RefundKeyTaken => conflict("external_key_taken", "/external_key".into()),
            Error::ExternalKeyTaken => conflict("external_key_taken", "/external_key".into()),
            Error::UnknownPurchaseOrder { .. } => {
                invalid("unknown_purchase_order", "/purchase_order_id".into())
            }
            Error::OtherSupplier { .. } => invalid("other_supplier", "/supplier_id".into()),
            Error::UnknownPurchaseOrderLine { position, .. } => invalid(
                "unknown_purchase_order_line",
                format!("/lines/{position}/purchase_order_line_id"),
            ),
            Error::DuplicateBill { .. } => {
                conflict("duplicate_bill", "/supplier_invoice_number".into())
            }
            Error::DueBeforeBilled => invalid("due_before_billed", "/due_on".into()),
            Error::ReasonRequired => invalid("reason_required", "@X-Reason".into()),
        }
    }
}

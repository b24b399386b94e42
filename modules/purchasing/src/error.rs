//! What can be wrong in purchasing, and what the caller is told.

use contracts::ids::{PurchaseOrderId, PurchaseOrderLineId, SupplierId, WarehouseId};
use kernel::Error as KernelError;
use kernel::money::Currency;
use kernel::quantity::Quantity;
use serde::Serialize;
use serde_json::json;

use crate::entities::purchase_order::PurchaseOrderStatus;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the external id {external_id} belongs to another supplier")]
    ExternalIdTaken { external_id: String },
    #[error("payment terms are at most {most} days, not {asked}")]
    PaymentTermsTooLong { asked: u16, most: u16 },
    #[error("the books are in {company}: nothing can be bought in {asked}")]
    CurrencyNotSupported { asked: Currency, company: Currency },

    #[error("this is no IBAN: its country, length, characters or check digits are not right")]
    InvalidIban,
    #[error("a BIC has 6 letters and then 2 or 5 letters or digits")]
    InvalidBic,
    #[error("an account has an IBAN, or else a number and the bank's code")]
    BankAccountAmbiguous { pointer: &'static str },
    #[error("an account needs an IBAN, or a number and the bank's code or BIC")]
    BankAccountIncomplete { pointer: &'static str },
    #[error("an account that is not active is no default")]
    DefaultInactive,
    #[error("the supplier has an account with this IBAN already")]
    BankAccountTaken,

    #[error("there is no supplier {0}")]
    UnknownSupplier(SupplierId),
    #[error("the supplier {number} is not active")]
    SupplierInactive { number: String },
    #[error("there is no warehouse {0}")]
    UnknownWarehouse(WarehouseId),
    #[error("the warehouse {code} is not active")]
    WarehouseInactive { code: String },
    #[error("there is no purchase order {0}")]
    UnknownPurchaseOrder(PurchaseOrderId),

    #[error("there must be at least one line")]
    NoLines,
    #[error("there may be at most {most} lines, not {given}")]
    TooManyLines { given: usize, most: usize },
    #[error("{} lines cannot be taken", .0.len())]
    Lines(Vec<LineFault>),
    #[error("goods cannot be expected before they are ordered")]
    ExpectedBeforeOrdered,
    #[error("goods cannot arrive before they are ordered")]
    ReceivedBeforeOrdered,

    #[error("some of it has been received: close it instead")]
    AlreadyReceived,
    #[error("nothing of it has been received: cancel it instead")]
    NothingReceived { status: PurchaseOrderStatus },
    #[error("more was received than is open")]
    OverReceipt(Vec<Excess>),
    #[error("stock cannot hold all that is open: receive less")]
    MoreThanStockHolds,

    // These answer an event, not a caller: something is broken, and somebody should look.
    #[error("a bill was approved for the purchase order {0}, which does not exist")]
    BillOfUnknownOrder(PurchaseOrderId),
    #[error("a bill was approved for the line {0}, which is not one of its purchase order")]
    BillOfUnknownLine(PurchaseOrderLineId),
}

/// What is wrong with one line of a request.
#[derive(Debug)]
pub(crate) struct LineFault {
    /// Counts from 0, as in the request.
    pub index: usize,
    pub field: &'static str,
    pub code: &'static str,
    pub message: String,
}

/// A line of which more was asked than is open.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Excess {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub asked: Quantity,
    pub open: Quantity,
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let invalid = |code, pointer: &str| KernelError::invalid(code, pointer, &detail);
        let conflict = |code| KernelError::conflict(code, &detail);
        match error {
            Error::ExternalIdTaken { .. } => conflict("external_id_taken").with_field(
                "/external_id",
                "external_id_taken",
                &detail,
            ),
            Error::PaymentTermsTooLong { .. } => {
                invalid("payment_terms_too_long", "/payment_terms_days")
            }
            Error::CurrencyNotSupported { .. } => invalid("currency_not_supported", "/currency"),
            Error::InvalidIban => invalid("invalid_iban", "/iban"),
            Error::InvalidBic => invalid("invalid_bic", "/bic"),
            Error::BankAccountAmbiguous { pointer } => invalid("bank_account_ambiguous", pointer),
            Error::BankAccountIncomplete { pointer } => invalid("bank_account_incomplete", pointer),
            Error::DefaultInactive => invalid("default_inactive", "/is_default"),
            Error::BankAccountTaken => {
                conflict("bank_account_taken").with_field("/iban", "bank_account_taken", &detail)
            }
            Error::UnknownSupplier(_) => invalid("unknown_supplier", "/supplier_id"),
            Error::SupplierInactive { .. } => invalid("supplier_inactive", "/supplier_id"),
            Error::UnknownWarehouse(_) => invalid("unknown_warehouse", "/warehouse_id"),
            Error::WarehouseInactive { .. } => invalid("warehouse_inactive", "/warehouse_id"),
            Error::UnknownPurchaseOrder(_) => {
                invalid("unknown_purchase_order", "/purchase_order_id")
            }
            Error::NoLines => invalid("no_lines", "/lines"),
            Error::TooManyLines { .. } => invalid("too_many_lines", "/lines"),
            Error::Lines(faults) => line_faults(faults),
            Error::ExpectedBeforeOrdered => invalid("expected_before_ordered", "/expected_on"),
            Error::ReceivedBeforeOrdered => invalid("received_before_ordered", "/received_on"),
            Error::AlreadyReceived => conflict("already_received"),
            Error::NothingReceived { status } => conflict("illegal_transition").with_params(
                json!({ "status": status, "action": "close", "allowed_actions": ["cancel"] }),
            ),
            Error::OverReceipt(lines) => {
                conflict("over_receipt").with_params(json!({ "lines": lines }))
            }
            Error::MoreThanStockHolds => invalid("amount_overflow", "/lines"),
            Error::BillOfUnknownOrder(_) | Error::BillOfUnknownLine(_) => {
                KernelError::internal(detail)
            }
        }
    }
}

/// The first fault names the problem; all are listed.
fn line_faults(faults: Vec<LineFault>) -> KernelError {
    let mut faults = faults.into_iter();
    let Some(first) = faults.next() else {
        return KernelError::internal("line faults without a fault");
    };
    let pointer = |fault: &LineFault| format!("/lines/{}/{}", fault.index, fault.field);
    let error = KernelError::invalid(first.code, pointer(&first), first.message);
    faults.fold(error, |error, fault| error.with_field(pointer(&fault), fault.code, fault.message))
}

//! What can be wrong with orders, and what the caller is told.

use contracts::ids::{OrderId, OrderLineId, WarehouseId};
use kernel::Error as KernelError;
use kernel::quantity::Quantity;
use serde::Serialize;
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("an order is made of a quotation or for a customer: give exactly one of the two")]
    QuotationOrCustomer,
    #[error("an order of a quotation takes its {field} from there")]
    TakenFromQuotation { field: &'static str },
    #[error("an order for a customer needs a {field}")]
    Missing { field: &'static str },
    #[error("there must be at least one line")]
    NoLines,
    #[error("there may be at most {max} lines, not {given}")]
    TooManyLines { given: usize, max: usize },
    #[error("{} lines cannot be taken", .0.len())]
    Lines(Vec<LineFault>),
    #[error("there is no warehouse {0}")]
    UnknownWarehouse(WarehouseId),
    #[error("the warehouse {code} is not in use any more")]
    InactiveWarehouse { code: String },
    #[error("the customer {number} is not active")]
    InactiveCustomer { number: String },
    #[error("a quantity of this line has at most {decimals} decimals")]
    QuantityTooFine { decimals: i64 },
    #[error("the lines and prices of an order from a quotation are what the customer accepted")]
    QuotedLinesFixed,
    #[error("some of it has been shipped: close it short instead")]
    AlreadyShipped,
    #[error("nothing of it has been shipped: cancel it instead")]
    NothingShipped,
    #[error("some of it is packed: ship or cancel those shipments first")]
    PackedShipments,
    #[error("only {left} of the line can still be cancelled")]
    ExceedsOpen { left: Quantity },
    #[error("nothing of the order is reserved and not yet packed")]
    NothingToShip,
    #[error("more was asked for than is reserved and not yet packed")]
    NotEnoughReserved(Vec<Excess>),
    #[error("more was asked for than was shipped and has not come back")]
    ReturnExceedsShipped(Vec<Excess>),
    #[error("the stock that was held is not what the order asks for")]
    HeldSomethingElse,
    #[error("an event of {event} does not fit the order line {line}")]
    DoesNotFit { event: &'static str, line: OrderLineId },
    #[error("an event of {event} does not fit what the credit notes of order {order} gave")]
    DoesNotFitCredit { event: &'static str, order: OrderId },
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

/// A line of which more was asked than there is.
#[derive(Debug, Serialize)]
pub(crate) struct Excess {
    pub order_line_id: OrderLineId,
    pub asked: Quantity,
    pub available: Quantity,
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let invalid = KernelError::invalid;
        match error {
            Error::QuotationOrCustomer => invalid("quotation_or_customer", "/quotation_id", detail),
            Error::TakenFromQuotation { field } => {
                KernelError::invalid("taken_from_quotation", format!("/{field}"), detail)
            }
            Error::Missing { field } => KernelError::new(422, "invalid_body", detail.clone())
                .with_field(format!("/{field}"), "missing_field", detail),
            Error::NoLines => invalid("no_lines", "/lines", detail),
            Error::TooManyLines { .. } => invalid("too_many_lines", "/lines", detail),
            Error::Lines(faults) => line_faults(faults),
            Error::UnknownWarehouse(_) => invalid("unknown_warehouse", "/warehouse_id", detail),
            Error::InactiveWarehouse { .. } => {
                invalid("warehouse_inactive", "/warehouse_id", detail)
            }
            Error::InactiveCustomer { .. } => KernelError::conflict("customer_inactive", detail),
            Error::QuantityTooFine { .. } => invalid("quantity_too_fine", "/quantity", detail),
            Error::QuotedLinesFixed => KernelError::conflict("quoted_lines_fixed", detail),
            Error::AlreadyShipped => KernelError::conflict("already_shipped", detail),
            Error::NothingShipped => KernelError::conflict("nothing_shipped", detail),
            Error::PackedShipments => KernelError::conflict("packed_shipments", detail),
            Error::ExceedsOpen { left } => KernelError::conflict("exceeds_open", detail)
                .with_params(json!({ "available": left })),
            Error::NothingToShip => KernelError::conflict("nothing_to_ship", detail),
            Error::NotEnoughReserved(lines) => KernelError::conflict("not_enough_reserved", detail)
                .with_params(json!({ "lines": lines })),
            Error::ReturnExceedsShipped(lines) => {
                KernelError::conflict("return_exceeds_shipped", detail)
                    .with_params(json!({ "lines": lines }))
            }
            Error::HeldSomethingElse
            | Error::DoesNotFit { .. }
            | Error::DoesNotFitCredit { .. } => KernelError::internal(detail),
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

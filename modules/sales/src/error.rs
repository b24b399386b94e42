//! What can be wrong in sales, and what the caller is told.

use chrono::NaiveDate;
use contracts::ids::{CustomerId, OrderId, PriceListId, QuotationId, WarehouseId};
use kernel::Error as KernelError;
use kernel::money::{Currency, Money};
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the external id {external_id} belongs to another customer")]
    ExternalIdTaken { external_id: String },
    #[error("there is no price list {id}")]
    UnknownPriceList { id: PriceListId },
    #[error("payment terms are at most 120 days, not {asked}")]
    PaymentTermsTooLong { asked: u16 },
    #[error("a credit limit cannot be negative")]
    NegativeCreditLimit,
    #[error("documents are in {company}, not in {asked}")]
    CurrencyNotSupported { pointer: &'static str, asked: Currency, company: Currency },
    #[error("there is no customer {id}")]
    UnknownCustomer { id: CustomerId },
    #[error("customer {number} is not active")]
    CustomerInactive { number: String },
    #[error("the order's {asked} and {exposure} already open exceed the credit limit of {limit}")]
    CreditLimitExceeded { limit: Money, exposure: Money, asked: Money },
    #[error("order {order_id} is confirmed: its credit is no longer on hold")]
    CreditCommitted { order_id: OrderId },
    #[error("an amount on hold cannot be negative")]
    NegativeHold,

    #[error("the code {code} belongs to another price list")]
    PriceListCodeTaken { code: String },
    #[error("{code} is the default price list for {currency}; there can be one")]
    DefaultPriceListExists { code: String, currency: Currency },
    #[error("valid_from is after valid_until")]
    ValidityReversed,
    #[error("give at least one price to set or one product to remove")]
    NoPrices,
    #[error("at most {max} prices at a time, not {asked}")]
    TooManyPrices { max: usize, asked: usize },

    #[error("a quotation needs at least one line")]
    NoLines,
    #[error("at most {max} lines, not {asked}")]
    TooManyLines { max: usize, asked: usize },
    /// At least one; the first gives the code.
    #[error("{}", .0.first().map_or("", |fault| fault.message.as_str()))]
    Lines(Vec<LineFault>),
    #[error("there is no warehouse {id}")]
    UnknownWarehouse { id: WarehouseId },
    #[error("warehouse {code} is not active")]
    WarehouseInactive { code: String },
    #[error("valid_until is before quoted_on")]
    ValidUntilBeforeQuotedOn,
    #[error("a quotation is valid for at most {max_days} days")]
    ValidUntilTooLate { max_days: u16 },
    #[error("quotation {number} was valid until {valid_until}")]
    QuotationExpired { number: String, valid_until: NaiveDate },
    #[error("there is no quotation {id}")]
    UnknownQuotation { id: QuotationId },
    #[error("quotation {number} is not accepted")]
    QuotationNotAccepted { number: String },
}

/// A line of the request that breaks a rule.
#[derive(Debug)]
pub(crate) struct LineFault {
    pub pointer: String,
    pub code: &'static str,
    pub message: String,
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let conflict = |code| KernelError::conflict(code, detail.as_str());
        let taken = |code, field| conflict(code).with_field(field, code, detail.as_str());
        let invalid = |code, field| KernelError::invalid(code, field, detail.as_str());
        match error {
            Error::ExternalIdTaken { .. } => taken("external_id_taken", "/external_id"),
            Error::UnknownPriceList { .. } => invalid("unknown_price_list", "/price_list_id"),
            Error::PaymentTermsTooLong { .. } => {
                invalid("payment_terms_too_long", "/payment_terms_days")
            }
            Error::NegativeCreditLimit => invalid("negative_credit_limit", "/credit_limit/amount"),
            Error::CurrencyNotSupported { pointer, .. } => {
                invalid("currency_not_supported", pointer)
            }
            Error::UnknownCustomer { .. } => invalid("unknown_customer", "/customer_id"),
            Error::CustomerInactive { .. } => conflict("customer_inactive"),
            Error::CreditLimitExceeded { limit, exposure, asked } => {
                let params = json!({ "limit": limit, "exposure": exposure, "asked": asked });
                conflict("credit_limit_exceeded").with_params(params)
            }
            Error::CreditCommitted { .. } => conflict("credit_already_committed"),
            Error::NegativeHold => invalid("negative_amount", "/amount/amount"),
            Error::PriceListCodeTaken { .. } => taken("code_taken", "/code"),
            Error::DefaultPriceListExists { .. } => {
                taken("default_price_list_exists", "/is_default")
            }
            Error::ValidityReversed => invalid("validity_reversed", "/valid_until"),
            Error::NoPrices => invalid("no_prices", "/prices"),
            Error::TooManyPrices { .. } => invalid("too_many_prices", "/prices"),
            Error::NoLines => invalid("no_lines", "/lines"),
            Error::TooManyLines { .. } => invalid("too_many_lines", "/lines"),
            Error::Lines(faults) => {
                let code = faults.first().map_or("invalid_lines", |fault| fault.code);
                let error = KernelError::new(422, code, detail.as_str());
                faults.into_iter().fold(error, |error, fault| {
                    error.with_field(fault.pointer, fault.code, fault.message)
                })
            }
            Error::UnknownWarehouse { .. } => invalid("unknown_warehouse", "/warehouse_id"),
            Error::WarehouseInactive { .. } => invalid("warehouse_inactive", "/warehouse_id"),
            Error::ValidUntilBeforeQuotedOn => {
                invalid("valid_until_before_quoted_on", "/valid_until")
            }
            Error::ValidUntilTooLate { .. } => invalid("valid_until_too_late", "/valid_until"),
            Error::QuotationExpired { .. } => conflict("quotation_expired"),
            Error::UnknownQuotation { .. } => invalid("unknown_quotation", "/quotation_id"),
            Error::QuotationNotAccepted { .. } => conflict("quotation_not_accepted"),
        }
    }
}

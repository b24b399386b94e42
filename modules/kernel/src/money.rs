//! Exact money: amounts in the minor unit of an ISO 4217 currency, unit prices, percentages and
//! the arithmetic between them. There is no float anywhere; i128 carries what lies in between.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod allocate;
mod currency;
mod decimal;
mod openapi;
mod percent;
mod rounding;
mod sum;
#[cfg(test)]
pub(crate) mod tests;
mod unit_price;

pub use allocate::allocate;
pub use currency::Currency;
pub(crate) use decimal::serde_as_text;
pub use decimal::{AmountError, format_scaled, parse_scaled};
pub use openapi::inline_scalars;
pub use percent::Percent;
pub use rounding::{Rounding, line_net_exact, round_div, to_minor};
pub use sum::MoneySum;
pub use unit_price::UnitPrice;

/// An amount in one currency, held as a whole number of its minor unit.
///
/// Not a column: documents store the minor amount and their currency apart. Arithmetic keeps
/// within [`Money::MAX_INTEGER_DIGITS`], so whatever it yields can be written and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "MoneyText", into = "MoneyText")]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// Most digits before the decimal point: with the four decimals of the finest currency
    /// (CLF) they still fit an i64.
    pub const MAX_INTEGER_DIGITS: u32 = 13;

    /// Amount taken as it is, for values already checked, such as those read from a document.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Amount refused with `OutOfRange` where it has more than [`Self::MAX_INTEGER_DIGITS`];
    /// the way in for totals computed on plain integers.
    pub fn try_new(minor: i64, currency: Currency) -> Result<Self, AmountError> {
        let limit = 10_u64.pow(Self::MAX_INTEGER_DIGITS + currency.exponent());
        if minor.unsigned_abs() >= limit {
            return Err(AmountError::OutOfRange);
        }
        Ok(Self::new(minor, currency))
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The amount in minor units: cents for EUR, yen for JPY.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency the amount is in.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether the amount is below zero.
    pub const fn is_negative(self) -> bool {
        self.minor < 0
    }

    /// The sum; `CurrencyMismatch` between two currencies, `OutOfRange` beyond the largest amount.
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        self.combine(other, i64::checked_add)
    }

    /// The difference; errors as for [`Self::checked_add`].
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        self.combine(other, i64::checked_sub)
    }

    /// The mirror amount; `OutOfRange` beyond the largest amount.
    pub fn checked_neg(self) -> Result<Self, AmountError> {
        let minor = self.minor.checked_neg().ok_or(AmountError::OutOfRange)?;
        Self::try_new(minor, self.currency)
    }

    fn combine(
        self,
        other: Self,
        operation: fn(i64, i64) -> Option<i64>,
    ) -> Result<Self, AmountError> {
        if self.currency != other.currency {
            return Err(AmountError::CurrencyMismatch {
                left: self.currency,
                right: other.currency,
            });
        }
        let minor = operation(self.minor, other.minor).ok_or(AmountError::OutOfRange)?;
        Self::try_new(minor, self.currency)
    }

    fn amount_text(self) -> String {
        let exponent = self.currency.exponent();
        format_scaled(self.minor, exponent, exponent)
    }
}

/// The amount with its code behind it, as in `12.34 EUR`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount_text(), self.currency)
    }
}

impl utoipa::PartialSchema for Money {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        MoneyText::schema()
    }
}

impl ToSchema for Money {}

/// Amount of money in one currency
///
/// `amount` is a decimal string: answers carry exactly the decimals of the currency, requests
/// may carry fewer but never more.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"amount": "12.34", "currency": "EUR"})))]
struct MoneyText {
    /// Decimal string with at most the decimals the currency has
    #[schema(
        pattern = r"^-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,4})?$",
        max_length = 19,
        examples("12.34")
    )]
    amount: String,
    #[schema(inline)]
    currency: Currency,
}

impl TryFrom<MoneyText> for Money {
    type Error = AmountError;

    fn try_from(text: MoneyText) -> Result<Self, AmountError> {
        let currency = text.currency;
        let allowed = currency.exponent();
        let minor =
            parse_scaled(&text.amount, allowed, Self::MAX_INTEGER_DIGITS).map_err(|error| {
                match error {
                    AmountError::TooManyDecimals { .. } => {
                        AmountError::TooManyDecimalsFor { currency, allowed }
                    }
                    other => other,
                }
            })?;
        Ok(Self::new(minor, currency))
    }
}

impl From<Money> for MoneyText {
    fn from(money: Money) -> Self {
        Self { amount: money.amount_text(), currency: money.currency }
    }
}

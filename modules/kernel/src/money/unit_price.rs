//! Prices of one unit, finer than the minor unit so that cheap parts have a price at all.

use std::fmt;
use std::str::FromStr;

use sea_orm::DeriveValueType;
use utoipa::ToSchema;

use super::{AmountError, format_scaled, parse_scaled, serde_as_text};

/// Price of one unit in major units of the document's currency
///
/// A decimal string, zero or more, with at most 9 digits before the point and 6 behind it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema, DeriveValueType,
)]
#[schema(
    value_type = String,
    pattern = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$",
    max_length = 16,
    examples("12.50")
)]
pub struct UnitPrice(i64);

serde_as_text!(UnitPrice);

impl UnitPrice {
    /// Decimals kept.
    pub const SCALE: u32 = 6;
    /// Most digits before the decimal point, so a price stays below 1 000 000 000.
    pub const MAX_INTEGER_DIGITS: u32 = 9;

    /// Price from millionths of the major unit, taken as it is.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The price in millionths of the major unit.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

/// Two decimals at least, as prices are written: `12.50`, `0.123456`.
impl fmt::Display for UnitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format_scaled(self.0, Self::SCALE, 2))
    }
}

impl FromStr for UnitPrice {
    type Err = AmountError;

    /// Errors: those of [`parse_scaled`], and `Negative`.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let micros = parse_scaled(text, Self::SCALE, Self::MAX_INTEGER_DIGITS)?;
        // "-0" goes too: the published pattern has no sign.
        if text.starts_with('-') {
            return Err(AmountError::Negative);
        }
        Ok(Self(micros))
    }
}

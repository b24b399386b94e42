//! Quantities of goods, exact to a millionth of a unit.

use std::fmt;
use std::str::FromStr;

use sea_orm::DeriveValueType;
use utoipa::ToSchema;

use crate::money::{AmountError, format_scaled, parse_scaled, serde_as_text};

#[cfg(test)]
mod tests;

/// Quantity in the unit of its line
///
/// A decimal string with at most 9 digits before the point and 6 behind it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema, DeriveValueType,
)]
#[schema(
    value_type = String,
    pattern = r"^-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$",
    max_length = 17,
    examples("1.5")
)]
pub struct Quantity(i64);

serde_as_text!(Quantity);

impl Quantity {
    /// Decimals kept.
    pub const SCALE: u32 = 6;
    /// Most digits before the decimal point, so a quantity stays within ±1 000 000 000 units.
    pub const MAX_INTEGER_DIGITS: u32 = 9;
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One unit, the quantity of everything with a serial number.
    pub const ONE: Self = Self(MICROS_PER_UNIT);
    /// The largest quantity.
    pub const MAX: Self = Self(LIMIT_MICROS as i64 - 1);

    /// Quantity from millionths of a unit, taken as it is.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Quantity of whole units; `OutOfRange` beyond the largest quantity.
    pub fn from_units(units: i64) -> Result<Self, AmountError> {
        Self::in_range(units.checked_mul(MICROS_PER_UNIT))
    }

    /// The quantity in millionths of a unit.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whether it is exactly nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether it is above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum; `OutOfRange` beyond the largest quantity.
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        Self::in_range(self.0.checked_add(other.0))
    }

    /// The difference; `OutOfRange` beyond the largest quantity.
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        Self::in_range(self.0.checked_sub(other.0))
    }

    /// The opposite quantity; `OutOfRange` beyond the largest quantity.
    pub fn checked_neg(self) -> Result<Self, AmountError> {
        Self::in_range(self.0.checked_neg())
    }

    fn in_range(micros: Option<i64>) -> Result<Self, AmountError> {
        micros
            .filter(|micros| micros.unsigned_abs() < LIMIT_MICROS)
            .map(Self)
            .ok_or(AmountError::OutOfRange)
    }
}

const MICROS_PER_UNIT: i64 = 10_i64.pow(Quantity::SCALE);
const LIMIT_MICROS: u64 = 10_u64.pow(Quantity::MAX_INTEGER_DIGITS + Quantity::SCALE);

/// As few decimals as it takes: `10`, `1.5`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format_scaled(self.0, Self::SCALE, 0))
    }
}

impl FromStr for Quantity {
    type Err = AmountError;

    /// Errors: those of [`parse_scaled`].
    fn from_str(text: &str) -> Result<Self, AmountError> {
        parse_scaled(text, Self::SCALE, Self::MAX_INTEGER_DIGITS).map(Self)
    }
}

/// Quantity above zero, in the unit of its line
///
/// A decimal string with at most 9 digits before the point and 6 behind it.
// The pattern lists by hand where the first digit other than zero may stand, since a lookahead
// is not among the constructs every schema tool knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(
    value_type = String,
    pattern = r"^([1-9][0-9]{0,8}(\.[0-9]{1,6})?|0\.([1-9][0-9]{0,5}|0[1-9][0-9]{0,4}|00[1-9][0-9]{0,3}|000[1-9][0-9]{0,2}|0000[1-9][0-9]?|00000[1-9]))$",
    max_length = 16,
    examples("1.5")
)]
pub struct PositiveQuantity(Quantity);

serde_as_text!(PositiveQuantity);

impl PositiveQuantity {
    /// The quantity, known to be above zero.
    pub const fn get(self) -> Quantity {
        self.0
    }
}

impl TryFrom<Quantity> for PositiveQuantity {
    type Error = AmountError;

    /// Errors: `NotPositive`.
    fn try_from(quantity: Quantity) -> Result<Self, AmountError> {
        if quantity.is_positive() { Ok(Self(quantity)) } else { Err(AmountError::NotPositive) }
    }
}

impl fmt::Display for PositiveQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PositiveQuantity {
    type Err = AmountError;

    /// Errors: those of [`Quantity`], and `NotPositive`.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        text.parse::<Quantity>()?.try_into()
    }
}

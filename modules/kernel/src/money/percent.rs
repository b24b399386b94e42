//! Percentages for discounts and tax rates.

use std::fmt;
use std::str::FromStr;

use sea_orm::DeriveValueType;
use utoipa::ToSchema;

use super::{AmountError, format_scaled, parse_scaled, serde_as_text};

/// Percentage from 0 to 100
///
/// A decimal string with at most 4 digits behind the point: `22` means 22 %.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema, DeriveValueType,
)]
#[schema(
    value_type = String,
    pattern = r"^(100(\.0{1,4})?|[1-9]?[0-9](\.[0-9]{1,4})?)$",
    max_length = 8,
    examples("5.5")
)]
pub struct Percent(i64);

serde_as_text!(Percent);

impl Percent {
    /// Decimals of a percent kept.
    pub const SCALE: u32 = 4;
    /// No percent at all.
    pub const ZERO: Self = Self(0);
    /// The whole.
    pub const HUNDRED: Self = Self(1_000_000);

    /// Percentage from parts per million of one (10 000 are one percent), taken as it is.
    pub const fn from_ppm(ppm: i64) -> Self {
        Self(ppm)
    }

    /// The percentage in parts per million of one.
    pub const fn ppm(self) -> i64 {
        self.0
    }
}

/// As few decimals as it takes, without a percent sign: `22`, `5.5`.
impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format_scaled(self.0, Self::SCALE, 0))
    }
}

impl FromStr for Percent {
    type Err = AmountError;

    /// Errors: those of [`parse_scaled`], `Negative` and `AboveHundredPercent`.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let percent = match parse_scaled(text, Self::SCALE, 3) {
            Err(AmountError::TooManyDigits { .. }) => Err(AmountError::AboveHundredPercent),
            parsed => parsed.map(Self),
        };
        // "-0" goes too: the published pattern has no sign.
        match percent? {
            _ if text.starts_with('-') => Err(AmountError::Negative),
            percent if percent > Self::HUNDRED => Err(AmountError::AboveHundredPercent),
            percent => Ok(percent),
        }
    }
}

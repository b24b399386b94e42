//! Currencies by their ISO 4217 code.

use std::fmt;
use std::str::FromStr;

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use utoipa::ToSchema;

use super::{AmountError, serde_as_text};

/// ISO 4217 currency code in capital letters
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema, DeriveValueType)]
#[sea_orm(value_type = "String", column_type = "Text")]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", examples("EUR"))]
pub struct Currency(iso_currency::Currency);

serde_as_text!(Currency);

impl Currency {
    /// The euro, in which most tests and examples are written.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);

    /// The three letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimals of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD, at most 4 (CLF).
    pub fn exponent(self) -> u32 {
        // A currency without a minor unit never becomes a value of this type.
        self.0.exponent().map_or(0, u32::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Currency {
    type Err = AmountError;

    /// Errors: `UnknownCurrency`, or `NoMinorUnit` for the likes of XAU and XXX.
    fn from_str(code: &str) -> Result<Self, AmountError> {
        let currency =
            iso_currency::Currency::from_code(code).ok_or(AmountError::UnknownCurrency)?;
        match currency.exponent() {
            Some(_) => Ok(Self(currency)),
            None => Err(AmountError::NoMinorUnit { code: currency.code() }),
        }
    }
}

/// SeaORM asks this of every primary key, and exchange rates have their currency in theirs.
impl TryFromU64 for Currency {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("Currency"))
    }
}

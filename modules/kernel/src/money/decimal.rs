//! The one place where decimal text becomes a scaled integer and turns back.

use super::Currency;

/// Why an amount cannot be read or computed, worded for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text has another form than digits with at most one dot.
    #[error(
        "write a plain decimal number such as \"12.5\": \
         no spaces, no plus sign, no exponent, no leading zeros"
    )]
    NotADecimal,
    /// The text is finer than the value is kept.
    #[error("more than {allowed} decimals")]
    TooManyDecimals {
        /// Most digits after the decimal point.
        allowed: u32,
    },
    /// The text is finer than the minor unit of its currency.
    #[error("more decimals than {currency} allows, at most {allowed}")]
    TooManyDecimalsFor {
        /// The currency of the amount.
        currency: Currency,
        /// Its ISO 4217 exponent.
        allowed: u32,
    },
    /// The text is larger than the value may be.
    #[error("more than {allowed} digits before the decimal point")]
    TooManyDigits {
        /// Most digits before the decimal point.
        allowed: u32,
    },
    /// A value below zero where none can be.
    #[error("must not be negative")]
    Negative,
    /// A value of zero or less where something is asked for.
    #[error("must be greater than zero")]
    NotPositive,
    /// A percentage above the whole.
    #[error("must not be more than 100 percent")]
    AboveHundredPercent,
    /// Not a code ISO 4217 knows.
    #[error("not a currency: write an ISO 4217 code of three capital letters such as \"EUR\"")]
    UnknownCurrency,
    /// A code such as XAU, for which ISO 4217 gives no minor unit.
    #[error("{code} has no minor unit, so no amount can be kept in it")]
    NoMinorUnit {
        /// The ISO 4217 code.
        code: &'static str,
    },
    /// Two amounts that need an exchange rate first.
    #[error("{left} and {right} amounts cannot be added up")]
    CurrencyMismatch {
        /// Currency of the first amount.
        left: Currency,
        /// Currency of the second amount.
        right: Currency,
    },
    /// A result no value of its type can hold.
    #[error("the result is larger than can be kept")]
    OutOfRange,
}

/// Reads decimal text as an integer scaled by 10^`scale`.
///
/// Accepts `-?(0|[1-9][0-9]*)(\.[0-9]+)?` with at most `max_integer_digits` before the dot and
/// `scale` after it; `-0` is zero. Errors: `NotADecimal`, `TooManyDecimals`, `TooManyDigits`, and
/// `OutOfRange` where both limits together exceed an i64.
pub fn parse_scaled(text: &str, scale: u32, max_integer_digits: u32) -> Result<i64, AmountError> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        // "5." has a dot and nothing behind it, which no scale makes a number.
        Some((_, "")) => return Err(AmountError::NotADecimal),
        Some(parts) => parts,
        None => (unsigned, ""),
    };
    let mut digits = whole.bytes().chain(fraction.bytes());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leading_zero || !digits.all(|digit| digit.is_ascii_digit()) {
        return Err(AmountError::NotADecimal);
    }
    let missing = (scale as usize)
        .checked_sub(fraction.len())
        .ok_or(AmountError::TooManyDecimals { allowed: scale })?;
    if whole.len() > max_integer_digits as usize {
        return Err(AmountError::TooManyDigits { allowed: max_integer_digits });
    }

    let padded = whole.bytes().chain(fraction.bytes());
    let magnitude = padded
        .chain(std::iter::repeat_n(b'0', missing))
        .try_fold(0_i64, |value, digit| value.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
        .ok_or(AmountError::OutOfRange)?;
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// Writes an integer scaled by 10^`scale` as decimal text, trailing zeros cut down to
/// `min_decimals`. `min_decimals <= scale <= 18`.
pub fn format_scaled(value: i64, scale: u32, min_decimals: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let unit = 10_u64.pow(scale);
    let whole = value.unsigned_abs() / unit;
    let rest = value.unsigned_abs() % unit;
    let decimals = format!("{rest:0width$}", width = scale as usize);
    let significant = decimals.trim_end_matches('0').len();
    match &decimals[..significant.max(min_decimals as usize)] {
        "" => format!("{sign}{whole}"),
        kept => format!("{sign}{whole}.{kept}"),
    }
}

/// Serializes a type as the text it prints and deserializes it as the text it parses. A JSON
/// number is refused: a client that keeps money in floats has lost digits before we see them.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

//! The one rounding function, and the way from quantity and price to a minor amount that calls
//! it exactly once.

use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Currency, Money, Percent, UnitPrice};
use crate::quantity::Quantity;

/// Scale of exact amounts: 10^-6 each from quantity, unit price and percentage.
const EXACT_SCALE: u32 = 18;

/// What becomes of a value exactly between two neighbours
///
/// A company setting, frozen on each document.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    EnumIter,
    DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Rounding {
    /// Away from zero, so that a credit note mirrors its invoice
    #[default]
    HalfUp,
    /// To the even neighbour
    HalfEven,
}

/// `numerator / denominator`, rounded to a whole number.
///
/// # Panics
///
/// Where `denominator` is not positive: a scale or a sum of weights, never something sent to us.
pub fn round_div(numerator: i128, denominator: i128, rounding: Rounding) -> i128 {
    assert!(denominator > 0, "cannot divide by {denominator}");
    let quotient = numerator / denominator;
    let rest = (numerator % denominator).unsigned_abs();
    // Compared with what is missing, since twice the rest could overflow.
    let missing = denominator.unsigned_abs() - rest;
    let away = rest > missing
        || rest == missing
            && match rounding {
                Rounding::HalfUp => true,
                Rounding::HalfEven => quotient % 2 != 0,
            };
    quotient + if away { numerator.signum() } else { 0 }
}

/// Net of one line before any rounding, in 10^-18 of the major unit; `None` beyond an i128,
/// which takes values no input can carry.
pub fn line_net_exact(
    quantity: Quantity,
    unit_price: UnitPrice,
    discount: Percent,
) -> Option<i128> {
    let gross = i128::from(quantity.micros()).checked_mul(i128::from(unit_price.micros()))?;
    let left = Percent::HUNDRED.ppm().checked_sub(discount.ppm())?;
    gross.checked_mul(i128::from(left))
}

/// Rounds an exact amount, in 10^-18 of the major unit, once to the minor unit of `currency`;
/// `None` beyond the largest [`Money`].
pub fn to_minor(exact_e18: i128, currency: Currency, rounding: Rounding) -> Option<i64> {
    let unit = 10_i128.pow(EXACT_SCALE - currency.exponent());
    let minor = i64::try_from(round_div(exact_e18, unit, rounding)).ok()?;
    Money::try_new(minor, currency).ok().map(Money::minor)
}

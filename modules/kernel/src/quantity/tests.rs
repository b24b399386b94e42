//! What quantities promise as text and in arithmetic.

use proptest::prelude::*;

use super::{PositiveQuantity, Quantity};
use crate::money::AmountError;
use crate::money::tests::{admitted_by, check, check_admitted};

#[test]
fn a_quantity_shows_as_few_decimals_as_it_takes() {
    check::<Quantity>("10", Ok("10"));
    check::<Quantity>("1.500000", Ok("1.5"));
    check::<Quantity>("-0.000001", Ok("-0.000001"));
    check::<Quantity>("-0", Ok("0"));
    check::<Quantity>("-999999999.999999", Ok("-999999999.999999"));
    check::<Quantity>("1000000000", Err(AmountError::TooManyDigits { allowed: 9 }));
    check::<Quantity>("0.0000001", Err(AmountError::TooManyDecimals { allowed: 6 }));
    check::<Quantity>("1e3", Err(AmountError::NotADecimal));
}

#[test]
fn a_positive_quantity_is_above_zero() {
    check::<PositiveQuantity>("0.000001", Ok("0.000001"));
    check::<PositiveQuantity>("3", Ok("3"));
    check::<PositiveQuantity>("0", Err(AmountError::NotPositive));
    check::<PositiveQuantity>("-0.0", Err(AmountError::NotPositive));
    check::<PositiveQuantity>("-1", Err(AmountError::NotPositive));
    let one = PositiveQuantity::try_from(Quantity::ONE).unwrap();
    assert_eq!(one.get(), Quantity::ONE);
    let json = serde_json::to_string(&one).unwrap();
    assert_eq!(json, "\"1\"");
    assert_eq!(serde_json::from_str::<PositiveQuantity>(&json).unwrap(), one);
    assert!(serde_json::from_str::<PositiveQuantity>("1").is_err());
}

#[test]
fn arithmetic_stops_at_the_largest_quantity_that_can_be_written() {
    let largest: Quantity = "999999999.999999".parse().unwrap();
    assert_eq!(largest, Quantity::MAX);
    let least = Quantity::from_micros(1);
    assert_eq!(largest.checked_add(least), Err(AmountError::OutOfRange));
    let smallest = largest.checked_neg().unwrap();
    assert_eq!(smallest.checked_sub(least), Err(AmountError::OutOfRange));
    let outside = Quantity::from_micros(i64::MIN);
    assert_eq!(outside.checked_neg(), Err(AmountError::OutOfRange));
    assert_eq!(outside.checked_sub(least), Err(AmountError::OutOfRange));
    assert_eq!(Quantity::from_units(-3).unwrap().to_string(), "-3");
    assert_eq!(Quantity::from_units(1_000_000_000), Err(AmountError::OutOfRange));
    assert_eq!(Quantity::from_units(i64::MAX), Err(AmountError::OutOfRange));
}

#[test]
fn the_sign_is_told_apart() {
    let check = |micros, zero, positive, negative| {
        let quantity = Quantity::from_micros(micros);
        assert_eq!(
            (quantity.is_zero(), quantity.is_positive(), quantity.is_negative()),
            (zero, positive, negative)
        );
    };
    check(0, true, false, false);
    check(1, false, true, false);
    check(-1, false, false, true);
}

proptest! {
    #[test]
    fn every_quantity_its_pattern_admits_is_read(text in admitted_by::<Quantity>()) {
        check_admitted::<Quantity>(&text);
    }

    #[test]
    fn every_positive_quantity_its_pattern_admits_is_read(
        text in admitted_by::<PositiveQuantity>(),
    ) {
        check_admitted::<PositiveQuantity>(&text);
    }

    #[test]
    fn subtracting_undoes_adding(
        a in -10_i64.pow(14)..10_i64.pow(14),
        b in -10_i64.pow(14)..10_i64.pow(14),
    ) {
        let (a, b) = (Quantity::from_micros(a), Quantity::from_micros(b));
        prop_assert_eq!(a.checked_add(b).and_then(|sum| sum.checked_sub(b)), Ok(a));
    }
}

//! Sums, rounding and allocation.

use proptest::prelude::*;

use super::currency;
use crate::money::{
    AmountError, Currency, Money, Percent, Rounding, allocate, line_net_exact, round_div, to_minor,
};
use crate::quantity::Quantity;
use Rounding::{HalfEven, HalfUp};

#[test]
fn halves_go_away_from_zero_or_to_the_even_neighbour() {
    let check = |numerator, denominator, half_up, half_even| {
        assert_eq!(round_div(numerator, denominator, HalfUp), half_up);
        assert_eq!(round_div(numerator, denominator, HalfEven), half_even);
    };
    check(0, 1, 0, 0);
    check(5, 10, 1, 0);
    check(15, 10, 2, 2);
    check(25, 10, 3, 2);
    check(-5, 10, -1, 0);
    check(-15, 10, -2, -2);
    check(-25, 10, -3, -2);
    check(24, 10, 2, 2);
    check(26, 10, 3, 3);
    check(-24, 10, -2, -2);
    check(-26, 10, -3, -3);
    check(4, 3, 1, 1);
    check(5, 3, 2, 2);
    check(i128::MAX, 1, i128::MAX, i128::MAX);
    check(i128::MIN, 1, i128::MIN, i128::MIN);
    check(i128::MAX, i128::MAX, 1, 1);
    check(i128::MIN, i128::MAX, -1, -1);
    check(i128::MAX / 2, i128::MAX, 0, 0);
    check(i128::MAX / 2 + 1, i128::MAX, 1, 1);
}

#[test]
fn a_line_is_exact_until_it_is_rounded_once() {
    let check = |quantity: &str, price: &str, discount: &str, code: &str, minor| {
        let exact = line_net_exact(
            quantity.parse().unwrap(),
            price.parse().unwrap(),
            discount.parse().unwrap(),
        )
        .unwrap();
        assert_eq!(to_minor(exact, currency(code), HalfUp), minor);
    };
    // 5573.60 - 4 % = 5350.656
    check("16", "348.35", "4", "EUR", Some(535_066));
    check("-16", "348.35", "4", "EUR", Some(-535_066));
    check("1.5", "0.01", "0", "EUR", Some(2));
    check("1", "0.004999", "0", "EUR", Some(0));
    check("0.000001", "0.000001", "0", "CLF", Some(0));
    check("10", "30.75", "100", "EUR", Some(0));
    check("1", "12345", "0", "JPY", Some(12_345));
    check("1", "0.5", "0", "JPY", Some(1));
    check("9999", "999999999.999999", "0", "EUR", Some(999_899_999_999_999));
    check("10001", "999999999.999999", "0", "EUR", None);
    check("999999999.999999", "999999999.999999", "0", "CLF", None);
    check("-999999999.999999", "999999999.999999", "0", "CLF", None);
}

#[test]
fn a_line_beyond_an_i128_is_none_and_not_a_panic() {
    use crate::money::UnitPrice;
    let huge = (Quantity::from_micros(i64::MAX), UnitPrice::from_micros(i64::MAX));
    assert_eq!(line_net_exact(huge.0, huge.1, Percent::ZERO), None);
    assert_eq!(line_net_exact(huge.0, huge.1, Percent::from_ppm(i64::MIN)), None);
    assert_eq!(to_minor(i128::MAX, Currency::EUR, HalfUp), None);
    assert_eq!(to_minor(i128::MIN, Currency::EUR, HalfEven), None);
}

#[test]
fn amounts_of_two_currencies_do_not_add_up() {
    let (eur, usd) = (Money::new(1, Currency::EUR), Money::new(1, currency("USD")));
    let mismatch = AmountError::CurrencyMismatch { left: Currency::EUR, right: currency("USD") };
    assert_eq!(eur.checked_add(usd), Err(mismatch.clone()));
    assert_eq!(eur.checked_sub(usd), Err(mismatch));
}

#[test]
fn arithmetic_stops_at_the_largest_amount_that_can_be_written() {
    let largest = Money::new(999_999_999_999_999, Currency::EUR);
    let cent = Money::new(1, Currency::EUR);
    assert_eq!(largest.checked_add(cent), Err(AmountError::OutOfRange));
    assert_eq!(largest.checked_sub(cent).map(Money::minor), Ok(999_999_999_999_998));
    let smallest = largest.checked_neg().unwrap();
    assert!(smallest.is_negative());
    assert_eq!(smallest.checked_sub(cent), Err(AmountError::OutOfRange));
    let outside = Money::new(i64::MIN, Currency::EUR);
    assert_eq!(outside.checked_neg(), Err(AmountError::OutOfRange));
    assert_eq!(outside.checked_sub(cent), Err(AmountError::OutOfRange));
    assert_eq!(Money::zero(Currency::EUR).minor(), 0);
}

#[test]
fn the_largest_remainders_get_what_is_left_over() {
    let check = |total, weights: &[i128], shares: &[i64]| {
        assert_eq!(allocate(total, weights), shares, "{total} by {weights:?}");
    };
    check(100, &[1, 1, 1], &[34, 33, 33]);
    check(-100, &[1, 1, 1], &[-34, -33, -33]);
    check(100, &[-1, -1, -1], &[34, 33, 33]);
    check(10, &[1, 2, 3], &[2, 3, 5]);
    check(1, &[1, 3], &[0, 1]);
    check(5, &[0, 1, 0], &[0, 5, 0]);
    check(0, &[1, 2], &[0, 0]);
    check(7, &[0, 0], &[7, 0]);
    check(7, &[], &[]);
    check(7, &[5], &[7]);
    // A deduction takes its share with its own sign.
    check(16, &[100, -20], &[20, -4]);
    check(5, &[3, -1], &[8, -3]);
    check(-5, &[3, -1], &[-8, 3]);
    // No proportion to go by.
    check(7, &[1, -1], &[7, 0]);
    check(7, &[i128::MAX, 1], &[7, 0]);
    check(7, &[i128::MAX, 1 - i128::MAX], &[7, 0]);
    check(i64::MAX, &[i128::MAX / 2, i128::MAX / 2], &[i64::MAX / 2 + 1, i64::MAX / 2]);
    check(i64::MIN, &[i128::MIN], &[i64::MIN]);
}

fn sum_of(shares: &[i64]) -> i128 {
    shares.iter().map(|share| i128::from(*share)).sum()
}

/// Each share times the sum of weights against its exact part times the same, so that the
/// comparison is exact too.
fn each_less_than_one_off(total: i64, weights: &[i128], shares: &[i64]) -> bool {
    let sum: i128 = weights.iter().sum();
    let mut pairs = shares.iter().zip(weights);
    pairs.all(|(share, weight)| {
        let off = i128::from(*share) * sum - i128::from(total) * weight;
        off.abs() < sum.abs()
    })
}

proptest! {
    #[test]
    fn rounding_half_up_mirrors_around_zero(n in -i128::MAX..=i128::MAX, d in 1..=i128::MAX) {
        prop_assert_eq!(round_div(-n, d, HalfUp), -round_div(n, d, HalfUp));
        prop_assert_eq!(round_div(-n, d, HalfEven), -round_div(n, d, HalfEven));
    }

    #[test]
    fn rounding_moves_by_half_a_step_at_most(n in any::<i64>(), d in 1..=i64::MAX) {
        let (n, d) = (i128::from(n), i128::from(d));
        for rounding in [HalfUp, HalfEven] {
            prop_assert!(2 * (round_div(n, d, rounding) * d - n).abs() <= d);
        }
    }

    #[test]
    fn subtracting_undoes_adding(
        a in -10_i64.pow(14)..10_i64.pow(14),
        b in -10_i64.pow(14)..10_i64.pow(14),
    ) {
        let (a, b) = (Money::new(a, Currency::EUR), Money::new(b, Currency::EUR));
        prop_assert_eq!(a.checked_add(b).and_then(|sum| sum.checked_sub(b)), Ok(a));
        prop_assert_eq!(a.checked_sub(b), a.checked_add(b.checked_neg().unwrap()));
    }

    #[test]
    fn shares_sum_to_the_total_and_are_less_than_one_off(
        total in any::<i64>(),
        weights in prop::collection::vec(0..=10_i128.pow(17), 1..40),
    ) {
        let shares = allocate(total, &weights);
        prop_assert_eq!(shares.len(), weights.len());
        prop_assert_eq!(sum_of(&shares), i128::from(total));
        prop_assume!(weights.iter().sum::<i128>() > 0);
        prop_assert!(each_less_than_one_off(total, &weights, &shares), "{shares:?}");
    }

    #[test]
    fn shares_by_weights_of_both_signs_do_so_too(
        total in any::<i32>().prop_map(i64::from),
        weights in prop::collection::vec(-1_000_000_000..=1_000_000_000_i128, 1..40),
    ) {
        let shares = allocate(total, &weights);
        prop_assert_eq!(sum_of(&shares), i128::from(total));
        prop_assume!(weights.iter().sum::<i128>() != 0);
        prop_assert!(each_less_than_one_off(total, &weights, &shares), "{shares:?}");
        let mirror: Vec<i64> = shares.iter().map(|share| -share).collect();
        prop_assert_eq!(allocate(-total, &weights), mirror);
    }

    #[test]
    fn only_the_proportion_of_weights_counts(
        total in any::<i64>(),
        weights in prop::collection::vec(-10_i128.pow(16)..=10_i128.pow(16), 1..40),
    ) {
        // As large as exact net amounts are, where a product no longer fits an i128.
        let larger: Vec<i128> = weights.iter().map(|weight| weight * 10_i128.pow(15)).collect();
        let mirrored: Vec<i128> = weights.iter().map(|weight| -weight).collect();
        let shares = allocate(total, &weights);
        prop_assert_eq!(&allocate(total, &larger), &shares);
        prop_assert_eq!(&allocate(total, &mirrored), &shares);
    }
}

//! What every movement does to a level, by itself.

use kernel::money::Currency;
use proptest::prelude::*;

use super::*;

const COMPANY: CompanyConfig =
    CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp };

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).expect("in range")
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

fn level(on_hand: i64, value_minor: i64) -> Level {
    Level { on_hand: units(on_hand), value_minor, ..Level::default() }
}

#[test]
fn the_last_unit_takes_what_rounding_left() {
    let mut level = level(3, 1000);
    let costs: Vec<_> =
        (0..3).map(|_| level.issue(units(1), &COMPANY).expect("there").minor()).collect();
    assert_eq!(costs, [333, 334, 333]);
    assert_eq!(level, Level::default());
}

#[test]
fn the_average_follows_receipts() {
    let mut level = Level::default();
    level.receive(units(10), eur(100_000), &COMPANY).expect("fits");
    level.receive(units(5), eur(55_000), &COMPANY).expect("fits");
    // The golden vector of the domain reference: 10@100 + 5@110.
    assert_eq!(level.issue(units(5), &COMPANY), Ok(eur(51_667)));
    assert_eq!(level.value_minor, 103_333);
}

#[test]
fn what_is_reserved_cannot_be_issued() {
    let mut level = level(5, 500);
    assert_eq!(level.reserve_up_to(units(4)), units(4));
    assert_eq!(level.issue(units(2), &COMPANY), Err(NotEnough));
    level.release(units(1)).expect("reserved");
    assert_eq!(level.issue(units(2), &COMPANY), Ok(eur(200)));
}

#[test]
fn reserving_takes_no_more_than_there_is() {
    let mut level = level(3, 300);
    assert_eq!(level.reserve_up_to(units(5)), units(3));
    assert_eq!(level.reserve_up_to(units(5)), Quantity::ZERO);
    assert_eq!(level.available(), Quantity::ZERO);
}

#[test]
fn more_is_never_given_back_than_was_taken() {
    let mut level = level(3, 300);
    level.reserve_up_to(units(2));
    assert_eq!(level.release(units(3)), Err(AmountError::Negative));
    assert_eq!(level.unbackorder(units(1)), Err(AmountError::Negative));
}

#[test]
fn found_goods_are_worth_the_average() {
    let mut some = level(4, 1000);
    assert_eq!(some.receive_at_average(units(2), &COMPANY), Ok(eur(500)));
    assert_eq!(some, level(6, 1500));
}

#[test]
fn taking_out_at_a_value_leaves_a_value_that_can_be() {
    let check = |quantity: i64, value_minor: i64, expected: Result<(), NotEnough>| {
        assert_eq!(level(4, 1000).take_out(units(quantity), value_minor), expected);
    };
    check(2, 400, Ok(()));
    check(4, 1000, Ok(()));
    check(4, 900, Err(NotEnough));
    check(1, 1001, Err(NotEnough));
    check(5, 1000, Err(NotEnough));
}

#[test]
fn the_average_is_a_price_or_nothing() {
    let check = |on_hand: &str, value_minor: i64, expected: Option<&str>| {
        let on_hand = on_hand.parse().expect("a quantity");
        let cost = average_cost(on_hand, value_minor, &COMPANY).map(|cost| cost.to_string());
        assert_eq!(cost.as_deref(), expected, "{value_minor} for {on_hand}");
    };
    check("3", 1000, Some("3.333333"));
    check("0.5", 1000, Some("20.00"));
    check("4", 0, Some("0.00"));
    check("0", 0, None);
    check("0.000001", 100_000_000, None);
}

#[test]
fn a_receipt_is_rounded_once() {
    let value = |quantity: &str, cost: &str| {
        let (quantity, cost) = (quantity.parse().expect("q"), cost.parse().expect("p"));
        value_at(quantity, cost, &COMPANY).map(Money::minor)
    };
    assert_eq!(value("3", "0.333333"), Ok(100));
    assert_eq!(value("0.5", "0.01"), Ok(1));
    assert_eq!(value("999999999", "999999999"), Err(AmountError::OutOfRange));
}

#[test]
fn stock_beyond_what_can_be_written_is_refused() {
    let mut level = level(999_999_999, 0);
    assert_eq!(level.receive(units(1), eur(1), &COMPANY), Err(AmountError::OutOfRange));
    assert_eq!(level.on_hand, units(999_999_999), "unchanged by the refusal");
    let most = 10_i64.pow(15) - 1;
    let mut rich = self::level(1, most);
    assert_eq!(rich.receive(units(1), eur(1), &COMPANY), Err(AmountError::OutOfRange));
    assert_eq!(rich.receive_at_average(units(999), &COMPANY), Err(AmountError::OutOfRange));
}

/// The golden vectors of the domain reference: 10@100 + 5@110, less 5.
#[test]
fn what_came_first_leaves_first_and_a_standard_is_kept() {
    let mut fifo = Level { costing: Costing::Fifo, ..Level::default() };
    let hundred = "100".parse().expect("a price");
    let more = "110".parse().expect("a price");
    for (quantity, cost) in [(10, hundred), (5, more)] {
        fifo.receive_at(units(quantity), cost, &COMPANY).expect("fits");
    }
    assert_eq!(fifo.issue(units(5), &COMPANY), Ok(eur(50_000)));
    assert_eq!(fifo.issue(units(7), &COMPANY), Ok(eur(72_000)));
    assert_eq!(fifo.issue(units(4), &COMPANY), Err(NotEnough));
    assert_eq!((fifo.value_minor, fifo.on_hand), (33_000, units(3)));

    let standard_cost = Some("102.333333".parse().expect("a price"));
    let mut kept = Level { costing: Costing::Standard, standard_cost, ..Level::default() };
    for (quantity, cost) in [(10, hundred), (5, more)] {
        kept.receive_at(units(quantity), cost, &COMPANY).expect("fits");
    }
    // 15 × 102.333333 = 1535.00 for what cost 1550.00 (V-7).
    assert_eq!((kept.value_minor, kept.variance), (153_500, Some(eur(-1_500))));
    assert_eq!(kept.issue(units(15), &COMPANY), Ok(eur(153_500)));
    assert_eq!(kept.value_minor, 0);
}

proptest! {
    /// The same for what came first leaving first: layers are what is on hand (V-1, V-3).
    #[test]
    fn layers_come_to_what_is_on_hand(
        steps in prop::collection::vec((any::<bool>(), 1_i64..5_000_000, 0_i64..100_000), 1..60)
    ) {
        let mut level = Level { costing: Costing::Fifo, ..Level::default() };
        let (mut came, mut went) = (0, 0);
        for (comes, micros, minor) in steps {
            let quantity = Quantity::from_micros(micros);
            if comes {
                level.receive(quantity, eur(minor), &COMPANY).expect("fits");
                came += minor;
            } else if let Ok(cost) = level.issue(quantity.min(level.on_hand), &COMPANY) {
                prop_assert!(cost.minor() >= 0);
                went += cost.minor();
            }
            let left: i64 = level.layers.iter().map(|layer| layer.remaining.micros()).sum();
            let worth: i64 = level.layers.iter().map(|layer| layer.value_minor).sum();
            prop_assert_eq!((left, worth), (level.on_hand.micros(), level.value_minor));
            prop_assert!(!level.on_hand.is_zero() || level.value_minor == 0);
            prop_assert_eq!(came, went + level.value_minor);
        }
    }

    /// Whatever comes and goes: value in = value out + value left, nothing is worth
    /// nothing, and no value is negative.
    #[test]
    fn value_is_neither_made_nor_lost(
        steps in prop::collection::vec((any::<bool>(), 1_i64..5_000_000, 0_i64..100_000), 1..60)
    ) {
        let mut level = Level::default();
        let (mut came, mut went) = (0, 0);
        for (comes, micros, minor) in steps {
            let quantity = Quantity::from_micros(micros);
            if comes {
                level.receive(quantity, eur(minor), &COMPANY).expect("fits");
                came += minor;
            } else if let Ok(cost) = level.issue(quantity.min(level.on_hand), &COMPANY) {
                prop_assert!(cost.minor() >= 0);
                went += cost.minor();
            }
            prop_assert!(level.value_minor >= 0);
            prop_assert!(!level.on_hand.is_zero() || level.value_minor == 0);
            prop_assert_eq!(came, went + level.value_minor);
        }
    }
}

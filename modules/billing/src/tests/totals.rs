//! Totals and taxes: the golden vectors of the domain reference, section 6, and rules R-1 to
//! R-7 as properties.

use contracts::billing::{RoundingMode, Totals};
use contracts::common::TaxClass;
use kernel::money::{Currency, Money, Percent, Rounding, UnitPrice};
use kernel::quantity::Quantity;
use proptest::prelude::*;

use crate::service::totals::{Line, Overflow, Terms, allocate_capped, calculate};

pub(super) fn terms(rounding_mode: RoundingMode, prices_include_tax: bool) -> Terms {
    Terms { currency: Currency::EUR, rounding: Rounding::HalfUp, rounding_mode, prices_include_tax }
}

fn class(code: &str) -> TaxClass {
    TaxClass::parse(code).expect("a code")
}

fn minor(text: &str, currency: Currency) -> i64 {
    let scale = currency.exponent();
    kernel::money::parse_scaled(text, scale, 13).expect("an amount")
}

/// Net, tax and total of lines (quantity, price, discount) at one rate.
fn check(
    terms: Terms,
    rate: &str,
    lines: &[(&str, &str, &str)],
    (net, tax, total): (&str, &str, &str),
) {
    let standard = class("standard");
    let rate: Percent = rate.parse().expect("a percentage");
    let lines: Vec<_> = lines
        .iter()
        .map(|(quantity, unit_price, discount)| Line {
            quantity: quantity.parse().expect("a quantity"),
            unit_price: unit_price.parse().expect("a price"),
            discount: discount.parse().expect("a percentage"),
            tax_class: &standard,
            tax_rate: rate,
        })
        .collect();
    let totals = calculate(terms, &lines).expect("small");
    let found = (totals.net.minor(), totals.tax.minor(), totals.total.minor());
    let currency = terms.currency;
    let expected = (minor(net, currency), minor(tax, currency), minor(total, currency));
    assert_eq!(found, expected, "{terms:?}");
    assert_sums(terms, &totals);
}

/// The shares of the lines add up, by class and in all (B-1, B-2).
fn assert_sums(terms: Terms, totals: &Totals) {
    let sum = |part: fn(&contracts::billing::LineTotals) -> Money| -> i64 {
        totals.lines.iter().map(|line| part(line).minor()).sum()
    };
    assert_eq!(sum(|line| line.net), totals.net.minor(), "{terms:?}");
    assert_eq!(sum(|line| line.tax), totals.tax.minor(), "{terms:?}");
    assert_eq!(sum(|line| line.total), totals.total.minor(), "{terms:?}");
    assert_eq!(totals.net.minor() + totals.tax.minor(), totals.total.minor(), "{terms:?}");
    let base: i64 = totals.taxes.iter().map(|tax| tax.base.minor()).sum();
    let tax: i64 = totals.taxes.iter().map(|tax| tax.tax.minor()).sum();
    assert_eq!((base, tax), (totals.net.minor(), totals.tax.minor()), "{terms:?}");
}

#[test]
fn golden_vectors() {
    use RoundingMode::{PerDocument, PerLine};
    let one = |mode, include, rate, lines: &[_], expected| {
        check(terms(mode, include), rate, lines, expected);
    };
    // 348.35 × 16 − 4 %, 22 % (odoo).
    let lines = [("16", "348.35", "4")];
    one(PerDocument, false, "22", &lines, ("5350.66", "1177.14", "6527.80"));
    one(PerLine, false, "22", &lines, ("5350.66", "1177.15", "6527.81"));
    // 3.60 at 5.5 %: one; one line of ten; ten lines.
    let (single, ten) = ([("1", "3.60", "0")], [("10", "3.60", "0")]);
    for mode in [PerDocument, PerLine] {
        one(mode, false, "5.5", &single, ("3.60", "0.20", "3.80"));
        one(mode, false, "5.5", &ten, ("36.00", "1.98", "37.98"));
    }
    let ten_lines = [("1", "3.60", "0"); 10];
    one(PerDocument, false, "5.5", &ten_lines, ("36.00", "1.98", "37.98"));
    one(PerLine, false, "5.5", &ten_lines, ("36.00", "2.00", "38.00"));
    // Gross 11.90 + 2.80, 21 % included.
    let lines = [("1", "11.90", "0"), ("1", "2.80", "0")];
    one(PerDocument, true, "21", &lines, ("12.15", "2.55", "14.70"));
    one(PerLine, true, "21", &lines, ("12.14", "2.56", "14.70"));
    // 46.07 − 20 % and 9.21 at 8.5 %.
    let lines = [("1", "46.07", "20"), ("1", "9.21", "0")];
    one(PerDocument, false, "8.5", &lines, ("46.07", "3.92", "49.99"));
    one(PerLine, false, "8.5", &lines, ("46.07", "3.91", "49.98"));
    // 55.55 + 11.11 at 23 %.
    let lines = [("1", "55.55", "0"), ("1", "11.11", "0")];
    one(PerDocument, false, "23", &lines, ("66.66", "15.33", "81.99"));
    one(PerLine, false, "23", &lines, ("66.66", "15.34", "82.00"));
    // 10 × 30.75 − 5 % and 70 − 5 % at 15 %.
    let lines = [("10", "30.75", "5"), ("1", "70", "5")];
    one(PerDocument, false, "15", &lines, ("358.63", "53.79", "412.42"));
    one(PerLine, false, "15", &lines, ("358.63", "53.80", "412.43"));
    // 68.33 + 68.33 + 57.50 + 85.00 at 20 %: the invoice of the credit note vector.
    let lines =
        [("1", "68.33", "0"), ("1", "68.33", "0"), ("1", "57.50", "0"), ("1", "85.00", "0")];
    one(PerDocument, false, "20", &lines, ("279.16", "55.83", "334.99"));
}

#[test]
fn golden_vector_of_a_currency_without_decimals() {
    let lines = [("1", "12345", "0")];
    let jpy = |rounding| Terms {
        currency: "JPY".parse().expect("a currency"),
        rounding,
        ..terms(RoundingMode::PerDocument, false)
    };
    check(jpy(Rounding::HalfUp), "10", &lines, ("12345", "1235", "13580"));
    check(jpy(Rounding::HalfEven), "10", &lines, ("12345", "1234", "13579"));
}

#[test]
fn no_lines_come_to_nothing() {
    for include in [false, true] {
        check(terms(RoundingMode::PerDocument, include), "20", &[], ("0", "0", "0"));
    }
}

/// 0.03 + 0.03 at 20 % is 0.01 tax, whatever the classes are called; the first has it.
#[test]
fn classes_of_one_rate_are_rounded_together() {
    for (include, rows) in [(false, [(3, 1), (3, 0)]), (true, [(2, 1), (3, 0)])] {
        let samples = [(1_000_000, 30_000, 0, 1), (1_000_000, 30_000, 0, 0)];
        let terms = terms(RoundingMode::PerDocument, include);
        let totals = totals_at([200_000; 3], terms, &samples);
        let taxes = totals.taxes.iter().map(|tax| (tax.base.minor(), tax.tax.minor()));
        assert_eq!(taxes.collect::<Vec<_>>(), rows);
        assert_eq!(totals.tax.minor(), 1);
        assert_sums(terms, &totals);
    }
}

#[test]
fn each_rate_is_rounded_by_itself() {
    let (reduced, standard) = (class("reduced"), class("standard"));
    let line = |tax_class, rate, price: &str| Line {
        quantity: Quantity::ONE,
        unit_price: price.parse().expect("a price"),
        discount: Percent::ZERO,
        tax_class,
        tax_rate: Percent::from_ppm(rate),
    };
    let lines = [
        line(&standard, 200_000, "0.12"),
        line(&reduced, 100_000, "0.05"),
        line(&standard, 200_000, "0.12"),
    ];
    let totals = calculate(terms(RoundingMode::PerDocument, false), &lines).expect("small");
    let taxes: Vec<_> = totals
        .taxes
        .iter()
        .map(|tax| (tax.tax_class.to_string(), tax.base.minor(), tax.tax.minor()))
        .collect();
    // In the order of the codes: 0.005 up to 0.01, and 0.048 up to 0.05.
    assert_eq!(taxes, [("reduced".to_owned(), 5, 1), ("standard".to_owned(), 24, 5)]);
    assert_eq!(totals.total.minor(), 35);
}

#[test]
fn an_amount_beyond_any_document_is_refused() {
    let standard = class("standard");
    let largest = Line {
        quantity: Quantity::from_micros(999_999_999_999_999),
        unit_price: UnitPrice::from_micros(999_999_999_999_999),
        discount: Percent::ZERO,
        tax_class: &standard,
        tax_rate: Percent::HUNDRED,
    };
    for mode in [RoundingMode::PerDocument, RoundingMode::PerLine] {
        for include in [false, true] {
            let terms = terms(mode, include);
            for count in [1, 1000] {
                let found = calculate(terms, &vec![largest; count]);
                assert_eq!(found.err(), Some(Overflow), "{mode:?} {include} {count}");
            }
            // The largest that fits: 10^13 less a cent, tax included.
            let fits = Line {
                quantity: Quantity::from_units(4_999_999).expect("small"),
                unit_price: UnitPrice::from_micros(1_000_000_000_000),
                ..largest
            };
            assert!(calculate(terms, &[fits]).is_ok(), "{mode:?} {include}");
        }
    }
}

#[test]
fn a_split_never_exceeds_its_caps() {
    assert_eq!(allocate_capped(3, &[1, 1, 1], &[0, 5, 5]), [0, 2, 1]);
    assert_eq!(allocate_capped(3, &[1, 0, 0], &[1, 1, 1]), [1, 1, 1]);
    assert_eq!(allocate_capped(0, &[], &[]), Vec::<i64>::new());
}

/// A line whose tax remainder is large and whose gross remainder small: shared apart, its tax
/// would exceed its gross.
#[test]
fn no_line_has_more_tax_in_it_than_it_comes_to() {
    let standard = class("standard");
    let line = |micros| Line {
        quantity: Quantity::ONE,
        unit_price: UnitPrice::from_micros(micros),
        discount: Percent::ZERO,
        tax_class: &standard,
        tax_rate: Percent::from_ppm(538_500),
    };
    let mut lines = vec![line(4_000)];
    lines.extend(vec![line(29_000); 30]);
    let totals = calculate(terms(RoundingMode::PerDocument, true), &lines).expect("small");
    assert!(totals.lines.iter().all(|line| line.net.minor() >= 0), "{totals:?}");
    assert_sums(terms(RoundingMode::PerDocument, true), &totals);
}

/// quantity, price, discount, class
type Sample = (i64, i64, i64, usize);

fn sample() -> impl Strategy<Value = Sample> {
    (1_i64..50_000_000, 0_i64..500_000_000, 0_i64..=1_000_000, 0_usize..3)
}

const RATES: [i64; 3] = [0, 85_000, 220_000];

fn totals_of(terms: Terms, samples: &[Sample]) -> Totals {
    totals_at(RATES, terms, samples)
}

fn totals_at(rates: [i64; 3], terms: Terms, samples: &[Sample]) -> Totals {
    let classes = ["a", "b", "c"].map(class);
    let lines: Vec<_> = samples
        .iter()
        .map(|(quantity, price, discount, class)| Line {
            quantity: Quantity::from_micros(*quantity),
            unit_price: UnitPrice::from_micros(*price),
            discount: Percent::from_ppm(*discount),
            tax_class: &classes[*class],
            tax_rate: Percent::from_ppm(rates[*class]),
        })
        .collect();
    calculate(terms, &lines).expect("small")
}

fn any_terms() -> impl Strategy<Value = Terms> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(line, include, even)| Terms {
        rounding: if even { Rounding::HalfEven } else { Rounding::HalfUp },
        ..terms(if line { RoundingMode::PerLine } else { RoundingMode::PerDocument }, include)
    })
}

/// `numerator / denominator` rounded, by way of the remainder: apart from the code it tests.
fn round(numerator: i128, denominator: i128, rounding: Rounding) -> i64 {
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    let up = match (2 * rest).cmp(&denominator) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => rounding == Rounding::HalfUp || quotient % 2 == 1,
    };
    i64::try_from(quotient + i128::from(up)).expect("small")
}

proptest! {
    #[test]
    fn shares_add_up_and_net_and_tax_are_the_total(
        terms in any_terms(),
        samples in prop::collection::vec(sample(), 1..40),
    ) {
        let totals = totals_of(terms, &samples);
        assert_sums(terms, &totals);
        for line in &totals.lines {
            prop_assert!(line.net.minor() >= 0 && line.tax.minor() >= 0);
        }
    }

    /// one rounding a rate, on the exact sum.
    #[test]
    fn per_document_rounds_once(
        samples in prop::collection::vec(sample(), 1..40),
        terms in any_terms(),
    ) {
        let terms = Terms { rounding_mode: RoundingMode::PerDocument, ..terms };
        let totals = totals_of(terms, &samples);
        for (class, code) in ["a", "b", "c"].iter().enumerate() {
            let exact: i128 = samples
                .iter()
                .filter(|sample| sample.3 == class)
                .map(|(q, p, d, _)| i128::from(*q) * i128::from(*p) * i128::from(1_000_000 - d))
                .sum();
            let Some(tax) = totals.taxes.iter().find(|tax| *tax.tax_class == **code) else {
                continue;
            };
            let cent = 10_i128.pow(16);
            let rate = i128::from(RATES[class]);
            let amount = round(exact, cent, terms.rounding);
            let parts = if terms.prices_include_tax { 1_000_000 + rate } else { 1_000_000 };
            let expected = round(exact * rate, parts * cent, terms.rounding);
            prop_assert_eq!(tax.tax.minor(), expected);
            let net = if terms.prices_include_tax { amount - expected } else { amount };
            prop_assert_eq!(tax.base.minor(), net);
        }
    }

    /// each line by itself, whatever stands beside it.
    #[test]
    fn per_line_is_the_sum_of_single_lines(
        samples in prop::collection::vec(sample(), 1..20),
        terms in any_terms(),
    ) {
        let terms = Terms { rounding_mode: RoundingMode::PerLine, ..terms };
        let totals = totals_of(terms, &samples);
        for (sample, line) in samples.iter().zip(&totals.lines) {
            let alone = totals_of(terms, &[*sample]);
            prop_assert_eq!((alone.net, alone.tax), (line.net, line.tax));
        }
    }

    /// what the customer pays is what the prices say, and a line whose price is whole
    /// cents pays exactly that.
    #[test]
    fn tax_inclusive_totals_are_the_gross(
        prices in prop::collection::vec((1_i64..100, 0_i64..100_000, 0_usize..3), 1..20),
        terms in any_terms(),
    ) {
        let terms = Terms { prices_include_tax: true, ..terms };
        let samples: Vec<_> = prices
            .iter()
            .map(|(units, cents, class)| (units * 1_000_000, cents * 10_000, 0, *class))
            .collect();
        let totals = totals_of(terms, &samples);
        let gross: i64 = prices.iter().map(|(units, cents, _)| units * cents).sum();
        prop_assert_eq!(totals.total.minor(), gross);
        for ((units, cents, _), line) in prices.iter().zip(&totals.lines) {
            prop_assert_eq!(line.total.minor(), units * cents);
        }
    }

    /// neither the order nor the split of lines changes a per-document total.
    #[test]
    fn order_and_split_of_lines_do_not_matter(
        samples in prop::collection::vec(sample(), 1..20),
        terms in any_terms(),
        turn in 0_usize..20,
        cut in 1_i64..50_000_000,
        rates in prop_oneof![Just(RATES), Just([85_000, 220_000, 220_000])],
    ) {
        let terms = Terms { rounding_mode: RoundingMode::PerDocument, ..terms };
        let totals = totals_at(rates, terms, &samples);
        let same = |other: Totals| {
            (other.net, other.tax, other.total, &other.taxes)
                == (totals.net, totals.tax, totals.total, &totals.taxes)
        };
        let mut turned = samples.clone();
        turned.rotate_left(turn % samples.len());
        turned.reverse();
        prop_assert!(same(totals_at(rates, terms, &turned)));

        let mut split = samples.clone();
        let (quantity, price, discount, class) = split[0];
        let part = cut % quantity;
        if part > 0 {
            split[0].0 = part;
            split.push((quantity - part, price, discount, class));
        }
        prop_assert!(same(totals_at(rates, terms, &split)));
    }

    /// it is rates that are rounded by, not classes.
    #[test]
    fn it_does_not_matter_into_which_classes_a_rate_is_split(
        samples in prop::collection::vec(sample(), 1..20),
        terms in any_terms(),
    ) {
        let terms = Terms { rounding_mode: RoundingMode::PerDocument, ..terms };
        let split = totals_at([220_000; 3], terms, &samples);
        let one: Vec<_> = samples.iter().map(|(q, p, d, _)| (*q, *p, *d, 0)).collect();
        let one = totals_at([220_000; 3], terms, &one);
        prop_assert_eq!((split.net, split.tax, split.total), (one.net, one.tax, one.total));
        assert_sums(terms, &split);
        for tax in &split.taxes {
            prop_assert!(tax.base.minor() >= 0 && tax.tax.minor() >= 0);
        }
    }

    /// what is negative mirrors what is positive, under half-up and half-even alike.
    #[test]
    fn a_deduction_mirrors_an_addition(
        samples in prop::collection::vec(sample(), 1..10),
        terms in any_terms(),
    ) {
        let totals = totals_of(terms, &samples);
        let mirrored: Vec<_> = samples.iter().map(|(q, p, d, c)| (-q, *p, *d, *c)).collect();
        let mirrored = totals_of(terms, &mirrored);
        prop_assert_eq!(mirrored.net.minor(), -totals.net.minor());
        prop_assert_eq!(mirrored.tax.minor(), -totals.tax.minor());
    }
}

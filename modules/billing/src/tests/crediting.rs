//! Credit notes: rule R-4 and B-3.

use contracts::billing::RoundingMode;
use contracts::common::TaxClass;
use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use proptest::prelude::*;

use crate::service::crediting::{Credit, InvoicedLine, credit};
use crate::service::totals::{Line, NetTax, Terms, calculate};
use crate::tests::totals::terms;

/// quantity, price, discount (micros and ppm), class
type Sample = (i64, i64, i64, usize);

/// Of four classes: two have one rate.
const RATES: [i64; 4] = [0, 85_000, 200_000, 200_000];

/// An invoice over these lines, nothing credited yet.
fn invoice(terms: Terms, samples: &[Sample]) -> Vec<InvoicedLine> {
    let classes = ["a", "b", "c", "d"].map(|code| TaxClass::parse(code).expect("a code"));
    let lines: Vec<_> = samples
        .iter()
        .map(|(quantity, price, discount, class)| Line {
            quantity: Quantity::from_micros(*quantity),
            unit_price: UnitPrice::from_micros(*price),
            discount: Percent::from_ppm(*discount),
            tax_class: &classes[*class],
            tax_rate: Percent::from_ppm(RATES[*class]),
        })
        .collect();
    let totals = calculate(terms, &lines).expect("small");
    let lines = lines.iter().zip(totals.lines).map(|(line, total)| InvoicedLine {
        quantity: line.quantity,
        unit_price: line.unit_price,
        discount: line.discount,
        tax_class: line.tax_class.clone(),
        tax_rate: line.tax_rate,
        invoiced: NetTax { net: total.net.minor(), tax: total.tax.minor() },
        credited_quantity: Quantity::ZERO,
        credited: NetTax::default(),
    });
    lines.collect()
}

/// Issues a credit note and counts it on the lines; returns its net and tax.
fn issue(terms: Terms, lines: &mut [InvoicedLine], credits: &[Credit]) -> NetTax {
    let amounts = credit(terms, lines, credits).expect("small");
    let mut sum = NetTax::default();
    for (credit, amount) in credits.iter().zip(amounts) {
        let line = &mut lines[credit.index];
        line.credited_quantity =
            line.credited_quantity.checked_add(credit.quantity).expect("small");
        line.credited.net += amount.net;
        line.credited.tax += amount.tax;
        sum.net += amount.net;
        sum.tax += amount.tax;
    }
    sum
}

fn whole(index: usize, line: &InvoicedLine) -> Credit {
    let quantity = line.quantity.checked_sub(line.credited_quantity).expect("small");
    Credit { index, quantity }
}

#[test]
fn golden_vector_credited_item_by_item_in_any_order() {
    let terms = terms(RoundingMode::PerDocument, false);
    let prices = [68_330_000, 68_330_000, 57_500_000, 85_000_000];
    let samples = prices.map(|price| (1_000_000, price, 0, 2));
    for order in [[0, 1, 2, 3], [1, 0, 2, 3], [3, 2, 1, 0], [2, 1, 3, 0]] {
        let mut lines = invoice(terms, &samples);
        let notes = order.map(|index| {
            let credit = whole(index, &lines[index]);
            let note = issue(terms, &mut lines, &[credit]);
            note.net + note.tax
        });
        // Rounded one by one they would come to 335.00.
        assert_eq!(notes.iter().sum::<i64>(), 33_499, "{order:?} {notes:?}");
    }
}

/// Two lines of 0.03 at 20 %, of two classes: the invoice rounds 0.012 once, and so do its
/// credit notes.
#[test]
fn classes_of_one_rate_are_credited_together() {
    let terms = terms(RoundingMode::PerDocument, false);
    let mut lines = invoice(terms, &[(3_000_000, 10_000, 0, 2), (3_000_000, 10_000, 0, 3)]);
    assert_eq!(lines.iter().map(|line| line.invoiced.tax).collect::<Vec<_>>(), [1, 0]);
    let credits = [2, 1].map(|units| {
        let quantity = Quantity::from_micros(units * 1_000_000);
        [Credit { index: 0, quantity }, Credit { index: 1, quantity }]
    });
    // 0.04 at 20 %: 0.008.
    assert_eq!(issue(terms, &mut lines, &credits[0]), NetTax { net: 4, tax: 1 });
    assert_eq!(issue(terms, &mut lines, &credits[1]), NetTax { net: 2, tax: 0 });
}

/// Two lines of a cent each. Half of each is credited, which by the sum of both is one cent
/// and the first line has it: closing that line must not credit it again.
#[test]
fn a_line_credited_in_full_by_rounding_gets_nothing_more() {
    let terms = terms(RoundingMode::PerDocument, false);
    let mut lines = invoice(terms, &[(2_000_000, 5_000, 0, 0), (2_000_000, 5_000, 0, 0)]);
    let notes = [0, 1, 0, 1].map(|index| {
        let one = Credit { index, quantity: Quantity::ONE };
        issue(terms, &mut lines, &[one]).net
    });
    assert_eq!(notes, [1, 0, 0, 1]);
    assert!(lines.iter().all(|line| line.credited == line.invoiced));
}

/// The first line has the cent of all three. Closing it credits that cent, and what is
/// credited of another line cannot make up for it by going below nothing.
#[test]
fn an_open_line_does_not_pay_for_a_closed_one() {
    let terms = terms(RoundingMode::PerDocument, false);
    let samples = [(1_000_000, 4_000, 0, 0), (3_000_000, 1_000, 0, 0), (3_000_000, 1_000, 0, 0)];
    let mut lines = invoice(terms, &samples);
    assert_eq!(lines[0].invoiced.net, 1);
    let one = |index| Credit { index, quantity: Quantity::ONE };
    let note = credit(terms, &lines, &[one(0), one(1)]).expect("small");
    assert_eq!(note.iter().map(|share| share.net).collect::<Vec<_>>(), [1, 0]);
    issue(terms, &mut lines, &[one(0), one(1)]);
    assert_eq!(issue(terms, &mut lines, &[one(1), one(2)]).net, 0);
}

/// 0.025 with 20 % in it: gross 3, tax 0 (0.42). 0.030: gross 3, tax 1 (0.50). The net would
/// go from 3 back to 2.
#[test]
fn a_net_that_would_shrink_waits() {
    let terms = terms(RoundingMode::PerDocument, true);
    let mut lines = invoice(terms, &[(4_000_000, 10_000, 0, 2)]);
    let notes = [2_500_000, 500_000, 1_000_000].map(|micros| {
        let part = Credit { index: 0, quantity: Quantity::from_micros(micros) };
        let note = issue(terms, &mut lines, &[part]);
        (note.net, note.tax)
    });
    assert_eq!(notes, [(3, 0), (0, 0), (0, 1)]);
    assert_eq!(lines[0].credited, lines[0].invoiced);
}

#[test]
fn ten_tenths_of_a_line_close_it() {
    let terms = terms(RoundingMode::PerDocument, false);
    // 10 × 0.333 at 20 %: net 3.33, tax 0.67.
    let mut lines = invoice(terms, &[(10_000_000, 333_000, 0, 2)]);
    assert_eq!(lines[0].invoiced, NetTax { net: 333, tax: 67 });
    let notes: Vec<_> = (0..10)
        .map(|_| {
            let one = Credit { index: 0, quantity: Quantity::ONE };
            issue(terms, &mut lines, &[one])
        })
        .collect();
    // Net: 0.33, 0.67, 1.00, 1.33 ... in all; each note is the difference.
    let nets: Vec<_> = notes.iter().map(|note| note.net).collect();
    assert_eq!(nets, [33, 34, 33, 33, 34, 33, 33, 33, 34, 33]);
    assert_eq!(lines[0].credited, lines[0].invoiced);
}

/// What all that has been credited comes to by itself, exactly, then rounded.
fn cumulative(terms: Terms, lines: &[InvoicedLine]) -> NetTax {
    let credited: Vec<_> = lines
        .iter()
        .map(|line| Line {
            quantity: line.credited_quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_class: &line.tax_class,
            tax_rate: line.tax_rate,
        })
        .collect();
    let totals = calculate(terms, &credited).expect("small");
    NetTax { net: totals.net.minor(), tax: totals.tax.minor() }
}

/// Ordinary prices, and some of less than a cent.
fn sample() -> impl Strategy<Value = Sample> {
    let price = prop_oneof![2 => 0_i64..20_000_000, 1 => 0_i64..9_000];
    (1_i64..20_000_000, price, 0_i64..=500_000, 0_usize..4)
}

fn modes() -> impl Strategy<Value = Terms> {
    (any::<bool>(), any::<bool>()).prop_map(|(per_line, include)| {
        let mode = if per_line { RoundingMode::PerLine } else { RoundingMode::PerDocument };
        terms(mode, include)
    })
}

proptest! {
    /// B-3 and R-4: no line is ever credited beyond what it came to, and the last note closes
    /// everything to zero.
    #[test]
    fn credits_never_exceed_the_invoice_and_close_it(
        terms in modes(),
        samples in prop::collection::vec(sample(), 1..8),
        steps in prop::collection::vec(prop::collection::vec((0_usize..8, 1_i64..20_000_000), 1..4), 0..8),
    ) {
        let mut lines = invoice(terms, &samples);
        for step in steps {
            let mut credits: Vec<Credit> = Vec::new();
            for (index, micros) in step {
                let index = index % lines.len();
                let left = whole(index, &lines[index]).quantity.micros();
                if left > 0 && credits.iter().all(|credit| credit.index != index) {
                    let quantity = Quantity::from_micros(micros.min(left));
                    credits.push(Credit { index, quantity });
                }
            }
            let note = issue(terms, &mut lines, &credits);
            prop_assert!(note.net >= 0 && note.tax >= 0);
            for line in &lines {
                prop_assert!((0..=line.invoiced.net).contains(&line.credited.net), "{line:?}");
                prop_assert!((0..=line.invoiced.tax).contains(&line.credited.tax), "{line:?}");
                if line.credited_quantity == line.quantity {
                    prop_assert_eq!(line.credited, line.invoiced);
                }
            }
        }
        let rest: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| whole(index, line))
            .filter(|credit| credit.quantity.is_positive())
            .collect();
        issue(terms, &mut lines, &rest);
        for line in &lines {
            prop_assert_eq!(line.credited, line.invoiced);
        }
    }

    /// R-4 to the letter on an invoice of one line: the sum of the notes is what has been
    /// credited in all, rounded once.
    #[test]
    fn notes_add_up_to_the_rounded_whole(
        terms in modes(),
        sample in sample(),
        parts in prop::collection::vec(1_i64..5_000_000, 1..10),
    ) {
        let mut lines = invoice(terms, &[sample]);
        let mut sum = NetTax::default();
        for part in parts {
            let left = whole(0, &lines[0]).quantity.micros();
            if left == 0 {
                break;
            }
            let credit = Credit { index: 0, quantity: Quantity::from_micros(part.min(left)) };
            let note = issue(terms, &mut lines, &[credit]);
            prop_assert!(note.net >= 0 && note.tax >= 0, "{note:?}");
            sum.net += note.net;
            sum.tax += note.tax;
            let whole = cumulative(terms, &lines);
            prop_assert_eq!(sum.net + sum.tax, whole.net + whole.tax);
            // Where prices include tax, a cent of it may wait for the next note.
            let waits = if terms.prices_include_tax { 1 } else { 0 };
            prop_assert!((sum.tax - whole.tax).abs() <= waits, "{sum:?} {whole:?}");
        }
    }

    /// On an invoice of many lines credited in whole, one by one, the notes stay within the
    /// lines' own rounding of the rule.
    #[test]
    fn whole_lines_are_credited_as_invoiced(
        terms in modes(),
        samples in prop::collection::vec(sample(), 1..8),
    ) {
        let mut lines = invoice(terms, &samples);
        for index in 0..lines.len() {
            let credit = whole(index, &lines[index]);
            let note = issue(terms, &mut lines, &[credit]);
            prop_assert_eq!(note, lines[index].invoiced);
        }
    }
}

//! The three-way match: a supplier's bill against what was ordered and what was received,
//! line by line.

use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is known of a purchase order line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered {
    pub unit_price: UnitPrice,
    pub received: Quantity,
    /// On bills that match or were approved.
    pub billed: Quantity,
}

/// What a bill wants for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
}

/// Why a line does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchReason {
    /// Nothing of it has been received.
    NoReceipt,
    /// More than was received and not billed yet.
    Quantity,
    /// Another price than was ordered, beyond the tolerance.
    Price,
}

/// One way in which a bill differs from what was ordered and received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MatchException {
    /// Index of the line in the bill, from 0.
    pub line: usize,
    pub reason: MatchReason,
    /// What would match: the most that may be billed, or the price ordered.
    #[schema(example = "5")]
    pub expected: String,
    /// What the bill says.
    #[schema(example = "10")]
    pub actual: String,
}

/// How the lines of a bill differ; nothing if they match.
pub(crate) fn match_lines(lines: &[(Ordered, Claim)], tolerance: Percent) -> Vec<MatchException> {
    let mut exceptions = Vec::new();
    for (line, (ordered, claim)) in lines.iter().enumerate() {
        let mut differs = |reason, expected: String, actual: String| {
            exceptions.push(MatchException { line, reason, expected, actual });
        };
        let left = ordered.received.micros().saturating_sub(ordered.billed.micros()).max(0);
        if claim.quantity.micros() > left {
            let reason = match ordered.received.is_zero() {
                true => MatchReason::NoReceipt,
                false => MatchReason::Quantity,
            };
            let left = Quantity::from_micros(left);
            differs(reason, left.to_string(), claim.quantity.to_string());
        }
        if !is_within(claim.unit_price, ordered.unit_price, tolerance) {
            differs(
                MatchReason::Price,
                ordered.unit_price.to_string(),
                claim.unit_price.to_string(),
            );
        }
    }
    exceptions
}

/// Whether `actual` is at most `tolerance` percent away from `expected`, either way.
fn is_within(actual: UnitPrice, expected: UnitPrice, tolerance: Percent) -> bool {
    let difference = (i128::from(actual.micros()) - i128::from(expected.micros())).abs();
    let whole = i128::from(Percent::HUNDRED.ppm());
    difference * whole <= i128::from(expected.micros()) * i128::from(tolerance.ppm())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        (price, received, billed): (&str, &str, &str),
        (quantity, asked): (&str, &str),
        tolerance: &str,
        expected: &[(MatchReason, &str, &str)],
    ) {
        let quantity_of = |text: &str| text.parse::<Quantity>().expect("a quantity");
        let price_of = |text: &str| text.parse::<UnitPrice>().expect("a price");
        let ordered = Ordered {
            unit_price: price_of(price),
            received: quantity_of(received),
            billed: quantity_of(billed),
        };
        let claim = Claim { quantity: quantity_of(quantity), unit_price: price_of(asked) };
        let tolerance = tolerance.parse().expect("a percentage");
        let found = match_lines(&[(ordered, claim)], tolerance);
        let found: Vec<_> =
            found.iter().map(|e| (e.reason, e.expected.as_str(), e.actual.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_bill_matches_up_to_what_was_received_and_not_billed() {
        check(("4.10", "10", "0"), ("10", "4.10"), "0", &[]);
        check(("4.10", "10", "4"), ("6", "4.10"), "0", &[]);
        check(
            ("4.10", "10", "4"),
            ("6.000001", "4.10"),
            "0",
            &[(MatchReason::Quantity, "6", "6.000001")],
        );
        // The case odoo called a full match (odoo PR#250925): a bill for 2 with 1 received.
        check(("4.10", "1", "0"), ("2", "4.10"), "0", &[(MatchReason::Quantity, "1", "2")]);
        check(("4.10", "0", "0"), ("2", "4.10"), "0", &[(MatchReason::NoReceipt, "0", "2")]);
        // Billed beyond what was received, by an override.
        check(("4.10", "1", "3"), ("1", "4.10"), "0", &[(MatchReason::Quantity, "0", "1")]);
    }

    #[test]
    fn a_price_may_differ_by_the_tolerance_either_way() {
        check(("100.00", "1", "0"), ("1", "102.00"), "2", &[]);
        check(("100.00", "1", "0"), ("1", "98.00"), "2", &[]);
        check(
            ("100.00", "1", "0"),
            ("1", "102.000001"),
            "2",
            &[(MatchReason::Price, "100.00", "102.000001")],
        );
        check(
            ("100.00", "1", "0"),
            ("1", "97.99"),
            "2",
            &[(MatchReason::Price, "100.00", "97.99")],
        );
        check(("0.00", "1", "0"), ("1", "0.01"), "100", &[(MatchReason::Price, "0.00", "0.01")]);
    }

    #[test]
    fn a_line_can_differ_in_both() {
        check(
            ("5.00", "0", "0"),
            ("1", "6.00"),
            "0",
            &[(MatchReason::NoReceipt, "0", "1"), (MatchReason::Price, "5.00", "6.00")],
        );
    }
}

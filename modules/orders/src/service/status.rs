//! The machines of orders and shipments as data, and the statuses derived from counters
//! and amounts.

use kernel::{Machine, Transition};

use crate::entities::order::{BillingStatus, FulfilmentStatus, OrderStatus, PaymentStatus};
use crate::entities::shipment::ShipmentStatus;
use crate::service::counters::Counters;

/// What can be asked of an order. Beside these, it completes by itself once every line is
/// shipped or cancelled.
pub(crate) const ORDER: Machine<OrderStatus> = Machine {
    resource: "order",
    transitions: &[
        Transition { action: "confirm", from: &[OrderStatus::Draft], to: OrderStatus::Confirmed },
        Transition {
            action: "cancel",
            from: &[OrderStatus::Draft, OrderStatus::Confirmed],
            to: OrderStatus::Cancelled,
        },
        Transition {
            action: "close_short",
            from: &[OrderStatus::Confirmed],
            to: OrderStatus::Completed,
        },
    ],
};

/// What can be asked of a shipment.
pub(crate) const SHIPMENT: Machine<ShipmentStatus> = Machine {
    resource: "shipment",
    transitions: &[
        Transition { action: "ship", from: &[ShipmentStatus::Packed], to: ShipmentStatus::Shipped },
        Transition {
            action: "deliver",
            from: &[ShipmentStatus::Shipped],
            to: ShipmentStatus::Delivered,
        },
        Transition {
            action: "cancel",
            from: &[ShipmentStatus::Packed],
            to: ShipmentStatus::Cancelled,
        },
    ],
};

/// The actions open to an order: the machine's, less those its goods forbid.
/// `has_packed`: some shipment of it is packed and has not left.
pub(crate) fn allowed_actions(
    status: OrderStatus,
    fulfilment: FulfilmentStatus,
    has_packed: bool,
) -> Vec<&'static str> {
    let has_shipped = fulfilment != FulfilmentStatus::None;
    let mut actions = ORDER.allowed_actions(status);
    actions.retain(|action| match *action {
        "cancel" => !has_shipped && !has_packed,
        "close_short" => has_shipped && !has_packed,
        _ => true,
    });
    actions
}

/// How much of what is wanted has been shipped. Returns do not undo it.
pub(crate) fn fulfilment(lines: &[Counters]) -> FulfilmentStatus {
    if lines.iter().all(|line| line.shipped == 0) {
        FulfilmentStatus::None
    } else if lines.iter().all(|line| line.shipped == line.wanted()) {
        FulfilmentStatus::Fulfilled
    } else {
        FulfilmentStatus::Partial
    }
}

/// How much of what is wanted has been invoiced. Credit notes do not undo it.
pub(crate) fn billing(lines: &[Counters]) -> BillingStatus {
    if lines.iter().all(|line| line.invoiced == 0) {
        BillingStatus::None
    } else if lines.iter().all(|line| line.invoiced == line.wanted()) {
        BillingStatus::Billed
    } else {
        BillingStatus::Partial
    }
}

/// How much of what is owed has been paid; owed is what was invoiced less what was
/// credited, and what was refunded is paid no longer.
pub(crate) fn payment(
    billing: BillingStatus,
    invoiced_minor: i64,
    credited_minor: i64,
    paid_minor: i64,
    refunded_minor: i64,
) -> PaymentStatus {
    let owed = invoiced_minor - credited_minor;
    let paid = paid_minor - refunded_minor;
    if paid > owed {
        PaymentStatus::Overpaid
    } else if billing == BillingStatus::Billed && paid == owed {
        PaymentStatus::Paid
    } else if paid > 0 {
        PaymentStatus::Partial
    } else {
        PaymentStatus::Unpaid
    }
}

/// What becomes of a confirmed order: it is over once nothing is open, and then complete
/// if anything was shipped at all.
pub(crate) fn after_change(lines: &[Counters]) -> OrderStatus {
    if lines.iter().any(|line| line.open() > 0) {
        OrderStatus::Confirmed
    } else if fulfilment(lines) == FulfilmentStatus::None {
        OrderStatus::Cancelled
    } else {
        OrderStatus::Completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ordered: i64, cancelled: i64, shipped: i64, invoiced: i64) -> Counters {
        Counters { ordered, cancelled, shipped, invoiced, ..Counters::default() }
    }

    #[test]
    fn fulfilment_counts_what_is_wanted() {
        let cases: &[(&[Counters], FulfilmentStatus)] = &[
            (&[line(5, 0, 0, 0)], FulfilmentStatus::None),
            (&[line(5, 5, 0, 0)], FulfilmentStatus::None),
            (&[line(5, 0, 2, 0)], FulfilmentStatus::Partial),
            (&[line(5, 0, 5, 0), line(1, 0, 0, 0)], FulfilmentStatus::Partial),
            (&[line(5, 3, 2, 0)], FulfilmentStatus::Fulfilled),
            (&[line(5, 0, 5, 0), line(1, 1, 0, 0)], FulfilmentStatus::Fulfilled),
        ];
        for (lines, expected) in cases {
            assert_eq!(fulfilment(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn billing_counts_what_is_wanted() {
        let cases: &[(&[Counters], BillingStatus)] = &[
            (&[line(5, 0, 5, 0)], BillingStatus::None),
            (&[line(5, 0, 5, 4)], BillingStatus::Partial),
            (&[line(5, 1, 4, 4)], BillingStatus::Billed),
            (&[line(5, 0, 5, 5), line(1, 0, 0, 0)], BillingStatus::Partial),
        ];
        for (lines, expected) in cases {
            assert_eq!(billing(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn an_order_is_paid_when_all_of_it_is_billed_and_nothing_is_owed() {
        use BillingStatus as B;
        use PaymentStatus as P;
        let cases = [
            (B::None, 0, 0, 0, 0, P::Unpaid),
            (B::Partial, 500, 0, 0, 0, P::Unpaid),
            (B::Partial, 500, 0, 200, 0, P::Partial),
            (B::Partial, 500, 0, 500, 0, P::Partial),
            (B::Billed, 900, 0, 500, 0, P::Partial),
            (B::Billed, 900, 0, 900, 0, P::Paid),
            (B::Billed, 900, 400, 500, 0, P::Paid),
            (B::Billed, 900, 900, 0, 0, P::Paid),
            (B::Billed, 0, 0, 0, 0, P::Paid),
            (B::Billed, 900, 400, 900, 0, P::Overpaid),
            (B::Billed, 900, 400, 900, 300, P::Overpaid),
            (B::Billed, 900, 400, 900, 400, P::Paid),
            (B::Billed, 900, 900, 900, 900, P::Paid),
            // Credited and paid back, and then the payment bounced.
            (B::Billed, 900, 400, 500, 400, P::Partial),
            (B::Billed, 900, 900, 0, 900, P::Unpaid),
        ];
        for (billing, invoiced, credited, paid, refunded, expected) in cases {
            let found = payment(billing, invoiced, credited, paid, refunded);
            assert_eq!(found, expected, "{billing:?} {invoiced} {credited} {paid} {refunded}");
        }
    }

    #[test]
    fn an_order_is_over_when_nothing_is_open() {
        assert_eq!(after_change(&[line(5, 0, 4, 0)]), OrderStatus::Confirmed);
        assert_eq!(after_change(&[line(5, 1, 4, 0)]), OrderStatus::Completed);
        assert_eq!(after_change(&[line(5, 5, 0, 0)]), OrderStatus::Cancelled);
        assert_eq!(after_change(&[line(5, 5, 0, 0), line(2, 0, 2, 2)]), OrderStatus::Completed);
    }

    #[test]
    fn goods_on_their_way_forbid_cancelling() {
        use FulfilmentStatus as F;
        use OrderStatus as S;
        let check = |status, fulfilment, packed, expected: &[&str]| {
            assert_eq!(allowed_actions(status, fulfilment, packed), expected);
        };
        check(S::Draft, F::None, false, &["confirm", "cancel"]);
        check(S::Confirmed, F::None, false, &["cancel"]);
        check(S::Confirmed, F::None, true, &[]);
        check(S::Confirmed, F::Partial, false, &["close_short"]);
        check(S::Confirmed, F::Partial, true, &[]);
        check(S::Completed, F::Fulfilled, false, &[]);
        check(S::Cancelled, F::None, false, &[]);
    }
}

//! The machine of purchase orders as data, and the statuses derived from counters.

use kernel::{Machine, Transition};

use crate::entities::purchase_order::{BillingStatus, PurchaseOrderStatus, ReceiptStatus};

/// What can be asked of a purchase order. Beside these, receipts and bills move it by
/// themselves: see [`after_change`].
pub(crate) const PURCHASE_ORDER: Machine<PurchaseOrderStatus> = Machine {
    resource: "purchase order",
    transitions: &[
        Transition {
            action: "approve",
            from: &[PurchaseOrderStatus::Draft],
            to: PurchaseOrderStatus::Approved,
        },
        Transition {
            action: "send",
            from: &[PurchaseOrderStatus::Approved],
            to: PurchaseOrderStatus::Sent,
        },
        Transition {
            action: "cancel",
            from: &[
                PurchaseOrderStatus::Draft,
                PurchaseOrderStatus::Approved,
                PurchaseOrderStatus::Sent,
            ],
            to: PurchaseOrderStatus::Cancelled,
        },
        Transition {
            action: "close",
            from: &[PurchaseOrderStatus::Sent, PurchaseOrderStatus::Received],
            to: PurchaseOrderStatus::Closed,
        },
    ],
};

/// Where the units of a line are, in millionths. All but `on_bills` are bounded by
/// `ordered`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub ordered: i64,
    pub received: i64,
    pub short_closed: i64,
    pub on_bills: i64,
}

impl Counters {
    /// Still to come.
    pub(crate) fn open(&self) -> i64 {
        self.ordered - self.received - self.short_closed
    }

    /// Received, and on an approved bill.
    pub(crate) fn billed(&self) -> i64 {
        self.on_bills.min(self.received)
    }

    /// Wanted at all.
    fn wanted(&self) -> i64 {
        self.ordered - self.short_closed
    }
}

/// The actions open to a purchase order: the machine's, less those its receipts forbid.
pub(crate) fn allowed_actions(
    status: PurchaseOrderStatus,
    receipts: ReceiptStatus,
) -> Vec<&'static str> {
    let has_received = receipts != ReceiptStatus::None;
    let mut actions = PURCHASE_ORDER.allowed_actions(status);
    actions.retain(|action| match *action {
        "cancel" => !has_received,
        "close" => has_received,
        _ => true,
    });
    actions
}

/// How much of what is wanted has been received.
pub(crate) fn receipts(lines: &[Counters]) -> ReceiptStatus {
    if lines.iter().all(|line| line.received == 0) {
        ReceiptStatus::None
    } else if lines.iter().all(|line| line.open() == 0) {
        ReceiptStatus::Full
    } else {
        ReceiptStatus::Partial
    }
}

/// How much of what is wanted has been received and billed.
pub(crate) fn billing(lines: &[Counters]) -> BillingStatus {
    if lines.iter().all(|line| line.billed() == 0) {
        BillingStatus::None
    } else if lines.iter().all(|line| line.billed() == line.wanted()) {
        BillingStatus::Billed
    } else {
        BillingStatus::Partial
    }
}

/// What becomes of a purchase order once goods have arrived or a bill was approved: it is
/// received when nothing is open, and closed when all of that is billed as well.
pub(crate) fn after_change(status: PurchaseOrderStatus, lines: &[Counters]) -> PurchaseOrderStatus {
    if !matches!(status, PurchaseOrderStatus::Sent | PurchaseOrderStatus::Received) {
        return status;
    }
    match (receipts(lines), billing(lines)) {
        (ReceiptStatus::Full, BillingStatus::Billed) => PurchaseOrderStatus::Closed,
        (ReceiptStatus::Full, _) => PurchaseOrderStatus::Received,
        _ => PurchaseOrderStatus::Sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use BillingStatus as B;
    use PurchaseOrderStatus as S;
    use ReceiptStatus as R;

    fn line(ordered: i64, received: i64, short_closed: i64, on_bills: i64) -> Counters {
        Counters { ordered, received, short_closed, on_bills }
    }

    #[test]
    fn receipts_count_what_is_wanted() {
        let cases: &[(&[Counters], R)] = &[
            (&[line(5, 0, 0, 0)], R::None),
            (&[line(5, 0, 5, 0)], R::None),
            (&[line(5, 2, 0, 0)], R::Partial),
            (&[line(5, 5, 0, 0), line(1, 0, 0, 0)], R::Partial),
            (&[line(5, 2, 3, 0)], R::Full),
            (&[line(5, 5, 0, 0), line(1, 0, 1, 0)], R::Full),
        ];
        for (lines, expected) in cases {
            assert_eq!(receipts(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn bills_count_as_far_as_goods_have_arrived() {
        let cases: &[(&[Counters], B)] = &[
            (&[line(5, 5, 0, 0)], B::None),
            (&[line(5, 0, 0, 5)], B::None),
            (&[line(5, 2, 0, 5)], B::Partial),
            (&[line(5, 5, 0, 4)], B::Partial),
            (&[line(5, 4, 1, 4)], B::Billed),
            (&[line(5, 5, 0, 7)], B::Billed),
            (&[line(5, 5, 0, 5), line(1, 0, 0, 0)], B::Partial),
        ];
        for (lines, expected) in cases {
            assert_eq!(billing(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn an_order_moves_with_its_goods_and_bills() {
        let check = |status, lines: &[Counters], expected| {
            assert_eq!(after_change(status, lines), expected, "{status:?} {lines:?}");
        };
        check(S::Sent, &[line(5, 4, 0, 4)], S::Sent);
        check(S::Sent, &[line(5, 5, 0, 4)], S::Received);
        check(S::Sent, &[line(5, 5, 0, 5)], S::Closed);
        check(S::Received, &[line(5, 5, 0, 5)], S::Closed);
        check(S::Received, &[line(5, 5, 0, 5), line(1, 1, 0, 0)], S::Received);
        // A bill ahead of its goods moves nothing before the supplier has the order.
        check(S::Approved, &[line(5, 0, 0, 5)], S::Approved);
        check(S::Closed, &[line(5, 2, 3, 0)], S::Closed);
        check(S::Cancelled, &[line(5, 0, 5, 0)], S::Cancelled);
    }

    #[test]
    fn what_has_arrived_decides_between_cancelling_and_closing() {
        let check = |status, receipts, expected: &[&str]| {
            assert_eq!(allowed_actions(status, receipts), expected, "{status:?}");
        };
        check(S::Draft, R::None, &["approve", "cancel"]);
        check(S::Approved, R::None, &["send", "cancel"]);
        check(S::Sent, R::None, &["cancel"]);
        check(S::Sent, R::Partial, &["close"]);
        check(S::Received, R::Full, &["close"]);
        check(S::Closed, R::Full, &[]);
        check(S::Cancelled, R::None, &[]);
    }
}

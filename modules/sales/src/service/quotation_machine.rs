//! The states of a quotation, and what can be asked of it in each.

use chrono::NaiveDate;
use kernel::{Machine, Transition};

use crate::entities::quotation::Status;

/// What people ask for.
pub(crate) const MACHINE: Machine<Status> = Machine {
    resource: "quotation",
    transitions: &[
        Transition { action: "update", from: &[Status::Draft], to: Status::Draft },
        Transition { action: "send", from: &[Status::Draft], to: Status::Sent },
        Transition { action: "accept", from: &[Status::Sent], to: Status::Accepted },
        Transition { action: "reject", from: &[Status::Sent], to: Status::Rejected },
        Transition {
            action: "cancel",
            from: &[Status::Draft, Status::Sent],
            to: Status::Cancelled,
        },
    ],
};

/// What happens by itself: by the clock, and when orders has made its order. Apart, so
/// that nobody is told they could ask for it.
pub(crate) const BY_ITSELF: Machine<Status> = Machine {
    resource: "quotation",
    transitions: &[
        Transition { action: "expire", from: &[Status::Sent], to: Status::Expired },
        Transition { action: "convert", from: &[Status::Accepted], to: Status::Converted },
    ],
};

/// Whether it is too late to send or accept it.
pub(crate) fn is_over(status: Status, valid_until: NaiveDate, today: NaiveDate) -> bool {
    match status {
        Status::Draft | Status::Sent => valid_until < today,
        // Whether the clock has been round yet makes no difference to the caller.
        Status::Expired => true,
        Status::Accepted | Status::Rejected | Status::Cancelled | Status::Converted => false,
    }
}

/// What can be asked of it today.
pub(crate) fn allowed_actions(
    status: Status,
    valid_until: NaiveDate,
    today: NaiveDate,
) -> Vec<&'static str> {
    let mut actions = MACHINE.allowed_actions(status);
    if is_over(status, valid_until, today) {
        actions.retain(|action| !matches!(*action, "send" | "accept"));
    }
    actions
}

#[cfg(test)]
mod tests {
    use sea_orm::Iterable;

    use super::*;

    #[test]
    fn only_what_the_table_lists_is_possible() {
        let check = |from: Status, expected: &[(&str, Status)]| {
            for action in ["update", "send", "accept", "reject", "cancel", "expire", "convert"] {
                let found = MACHINE.apply(from, action).or_else(|_| BY_ITSELF.apply(from, action));
                let listed = expected.iter().find(|(a, _)| *a == action).map(|(_, to)| *to);
                assert_eq!(found.ok(), listed, "{action} from {from:?}");
            }
        };
        use Status::*;
        check(Draft, &[("update", Draft), ("send", Sent), ("cancel", Cancelled)]);
        check(
            Sent,
            &[
                ("accept", Accepted),
                ("reject", Rejected),
                ("cancel", Cancelled),
                ("expire", Expired),
            ],
        );
        check(Accepted, &[("convert", Converted)]);
        for terminal in [Rejected, Expired, Cancelled, Converted] {
            check(terminal, &[]);
        }
        assert_eq!(Status::iter().count(), 7);
    }

    #[test]
    fn what_is_over_can_be_neither_sent_nor_accepted() {
        let last: NaiveDate = "2026-03-10".parse().expect("a date");
        let check = |status, today: &str, expected: &[&str]| {
            let today = today.parse().expect("a date");
            assert_eq!(allowed_actions(status, last, today), expected, "{status:?} {today}");
        };
        check(Status::Draft, "2026-03-10", &["update", "send", "cancel"]);
        check(Status::Draft, "2026-03-11", &["update", "cancel"]);
        check(Status::Sent, "2026-03-10", &["accept", "reject", "cancel"]);
        check(Status::Sent, "2026-03-11", &["reject", "cancel"]);
        check(Status::Expired, "2026-03-11", &[]);
        check(Status::Accepted, "2026-03-11", &[]);
    }
}

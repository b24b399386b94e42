//! Below nothing (I9): what leaves though it is not there, at what it cost the last time, and how
//! what comes next settles that. Where nothing is owed, nothing here does anything.

use kernel::config::CompanyConfig;
use kernel::money::{AmountError, Money};
use kernel::quantity::Quantity;

use super::{Level, NotEnough, share_minor};
use crate::entities::product::Costing;

impl Level {
    /// What is on hand, less what is owed.
    pub fn balance(&self) -> Quantity {
        // One of the two is zero.
        Quantity::from_micros(self.on_hand.micros() - self.owed.micros())
    }

    /// Whether to take so much out goes below nothing, and may.
    pub fn goes_below(&self, quantity: Quantity) -> bool {
        quantity > self.unreserved()
            && self.allows_negative
            && self.reserved.is_zero()
            && self.blocked.is_zero()
    }

    /// What `quantity` that is not there is taken to cost: what is there does, or what the last of
    /// it did. None where that is not known.
    pub fn provisional_minor(&self, quantity: Quantity, company: &CompanyConfig) -> Option<i64> {
        if self.standard_cost.is_some() {
            return self.worth(quantity, company).ok().flatten();
        }
        let (minor, whole) = self.newest_cost()?;
        share_minor(minor, quantity, whole, company.rounding)
    }

    /// The same as [`Level::issue`], but of what may be below nothing all that is asked: first
    /// what is there. What is promised to others stays, so there is none below it. What nobody
    /// knows the cost of goes at nothing, until it is known.
    pub fn issue_or_owe(
        &mut self,
        quantity: Quantity,
        company: &CompanyConfig,
    ) -> Result<Money, NotEnough> {
        if self.allows_negative {
            // Should this take the last of it, what comes next goes at the same.
            self.last_cost = self.newest_cost();
        }
        if !self.goes_below(quantity) {
            return self.issue(quantity, company);
        }
        let beyond = quantity.checked_sub(self.on_hand).map_err(|_| NotEnough)?;
        let owed = self.owed.checked_add(beyond).map_err(|_| NotEnough)?;
        let owed_minor = match self.worth(owed, company).map_err(|_| NotEnough)? {
            Some(worth) => worth,
            None => {
                let minor = self.provisional_minor(beyond, company).unwrap_or(0);
                self.owed_minor.checked_add(minor).ok_or(NotEnough)?
            }
        };
        let beyond_minor = owed_minor - self.owed_minor;
        let there = self.issue(self.on_hand, company)?;
        Money::try_new(owed_minor, company.currency).map_err(|_| NotEnough)?;
        let cost_minor = there.minor().checked_add(beyond_minor).ok_or(NotEnough)?;
        let cost = Money::try_new(cost_minor, company.currency).map_err(|_| NotEnough)?;
        (self.owed, self.owed_minor) = (owed, owed_minor);
        Ok(cost)
    }

    /// What is there, or was there last, and what that cost.
    fn newest_cost(&self) -> Option<(i64, Quantity)> {
        if self.on_hand.is_zero() {
            return self.last_cost;
        }
        match self.costing {
            Costing::Fifo => {
                let mut left = self.layers.iter().rev().filter(|l| l.remaining.is_positive());
                left.next().map(|layer| (layer.value_minor, layer.remaining))
            }
            _ => Some((self.value_minor, self.on_hand)),
        }
    }

    /// Gives what is owed its part of what comes, and returns what is left of that. What the part
    /// cost more or less than it went out at is not for those to bear who come later.
    pub(super) fn settle(
        &mut self,
        quantity: Quantity,
        value: Money,
        company: &CompanyConfig,
    ) -> Result<(Quantity, Money), AmountError> {
        if self.owed.is_zero() {
            return Ok((quantity, value));
        }
        let part = quantity.min(self.owed);
        let share = |minor, whole| {
            share_minor(minor, part, whole, company.rounding).ok_or(AmountError::OutOfRange)
        };
        let owed = self.owed.checked_sub(part)?;
        let part_minor = share(value.minor(), quantity)?;
        let owed_minor = match self.worth(owed, company)? {
            Some(worth) => worth,
            None => self.owed_minor - share(self.owed_minor, self.owed)?,
        };
        let rest = quantity.checked_sub(part)?;
        let settled = self.owed_minor - owed_minor - part_minor;
        if self.standard_cost.is_some() {
            // As of all that comes at another cost than the standard.
            self.vary(settled, company);
        } else if settled != 0 {
            let was = self.settled.map_or(0, Money::minor);
            self.settled = Some(Money::new(was + settled, company.currency));
        }
        (self.owed, self.owed_minor) = (owed, owed_minor);
        Ok((rest, Money::new(value.minor() - part_minor, value.currency())))
    }
}

#[cfg(test)]
mod tests {
    use kernel::money::{Currency, Rounding};
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

    fn level(costing: Costing) -> Level {
        let standard_cost =
            (costing == Costing::Standard).then(|| "1.333333".parse().expect("a price"));
        Level { costing, standard_cost, allows_negative: true, ..Level::default() }
    }

    /// On hand or owed, its value, and what was settled.
    fn state(level: &Level) -> (Quantity, i64, i64) {
        let settled = level.settled.map_or(0, Money::minor);
        (level.balance(), level.value_minor - level.owed_minor, settled)
    }

    #[test]
    fn what_goes_below_nothing_goes_at_the_average_and_is_settled_by_what_comes() {
        let mut level = level(Costing::Average);
        level.receive(units(3), eur(1000), &COMPANY).expect("fits");
        // 10.00, and two more at 3.33 a piece.
        assert_eq!(level.issue_or_owe(units(5), &COMPANY), Ok(eur(1667)));
        assert_eq!(state(&level), (units(-2), -667, 0));
        level.receive(units(1), eur(500), &COMPANY).expect("fits");
        assert_eq!(state(&level), (units(-1), -333, 334 - 500));
        // Half of what comes is owed, and cost less.
        level.receive(units(2), eur(400), &COMPANY).expect("fits");
        assert_eq!(state(&level), (units(1), 200, 334 - 500 + 333 - 200));
    }

    #[test]
    fn what_leaves_first_in_first_out_goes_below_at_what_came_last() {
        let mut level = level(Costing::Fifo);
        level.receive(units(1), eur(100), &COMPANY).expect("fits");
        level.receive(units(1), eur(300), &COMPANY).expect("fits");
        assert_eq!(level.issue_or_owe(units(4), &COMPANY), Ok(eur(1000)));
        assert_eq!(state(&level), (units(-2), -600, 0));
        level.receive(units(3), eur(600), &COMPANY).expect("fits");
        assert_eq!(state(&level), (units(1), 200, 200));
        let layer = level.layers.last().expect("came");
        assert_eq!((layer.quantity, layer.remaining, layer.value_minor), (units(3), units(1), 200));
    }

    #[test]
    fn a_standard_cost_is_that_of_what_is_not_there_too() {
        let mut level = level(Costing::Standard);
        assert_eq!(level.issue_or_owe(units(3), &COMPANY), Ok(eur(400)));
        assert_eq!((state(&level), level.variance), ((units(-3), -400, 0), None));
        level.revalue("2".parse().expect("a price"), &COMPANY).expect("fits");
        assert_eq!((state(&level), level.variance), ((units(-3), -600, 0), Some(eur(-200))));
        level.receive(units(4), eur(1000), &COMPANY).expect("fits");
        assert_eq!((state(&level), level.variance), ((units(1), 200, 0), Some(eur(-400))));
    }

    #[test]
    fn what_follows_the_last_of_it_costs_the_same() {
        for costing in [Costing::Average, Costing::Fifo] {
            let mut level = level(costing);
            level.receive(units(3), eur(600), &COMPANY).expect("fits");
            assert_eq!(level.issue_or_owe(units(3), &COMPANY), Ok(eur(600)));
            assert_eq!(level.issue_or_owe(units(2), &COMPANY), Ok(eur(400)));
            assert_eq!(level.issue_or_owe(units(1), &COMPANY), Ok(eur(200)));
        }
    }

    #[test]
    fn what_is_promised_or_may_not_is_never_taken_below_nothing() {
        let mut level = level(Costing::Average);
        level.receive(units(3), eur(300), &COMPANY).expect("fits");
        level.reserve_up_to(units(1));
        assert_eq!(level.issue_or_owe(units(4), &COMPANY), Err(NotEnough));
        level.release(units(1)).expect("reserved");
        level.allows_negative = false;
        assert_eq!(level.issue_or_owe(units(4), &COMPANY), Err(NotEnough));
        level.allows_negative = true;
        assert_eq!(level.issue(units(4), &COMPANY), Err(NotEnough), "where nobody asked for it");
        assert_eq!(level.issue_or_owe(units(4), &COMPANY), Ok(eur(400)));
        assert_eq!(level.reserve_up_to(units(1)), Quantity::ZERO);
    }

    #[test]
    fn what_nobody_knows_the_cost_of_goes_at_nothing_until_it_is_known() {
        let mut level = level(Costing::Average);
        assert_eq!(level.provisional_minor(units(1), &COMPANY), None);
        assert_eq!(level.issue_or_owe(units(2), &COMPANY), Ok(eur(0)));
        level.receive(units(2), eur(700), &COMPANY).expect("fits");
        assert_eq!(state(&level), (Quantity::ZERO, 0, -700));
        level.last_cost = Some((700, units(2)));
        assert_eq!(level.issue_or_owe(units(3), &COMPANY), Ok(eur(1050)));
    }

    proptest! {
        /// Whatever comes and goes, however far below nothing: what came in is what went out,
        /// what is left and what was booked, to the cent (V-3, V-4).
        #[test]
        fn value_is_neither_made_nor_lost_below_nothing(
            costing in prop::sample::select(vec![
                Costing::Average, Costing::Fifo, Costing::Standard
            ]),
            steps in prop::collection::vec((any::<bool>(), 1_i64..5_000_000, 0_i64..100_000), 1..60)
        ) {
            let mut level = level(costing);
            let (mut came, mut went, mut balance) = (0, 0, 0);
            for (comes, micros, minor) in steps {
                let quantity = Quantity::from_micros(micros);
                if comes {
                    level.receive(quantity, eur(minor), &COMPANY).expect("fits");
                    (came, balance) = (came + minor, balance + micros);
                } else {
                    let cost = level.issue_or_owe(quantity, &COMPANY).expect("may");
                    prop_assert!(cost.minor() >= 0);
                    (went, balance) = (went + cost.minor(), balance - micros);
                }
                let booked = level.settled.map_or(0, Money::minor)
                    + level.variance.map_or(0, Money::minor);
                prop_assert_eq!(came + booked, went + level.value_minor - level.owed_minor);
                prop_assert_eq!(level.balance().micros(), balance);
                prop_assert!(level.on_hand.is_zero() || level.owed.is_zero());
                prop_assert!(!level.on_hand.is_zero() || level.value_minor == 0);
                prop_assert!(!level.owed.is_zero() || level.owed_minor == 0);
                prop_assert!(level.value_minor >= 0 && level.owed_minor >= 0);
                if costing == Costing::Fifo {
                    let left: i64 = level.layers.iter().map(|l| l.remaining.micros()).sum();
                    let worth: i64 = level.layers.iter().map(|l| l.value_minor).sum();
                    prop_assert_eq!((left, worth), (level.on_hand.micros(), level.value_minor));
                }
            }
        }
    }
}

//! What one warehouse has of one product, and what every movement does to it: plain
//! arithmetic, nothing else.

use contracts::ids::StockMoveId;
use kernel::config::CompanyConfig;
use kernel::money::{
    AmountError, Money, Percent, Rounding, UnitPrice, line_net_exact, round_div, to_minor,
};
use kernel::quantity::Quantity;
use uuid::Uuid;

use crate::entities::product::Costing;

/// `reserved` and `blocked` are parts of `on_hand`; `value_minor` is what all of it cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub on_hand: Quantity,
    pub reserved: Quantity,
    pub backordered: Quantity,
    /// Not to be promised.
    pub blocked: Quantity,
    pub value_minor: i64,
    pub costing: Costing,
    /// Where costing is standard.
    pub standard_cost: Option<UnitPrice>,
    /// What has come to be worth more or less than it cost, to be booked; only at standard cost.
    pub variance: Option<Money>,
    /// What is left of what came, the oldest first; only where that leaves first.
    pub layers: Vec<Layer>,
}

/// What came together at one cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub id: Uuid,
    pub move_id: Option<StockMoveId>,
    pub quantity: Quantity,
    pub remaining: Quantity,
    /// What the rest is worth.
    pub value_minor: i64,
}

/// Less is there than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotEnough;

/// The part of `value_minor` that falls to `part` of `whole`, rounded. The whole takes all of
/// it, so that whoever takes part after part of what is left takes what rounding left with
/// the last one (V-4). Zero where there is no whole.
fn share_minor(
    value_minor: i64,
    part: Quantity,
    whole: Quantity,
    rounding: Rounding,
) -> Option<i64> {
    if whole.is_zero() {
        return Some(0);
    }
    let exact = i128::from(value_minor) * i128::from(part.micros());
    i64::try_from(round_div(exact, i128::from(whole.micros()), rounding)).ok()
}

/// What `quantity` is worth at `unit_cost`, rounded once.
fn value_at(
    quantity: Quantity,
    unit_cost: UnitPrice,
    company: &CompanyConfig,
) -> Result<Money, AmountError> {
    line_net_exact(quantity, unit_cost, Percent::ZERO)
        .and_then(|exact| to_minor(exact, company.currency, company.rounding))
        .map(|minor| Money::new(minor, company.currency))
        .ok_or(AmountError::OutOfRange)
}

/// What a unit costs on average; none where there is nothing, or so little that its value
/// is no price.
pub(crate) fn average_cost(
    on_hand: Quantity,
    value_minor: i64,
    company: &CompanyConfig,
) -> Option<UnitPrice> {
    if on_hand.is_zero() {
        return None;
    }
    let scale = 10_i128.pow(UnitPrice::SCALE + Quantity::SCALE - company.currency.exponent());
    let exact = i128::from(value_minor) * scale;
    let micros = round_div(exact, i128::from(on_hand.micros()), company.rounding);
    let most = 10_i64.pow(UnitPrice::MAX_INTEGER_DIGITS + UnitPrice::SCALE);
    i64::try_from(micros).ok().filter(|micros| *micros < most).map(UnitPrice::from_micros)
}

impl Level {
    /// What can be promised. Below zero only until what leaves is known to be blocked.
    pub fn available(&self) -> Quantity {
        Quantity::from_micros(self.unreserved().micros() - self.blocked.micros())
    }

    /// On hand and promised to nobody, be it fit to be promised or not.
    pub fn unreserved(&self) -> Quantity {
        // 0 <= reserved <= on_hand: the difference is in range.
        Quantity::from_micros(self.on_hand.micros() - self.reserved.micros())
    }

    /// Notes that so much more, or less, cannot be promised.
    pub fn block(&mut self, quantity: Quantity) -> Result<(), AmountError> {
        let blocked = self.blocked.checked_add(quantity)?;
        if blocked.is_negative() {
            return Err(AmountError::Negative);
        }
        self.blocked = blocked;
        Ok(())
    }

    /// Takes goods in at `value`.
    pub fn receive(
        &mut self,
        quantity: Quantity,
        value: Money,
        company: &CompanyConfig,
    ) -> Result<(), AmountError> {
        let on_hand = self.on_hand.checked_add(quantity)?;
        let total = Money::new(self.value_minor, value.currency()).checked_add(value)?;
        let worth = self.worth(on_hand, company)?.unwrap_or(total.minor());
        self.vary(worth - total.minor(), company);
        (self.on_hand, self.value_minor) = (on_hand, worth);
        if self.costing == Costing::Fifo && quantity.is_positive() {
            self.layers.push(Layer {
                id: Uuid::now_v7(),
                move_id: None,
                quantity,
                remaining: quantity,
                value_minor: value.minor(),
            });
        }
        Ok(())
    }

    /// Adds a cost of goods that came by `move_id` and are still there.
    pub fn receive_cost(
        &mut self,
        move_id: StockMoveId,
        value: Money,
        company: &CompanyConfig,
    ) -> Result<(), AmountError> {
        self.receive(Quantity::ZERO, value, company)?;
        let of =
            |layer: &&mut Layer| layer.move_id == Some(move_id) && layer.remaining.is_positive();
        if let Some(layer) = self.layers.iter_mut().find(of) {
            layer.value_minor += value.minor();
        }
        Ok(())
    }

    /// What is left of what came by `move_id`, as far as that is known: where what came first
    /// leaves first.
    pub fn left_of(&self, move_id: StockMoveId) -> Option<Quantity> {
        let of = self.layers.iter().filter(|layer| layer.move_id == Some(move_id));
        let left = of.map(|layer| layer.remaining).next().unwrap_or(Quantity::ZERO);
        (self.costing == Costing::Fifo).then_some(left)
    }

    fn vary(&mut self, minor: i64, company: &CompanyConfig) {
        if minor != 0 {
            let was = self.variance.map_or(0, Money::minor);
            self.variance = Some(Money::new(was + minor, company.currency));
        }
    }

    /// What so much is worth at the standard cost, if there is one.
    fn worth(
        &self,
        on_hand: Quantity,
        company: &CompanyConfig,
    ) -> Result<Option<i64>, AmountError> {
        let worth = |cost| value_at(on_hand, cost, company).map(Money::minor);
        self.standard_cost.map(worth).transpose()
    }

    /// Values what is there at another standard cost.
    pub fn revalue(
        &mut self,
        standard_cost: UnitPrice,
        company: &CompanyConfig,
    ) -> Result<(), AmountError> {
        self.standard_cost = Some(standard_cost);
        self.receive(Quantity::ZERO, Money::zero(company.currency), company)
    }

    /// Takes goods in at `unit_cost`, and returns their value.
    pub fn receive_at(
        &mut self,
        quantity: Quantity,
        unit_cost: UnitPrice,
        company: &CompanyConfig,
    ) -> Result<Money, AmountError> {
        let value = value_at(quantity, unit_cost, company)?;
        self.receive(quantity, value, company)?;
        Ok(value)
    }

    /// Takes goods in at the average cost of what is there, and returns their value.
    pub fn receive_at_average(
        &mut self,
        quantity: Quantity,
        company: &CompanyConfig,
    ) -> Result<Money, AmountError> {
        let minor = share_minor(self.value_minor, quantity, self.on_hand, company.rounding)
            .ok_or(AmountError::OutOfRange)?;
        let value = Money::try_new(minor, company.currency)?;
        self.receive(quantity, value, company)?;
        Ok(value)
    }

    /// Takes goods nobody is promised out, and returns what they cost: on average, at the cost
    /// of what came first, or at the standard cost.
    pub fn issue(
        &mut self,
        quantity: Quantity,
        company: &CompanyConfig,
    ) -> Result<Money, NotEnough> {
        if quantity > self.unreserved() {
            return Err(NotEnough);
        }
        let cost_minor = match self.costing {
            // A part of the value is no larger than the value.
            Costing::Average => {
                share_minor(self.value_minor, quantity, self.on_hand, company.rounding)
                    .ok_or(NotEnough)?
            }
            Costing::Fifo => self.consume(quantity, company.rounding)?,
            Costing::Standard => {
                let left = Quantity::from_micros(self.on_hand.micros() - quantity.micros());
                let worth = self.worth(left, company).map_err(|_| NotEnough)?;
                self.value_minor - worth.unwrap_or(self.value_minor)
            }
        };
        self.take_out(quantity, cost_minor)?;
        Ok(Money::new(cost_minor, company.currency))
    }

    /// Takes off the oldest layers, and returns what that cost.
    fn consume(&mut self, quantity: Quantity, rounding: Rounding) -> Result<i64, NotEnough> {
        let (mut missing, mut cost_minor) = (quantity.micros(), 0);
        for layer in &mut self.layers {
            let part = missing.min(layer.remaining.micros());
            let part = Quantity::from_micros(part);
            let value_minor =
                share_minor(layer.value_minor, part, layer.remaining, rounding).ok_or(NotEnough)?;
            layer.remaining = Quantity::from_micros(layer.remaining.micros() - part.micros());
            layer.value_minor -= value_minor;
            cost_minor += value_minor;
            missing -= part.micros();
        }
        if missing > 0 { Err(NotEnough) } else { Ok(cost_minor) }
    }

    /// Takes goods nobody is promised out at exactly `value_minor`; refused if what stays could
    /// not be worth what is left.
    pub fn take_out(&mut self, quantity: Quantity, value_minor: i64) -> Result<(), NotEnough> {
        let left = self.on_hand.micros() - quantity.micros();
        let left_minor = self.value_minor - value_minor;
        if quantity > self.unreserved() || left_minor < 0 || (left == 0 && left_minor != 0) {
            return Err(NotEnough);
        }
        (self.on_hand, self.value_minor) = (Quantity::from_micros(left), left_minor);
        Ok(())
    }

    /// Takes back what came by `move_id` at exactly `value_minor`.
    pub fn take_back(
        &mut self,
        move_id: StockMoveId,
        quantity: Quantity,
        value: Money,
        company: &CompanyConfig,
    ) -> Result<(), NotEnough> {
        let value_minor = value.minor();
        match self.costing {
            Costing::Average => self.take_out(quantity, value_minor),
            Costing::Fifo => {
                let layer = self.layers.iter_mut().find(|layer| layer.move_id == Some(move_id));
                let layer = layer.ok_or(NotEnough)?;
                if (layer.remaining, layer.value_minor) != (quantity, value_minor) {
                    return Err(NotEnough);
                }
                (layer.remaining, layer.value_minor) = (Quantity::ZERO, 0);
                self.take_out(quantity, value_minor)
            }
            // It goes at the standard cost, and what it differed by is booked back.
            Costing::Standard => {
                let cost = self.issue(quantity, company)?;
                self.vary(value_minor - cost.minor(), company);
                Ok(())
            }
        }
    }

    /// Reserves as much of `asked` as is available, and returns how much that is.
    pub fn reserve_up_to(&mut self, asked: Quantity) -> Quantity {
        let taken = asked.min(self.available().max(Quantity::ZERO));
        self.reserved = Quantity::from_micros(self.reserved.micros() + taken.micros());
        taken
    }

    /// Gives back what was reserved.
    pub fn release(&mut self, quantity: Quantity) -> Result<(), AmountError> {
        self.reserved = less(self.reserved, quantity)?;
        Ok(())
    }

    /// Notes what an order line waits for.
    pub fn backorder(&mut self, quantity: Quantity) -> Result<(), AmountError> {
        self.backordered = self.backordered.checked_add(quantity)?;
        Ok(())
    }

    /// Takes off what an order line no longer waits for.
    pub fn unbackorder(&mut self, quantity: Quantity) -> Result<(), AmountError> {
        self.backordered = less(self.backordered, quantity)?;
        Ok(())
    }
}

fn less(from: Quantity, quantity: Quantity) -> Result<Quantity, AmountError> {
    let left = from.checked_sub(quantity)?;
    if left.is_negative() { Err(AmountError::Negative) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
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
}

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

mod owed;

/// `reserved` and `blocked` are parts of `on_hand`; `value_minor` is what all of it cost. What is
/// `owed` has gone though it was not there, at `owed_minor`; there is some only where nothing is
/// on hand.
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
    /// Whether more may go out than is there.
    pub allows_negative: bool,
    pub owed: Quantity,
    pub owed_minor: i64,
    /// What so much cost the last time, where nothing is there to tell.
    pub last_cost: Option<(i64, Quantity)>,
    /// What goods that were owed went out at, less what they came to cost, to be booked.
    pub settled: Option<Money>,
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
        let (rest, rest_value) = self.settle(quantity, value, company)?;
        let on_hand = self.on_hand.checked_add(rest)?;
        let total = Money::new(self.value_minor, value.currency()).checked_add(rest_value)?;
        let worth = self.worth(on_hand, company)?.unwrap_or(total.minor());
        self.vary(worth - total.minor(), company);
        (self.on_hand, self.value_minor) = (on_hand, worth);
        if self.costing == Costing::Fifo && quantity.is_positive() {
            self.layers.push(Layer {
                id: Uuid::now_v7(),
                move_id: None,
                quantity,
                remaining: rest,
                value_minor: rest_value.minor(),
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

    /// Takes goods in at the average cost of what is there, or of what is owed, and returns their
    /// value.
    pub fn receive_at_average(
        &mut self,
        quantity: Quantity,
        company: &CompanyConfig,
    ) -> Result<Money, AmountError> {
        let (minor, whole) = match self.owed.is_zero() {
            true => (self.value_minor, self.on_hand),
            false => (self.owed_minor, self.owed),
        };
        let minor =
            share_minor(minor, quantity, whole, company.rounding).ok_or(AmountError::OutOfRange)?;
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

    /// What so much of what is there would cost, be it promised or not.
    pub fn cost_of(&self, quantity: Quantity, company: &CompanyConfig) -> Result<Money, NotEnough> {
        Level { reserved: Quantity::ZERO, ..self.clone() }.issue(quantity, company)
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
mod tests;

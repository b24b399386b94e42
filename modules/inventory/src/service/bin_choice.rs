//! Which bins goods are taken from: plain arithmetic on bins in the order they are to be
//! emptied in.

use contracts::ids::{LocationId, LotId};
use kernel::quantity::Quantity;
use uuid::Uuid;

/// A bin as it can be taken from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub id: Uuid,
    pub location_id: Option<LocationId>,
    pub lot_id: Option<LotId>,
    pub quantity: Quantity,
    pub allocated: Quantity,
    pub is_blocked: bool,
}

impl Stored {
    /// What no picking list has.
    pub fn free(&self) -> Quantity {
        // 0 <= allocated <= quantity by a CHECK of the table.
        Quantity::from_micros(self.quantity.micros() - self.allocated.micros())
    }
}

/// What is taken from one bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Taken {
    pub bin_id: Uuid,
    pub location_id: Option<LocationId>,
    pub lot_id: Option<LotId>,
    pub quantity: Quantity,
    /// What of it a picking list had.
    pub allocated: Quantity,
    pub was_blocked: bool,
}

/// Takes up to `asked` of what is free in the bins that fit, one after the other, and says
/// what is still missing.
pub(crate) fn take(
    bins: &mut [Stored],
    asked: Quantity,
    fits: impl Fn(&Stored) -> bool,
) -> (Vec<Taken>, Quantity) {
    let mut missing = asked;
    let mut taken = Vec::new();
    for bin in bins.iter_mut().filter(|bin| fits(bin)) {
        let quantity = missing.min(bin.free());
        if quantity.is_positive() {
            missing = Quantity::from_micros(missing.micros() - quantity.micros());
            taken.push(take_from(bin, quantity, Quantity::ZERO));
        }
    }
    (taken, missing)
}

/// Takes what a picking list has in the bin `id`, as far as it goes.
pub(crate) fn take_allocated(bins: &mut [Stored], id: Uuid, asked: Quantity) -> Option<Taken> {
    let bin = bins.iter_mut().find(|bin| bin.id == id)?;
    let quantity = asked.min(bin.allocated);
    quantity.is_positive().then(|| take_from(bin, quantity, quantity))
}

fn take_from(bin: &mut Stored, quantity: Quantity, allocated: Quantity) -> Taken {
    bin.quantity = Quantity::from_micros(bin.quantity.micros() - quantity.micros());
    bin.allocated = Quantity::from_micros(bin.allocated.micros() - allocated.micros());
    Taken {
        bin_id: bin.id,
        location_id: bin.location_id,
        lot_id: bin.lot_id,
        quantity,
        allocated,
        was_blocked: bin.is_blocked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(units: i64) -> Quantity {
        Quantity::from_units(units).expect("in range")
    }

    fn bin(quantity: i64, allocated: i64, is_blocked: bool) -> Stored {
        Stored {
            id: Uuid::now_v7(),
            location_id: None,
            lot_id: Some(LotId::new()),
            quantity: q(quantity),
            allocated: q(allocated),
            is_blocked,
        }
    }

    #[test]
    fn bins_are_emptied_in_their_order_and_what_is_held_stays() {
        let mut bins = [bin(3, 1, false), bin(4, 0, true), bin(5, 0, false)];
        let check = |bins: &mut [Stored], asked: i64, expected: &[i64], missing: i64| {
            let (taken, left) = take(bins, q(asked), |bin| !bin.is_blocked);
            let quantities: Vec<_> = taken.iter().map(|taken| taken.quantity).collect();
            let expected: Vec<_> = expected.iter().map(|units| q(*units)).collect();
            assert_eq!((quantities, left), (expected, q(missing)), "{asked}");
        };
        check(&mut bins, 1, &[1], 0);
        check(&mut bins, 3, &[1, 2], 0);
        check(&mut bins, 9, &[3], 6);
        assert_eq!(bins.map(|bin| bin.quantity), [q(1), q(4), q(0)]);
    }

    #[test]
    fn a_picking_list_gets_what_it_has_and_no_more() {
        let mut bins = [bin(3, 2, false)];
        let id = bins[0].id;
        let taken = take_allocated(&mut bins, id, q(5)).expect("held");
        assert_eq!((taken.quantity, taken.allocated), (q(2), q(2)));
        assert_eq!((bins[0].quantity, bins[0].allocated), (q(1), q(0)));
        assert_eq!(take_allocated(&mut bins, id, q(1)), None);
        assert_eq!(take_allocated(&mut bins, Uuid::now_v7(), q(1)), None);
    }
}

//! Where the units of an order line are: plain arithmetic, refusing whatever would
//! break a law.
//!
//! Every unit ordered is in exactly one of five places: unallocated, reserved,
//! backordered, shipped or cancelled. The other counters are parts of these: picked is
//! part of reserved; invoiced and returned are parts of shipped; credited is a part of
//! invoiced.

use kernel::quantity::Quantity;

/// The counters of one line in millionths of a unit. All are bounded by `ordered`, a
/// quantity below 10^15, so the sums here stay far within an i64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub ordered: i64,
    pub reserved: i64,
    pub backordered: i64,
    pub picked: i64,
    pub shipped: i64,
    pub cancelled: i64,
    pub invoiced: i64,
    pub returned: i64,
    pub credited: i64,
}

/// What a cancellation took, and from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub unbackordered: i64,
    pub unallocated: i64,
    pub released: i64,
}

impl Taken {
    pub(crate) fn total(self) -> i64 {
        self.unbackordered + self.unallocated + self.released
    }
}

/// More was asked than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exceeds {
    pub left: Quantity,
}

impl Counters {
    /// Ordered, and neither promised nor off.
    pub(crate) fn unallocated(&self) -> i64 {
        self.ordered - self.shipped - self.cancelled - self.reserved - self.backordered
    }

    /// Still to come.
    pub(crate) fn open(&self) -> i64 {
        self.ordered - self.shipped - self.cancelled
    }

    /// Wanted at all: ordered and not cancelled.
    pub(crate) fn wanted(&self) -> i64 {
        self.ordered - self.cancelled
    }

    /// Reserved and in no packed shipment yet.
    pub(crate) fn packable(&self) -> i64 {
        self.reserved - self.picked
    }

    /// May still be cancelled: open and not packed.
    pub(crate) fn cancellable(&self) -> i64 {
        self.open() - self.picked
    }

    /// At the customer's.
    pub(crate) fn returnable(&self) -> i64 {
        self.shipped - self.returned
    }

    /// What inventory answered for a line of which nothing was promised yet; false if
    /// that is not exactly what was asked for.
    pub(crate) fn allocate(&mut self, reserved: i64, backordered: i64) -> bool {
        if reserved < 0 || backordered < 0 || reserved.checked_add(backordered) != Some(self.open())
        {
            return false;
        }
        self.reserved = reserved;
        self.backordered = backordered;
        true
    }

    /// Sets reserved goods aside for a shipment.
    pub(crate) fn pick(&mut self, quantity: i64) -> Result<(), Exceeds> {
        within(quantity, self.packable())?;
        self.picked += quantity;
        Ok(())
    }

    /// Puts packed goods back to the reserved ones.
    pub(crate) fn unpick(&mut self, quantity: i64) -> Result<(), Exceeds> {
        within(quantity, self.picked)?;
        self.picked -= quantity;
        Ok(())
    }

    /// Packed goods leave.
    pub(crate) fn ship(&mut self, quantity: i64) -> Result<(), Exceeds> {
        within(quantity, self.picked)?;
        self.picked -= quantity;
        self.reserved -= quantity;
        self.shipped += quantity;
        Ok(())
    }

    /// Cancels what hurts least first: what waits for stock, then what nobody has
    /// promised, then what is reserved. Packed goods are out of reach.
    pub(crate) fn cancel(&mut self, quantity: i64) -> Result<Taken, Exceeds> {
        within(quantity, self.cancellable())?;
        let unbackordered = quantity.min(self.backordered);
        let unallocated = (quantity - unbackordered).min(self.unallocated());
        let released = quantity - unbackordered - unallocated;
        self.backordered -= unbackordered;
        self.reserved -= released;
        self.cancelled += quantity;
        Ok(Taken { unbackordered, unallocated, released })
    }

    /// Stock came in for `quantity` of the backorder. Returns how much still waited: a
    /// cancellation on its way to inventory may have made it less.
    pub(crate) fn fill(&mut self, quantity: i64) -> i64 {
        let filled = quantity.clamp(0, self.backordered);
        self.backordered -= filled;
        self.reserved += filled;
        filled
    }

    /// The reservation of `quantity` did not hold; it waits again. Returns how much was
    /// still reserved. The caller has unpacked what was packed of it.
    pub(crate) fn break_promise(&mut self, quantity: i64) -> i64 {
        let broken = quantity.clamp(0, self.packable());
        self.reserved -= broken;
        self.backordered += broken;
        broken
    }

    /// Shipped goods are on an invoice.
    pub(crate) fn invoice(&mut self, quantity: i64) -> Result<(), Exceeds> {
        within(quantity, self.shipped - self.invoiced)?;
        self.invoiced += quantity;
        Ok(())
    }

    /// Invoiced goods are on a credit note.
    pub(crate) fn credit(&mut self, quantity: i64) -> Result<(), Exceeds> {
        within(quantity, self.invoiced - self.credited)?;
        self.credited += quantity;
        Ok(())
    }

    /// Shipped goods came back.
    pub(crate) fn take_back(&mut self, quantity: i64) -> Result<(), Exceeds> {
        within(quantity, self.returnable())?;
        self.returned += quantity;
        Ok(())
    }
}

fn within(quantity: i64, left: i64) -> Result<(), Exceeds> {
    if (0..=left).contains(&quantity) {
        Ok(())
    } else {
        Err(Exceeds { left: Quantity::from_micros(left) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(ordered: i64) -> Counters {
        Counters { ordered, ..Counters::default() }
    }

    fn holds_the_laws(c: &Counters) -> bool {
        let all = [
            c.reserved,
            c.backordered,
            c.picked,
            c.shipped,
            c.cancelled,
            c.invoiced,
            c.returned,
            c.credited,
            c.unallocated(),
        ];
        all.iter().all(|n| *n >= 0)
            && c.shipped + c.cancelled + c.reserved + c.backordered + c.unallocated() == c.ordered
            && c.picked <= c.reserved
            && c.invoiced <= c.shipped
            && c.credited <= c.invoiced
            && c.returned <= c.shipped
    }

    #[test]
    fn a_cancellation_takes_the_backorder_first_and_never_what_is_packed() {
        let mut c = line(10);
        assert!(c.allocate(6, 4));
        c.pick(2).expect("6 reserved");
        assert_eq!(c.cancel(9), Err(Exceeds { left: Quantity::from_micros(8) }));
        let taken = c.cancel(7).expect("8 cancellable");
        assert_eq!(taken, Taken { unbackordered: 4, unallocated: 0, released: 3 });
        assert_eq!((c.reserved, c.picked, c.cancelled, c.open()), (3, 2, 7, 3));
    }

    #[test]
    fn a_draft_line_is_cancelled_out_of_what_nobody_promised() {
        let mut c = line(10);
        let taken = c.cancel(10).expect("all open");
        assert_eq!(taken, Taken { unbackordered: 0, unallocated: 10, released: 0 });
        assert_eq!(c.open(), 0);
    }

    #[test]
    fn two_shipments_cannot_claim_the_same_reserved_goods() {
        let mut c = line(5);
        assert!(c.allocate(5, 0));
        c.pick(3).expect("5 reserved");
        assert_eq!(c.pick(3), Err(Exceeds { left: Quantity::from_micros(2) }));
    }

    #[test]
    fn filling_and_breaking_are_bounded_by_what_is_there() {
        let mut c = line(5);
        assert!(c.allocate(2, 3));
        c.cancel(2).expect("backordered");
        assert_eq!(c.fill(3), 1);
        assert_eq!((c.reserved, c.backordered), (3, 0));
        assert_eq!(c.break_promise(9), 3);
        assert_eq!((c.reserved, c.backordered), (0, 3));
        assert_eq!(c.break_promise(-1), 0);
    }

    #[test]
    fn an_allocation_of_anything_but_what_was_asked_is_refused() {
        for (reserved, backordered) in [(4, 0), (6, 0), (-1, 6), (i64::MAX, 1)] {
            assert!(!line(5).allocate(reserved, backordered), "{reserved} {backordered}");
        }
        assert!(line(5).allocate(0, 5));
    }

    proptest! {
        #[test]
        fn no_sequence_of_steps_breaks_a_law(
            ordered in 1..20i64,
            reserved in 0..20i64,
            steps in prop::collection::vec((0..9u8, 0..8i64), 0..60),
        ) {
            let mut c = line(ordered);
            let reserved = reserved.min(ordered);
            prop_assert!(c.allocate(reserved, ordered - reserved));
            for (step, q) in steps {
                let before = c;
                let refused = match step {
                    0 => c.pick(q).is_err(),
                    1 => c.unpick(q).is_err(),
                    2 => c.ship(q).is_err(),
                    3 => c.cancel(q).is_err(),
                    4 => { c.fill(q); false }
                    5 => { c.break_promise(q); false }
                    6 => c.invoice(q).is_err(),
                    7 => c.credit(q).is_err(),
                    _ => c.take_back(q).is_err(),
                };
                prop_assert!(holds_the_laws(&c), "{before:?} {step} {q} {c:?}");
                prop_assert!(!refused || c == before, "a refusal leaves no trace");
            }
        }
    }
}

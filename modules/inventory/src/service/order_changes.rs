//! What becomes of an order's hold when the order is confirmed or cancelled.

use std::collections::{BTreeMap, BTreeSet};

use contracts::events::{
    ConfirmedLine, LinePromise, OrderCancelled, OrderConfirmed, OrderLineQuantity,
    OrderLinesCancelled, ReservationBroken,
};
use contracts::ids::OrderLineId;
use contracts::inventory::ReservedLine;
use kernel::Result;
use kernel::db::Tx;
use kernel::events::Event;
use kernel::quantity::Quantity;

use crate::error::internal;
use crate::service::Service;
use crate::service::backorders::fill_and_promise;
use crate::service::holds::{self, End, Hold};
use crate::service::kit_lines::{Parts, note_gone, note_reserved, settle};
use crate::service::levels::{Key, Levels};
use crate::service::promise_dates::{Promises, Whose, available, date};
use crate::service::reserve::{Taken, give_up_order, hold, waits};

impl Service {
    /// The hold becomes lasting. Where it is gone (its time ran out before the order was
    /// confirmed, or a release came between), it is taken anew; what is no longer there
    /// becomes a backorder, and the order is told.
    pub(crate) async fn order_confirmed(&self, event: &Event) -> Result<()> {
        let order: OrderConfirmed = event.parse()?;
        if !self.try_confirm(event, &order, false).await? {
            self.try_confirm(event, &order, true).await?;
        }
        Ok(())
    }

    /// False if a line has no level, as those for kits have none: see `try_reserve`.
    async fn try_confirm(
        &self,
        event: &Event,
        order: &OrderConfirmed,
        has_kits: bool,
    ) -> Result<bool> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(true) };
        let parts = match has_kits {
            true => {
                let lines: Vec<_> =
                    order.lines.iter().map(|line| (line.line_id, line.product_id)).collect();
                Parts::make(&tx, order.order_id, &lines).await?
            }
            false => Parts::default(),
        };
        let wanted = explode(&order.lines, &parts)?;
        let mut keys: BTreeSet<_> = wanted.iter().map(key).collect();
        keys.extend(holds::keys_of_order(&tx, order.order_id).await?);
        let mut levels = Levels::lock(&tx, &keys).await?;
        if !has_kits && levels.unknown(wanted.iter().map(key)).is_some() {
            return Ok(false);
        }
        let held = holds::of_order(&tx, order.order_id).await?;
        let mut undated = BTreeSet::new();
        if is_whole(&held, &order.lines, &parts, &wanted) {
            holds::set_expiry(&tx, order.order_id, None).await?;
            // What has become known while it was not confirmed is known to it only now.
            let held = held.values();
            let held =
                held.filter(|hold| hold.backordered.is_positive() && hold.promised_on.is_none());
            undated = held.map(|hold| hold.key).collect();
        } else {
            take_anew(&mut tx, event, order, (&parts, &wanted), &held, &mut levels).await?;
        }
        // What came while the order was not confirmed was not kept for it.
        fill_and_promise(&mut tx, &mut levels, &undated, BTreeSet::new()).await?;
        levels.store(&mut tx).await?;
        let before: Vec<_> = held.into_values().collect();
        tx.audit("order_hold", order.order_id.uuid(), Some(&before), Some(&order.lines))?;
        tx.commit().await?;
        Ok(true)
    }

    /// All that the order held is available again.
    pub(crate) async fn order_cancelled(&self, event: &Event) -> Result<()> {
        let order: OrderCancelled = event.parse()?;
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        give_up_order(&mut tx, order.order_id).await?;
        tx.commit().await
    }

    /// What the cancelled quantities held is available again.
    pub(crate) async fn order_lines_cancelled(&self, event: &Event) -> Result<()> {
        let order: OrderLinesCancelled = event.parse()?;
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let keys = holds::keys_of_order(&tx, order.order_id).await?;
        let mut levels = Levels::lock(&tx, &keys).await?;
        let held = holds::of_order(&tx, order.order_id).await?;
        let mut cancelled: BTreeMap<OrderLineId, (Quantity, Quantity)> = BTreeMap::new();
        for line in &order.lines {
            let (released, unbackordered) = cancelled.entry(line.line_id).or_default();
            *released = add(*released, line.released)?;
            *unbackordered = add(*unbackordered, line.unbackordered)?;
        }
        let kits = held.values().filter_map(|hold| hold.kit_line_id);
        let kits: BTreeSet<_> = kits.filter(|line_id| cancelled.contains_key(line_id)).collect();
        let parts = match kits.is_empty() {
            true => Parts::default(),
            false => Parts::of(&*tx, kits.iter().copied()).await?,
        };
        let (mut cuts, mut gone) = (Vec::new(), Vec::new());
        for (line_id, (released, unbackordered)) in cancelled {
            if kits.contains(&line_id) {
                let (reserved, backordered) = parts.held(line_id, &held);
                let (reserved, backordered) = split(reserved, backordered, released, unbackordered);
                cuts.extend(cut_parts(&held, &parts, line_id, add(reserved, backordered)?)?);
                gone.push((line_id, reserved));
            } else if let Some(hold) = held.get(&line_id) {
                let (reserved, backordered) =
                    split(hold.reserved, hold.backordered, released, unbackordered);
                cuts.push((*hold, reserved, backordered));
            }
        }
        holds::cut(&tx, &mut levels, &cuts, End::Released).await?;
        note_gone(&tx, &gone).await?;
        // The parts of kits nobody wants any more may make others whole.
        let waited = cuts.iter().filter(|(.., backordered)| backordered.is_positive());
        let freed = waited.map(|(hold, ..)| hold.key).collect();
        fill_and_promise(&mut tx, &mut levels, &freed, kits).await?;
        levels.store(&mut tx).await?;
        let before: Vec<_> = cuts.iter().map(|(hold, ..)| hold).collect();
        let after: Vec<_> = cuts.iter().map(after_cut).collect();
        tx.audit("order_hold", order.order_id.uuid(), Some(&before), Some(&after))?;
        tx.commit().await
    }
}

fn key(wanted: &Wanted) -> Key {
    wanted.key
}

fn add(a: Quantity, b: Quantity) -> Result<Quantity> {
    a.checked_add(b).map_err(internal)
}

/// What a confirmed line is to hold, or a part of it.
struct Wanted {
    line_id: OrderLineId,
    key: Key,
    reserved: Quantity,
    backordered: Quantity,
    is_part: bool,
}

fn explode(lines: &[ConfirmedLine], parts: &Parts) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::with_capacity(lines.len());
    for line in lines {
        let key = Key { product_id: line.product_id, warehouse_id: line.warehouse_id };
        let reserved = parts.explode(line.line_id, key, line.reserved)?;
        let backordered = parts.explode(line.line_id, key, line.backordered)?;
        wanted.extend(reserved.into_iter().zip(backordered).map(|(reserved, backordered)| {
            Wanted {
                line_id: reserved.line_id,
                key: reserved.key,
                reserved: reserved.quantity,
                backordered: backordered.quantity,
                is_part: parts.has(line.line_id),
            }
        }));
    }
    Ok(wanted)
}

/// Whether the hold is what the order was confirmed on. Of a kit some parts may be reserved
/// and others waited for, as long as as many kits are whole.
fn is_whole(
    held: &BTreeMap<OrderLineId, Hold>,
    lines: &[ConfirmedLine],
    parts: &Parts,
    wanted: &[Wanted],
) -> bool {
    let wanted =
        wanted.iter().filter(|line| line.reserved.is_positive() || line.backordered.is_positive());
    let matches = |line: &Wanted| {
        held.get(&line.line_id).is_some_and(|hold| {
            let figures = (hold.reserved.micros(), hold.backordered.micros());
            let asked = (line.reserved.micros(), line.backordered.micros());
            hold.key == line.key
                && if line.is_part {
                    figures.0 + figures.1 == asked.0 + asked.1
                } else {
                    figures == asked
                }
        })
    };
    let kits = || lines.iter().filter(|line| parts.has(line.line_id));
    wanted.clone().count() == held.len()
        && wanted.clone().all(matches)
        && kits().all(|kit| parts.held(kit.line_id, held) == (kit.reserved, kit.backordered))
}

async fn take_anew(
    tx: &mut Tx,
    event: &Event,
    order: &OrderConfirmed,
    (parts, wanted): (&Parts, &[Wanted]),
    held: &BTreeMap<OrderLineId, Hold>,
    levels: &mut Levels,
) -> Result<()> {
    holds::give_up(tx, levels, held.values().copied()).await?;
    let (mut taken, mut broken) = (Vec::new(), Vec::new());
    for line in wanted {
        let level = levels.at(line.key)?;
        let reserved = level.reserve_up_to(line.reserved);
        let missing = line.reserved.checked_sub(reserved).map_err(internal)?;
        let backordered = add(line.backordered, missing)?;
        level.backorder(backordered).map_err(internal)?;
        let line_id = line.line_id;
        let got = ReservedLine { line_id, reserved, backordered, promised_on: None };
        taken.push(Taken { line: got, key: line.key });
        if missing.is_positive() && !line.is_part {
            broken.push(OrderLineQuantity { order_line_id: line_id, quantity: missing });
        }
    }
    hold(tx, order.order_id, &taken, None).await?;
    let kits = order.lines.iter().filter(|line| parts.has(line.line_id));
    let told: Vec<_> = kits.map(|line| (line.line_id, line.reserved)).collect();
    note_reserved(tx, &told).await?;
    let available = available(levels, &waits(&taken))?;
    let dated = date(tx, &available, Whose::Confirmed).await?;
    let mut promises = Promises::default();
    let mut kits = promises.add_dated(&dated);
    kits.extend(parts.lines());
    // What was promised before is gone with what was held.
    let dated: BTreeSet<_> = dated.iter().map(|row| row.order_line_id).collect();
    for (line, taken) in wanted.iter().zip(&taken).filter(|(line, _)| !line.is_part) {
        if taken.line.backordered.is_positive() && !dated.contains(&line.line_id) {
            let promise = LinePromise { order_line_id: line.line_id, promised_on: None };
            promises.add(order.order_id, promise);
        }
    }
    for change in settle(tx, &kits).await? {
        let quantity = Quantity::from_micros(-change.micros);
        if !quantity.is_zero() {
            broken.push(OrderLineQuantity { order_line_id: change.order_line_id, quantity });
        }
        promises.add(change.order_id, change.promise);
    }
    if !broken.is_empty() {
        let event_data = ReservationBroken { order_id: order.order_id, lines: broken };
        tx.publish(order.order_id.uuid(), event.aggregate_version, &event_data)?;
    }
    promises.tell(tx)
}

/// What comes off the parts of a line when so many kits of it are cancelled: what is waited
/// for first, and only then what is reserved.
fn cut_parts(
    held: &BTreeMap<OrderLineId, Hold>,
    parts: &Parts,
    line_id: OrderLineId,
    kits: Quantity,
) -> Result<Vec<(Hold, Quantity, Quantity)>> {
    let mut cuts = Vec::new();
    for (part_id, quantity) in parts.pieces(line_id, kits)? {
        let Some(hold) = held.get(&part_id) else { continue };
        let backordered = quantity.min(hold.backordered);
        let reserved = quantity.checked_sub(backordered).map_err(internal)?.min(hold.reserved);
        cuts.push((*hold, reserved, backordered));
    }
    Ok(cuts)
}

/// What comes off a hold when an order line is cancelled. The order may not know yet that
/// a backorder was filled or a reservation broken: what is not found where it was thought
/// to be is taken from the other.
fn split(
    reserved: Quantity,
    backordered: Quantity,
    released: Quantity,
    unbackordered: Quantity,
) -> (Quantity, Quantity) {
    let [reserved, backordered, released, unbackordered] =
        [reserved, backordered, released, unbackordered].map(Quantity::micros);
    let from_backorder = unbackordered.min(backordered);
    let from_reservation = released.min(reserved);
    let short_backorder = unbackordered - from_backorder;
    let short_reservation = released - from_reservation;
    let from_reservation = (from_reservation + short_backorder).min(reserved);
    let from_backorder = (from_backorder + short_reservation).min(backordered);
    (Quantity::from_micros(from_reservation), Quantity::from_micros(from_backorder))
}

fn after_cut((hold, reserved, backordered): &(Hold, Quantity, Quantity)) -> ReservedLine {
    let left = |from: Quantity, cut: Quantity| Quantity::from_micros(from.micros() - cut.micros());
    ReservedLine {
        line_id: hold.line_id,
        reserved: left(hold.reserved, *reserved),
        backordered: left(hold.backordered, *backordered),
        promised_on: hold.promised_on,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_quantity_is_found_wherever_it_is_held_by_now() {
        let check = |held: (i64, i64), cancelled: (i64, i64), expected: (i64, i64)| {
            let q = |n| Quantity::from_units(n).expect("in range");
            assert_eq!(
                split(q(held.0), q(held.1), q(cancelled.0), q(cancelled.1)),
                (q(expected.0), q(expected.1)),
                "{held:?} less {cancelled:?}"
            );
        };
        check((3, 2), (1, 1), (1, 1));
        check((3, 2), (3, 2), (3, 2));
        // The backorder was filled in the meantime.
        check((5, 0), (0, 2), (2, 0));
        check((5, 0), (3, 2), (5, 0));
        // The reservation was broken in the meantime.
        check((3, 2), (5, 0), (3, 2));
        check((3, 2), (4, 0), (3, 1));
        // More than there is.
        check((1, 0), (5, 5), (1, 0));
    }
}

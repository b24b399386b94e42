//! Bins: where goods lie and of which lots they are, kept in the transaction of the moves and
//! under the lock of their level. A level that has none costs no statement here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::replace;

use contracts::ids::{LocationId, LotId, RelocationId, StockMoveId};
use kernel::db::{Tx, insert_all};
use kernel::quantity::Quantity;
use kernel::{Error as KernelError, Result};
use sea_orm::{EntityTrait, IntoActiveModel};
use uuid::Uuid;

use crate::entities::stock_move::{self, LocationKind, MoveKind};
use crate::entities::{bin_entry, product};
use crate::error::{Error, Shortage, internal};
use crate::service::bin_choice::{Stored, Taken, take, take_allocated};
use crate::service::bin_rows::{
    Facts, cut, held, net_of_source, note_shipped, serials, stored, with_customer,
};
use crate::service::levels::{Key, Levels};
use crate::service::put_away::Arrivals;

/// Rows of one statement: their parameters have to fit.
pub(super) const BATCH: usize = 1000;

/// Which bins a move takes from or brings to.
#[derive(Clone, Debug, Default)]
pub(crate) enum Bins {
    /// Taken in the order of the product; brought to where goods arrive, of no known lot.
    #[default]
    Rule,
    /// Taken from what is blocked too, where a promise would suffer otherwise.
    Any,
    /// These, and no others.
    Given(Vec<Part>),
    /// These first, and the rest in the order of the product; nothing of what is blocked.
    Lots(Vec<Part>),
    /// These lots, or what is of no known one: taken from what is blocked first.
    Counted(Vec<Part>),
    /// Brought as the move before took them.
    AsTaken,
    /// Taken of the lots that came by moves of the same source.
    OfSource,
    /// Brought as they were issued for the order line, if there is no doubt which they are.
    AsIssued,
}

/// A part of a move. No lot: of whichever; no location: wherever it is, or arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub lot_id: Option<LotId>,
    pub location_id: Option<LocationId>,
    pub quantity: Quantity,
}

impl Part {
    pub fn fits(&self, bin: &Stored) -> bool {
        (self.lot_id.is_none() || self.lot_id == bin.lot_id)
            && (self.location_id.is_none() || self.location_id == bin.location_id)
    }
}

/// What a posting does to bins, collected and then written at once.
#[derive(Default)]
pub(crate) struct Ledger {
    cuts: BTreeMap<Uuid, (i64, i64)>,
    adds: BTreeMap<Place, Added>,
    entries: Vec<bin_entry::Model>,
    /// Lines of picking lists, and what of each has left.
    pub shipped: BTreeMap<Uuid, i64>,
    /// Serial numbers that the customer who has them brings back.
    pub returned: BTreeSet<LotId>,
}

/// What is brought to a bin; of it, what a picking list keeps.
#[derive(Clone, Copy, Default)]
pub(super) struct Added {
    pub quantity: i64,
    pub allocated: i64,
}

/// One bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub key: Key,
    pub location_id: Option<LocationId>,
    pub lot_id: Option<LotId>,
}

/// What an entry was written for.
#[derive(Clone, Copy)]
pub(crate) enum Cause {
    Move(StockMoveId),
    Relocation(RelocationId),
}

impl Ledger {
    pub fn take(&mut self, tx: &Tx, cause: Cause, key: Key, taken: &Taken) -> Result<()> {
        let cut = self.cuts.entry(taken.bin_id).or_default();
        cut.0 -= taken.quantity.micros();
        cut.1 -= taken.allocated.micros();
        let quantity = taken.quantity.checked_neg().map_err(internal)?;
        let place = Place { key, location_id: taken.location_id, lot_id: taken.lot_id };
        self.enter(tx, cause, place, quantity);
        Ok(())
    }

    pub fn bring(&mut self, tx: &Tx, cause: Cause, place: Place, quantity: Quantity) {
        self.adds.entry(place).or_default().quantity += quantity.micros();
        self.enter(tx, cause, place, quantity);
    }

    /// What is brought there stays with its picking list.
    pub fn keep(&mut self, place: Place, quantity: Quantity) {
        self.adds.entry(place).or_default().allocated += quantity.micros();
    }

    fn enter(&mut self, tx: &Tx, cause: Cause, place: Place, quantity: Quantity) {
        let (move_id, relocation_id) = match cause {
            Cause::Move(id) => (Some(id), None),
            Cause::Relocation(id) => (None, Some(id)),
        };
        self.entries.push(bin_entry::Model {
            id: Uuid::now_v7(),
            move_id,
            relocation_id,
            product_id: place.key.product_id,
            warehouse_id: place.key.warehouse_id,
            location_id: place.location_id,
            lot_id: place.lot_id,
            quantity,
            created_at: tx.now(),
        });
    }

    /// Writes all of it. What is brought to a bin that blocks is noted in its level; what was
    /// taken from one is the caller's to note.
    pub async fn write(self, tx: &Tx, levels: &mut Levels) -> Result<()> {
        let cuts: Vec<_> = self.cuts.into_iter().collect();
        for cuts in cuts.chunks(BATCH) {
            cut(tx, cuts).await?;
        }
        let shipped: Vec<_> = self.shipped.into_iter().collect();
        for shipped in shipped.chunks(BATCH) {
            note_shipped(tx, shipped).await?;
        }
        let adds: Vec<_> = self.adds.into_iter().collect();
        if !adds.is_empty() {
            let facts = Facts::load(tx, adds.iter().map(|(place, _)| *place)).await?;
            for (place, added) in &adds {
                if facts.is_blocked(*place) {
                    let quantity = Quantity::from_micros(added.quantity);
                    levels.at(place.key)?.block(quantity).map_err(internal)?;
                }
            }
            facts.check_serials(tx, &adds, &self.returned).await?;
            for adds in adds.chunks(BATCH) {
                facts.add(tx, adds).await?;
            }
        }
        let entries = self.entries.into_iter().map(IntoActiveModel::into_active_model);
        Ok(insert_all(&**tx, entries).await?)
    }
}

/// Takes what the moves took from bins, and brings what they brought.
pub(crate) async fn settle(
    tx: &Tx,
    levels: &mut Levels,
    moves: &[stock_move::Model],
    bins: &[Bins],
) -> Result<()> {
    let concerned: Vec<(usize, Key)> = moves
        .iter()
        .enumerate()
        .filter_map(|(i, row)| Some((i, key_of(row)?)))
        .filter(|(_, key)| levels.is_detailed(*key))
        .collect();
    if concerned.is_empty() {
        return Ok(());
    }
    let mut ledger = Ledger::default();
    let leaves = |i: usize| moves[i].from_location == LocationKind::Warehouse;
    let (outgoing, incoming): (Vec<_>, Vec<_>) =
        concerned.into_iter().partition(|(i, _)| leaves(*i));
    let mut stored = stored(tx, &outgoing.iter().map(|(_, key)| *key).collect()).await?;
    let issued = outgoing.iter().filter(|(i, _)| moves[*i].kind == MoveKind::Issue);
    let held = held(tx, issued.map(|(i, _)| moves[*i].source_line_id).collect()).await?;
    let mut of_source = match outgoing.iter().find(|(i, _)| matches!(bins[*i], Bins::OfSource)) {
        Some((i, _)) => net_of_source(tx, moves[*i].source_id).await?,
        None => HashMap::new(),
    };
    let mut taken_by: HashMap<usize, Vec<Taken>> = HashMap::new();
    let mut moves_left: HashMap<Key, usize> = HashMap::new();
    for (_, key) in &outgoing {
        *moves_left.entry(*key).or_default() += 1;
    }
    for (i, key) in outgoing {
        let rows = stored.entry(key).or_default();
        let mut taken = Vec::new();
        let mut missing = moves[i].quantity;
        for pick in held.iter().filter(|pick| pick.order_line_id.uuid() == moves[i].source_line_id)
        {
            let Some(part) = take_allocated(rows, pick.bin_id, missing.min(pick.allocated)) else {
                continue;
            };
            missing = missing.checked_sub(part.quantity).map_err(internal)?;
            *ledger.shipped.entry(pick.id).or_default() += part.quantity.micros();
            taken.push(part);
        }
        let mut more = |asked: Quantity, fits: &dyn Fn(&Stored) -> bool| {
            let (parts, missing) = take(rows, asked, fits);
            taken.extend(parts);
            missing
        };
        missing = match &bins[i] {
            Bins::Given(parts) => {
                let mut missing = Quantity::ZERO;
                for part in parts {
                    let left = more(part.quantity, &|bin| part.fits(bin));
                    missing = missing.checked_add(left).map_err(internal)?;
                }
                missing
            }
            Bins::Lots(parts) => {
                let (mut rest, mut missing) = (missing, Quantity::ZERO);
                for part in parts {
                    let left = more(part.quantity, &|bin| !bin.is_blocked && part.fits(bin));
                    missing = missing.checked_add(left).map_err(internal)?;
                    rest = rest.checked_sub(part.quantity).map_err(internal)?;
                }
                let left = more(rest, &|bin| !bin.is_blocked);
                missing.checked_add(left).map_err(internal)?
            }
            Bins::Counted(parts) => {
                let mut missing = Quantity::ZERO;
                for part in parts {
                    let is_of = |bin: &Stored| bin.lot_id == part.lot_id;
                    let left = more(part.quantity, &|bin| bin.is_blocked && is_of(bin));
                    let left = more(left, &is_of);
                    missing = missing.checked_add(left).map_err(internal)?;
                }
                missing
            }
            Bins::OfSource => {
                let mut missing = missing;
                for (lot_id, left) in of_source.get(&key).into_iter().flatten() {
                    let asked = missing.min(*left).max(Quantity::ZERO);
                    let short = more(asked, &|bin| bin.lot_id == *lot_id);
                    let got = asked.checked_sub(short).map_err(internal)?;
                    missing = missing.checked_sub(got).map_err(internal)?;
                }
                missing
            }
            Bins::Any => {
                // What the level lacks now is what has to come from what is blocked, by this move
                // or by others of the same goods.
                let lacks = -levels.at(key)?.available().micros();
                let lacks = lacks.clamp(0, missing.micros());
                let fit = Quantity::from_micros(missing.micros() - lacks);
                let short = more(fit, &|bin| !bin.is_blocked);
                let rest = Quantity::from_micros(short.micros() + lacks);
                let rest = more(rest, &|bin| bin.is_blocked);
                more(rest, &|_| true)
            }
            _ => more(missing, &|bin| !bin.is_blocked),
        };
        // What one move of the source takes is not there for the next.
        if let Some(left) = of_source.get_mut(&key) {
            for part in &taken {
                let of = left.iter_mut().find(|(lot_id, _)| *lot_id == part.lot_id);
                if let Some((_, quantity)) = of {
                    *quantity = Quantity::from_micros(quantity.micros() - part.quantity.micros());
                }
            }
        }
        for part in taken.iter().filter(|part| part.was_blocked) {
            let less = part.quantity.checked_neg().map_err(internal)?;
            levels.at(key)?.block(less).map_err(internal)?;
        }
        // The last of several moves of the same goods may be the one that takes what is blocked.
        let left = moves_left.entry(key).or_default();
        *left = left.saturating_sub(1);
        let is_last = *left == 0;
        if missing.is_positive() || (is_last && levels.at(key)?.available().is_negative()) {
            let available = moves[i].quantity.checked_sub(missing).map_err(internal)?;
            return Err(short(tx, key, moves[i].quantity, available).await?);
        }
        for part in &taken {
            ledger.take(tx, Cause::Move(moves[i].id), key, part)?;
        }
        taken_by.insert(i, taken);
    }
    if !incoming.is_empty() {
        let keys: BTreeSet<_> = incoming.iter().map(|(_, key)| *key).collect();
        let arrivals = Arrivals::load(tx, &keys).await?;
        let returned = incoming.iter().filter(|(i, _)| matches!(bins[*i], Bins::AsIssued));
        let lines = returned.map(|(i, _)| moves[*i].source_line_id).collect();
        let with_customer = with_customer(tx, lines).await?;
        let mut serials = serials(tx, &with_customer).await?;
        for (i, key) in incoming {
            let quantity = moves[i].quantity;
            let part = |lot_id, quantity| Part { lot_id, location_id: None, quantity };
            let parts: Vec<Part> = match &bins[i] {
                Bins::Given(parts) | Bins::Counted(parts) => parts.clone(),
                Bins::AsTaken => i
                    .checked_sub(1)
                    .and_then(|before| taken_by.get(&before))
                    .map(|taken| taken.iter().map(|t| part(t.lot_id, t.quantity)).collect())
                    .unwrap_or_else(|| vec![part(None, quantity)]),
                Bins::AsIssued => match with_customer.get(&moves[i].source_line_id) {
                    Some(lots) => {
                        let mut parts = as_issued(lots, quantity);
                        for part in &mut parts {
                            // What is back is taken in whatever the books say: a number that is
                            // somewhere else by them, or of another line too, is left open.
                            let mut is_elsewhere = |id: &LotId| {
                                serials.get_mut(id).is_some_and(|there| replace(there, true))
                            };
                            part.lot_id = part.lot_id.filter(|id| !is_elsewhere(id));
                        }
                        ledger.returned.extend(parts.iter().filter_map(|part| part.lot_id));
                        parts
                    }
                    None => vec![part(None, quantity)],
                },
                _ => vec![part(None, quantity)],
            };
            for part in parts {
                let location_id = part.location_id.or(arrivals.of(key));
                let place = Place { key, location_id, lot_id: part.lot_id };
                ledger.bring(tx, Cause::Move(moves[i].id), place, part.quantity);
            }
        }
    }
    ledger.write(tx, levels).await
}

fn key_of(row: &stock_move::Model) -> Option<Key> {
    row.warehouse_id.map(|warehouse_id| Key { product_id: row.product_id, warehouse_id })
}

/// The lots that come back: all the customer has, or a part of the only one.
fn as_issued(lots: &[(Option<LotId>, Quantity)], quantity: Quantity) -> Vec<Part> {
    let part = |lot_id, quantity| Part { lot_id, location_id: None, quantity };
    let all = lots.iter().fold(0_i64, |sum, (_, left)| sum.saturating_add(left.micros()));
    match lots {
        [(lot_id, left)] if *left >= quantity => vec![part(*lot_id, quantity)],
        _ if all == quantity.micros() => lots.iter().map(|(id, left)| part(*id, *left)).collect(),
        _ => vec![part(None, quantity)],
    }
}

/// The refusal where bins have less than was asked for.
pub(crate) async fn short(
    tx: &Tx,
    key: Key,
    asked: Quantity,
    available: Quantity,
) -> Result<KernelError> {
    let product = product::Entity::find_by_id(key.product_id).one(&**tx).await?;
    let shortage = Shortage {
        product_id: key.product_id,
        sku: product.map(|row| row.sku).unwrap_or_default(),
        warehouse_id: key.warehouse_id,
        asked,
        available,
    };
    Ok(Error::InsufficientStock { shortages: vec![shortage] }.into())
}

/// What of the given parts would come from what is blocked.
pub(crate) async fn blocked(tx: &Tx, levels: &Levels, key: Key, bins: &Bins) -> Result<Quantity> {
    let Bins::Given(parts) = bins else { return Ok(Quantity::ZERO) };
    if !levels.is_detailed(key) {
        return Ok(Quantity::ZERO);
    }
    let mut rows = stored(tx, &[key].into()).await?.remove(&key).unwrap_or_default();
    let mut blocked = 0;
    for part in parts {
        let (taken, _) = take(&mut rows, part.quantity, |bin| part.fits(bin));
        let taken = taken.iter().filter(|taken| taken.was_blocked);
        blocked += taken.map(|taken| taken.quantity.micros()).sum::<i64>();
    }
    Ok(Quantity::from_micros(blocked))
}

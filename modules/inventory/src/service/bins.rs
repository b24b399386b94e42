//! Bins: where goods lie and of which lots they are, kept in the transaction of the moves and
//! under the lock of their level. A level that has none costs no statement here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::ids::{
    LocationId, LotId, OrderLineId, ProductId, RelocationId, StockMoveId, WarehouseId,
};
use kernel::db::{Column, Tx, Values, execute, insert_all, query_all};
use kernel::error::OrConflict;
use kernel::quantity::Quantity;
use kernel::{Error as KernelError, Result};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
};
use uuid::Uuid;

use crate::entities::lot::{self, LotStatus};
use crate::entities::product::{self, Tracking};
use crate::entities::stock_move::{self, LocationKind, MoveKind};
use crate::entities::{bin_entry, location};
use crate::error::{Error, Shortage, internal};
use crate::service::bin_choice::{Stored, Taken, take, take_allocated};
use crate::service::levels::{Key, Levels};
use crate::service::put_away::Arrivals;

/// Rows of one statement: their parameters have to fit.
const BATCH: usize = 1000;

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
    fn fits(&self, bin: &Stored) -> bool {
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
}

/// What is brought to a bin; of it, what a picking list keeps.
#[derive(Clone, Copy, Default)]
struct Added {
    quantity: i64,
    allocated: i64,
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
            facts.check_serials(tx, &adds).await?;
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
    let of_source = match outgoing.iter().find(|(i, _)| matches!(bins[*i], Bins::OfSource)) {
        Some((i, _)) => net_of_source(tx, moves[*i].source_id).await?,
        None => HashMap::new(),
    };
    let mut taken_by: HashMap<usize, Vec<Taken>> = HashMap::new();
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
            Bins::OfSource => {
                let mut missing = missing;
                for (lot_id, left) in of_source.get(&key).into_iter().flatten() {
                    let asked = missing.min(*left);
                    let short = more(asked, &|bin| bin.lot_id == *lot_id);
                    let got = asked.checked_sub(short).map_err(internal)?;
                    missing = missing.checked_sub(got).map_err(internal)?;
                }
                missing
            }
            Bins::Any => {
                // What the level lacks now is what has to come from what is blocked.
                let lacks = levels.at(key)?.available().micros().min(0);
                let fit = missing.micros() + lacks;
                let short = more(Quantity::from_micros(fit.max(0)), &|bin| !bin.is_blocked);
                more(Quantity::from_micros(short.micros() - lacks), &|_| true)
            }
            _ => more(missing, &|bin| !bin.is_blocked),
        };
        for part in taken.iter().filter(|part| part.was_blocked) {
            let less = part.quantity.checked_neg().map_err(internal)?;
            levels.at(key)?.block(less).map_err(internal)?;
        }
        if missing.is_positive() || levels.at(key)?.available().is_negative() {
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
        for (i, key) in incoming {
            let quantity = moves[i].quantity;
            let part = |lot_id, quantity| Part { lot_id, location_id: None, quantity };
            let parts: Vec<Part> = match &bins[i] {
                Bins::Given(parts) => parts.clone(),
                Bins::AsTaken => i
                    .checked_sub(1)
                    .and_then(|before| taken_by.get(&before))
                    .map(|taken| taken.iter().map(|t| part(t.lot_id, t.quantity)).collect())
                    .unwrap_or_else(|| vec![part(None, quantity)]),
                Bins::AsIssued => match with_customer.get(&moves[i].source_line_id) {
                    Some(lots) => as_issued(lots, quantity),
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

/// The bins of some levels that are not empty, in the order they are to be emptied in.
pub(crate) async fn stored(tx: &Tx, keys: &BTreeSet<Key>) -> Result<BTreeMap<Key, Vec<Stored>>> {
    #[derive(FromQueryResult)]
    struct Row {
        product_id: ProductId,
        warehouse_id: WarehouseId,
        id: Uuid,
        location_id: Option<LocationId>,
        lot_id: Option<LotId>,
        quantity: Quantity,
        allocated: Quantity,
        is_blocked: bool,
    }
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = keys.iter().map(|key| vec![key.product_id.into(), key.warehouse_id.into()]);
    let columns = [("product_id", Column::Uuid), ("warehouse_id", Column::Uuid)];
    let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows).statement(
        "SELECT b.* FROM k JOIN bins b \
         ON b.product_id = k.product_id AND b.warehouse_id = k.warehouse_id \
         JOIN products p ON p.id = b.product_id LEFT JOIN lots l ON l.id = b.lot_id \
         LEFT JOIN locations o ON o.id = b.location_id WHERE b.quantity > 0 \
         ORDER BY CASE WHEN p.picking = 'fefo' THEN l.expires_on END NULLS LAST, \
         b.lot_id NULLS LAST, o.pick_order NULLS LAST, b.id",
    );
    let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
    let mut stored: BTreeMap<Key, Vec<Stored>> = BTreeMap::new();
    for row in rows {
        let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
        stored.entry(key).or_default().push(Stored {
            id: row.id,
            location_id: row.location_id,
            lot_id: row.lot_id,
            quantity: row.quantity,
            allocated: row.allocated,
            is_blocked: row.is_blocked,
        });
    }
    Ok(stored)
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

/// A line of a picking list that holds something.
#[derive(FromQueryResult)]
struct Held {
    id: Uuid,
    order_line_id: OrderLineId,
    bin_id: Uuid,
    allocated: Quantity,
}

async fn held(tx: &Tx, order_lines: Vec<Uuid>) -> Result<Vec<Held>> {
    if order_lines.is_empty() {
        return Ok(Vec::new());
    }
    let rows = order_lines.into_iter().map(|id| vec![id.into()]);
    let columns = [("id", Column::Uuid)];
    let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows).statement(
        "SELECT p.id, p.order_line_id, p.bin_id, p.allocated FROM k \
         JOIN picking_lines p ON p.order_line_id = k.id WHERE p.allocated > 0 \
         ORDER BY p.picked NULLS LAST, p.id",
    );
    Ok(query_all(&**tx, sql, values).await?)
}

#[derive(FromQueryResult)]
struct Net {
    product_id: ProductId,
    warehouse_id: WarehouseId,
    lot_id: Option<LotId>,
    quantity: Quantity,
}

/// What the moves of a source have left of each lot, by level.
async fn net_of_source(
    tx: &Tx,
    source_id: Uuid,
) -> Result<HashMap<Key, Vec<(Option<LotId>, Quantity)>>> {
    let sql = "SELECT e.product_id, e.warehouse_id, e.lot_id, \
               CAST(SUM(e.quantity) AS BIGINT) AS quantity \
               FROM stock_moves m JOIN bin_entries e ON e.move_id = m.id WHERE m.source_id = $1 \
               GROUP BY e.product_id, e.warehouse_id, e.lot_id HAVING SUM(e.quantity) > 0 \
               ORDER BY e.lot_id";
    let rows: Vec<Net> = query_all(&**tx, sql, vec![source_id.into()]).await?;
    let mut net: HashMap<Key, Vec<_>> = HashMap::new();
    for row in rows {
        let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
        net.entry(key).or_default().push((row.lot_id, row.quantity));
    }
    Ok(net)
}

/// The lots customers have of order lines.
async fn with_customer(
    tx: &Tx,
    order_lines: Vec<Uuid>,
) -> Result<HashMap<Uuid, Vec<(Option<LotId>, Quantity)>>> {
    #[derive(FromQueryResult)]
    struct Row {
        source_line_id: Uuid,
        lot_id: Option<LotId>,
        quantity: Quantity,
    }
    if order_lines.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = order_lines.into_iter().map(|id| vec![id.into()]);
    let columns = [("id", Column::Uuid)];
    let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows).statement(
        "SELECT m.source_line_id, e.lot_id, CAST(-SUM(e.quantity) AS BIGINT) AS quantity FROM k \
         JOIN stock_moves m ON m.source_line_id = k.id JOIN bin_entries e ON e.move_id = m.id \
         GROUP BY m.source_line_id, e.lot_id HAVING SUM(e.quantity) < 0 ORDER BY e.lot_id",
    );
    let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
    let mut lots: HashMap<Uuid, Vec<_>> = HashMap::new();
    for row in rows {
        lots.entry(row.source_line_id).or_default().push((row.lot_id, row.quantity));
    }
    Ok(lots)
}

async fn cut(tx: &Tx, cuts: &[(Uuid, (i64, i64))]) -> Result<()> {
    let rows = cuts.iter().map(|(id, (quantity, allocated))| {
        vec![(*id).into(), (*quantity).into(), (*allocated).into()]
    });
    let columns =
        [("id", Column::Uuid), ("quantity", Column::BigInt), ("allocated", Column::BigInt)];
    let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
        "UPDATE bins SET quantity = bins.quantity + v.quantity, \
         allocated = bins.allocated + v.allocated FROM v WHERE bins.id = v.id",
    );
    if execute(&**tx, sql, values).await? != cuts.len() as u64 {
        return Err(KernelError::internal("a bin is gone"));
    }
    Ok(())
}

async fn note_shipped(tx: &Tx, shipped: &[(Uuid, i64)]) -> Result<()> {
    let rows = shipped.iter().map(|(id, quantity)| vec![(*id).into(), (*quantity).into()]);
    let columns = [("id", Column::Uuid), ("quantity", Column::BigInt)];
    // What is shipped was picked, whether or not somebody said so.
    let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
        "UPDATE picking_lines SET allocated = picking_lines.allocated - v.quantity, \
         picked = CASE WHEN picking_lines.picked IS NULL \
           AND picking_lines.allocated = v.quantity THEN picking_lines.quantity \
           ELSE picking_lines.picked END FROM v WHERE picking_lines.id = v.id",
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}

/// What decides whether a bin is blocked and whether it is one of a serial number.
pub(crate) struct Facts {
    lots: HashMap<LotId, lot::Model>,
    locations: HashMap<LocationId, location::Model>,
    tracking: HashMap<ProductId, Tracking>,
}

impl Facts {
    pub async fn load(tx: &Tx, places: impl Iterator<Item = Place>) -> Result<Self> {
        let (mut lots, mut locations, mut products) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for place in places {
            lots.extend(place.lot_id);
            locations.extend(place.location_id);
            products.insert(place.key.product_id);
        }
        let mut facts =
            Facts { lots: HashMap::new(), locations: HashMap::new(), tracking: HashMap::new() };
        let products = product::Entity::find().filter(product::Column::Id.is_in(products));
        for row in products.all(&**tx).await? {
            facts.tracking.insert(row.id, row.tracking);
        }
        if !lots.is_empty() {
            // Nobody recalls a lot that is on its way into a bin.
            let lots: Vec<_> = lots.into_iter().collect();
            for lots in lots.chunks(BATCH) {
                let found = lot::Entity::find().filter(lot::Column::Id.is_in(lots.to_vec()));
                let found = sea_orm::QuerySelect::lock_shared(found).all(&**tx).await?;
                facts.lots.extend(found.into_iter().map(|row| (row.id, row)));
            }
        }
        if !locations.is_empty() {
            let found = location::Entity::find().filter(location::Column::Id.is_in(locations));
            let found = found.all(&**tx).await?;
            facts.locations.extend(found.into_iter().map(|row| (row.id, row)));
        }
        Ok(facts)
    }

    pub fn is_blocked(&self, place: Place) -> bool {
        let is_tracked =
            self.tracking.get(&place.key.product_id).is_some_and(|t| *t != Tracking::None);
        let lot_blocks = match place.lot_id {
            Some(id) => self.lots.get(&id).is_none_or(|lot| lot.status != LotStatus::Active),
            None => is_tracked,
        };
        let location = place.location_id.and_then(|id| self.locations.get(&id));
        lot_blocks || location.is_some_and(|location| location.kind.is_blocked())
    }

    fn is_serial(&self, place: Place) -> bool {
        place.lot_id.is_some()
            && self.tracking.get(&place.key.product_id) == Some(&Tracking::Serial)
    }

    /// Refuses a serial number that is somewhere already (I-7).
    async fn check_serials(&self, tx: &Tx, adds: &[(Place, Added)]) -> Result<()> {
        let serials: Vec<_> = adds.iter().filter(|(place, _)| self.is_serial(*place)).collect();
        for serials in serials.chunks(BATCH) {
            let rows = serials.iter().map(|(place, _)| vec![place.lot_id.into()]);
            let columns = [("id", Column::Uuid)];
            let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows)
                .statement(
                    "SELECT l.* FROM k JOIN bins b ON b.lot_id = k.id JOIN lots l ON l.id = k.id \
                     WHERE b.is_serial AND b.quantity > 0 ORDER BY l.id LIMIT 1",
                );
            let found: Vec<lot::Model> = query_all(&**tx, sql, values).await?;
            if let Some(lot) = found.into_iter().next() {
                return Err(Error::SerialOnHand { number: lot.number }.into());
            }
        }
        Ok(())
    }

    async fn add(&self, tx: &Tx, adds: &[(Place, Added)]) -> Result<()> {
        let rows = adds.iter().map(|(place, added)| {
            vec![
                Uuid::now_v7().into(),
                place.key.product_id.into(),
                place.key.warehouse_id.into(),
                place.location_id.into(),
                place.lot_id.into(),
                added.quantity.into(),
                added.allocated.into(),
                i64::from(self.is_serial(*place)).into(),
                i64::from(self.is_blocked(*place)).into(),
            ]
        });
        let columns = [
            ("id", Column::Uuid),
            ("product_id", Column::Uuid),
            ("warehouse_id", Column::Uuid),
            ("location_id", Column::Uuid),
            ("lot_id", Column::Uuid),
            ("quantity", Column::BigInt),
            ("allocated", Column::BigInt),
            ("is_serial", Column::BigInt),
            ("is_blocked", Column::BigInt),
        ];
        let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
            "INSERT INTO bins (id, product_id, warehouse_id, location_id, lot_id, quantity, \
             allocated, is_serial, is_blocked) SELECT v.id, v.product_id, v.warehouse_id, \
             v.location_id, v.lot_id, v.quantity, v.allocated, v.is_serial = 1, v.is_blocked = 1 \
             FROM v WHERE true ON CONFLICT (product_id, warehouse_id, \
             COALESCE(location_id, warehouse_id), COALESCE(lot_id, product_id)) DO UPDATE SET \
             quantity = bins.quantity + excluded.quantity, \
             allocated = bins.allocated + excluded.allocated",
        );
        let number = adds.iter().find_map(|(place, _)| self.lots.get(&place.lot_id?));
        let number = number.map(|lot| lot.number.clone()).unwrap_or_default();
        let taken = || Error::SerialOnHand { number }.into();
        execute(&**tx, sql, values).await.or_conflict(taken)?;
        Ok(())
    }
}

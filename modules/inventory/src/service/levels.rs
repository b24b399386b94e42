//! Stock levels inside a transaction: locked together, changed in memory, stored at once.

use std::collections::{BTreeMap, BTreeSet};

use contracts::events::{StockDepleted, StockFellBelowReorderPoint, StockRestocked};
use contracts::ids::{ProductId, WarehouseId};
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::quantity::Quantity;
use kernel::{Error, Result};
use sea_orm::{ConnectionTrait, DbBackend, Value};
use uuid::Uuid;

use crate::entities::product::Costing;
use crate::entities::stock_level;
use crate::entities::stock_move::{self, LocationKind};
use crate::error::internal;
use crate::service::costing::{self, Cause};
use crate::service::level::{Layer, Level};

/// Which product in which warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
}

/// The levels a transaction works on. Whoever changes a reservation, a backorder or a
/// level holds the lock of its level, and takes all locks at once in the order of the
/// keys: nobody waits for somebody who waits for them.
pub(crate) struct Levels(BTreeMap<Key, Row>);

/// What is stored of a level that has changed, as differences.
const LEVEL: &[(&str, Column)] = &[
    ("product_id", Column::Uuid),
    ("warehouse_id", Column::Uuid),
    ("on_hand", Column::BigInt),
    ("reserved", Column::BigInt),
    ("backordered", Column::BigInt),
    ("blocked", Column::BigInt),
    ("value_minor", Column::BigInt),
];

struct Row {
    was: Level,
    now: Level,
    reorder_point: Option<Quantity>,
    is_detailed: bool,
}

impl Levels {
    /// Locks the levels of `keys` and reads them. A level there is not yet is made, unless
    /// its product is a kit, or it or its warehouse is unknown: [`Levels::unknown`] tells.
    pub async fn lock(tx: &Tx, keys: &BTreeSet<Key>) -> Result<Self> {
        if keys.is_empty() {
            return Ok(Levels(BTreeMap::new()));
        }
        tx.settle().await?;
        let mut rows = read(tx, keys).await?;
        if rows.len() < keys.len() {
            open(tx, keys).await?;
            rows = read(tx, keys).await?;
        }
        let rows = rows.into_iter().map(|row| {
            let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
            let level = Level {
                on_hand: row.on_hand,
                reserved: row.reserved,
                backordered: row.backordered,
                blocked: row.blocked,
                value_minor: row.value_minor,
                costing: row.costing,
                standard_cost: row.standard_cost,
                variance: None,
                layers: Vec::new(),
                allows_negative: row.allows_negative,
                owed: row.owed,
                owed_minor: row.owed_minor,
                last_cost: None,
                settled: None,
            };
            let (reorder_point, is_detailed) = (row.reorder_point, row.is_detailed);
            (key, Row { was: level.clone(), now: level, reorder_point, is_detailed })
        });
        Ok(Levels(rows.collect()))
    }

    /// Locks the levels of `keys` to take goods out of them, for which it has to be known what
    /// came first.
    pub async fn lock_to_issue(tx: &Tx, keys: &BTreeSet<Key>) -> Result<Self> {
        let mut levels = Levels::lock(tx, keys).await?;
        let fifo = levels.0.iter().filter(|(_, row)| row.now.costing == Costing::Fifo);
        let fifo: Vec<_> = fifo.map(|(key, _)| *key).collect();
        for (key, layer) in costing::layers(tx, &fifo).await? {
            if let Some(row) = levels.0.get_mut(&key) {
                row.was.layers.push(layer.clone());
                row.now.layers.push(layer);
            }
        }
        Ok(levels)
    }

    /// Reads what the last of some products cost, where more of them is to be taken out than
    /// there is and nothing there tells.
    pub async fn learn_costs(
        &mut self,
        tx: &Tx,
        asked: impl IntoIterator<Item = (Key, Quantity)>,
    ) -> Result<()> {
        let mut sums: BTreeMap<Key, Quantity> = BTreeMap::new();
        for (key, quantity) in asked {
            let sum = sums.entry(key).or_default();
            *sum = sum.checked_add(quantity).map_err(internal)?;
        }
        let below = sums.into_iter().filter_map(|(key, quantity)| {
            let level = &self.0.get(&key)?.now;
            let is_known = level.standard_cost.is_some() || !level.on_hand.is_zero();
            (level.goes_below(quantity) && !is_known).then_some((key, level.costing))
        });
        self.note_costs(costing::last_costs(tx, &below.collect::<Vec<_>>()).await?);
        Ok(())
    }

    /// Reads what the last of some products cost where none is left.
    pub async fn learn_last_costs(
        &mut self,
        tx: &Tx,
        keys: impl Iterator<Item = Key>,
    ) -> Result<()> {
        let empty = keys.filter_map(|key| {
            let level = &self.0.get(&key)?.now;
            level.on_hand.is_zero().then_some((key, level.costing))
        });
        self.note_costs(costing::last_costs(tx, &empty.collect::<Vec<_>>()).await?);
        Ok(())
    }

    fn note_costs(&mut self, costs: Vec<(Key, (i64, Quantity))>) {
        for (key, cost) in costs {
            if let Some(row) = self.0.get_mut(&key) {
                (row.was.last_cost, row.now.last_cost) = (Some(cost), Some(cost));
            }
        }
    }

    /// Says by which move each new layer came.
    pub fn note_moves(&mut self, moves: &[stock_move::Model]) {
        for row in moves.iter().filter(|row| row.to_location == LocationKind::Warehouse) {
            let Some(warehouse_id) = row.warehouse_id else { continue };
            let key = Key { product_id: row.product_id, warehouse_id };
            let Some(Row { was, now, .. }) = self.0.get_mut(&key) else { continue };
            // They came in the order of the moves; a part of their value may be settled.
            let mut new = now.layers.iter_mut().skip(was.layers.len());
            let came =
                |layer: &&mut Layer| layer.move_id.is_none() && layer.quantity == row.quantity;
            if let Some(layer) = new.find(came) {
                layer.move_id = Some(row.id);
            }
        }
    }

    /// The first of `keys` whose product is a kit, or does not exist, or its warehouse.
    pub fn unknown(&self, keys: impl IntoIterator<Item = Key>) -> Option<Key> {
        keys.into_iter().find(|key| !self.0.contains_key(key))
    }

    /// A locked level.
    pub fn at(&mut self, key: Key) -> Result<&mut Level> {
        let row = self.0.get_mut(&key).ok_or_else(|| {
            Error::internal(format!("no product {} in {}", key.product_id, key.warehouse_id))
        })?;
        Ok(&mut row.now)
    }

    /// Whether bins say where it lies and of which lots it is.
    pub fn is_detailed(&self, key: Key) -> bool {
        self.0.get(&key).is_some_and(|row| row.is_detailed)
    }

    /// Keys that have stock to give and somebody who waits for it.
    pub fn fillable(&self) -> impl Iterator<Item = (Key, &Level)> {
        self.0
            .iter()
            .map(|(key, row)| (*key, &row.now))
            .filter(|(_, level)| level.available().is_positive() && level.backordered.is_positive())
    }

    /// Stores what has changed and tells what came of it: the last that is done with levels, as
    /// it is written when the transaction ends.
    pub async fn store(self, tx: &mut Tx) -> Result<()> {
        let changed: Vec<_> = self.0.into_iter().filter(|(_, row)| row.was != row.now).collect();
        if changed.is_empty() {
            return Ok(());
        }
        for (key, row) in &changed {
            tell(tx, *key, row)?;
        }
        let both = changed.iter().map(|(key, row)| (*key, &row.was, &row.now)).collect();
        costing::store_layers(tx, both).await?;
        let variances: Vec<_> = changed
            .iter()
            .flat_map(|(key, row)| {
                let both = [(Cause::Standard, row.now.variance), (Cause::Owed, row.now.settled)];
                both.map(|(cause, variance)| Some((*key, cause, variance?)))
            })
            .flatten()
            .filter(|(_, _, variance)| variance.minor() != 0)
            .collect();
        costing::book_variances(tx, &variances).await?;
        let expected = changed.len() as u64;
        // Only where something is owed is there anything to say of it.
        let owes =
            |row: &Row| (row.was.owed, row.was.owed_minor) != (row.now.owed, row.now.owed_minor);
        let has_owed = changed.iter().any(|(_, row)| owes(row));
        let (mut columns, mut set_owed) = (LEVEL.to_vec(), "");
        if has_owed {
            columns.extend([("owed", Column::BigInt), ("owed_minor", Column::BigInt)]);
            set_owed = "owed = stock_levels.owed + v.owed, \
                        owed_minor = stock_levels.owed_minor + v.owed_minor, ";
        }
        let rows = changed.into_iter().map(|(key, Row { was, now, .. })| {
            let mut row: Vec<Value> = vec![
                key.product_id.into(),
                key.warehouse_id.into(),
                (now.on_hand.micros() - was.on_hand.micros()).into(),
                (now.reserved.micros() - was.reserved.micros()).into(),
                (now.backordered.micros() - was.backordered.micros()).into(),
                (now.blocked.micros() - was.blocked.micros()).into(),
                (now.value_minor - was.value_minor).into(),
            ];
            if has_owed {
                row.push((now.owed.micros() - was.owed.micros()).into());
                row.push((now.owed_minor - was.owed_minor).into());
            }
            row
        });
        let values = Values::new(tx.get_database_backend(), "v", &columns, rows);
        // Differences and a condition, not values read before: should a lock ever fail to
        // keep others out, this refuses rather than oversells.
        let sql = format!(
            "UPDATE stock_levels SET on_hand = stock_levels.on_hand + v.on_hand, \
             reserved = stock_levels.reserved + v.reserved, \
             backordered = stock_levels.backordered + v.backordered, \
             blocked = stock_levels.blocked + v.blocked, {set_owed}\
             value_minor = stock_levels.value_minor + v.value_minor FROM v \
             WHERE stock_levels.product_id = v.product_id \
             AND stock_levels.warehouse_id = v.warehouse_id \
             AND stock_levels.reserved + v.reserved + stock_levels.blocked + v.blocked \
             <= stock_levels.on_hand + v.on_hand"
        );
        tx.conclude(values, sql, expected).await
    }
}

/// Tells that the last of something is promised, that there is some again, or that it is time
/// to buy (I27).
fn tell(tx: &mut Tx, key: Key, row: &Row) -> Result<()> {
    let Key { product_id, warehouse_id } = key;
    let (was, available) = (row.was.available(), row.now.available());
    // A level does not know its product's version.
    let aggregate = (product_id.uuid(), 0);
    if was.is_positive() && available.is_zero() {
        let depleted = StockDepleted { product_id, warehouse_id };
        tx.publish(aggregate.0, aggregate.1, &depleted)?;
    }
    if was.is_zero() && available.is_positive() {
        let restocked = StockRestocked { product_id, warehouse_id, available };
        tx.publish(aggregate.0, aggregate.1, &restocked)?;
    }
    match row.reorder_point {
        Some(reorder_point) if was >= reorder_point && available < reorder_point => {
            let fell =
                StockFellBelowReorderPoint { product_id, warehouse_id, available, reorder_point };
            tx.publish(aggregate.0, aggregate.1, &fell)
        }
        _ => Ok(()),
    }
}

async fn read(tx: &Tx, keys: &BTreeSet<Key>) -> Result<Vec<stock_level::Model>> {
    let backend = tx.get_database_backend();
    // SQLite has one writer, which we are: there is nothing to lock.
    let lock = if backend == DbBackend::Postgres { " FOR UPDATE OF s" } else { "" };
    let rows = keys.iter().map(|key| vec![key.product_id.into(), key.warehouse_id.into()]);
    let columns = [("product_id", Column::Uuid), ("warehouse_id", Column::Uuid)];
    let (sql, values) = Values::new(backend, "k", &columns, rows).statement(&format!(
        "SELECT s.* FROM k JOIN stock_levels s \
         ON s.product_id = k.product_id AND s.warehouse_id = k.warehouse_id \
         ORDER BY s.product_id, s.warehouse_id{lock}"
    ));
    Ok(query_all(&**tx, sql, values).await?)
}

/// Makes the levels that are not there yet, of what does exist and is no kit.
async fn open(tx: &Tx, keys: &BTreeSet<Key>) -> Result<()> {
    let backend = tx.get_database_backend();
    // Neither a first location nor another tracking may come between.
    let lock = if backend == DbBackend::Postgres { " FOR SHARE OF p, w" } else { "" };
    let rows = keys.iter().map(|key| -> Vec<Value> {
        vec![Uuid::now_v7().into(), key.product_id.into(), key.warehouse_id.into()]
    });
    let columns =
        [("id", Column::Uuid), ("product_id", Column::Uuid), ("warehouse_id", Column::Uuid)];
    let (sql, values) = Values::new(backend, "k", &columns, rows).statement(&format!(
        "INSERT INTO stock_levels \
         (product_id, warehouse_id, id, on_hand, reserved, backordered, value_minor, is_detailed, \
         allows_negative, costing, standard_cost) \
         SELECT k.product_id, k.warehouse_id, k.id, 0, 0, 0, 0, \
         (p.tracking <> 'none' OR w.has_locations), \
         (w.allows_negative AND p.negative_stock = 'inherit'), \
         CASE WHEN w.is_transit THEN 'average' ELSE p.costing END, \
         CASE WHEN w.is_transit THEN NULL ELSE p.standard_cost END FROM k \
         JOIN products p ON p.id = k.product_id JOIN warehouses w ON w.id = k.warehouse_id \
         WHERE NOT p.is_kit ORDER BY k.product_id, k.warehouse_id{lock} \
         ON CONFLICT (product_id, warehouse_id) DO NOTHING"
    ));
    execute(&**tx, sql, values).await?;
    Ok(())
}

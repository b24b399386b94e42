//! Where goods of a receipt have gone by transfers, so that a cost that comes late goes after them.
//!
//! Nobody keeps of which receipt goods are that are sent on. So as much as can be is taken to be of
//! it: what is no longer where it came has gone by the transfers since, the oldest first, as far as
//! what they brought is still there, or went on from there in the same way. What is on its way is
//! there. What was sold, lost or used is not, and nothing follows it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use contracts::ids::{ProductId, StockMoveId, WarehouseId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::money::{Rounding, round_div};
use kernel::quantity::Quantity;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::error::internal;
use crate::service::levels::Key;

/// Most moves of transfers looked at; what went by later ones is not followed.
const MOST: usize = 10_000;

/// A move by which a transfer brought goods to a warehouse, or onto their way.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Brought {
    pub move_id: StockMoveId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    from_warehouse_id: WarehouseId,
    /// Of what is on its way: what still is.
    quantity: Quantity,
    /// The line of the transfer, of what is on its way.
    pub line_id: Option<Uuid>,
}

impl Brought {
    pub fn key(&self) -> Key {
        Key { product_id: self.product_id, warehouse_id: self.warehouse_id }
    }
}

/// Goods that are not where a move brought them any more, and their part of a cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub by: StockMoveId,
    pub key: Key,
    pub quantity: Quantity,
    pub minor: i64,
}

/// What transfers have brought since something was received.
pub(crate) struct Trails {
    pub brought: Vec<Brought>,
    /// Those that left a level, the oldest first.
    from: HashMap<Key, Vec<usize>>,
}

impl Trails {
    /// Those of some products, after the move `since`.
    pub async fn load(tx: &Tx, since: StockMoveId, products: &BTreeSet<ProductId>) -> Result<Self> {
        let rows = products.iter().map(|id| vec![(*id).into()]);
        let mut values = Values::new(tx.get_database_backend(), "v", &[("id", Column::Uuid)], rows);
        let since = values.bind(since);
        let (sql, values) = values.statement(&format!(
            "SELECT m.id AS move_id, m.product_id, m.warehouse_id, t.from_warehouse_id, \
             CASE WHEN w.is_transit THEN l.shipped - l.received - l.lost ELSE m.quantity END \
             AS quantity, CASE WHEN w.is_transit THEN l.id END AS line_id \
             FROM v JOIN transfer_lines l ON l.product_id = v.id AND l.transfer_id > {since} \
             JOIN transfers t ON t.id = l.transfer_id \
             JOIN stock_moves m ON m.source_id = t.id AND m.product_id = l.product_id \
             AND m.to_location = 'warehouse' JOIN warehouses w ON w.id = m.warehouse_id \
             WHERE NOT w.is_transit OR l.shipped > l.received + l.lost \
             ORDER BY m.id LIMIT {MOST}"
        ));
        Ok(Trails::of(query_all(&**tx, sql, values).await?))
    }

    fn of(brought: Vec<Brought>) -> Self {
        let mut from: HashMap<Key, Vec<usize>> = HashMap::new();
        for (i, row) in brought.iter().enumerate() {
            let (product_id, warehouse_id) = (row.product_id, row.from_warehouse_id);
            from.entry(Key { product_id, warehouse_id }).or_default().push(i);
        }
        Trails { brought, from }
    }

    /// What of a cost goes after goods that are gone: how much to which move. `there` says how
    /// much of so much that a move brought is still there, and counts it once.
    pub fn follow(
        &mut self,
        gone: Gone,
        rounding: Rounding,
        mut there: impl FnMut(&Brought, Quantity) -> Result<Quantity>,
    ) -> Result<BTreeMap<usize, i64>> {
        let mut shares: BTreeMap<usize, i64> = BTreeMap::new();
        let mut queue = VecDeque::from([gone]);
        while let Some(mut gone) = queue.pop_front() {
            for i in self.from.get(&gone.key).into_iter().flatten() {
                let row = &mut self.brought[*i];
                let quantity = gone.quantity.min(row.quantity);
                if row.move_id <= gone.by || !quantity.is_positive() {
                    continue;
                }
                let minor = part_of(gone.minor, quantity, gone.quantity, rounding);
                gone.minor -= minor;
                gone.quantity = gone.quantity.checked_sub(quantity).map_err(internal)?;
                row.quantity = row.quantity.checked_sub(quantity).map_err(internal)?;
                let is = there(row, quantity)?;
                let here = part_of(minor, is, quantity, rounding);
                *shares.entry(*i).or_default() += here;
                queue.push_back(Gone {
                    by: row.move_id,
                    key: row.key(),
                    quantity: quantity.checked_sub(is).map_err(internal)?,
                    minor: minor - here,
                });
            }
        }
        Ok(shares)
    }
}

/// The part of a cost that falls to a part of goods.
pub(crate) fn part_of(minor: i64, part: Quantity, whole: Quantity, rounding: Rounding) -> i64 {
    let exact = i128::from(minor) * i128::from(part.micros());
    // No more than the whole, for no more is a part.
    i64::try_from(round_div(exact, i128::from(whole.micros().max(1)), rounding))
        .map_or(minor, |part| part.min(minor))
}

/// Adds to what goods on their way are worth, by line of their transfer.
pub(crate) async fn add_in_transit(tx: &Tx, lines: &[(Uuid, i64)]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let rows = lines.iter().map(|(id, minor)| vec![(*id).into(), (*minor).into()]);
    let columns = [("id", Column::Uuid), ("minor", Column::BigInt)];
    let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
        "UPDATE transfer_lines SET value_minor = transfer_lines.value_minor + v.minor \
         FROM v WHERE transfer_lines.id = v.id",
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goods_that_are_gone_take_their_part_with_them() {
        let check = |share: i64, there: i64, came: i64, expected: i64| {
            let units = |units| Quantity::from_units(units).expect("in range");
            let found = part_of(share, units(there), units(came), Rounding::HalfUp);
            assert_eq!(found, expected, "{share} {there} of {came}");
        };
        check(1000, 10, 10, 1000);
        check(1000, 0, 10, 0);
        check(1000, 1, 3, 333);
        check(1, 1, 2, 1);
        check(0, 5, 10, 0);
    }

    #[test]
    fn a_cost_follows_goods_from_one_warehouse_to_the_next() {
        let [a, b, c] = [(); 3].map(|()| WarehouseId::new());
        let product_id = ProductId::new();
        let units = |units| Quantity::from_units(units).expect("in range");
        let ids: Vec<_> = (0..6).map(|_| StockMoveId::new()).collect();
        let brought = |id: usize, from, to, quantity| Brought {
            move_id: ids[id],
            product_id,
            warehouse_id: to,
            from_warehouse_id: from,
            quantity: units(quantity),
            line_id: None,
        };
        // What moves, how much is still where each brought it, and what follows to each.
        let check = |moves: &[(usize, WarehouseId, WarehouseId, i64)],
                     left: &[i64],
                     gone: i64,
                     expected: &[i64]| {
            let rows =
                moves.iter().map(|(id, from, to, quantity)| brought(*id, *from, *to, *quantity));
            let mut trails = Trails::of(rows.collect());
            let mut left: HashMap<_, _> =
                moves.iter().zip(left).map(|((id, ..), left)| (ids[*id], *left)).collect();
            let key = Key { product_id, warehouse_id: a };
            let gone = Gone { by: ids[1], key, quantity: units(gone), minor: 100 * gone };
            let there = |row: &Brought, quantity: Quantity| {
                let left = left.get_mut(&row.move_id).expect("known");
                let is = quantity.min(units(*left));
                *left -= is.micros() / Quantity::ONE.micros();
                Ok(is)
            };
            let shares = trails.follow(gone, Rounding::HalfUp, there).expect("adds up");
            let found: Vec<_> =
                (0..moves.len()).map(|i| shares.get(&i).copied().unwrap_or(0)).collect();
            assert_eq!(found, expected);
        };
        check(&[], &[], 5, &[]);
        check(&[(2, a, b, 3)], &[3], 5, &[300]);
        check(&[(2, a, b, 3), (3, a, c, 4)], &[3, 4], 5, &[300, 200]);
        // Some of it was sold there.
        check(&[(2, a, b, 3)], &[1], 5, &[100]);
        // Of before it came, and from somewhere else.
        check(&[(0, a, b, 3), (2, b, c, 3)], &[3, 3], 5, &[0, 0]);
        // On from there, and back again.
        check(&[(2, a, b, 3), (3, b, c, 2), (4, c, a, 1)], &[1, 1, 1], 5, &[100, 100, 100]);
        // What went on before it came there is other goods.
        check(&[(2, b, c, 2), (3, a, b, 3)], &[2, 1], 5, &[0, 100]);
    }
}

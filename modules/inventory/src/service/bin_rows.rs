//! The rows of bins, picking lines and their ledger, read and written in sets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::ids::{LocationId, LotId, OrderLineId, ProductId, WarehouseId};
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::error::OrConflict;
use kernel::quantity::Quantity;
use kernel::{Error as KernelError, Result};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use crate::entities::location;
use crate::entities::lot::{self, LotStatus};
use crate::entities::product::{self, Tracking};
use crate::error::Error;
use crate::service::bin_choice::Stored;
use crate::service::bins::{Added, BATCH, Place};
use crate::service::levels::Key;
use crate::service::picking_ends::{ListOf, end_lists};

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

/// A line of a picking list that holds something.
#[derive(FromQueryResult)]
pub(super) struct Held {
    pub id: Uuid,
    pub order_line_id: OrderLineId,
    pub bin_id: Uuid,
    pub allocated: Quantity,
}

pub(super) async fn held(tx: &Tx, order_lines: Vec<Uuid>) -> Result<Vec<Held>> {
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
pub(super) async fn net_of_source(
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
pub(super) async fn with_customer(
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

/// The serial numbers among lots that customers have, and whether each is on hand.
pub(super) async fn serials(
    tx: &Tx,
    with_customer: &HashMap<Uuid, Vec<(Option<LotId>, Quantity)>>,
) -> Result<HashMap<LotId, bool>> {
    #[derive(FromQueryResult)]
    struct Row {
        id: LotId,
        is_on_hand: bool,
    }
    let lots = with_customer.values().flatten().filter_map(|(lot_id, _)| *lot_id);
    let lots: Vec<_> = lots.collect::<BTreeSet<_>>().into_iter().collect();
    let mut serials = HashMap::new();
    for lots in lots.chunks(BATCH) {
        let rows = lots.iter().map(|id| vec![(*id).into()]);
        let columns = [("id", Column::Uuid)];
        let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows).statement(
            "SELECT l.id, EXISTS (SELECT 1 FROM bins b WHERE b.lot_id = l.id AND b.is_serial \
             AND b.quantity > 0) AS is_on_hand FROM k JOIN lots l ON l.id = k.id \
             JOIN products p ON p.id = l.product_id WHERE p.tracking = 'serial'",
        );
        let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
        serials.extend(rows.into_iter().map(|row| (row.id, row.is_on_hand)));
    }
    Ok(serials)
}

/// What was sent for an order line by lot, and what of it the customer still has.
pub(crate) async fn sent(tx: &Tx, order_line_id: Uuid) -> Result<HashMap<Option<LotId>, Quantity>> {
    #[derive(FromQueryResult)]
    struct Row {
        lot_id: Option<LotId>,
        still: Quantity,
    }
    let sql = "SELECT e.lot_id, CAST(-SUM(e.quantity) AS BIGINT) AS still FROM stock_moves m \
               JOIN bin_entries e ON e.move_id = m.id WHERE m.source_line_id = $1 \
               GROUP BY e.lot_id \
               HAVING SUM(CASE m.kind WHEN 'issue' THEN e.quantity ELSE 0 END) < 0";
    let rows: Vec<Row> = query_all(&**tx, sql, vec![order_line_id.into()]).await?;
    Ok(rows.into_iter().map(|row| (row.lot_id, row.still)).collect())
}

pub(super) async fn cut(tx: &Tx, cuts: &[(Uuid, (i64, i64))]) -> Result<()> {
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

pub(super) async fn note_shipped(tx: &Tx, shipped: &[(Uuid, i64)]) -> Result<()> {
    let rows = shipped.iter().map(|(id, quantity)| vec![(*id).into(), (*quantity).into()]);
    let columns = [("id", Column::Uuid), ("quantity", Column::BigInt)];
    // What is shipped was picked, whether or not somebody said so.
    let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
        "UPDATE picking_lines SET allocated = picking_lines.allocated - v.quantity, \
         picked = CASE WHEN picking_lines.picked IS NULL \
           AND picking_lines.allocated = v.quantity THEN picking_lines.quantity \
           ELSE picking_lines.picked END FROM v WHERE picking_lines.id = v.id \
         RETURNING picking_list_id",
    );
    let lists: Vec<ListOf> = query_all(&**tx, sql, values).await?;
    end_lists(tx, lists.into_iter().map(|row| row.picking_list_id)).await
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

    /// Refuses a serial number that is somewhere already, or that a customer has who does not
    /// bring it back (I-7). One statement, so that none is missed on its way between the two.
    pub async fn check_serials(
        &self,
        tx: &Tx,
        adds: &[(Place, Added)],
        returned: &BTreeSet<LotId>,
    ) -> Result<()> {
        #[derive(FromQueryResult)]
        struct Taken {
            number: String,
            is_on_hand: bool,
        }
        let serials: Vec<_> = adds.iter().filter(|(place, _)| self.is_serial(*place)).collect();
        for serials in serials.chunks(BATCH) {
            let rows = serials.iter().map(|(place, _)| {
                let is_returned = place.lot_id.is_some_and(|id| returned.contains(&id));
                vec![place.lot_id.into(), i64::from(is_returned).into()]
            });
            let columns = [("id", Column::Uuid), ("is_returned", Column::BigInt)];
            let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows)
                .statement(
                    "SELECT * FROM (SELECT l.id, l.number, k.is_returned, \
                       EXISTS (SELECT 1 FROM bins b WHERE b.lot_id = l.id AND b.is_serial \
                         AND b.quantity > 0) AS is_on_hand, \
                       EXISTS (SELECT 1 FROM bin_entries e JOIN stock_moves m ON m.id = e.move_id \
                         WHERE e.lot_id = l.id \
                         AND 'customer' IN (m.from_location, m.to_location) \
                         GROUP BY m.source_line_id HAVING SUM(e.quantity) < 0 \
                         AND 0 < (SELECT SUM(CASE o.kind WHEN 'issue' THEN o.quantity \
                           ELSE -o.quantity END) FROM stock_moves o \
                           WHERE o.source_line_id = m.source_line_id \
                           AND o.kind IN ('issue', 'return', 'scrap'))) AS is_sold \
                       FROM k JOIN lots l ON l.id = k.id) q \
                     WHERE q.is_on_hand OR (q.is_sold AND q.is_returned = 0) \
                     ORDER BY q.id LIMIT 1",
                );
            let found: Vec<Taken> = query_all(&**tx, sql, values).await?;
            if let Some(Taken { number, is_on_hand }) = found.into_iter().next() {
                return Err(match is_on_hand {
                    true => Error::SerialOnHand { number }.into(),
                    false => Error::SerialAtCustomer { number }.into(),
                });
            }
        }
        Ok(())
    }

    pub async fn add(&self, tx: &Tx, adds: &[(Place, Added)]) -> Result<()> {
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

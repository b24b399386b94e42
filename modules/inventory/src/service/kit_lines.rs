//! Order lines for kits: made into parts, each of which is held and moved like a line of its
//! own, and told of in whole kits.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use contracts::events::LinePromise;
use contracts::ids::{OrderId, OrderLineId, ProductId};
use kernel::db::{Column, Tx, Values, execute, insert_all, query_all};
use kernel::quantity::Quantity;
use kernel::{Error as KernelError, Result};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QueryOrder,
};

use crate::entities::{kit_component, kit_part};
use crate::error::Error;
use crate::service::holds::Hold;
use crate::service::levels::Key;

/// Most parts that the lines of a document may come to: their parameters have to fit one
/// statement.
pub(crate) const MAX_PARTS: usize = 4000;

/// One kit.
const KIT: i64 = Quantity::ONE.micros();

/// The parts of those lines that are for kits; none of the others.
#[derive(Default)]
pub(crate) struct Parts(BTreeMap<OrderLineId, Vec<kit_part::Model>>);

/// What is held or moved for a line, under which line: for the line itself or for its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub line_id: OrderLineId,
    pub key: Key,
    pub quantity: Quantity,
}

/// What is different of a line from what its order was told.
pub(crate) struct Change {
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    /// How many more whole kits it has reserved; less below zero.
    pub micros: i64,
    /// Another promise for what still waits.
    pub promise: Option<LinePromise>,
}

impl Parts {
    /// The parts of lines that have been reserved before.
    pub async fn of(
        conn: &impl ConnectionTrait,
        lines: impl IntoIterator<Item = OrderLineId>,
    ) -> Result<Self> {
        let ids: BTreeSet<_> = lines.into_iter().collect();
        let rows = kit_part::Entity::find()
            .filter(kit_part::Column::OrderLineId.is_in(ids))
            .order_by_asc(kit_part::Column::Id)
            .all(conn)
            .await?;
        let mut parts: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows {
            parts.entry(row.order_line_id).or_default().push(row);
        }
        Ok(Parts(parts))
    }

    /// The parts of lines to be reserved: what they were made into before, or what their kits
    /// are made of now.
    pub async fn make(
        tx: &Tx,
        order_id: OrderId,
        lines: &[(OrderLineId, ProductId)],
    ) -> Result<Self> {
        let ids = || lines.iter().map(|(id, _)| *id);
        let found = Parts::of(&**tx, ids()).await?;
        let new: Vec<_> = lines.iter().filter(|(id, _)| !found.0.contains_key(id)).collect();
        let kits: BTreeSet<_> = new.iter().map(|(_, product_id)| *product_id).collect();
        let components = kit_component::Entity::find()
            .filter(kit_component::Column::KitId.is_in(kits))
            .order_by_asc(kit_component::Column::ProductId)
            .all(&**tx)
            .await?;
        let mut of_kit: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for component in components {
            of_kit.entry(component.kit_id).or_default().push(component);
        }
        let of_line = |id: OrderLineId, product_id: ProductId| {
            of_kit.get(&product_id).into_iter().flatten().map(move |component| kit_part::Model {
                id: OrderLineId::new(),
                order_line_id: id,
                kit_id: product_id,
                product_id: component.product_id,
                per_kit: component.quantity,
            })
        };
        let parts: Vec<_> = new.iter().flat_map(|(id, product)| of_line(*id, *product)).collect();
        let count = parts.len() + found.0.values().map(Vec::len).sum::<usize>();
        if count > MAX_PARTS {
            return Err(Error::TooManyLines { most: MAX_PARTS, count }.into());
        }
        if parts.is_empty() {
            return Ok(found);
        }
        let own = open_lines(tx, order_id, &parts).await?;
        // Of a line that somebody else has made into parts meanwhile, theirs count.
        let own = parts.into_iter().filter(|part| own.contains(&part.order_line_id));
        insert_all(&**tx, own.map(IntoActiveModel::into_active_model)).await?;
        Parts::of(&**tx, ids()).await
    }

    /// Whether a line is for kits.
    pub fn has(&self, line_id: OrderLineId) -> bool {
        self.0.contains_key(&line_id)
    }

    /// The lines that are for kits.
    pub fn lines(&self) -> impl Iterator<Item = OrderLineId> {
        self.0.keys().copied()
    }

    /// What `quantity` of a line comes to, of its parts or of itself.
    pub fn explode(
        &self,
        line_id: OrderLineId,
        key: Key,
        quantity: Quantity,
    ) -> Result<Vec<Piece>, Error> {
        let Some(parts) = self.0.get(&line_id) else {
            return Ok(vec![Piece { line_id, key, quantity }]);
        };
        let piece = |part: &kit_part::Model| {
            let key = Key { product_id: part.product_id, ..key };
            Ok(Piece { line_id: part.id, key, quantity: times(part.per_kit, quantity)? })
        };
        parts.iter().map(piece).collect()
    }

    /// How much of each part so many kits of a line are made of.
    pub fn pieces(
        &self,
        line_id: OrderLineId,
        kits: Quantity,
    ) -> Result<Vec<(OrderLineId, Quantity)>, Error> {
        let parts = self.0.get(&line_id).into_iter().flatten();
        parts.map(|part| Ok((part.id, times(part.per_kit, kits)?))).collect()
    }

    /// How many whole kits so much of each part makes.
    pub fn whole(&self, line_id: OrderLineId, of: impl Fn(OrderLineId) -> Quantity) -> Quantity {
        let parts = self.0.get(&line_id).into_iter().flatten();
        let kits = parts.map(|part| of(part.id).micros() / part.per_kit.micros());
        Quantity::from_micros(kits.min().unwrap_or(0) * KIT)
    }

    /// What a line holds and waits for, in whole kits.
    pub fn held(
        &self,
        line_id: OrderLineId,
        held: &BTreeMap<OrderLineId, Hold>,
    ) -> (Quantity, Quantity) {
        let of = |of: fn(&Hold) -> i64| {
            let of = move |id| Quantity::from_micros(held.get(&id).map_or(0, of));
            self.whole(line_id, of)
        };
        let reserved = of(|hold| hold.reserved.micros());
        let all = of(|hold| hold.reserved.micros() + hold.backordered.micros());
        (reserved, Quantity::from_micros(all.micros() - reserved.micros()))
    }

    /// The day by which the last part of a line that waits is promised; none if one is promised
    /// nothing. `of` tells whether a part waits, and for when.
    pub fn promised_on(
        &self,
        line_id: OrderLineId,
        of: impl Fn(OrderLineId) -> Option<Option<NaiveDate>>,
    ) -> Option<NaiveDate> {
        let parts = self.0.get(&line_id).into_iter().flatten();
        let days: Option<Vec<_>> = parts.filter_map(|part| of(part.id)).collect();
        days?.into_iter().max()
    }
}

/// So much of a part for so many kits.
fn times(per_kit: Quantity, kits: Quantity) -> Result<Quantity, Error> {
    if kits.micros() % KIT != 0 {
        return Err(Error::KitInPieces);
    }
    let micros = i128::from(per_kit.micros()) * i128::from(kits.micros() / KIT);
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    // Through zero, because that is where the bounds are looked at.
    Quantity::from_micros(micros)
        .checked_add(Quantity::ZERO)
        .map_err(|source| Error::TooLarge { pointer: "/lines".into(), source })
}

/// Notes lines for kits that are not known yet, and returns which were not.
async fn open_lines(
    tx: &Tx,
    order_id: OrderId,
    parts: &[kit_part::Model],
) -> Result<BTreeSet<OrderLineId>> {
    #[derive(FromQueryResult)]
    struct Row {
        order_line_id: OrderLineId,
    }
    let lines: BTreeMap<_, _> =
        parts.iter().map(|part| (part.order_line_id, part.kit_id)).collect();
    let rows = lines.into_iter().map(|(line_id, kit_id)| vec![line_id.into(), kit_id.into()]);
    let columns = [("id", Column::Uuid), ("kit_id", Column::Uuid)];
    let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    let order_id = values.bind(order_id);
    let (sql, values) = values.statement(&format!(
        "INSERT INTO kit_lines (order_line_id, order_id, kit_id, reserved) \
         SELECT v.id, {order_id}, v.kit_id, 0 FROM v WHERE true \
         ON CONFLICT (order_line_id) DO NOTHING RETURNING order_line_id"
    ));
    let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
    Ok(rows.into_iter().map(|row| row.order_line_id).collect())
}

/// What the order is told of a line: how many kits are reserved, and by when the others are
/// promised.
pub(crate) type Told = (OrderLineId, Quantity, Option<NaiveDate>);

/// Notes what the order is told of each line.
pub(crate) async fn note_told(tx: &Tx, told: &[Told]) -> Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let rows = told.iter().map(|(line_id, kits, promised_on)| {
        vec![(*line_id).into(), (*kits).into(), (*promised_on).into()]
    });
    let columns = [("id", Column::Uuid), ("kits", Column::BigInt), ("promised_on", Column::Date)];
    let set = "reserved = v.kits, promised_on = v.promised_on";
    change_told(tx, Values::new(tx.get_database_backend(), "v", &columns, rows), set, told.len())
        .await
}

/// Notes how many kits of each line the order believes are reserved.
pub(crate) async fn note_reserved(tx: &Tx, kits: &[(OrderLineId, Quantity)]) -> Result<()> {
    change_reserved(tx, kits, "reserved = v.kits").await
}

/// Notes that so many kits of each line are gone: shipped, or not wanted any more.
pub(crate) async fn note_gone(tx: &Tx, gone: &[(OrderLineId, Quantity)]) -> Result<()> {
    let set = "reserved = \
        CASE WHEN kit_lines.reserved > v.kits THEN kit_lines.reserved - v.kits ELSE 0 END";
    change_reserved(tx, gone, set).await
}

async fn change_reserved(tx: &Tx, kits: &[(OrderLineId, Quantity)], set: &str) -> Result<()> {
    if kits.is_empty() {
        return Ok(());
    }
    let rows = kits.iter().map(|(line_id, kits)| vec![(*line_id).into(), (*kits).into()]);
    let columns = [("id", Column::Uuid), ("kits", Column::BigInt)];
    let values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    change_told(tx, values, set, kits.len()).await
}

async fn change_told(tx: &Tx, values: Values, set: &str, count: usize) -> Result<()> {
    let (sql, values) = values.statement(&format!(
        "UPDATE kit_lines SET {set} FROM v WHERE kit_lines.order_line_id = v.id"
    ));
    if execute(&**tx, sql, values).await? != count as u64 {
        return Err(KernelError::internal("a line for kits is not known"));
    }
    Ok(())
}

/// Compares what lines for kits have reserved, and by when their last part is promised, with
/// what their orders were told, notes it as told, and returns what differs.
///
/// Parts of one line may be in the hands of two transactions, each of which holds the lock of
/// its own level. So the lines are locked, after the levels and in the order of their ids, and
/// read only then: whoever comes second sees what the first has done. The lock leaves the key
/// alone, for both have written rows that refer to the line by now.
pub(crate) async fn settle(tx: &Tx, lines: &BTreeSet<OrderLineId>) -> Result<Vec<Change>> {
    #[derive(FromQueryResult)]
    struct Row {
        order_line_id: OrderLineId,
        order_id: OrderId,
        told: Quantity,
        reserved: Quantity,
        told_on: Option<NaiveDate>,
        promised_on: Option<NaiveDate>,
        waiting: i64,
    }
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let backend = tx.get_database_backend();
    let keys = || {
        let rows = lines.iter().map(|id| vec![(*id).into()]);
        Values::new(backend, "k", &[("id", Column::Uuid)], rows)
    };
    if backend == DbBackend::Postgres {
        let (sql, values) = keys().statement(
            "SELECT l.order_line_id FROM k JOIN kit_lines l ON l.order_line_id = k.id \
             ORDER BY l.order_line_id FOR NO KEY UPDATE OF l",
        );
        execute(&**tx, sql, values).await?;
    }
    let (sql, values) = keys().statement(&format!(
        "SELECT l.order_line_id, l.order_id, l.reserved AS told, \
         CAST(MIN(COALESCE(r.remaining, 0) / p.per_kit) AS BIGINT) * {KIT} AS reserved, \
         l.promised_on AS told_on, CASE WHEN COUNT(b.id) = COUNT(b.promised_on) \
         THEN MAX(b.promised_on) END AS promised_on, COUNT(b.id) AS waiting \
         FROM k JOIN kit_lines l ON l.order_line_id = k.id \
         JOIN kit_parts p ON p.order_line_id = l.order_line_id \
         LEFT JOIN reservations r ON r.order_line_id = p.id AND r.status = 'active' \
         LEFT JOIN backorders b ON b.order_line_id = p.id AND b.status = 'open' \
         GROUP BY l.order_line_id, l.order_id, l.reserved, l.promised_on ORDER BY l.order_line_id"
    ));
    let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
    let differs = |row: &&Row| row.told != row.reserved || row.told_on != row.promised_on;
    let changed = || rows.iter().filter(differs);
    let told: Vec<_> =
        changed().map(|row| (row.order_line_id, row.reserved, row.promised_on)).collect();
    note_told(tx, &told).await?;
    let change = |row: &Row| Change {
        order_id: row.order_id,
        order_line_id: row.order_line_id,
        micros: row.reserved.micros() - row.told.micros(),
        // Of what does not wait any more the order needs to hear nothing.
        promise: (row.waiting > 0 && row.told_on != row.promised_on).then_some(LinePromise {
            order_line_id: row.order_line_id,
            promised_on: row.promised_on,
        }),
    };
    Ok(changed().map(change).collect())
}

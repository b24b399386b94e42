//! What a stock count finds of lots and serial numbers, beside what the books say of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use contracts::ids::{LotId, ProductId, StockCountId, WarehouseId};
use kernel::Result;
use kernel::date::check_date;
use kernel::db::{Column, Tx, Values, execute, insert_all, query_all};
use kernel::quantity::Quantity;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
};
use uuid::Uuid;

use crate::entities::product::{self, Tracking};
use crate::entities::{stock_count_line, stock_count_lot};
use crate::error::{Error, internal};
use crate::routes::stock_counts::{CountedLine, CountedLot};
use crate::service::MAX_RECEIPT_LINES;
use crate::service::bin_rows::stored;
use crate::service::bins::BATCH;
use crate::service::levels::Key;
use crate::service::lots::make_lots;
use crate::service::named_lots::known;
use crate::service::references::check_fineness;

/// The lots of a count, by line.
pub(crate) type CountedLots = BTreeMap<Uuid, Vec<stock_count_lot::Model>>;

/// What a line of what is tracked names, which may be nothing.
pub(crate) struct Named<'a> {
    pub product: &'a product::Model,
    pub line: &'a stock_count_line::Model,
    pub lots: &'a [CountedLot],
    /// Of the line.
    pub pointer: String,
}

/// Refuses lots that a line cannot be of.
pub(crate) fn check_lots(
    product: &product::Model,
    line: &CountedLine,
    pointer: &str,
) -> Result<()> {
    if line.lots.is_empty() {
        return Ok(());
    }
    if product.tracking == Tracking::None {
        return Err(Error::LotsNotTracked { pointer: format!("{pointer}/lots") }.into());
    }
    let is_serial = product.tracking == Tracking::Serial;
    let (mut numbers, mut sum) = (BTreeSet::new(), 0_i64);
    for (i, lot) in line.lots.iter().enumerate() {
        let at = |field: &str| format!("{pointer}/lots/{i}/{field}");
        if lot.quantity.is_negative() {
            return Err(Error::QuantityNegative { pointer: at("quantity") }.into());
        }
        check_fineness(product, lot.quantity, &at("quantity"))?;
        if is_serial && lot.quantity > Quantity::ONE {
            return Err(Error::SerialOfMany { pointer: at("quantity") }.into());
        }
        if !numbers.insert(&*lot.number) {
            let pointer = at("number");
            return Err(match is_serial {
                true => Error::DuplicateSerial { pointer }.into(),
                false => Error::DuplicateLot { pointer }.into(),
            });
        }
        if let Some(date) = lot.expires_on {
            check_date(date, &at("expires_on"))?;
        }
        sum = sum.saturating_add(lot.quantity.micros());
    }
    if sum != line.quantity.micros() {
        return Err(Error::LotsDoNotAddUp { pointer: format!("{pointer}/lots") }.into());
    }
    Ok(())
}

/// Writes down what lines name of lots, beside what the books say of all lots of their products,
/// in place of what was counted before. Their levels are locked.
pub(crate) async fn write_lots(
    tx: &mut Tx,
    warehouse_id: WarehouseId,
    lines: &[Named<'_>],
) -> Result<()> {
    let again: Vec<_> = lines.iter().filter(|named| named.line.counts > 0).collect();
    if !again.is_empty() {
        let ids = again.iter().map(|named| named.line.id);
        let before = stock_count_lot::Column::LineId.is_in(ids);
        stock_count_lot::Entity::delete_many().filter(before).exec(&**tx).await?;
    }
    let lines: Vec<_> = lines.iter().filter(|named| !named.lots.is_empty()).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let found = find_lots(tx, &lines).await?;
    let key = |named: &Named<'_>| Key { product_id: named.product.id, warehouse_id };
    let stored = stored(tx, &lines.iter().map(|named| key(named)).collect()).await?;
    let mut rows = Vec::new();
    for (Named { product, line, .. }, found) in lines.iter().zip(found) {
        let mut books: BTreeMap<Option<LotId>, Quantity> = BTreeMap::new();
        let key = Key { product_id: product.id, warehouse_id };
        for bin in stored.get(&key).into_iter().flatten() {
            let book = books.entry(bin.lot_id).or_default();
            *book = book.checked_add(bin.quantity).map_err(internal)?;
        }
        let row = |lot_id: Option<LotId>, book, counted| stock_count_lot::Model {
            id: Uuid::now_v7(),
            line_id: line.id,
            product_id: product.id,
            lot_id,
            book,
            counted,
            is_serial: product.tracking == Tracking::Serial && lot_id.is_some(),
        };
        for (lot_id, counted) in found {
            let book = books.remove(&Some(lot_id)).unwrap_or_default();
            rows.push(row(Some(lot_id), book, counted));
        }
        rows.extend(books.into_iter().map(|(lot_id, book)| row(lot_id, book, Quantity::ZERO)));
    }
    insert_all(&**tx, rows.into_iter().map(IntoActiveModel::into_active_model)).await?;
    Ok(())
}

/// The lots that lines name and what was counted of each, by line. One that turns up and is not
/// known is made; that there is nothing of it can only be a mistake.
async fn find_lots(tx: &mut Tx, lines: &[&Named<'_>]) -> Result<Vec<Vec<(LotId, Quantity)>>> {
    let numbers = lines
        .iter()
        .flat_map(|named| named.lots.iter().map(|lot| (named.product.id, &*lot.number)));
    let numbers: BTreeSet<_> = numbers.collect();
    if numbers.len() > MAX_RECEIPT_LINES {
        return Err(Error::TooManyLines { most: MAX_RECEIPT_LINES, count: numbers.len() }.into());
    }
    let mut known = known(tx, numbers).await?;
    let mut new = BTreeMap::new();
    for Named { product, lots, .. } in lines {
        for lot in *lots {
            if !known.contains_key(&(product.id, lot.number.to_string())) {
                new.insert((product.id, &*lot.number), lot.expires_on);
            }
        }
    }
    for Named { product, lots, pointer, .. } in lines {
        for (i, lot) in lots.iter().enumerate() {
            let is_new = new.contains_key(&(product.id, &*lot.number));
            if is_new && lot.quantity.is_zero() {
                let pointer = format!("{pointer}/lots/{i}/number");
                return Err(Error::UnknownLot { pointer }.into());
            }
        }
    }
    make_lots(tx, &mut known, &new).await?;
    let mut found = Vec::with_capacity(lines.len());
    for Named { product, lots, pointer, .. } in lines {
        let mut of_line = Vec::with_capacity(lots.len());
        for (i, lot) in lots.iter().enumerate() {
            let is = &known[&(product.id, lot.number.to_string())];
            if lot.expires_on.is_some() && lot.expires_on != is.expires_on {
                let pointer = format!("{pointer}/lots/{i}/expires_on");
                return Err(Error::LotDiffers { pointer }.into());
            }
            of_line.push((is.id, lot.quantity));
        }
        found.push(of_line);
    }
    Ok(found)
}

/// What a count has found of lots.
pub(crate) async fn lots_of(tx: &Tx, id: StockCountId) -> Result<CountedLots> {
    let sql = "SELECT s.* FROM stock_count_lines l JOIN stock_count_lots s ON s.line_id = l.id \
               WHERE l.count_id = $1 ORDER BY s.line_id, s.lot_id NULLS LAST";
    let rows: Vec<stock_count_lot::Model> = query_all(&**tx, sql, vec![id.into()]).await?;
    let mut lots = CountedLots::new();
    for row in rows {
        lots.entry(row.line_id).or_default().push(row);
    }
    Ok(lots)
}

/// Writes what the books say now of the lots that were counted then, as far as other counts have
/// put them right meanwhile. Of `outdated` products they are right: another counted later.
pub(crate) async fn correct_lots(
    tx: &Tx,
    id: StockCountId,
    outdated: &BTreeSet<ProductId>,
    lots: &mut CountedLots,
) -> Result<()> {
    let mut corrected = BTreeMap::new();
    for row in corrected_by_others(tx, id).await? {
        if outdated.contains(&row.product_id) {
            continue;
        }
        let rows = lots.entry(row.line_id).or_default();
        let at = rows.iter().position(|lot| lot.lot_id == row.lot_id).unwrap_or_else(|| {
            // It was not there by the books, and nobody found any.
            rows.push(stock_count_lot::Model {
                id: Uuid::now_v7(),
                line_id: row.line_id,
                product_id: row.product_id,
                lot_id: row.lot_id,
                book: Quantity::ZERO,
                counted: Quantity::ZERO,
                is_serial: row.is_serial,
            });
            rows.len() - 1
        });
        rows[at].book = rows[at].book.checked_add(row.corrected).map_err(internal)?;
        corrected.insert(rows[at].id, rows[at].clone());
    }
    for lot in lots.values_mut().flatten().filter(|lot| outdated.contains(&lot.product_id)) {
        lot.book = lot.counted;
        corrected.insert(lot.id, lot.clone());
    }
    let columns = [
        ("id", Column::Uuid),
        ("line_id", Column::Uuid),
        ("product_id", Column::Uuid),
        ("lot_id", Column::Uuid),
        ("book", Column::BigInt),
        ("counted", Column::BigInt),
        ("is_serial", Column::Bool),
    ];
    let corrected: Vec<_> = corrected.into_values().collect();
    for corrected in corrected.chunks(BATCH) {
        let rows = corrected.iter().map(|lot| {
            vec![
                lot.id.into(),
                lot.line_id.into(),
                lot.product_id.into(),
                lot.lot_id.into(),
                lot.book.into(),
                lot.counted.into(),
                lot.is_serial.into(),
            ]
        });
        let values = Values::new(tx.get_database_backend(), "v", &columns, rows);
        let (sql, values) = values.statement(
            "INSERT INTO stock_count_lots \
             (id, line_id, product_id, lot_id, book, counted, is_serial) \
             SELECT v.id, v.line_id, v.product_id, v.lot_id, v.book, v.counted, v.is_serial \
             FROM v WHERE true ON CONFLICT (line_id, COALESCE(lot_id, line_id)) \
             DO UPDATE SET book = excluded.book",
        );
        execute(&**tx, sql, values).await?;
    }
    Ok(())
}

/// What other counts have posted of a lot since a line was counted by lot.
#[derive(FromQueryResult)]
struct Corrected {
    line_id: Uuid,
    product_id: ProductId,
    lot_id: Option<LotId>,
    is_serial: bool,
    corrected: Quantity,
}

async fn corrected_by_others(tx: &Tx, id: StockCountId) -> Result<Vec<Corrected>> {
    let sql = "SELECT l.id AS line_id, l.product_id, e.lot_id, \
                 (p.tracking = 'serial' AND e.lot_id IS NOT NULL) AS is_serial, \
                 CAST(SUM(e.quantity) AS BIGINT) AS corrected \
               FROM stock_count_lines l JOIN stock_counts c ON c.id = l.count_id \
               JOIN products p ON p.id = l.product_id \
               JOIN stock_moves m ON m.product_id = l.product_id \
               AND m.warehouse_id = c.warehouse_id AND m.source_type = 'stock_count' \
               AND m.source_id <> c.id AND m.created_at > l.counted_at \
               JOIN bin_entries e ON e.move_id = m.id \
               WHERE c.id = $1 \
               AND EXISTS (SELECT 1 FROM stock_count_lots s WHERE s.line_id = l.id) \
               GROUP BY l.id, l.product_id, e.lot_id, p.tracking HAVING SUM(e.quantity) <> 0 \
               ORDER BY l.id, e.lot_id";
    Ok(query_all(&**tx, sql, vec![id.into()]).await?)
}

/// What a line found of a lot, to be shown.
#[derive(FromQueryResult)]
pub(crate) struct FoundLot {
    line_id: Uuid,
    pub lot_id: Option<LotId>,
    pub number: Option<String>,
    pub expires_on: Option<NaiveDate>,
    pub book: Quantity,
    pub counted: Quantity,
}

/// What some lines have found of lots, in the order of their numbers.
pub(crate) async fn lots_of_lines(
    conn: &impl ConnectionTrait,
    lines: impl Iterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, Vec<FoundLot>>> {
    let mut lots: BTreeMap<Uuid, Vec<FoundLot>> = BTreeMap::new();
    let rows: Vec<_> = lines.map(|id| vec![id.into()]).collect();
    if rows.is_empty() {
        return Ok(lots);
    }
    let columns = [("id", Column::Uuid)];
    let (sql, values) = Values::new(conn.get_database_backend(), "k", &columns, rows).statement(
        "SELECT s.line_id, s.lot_id, o.number, o.expires_on, s.book, s.counted \
         FROM k JOIN stock_count_lots s ON s.line_id = k.id LEFT JOIN lots o ON o.id = s.lot_id \
         ORDER BY o.number NULLS LAST",
    );
    let rows: Vec<FoundLot> = query_all(conn, sql, values).await?;
    for row in rows {
        lots.entry(row.line_id).or_default().push(row);
    }
    Ok(lots)
}

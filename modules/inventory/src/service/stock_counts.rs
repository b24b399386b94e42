//! Stock takes: a list, what was counted, and making the books say so.

use std::collections::{BTreeMap, BTreeSet};

use contracts::ids::{ProductId, StockCountId};
use kernel::db::{insert_all, query_all};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QuerySelect,
};
use uuid::Uuid;

use crate::entities::stock_count::{self, CountStatus, MACHINE};
use crate::entities::{stock_count_line, stock_count_lot, stock_level};
use crate::error::Error;
use crate::routes::stock_counts::{
    ListStockCountLines, ListStockCounts, NewStockCount, StockCount, StockCountLine, StockCountLot,
};
use crate::service::counted_lots::{CountedLots, FoundLot, lots_of, lots_of_lines};
use crate::service::levels::{Key, Levels};
use crate::service::references::{check_scope, find_products, find_warehouse};
use crate::service::{MAX_RECEIPT_LINES, Service, check_line_count};

#[derive(FromQueryResult)]
struct Progress {
    count_id: StockCountId,
    lines: i64,
    counted: i64,
}

impl Service {
    pub(crate) async fn list_stock_counts(
        &self,
        ctx: &Ctx,
        query: ListStockCounts,
    ) -> Result<Page<StockCount>> {
        use stock_count::{Column, Entity, Model};
        let mut select = Entity::find();
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        select = ctx.scope.filter(select, Column::WarehouseId);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        let page =
            fetch(self.db.read(), select, Column::Id, id_of, "stock_counts", &request).await?;
        let progress = progress(self.db.read(), &page.data).await?;
        Ok(page.map(|row| with_progress(row, &progress)))
    }

    pub(crate) async fn stock_count(&self, id: StockCountId) -> Result<stock_count::Model> {
        let found = stock_count::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("stock count", id))
    }

    /// What a count has found. While a blind one goes on, nobody is told what to find.
    pub(crate) async fn stock_count_lines(
        &self,
        ctx: &Ctx,
        id: StockCountId,
        query: ListStockCountLines,
    ) -> Result<Page<StockCountLine>> {
        use stock_count_line::{Column, Entity, Model};
        let count = self.stock_count(id).await?;
        check_scope(ctx, [count.warehouse_id], "stock count", id)?;
        let hides_book = count.is_blind && count.status == CountStatus::Counting;
        let mut select = Entity::find().filter(Column::CountId.eq(id));
        if query.is_counted == Some(true) {
            select = select.filter(Column::Counted.is_not_null());
        } else if query.is_counted == Some(false) {
            select = select.filter(Column::Counted.is_null());
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id;
        let page =
            fetch(self.db.read(), select, Column::Id, id_of, "stock_count_lines", &request).await?;
        let counted = page.data.iter().filter(|row| row.counts > 0).map(|row| row.id);
        let mut lots = lots_of_lines(self.db.read(), counted).await?;
        Ok(page.map(|row| {
            let book = row.book.filter(|_| !hides_book);
            let lots = lots.remove(&row.id).unwrap_or_default().into_iter();
            let lots = lots.filter(|lot| !hides_book || lot.counted.is_positive());
            StockCountLine {
                product_id: row.product_id,
                counted: row.counted,
                counts: row.counts,
                book,
                // Both are at least zero: the difference is in range.
                variance: book.zip(row.counted).and_then(|(b, c)| c.checked_sub(b).ok()),
                unit_cost: row.unit_cost,
                counted_at: row.counted_at,
                lots: lots.map(|lot| shown(lot, hides_book)).collect(),
            }
        }))
    }

    /// Draws up the list: the products given, or all the warehouse has met.
    pub(crate) async fn create_stock_count(&self, ctx: &Ctx, new: NewStockCount) -> Result<Reply> {
        if new.tolerance_percent.is_some_and(|percent| percent > 100) {
            return Err(Error::InvalidTolerance.into());
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let warehouse_id = find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?.id;
        let products: BTreeSet<ProductId> = match new.product_ids {
            Some(ids) => {
                check_line_count(ids.len(), MAX_RECEIPT_LINES)?;
                find_products(&tx, &ids).await.map_err(|error| match error.code() {
                    "unknown_product" => {
                        Error::UnknownProduct { pointer: "/product_ids".into() }.into()
                    }
                    "product_is_kit" => Error::KitListed.into(),
                    _ => error,
                })?;
                ids.into_iter().collect()
            }
            None => {
                let rows = stock_level::Entity::find()
                    .filter(stock_level::Column::WarehouseId.eq(warehouse_id))
                    .limit(MAX_RECEIPT_LINES as u64 + 1)
                    .all(&*tx)
                    .await?;
                rows.into_iter().map(|row| row.product_id).collect()
            }
        };
        check_line_count(products.len(), MAX_RECEIPT_LINES)?;
        // What has never been in the warehouse has a level to be counted against from now on.
        let key = |product_id: &ProductId| Key { product_id: *product_id, warehouse_id };
        Levels::lock(&tx, &products.iter().map(key).collect()).await?;
        let id = StockCountId::new();
        let model = stock_count::Model {
            id,
            warehouse_id,
            status: CountStatus::Counting,
            is_blind: new.is_blind,
            tolerance_percent: new.tolerance_percent.map(Into::into),
            note: new.note.map(Into::into),
            submitted_by: None,
            approved_by: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        let model = model.into_active_model().insert(&*tx).await?;
        let lines: Vec<_> = products
            .into_iter()
            .map(|product_id| stock_count_line::Model {
                id: Uuid::now_v7(),
                count_id: id,
                product_id,
                book: None,
                counted: None,
                counts: 0,
                unit_cost: None,
                counted_at: None,
                counted_by: None,
            })
            .collect();
        insert_all(&*tx, lines.into_iter().map(IntoActiveModel::into_active_model)).await?;
        let count = present(&*tx, model).await?;
        tx.audit_new("stock_count", id.uuid(), &count)?;
        let location = format!("/api/v1/inventory/stock-counts/{id}");
        tx.reply(Reply::created(&count, location)).await
    }

    /// Submits, reopens or cancels a count.
    pub(crate) async fn step_stock_count(
        &self,
        ctx: &Ctx,
        id: StockCountId,
        action: &'static str,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<stock_count::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("stock count", id))?;
        check_scope(ctx, [before.warehouse_id], "stock count", id)?;
        ctx.check_version(before.version)?;
        let status = MACHINE.apply(before.status, action)?;
        if status == CountStatus::Submitted {
            let lines = stock_count_line::Entity::find()
                .filter(stock_count_line::Column::CountId.eq(id))
                .all(&*tx)
                .await?;
            let lots = match before.tolerance_percent {
                Some(_) => lots_of(&tx, id).await?,
                None => CountedLots::new(),
            };
            check_complete(&before, &lines, &lots)?;
        }
        let before_shown = present(&*tx, before.clone()).await?;
        let mut model = before.clone().into_active_model();
        model.status = Set(status);
        if status == CountStatus::Submitted {
            model.submitted_by = Set(ctx.actor.id);
        }
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = present(&*tx, model.update(&*tx).await?).await?;
        tx.audit("stock_count", id.uuid(), Some(&before_shown), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

fn shown(lot: FoundLot, hides_book: bool) -> StockCountLot {
    StockCountLot {
        lot_id: lot.lot_id,
        number: lot.number,
        expires_on: lot.expires_on,
        counted: lot.counted,
        book: (!hides_book).then_some(lot.book),
        variance: lot.counted.checked_sub(lot.book).ok().filter(|_| !hides_book),
    }
}

/// Everything on the list is counted, and twice what was too far from the books the first time.
fn check_complete(
    count: &stock_count::Model,
    lines: &[stock_count_line::Model],
    lots: &CountedLots,
) -> Result<(), Error> {
    let missing = lines.iter().filter(|line| line.counted.is_none()).count();
    if missing > 0 {
        return Err(Error::CountIncomplete { missing });
    }
    let Some(percent) = count.tolerance_percent else { return Ok(()) };
    let product_ids: Vec<_> = lines
        .iter()
        .filter(|line| {
            let lots = lots.get(&line.id).map_or(&[][..], Vec::as_slice);
            line.counts < 2 && is_beyond(line, lots, percent)
        })
        .map(|line| line.product_id)
        .take(100)
        .collect();
    if product_ids.is_empty() { Ok(()) } else { Err(Error::RecountRequired { product_ids }) }
}

/// Whether what was counted differs from the books by more than `percent` of them: what is less
/// or what is more, of lots too.
fn is_beyond(
    line: &stock_count_line::Model,
    lots: &[stock_count_lot::Model],
    percent: i64,
) -> bool {
    let (Some(book), Some(counted)) = (line.book, line.counted) else { return false };
    let variance = |book: Quantity, counted: Quantity| {
        i128::from(counted.micros()) - i128::from(book.micros())
    };
    let of_lots = lots.iter().map(|lot| variance(lot.book, lot.counted));
    let (less, more): (Vec<_>, Vec<_>) = of_lots.partition(|variance| *variance < 0);
    let most = variance(book, counted).abs().max(more.iter().sum()).max(-less.iter().sum::<i128>());
    most * 100 > i128::from(book.micros()) * i128::from(percent)
}

/// How far each of some counts is.
async fn progress(
    conn: &impl ConnectionTrait,
    rows: &[stock_count::Model],
) -> Result<BTreeMap<StockCountId, Progress>> {
    if rows.is_empty() {
        return Ok(BTreeMap::new());
    }
    let marks: Vec<_> = (1..=rows.len()).map(|i| format!("${i}")).collect();
    let sql = format!(
        "SELECT count_id, COUNT(*) AS lines, COUNT(counted) AS counted FROM stock_count_lines \
         WHERE count_id IN ({}) GROUP BY count_id",
        marks.join(", ")
    );
    let ids = rows.iter().map(|row| row.id.into()).collect();
    let found: Vec<Progress> = query_all(conn, sql, ids).await?;
    Ok(found.into_iter().map(|row| (row.count_id, row)).collect())
}

/// A count with how far it is.
pub(crate) async fn present(
    conn: &impl ConnectionTrait,
    row: stock_count::Model,
) -> Result<StockCount> {
    let progress = progress(conn, std::slice::from_ref(&row)).await?;
    Ok(with_progress(row, &progress))
}

fn with_progress(
    row: stock_count::Model,
    progress: &BTreeMap<StockCountId, Progress>,
) -> StockCount {
    let progress = progress.get(&row.id);
    StockCount {
        id: row.id,
        warehouse_id: row.warehouse_id,
        status: row.status,
        allowed_actions: MACHINE.allowed_actions(row.status),
        is_blind: row.is_blind,
        tolerance_percent: row.tolerance_percent.and_then(|percent| percent.try_into().ok()),
        note: row.note,
        lines: progress.map_or(0, |progress| progress.lines),
        counted: progress.map_or(0, |progress| progress.counted),
        submitted_by: row.submitted_by,
        approved_by: row.approved_by,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use contracts::ids::LotId;

    use super::*;

    #[test]
    fn a_variance_is_beyond_a_share_of_the_books() {
        let check = |book: i64, counted: i64, percent: i64, expected: bool| {
            let units = |units| Some(Quantity::from_units(units).expect("in range"));
            let line = stock_count_line::Model {
                id: Uuid::now_v7(),
                count_id: StockCountId::new(),
                product_id: ProductId::new(),
                book: units(book),
                counted: units(counted),
                counts: 1,
                unit_cost: None,
                counted_at: None,
                counted_by: None,
            };
            assert_eq!(is_beyond(&line, &[], percent), expected, "{book} {counted} {percent}");
            // As much less of one lot as is more of another.
            let lot = |book: i64, counted: i64| stock_count_lot::Model {
                id: Uuid::now_v7(),
                line_id: line.id,
                product_id: line.product_id,
                lot_id: Some(LotId::new()),
                book: units(book).expect("in range"),
                counted: units(counted).expect("in range"),
                is_serial: false,
            };
            let even = stock_count_line::Model { book: units(book), ..line.clone() };
            let even = stock_count_line::Model { counted: even.book, ..even };
            let lots = [lot(book, counted), lot(counted, book)];
            assert_eq!(is_beyond(&even, &lots, percent), expected, "{book} {counted} {percent}");
        };
        check(100, 98, 2, false);
        check(100, 97, 2, true);
        check(100, 103, 2, true);
        check(0, 0, 0, false);
        check(0, 1, 50, true);
        check(10, 10, 0, false);
    }
}

//! Recording what was counted, and approving it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::ids::{ProductId, StockCountId};
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::http::Reply;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, Value,
};

use crate::entities::product::Tracking;
use crate::entities::stock_count::{self, CountStatus, MACHINE};
use crate::entities::stock_count_line;
use crate::error::{Error, internal};
use crate::routes::stock_counts::{RecordCounts, StockCount};
use crate::service::count_variances::variances;
use crate::service::counted_lots::{Named, check_lots, correct_lots, lots_of, write_lots};
use crate::service::levels::{Key, Levels};
use crate::service::references::{check_fineness, check_scope, find_products};
use crate::service::stock_counts::present;
use crate::service::{MAX_LINES, Service, check_line_count};

/// Rows of one statement: their parameters have to fit.
const BATCH: usize = 1000;

impl Service {
    /// Writes down what is there, beside what the books say at this moment. Counted again,
    /// the last time is what counts.
    pub(crate) async fn record_counts(
        &self,
        ctx: &Ctx,
        id: StockCountId,
        record: RecordCounts,
    ) -> Result<Reply> {
        check_line_count(record.lines.len(), MAX_LINES)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let count = self.post_counts(&mut tx, id, record).await?;
        tx.reply(Reply::ok(&count)).await
    }

    /// Writes down 1 to [`MAX_LINES`] lines.
    pub(crate) async fn post_counts(
        &self,
        tx: &mut Tx,
        id: StockCountId,
        record: RecordCounts,
    ) -> Result<StockCount> {
        let count = lock(tx, id).await?;
        if count.status != CountStatus::Counting {
            return Err(MACHINE.illegal(count.status, "record"));
        }
        let ids: Vec<_> = record.lines.iter().map(|line| line.product_id).collect();
        let products = find_products(tx, &ids).await?;
        let listed = lines_of(tx, id, Some(&ids)).await?;
        let mut seen = BTreeSet::new();
        for (i, line) in record.lines.iter().enumerate() {
            let pointer = |field: &str| format!("/lines/{i}/{field}");
            if !listed.contains_key(&line.product_id) {
                return Err(Error::NotOnList { pointer: pointer("product_id") }.into());
            }
            if !seen.insert(line.product_id) {
                return Err(Error::DuplicateLine { pointer: pointer("product_id") }.into());
            }
            if line.quantity.is_negative() {
                return Err(Error::QuantityNegative { pointer: pointer("quantity") }.into());
            }
            let product = &products[&line.product_id];
            check_fineness(product, line.quantity, &pointer("quantity"))?;
            check_lots(product, line, &format!("/lines/{i}"))?;
        }
        let key = |product_id: ProductId| Key { product_id, warehouse_id: count.warehouse_id };
        let mut levels = Levels::lock(tx, &ids.iter().map(|id| key(*id)).collect()).await?;
        let tracked = record.lines.iter().enumerate().filter_map(|(i, line)| {
            let product = &products[&line.product_id];
            let (lots, pointer) = (&*line.lots, format!("/lines/{i}"));
            let listed = &listed[&line.product_id];
            let is_tracked = product.tracking != Tracking::None;
            is_tracked.then_some(Named { product, line: listed, lots, pointer })
        });
        // Levels first, then lots, as everywhere.
        write_lots(tx, count.warehouse_id, &tracked.collect::<Vec<_>>()).await?;
        let mut rows: Vec<Vec<Value>> = Vec::with_capacity(record.lines.len());
        for line in &record.lines {
            let book = levels.at(key(line.product_id))?.balance();
            rows.push(vec![
                line.product_id.into(),
                book.into(),
                line.quantity.into(),
                line.unit_cost.into(),
            ]);
        }
        let columns = [
            ("product_id", Column::Uuid),
            ("book", Column::BigInt),
            ("counted", Column::BigInt),
            ("unit_cost", Column::BigInt),
        ];
        let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
        let (now, count_id) = (values.bind(tx.now()), values.bind(id));
        let counted_by = values.bind(tx.ctx().actor.id);
        let (sql, values) = values.statement(&format!(
            "UPDATE stock_count_lines SET book = v.book, counted = v.counted, \
             unit_cost = v.unit_cost, counted_at = {now}, counted_by = {counted_by}, \
             counts = stock_count_lines.counts + 1 \
             FROM v WHERE stock_count_lines.count_id = {count_id} \
             AND stock_count_lines.product_id = v.product_id"
        ));
        execute(&**tx, sql, values).await?;
        let mut model = count.clone().into_active_model();
        model.version = Set(count.version + 1);
        model.updated_at = Set(tx.now());
        let after = present(&**tx, model.update(&**tx).await?).await?;
        tx.audit_new("stock_count", id.uuid(), &record.lines)?;
        Ok(after)
    }

    /// Posts what was counted less what the books said then (I-11): what has moved since is
    /// left alone, and what other counts have found meanwhile is not found again. Promises that
    /// can no longer be kept are broken, the newest first.
    pub(crate) async fn approve_stock_count(&self, ctx: &Ctx, id: StockCountId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = lock(&tx, id).await?;
        ctx.check_version(before.version)?;
        let status = MACHINE.apply(before.status, "approve")?;
        let mut lines = lines_of(&tx, id, None).await?;
        let is_own = |line: &stock_count_line::Model| {
            line.counted_by.is_some() && line.counted_by == ctx.actor.id
        };
        if before.submitted_by == ctx.actor.id || lines.values().any(is_own) {
            return Err(Error::OwnRequest.into());
        }
        let mut lots = lots_of(&tx, id).await?;
        let differ = variances(&lines, &lots)?.into_iter().map(|found| found.line.product_id);
        let found = found_by_others(&tx, id).await?.into_iter().map(|found| found.product_id);
        // What other counts have done to lots is seen only below.
        let by_lot = lines.values().filter(|line| lots.contains_key(&line.id));
        let by_lot = by_lot.map(|line| line.product_id);
        let concerned: BTreeSet<_> = differ.chain(found).chain(by_lot).collect();
        let key = |product_id: &ProductId| Key {
            product_id: *product_id,
            warehouse_id: before.warehouse_id,
        };
        let levels = Levels::lock_to_issue(&tx, &concerned.iter().map(key).collect()).await?;
        if !concerned.is_empty() {
            // Again, now that nobody else can post.
            let mut found = found_by_others(&tx, id).await?;
            found.retain(|found| concerned.contains(&found.product_id));
            correct_books(&tx, id, &found, &mut lines).await?;
            if !lots.is_empty() {
                let outdated = found.iter().filter(|found| found.is_outdated);
                let outdated = outdated.map(|found| found.product_id).collect();
                correct_lots(&tx, id, &outdated, &mut lots).await?;
            }
        }
        self.post_variances(&mut tx, &before, levels, variances(&lines, &lots)?).await?;
        let before_shown = present(&*tx, before.clone()).await?;
        let mut model = before.clone().into_active_model();
        model.status = Set(status);
        model.approved_by = Set(ctx.actor.id);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = present(&*tx, model.update(&*tx).await?).await?;
        tx.audit("stock_count", id.uuid(), Some(&before_shown), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

async fn lock(tx: &Tx, id: StockCountId) -> Result<stock_count::Model> {
    let found = tx.lock::<stock_count::Entity>(id).await?;
    let count = found.ok_or_else(|| kernel::Error::not_found("stock count", id))?;
    check_scope(tx.ctx(), [count.warehouse_id], "stock count", id)?;
    Ok(count)
}

/// The lines of a count, or those of some products.
async fn lines_of(
    tx: &Tx,
    id: StockCountId,
    products: Option<&[ProductId]>,
) -> Result<BTreeMap<ProductId, stock_count_line::Model>> {
    use stock_count_line::Column;
    let mut select = stock_count_line::Entity::find().filter(Column::CountId.eq(id));
    if let Some(products) = products {
        select = select.filter(Column::ProductId.is_in(products.iter().copied()));
    }
    let rows = select.all(&**tx).await?;
    Ok(rows.into_iter().map(|row| (row.product_id, row)).collect())
}

/// What other counts, posted meanwhile, say of a product on the list.
#[derive(FromQueryResult)]
struct Found {
    product_id: ProductId,
    /// What they have posted since it was counted here.
    corrected: Quantity,
    /// Whether one of them counted it later: it knows better.
    is_outdated: bool,
}

async fn found_by_others(tx: &Tx, id: StockCountId) -> Result<Vec<Found>> {
    let sql = "SELECT q.* FROM (SELECT l.product_id, \
                 COALESCE((SELECT CAST(SUM(CASE m.to_location WHEN 'warehouse' \
                   THEN m.quantity ELSE -m.quantity END) AS BIGINT) FROM stock_moves m \
                   WHERE m.product_id = l.product_id AND m.warehouse_id = c.warehouse_id \
                   AND m.source_type = 'stock_count' AND m.source_id <> c.id \
                   AND m.created_at > l.counted_at), 0) AS corrected, \
                 EXISTS (SELECT 1 FROM stock_count_lines o JOIN stock_counts p \
                   ON p.id = o.count_id WHERE o.product_id = l.product_id \
                   AND o.counted_at > l.counted_at AND p.id <> c.id \
                   AND p.warehouse_id = c.warehouse_id AND p.status = 'posted') AS is_outdated \
                 FROM stock_count_lines l JOIN stock_counts c ON c.id = l.count_id \
                 WHERE c.id = $1 AND l.counted IS NOT NULL) q \
               WHERE q.corrected <> 0 OR q.is_outdated";
    Ok(query_all(&**tx, sql, vec![id.into()]).await?)
}

/// Writes what the books say now of what was counted then beside it, as far as other counts have
/// put them right meanwhile: what is left to post is the difference (I-11).
async fn correct_books(
    tx: &Tx,
    id: StockCountId,
    found: &[Found],
    lines: &mut BTreeMap<ProductId, stock_count_line::Model>,
) -> Result<()> {
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for found in found {
        let Some(line) = lines.get_mut(&found.product_id) else { continue };
        let (Some(book), Some(counted)) = (line.book, line.counted) else { continue };
        let book = match found.is_outdated {
            true => counted,
            false => book.checked_add(found.corrected).map_err(internal)?,
        };
        line.book = Some(book);
        rows.push(vec![found.product_id.into(), book.into()]);
    }
    let columns = [("product_id", Column::Uuid), ("book", Column::BigInt)];
    for rows in rows.chunks(BATCH) {
        let rows = rows.iter().cloned();
        let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
        let count_id = values.bind(id);
        let (sql, values) = values.statement(&format!(
            "UPDATE stock_count_lines SET book = v.book FROM v \
             WHERE stock_count_lines.count_id = {count_id} \
             AND stock_count_lines.product_id = v.product_id"
        ));
        execute(&**tx, sql, values).await?;
    }
    Ok(())
}

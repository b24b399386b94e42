//! Recording what was counted, and posting the difference.

use std::collections::{BTreeMap, BTreeSet};

use contracts::events::StockAdjusted;
use contracts::ids::{ProductId, StockCountId};
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::http::Reply;
use kernel::money::Money;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, Value,
};

use crate::entities::stock_count::{self, CountStatus, MACHINE};
use crate::entities::stock_count_line;
use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::error::{Error, internal};
use crate::routes::stock_counts::{RecordCounts, StockCount};
use crate::service::adjustments::magnitude;
use crate::service::backorders::fill_backorders;
use crate::service::bins::Bins;
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::promises::break_newest;
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
        let on_list: BTreeSet<_> = lines_of(tx, id, Some(&ids)).await?.into_keys().collect();
        let mut seen = BTreeSet::new();
        for (i, line) in record.lines.iter().enumerate() {
            let pointer = |field: &str| format!("/lines/{i}/{field}");
            if !on_list.contains(&line.product_id) {
                return Err(Error::NotOnList { pointer: pointer("product_id") }.into());
            }
            if !seen.insert(line.product_id) {
                return Err(Error::DuplicateLine { pointer: pointer("product_id") }.into());
            }
            if line.quantity.is_negative() {
                return Err(Error::QuantityNegative { pointer: pointer("quantity") }.into());
            }
            check_fineness(&products[&line.product_id], line.quantity, &pointer("quantity"))?;
        }
        let key = |product_id: ProductId| Key { product_id, warehouse_id: count.warehouse_id };
        let mut levels = Levels::lock(tx, &ids.iter().map(|id| key(*id)).collect()).await?;
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
        let differ = variances(&lines)?.into_iter().map(|(line, _)| line.product_id);
        let found = found_by_others(&tx, id).await?.into_iter().map(|found| found.product_id);
        let concerned: BTreeSet<_> = differ.chain(found).collect();
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
        }
        self.post_variances(&mut tx, &before, levels, variances(&lines)?).await?;
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

    async fn post_variances(
        &self,
        tx: &mut Tx,
        count: &stock_count::Model,
        mut levels: Levels,
        variances: Vec<(stock_count_line::Model, Quantity)>,
    ) -> Result<()> {
        if variances.is_empty() {
            return Ok(());
        }
        let warehouse_id = count.warehouse_id;
        let key = |product_id: ProductId| Key { product_id, warehouse_id };
        let (mut missing, mut outdated) = (Vec::new(), Vec::new());
        for (line, variance) in variances.iter().filter(|(_, variance)| variance.is_negative()) {
            let (asked, level) = (magnitude(*variance)?, levels.at(key(line.product_id))?);
            if asked > level.on_hand {
                outdated.push(line.product_id);
            } else if asked > level.unreserved() {
                let short = asked.checked_sub(level.unreserved()).map_err(internal)?;
                missing.push((key(line.product_id), short));
            }
        }
        if !outdated.is_empty() {
            outdated.truncate(100);
            return Err(Error::CountOutdated { product_ids: outdated }.into());
        }
        break_newest(tx, &mut levels, &missing).await?;
        let mut moves = Vec::with_capacity(variances.len());
        for (line, variance) in &variances {
            let (quantity, level) = (magnitude(*variance)?, levels.at(key(line.product_id))?);
            let too_large = |source| Error::TooLarge { pointer: String::new(), source };
            let comes_in = variance.is_positive();
            let value = match line.unit_cost {
                _ if !comes_in => level
                    .issue(quantity, &self.company)
                    .map_err(|_| kernel::Error::internal("a level changed under its lock"))?,
                None if level.balance().is_zero() => {
                    return Err(Error::CostOfFoundRequired { product_id: line.product_id }.into());
                }
                Some(unit_cost) if level.on_hand.is_zero() => {
                    level.receive_at(quantity, unit_cost, &self.company).map_err(too_large)?
                }
                _ => level.receive_at_average(quantity, &self.company).map_err(too_large)?,
            };
            let (from, to) = match comes_in {
                true => (LocationKind::Adjustment, LocationKind::Warehouse),
                false => (LocationKind::Warehouse, LocationKind::Adjustment),
            };
            moves.push(NewMove {
                kind: MoveKind::Adjustment,
                product_id: line.product_id,
                from,
                to,
                warehouse_id: Some(warehouse_id),
                quantity,
                unit_cost: None,
                value,
                line_id: None,
                reverses_id: None,
                bins: Bins::Any,
            });
        }
        let reason = "Stock count".to_owned();
        let posting = Posting {
            source_type: MoveSourceType::StockCount,
            source_id: count.id.uuid(),
            moved_on: tx.now().date_naive(),
            reason: Some(reason.clone()),
            reason_code: None,
        };
        let posted = post(tx, &mut levels, posting, moves).await?;
        for (posted, (_, variance)) in posted.iter().zip(&variances) {
            let minor = posted.value.minor() * variance.micros().signum();
            let adjusted = StockAdjusted {
                move_id: posted.id,
                product_id: posted.product_id,
                warehouse_id,
                adjusted_on: posted.moved_on,
                quantity: *variance,
                value: Money::new(minor, posted.value.currency()),
                reason: reason.clone(),
                is_cost_of_sales: false,
            };
            // A count does not read the products; their version tells nothing here.
            tx.publish(posted.product_id.uuid(), 0, &adjusted)?;
        }
        fill_backorders(tx, &mut levels).await?;
        levels.store(tx).await
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

/// What differs, and by how much.
fn variances(
    lines: &BTreeMap<ProductId, stock_count_line::Model>,
) -> Result<Vec<(stock_count_line::Model, Quantity)>> {
    let mut found = Vec::new();
    for line in lines.values() {
        let (Some(book), Some(counted)) = (line.book, line.counted) else { continue };
        let variance = counted.checked_sub(book).map_err(internal)?;
        if !variance.is_zero() {
            found.push((line.clone(), variance));
        }
    }
    Ok(found)
}

//! Reports on stock: each a page of what the tables say, none kept anywhere.

use chrono::{Days, NaiveDate, Utc};
use contracts::ids::{LotId, ProductId, WarehouseId};
use kernel::Result;
use kernel::date::check_date;
use kernel::db::query_all;
use kernel::money::{Money, Rounding, round_div};
use kernel::page::{Cursor, Limit, Page, PageRequest};
use kernel::quantity::Quantity;
use sea_orm::{FromQueryResult, Value};
use uuid::Uuid;

use crate::entities::lot::LotStatus;
use crate::error::Error;
use crate::routes::reports::{
    AgeingRow, ExpiringLot, ReportLotExpiry, ReportSlowMovers, ReportStock, ReportTurnover,
    SlowMover, StockShortage, TurnoverRow,
};
use crate::service::Service;

/// The part of a query that is the same in all reports: where a page begins and ends, and the
/// warehouse it is of.
struct Window {
    request: PageRequest,
    values: Vec<Value>,
    conditions: String,
}

impl Window {
    /// `id` and `warehouse` name the columns; `values` come first.
    fn new(
        (limit, cursor): (Limit, Option<Cursor>),
        list: &str,
        mut values: Vec<Value>,
        (id, warehouse): (&str, &str),
        warehouse_id: Option<WarehouseId>,
    ) -> Result<Self> {
        let request = PageRequest { limit, cursor, sort: Default::default() };
        let mut conditions = String::new();
        if let Some(after) = request.after(list)? {
            values.push(after.into());
            conditions += &format!(" AND {id} > ${}", values.len());
        }
        if let Some(warehouse_id) = warehouse_id {
            values.push(warehouse_id.into());
            conditions += &format!(" AND {warehouse} = ${}", values.len());
        }
        Ok(Window { request, values, conditions })
    }

    fn rows(&self) -> usize {
        self.request.limit.rows() + 1
    }
}

impl Service {
    pub(crate) async fn report_ageing(&self, query: ReportStock) -> Result<Page<AgeingRow>> {
        #[derive(FromQueryResult)]
        struct Row {
            id: Uuid,
            product_id: ProductId,
            sku: String,
            warehouse_id: WarehouseId,
            on_hand: Quantity,
            value_minor: i64,
            first: Quantity,
            second: Quantity,
            third: Quantity,
        }
        let today = Utc::now().date_naive();
        let values = [30, 90, 180].map(|days| (today - Days::new(days)).into());
        let at = (query.limit, query.cursor);
        let columns = ("s.id", "s.warehouse_id");
        let window = Window::new(at, "ageing", values.into(), columns, query.warehouse_id)?;
        // Of what came, the newest is what is still there. What was taken back has not come, and
        // what left by mistake is as old as it was. What a count found of one lot and missed of
        // another was there before: its moves follow those of what was missing.
        let sql = format!(
            "WITH lvl AS (SELECT s.id, s.product_id, p.sku, s.warehouse_id, s.on_hand, \
               s.value_minor FROM stock_levels s JOIN products p ON p.id = s.product_id \
               WHERE s.on_hand > 0{} ORDER BY s.id LIMIT {}), \
             came AS (SELECT lvl.id, m.moved_on, m.quantity, lvl.on_hand, \
               SUM(m.quantity) OVER (PARTITION BY lvl.id ORDER BY m.moved_on DESC, m.id DESC \
               ROWS UNBOUNDED PRECEDING) - m.quantity AS newer \
               FROM lvl JOIN stock_moves m ON m.product_id = lvl.product_id \
               AND m.warehouse_id = lvl.warehouse_id AND m.to_location = 'warehouse' \
               AND m.reverses_id IS NULL \
               AND NOT EXISTS (SELECT 1 FROM stock_moves r WHERE r.reverses_id = m.id) \
               AND NOT (m.source_type = 'stock_count' AND EXISTS (SELECT 1 FROM stock_moves o \
                 WHERE o.source_id = m.source_id AND o.product_id = m.product_id \
                 AND o.from_location = 'warehouse' AND o.id < m.id))), \
             left_of AS (SELECT id, moved_on, CASE WHEN newer + quantity <= on_hand \
               THEN quantity ELSE on_hand - newer END AS quantity FROM came WHERE newer < on_hand), \
             ages AS (SELECT id, \
               CAST(SUM(CASE WHEN moved_on >= $1 THEN quantity ELSE 0 END) AS BIGINT) AS first, \
               CAST(SUM(CASE WHEN moved_on < $1 AND moved_on >= $2 THEN quantity ELSE 0 END) \
                 AS BIGINT) AS second, \
               CAST(SUM(CASE WHEN moved_on < $2 AND moved_on >= $3 THEN quantity ELSE 0 END) \
                 AS BIGINT) AS third FROM left_of GROUP BY id) \
             SELECT lvl.*, COALESCE(a.first, 0) AS first, COALESCE(a.second, 0) AS second, \
             COALESCE(a.third, 0) AS third FROM lvl LEFT JOIN ages a ON a.id = lvl.id \
             ORDER BY lvl.id",
            window.conditions,
            window.rows()
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, window.values).await?;
        let page = Page::cut(rows, |row| row.id, "ageing", &window.request);
        Ok(page.map(|row| {
            let known = row.first.micros() + row.second.micros() + row.third.micros();
            AgeingRow {
                product_id: row.product_id,
                sku: row.sku,
                warehouse_id: row.warehouse_id,
                on_hand: row.on_hand,
                value: Money::new(row.value_minor, self.company.currency),
                up_to_30_days: row.first,
                up_to_90_days: row.second,
                up_to_180_days: row.third,
                older: Quantity::from_micros(row.on_hand.micros() - known),
            }
        }))
    }

    pub(crate) async fn report_slow_movers(
        &self,
        query: ReportSlowMovers,
    ) -> Result<Page<SlowMover>> {
        #[derive(FromQueryResult)]
        struct Row {
            id: Uuid,
            product_id: ProductId,
            sku: String,
            warehouse_id: WarehouseId,
            on_hand: Quantity,
            value_minor: i64,
            last_issued_on: Option<NaiveDate>,
        }
        let days = query.days.unwrap_or(90);
        if !(1..=3650).contains(&days) {
            return Err(Error::DaysOutOfRange.into());
        }
        let since = Utc::now().date_naive() - Days::new(days.into());
        let at = (query.limit, query.cursor);
        let columns = ("s.id", "s.warehouse_id");
        let list = "slow_movers";
        let window = Window::new(at, list, vec![since.into()], columns, query.warehouse_id)?;
        let sql = format!(
            "SELECT q.*, p.sku FROM (SELECT s.id, s.product_id, s.warehouse_id, s.on_hand, \
               s.value_minor, (SELECT MAX(m.moved_on) FROM stock_moves m \
                 WHERE m.product_id = s.product_id AND m.warehouse_id = s.warehouse_id \
                 AND m.kind = 'issue') AS last_issued_on \
               FROM stock_levels s WHERE s.on_hand > 0{}) q JOIN products p ON p.id = q.product_id \
             WHERE q.last_issued_on IS NULL OR q.last_issued_on < $1 ORDER BY q.id LIMIT {}",
            window.conditions,
            window.rows()
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, window.values).await?;
        let page = Page::cut(rows, |row| row.id, list, &window.request);
        Ok(page.map(|row| SlowMover {
            product_id: row.product_id,
            sku: row.sku,
            warehouse_id: row.warehouse_id,
            on_hand: row.on_hand,
            value: Money::new(row.value_minor, self.company.currency),
            last_issued_on: row.last_issued_on,
        }))
    }

    pub(crate) async fn report_shortages(&self, query: ReportStock) -> Result<Page<StockShortage>> {
        #[derive(FromQueryResult)]
        struct Row {
            id: Uuid,
            product_id: ProductId,
            sku: String,
            warehouse_id: WarehouseId,
            on_hand: Quantity,
            backordered: Quantity,
            expected: Quantity,
            expected_on: Option<NaiveDate>,
        }
        let at = (query.limit, query.cursor);
        let columns = ("s.id", "s.warehouse_id");
        let window = Window::new(at, "shortages", Vec::new(), columns, query.warehouse_id)?;
        let expected = "FROM expected_receipts e WHERE e.product_id = s.product_id \
                        AND e.warehouse_id = s.warehouse_id AND e.quantity > e.received";
        let sql = format!(
            "SELECT s.id, s.product_id, p.sku, s.warehouse_id, s.on_hand - s.owed AS on_hand, \
             s.backordered, \
             COALESCE((SELECT CAST(SUM(e.quantity - e.received) AS BIGINT) {expected}), 0) \
               AS expected, (SELECT MIN(e.expected_on) {expected}) AS expected_on \
             FROM stock_levels s JOIN products p ON p.id = s.product_id \
             WHERE s.backordered > 0{} ORDER BY s.id LIMIT {}",
            window.conditions,
            window.rows()
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, window.values).await?;
        let page = Page::cut(rows, |row| row.id, "shortages", &window.request);
        Ok(page.map(|row| StockShortage {
            product_id: row.product_id,
            sku: row.sku,
            warehouse_id: row.warehouse_id,
            on_hand: row.on_hand,
            backordered: row.backordered,
            expected: row.expected,
            expected_on: row.expected_on,
        }))
    }

    pub(crate) async fn report_lot_expiry(
        &self,
        query: ReportLotExpiry,
    ) -> Result<Page<ExpiringLot>> {
        #[derive(FromQueryResult)]
        struct Row {
            lot_id: LotId,
            number: String,
            product_id: ProductId,
            sku: String,
            expires_on: NaiveDate,
            status: LotStatus,
            quantity: Quantity,
        }
        let by = query.expires_by.unwrap_or_else(|| Utc::now().date_naive() + Days::new(30));
        check_date(by, "?expires_by")?;
        let at = (query.limit, query.cursor);
        let columns = ("l.id", "b.warehouse_id");
        let list = "lot_expiry";
        let window = Window::new(at, list, vec![by.into()], columns, query.warehouse_id)?;
        let sql = format!(
            "SELECT l.id AS lot_id, l.number, l.product_id, p.sku, l.expires_on, l.status, \
             CAST(SUM(b.quantity) AS BIGINT) AS quantity FROM lots l \
             JOIN bins b ON b.lot_id = l.id JOIN products p ON p.id = l.product_id \
             WHERE l.expires_on <= $1 AND b.quantity > 0{} \
             GROUP BY l.id, l.number, l.product_id, p.sku, l.expires_on, l.status \
             ORDER BY l.id LIMIT {}",
            window.conditions,
            window.rows()
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, window.values).await?;
        let page = Page::cut(rows, |row| row.lot_id.uuid(), list, &window.request);
        Ok(page.map(|row| ExpiringLot {
            lot_id: row.lot_id,
            number: row.number,
            product_id: row.product_id,
            sku: row.sku,
            expires_on: row.expires_on,
            status: row.status,
            quantity: row.quantity,
        }))
    }

    pub(crate) async fn report_turnover(&self, query: ReportTurnover) -> Result<Page<TurnoverRow>> {
        #[derive(FromQueryResult)]
        struct Row {
            product_id: ProductId,
            sku: String,
            issued: Quantity,
            cost_minor: i64,
            opening_minor: i64,
            closing_minor: i64,
        }
        let to = query.to.unwrap_or_else(|| Utc::now().date_naive());
        check_date(to, "?to")?;
        let from = query.from.unwrap_or_else(|| to - Days::new(90));
        check_date(from, "?from")?;
        if from > to {
            return Err(Error::PeriodBackwards.into());
        }
        let at = (query.limit, query.cursor);
        let columns = ("m.product_id", "m.warehouse_id");
        let values = vec![from.into(), to.into()];
        let window = Window::new(at, "turnover", values, columns, query.warehouse_id)?;
        // From what there is now, back: `since` is what moved after the period, `within` what
        // moved from its first day on.
        let sql = format!(
            "SELECT q.*, p.sku FROM (SELECT m.product_id, \
               CAST(SUM(m.issued) AS BIGINT) AS issued, \
               CAST(SUM(m.cost_minor) AS BIGINT) AS cost_minor, \
               CAST(SUM(m.now_minor - m.within_minor) AS BIGINT) AS opening_minor, \
               CAST(SUM(m.now_minor - m.since_minor) AS BIGINT) AS closing_minor FROM (\
               SELECT product_id, warehouse_id, value_minor - owed_minor AS now_minor, \
                 0 AS within_minor, \
                 0 AS since_minor, 0 AS issued, 0 AS cost_minor FROM stock_levels \
               UNION ALL SELECT product_id, warehouse_id, 0, \
                 CASE to_location WHEN 'warehouse' THEN value_minor ELSE -value_minor END, \
                 CASE WHEN moved_on <= $2 THEN 0 WHEN to_location = 'warehouse' \
                   THEN value_minor ELSE -value_minor END, \
                 CASE WHEN moved_on > $2 THEN 0 WHEN kind = 'issue' THEN quantity \
                   WHEN kind = 'return' THEN -quantity ELSE 0 END, \
                 CASE WHEN moved_on > $2 THEN 0 WHEN kind = 'issue' THEN value_minor \
                   WHEN kind = 'return' THEN -value_minor ELSE 0 END \
               FROM stock_moves WHERE moved_on >= $1 AND warehouse_id IS NOT NULL \
               UNION ALL SELECT product_id, warehouse_id, 0, value_minor, \
                 CASE WHEN booked_on <= $2 THEN 0 ELSE value_minor END, 0, 0 \
               FROM cost_layers WHERE booked_on >= $1 \
               UNION ALL SELECT product_id, warehouse_id, 0, value_minor, \
                 CASE WHEN booked_on <= $2 THEN 0 ELSE value_minor END, 0, 0 \
               FROM cost_variances WHERE booked_on >= $1) m WHERE true{} \
               GROUP BY m.product_id ORDER BY m.product_id LIMIT {}) q \
             JOIN products p ON p.id = q.product_id ORDER BY q.product_id",
            window.conditions,
            window.rows()
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, window.values).await?;
        let page = Page::cut(rows, |row| row.product_id.uuid(), "turnover", &window.request);
        let money = |minor| Money::new(minor, self.company.currency);
        Ok(page.map(|row| TurnoverRow {
            product_id: row.product_id,
            sku: row.sku,
            issued: row.issued,
            cost: money(row.cost_minor),
            opening_value: money(row.opening_minor),
            closing_value: money(row.closing_minor),
            turns: turns(row.cost_minor, row.opening_minor, row.closing_minor),
        }))
    }
}

/// How often the mean of two values was sold, to two decimals.
fn turns(cost_minor: i64, opening_minor: i64, closing_minor: i64) -> Option<String> {
    let both = i128::from(opening_minor) + i128::from(closing_minor);
    if both <= 0 {
        return None;
    }
    let hundredths = round_div(i128::from(cost_minor) * 200, both, Rounding::HalfUp);
    let (sign, hundredths) = (if hundredths < 0 { "-" } else { "" }, hundredths.abs());
    Some(format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_the_cost_over_the_mean() {
        let check = |cost, opening, closing, expected: Option<&str>| {
            assert_eq!(turns(cost, opening, closing).as_deref(), expected);
        };
        check(100, 50, 50, Some("2.00"));
        check(425, 50, 150, Some("4.25"));
        check(1, 200, 200, Some("0.01"));
        check(0, 5, 0, Some("0.00"));
        check(5, 0, 0, None);
        // More came back than left.
        check(-5, 50, 50, Some("-0.10"));
        check(-425, 50, 150, Some("-4.25"));
    }
}

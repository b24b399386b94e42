//! What the stock was worth on a day: what it was worth when a period was closed before, and what
//! has moved until then, or what it is worth now, less what has moved since.

use chrono::{NaiveDate, TimeDelta, Utc};
use contracts::ids::ProductId;
use kernel::Result;
use kernel::date::check_date;
use kernel::db::{query_all, query_one};
use kernel::money::Money;
use kernel::page::{Page, PageRequest};
use kernel::quantity::Quantity;
use sea_orm::{FromQueryResult, Value};

use crate::routes::valuation::{GetValuation, ValuationReport, ValuationRow};
use crate::service::Service;

#[derive(FromQueryResult)]
struct Row {
    product_id: ProductId,
    sku: String,
    quantity: Quantity,
    value_minor: i64,
}

#[derive(FromQueryResult)]
struct Total {
    value_minor: Option<i64>,
}

/// The newest period closed at the end of day `$1` or before, unless `$2` is after its end.
const BASE: &str = "WITH base AS (SELECT id, through FROM stock_periods \
    WHERE status = 'closed' AND through <= $1 AND through >= $2 \
    ORDER BY through DESC LIMIT 1)";

/// What there was at the end of the base, and what moved or came to be known of the cost from
/// there to the day. Without a base: what there is now, less what has moved since the day; of
/// today it reads no move at all. One statement finds the base and reads it, for it may be
/// reopened between two.
const LEDGER: &str = "(SELECT s.product_id, s.warehouse_id, s.quantity, s.value_minor \
    FROM base b JOIN stock_snapshots s ON s.period_id = b.id \
    UNION ALL SELECT product_id, warehouse_id, \
    CASE to_location WHEN 'warehouse' THEN quantity ELSE -quantity END, \
    CASE to_location WHEN 'warehouse' THEN value_minor ELSE -value_minor END \
    FROM stock_moves WHERE moved_on > (SELECT through FROM base) AND moved_on <= $1 \
    AND warehouse_id IS NOT NULL \
    UNION ALL SELECT product_id, warehouse_id, 0, value_minor FROM cost_layers \
    WHERE booked_on > (SELECT through FROM base) AND booked_on <= $1 \
    UNION ALL SELECT product_id, warehouse_id, 0, value_minor FROM cost_variances \
    WHERE booked_on > (SELECT through FROM base) AND booked_on <= $1 \
    UNION ALL SELECT product_id, warehouse_id, on_hand - owed, value_minor - owed_minor \
    FROM stock_levels \
    WHERE NOT EXISTS (SELECT 1 FROM base) \
    UNION ALL SELECT product_id, warehouse_id, \
    CASE to_location WHEN 'warehouse' THEN -quantity ELSE quantity END, \
    CASE to_location WHEN 'warehouse' THEN -value_minor ELSE value_minor END \
    FROM stock_moves WHERE moved_on > $1 AND warehouse_id IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM base) \
    UNION ALL SELECT product_id, warehouse_id, 0, -value_minor FROM cost_layers \
    WHERE booked_on > $1 AND NOT EXISTS (SELECT 1 FROM base) \
    UNION ALL SELECT product_id, warehouse_id, 0, -value_minor FROM cost_variances \
    WHERE booked_on > $1 AND NOT EXISTS (SELECT 1 FROM base))";

/// The day as far before another as today is after it: what ended longer ago is further to go
/// from than today.
fn earliest_base(as_of: NaiveDate, today: NaiveDate) -> NaiveDate {
    as_of.checked_sub_signed((today - as_of).max(TimeDelta::zero())).unwrap_or(as_of)
}

impl Service {
    pub(crate) async fn valuation(&self, query: GetValuation) -> Result<ValuationReport> {
        let today = Utc::now().date_naive();
        let as_of = query.as_of.unwrap_or(today);
        check_date(as_of, "?as_of")?;
        let request =
            PageRequest { limit: query.limit, cursor: query.cursor, sort: Default::default() };
        let mut values: Vec<Value> = vec![as_of.into(), earliest_base(as_of, today).into()];
        let mut conditions = "true".to_owned();
        if let Some(warehouse_id) = query.warehouse_id {
            values.push(warehouse_id.into());
            conditions += &format!(" AND m.warehouse_id = ${}", values.len());
        }
        let sql = format!(
            "{BASE} SELECT CAST(SUM(m.value_minor) AS BIGINT) AS value_minor \
             FROM {LEDGER} m WHERE {conditions}"
        );
        let total: Option<Total> = query_one(self.db.read(), sql, values.clone()).await?;
        if let Some(after) = request.after("valuation")? {
            values.push(after.into());
            conditions += &format!(" AND m.product_id > ${}", values.len());
        }
        let sql = format!(
            "{BASE} SELECT q.product_id, p.sku, q.quantity, q.value_minor FROM (SELECT m.product_id, \
               CAST(SUM(m.quantity) AS BIGINT) AS quantity, \
               CAST(SUM(m.value_minor) AS BIGINT) AS value_minor \
               FROM {LEDGER} m WHERE {conditions} GROUP BY m.product_id \
               HAVING SUM(m.quantity) <> 0 OR SUM(m.value_minor) <> 0 \
               ORDER BY m.product_id LIMIT {}) q \
             JOIN products p ON p.id = q.product_id ORDER BY q.product_id",
            request.limit.rows() + 1
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, values).await?;
        let page = Page::cut(rows, |row| row.product_id.uuid(), "valuation", &request);
        let currency = self.company.currency;
        let page = page.map(|row| ValuationRow {
            product_id: row.product_id,
            sku: row.sku,
            quantity: row.quantity,
            value: Money::new(row.value_minor, currency),
        });
        let total = total.and_then(|total| total.value_minor).unwrap_or_default();
        let total = Money::new(total, currency);
        Ok(ValuationReport { as_of, total, data: page.data, page: page.page })
    }
}

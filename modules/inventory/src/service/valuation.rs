//! What the stock was worth on a day: what it is worth now, less what has moved since.

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

/// What there is now, less what has moved since that day and what came to be known of the cost
/// since. The further back, the more it has to read; of today it reads no move at all.
const LEDGER: &str = "(SELECT product_id, warehouse_id, on_hand AS quantity, value_minor \
    FROM stock_levels \
    UNION ALL SELECT product_id, warehouse_id, \
    CASE to_location WHEN 'warehouse' THEN -quantity ELSE quantity END, \
    CASE to_location WHEN 'warehouse' THEN -value_minor ELSE value_minor END \
    FROM stock_moves WHERE moved_on > $1 AND warehouse_id IS NOT NULL \
    UNION ALL SELECT product_id, warehouse_id, 0, -value_minor FROM cost_layers \
    WHERE booked_on > $1 \
    UNION ALL SELECT product_id, warehouse_id, 0, -value_minor FROM cost_variances \
    WHERE booked_on > $1)";

impl Service {
    pub(crate) async fn valuation(&self, query: GetValuation) -> Result<ValuationReport> {
        let as_of = query.as_of.unwrap_or_else(|| chrono::Utc::now().date_naive());
        check_date(as_of, "?as_of")?;
        let request =
            PageRequest { limit: query.limit, cursor: query.cursor, sort: Default::default() };
        let mut values: Vec<Value> = vec![as_of.into()];
        let mut conditions = "true".to_owned();
        if let Some(warehouse_id) = query.warehouse_id {
            values.push(warehouse_id.into());
            conditions += &format!(" AND m.warehouse_id = ${}", values.len());
        }
        let sql = format!(
            "SELECT CAST(SUM(m.value_minor) AS BIGINT) AS value_minor \
             FROM {LEDGER} m WHERE {conditions}"
        );
        let total: Option<Total> = query_one(self.db.read(), sql, values.clone()).await?;
        if let Some(after) = request.after("valuation")? {
            values.push(after.into());
            conditions += &format!(" AND m.product_id > ${}", values.len());
        }
        let sql = format!(
            "SELECT q.product_id, p.sku, q.quantity, q.value_minor FROM (SELECT m.product_id, \
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

//! What a customer pays: which price list answers, and which of its quantity breaks.

use chrono::NaiveDate;
use contracts::ids::CustomerId;
use contracts::sales::{LineToPrice, PricedLine};
use kernel::Result;
use kernel::db::{Column, Values, query_all};
use kernel::money::{Currency, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::service::Service;

#[derive(FromQueryResult)]
struct Winner {
    line: i64,
    unit_price: UnitPrice,
    price_list: String,
    min_quantity: Quantity,
}

impl Service {
    /// The price of each line, in their order. One statement for any number of lines:
    /// it joins them with the prices of the (at most two) lists that hold, and keeps the
    /// best of each line: the customer's own list before the default one, then the
    /// highest quantity reached.
    pub(crate) async fn price(
        &self,
        customer_id: CustomerId,
        currency: Currency,
        on: NaiveDate,
        lines: &[LineToPrice],
    ) -> Result<Vec<Option<PricedLine>>> {
        let mut priced: Vec<_> = std::iter::repeat_with(|| None).take(lines.len()).collect();
        if lines.is_empty() {
            return Ok(priced);
        }
        let conn = self.db.read();
        let columns =
            [("line", Column::BigInt), ("product_id", Column::Uuid), ("quantity", Column::BigInt)];
        let rows = lines.iter().zip(0_i64..).map(|(line, index)| {
            vec![index.into(), line.product_id.into(), line.quantity.micros().into()]
        });
        let mut values = Values::new(conn.get_database_backend(), "asked", &columns, rows);
        let (customer, currency, on) =
            (values.bind(customer_id), values.bind(currency), values.bind(on));
        let sql = format!(
            ", list AS ( \
                SELECT l.id, l.code, CASE WHEN c.id IS NULL THEN 1 ELSE 0 END AS rank \
                FROM price_lists l \
                LEFT JOIN customers c ON c.price_list_id = l.id AND c.id = {customer} \
                WHERE l.currency = {currency} AND (l.is_default OR c.id IS NOT NULL) \
                AND (l.valid_from IS NULL OR l.valid_from <= {on}) \
                AND (l.valid_until IS NULL OR l.valid_until >= {on}) \
            ), candidate AS ( \
                SELECT a.line, p.unit_price, list.code AS price_list, p.min_quantity, \
                ROW_NUMBER() OVER \
                    (PARTITION BY a.line ORDER BY list.rank, p.min_quantity DESC) AS place \
                FROM asked a \
                JOIN prices p ON p.product_id = a.product_id AND p.min_quantity <= a.quantity \
                JOIN list ON list.id = p.price_list_id \
            ) \
            SELECT line, unit_price, price_list, min_quantity FROM candidate WHERE place = 1"
        );
        let (sql, values) = values.statement(&sql);
        for winner in query_all::<Winner, _>(conn, sql, values).await? {
            // The statement gives back the indexes it was given.
            if let Some(slot) = usize::try_from(winner.line).ok().and_then(|i| priced.get_mut(i)) {
                *slot = Some(PricedLine {
                    unit_price: winner.unit_price,
                    price_list: winner.price_list,
                    min_quantity: winner.min_quantity,
                });
            }
        }
        Ok(priced)
    }
}

//! What can be promised when.

use chrono::{NaiveDate, Utc};
use contracts::ids::ProductId;
use kernel::Result;
use kernel::db::{query_all, query_one};
use kernel::quantity::Quantity;
use sea_orm::FromQueryResult;

use crate::routes::promises::{AvailableToPromise, GetAvailableToPromise, PromiseDay};
use crate::service::Service;

#[derive(FromQueryResult)]
struct Now {
    quantity: Quantity,
}

#[derive(FromQueryResult)]
struct Incoming {
    expected_on: NaiveDate,
    quantity: Quantity,
}

impl Service {
    pub(crate) async fn available_to_promise(
        &self,
        product_id: ProductId,
        query: GetAvailableToPromise,
    ) -> Result<AvailableToPromise> {
        let product = self.product(product_id).await?;
        let warehouse_id = query.warehouse_id;
        if let Some(id) = warehouse_id {
            self.warehouse(id).await?;
        }
        if product.is_kit {
            let days = self.days_of_kit(product_id, warehouse_id).await?;
            let promise_on = query.quantity.and_then(|asked| promise_on(&days, asked.get()));
            return Ok(AvailableToPromise { product_id, warehouse_id, days, promise_on });
        }
        let db = self.db.read();
        let (mut values, mut condition) = (vec![product_id.into()], "");
        if let Some(id) = warehouse_id {
            values.push(id.into());
            condition = " AND s.warehouse_id = $2";
        }
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(s.on_hand - s.owed - s.reserved - s.blocked - s.backordered), \
             0) AS BIGINT) AS quantity FROM stock_levels s \
             JOIN warehouses w ON w.id = s.warehouse_id \
             WHERE s.product_id = $1 AND NOT w.is_transit{condition}"
        );
        let now: Option<Now> = query_one(db, sql, values.clone()).await?;
        let now = now.map_or(Quantity::ZERO, |now| now.quantity);
        let sql = format!(
            "SELECT s.expected_on, CAST(SUM(s.quantity - s.received) AS BIGINT) AS quantity \
             FROM expected_receipts s WHERE s.product_id = $1{condition} \
             AND s.quantity > s.received GROUP BY s.expected_on ORDER BY s.expected_on LIMIT 365"
        );
        let incoming: Vec<Incoming> = query_all(db, sql, values).await?;
        let incoming = incoming.iter().map(|row| (row.expected_on, row.quantity));
        let days = days(Utc::now().date_naive(), now, incoming);
        let promise_on = query.quantity.and_then(|asked| promise_on(&days, asked.get()));
        Ok(AvailableToPromise { product_id, warehouse_id, days, promise_on })
    }
}

/// Today, and each day that something comes. What is late comes today.
fn days(
    today: NaiveDate,
    now: Quantity,
    incoming: impl Iterator<Item = (NaiveDate, Quantity)>,
) -> Vec<PromiseDay> {
    let mut days =
        vec![PromiseDay { on: today, incoming: Quantity::ZERO, available_to_promise: now }];
    for (on, quantity) in incoming {
        let Some(last) = days.last_mut() else { continue };
        // Beyond what a quantity holds there is enough of it.
        let sum = |a: Quantity, b: Quantity| {
            let micros = a.micros().saturating_add(b.micros());
            Quantity::from_micros(micros.min(Quantity::MAX.micros()))
        };
        let promised = sum(last.available_to_promise, quantity);
        if on <= last.on {
            last.incoming = sum(last.incoming, quantity);
            last.available_to_promise = promised;
        } else {
            let incoming = sum(Quantity::ZERO, quantity);
            days.push(PromiseDay { on, incoming, available_to_promise: promised });
        }
    }
    days
}

/// The first day from which so much is there. It never gets less: what is to go has been taken
/// off already.
fn promise_on(days: &[PromiseDay], asked: Quantity) -> Option<NaiveDate> {
    days.iter().find(|day| day.available_to_promise >= asked).map(|day| day.on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_can_be_promised_from_its_day_on() {
        let day = |day: u32| NaiveDate::from_ymd_opt(2026, 1, day).expect("a day");
        let q = |units| Quantity::from_units(units).expect("in range");
        let coming = [(day(1), q(2)), (day(12), q(5)), (day(20), q(1))];
        let found = days(day(10), q(-3), coming.into_iter());
        let figures: Vec<_> =
            found.iter().map(|day| (day.on, day.incoming, day.available_to_promise)).collect();
        let expected = [(day(10), q(2), q(-1)), (day(12), q(5), q(4)), (day(20), q(1), q(5))];
        assert_eq!(figures, expected);
        assert_eq!(promise_on(&found, q(1)), Some(day(12)));
        assert_eq!(promise_on(&found, q(5)), Some(day(20)));
        assert_eq!(promise_on(&found, q(6)), None);
        // More than a quantity holds is as much as one does.
        let most = q(999_999_999);
        let coming = [(day(1), most), (day(2), most), (day(12), most)];
        let found = days(day(10), q(1), coming.into_iter());
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|day| day.available_to_promise > most && day.incoming >= most));
    }
}

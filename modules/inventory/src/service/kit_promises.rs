//! How many of a kit can be promised when.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, Utc};
use contracts::ids::{ProductId, WarehouseId};
use kernel::Result;
use kernel::db::query_all;
use sea_orm::FromQueryResult;

use crate::routes::promises::PromiseDay;
use crate::service::Service;
use crate::service::kits::whole;

/// Most days that a promise looks at, and rows of what comes on them.
const MAX_DAYS: usize = 366;
const MAX_ROWS: usize = 20_000;

#[derive(FromQueryResult)]
struct Now {
    warehouse_id: WarehouseId,
    product_id: ProductId,
    per_kit: i64,
    quantity: i64,
}

#[derive(FromQueryResult)]
struct Incoming {
    warehouse_id: WarehouseId,
    product_id: ProductId,
    expected_on: NaiveDate,
    quantity: i64,
}

/// A component in a warehouse: in one kit, there now, and what comes when.
type Part = (i64, i64, Vec<(NaiveDate, i64)>);

impl Service {
    /// Today, and each day that some of a component is to come.
    pub(crate) async fn days_of_kit(
        &self,
        kit_id: ProductId,
        warehouse_id: Option<WarehouseId>,
    ) -> Result<Vec<PromiseDay>> {
        let (mut values, mut condition) = (vec![kit_id.into()], "");
        if let Some(id) = warehouse_id {
            values.push(id.into());
            condition = " AND w.id = $2";
        }
        let sql = format!(
            "SELECT w.id AS warehouse_id, c.product_id, c.quantity AS per_kit, \
             COALESCE(s.on_hand - s.owed - s.reserved - s.blocked - s.backordered, 0) \
             AS quantity \
             FROM kit_components c JOIN warehouses w ON NOT w.is_transit \
             LEFT JOIN stock_levels s ON s.product_id = c.product_id AND s.warehouse_id = w.id \
             WHERE c.kit_id = $1{condition}"
        );
        let now: Vec<Now> = query_all(self.db.read(), sql, values.clone()).await?;
        let sql = format!(
            "SELECT w.id AS warehouse_id, e.product_id, e.expected_on, \
             CAST(SUM(e.quantity - e.received) AS BIGINT) AS quantity \
             FROM kit_components c JOIN expected_receipts e ON e.product_id = c.product_id \
             JOIN warehouses w ON w.id = e.warehouse_id \
             WHERE c.kit_id = $1{condition} AND e.quantity > e.received \
             GROUP BY w.id, e.product_id, e.expected_on ORDER BY e.expected_on LIMIT {MAX_ROWS}"
        );
        let incoming: Vec<Incoming> = query_all(self.db.read(), sql, values).await?;
        let mut parts: BTreeMap<(WarehouseId, ProductId), Part> = now
            .into_iter()
            .map(|row| ((row.warehouse_id, row.product_id), (row.per_kit, row.quantity, vec![])))
            .collect();
        for row in incoming {
            if let Some(part) = parts.get_mut(&(row.warehouse_id, row.product_id)) {
                part.2.push((row.expected_on, row.quantity));
            }
        }
        let mut warehouses: BTreeMap<WarehouseId, Vec<Part>> = BTreeMap::new();
        for ((warehouse_id, _), part) in parts {
            warehouses.entry(warehouse_id).or_default().push(part);
        }
        Ok(days(Utc::now().date_naive(), &warehouses.into_values().collect::<Vec<_>>()))
    }
}

/// The kits that the parts of each warehouse make by a day. What is late comes today.
fn days(today: NaiveDate, warehouses: &[Vec<Part>]) -> Vec<PromiseDay> {
    let coming = warehouses.iter().flatten().flat_map(|part| &part.2);
    let on: BTreeSet<_> = coming.map(|(on, _)| (*on).max(today)).chain([today]).collect();
    let by = |day: NaiveDate| {
        let kits = |parts: &Vec<Part>| {
            let kits = parts.iter().map(|(per_kit, now, coming)| {
                let come = coming.iter().filter(|(on, _)| *on <= day).map(|(_, quantity)| quantity);
                come.fold(*now, |sum, more| sum.saturating_add(*more)).div_euclid(*per_kit)
            });
            kits.min().unwrap_or(0)
        };
        warehouses.iter().map(kits).fold(0_i64, i64::saturating_add)
    };
    let mut before: Option<i64> = None;
    let day = |on| {
        let kits = by(on);
        let incoming = kits.saturating_sub(before.replace(kits).unwrap_or(kits));
        PromiseDay { on, incoming: whole(incoming), available_to_promise: whole(kits) }
    };
    on.into_iter().take(MAX_DAYS).map(day).collect()
}

#[cfg(test)]
mod tests {
    use kernel::quantity::Quantity;

    use super::*;

    #[test]
    fn a_kit_can_be_promised_when_its_last_part_comes() {
        let day = |day: u32| NaiveDate::from_ymd_opt(2026, 1, day).expect("a day");
        // Two of the one and three of the other in a kit.
        let here = vec![(2, 5, vec![(day(12), 4)]), (3, -1, vec![(day(1), 4), (day(20), 9)])];
        let there = vec![(2, 2, vec![]), (3, 3, vec![])];
        let found = days(day(10), &[here, there]);
        let figures: Vec<_> =
            found.iter().map(|day| (day.on, day.incoming, day.available_to_promise)).collect();
        let q = |units| Quantity::from_units(units).expect("in range");
        let expected = [(day(10), q(0), q(2)), (day(12), q(0), q(2)), (day(20), q(3), q(5))];
        assert_eq!(figures, expected);
    }
}

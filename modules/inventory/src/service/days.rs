//! What levels were at the end of earlier days: the ledger up to each (I-14).

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contracts::ids::{ProductId, WarehouseId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, query_all};
use kernel::quantity::Quantity;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::service::level::Level;
use crate::service::levels::Key;

/// What came to a level on a day less what left, and what that was worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    pub on: NaiveDate,
    pub micros: i64,
    pub value_minor: i64,
}

/// The days after `day` on which some levels changed, the last first.
pub(crate) async fn days_since(
    tx: &Tx,
    keys: impl Iterator<Item = Key>,
    day: NaiveDate,
) -> Result<BTreeMap<Key, Vec<Day>>> {
    #[derive(FromQueryResult)]
    struct Row {
        product_id: ProductId,
        warehouse_id: WarehouseId,
        day: NaiveDate,
        micros: i64,
        value_minor: i64,
    }
    let rows = keys.map(|key| vec![key.product_id.into(), key.warehouse_id.into()]);
    let columns = [("product_id", Column::Uuid), ("warehouse_id", Column::Uuid)];
    let mut values = Values::new(tx.get_database_backend(), "k", &columns, rows);
    let day = values.bind(day);
    let of = |table: &str, on: &str, micros: &str, value_minor: &str| {
        format!(
            "SELECT m.product_id, m.warehouse_id, m.{on} AS day, {micros} AS micros, \
             {value_minor} AS value_minor FROM k JOIN {table} m ON m.product_id = k.product_id \
             AND m.warehouse_id = k.warehouse_id WHERE m.{on} > {day}"
        )
    };
    let (sql, values) = values.statement(&format!(
        "SELECT q.product_id, q.warehouse_id, q.day, CAST(SUM(q.micros) AS BIGINT) AS micros, \
         CAST(SUM(q.value_minor) AS BIGINT) AS value_minor FROM ({} UNION ALL {} UNION ALL {}) q \
         GROUP BY q.product_id, q.warehouse_id, q.day \
         ORDER BY q.product_id, q.warehouse_id, q.day DESC",
        of(
            "stock_moves",
            "moved_on",
            "CASE m.to_location WHEN 'warehouse' THEN m.quantity ELSE -m.quantity END",
            "CASE m.to_location WHEN 'warehouse' THEN m.value_minor ELSE -m.value_minor END"
        ),
        of("cost_layers", "booked_on", "0", "m.value_minor"),
        of("cost_variances", "booked_on", "0", "m.value_minor"),
    ));
    let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
    let mut days: BTreeMap<Key, Vec<Day>> = BTreeMap::new();
    for row in rows {
        let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
        let day = Day { on: row.day, micros: row.micros, value_minor: row.value_minor };
        days.entry(key).or_default().push(day);
    }
    Ok(days)
}

/// The least there was at the end of the day before these and of any since: who takes goods out
/// under an earlier date takes no more (C6).
pub(crate) fn least(level: &Level, days: &[Day]) -> Quantity {
    let mut balance = level.balance().micros();
    let mut least = balance;
    for day in days {
        balance -= day.micros;
        least = least.min(balance);
    }
    Quantity::from_micros(least.max(0))
}

/// The first of these days since which there has been no less than nothing, and worth no less:
/// what a level has lost now cannot have left before it. None if it can.
pub(crate) fn lost_since(level: &Level, days: &[Day]) -> Option<NaiveDate> {
    let mut balance = level.balance().micros();
    let mut value_minor = level.value_minor - level.owed_minor;
    days.iter().find_map(|day| {
        balance -= day.micros;
        value_minor -= day.value_minor;
        (balance < 0 || value_minor < 0).then_some(day.on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_was_there_before() {
        let day = |day: u32| NaiveDate::from_ymd_opt(2026, 1, day).expect("a day");
        let moved = |on: u32, units: i64, value_minor: i64| Day {
            on: day(on),
            micros: units * Quantity::ONE.micros(),
            value_minor,
        };
        let check = |units, value_minor, days: &[Day], expected: Option<u32>, most: i64| {
            let on_hand = Quantity::from_units(units).expect("in range");
            let level = Level { on_hand, value_minor, ..Level::default() };
            assert_eq!(lost_since(&level, days), expected.map(day), "{days:?}");
            assert_eq!(least(&level, days), Quantity::from_units(most).expect("in range"));
        };
        check(3, 300, &[], None, 3);
        check(3, 300, &[moved(9, 2, 200), moved(5, 1, 100)], None, 0);
        check(3, 300, &[moved(9, 2, 200), moved(5, 2, 100)], Some(5), 0);
        check(3, 300, &[moved(9, 4, 100), moved(5, -2, 100)], Some(9), 0);
        check(5, 300, &[moved(9, 2, 400)], Some(9), 3);
        check(5, 300, &[moved(9, -2, -400), moved(5, 1, 100)], None, 5);
    }
}

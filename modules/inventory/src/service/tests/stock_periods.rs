//! Closing the stock through a day: what that refuses, what it keeps, and that nobody who asks
//! what there was sees a difference.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{Days, NaiveDate, Utc};
use contracts::ids::{OrderId, ProductId, WarehouseId};
use kernel::{Error, Result};
use proptest::prelude::*;
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

use super::bench::{Bench, ctx, receipt, request, shipment, statements};
use crate::entities::stock_period;
use crate::service::stock_periods::close_period;

fn ago(days: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(days)
}

/// Product, quantity in millionths and cents of what there was, by product.
type Worth = Vec<(ProductId, i64, i64)>;

impl Bench {
    async fn receive_on(
        &self,
        product: ProductId,
        to: WarehouseId,
        units: i64,
        cost: &str,
        day: NaiveDate,
    ) -> Result<()> {
        self.service.receive_stock(&ctx(), request(dated(product, to, units, cost, day))).await?;
        Ok(())
    }

    async fn close(&self, through: NaiveDate) -> Result<()> {
        let close = request(json!({ "through": through }));
        self.service.close_stock_period(&ctx(), close).await.map(drop)
    }

    async fn newest_period(&self) -> stock_period::Model {
        self.find(
            "SELECT * FROM stock_periods WHERE status = 'closed' ORDER BY through DESC LIMIT 1",
        )
        .await
    }

    async fn reopen(&self, period: &stock_period::Model) -> Result<()> {
        let why = request(json!({ "reason": "a count was wrong" }));
        self.service.reopen_stock_period(&ctx(), period.id, why).await.map(drop)
    }

    /// The valuation of a day, with its total.
    async fn worth(&self, as_of: NaiveDate, warehouse: Option<WarehouseId>) -> (Worth, i64) {
        let query = request(json!({ "as_of": as_of, "warehouse_id": warehouse }));
        let report = self.service.valuation(query).await.expect("valued");
        let rows = report.data.iter();
        let rows = rows.map(|row| (row.product_id, row.quantity.micros(), row.value.minor()));
        (rows.collect(), report.total.minor())
    }

    /// The same from the first move on.
    async fn replayed(&self, as_of: NaiveDate, warehouse: Option<WarehouseId>) -> (Worth, i64) {
        #[derive(FromQueryResult)]
        struct Row {
            product_id: ProductId,
            warehouse_id: WarehouseId,
            quantity: i64,
            value_minor: i64,
        }
        let sql = "SELECT product_id, warehouse_id, \
            CASE to_location WHEN 'warehouse' THEN quantity ELSE -quantity END AS quantity, \
            CASE to_location WHEN 'warehouse' THEN value_minor ELSE -value_minor END \
            AS value_minor FROM stock_moves WHERE moved_on <= $1 AND warehouse_id IS NOT NULL \
            UNION ALL SELECT product_id, warehouse_id, 0, value_minor FROM cost_layers \
            WHERE booked_on <= $1 UNION ALL SELECT product_id, warehouse_id, 0, value_minor \
            FROM cost_variances WHERE booked_on <= $1";
        let db = self.service.db.read();
        let rows: Vec<Row> =
            kernel::db::query_all(db, sql, vec![as_of.into()]).await.expect("reads");
        let mut worth: BTreeMap<ProductId, (i64, i64)> = BTreeMap::new();
        for row in rows.iter().filter(|row| warehouse.is_none_or(|id| id == row.warehouse_id)) {
            let sum = worth.entry(row.product_id).or_default();
            sum.0 += row.quantity;
            sum.1 += row.value_minor;
        }
        let rows: Worth = worth
            .into_iter()
            .map(|(id, (q, v))| (id, q, v))
            .filter(|row| row.1 != 0 || row.2 != 0)
            .collect();
        let total = rows.iter().map(|row| row.2).sum();
        (rows, total)
    }
}

fn dated(product: ProductId, to: WarehouseId, units: i64, cost: &str, day: NaiveDate) -> Value {
    json!({
        "warehouse_id": to, "reason": "test", "received_on": day,
        "lines": [{ "product_id": product, "quantity": units.to_string(), "unit_cost": cost }]
    })
}

/// Status, code, and what of the request is at fault.
fn refused(result: Result<()>) -> Value {
    let error = result.expect_err("refused");
    let fields = error.fields();
    json!([error.status(), error.code(), fields.first().map(|field| field.pointer.clone())])
}

#[tokio::test]
async fn nothing_is_dated_in_a_closed_period() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    bench.receive_on(chair, main, 10, "10", ago(20)).await.expect("received");
    let source = bench.moves().await[0].source_id;
    bench.close(ago(10)).await.expect("closed");
    let closed = |pointer: &str| json!([422, "stock_period_closed", pointer]);
    for days in [10, 11, 4000] {
        let late = bench.receive_on(chair, main, 1, "10", ago(days)).await;
        assert_eq!(refused(late), closed("/received_on"));
    }
    let adjustment = |day| {
        json!({
            "warehouse_id": main, "product_id": chair, "quantity": "-1", "reason": "count",
            "adjusted_on": day
        })
    };
    let late = bench.service.adjust_stock(&ctx(), request(adjustment(ago(10)))).await.map(drop);
    assert_eq!(refused(late), closed("/adjusted_on"));
    let late = bench.service.request_adjustment(&ctx(), request(adjustment(ago(10)))).await;
    assert_eq!(refused(late.map(drop)), closed("/adjusted_on"));
    let cost = |day| {
        json!({
            "source_id": source, "basis": "value", "reason": "freight", "booked_on": day,
            "amount": { "amount": "5.00", "currency": "EUR" }
        })
    };
    let late = bench.service.add_landed_cost(&ctx(), request(cost(ago(10)))).await.map(drop);
    assert_eq!(refused(late), closed("/booked_on"));
    bench.service.add_landed_cost(&ctx(), request(cost(ago(9)))).await.expect("it is open");
    bench.service.adjust_stock(&ctx(), request(adjustment(ago(9)))).await.expect("it is open");
    bench.receive_on(chair, main, 1, "10", ago(9)).await.expect("it is open");
    // Asked for while the day was open, and approved when it is not.
    bench.service.request_adjustment(&ctx(), request(adjustment(ago(9)))).await.expect("asked");
    bench.close(ago(9)).await.expect("closed");
    let asked: crate::entities::adjustment_request::Model =
        bench.find("SELECT * FROM adjustment_requests").await;
    let mut other = ctx();
    other.actor.id = Some(uuid::Uuid::now_v7());
    let late = bench.service.decide_adjustment(&other, asked.id, "approve").await.map(drop);
    assert_eq!(refused(late), closed("/adjusted_on"));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_others_tell_of_late_is_booked_on_the_first_open_day() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    bench.receive_on(chair, main, 10, "10", ago(20)).await.expect("received");
    bench.close(ago(10)).await.expect("closed");
    let (order, line) = (OrderId::new(), bench.line(chair, main));
    bench.reserve(order, &[(line, 4)], false).await.expect("there");
    bench.confirm(order, &[(line, 4, 0)]).await.expect("heard");
    let mut late = shipment(order, &[(line, 3)]);
    late.shipped_on = ago(15);
    bench.hear(order.uuid(), &late).await.expect("the goods have left");
    let mut late = receipt(main, &[(chair, 2, "11")]);
    late.received_on = ago(10);
    bench.hear(late.purchase_order_id.uuid(), &late).await.expect("the goods are there");
    let on: Vec<_> = bench.moves().await.iter().map(|row| row.moved_on).collect();
    assert_eq!(on, [ago(20), ago(9), ago(9)]);
    // The books are told the same day.
    let issued = bench.published::<contracts::events::StockIssued>().await.pop().expect("told");
    let received = bench.published::<contracts::events::StockReceived>().await.pop().expect("told");
    assert_eq!((issued.issued_on, received.received_on), (ago(9), ago(9)));
    let mut open = shipment(order, &[(line, 1)]);
    open.shipped_on = ago(8);
    bench.hear(order.uuid(), &open).await.expect("heard");
    assert_eq!(bench.moves().await.last().expect("moved").moved_on, ago(8));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_is_dated_today_asks_for_no_period() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    bench.receive_on(chair, main, 50, "10", ago(20)).await.expect("received");
    let (order, line) = (OrderId::new(), bench.line(chair, main));
    bench.reserve(order, &[(line, 9)], false).await.expect("there");
    bench.confirm(order, &[(line, 9, 0)]).await.expect("heard");
    let (result, before) = statements(bench.ship(order, &[(line, 1)])).await;
    result.expect("heard");
    bench.close(ago(1)).await.expect("closed");
    let (result, after) = statements(bench.ship(order, &[(line, 1)])).await;
    result.expect("heard");
    assert_eq!(before, after);
}

#[tokio::test]
async fn periods_follow_each_other_and_the_newest_is_reopened_first() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    bench.receive_on(chair, main, 10, "10", ago(20)).await.expect("received");
    assert_eq!(refused(bench.close(ago(0)).await), json!([422, "period_not_over", "/through"]));
    let first: NaiveDate = "1899-12-31".parse().expect("a day");
    let wrong = json!([422, "date_out_of_range", "/through"]);
    assert_eq!(refused(bench.close(first).await), wrong);
    bench.close(ago(15)).await.expect("closed");
    let older = bench.newest_period().await;
    let again = json!([422, "stock_period_closed", "/through"]);
    assert_eq!(refused(bench.close(ago(15)).await), again);
    assert_eq!(refused(bench.close(ago(16)).await), again);
    bench.receive_on(chair, main, 5, "20", ago(12)).await.expect("open");
    bench.close(ago(10)).await.expect("closed");
    let newer = bench.newest_period().await;
    assert_eq!((older.value_minor, newer.value_minor), (10_000, 20_000));
    assert_eq!((newer.position, newer.previous_id), (2, Some(older.id)));
    assert_eq!(refused(bench.reopen(&older).await), json!([409, "later_period_closed", null]));
    bench.reopen(&newer).await.expect("it is the newest");
    assert_eq!(refused(bench.reopen(&newer).await), json!([409, "illegal_transition", null]));
    bench.receive_on(chair, main, 1, "20", ago(12)).await.expect("open again");
    bench.assert_lawful().await;
    // As closed as before, and with what has come meanwhile.
    bench.close(ago(10)).await.expect("closed");
    let anew = bench.newest_period().await;
    assert_eq!((anew.position, anew.value_minor), (2, 22_000));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn who_closes_waits_for_who_is_posting_and_who_posts_meets_the_period() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    bench.receive_on(chair, main, 10, "10", ago(20)).await.expect("received");
    let service = bench.service.clone();
    let closing = move || {
        let service = service.clone();
        let close = json!({ "through": ago(10) });
        tokio::spawn(async move { service.close_stock_period(&ctx(), request(close)).await })
    };
    // Somebody has posted, and not committed.
    let mut tx = bench.service.db.begin(&ctx()).await.expect("begun");
    let late = request(dated(chair, main, 5, "10", ago(12)));
    bench.service.post_receipt(&mut tx, late).await.expect("posted");
    let closed = closing();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!closed.is_finished(), "it waits");
    tx.commit().await.expect("committed");
    closed.await.expect("no panic").expect("closed");
    assert_eq!(bench.newest_period().await.value_minor, 15_000);
    bench.reopen(&bench.newest_period().await).await.expect("reopened");

    // Somebody has closed, and not committed.
    let tx = bench.service.db.begin(&ctx()).await.expect("begun");
    close_period(&tx, request(json!({ "through": ago(10) }))).await.expect("closed");
    let service = bench.service.clone();
    let late = request(dated(chair, main, 5, "10", ago(12)));
    let posting = tokio::spawn(async move { service.receive_stock(&ctx(), late).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!posting.is_finished(), "it waits");
    tx.commit().await.expect("committed");
    let error = posting.await.expect("no panic").expect_err("it is closed");
    // Whoever began before it did asks once more, and is told.
    let codes = ["transaction_aborted", "stock_period_closed"];
    assert!(codes.contains(&error.code()), "{error:?}");
    let again = bench.receive_on(chair, main, 5, "10", ago(12)).await;
    assert_eq!(again.map_err(|e: Error| e.code().to_owned()), Err(codes[1].to_owned()));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn the_database_and_the_laws_keep_what_is_closed() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let bolt = bench.valued("BOLT", "standard").await;
    bench.receive_on(chair, main, 10, "10", ago(20)).await.expect("received");
    bench.receive(bolt, main, 4, "3").await;
    let cost = json!({
        "source_id": bench.moves().await[0].source_id, "basis": "value", "reason": "freight",
        "amount": { "amount": "5.00", "currency": "EUR" }
    });
    bench.service.add_landed_cost(&ctx(), request(cost)).await.expect("spread");
    bench.close(ago(10)).await.expect("closed");
    bench.close(ago(5)).await.expect("closed");
    let check = async |sql: &str, expected: &str| {
        let error = test_support::words(bench.sql(sql).await.expect_err(sql));
        assert!(error.contains(expected), "{sql}: {error}");
    };
    let closed = "the stock period is closed";
    let moved = "INSERT INTO stock_moves (id, kind, product_id, from_location, to_location, \
        warehouse_id, quantity, value_minor, currency, moved_on, source_type, source_id, \
        source_line_id, created_at) SELECT randomblob(16), kind, product_id, from_location, \
        to_location, warehouse_id, quantity, value_minor, currency, moved_on, source_type, \
        source_id, randomblob(16), created_at FROM stock_moves WHERE moved_on < (SELECT \
        MIN(through) FROM stock_periods)";
    check(moved, closed).await;
    let on = "(SELECT MAX(through) FROM stock_periods)";
    let layer = format!(
        "INSERT INTO cost_layers SELECT randomblob(16), landed_cost_id, (SELECT id FROM \
         stock_moves WHERE kind = 'receipt' AND id <> l.move_id), product_id, warehouse_id, \
         share_minor, value_minor, {on} FROM cost_layers l"
    );
    check(&layer, closed).await;
    let variance = format!(
        "INSERT INTO cost_variances SELECT randomblob(16), product_id, warehouse_id, \
         value_minor, reason, {on}, created_at FROM cost_variances"
    );
    check(&variance, closed).await;
    let landed = format!(
        "INSERT INTO landed_costs SELECT randomblob(16), source_id, amount_minor, basis, reason, \
         {on}, created_at FROM landed_costs"
    );
    check(&landed, closed).await;
    let again = "INSERT INTO stock_periods SELECT randomblob(16), position + 1, id, through, \
        status, value_minor, note, reopen_reason, closed_by, reopened_by, version, created_at, \
        updated_at FROM stock_periods WHERE position = 2";
    let follows = "a stock period follows the one before it";
    check(again, follows).await;
    check(&again.replace("position = 2", "position = 1"), follows).await;
    let newest = "reopened once, the newest first";
    let reopen = "UPDATE stock_periods SET status = 'reopened', reopen_reason = 'x'";
    check(&format!("{reopen} WHERE position = 1"), newest).await;
    check(&format!("{reopen}, value_minor = 1 WHERE position = 2"), newest).await;
    check("UPDATE stock_periods SET note = 'x' WHERE position = 2", newest).await;
    let checked = "CHECK constraint failed";
    check("UPDATE stock_periods SET status = 'reopened' WHERE position = 2", checked).await;
    check("DELETE FROM stock_periods", "stock periods are kept").await;
    check("UPDATE stock_snapshots SET quantity = 1", "append-only").await;
    check("DELETE FROM stock_snapshots", "append-only").await;
    bench.assert_lawful().await;

    let (before, _) = bench.worth(ago(4), None).await;
    for guard in [
        "DROP TRIGGER stock_moves_in_open_period",
        "DROP TRIGGER cost_variances_in_open_period",
        "DROP TRIGGER stock_snapshots_no_update",
        "DROP TRIGGER stock_snapshots_no_delete",
        "DROP TRIGGER stock_periods_reopen_newest",
    ] {
        bench.write(guard).await;
    }
    let check = async |law: &str, sql: &str| {
        let broken = bench.broken_by(sql).await;
        assert!(broken.contains(&law), "{law}: {sql} broke {broken:?}");
        bench.assert_lawful().await;
    };
    check("I23", moved).await;
    check("I23", &variance).await;
    check("I23", "UPDATE stock_snapshots SET quantity = quantity + 1").await;
    check("I23b", "UPDATE stock_snapshots SET value_minor = value_minor + 1").await;
    check("I23", "DELETE FROM stock_snapshots").await;
    check("I23b", "UPDATE stock_periods SET value_minor = 7 WHERE position = 1").await;
    check("I23b", &format!("{reopen} WHERE position = 1")).await;
    // What was kept is where a later day begins, so that its way is short.
    bench.write("UPDATE stock_snapshots SET value_minor = value_minor + 1").await;
    let (after, _) = bench.worth(ago(4), None).await;
    assert_eq!(after[0].2, before[0].2 + 1);
}

#[derive(Clone, Debug)]
struct Step {
    item: usize,
    units: i64,
    cents: i64,
    days: u64,
    is_close: bool,
    is_reopen: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let close = (prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    (0..4_usize, -5..9_i64, 0..900_i64, 0..40_u64, close).prop_map(
        |(item, units, cents, days, (is_close, is_reopen))| Step {
            item,
            units,
            cents,
            days,
            is_close,
            is_reopen,
        },
    )
}

async fn days_are_the_same(steps: Vec<Step>) {
    let bench = Bench::new().await;
    let products = [bench.valued("A", "fifo").await, bench.valued("B", "standard").await];
    let warehouses = [bench.warehouse("W").await, bench.warehouse("X").await];
    let refused = |result: Result<()>, codes: &[&str]| {
        if let Err(error) = result {
            assert!(codes.contains(&error.code()), "{error:?}");
        }
    };
    for step in steps {
        let (product, warehouse) = (products[step.item / 2], warehouses[step.item % 2]);
        let day = ago(step.days);
        if step.is_close {
            let codes = ["period_not_over", "stock_period_closed"];
            refused(bench.close(day).await, &codes);
        } else if step.is_reopen {
            let sql = "SELECT * FROM stock_periods WHERE status = 'closed' \
                       ORDER BY through DESC LIMIT 1";
            let db = bench.service.db.read();
            let found: Option<stock_period::Model> =
                kernel::db::query_one(db, sql, vec![]).await.expect("reads");
            if let Some(period) = found {
                bench.reopen(&period).await.expect("it is the newest");
            }
        } else if step.units > 0 {
            let cost = format!("{}.{:02}", step.cents / 100, step.cents % 100);
            let received = bench.receive_on(product, warehouse, step.units, &cost, day).await;
            refused(received, &["stock_period_closed"]);
        } else {
            let gone = json!({
                "warehouse_id": warehouse, "product_id": product, "adjusted_on": day,
                "quantity": step.units.to_string(), "reason": "count"
            });
            let adjusted = bench.service.adjust_stock(&ctx(), request(gone)).await.map(drop);
            let codes =
                ["quantity_zero", "insufficient_stock", "stock_period_closed", "value_moved"];
            refused(adjusted, &codes);
        }
    }
    bench.assert_lawful().await;
    let days = [0, 1, 2, 3, 5, 8, 13, 20, 21, 30, 39, 40, 41, 90];
    let mut with = Vec::new();
    for days in days {
        for warehouse in [None, Some(warehouses[0])] {
            let worth = bench.worth(ago(days), warehouse).await;
            assert_eq!(worth, bench.replayed(ago(days), warehouse).await, "{days} days ago");
            with.push(worth);
        }
    }
    // Without what was kept of the periods it is the same.
    bench.write("DROP TRIGGER stock_periods_reopen_newest").await;
    bench.write("UPDATE stock_periods SET status = 'reopened', reopen_reason = 'x'").await;
    let mut without = Vec::new();
    for days in days {
        for warehouse in [None, Some(warehouses[0])] {
            without.push(bench.worth(ago(days), warehouse).await);
        }
    }
    assert_eq!(with, without);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12, failure_persistence: None, max_shrink_iters: 100, ..ProptestConfig::default()
    })]

    #[test]
    fn a_day_is_worth_the_same_from_a_closed_period_from_today_and_from_the_first_move(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(days_are_the_same(steps));
    }
}

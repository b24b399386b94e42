//! Invariants of the domain reference as properties: whatever is drawn, they hold.

use chrono::{Duration, Utc};
use contracts::events::{StockIssued, StockReturned};
use contracts::ids::OrderId;
use kernel::money::Money;
use proptest::prelude::*;
use serde_json::json;

use super::bench::{Bench, Line, ctx, in_an_hour, request};
use crate::entities::{cost_layer, reservation};

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(test);
}

/// Orders a line, confirms it and ships all of it.
async fn sell(bench: &Bench, line: Line, units: i64) -> OrderId {
    let order = OrderId::new();
    bench.reserve(order, &[(line, units)], false).await.expect("there");
    bench.confirm(order, &[(line, units, 0)]).await.expect("heard");
    bench.ship(order, &[(line, units)]).await.expect("heard");
    order
}

async fn reserved_and_released(stock: i64, lines: Vec<i64>, expires: bool) {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    bench.receive(chair, main, stock, "1").await;
    let before = bench.level(chair, main).await;
    let order = OrderId::new();
    let lines: Vec<_> = lines.iter().map(|units| (bench.line(chair, main), *units)).collect();
    let until = if expires { Utc::now() - Duration::seconds(1) } else { in_an_hour() };
    bench.reserve_until(order, &lines, true, until).await.expect("allowed");
    if expires {
        bench.expire().await;
    } else {
        let release = contracts::inventory::Release { order_id: order };
        bench.service.release_order(&ctx(), release).await.expect("released");
    }
    assert_eq!(bench.level(chair, main).await, before);
    bench.assert_lawful().await;
    // What has been shipped is not given back a second time.
    let sold = sell(&bench, bench.line(chair, main), stock).await;
    let shipped = bench.level(chair, main).await;
    let sql = "SELECT * FROM reservations WHERE status = 'consumed'";
    let held: reservation::Model = bench.find(sql).await;
    let refused = bench.service.release_reservation(&ctx(), held.id).await.map(drop);
    let code = refused.expect_err("it is used up").code().to_owned();
    assert!(["illegal_transition", "reservation_of_order"].contains(&&*code), "{code}");
    let release = contracts::inventory::Release { order_id: sold };
    bench.service.release_order(&ctx(), release).await.expect("nothing is left of it");
    assert_eq!(bench.level(chair, main).await, shipped);
    bench.assert_lawful().await;
}

async fn sold_and_returned(costing: &str, came: Vec<(i64, i64)>, sold: i64, parts: Vec<i64>) {
    let bench = Bench::new().await;
    let (wine, main) = (bench.valued("WINE", costing).await, bench.warehouse("W").await);
    let price = |cents: i64| format!("{}.{:02}7", cents / 100, cents % 100);
    for (units, cents) in &came {
        bench.receive(wine, main, *units, &price(*cents)).await;
    }
    let sold = sold.min(came.iter().map(|(units, _)| units).sum());
    let line = bench.line(wine, main);
    let order = sell(&bench, line, sold).await;
    let issued = bench.published::<StockIssued>().await.pop().expect("told").cost;
    // The average moves before they come back, and after each part.
    let mut left = sold;
    for units in parts.into_iter().chain([sold]) {
        bench.receive(wine, main, 1, &price(units * 99)).await;
        let units = units.min(left);
        if units > 0 {
            bench.take_back(order, &[(line, units, true)]).await.expect("it was sold");
            left -= units;
            bench.assert_lawful().await;
        }
    }
    let back = bench.published::<StockReturned>().await;
    assert_eq!(back.iter().map(|told| told.cost.minor()).sum::<i64>(), issued.minor());
    let more = bench.take_back(order, &[(line, 1, true)]).await;
    assert_eq!(more.expect_err("all of it is back").code(), "returned_too_much");
}

async fn shared(came: Vec<(i64, i64)>, sold: i64, amount: i64, basis: &str) {
    let bench = Bench::new().await;
    let main = bench.warehouse("W").await;
    let mut products = Vec::new();
    for (n, _) in came.iter().enumerate() {
        let costing = ["average", "fifo"][n % 2];
        products.push(bench.valued(&format!("P{n}"), costing).await);
    }
    let lines: Vec<_> = came.iter().map(|(_, cents)| format!("0.{:02}", cents + 1)).collect();
    let lines: Vec<_> =
        (0..came.len()).map(|n| (products[n], came[n].0, lines[n].as_str())).collect();
    bench.purchase(main, &lines).await.expect("heard");
    let sold = sold.min(came[0].0);
    sell(&bench, bench.line(products[0], main), sold).await;
    let mut before = Vec::new();
    for product in &products {
        before.push(bench.level(*product, main).await.3);
    }
    let cost = json!({
        "source_id": bench.moves().await[0].source_id, "basis": basis, "reason": "freight",
        "amount": Money::new(amount, kernel::money::Currency::EUR)
    });
    bench.service.add_landed_cost(&ctx(), request(cost)).await.expect("spread");
    let db = bench.service.db.read();
    let layers: Vec<cost_layer::Model> =
        kernel::db::query_all(db, "SELECT * FROM cost_layers", vec![]).await.expect("reads");
    assert_eq!(layers.iter().map(|layer| layer.share_minor).sum::<i64>(), amount);
    for (n, product) in products.iter().enumerate() {
        let of = layers.iter().find(|layer| layer.product_id == *product).expect("a share");
        assert_eq!(bench.level(*product, main).await.3, before[n] + of.value_minor);
        // What is gone leaves its part to the expenses; of the others all stays.
        let gone = if n == 0 { sold } else { 0 };
        assert!(gone > 0 || of.value_minor == of.share_minor, "all of it is there");
        assert!(gone < came[n].0 || of.value_minor == 0, "nothing of it is there");
    }
    bench.assert_lawful().await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default()
    })]

    /// I-12
    #[test]
    fn what_is_reserved_and_given_back_never_was(
        stock in 1..9_i64, lines in prop::collection::vec(1..6_i64, 1..4), expires in any::<bool>()
    ) {
        run(reserved_and_released(stock, lines, expires));
    }

    /// V-3, V-5
    #[test]
    fn all_that_comes_back_costs_what_it_cost_when_it_left(
        costing in prop::sample::select(vec!["average", "fifo"]),
        came in prop::collection::vec((1..6_i64, 0..900_i64), 1..4),
        sold in 1..9_i64,
        parts in prop::collection::vec(1..4_i64, 0..4)
    ) {
        run(sold_and_returned(costing, came, sold, parts));
    }

    /// V-6
    #[test]
    fn the_shares_of_a_late_cost_are_all_of_it(
        came in prop::collection::vec((1..9_i64, 0..99_i64), 1..5),
        sold in 1..9_i64, amount in 1..9_999_i64,
        basis in prop::sample::select(vec!["quantity", "value"])
    ) {
        run(shared(came, sold, amount, basis));
    }
}

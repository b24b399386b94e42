//! Documents as large as they may be cost as many statements as small ones, and queues
//! longer than a statement can name are served.

use contracts::events::BackorderFilled;
use contracts::ids::{OrderId, WarehouseId};
use contracts::inventory::Release;
use serde_json::json;

use super::bench::{Bench, Line, ctx, request, statements};

/// Products with ten pieces of each in stock.
async fn assortment(bench: &Bench, warehouse: WarehouseId, count: usize, tag: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for i in 0..count {
        lines.push(bench.line(bench.product(&format!("{tag}{i}")).await, warehouse));
    }
    lines
}

/// Statements of each step in the life of an order with these lines.
async fn life(bench: &Bench, warehouse: WarehouseId, lines: &[Line]) -> Vec<(&'static str, u32)> {
    let mut costs = Vec::new();
    let order = OrderId::new();
    let received = json!({
        "warehouse_id": warehouse, "reason": "opening",
        "lines": lines.iter().map(|line| json!({
            "product_id": line.product_id, "quantity": "10", "unit_cost": "1.25"
        })).collect::<Vec<_>>()
    });
    let (result, n) = statements(bench.service.receive_stock(&ctx(), request(received))).await;
    result.expect("received");
    costs.push(("receive", n));
    // Twelve of ten: two of each line are backordered.
    let asked: Vec<_> = lines.iter().map(|line| (*line, 12)).collect();
    let (result, n) = statements(bench.reserve(order, &asked, true)).await;
    result.expect("reserved");
    costs.push(("reserve", n));
    let (result, n) = statements(bench.reserve(order, &asked, true)).await;
    result.expect("reserved already");
    costs.push(("reserve again", n));
    let confirmed: Vec<_> = lines.iter().map(|line| (*line, 10, 2)).collect();
    let (result, n) = statements(bench.confirm(order, &confirmed)).await;
    result.expect("heard");
    costs.push(("confirm", n));
    let receipt: Vec<_> = lines.iter().map(|line| (line.product_id, 1, "2")).collect();
    let (result, n) = statements(bench.purchase(warehouse, &receipt)).await;
    result.expect("heard");
    costs.push(("purchase and fill", n));
    let shipped: Vec<_> = lines.iter().map(|line| (*line, 9)).collect();
    let (result, n) = statements(bench.ship(order, &shipped)).await;
    result.expect("heard");
    costs.push(("ship", n));
    let returned: Vec<_> = lines.iter().map(|line| (*line, 1, true)).collect();
    let (result, n) = statements(bench.take_back(order, &returned)).await;
    result.expect("heard");
    costs.push(("return and fill", n));
    let cancelled: Vec<_> = lines.iter().map(|line| (*line, 1, 0)).collect();
    let (result, n) = statements(bench.cancel_lines(order, &cancelled)).await;
    result.expect("heard");
    costs.push(("cancel lines", n));
    let late: Vec<_> = lines
        .iter()
        .map(|line| (Line { id: contracts::ids::OrderLineId::new(), ..*line }, 1, 0))
        .collect();
    let (result, n) = statements(bench.confirm(OrderId::new(), &late)).await;
    result.expect("heard");
    costs.push(("confirm without a hold", n));
    let release = Release { order_id: order };
    let (result, n) = statements(bench.service.release_order(&ctx(), release)).await;
    result.expect("released");
    costs.push(("release", n));
    costs
}

#[tokio::test]
async fn a_thousand_lines_cost_as_many_statements_as_two() {
    let bench = Bench::new().await;
    let warehouse = bench.warehouse("W").await;
    let few = assortment(&bench, warehouse, 2, "few-").await;
    let many = assortment(&bench, warehouse, 1000, "many-").await;
    let cost_of_few = life(&bench, warehouse, &few).await;
    let cost_of_many = life(&bench, warehouse, &many).await;
    assert_eq!(cost_of_few, cost_of_many);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_queue_longer_than_a_statement_can_name_is_served_at_once() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    let first = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(first.0, &[(first.1, 1)], true).await.expect("allowed");
    bench.confirm(first.0, &[(first.1, 0, 1)]).await.expect("heard");
    // 3999 more, each of another order. One statement of SQLite takes 32766 parameters.
    bench
        .sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3999) \
             INSERT INTO backorders (id, order_id, order_line_id, product_id, warehouse_id, \
             quantity, remaining, status, expires_at, version, created_at, updated_at) \
             SELECT randomblob(16), randomblob(16), randomblob(16), \
             product_id, warehouse_id, quantity, remaining, status, expires_at, version, \
             created_at, updated_at FROM backorders, n",
        )
        .await
        .expect("inserted");
    bench.sql("UPDATE stock_levels SET backordered = 4000000000").await.expect("updated");
    bench.assert_lawful().await;
    bench.receive(product, warehouse, 3500, "1").await;
    assert_eq!(bench.level(product, warehouse).await, (3500, 3500, 500, 350_000));
    assert_eq!(bench.published::<BackorderFilled>().await.len(), 3500);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_job_that_never_rests_is_refused_at_the_start() {
    assert!(Bench::open(0).await.is_err());
    assert!(Bench::open(1).await.is_ok());
}

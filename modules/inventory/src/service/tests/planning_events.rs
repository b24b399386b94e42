//! What is told when the last of something is promised, when there is some again, and when it
//! is time to buy.

use chrono::{Days, Utc};
use contracts::events::{StockDepleted, StockFellBelowReorderPoint, StockRestocked};
use contracts::ids::OrderId;
use serde_json::json;

use super::bench::{Bench, ctx, q, receipt, request};
use crate::entities::expected_receipt;

#[tokio::test]
async fn what_runs_out_and_comes_in_is_told_once() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    let rule = json!({
        "product_id": product, "warehouse_id": warehouse, "min": "3", "target": "10"
    });
    bench.service.create_reorder_rule(&ctx(), request(rule)).await.expect("created");
    let told = async || {
        (
            bench.published::<StockDepleted>().await.len(),
            bench.published::<StockRestocked>().await.len(),
            bench.published::<StockFellBelowReorderPoint>().await.len(),
        )
    };
    bench.receive(product, warehouse, 5, "1").await;
    assert_eq!(told().await, (0, 1, 0));
    // From five to three: not below.
    bench.adjust(product, warehouse, "-2").await.expect("there");
    assert_eq!(told().await, (0, 1, 0));
    // Promises count as well.
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 1)], false).await.expect("there");
    assert_eq!(told().await, (0, 1, 1));
    let fell = bench.published::<StockFellBelowReorderPoint>().await.remove(0);
    assert_eq!((fell.available, fell.reorder_point), (q(2), q(3)));
    bench.adjust(product, warehouse, "-2").await.expect("there");
    assert_eq!(told().await, (1, 1, 1), "below it was before");
    bench.receive(product, warehouse, 5, "1").await;
    assert_eq!(told().await, (1, 2, 1));
    assert_eq!(bench.published::<StockRestocked>().await[1].available, q(5));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_receipt_counts_down_what_was_expected() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    let came = receipt(warehouse, &[(product, 6, "1")]);
    let line = came.lines[0].purchase_order_line_id;
    let expected = json!({
        "product_id": product, "warehouse_id": warehouse, "quantity": "10",
        "expected_on": Utc::now().date_naive() + Days::new(3)
    });
    let set =
        async || bench.service.set_expected_receipt(&ctx(), line, request(expected.clone())).await;
    set().await.expect("said");
    bench.hear(came.purchase_order_id.uuid(), &came).await.expect("heard");
    let sql = "SELECT * FROM expected_receipts";
    let row = bench.find::<expected_receipt::Model>(sql).await;
    assert_eq!((row.quantity, row.received), (q(10), q(6)));
    // Said again, what has come stays come.
    set().await.expect("said");
    assert_eq!(bench.find::<expected_receipt::Model>(sql).await.received, q(6));
    bench.assert_lawful().await;
}

//! What purchase orders are to bring.

use chrono::{Days, NaiveDate, Utc};
use contracts::events::{ClosedLine, PurchaseOrderApproved, PurchaseOrderClosed};
use contracts::ids::{OrderId, ProductId, PurchaseOrderLineId, WarehouseId};
use kernel::db::query_all;
use kernel::quantity::Quantity;
use serde_json::json;

use super::bench::{Bench, ctx, ordered, q, receipt, request};
use crate::entities::expected_receipt;

fn day(days: u64) -> NaiveDate {
    Utc::now().date_naive() + Days::new(days)
}

async fn rule(bench: &Bench, product: ProductId, warehouse: WarehouseId, lead_time_days: u64) {
    let rule = json!({
        "product_id": product, "warehouse_id": warehouse, "min": "5", "target": "10",
        "lead_time_days": lead_time_days
    });
    bench.service.create_reorder_rule(&ctx(), request(rule)).await.expect("made");
}

/// How much to buy, and how much is on its way, by rule.
async fn suggested(bench: &Bench) -> Vec<(Quantity, Quantity)> {
    let query = serde_json::from_value(json!({})).expect("a query");
    let page = bench.service.list_reorder_suggestions(&ctx(), query).await.expect("answered");
    page.data.iter().map(|row| (row.quantity, row.expected)).collect()
}

async fn expected(bench: &Bench) -> Vec<(PurchaseOrderLineId, Quantity, Quantity, NaiveDate)> {
    let sql = "SELECT * FROM expected_receipts ORDER BY id";
    let db = bench.service.db.read();
    let rows: Vec<expected_receipt::Model> = query_all(db, sql, vec![]).await.expect("reads");
    rows.iter().map(|row| (row.id, row.quantity, row.received, row.expected_on)).collect()
}

async fn approve(bench: &Bench, order: &PurchaseOrderApproved) {
    bench.hear(order.purchase_order_id.uuid(), order).await.expect("heard");
}

#[tokio::test]
async fn what_is_ordered_is_expected_until_it_has_come_or_will_not() {
    let bench = Bench::new().await;
    let (chair, warehouse) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    rule(&bench, chair, warehouse, 3).await;
    assert_eq!(suggested(&bench).await, [(q(10), q(0))]);

    // Somebody who waits is promised the day of the order.
    let (sale, line) = (OrderId::new(), bench.line(chair, warehouse));
    bench.reserve(sale, &[(line, 2)], true).await.expect("allowed");
    bench.confirm(sale, &[(line, 0, 2)]).await.expect("heard");
    let id = PurchaseOrderLineId::new();
    let order = ordered(warehouse, &[(id, chair, 4)], Some(day(9)));
    approve(&bench, &order).await;
    assert_eq!(expected(&bench).await, [(id, q(4), q(0), day(9))]);
    // Two are owed, four come, five are to be there, ten are wanted.
    assert_eq!(suggested(&bench).await, [(q(8), q(4))]);

    let mut came = receipt(warehouse, &[(chair, 3, "1")]);
    came.purchase_order_id = order.purchase_order_id;
    came.lines[0].purchase_order_line_id = id;
    bench.hear(order.purchase_order_id.uuid(), &came).await.expect("heard");
    assert_eq!(expected(&bench).await, [(id, q(4), q(3), day(9))]);
    let closed = PurchaseOrderClosed {
        purchase_order_id: order.purchase_order_id,
        warehouse_id: warehouse,
        lines: vec![ClosedLine { purchase_order_line_id: id, product_id: chair }],
    };
    bench.hear(order.purchase_order_id.uuid(), &closed).await.expect("heard");
    assert_eq!(expected(&bench).await, [(id, q(3), q(3), day(9))]);
    assert_eq!(suggested(&bench).await, [(q(9), q(0))]);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn without_a_day_the_lead_time_says_it_and_the_setting_where_there_is_none() {
    let bench = Bench::new().await;
    let (chair, table) = (bench.product("CHAIR").await, bench.product("TABLE").await);
    let warehouse = bench.warehouse("W").await;
    rule(&bench, chair, warehouse, 3).await;
    let mut ids = [PurchaseOrderLineId::new(), PurchaseOrderLineId::new()];
    ids.sort();
    let lines = [(ids[0], chair, 1), (ids[1], table, 2)];
    approve(&bench, &ordered(warehouse, &lines, None)).await;
    let usual = bench.service.config.lead_time_days;
    let found = [(ids[0], q(1), q(0), day(3)), (ids[1], q(2), q(0), day(usual.into()))];
    assert_eq!(expected(&bench).await, found);

    // What somebody said of a line before gives way to the order.
    let said = json!({
        "product_id": table, "warehouse_id": warehouse, "quantity": "9", "expected_on": day(1)
    });
    let id = PurchaseOrderLineId::new();
    bench.service.set_expected_receipt(&ctx(), id, request(said)).await.expect("said");
    approve(&bench, &ordered(warehouse, &[(id, table, 7)], Some(day(2)))).await;
    assert!(expected(&bench).await.contains(&(id, q(7), q(0), day(2))));

    // An order of before it was told where its goods go.
    let mut old = ordered(warehouse, &[(PurchaseOrderLineId::new(), chair, 1)], None);
    old.warehouse_id = None;
    approve(&bench, &old).await;
    assert_eq!(expected(&bench).await.len(), 3);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_is_in_transit_is_not_bought_again() {
    let bench = Bench::new().await;
    let (chair, from, to) =
        (bench.product("CHAIR").await, bench.warehouse("A").await, bench.warehouse("B").await);
    bench.receive(chair, from, 20, "1").await;
    rule(&bench, chair, to, 1).await;
    assert_eq!(suggested(&bench).await, [(q(10), q(0))]);
    let transfer = json!({
        "from_warehouse_id": from, "to_warehouse_id": to,
        "lines": [{"product_id": chair, "quantity": "4"}]
    });
    bench.service.ship_transfer(&ctx(), request(transfer)).await.expect("sent");
    assert_eq!(suggested(&bench).await, [(q(6), q(4))]);
    bench.assert_lawful().await;
}

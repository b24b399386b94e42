//! What purchase orders are to bring.

use chrono::{Days, NaiveDate, Utc};
use contracts::events::{
    BackorderPromised, ClosedLine, PurchaseOrderApproved, PurchaseOrderClosed,
};
use contracts::ids::{OrderId, OrderLineId, ProductId, PurchaseOrderLineId, WarehouseId};
use kernel::db::query_all;
use kernel::quantity::Quantity;
use serde_json::json;

use super::bench::{Bench, Line, ctx, ordered, q, receipt, request};
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

/// Closes an order: what has not come of its lines does not come.
async fn close(bench: &Bench, order: &PurchaseOrderApproved) {
    let line = |line: &contracts::events::ApprovedLine| ClosedLine {
        purchase_order_line_id: line.purchase_order_line_id,
        product_id: line.product_id,
    };
    let closed = PurchaseOrderClosed {
        purchase_order_id: order.purchase_order_id,
        warehouse_id: order.warehouse_id.expect("it says where"),
        lines: order.lines.iter().map(line).collect(),
    };
    bench.hear(order.purchase_order_id.uuid(), &closed).await.expect("heard");
}

/// An order whose line waits for all of it.
async fn waits(bench: &Bench, line: Line, units: i64) {
    let sale = OrderId::new();
    bench.reserve(sale, &[(line, units)], true).await.expect("allowed");
    bench.confirm(sale, &[(line, 0, units)]).await.expect("heard");
}

/// What a line was told of its promise, the newest last.
async fn told(bench: &Bench, line: OrderLineId) -> Vec<Option<NaiveDate>> {
    let events = bench.published::<BackorderPromised>().await;
    let lines = events.into_iter().flat_map(|event| event.lines);
    lines.filter(|told| told.order_line_id == line).map(|told| told.promised_on).collect()
}

#[tokio::test]
async fn what_was_promised_by_an_order_that_is_closed_is_promised_anew() {
    let bench = Bench::new().await;
    let (chair, warehouse) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let (first, second) = (bench.line(chair, warehouse), bench.line(chair, warehouse));
    waits(&bench, first, 2).await;
    waits(&bench, second, 3).await;
    let buy = async |product: ProductId, units: i64, on: NaiveDate| {
        let order = ordered(warehouse, &[(PurchaseOrderLineId::new(), product, units)], Some(on));
        approve(&bench, &order).await;
        order
    };
    let soon = buy(chair, 4, day(3)).await;
    let late = buy(chair, 3, day(9)).await;
    assert_eq!(told(&bench, first.id).await, [Some(day(3))]);
    assert_eq!(told(&bench, second.id).await, [Some(day(9))]);
    // Half of what the first waits for has come when the rest is given up.
    let mut came = receipt(warehouse, &[(chair, 1, "1")]);
    came.lines[0].purchase_order_line_id = soon.lines[0].purchase_order_line_id;
    bench.hear(soon.purchase_order_id.uuid(), &came).await.expect("heard");
    close(&bench, &soon).await;
    // Who was promised first comes first, and of what is left the second is not covered.
    assert_eq!(told(&bench, first.id).await, [Some(day(3)), Some(day(9))]);
    assert_eq!(told(&bench, second.id).await, [Some(day(9)), None], "nothing is known any more");
    buy(chair, 1, day(12)).await;
    assert_eq!(told(&bench, second.id).await, [Some(day(9)), None, Some(day(12))]);
    // Said twice it is known once.
    close(&bench, &soon).await;
    assert_eq!(told(&bench, first.id).await.len(), 2);
    // Who counts on something else keeps the day.
    buy(chair, 3, day(11)).await;
    close(&bench, &late).await;
    assert_eq!(told(&bench, first.id).await, [Some(day(3)), Some(day(9)), Some(day(12))]);
    assert_eq!(told(&bench, second.id).await.len(), 3);
    bench.assert_lawful().await;

    // A lead time promises whatever becomes of an order.
    let table = bench.product("TABLE").await;
    rule(&bench, table, warehouse, 7).await;
    let line = bench.line(table, warehouse);
    waits(&bench, line, 1).await;
    let order = buy(table, 1, day(9)).await;
    close(&bench, &order).await;
    assert_eq!(told(&bench, line.id).await, []);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_kit_whose_last_part_does_not_come_is_promised_no_more() {
    let bench = Bench::new().await;
    let (chair, cloth) = (bench.product("CHAIR").await, bench.product("CLOTH").await);
    let warehouse = bench.warehouse("W").await;
    let kit = bench.kit("SET", &[(chair, "1"), (cloth, "2")]).await;
    let line = bench.line(kit, warehouse);
    waits(&bench, line, 1).await;
    let (chairs, cloths) = (PurchaseOrderLineId::new(), PurchaseOrderLineId::new());
    let lines = [(chairs, chair, 1), (cloths, cloth, 1)];
    let order = ordered(warehouse, &lines, Some(day(3)));
    approve(&bench, &order).await;
    assert_eq!(told(&bench, line.id).await, [], "there is too little of the cloth");
    let rest = ordered(warehouse, &[(PurchaseOrderLineId::new(), cloth, 1)], Some(day(5)));
    approve(&bench, &rest).await;
    assert_eq!(told(&bench, line.id).await, [Some(day(5))]);
    close(&bench, &order).await;
    assert_eq!(told(&bench, line.id).await, [Some(day(5)), None]);
    bench.assert_lawful().await;
    approve(&bench, &ordered(warehouse, &lines, Some(day(8)))).await;
    assert_eq!(told(&bench, line.id).await, [Some(day(5)), None, Some(day(8))]);
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

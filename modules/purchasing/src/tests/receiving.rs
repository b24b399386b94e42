//! Drafting, the machine, and receiving.

use contracts::events::{PurchaseOrderApproved, PurchaseOrderClosed, ReceiptPosted};
use contracts::ids::{PurchaseOrderId, PurchaseOrderLineId, SupplierId, WarehouseId};
use kernel::db::query_all;
use kernel::events::EventData;
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

use super::world::{World, ctx};
use crate::entities::purchase_order::{BillingStatus, PurchaseOrderStatus as S, ReceiptStatus};

#[derive(FromQueryResult)]
struct Published {
    r#type: String,
    aggregate_version: i64,
    data: String,
}

async fn published(world: &World) -> Vec<(String, i64, Value)> {
    let sql = "SELECT type, aggregate_version, data FROM events ORDER BY seq";
    let rows: Vec<Published> = query_all(world.service.db.read(), sql, vec![]).await.expect("read");
    let parse = |text: &str| serde_json::from_str(text).expect("JSON");
    rows.into_iter().map(|row| (row.r#type, row.aggregate_version, parse(&row.data))).collect()
}

fn micros(quantity: kernel::quantity::Quantity) -> String {
    quantity.to_string()
}

#[tokio::test]
async fn a_draft_is_totalled_without_tax_in_its_prices() {
    let world = World::new().await;
    let order = world.draft(&["3", "0.5"]).await;
    assert_eq!((order.status, order.version), (S::Draft, 1));
    // 3 × 1.25 = 3.75; 0.5 × 1.25 = 0.625, rounded to 0.63; 20 % of each.
    assert_eq!(order.net.to_string(), "4.38 EUR");
    assert_eq!(order.tax.to_string(), "0.88 EUR");
    assert_eq!(order.total.to_string(), "5.26 EUR");
    assert_eq!((order.supplier_name.as_str(), order.payment_terms_days), ("Ada", 14));
    assert!(order.number.starts_with("PO-") && order.number.ends_with("-000001"));
    assert_eq!(order.allowed_actions, ["approve", "cancel"]);
}

#[tokio::test]
async fn bad_references_are_pointed_at() {
    let world = World::new().await;
    let check = async |body: Value, code: &str| {
        let new = serde_json::from_value(body).expect("a purchase order");
        let refused = world.service.create_purchase_order(&ctx(), new).await;
        let error = refused.expect_err(code);
        assert_eq!((error.status(), error.code()), (422, code));
    };
    let (good, unknown, inactive) = (WarehouseId::new(), WarehouseId::new(), WarehouseId::new());
    world.shelf.unknown.lock().expect("whole").push(unknown.uuid());
    world.shelf.inactive.lock().expect("whole").push(inactive.uuid());
    let line = |product: WarehouseId, quantity: &str| json!([{"product_id": product, "quantity": quantity, "unit_price": "1"}]);
    let body = |supplier: SupplierId, warehouse: WarehouseId, lines: Value| json!({"supplier_id": supplier, "warehouse_id": warehouse, "lines": lines});
    let ours = world.supplier_id;
    check(body(SupplierId::new(), good, line(good, "1")), "unknown_supplier").await;
    check(body(ours, unknown, line(good, "1")), "unknown_warehouse").await;
    check(body(ours, inactive, line(good, "1")), "warehouse_inactive").await;
    check(body(ours, good, line(unknown, "1")), "unknown_product").await;
    check(body(ours, good, line(inactive, "1")), "product_inactive").await;
    check(body(ours, good, line(good, "0.25")), "quantity_too_fine").await;
    check(body(ours, good, json!([])), "no_lines").await;
    let patch = serde_json::from_value(json!({"is_active": false})).expect("a patch");
    world.service.update_supplier(&ctx(), ours, patch).await.expect("updated");
    check(body(ours, good, line(good, "1")), "supplier_inactive").await;
}

#[tokio::test]
async fn a_draft_may_change_and_an_approved_order_may_not() {
    let world = World::new().await;
    let order = world.draft(&["3", "4"]).await;
    let patch = || {
        let lines = json!([{"product_id": WarehouseId::new(), "quantity": "2", "unit_price": "9"}]);
        let patch = json!({"lines": lines, "expected_on": "2999-01-01"});
        serde_json::from_value(patch).expect("a patch")
    };
    world.service.update_purchase_order(&ctx(), order.id, patch()).await.expect("changed");
    let changed = world.order(order.id).await;
    assert_eq!((changed.lines.len(), changed.version), (1, 2));
    assert_eq!(changed.net.to_string(), "18.00 EUR");
    assert_eq!(changed.expected_on.map(|date| date.to_string()).as_deref(), Some("2999-01-01"));
    world.service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
    let refused = world.service.update_purchase_order(&ctx(), order.id, patch()).await;
    assert_eq!(refused.expect_err("agreed").code(), "illegal_transition");
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

#[tokio::test]
async fn approving_tells_billing_what_is_ordered() {
    let world = World::new().await;
    let order = world.draft(&["3"]).await;
    world.service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
    let events = published(&world).await;
    let [(kind, version, data)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((kind.as_str(), *version), (PurchaseOrderApproved::TYPE, 2));
    assert_eq!(data["payment_terms_days"], 14);
    assert_eq!(data["lines"][0]["purchase_order_line_id"], json!(order.lines[0].id));
    assert_eq!((&data["lines"][0]["quantity"], &data["currency"]), (&json!("3"), &json!("EUR")));
    assert_eq!(data["warehouse_id"], json!(order.warehouse_id));
    let refused = world.service.approve_purchase_order(&ctx(), order.id).await;
    assert_eq!(refused.expect_err("twice").code(), "illegal_transition");
}

#[tokio::test]
async fn whoever_expects_the_goods_is_told_when_they_do_not_come() {
    let world = World::new().await;
    let told = async || {
        let events = published(&world).await;
        let closed = events.into_iter().filter(|(kind, ..)| kind == PurchaseOrderClosed::TYPE);
        closed.map(|(_, _, data)| data["purchase_order_id"].clone()).collect::<Vec<_>>()
    };
    let draft = world.draft(&["3"]).await.id;
    world.service.cancel_purchase_order(&ctx(), draft).await.expect("cancelled");
    assert_eq!(told().await, Vec::<Value>::new(), "nobody was told of it before");
    let sent = world.sent(&["3", "2"]).await.id;
    world.service.cancel_purchase_order(&ctx(), sent).await.expect("cancelled");
    assert_eq!(told().await, [json!(sent)]);
    let partly = world.sent(&["5"]).await;
    world.receive(partly.id, &[(partly.lines[0].id, "1")]).await.expect("received");
    world.service.close_purchase_order(&ctx(), partly.id).await.expect("closed");
    assert_eq!(told().await, [json!(sent), json!(partly.id)]);
}

#[tokio::test]
async fn nothing_is_ordered_of_a_supplier_who_is_not_active() {
    let world = World::new().await;
    let set_active = async |is_active: bool| {
        let patch = serde_json::from_value(json!({ "is_active": is_active })).expect("a patch");
        world.service.update_supplier(&ctx(), world.supplier_id, patch).await.expect("updated");
    };
    let order = world.draft(&["3"]).await;
    set_active(false).await;
    let refused = world.service.approve_purchase_order(&ctx(), order.id).await;
    let refused = refused.expect_err("inactive");
    assert_eq!((refused.status(), refused.code()), (422, "supplier_inactive"));
    set_active(true).await;
    world.service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
    set_active(false).await;
    let refused = world.service.send_purchase_order(&ctx(), order.id).await;
    let refused = refused.expect_err("inactive");
    assert_eq!((refused.status(), refused.code()), (422, "supplier_inactive"));
    assert_eq!(world.order(order.id).await.status, S::Approved);
    // What is under way goes on, and what is not can be called off.
    set_active(true).await;
    world.service.send_purchase_order(&ctx(), order.id).await.expect("sent");
    let other = world.draft(&["1"]).await;
    set_active(false).await;
    world.receive_all(order.id).await.expect("received");
    world.service.cancel_purchase_order(&ctx(), other.id).await.expect("cancelled");
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

#[tokio::test]
async fn only_what_was_sent_is_received() {
    let world = World::new().await;
    let order = world.draft(&["3"]).await;
    let refused = world.receive_all(order.id).await.expect_err("a draft");
    assert_eq!((refused.status(), refused.code()), (409, "illegal_transition"));
    world.service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
    assert_eq!(world.receive_all(order.id).await.expect_err("approved").status(), 409);
    let unknown = world.receive_all(PurchaseOrderId::new()).await.expect_err("unknown");
    assert_eq!((unknown.status(), unknown.code()), (422, "unknown_purchase_order"));
}

#[tokio::test]
async fn goods_arrive_on_the_day_they_are_ordered_or_later() {
    let world = World::new().await;
    let order = world.draft(&["3"]).await;
    let ordered_on = order.ordered_on - chrono::Days::new(3);
    let patch = serde_json::from_value(json!({"ordered_on": ordered_on})).expect("a patch");
    world.service.update_purchase_order(&ctx(), order.id, patch).await.expect("changed");
    world.service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
    world.service.send_purchase_order(&ctx(), order.id).await.expect("sent");
    let receive = async |received_on: chrono::NaiveDate| {
        let line = json!({"purchase_order_line_id": order.lines[0].id, "quantity": "1"});
        let new = json!({
            "purchase_order_id": order.id, "received_on": received_on, "lines": [line]
        });
        let new = serde_json::from_value(new).expect("a receipt");
        world.service.create_receipt(&ctx(), new).await
    };
    for early in [ordered_on - chrono::Days::new(1), "1900-01-01".parse().expect("a day")] {
        let refused = receive(early).await.expect_err("not ordered yet");
        assert_eq!((refused.status(), refused.code()), (422, "received_before_ordered"));
        assert_eq!(refused.fields()[0].pointer, "/received_on");
    }
    assert!(world.receipts().await.is_empty());
    receive(ordered_on).await.expect("received");
    receive(order.ordered_on).await.expect("received");
}

#[tokio::test]
async fn a_partial_receipt_leaves_the_rest_open() {
    let world = World::new().await;
    let order = world.sent(&["5", "2"]).await;
    let [first, second] = &order.lines[..] else { panic!("two lines") };
    world.receive(order.id, &[(first.id, "1.5")]).await.expect("received");
    let partly = world.order(order.id).await;
    assert_eq!((partly.status, partly.receipt_status), (S::Sent, ReceiptStatus::Partial));
    assert_eq!(partly.version, order.version + 1);
    assert_eq!(partly.allowed_actions, ["close"]);
    let line = &partly.lines[0];
    assert_eq!((micros(line.received), micros(line.open)), ("1.5".into(), "3.5".into()));
    world.receive_all(order.id).await.expect("received");
    let fully = world.order(order.id).await;
    assert_eq!((fully.status, fully.receipt_status), (S::Received, ReceiptStatus::Full));
    assert_eq!(micros(fully.lines[1].received), micros(second.ordered));
    let more = world.receive(order.id, &[(first.id, "1")]).await.expect_err("full");
    assert_eq!(more.code(), "illegal_transition");

    let events = published(&world).await;
    let posted: Vec<_> = events.iter().filter(|e| e.0 == ReceiptPosted::TYPE).collect();
    assert_eq!(posted.len(), 2);
    assert_eq!(posted[0].2["lines"][0]["unit_cost"], "1.25");
    assert_eq!(posted[0].1, partly.version);
    assert_eq!(posted[1].2["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());

    let receipts = world.receipts().await;
    let read = world.service.receipt(receipts[1].id).await.expect("there");
    assert!(read.number.starts_with("GR-") && read.number.ends_with("-000002"));
    assert_eq!(read.lines.len(), 2);
    assert_eq!(micros(read.lines[0].quantity), "3.5");
}

#[tokio::test]
async fn more_than_is_open_is_not_received_at_all() {
    let world = World::new().await;
    let order = world.sent(&["5", "2"]).await;
    let (first, second) = (order.lines[0].id, order.lines[1].id);
    let refused = world.receive(order.id, &[(first, "5"), (second, "2.1")]).await;
    let refused = refused.expect_err("more than open");
    assert_eq!((refused.status(), refused.code()), (409, "over_receipt"));
    assert_eq!(world.order(order.id).await.receipt_status, ReceiptStatus::None);
    assert!(world.receipts().await.is_empty());
    for (lines, code) in [
        (vec![(first, "1"), (first, "1")], "duplicate_line"),
        (vec![(PurchaseOrderLineId::new(), "1")], "unknown_purchase_order_line"),
        (vec![(first, "0.01")], "quantity_too_fine"),
        (vec![], "no_lines"),
    ] {
        let refused = world.receive(order.id, &lines).await.expect_err(code);
        assert_eq!((refused.status(), refused.code()), (422, code));
    }
}

#[tokio::test]
async fn what_has_arrived_cannot_be_cancelled_and_what_has_not_cannot_be_closed() {
    let world = World::new().await;
    let service = &world.service;
    let order = world.sent(&["5", "2"]).await;
    let refused = service.close_purchase_order(&ctx(), order.id).await.expect_err("nothing");
    assert_eq!((refused.status(), refused.code()), (409, "illegal_transition"));
    world.receive(order.id, &[(order.lines[0].id, "4")]).await.expect("received");
    let refused = service.cancel_purchase_order(&ctx(), order.id).await.expect_err("arrived");
    assert_eq!((refused.status(), refused.code()), (409, "already_received"));

    service.close_purchase_order(&ctx(), order.id).await.expect("closed");
    let closed = world.order(order.id).await;
    assert_eq!((closed.status, closed.receipt_status), (S::Closed, ReceiptStatus::Full));
    assert_eq!(closed.billing_status, BillingStatus::None);
    let counters: Vec<_> = closed
        .lines
        .iter()
        .map(|line| [line.received, line.open, line.short_closed].map(micros).join(" "))
        .collect();
    assert_eq!(counters, ["4 0 1", "0 0 2"]);
    assert!(closed.allowed_actions.is_empty() && closed.closed_at.is_some());
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());

    for steps in 0..3 {
        let order = world.draft(&["1"]).await;
        if steps > 0 {
            service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
        }
        if steps > 1 {
            service.send_purchase_order(&ctx(), order.id).await.expect("sent");
        }
        service.cancel_purchase_order(&ctx(), order.id).await.expect("cancelled");
        let cancelled = world.order(order.id).await;
        assert_eq!(
            (cancelled.status, cancelled.receipt_status),
            (S::Cancelled, ReceiptStatus::None)
        );
        assert_eq!(micros(cancelled.lines[0].open), "0");
    }
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

/// Inventory hears of a receipt once it stands: what it could not hold is refused before.
#[tokio::test]
async fn no_more_is_received_than_stock_can_hold() {
    let world = World::new().await;
    let order = world.draft(&["3", "4"]).await;
    world.service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
    world.service.send_purchase_order(&ctx(), order.id).await.expect("sent");
    let (fits, full) = (&order.lines[0], &order.lines[1]);
    world.shelf.full.lock().expect("whole").push(full.product_id.uuid());
    let refused = world.receive(order.id, &[(fits.id, "1"), (full.id, "4")]).await;
    let error = refused.expect_err("too much");
    assert_eq!((error.status(), error.code()), (422, "amount_overflow"));
    assert_eq!(error.fields()[0].pointer, "/lines/1/quantity");
    let error = world.receive_all(order.id).await.expect_err("too much of one");
    assert_eq!((error.status(), error.code()), (422, "amount_overflow"));
    assert!(world.receipts().await.is_empty());
    world.receive(order.id, &[(fits.id, "1")]).await.expect("it fits");
    // What has arrived has arrived, whether or not inventory can be asked.
    *world.shelf.is_away.lock().expect("whole") = true;
    world.receive(order.id, &[(full.id, "4")]).await.expect("received");
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

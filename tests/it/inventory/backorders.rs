//! Backorders: by when what waits is promised, and who gets what comes in.

use chrono::{Days, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::scope::clerk;
use super::{RECEIPTS, warehouse};
use crate::flows::company;
use crate::harness::{Api, Server, text};

const BACKORDERS: &str = "/api/v1/inventory/backorders";
const ORDERS: &str = "/api/v1/orders/orders";

/// The one row of what waits for an order.
async fn waiting(api: &Api, order: &Value) -> Value {
    let list = format!("{BACKORDERS}?order_id={}", text(&order["id"]));
    let rows = api.get(&list).await.ok();
    assert_eq!(rows["data"].as_array().map(Vec::len), Some(1), "{rows}");
    rows["data"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_promised_and_the_oldest_promise_is_filled_first() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let product = &company.product_ids[0];
    let day = |days: u64| Utc::now().date_naive() + Days::new(days);
    let order = async |quantity: &str| {
        let body = json!({
            "customer_id": company.customer_id, "warehouse_id": company.warehouse_id,
            "allow_backorder": true, "lines": [{ "product_id": product, "quantity": quantity }]
        });
        let draft = api.post(ORDERS, body).await.ok();
        let path = format!("{ORDERS}/{}", text(&draft["id"]));
        let confirmed = api.act(&format!("{path}/confirm"), &draft).await.ok();
        server.settle().await;
        (path, confirmed)
    };
    let expect = async |quantity: &str, days: u64| {
        let path = format!("/api/v1/inventory/expected-receipts/{}", Uuid::now_v7());
        let body = json!({
            "product_id": product, "warehouse_id": company.warehouse_id, "quantity": quantity,
            "expected_on": day(days)
        });
        api.put(&path, &json!({ "version": 1 }), body).await.ok();
        server.settle().await;
    };
    let line = async |path: &str| api.get(path).await.ok()["lines"][0].clone();

    expect("4", 5).await;
    let (early_path, early) = order("1002").await;
    assert_eq!(early["lines"][0]["promised_on"], json!(day(5)), "told when it was confirmed");
    let (late_path, late) = order("3").await;
    assert_eq!(late["lines"][0].get("promised_on"), None, "two of the four are left");
    expect("1", 8).await;
    assert_eq!(line(&late_path).await["promised_on"], json!(day(8)));

    let waits = waiting(api, &late).await;
    assert_eq!((&waits["remaining"], &waits["status"]), (&json!("3"), &json!("open")));
    assert_eq!(waits["order_line_id"], late["lines"][0]["id"]);
    let path = format!("{BACKORDERS}/{}", text(&waits["id"]));
    let promise = format!("{path}/promise");
    assert_eq!(api.get(&path).await.ok(), waits);
    let asked =
        async |on: Value| api.act_with(&promise, &waits, json!({ "promised_on": on })).await;
    asked(json!(Utc::now().date_naive() - Days::new(1))).await.points_at(
        422,
        "date_in_past",
        "/promised_on",
    );
    asked(json!("1066-10-14")).await.points_at(422, "date_out_of_range", "/promised_on");
    let elsewhere = warehouse(api, "ELSEWHERE").await;
    let (_, stranger) = clerk(api, "stranger", json!(["inventory.*"]), &[&elsewhere]).await;
    stranger.get(&path).await.problem(404, "not_found");
    let tomorrow = json!({ "promised_on": day(1) });
    stranger.act_with(&promise, &waits, tomorrow.clone()).await.problem(404, "not_found");
    assert_eq!(stranger.get(BACKORDERS).await.ok()["data"], json!([]));
    let main = json!({ "id": company.warehouse_id });
    let (_, reader) = clerk(api, "reader", json!(["inventory.stock:read"]), &[&main]).await;
    assert_eq!(reader.get(&path).await.ok(), waits);
    reader.act_with(&promise, &waits, tomorrow.clone()).await.problem(403, "permission_denied");
    assert_eq!(api.get(&path).await.ok(), waits, "a refusal changes nothing");

    let promised = asked(json!(day(1))).await.ok();
    assert_eq!(promised["promised_on"], json!(day(1)));
    asked(json!(day(2))).await.problem(412, "stale_version");
    server.settle().await;
    assert_eq!(line(&late_path).await["promised_on"], json!(day(1)), "the order says so");
    let log = format!("/api/v1/inventory/audit-log?resource_id={}", text(&waits["id"]));
    let rows = api.get(&log).await.ok()["data"].clone();
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
    let days = ["before", "after"].map(|side| rows[0][side]["promised_on"].clone());
    assert_eq!(days, [json!(day(8)), json!(day(1))]);

    let receipt = json!({
        "warehouse_id": company.warehouse_id, "reason": "found",
        "lines": [{ "product_id": product, "quantity": "4", "unit_cost": "3.50" }]
    });
    api.post(RECEIPTS, receipt).await.ok();
    server.settle().await;
    let filled = line(&late_path).await;
    assert_eq!(filled["counters"]["backordered"], "0");
    assert_eq!(filled.get("promised_on"), None, "what does not wait is promised nothing");
    let first = line(&early_path).await;
    assert_eq!(first["counters"]["backordered"], "1", "who waited longer was promised later");
    assert_eq!(first["promised_on"], json!(day(5)));
    let over = api.get(&path).await.ok();
    assert_eq!((&over["status"], &over["allowed_actions"]), (&json!("filled"), &json!([])));
    api.act_with(&promise, &over, tomorrow).await.problem(409, "backorder_over");
    let open = api.get(&format!("{BACKORDERS}?status=open")).await.ok();
    assert_eq!(open["data"], json!([waiting(api, &early).await]));
    server.assert_invariants().await;
    server.stop().await;
}

//! Returns over HTTP.

use serde_json::{Value, json};

use super::{confirmed, pack, path, reload, ship, stock};
use crate::flows::company;
use crate::harness::{Server, text};

const RETURNS: &str = "/api/v1/orders/returns";

fn back(order: &Value, line: usize, quantity: &str, restock: bool) -> Value {
    json!({
        "order_line_id": order["lines"][line]["id"], "quantity": quantity, "restock": restock
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shipped_comes_back_and_no_more() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["5", "3"]).await;
    let returns = format!("{}/returns", path(&order));
    let take_back = async |lines: Value| {
        api.post(&returns, json!({"lines": lines, "reason": "did not fit"})).await
    };
    let early = take_back(json!([back(&order, 0, "1", true)])).await;
    let early = early.problem(409, "return_exceeds_shipped");
    assert_eq!(early["params"]["lines"][0]["available"], "0");
    let shipment = pack(api, &order, json!({})).await.ok();
    ship(api, &shipment).await.ok();

    // Two fates of one line in one return.
    let lines = json!([back(&order, 0, "3", true), back(&order, 0, "1", false)]);
    let first = take_back(lines).await;
    assert_eq!(first.status, 201);
    let first = first.ok();
    assert!(text(&first["number"]).starts_with("RET-20"));
    assert_eq!(first["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(api.get(&format!("{RETURNS}/{}", text(&first["id"]))).await.ok(), first);
    let lines = json!([back(&order, 0, "2", true), back(&order, 1, "1", true)]);
    let problem = take_back(lines).await.problem(409, "return_exceeds_shipped");
    assert_eq!(problem["params"]["lines"].as_array().map(Vec::len), Some(1));
    assert_eq!(problem["params"]["lines"][0]["available"], "1");

    let after = reload(api, &order).await;
    assert_eq!(after["status"], "completed", "returns never reopen an order");
    assert_eq!(after["lines"][0]["counters"]["returned"], "4");
    assert_eq!(after["lines"][1]["counters"]["returned"], "0");
    server.assert_invariants().await;
    // 5 left, 3 came back to the shelf and 1 to the bin.
    assert_eq!(stock(api, &company.product_ids[0]).await, ["998", "0", "998"]);
    let page = api.get(&format!("{RETURNS}?order_id={}", text(&order["id"]))).await.ok();
    assert_eq!(page["data"], json!([first]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_return_is_posted_once() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["2"]).await;
    ship(api, &pack(api, &order, json!({})).await.ok()).await.ok();
    let returns = format!("{}/returns", path(&order));
    let body = json!({"lines": [back(&order, 0, "1", true)], "reason": "did not fit"});
    let first = api.post_with_key(&returns, body.clone(), "once").await.ok();
    let again = api.post_with_key(&returns, body, "once").await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.ok(), first);
    assert_eq!(reload(api, &order).await["lines"][0]["counters"]["returned"], "1");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_where_it_stands() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["2"]).await;
    ship(api, &pack(api, &order, json!({})).await.ok()).await.ok();
    let returns = format!("{}/returns", path(&order));
    let one = back(&order, 0, "1", true);
    let check = async |lines: Value, code: &str, pointer: &str| {
        let body = json!({"lines": lines, "reason": "did not fit"});
        api.post(&returns, body).await.points_at(422, code, pointer);
    };
    check(json!([]), "no_lines", "/lines").await;
    check(vec![one.clone(); 1001].into(), "too_many_lines", "/lines").await;
    check(json!([one, one]), "duplicate_line", "/lines/1/order_line_id").await;
    check(json!([back(&order, 0, "0.1", true)]), "quantity_too_fine", "/lines/0/quantity").await;
    let unknown = json!({
        "order_line_id": uuid::Uuid::now_v7(), "quantity": "1", "restock": true
    });
    check(json!([unknown]), "unknown_order_line", "/lines/0/order_line_id").await;
    let tomorrow = (chrono::Utc::now() + chrono::Duration::days(1)).date_naive();
    let late = json!({"lines": [one], "reason": "did not fit", "received_on": tomorrow});
    api.post(&returns, late).await.points_at(422, "date_in_future", "/received_on");
    let one = back(&order, 0, "1", true);
    let early = json!({"lines": [one], "reason": "did not fit", "received_on": "2026-01-02"});
    api.post(&returns, early).await.points_at(422, "date_out_of_range", "/received_on");
    let draft = super::draft(api, &company, &["1"]).await;
    let early = json!({"lines": [back(&draft, 0, "1", true)], "reason": "did not fit"});
    let refusal = api.post(&format!("{}/returns", path(&draft)), early).await;
    refusal.problem(409, "illegal_transition");
    server.assert_invariants().await;
    server.stop().await;
}

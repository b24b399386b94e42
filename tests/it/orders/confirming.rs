//! Confirming, cancelling and closing over HTTP, with the real sales and inventory.

use reqwest::Method;
use serde_json::json;

use super::{
    ORDERS, confirm, confirmed, credit, draft, new_order, pack, path, reload, ship, some, stock,
};
use crate::flows::{Company, company};
use crate::harness::{Api, Server, etag, with};

async fn set_credit_limit(api: &Api, company: &Company, amount: &str) {
    let path = format!("/api/v1/sales/customers/{}", company.customer_id);
    let customer = api.get(&path).await.ok();
    let limit = json!({"credit_limit": {"amount": amount, "currency": "EUR"}});
    api.patch(&path, &customer, limit).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_leaves_nothing_held() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = draft(api, &company, &["1", "1001"]).await;
    let problem = confirm(api, &order).await.problem(409, "insufficient_stock");
    assert_eq!(problem["params"]["shortages"][0]["product_id"], company.product_ids[1]);
    assert_eq!(problem["params"]["shortages"][0]["available"], "1000");
    assert_eq!(credit(api, &company).await["holds"]["amount"], "0.00");
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "0", "1000"]);

    // 23.88 with tax.
    let order = draft(api, &company, &["1"]).await;
    set_credit_limit(api, &company, "23.87").await;
    let problem = confirm(api, &order).await.problem(409, "credit_limit_exceeded");
    assert_eq!(problem["params"]["asked"]["amount"], "23.88");
    assert_eq!(reload(api, &order).await, order);
    assert_eq!(credit(api, &company).await["exposure"]["amount"], "0.00");
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "0", "1000"]);

    set_credit_limit(api, &company, "23.88").await;
    confirm(api, &order).await.ok();
    server.assert_invariants().await;
    assert_eq!(credit(api, &company).await["uninvoiced_orders"]["amount"], "23.88");
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "1", "999"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_confirmation_is_answered_as_the_first() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = draft(api, &company, &["3"]).await;
    let confirm_with = async |key: &str, version: &str| {
        let request = api
            .request(Method::POST, &format!("{}/confirm", path(&order)))
            .header("Idempotency-Key", key)
            .header("If-Match", version);
        api.send(request).await
    };
    let first = confirm_with("once", &etag(&order)).await.ok();
    let again = confirm_with("once", &etag(&order)).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["etag"], "\"v2\"");
    assert_eq!(again.ok(), first);
    confirm_with("twice", &etag(&order)).await.problem(412, "stale_version");
    let problem = confirm_with("thrice", "*").await.problem(409, "illegal_transition");
    assert_eq!(problem["params"]["status"], "confirmed");
    server.assert_invariants().await;
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "3", "997"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_gives_everything_back() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["3", "4"]).await;
    let cancel = format!("{}/cancel", path(&order));
    let packed = pack(api, &order, json!({"lines": [some(&order, 0, "1")]})).await.ok();
    api.act(&cancel, &order).await.problem(412, "stale_version");
    let order = reload(api, &order).await;
    assert_eq!(order["allowed_actions"], json!([]));
    api.act(&cancel, &order).await.problem(409, "packed_shipments");
    let unpack = format!("{}/cancel", super::shipment_path(&packed));
    let unpacked = api.act(&unpack, &packed).await.ok();
    assert_eq!((&unpacked["status"], &unpacked["version"]), (&json!("cancelled"), &json!(2)));

    let order = reload(api, &order).await;
    assert_eq!(order["lines"][0]["counters"]["picked"], "0");
    let cancelled = api.act(&cancel, &order).await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["lines"][1]["counters"]["cancelled"], "4");
    api.act(&cancel, &cancelled).await.problem(409, "illegal_transition");
    server.assert_invariants().await;
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "0", "1000"]);
    assert_eq!(credit(api, &company).await["exposure"]["amount"], "0.00");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_cancelled_as_far_as_it_is_still_to_come() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["10", "2"]).await;
    let shipment = pack(api, &order, json!({"lines": [some(&order, 0, "4")]})).await.ok();
    let cancel = async |line: usize, quantity: &str| {
        let order = reload(api, &order).await;
        let line = order["lines"][line]["id"].as_str().expect("an id");
        let path = format!("{}/lines/{line}/cancel", path(&order));
        api.act_with(&path, &order, json!({"quantity": quantity})).await
    };
    let problem = cancel(0, "7").await.problem(409, "exceeds_open");
    assert_eq!(problem["params"]["available"], "6");
    cancel(0, "0.5").await.points_at(422, "quantity_too_fine", "/quantity");
    let after = cancel(0, "6").await.ok();
    assert_eq!(after["lines"][0]["counters"]["cancelled"], "6");
    assert_eq!(after["status"], "confirmed");
    // What was agreed stays; the credit is what is left: 4 × 19.90 + 2 × 5.25, and tax.
    assert_eq!(after["totals"], order["totals"]);
    server.settle().await;
    assert_eq!(credit(api, &company).await["uninvoiced_orders"]["amount"], "108.12");
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "4", "996"]);

    ship(api, &shipment).await.ok();
    let over = cancel(1, "2").await.ok();
    assert_eq!(over["status"], "completed");
    assert_eq!(over["fulfilment_status"], "fulfilled");
    cancel(1, "1").await.problem(409, "illegal_transition");
    let unknown = format!("{}/lines/{}/cancel", path(&order), uuid::Uuid::now_v7());
    let order = confirmed(api, &company, &["1"]).await;
    let unknown = unknown.replace(&path(&over), &path(&order));
    api.act_with(&unknown, &order, json!({"quantity": "1"})).await.problem(404, "not_found");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_lines_are_all_cancelled_is_cancelled() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["3"]).await;
    let line = order["lines"][0]["id"].as_str().expect("an id");
    let cancel = format!("{}/lines/{line}/cancel", path(&order));
    let over = api.act_with(&cancel, &order, json!({"quantity": "3"})).await.ok();
    assert_eq!(over["status"], "cancelled");
    server.assert_invariants().await;
    assert_eq!(credit(api, &company).await["exposure"]["amount"], "0.00");
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "0", "1000"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_closed_short_once_something_was_shipped() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let body = with(new_order(&company, &["1002", "2"]), "allow_backorder", json!(true));
    let order = api.post(ORDERS, body).await.ok();
    let order = confirm(api, &order).await.ok();
    assert_eq!(order["lines"][0]["counters"]["backordered"], "2");
    let close = format!("{}/close-short", path(&order));
    api.act(&close, &order).await.problem(409, "nothing_shipped");
    let shipment = pack(api, &order, json!({"lines": [some(&order, 0, "1")]})).await.ok();
    ship(api, &shipment).await.ok();
    let packed = pack(api, &order, json!({})).await.ok();
    let order = reload(api, &order).await;
    api.act(&close, &order).await.problem(409, "packed_shipments");
    let unpack = format!("{}/cancel", super::shipment_path(&packed));
    api.act(&unpack, &packed).await.ok();

    let order = reload(api, &order).await;
    assert_eq!(order["allowed_actions"], json!(["close_short"]));
    api.act(&format!("{}/cancel", path(&order)), &order).await.problem(409, "already_shipped");
    let closed = api.act(&close, &order).await.ok();
    assert_eq!(closed["status"], "completed");
    assert_eq!(closed["fulfilment_status"], "fulfilled");
    assert_eq!(closed["lines"][0]["counters"]["cancelled"], "1001");
    server.assert_invariants().await;
    assert_eq!(stock(api, &company.product_ids[0]).await, ["999", "0", "999"]);
    // 19.90 and tax.
    assert_eq!(credit(api, &company).await["exposure"]["amount"], "23.88");
    server.stop().await;
}

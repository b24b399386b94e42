//! Making and changing drafts.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{ORDERS, confirm, draft, new_order, path, reload};
use crate::flows::{address, company};
use crate::harness::{Api, Server, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_has_the_customers_prices_and_everything_unallocated() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let mut body = new_order(&company, &["2", "3"]);
    body["lines"][1]["unit_price"] = json!("4.50");
    body["lines"][1]["discount"] = json!("10");
    let created = api.post(ORDERS, body).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.headers["etag"], "\"v1\"");
    let location = created.headers["location"].to_str().expect("ASCII").to_owned();
    let order = created.ok();
    assert_eq!(location, path(&order));
    assert!(text(&order["number"]).starts_with("SO-20"));
    assert_eq!(order["status"], "draft");
    assert_eq!(order["allowed_actions"], json!(["confirm", "cancel"]));
    assert_eq!(order["lines"][0]["unit_price"], "19.90");
    // 2 × 19.90 = 39.80 and 3 × 4.50 less a tenth = 12.15, and a fifth on both.
    assert_eq!(order["totals"]["net"]["amount"], "51.95");
    assert_eq!(order["totals"]["tax"]["amount"], "10.39");
    assert_eq!(order["totals"]["total"]["amount"], "62.34");
    assert_eq!(order["totals"]["taxes"][0]["tax_class"], "standard");
    let counters = json!({
        "ordered": "3", "unallocated": "3", "reserved": "0", "backordered": "0", "picked": "0",
        "shipped": "0", "cancelled": "0", "invoiced": "0", "returned": "0", "credited": "0"
    });
    assert_eq!(order["lines"][1]["counters"], counters);
    assert_eq!(order["shipping_address"], address());
    assert!(order.get("warnings").is_none());
    assert_eq!(reload(api, &order).await, order);
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_changed_in_whole_or_in_part() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = draft(api, &company, &["1", "1"]).await;
    let elsewhere = with(address(), "city", json!("Bremen"));
    let patch = json!({
        "customer_reference": "PO 4711", "allow_backorder": true, "ordered_on": "2026-01-02",
        "shipping_address": elsewhere
    });
    let patched = api.patch(&path(&order), &order, patch).await.ok();
    assert_eq!(patched["customer_reference"], "PO 4711");
    assert_eq!(patched["shipping_address"]["city"], "Bremen");
    assert_eq!(patched["ordered_on"], "2026-01-02");
    assert_eq!(patched["lines"], order["lines"]);
    assert_eq!(patched["version"], 2);

    api.patch(&path(&order), &order, json!({"allow_backorder": false}))
        .await
        .problem(412, "stale_version");
    let same = json!({"allow_backorder": true, "customer_reference": "PO 4711"});
    let unchanged = api.patch(&path(&order), &patched, same).await.ok();
    assert_eq!(unchanged, patched, "no new version");
    for field in ["allow_backorder", "lines", "ordered_on", "warehouse_id", "shipping_address"] {
        let refusal = api.patch(&path(&order), &patched, json!({field: null})).await;
        refusal.points_at(422, "invalid_body", &format!("/{field}"));
    }
    let line = json!({"product_id": company.product_ids[2], "quantity": "4"});
    let patch = json!({"lines": [line], "customer_reference": null});
    let patched = api.patch(&path(&order), &patched, patch).await.ok();
    assert!(patched.get("customer_reference").is_none());
    assert_eq!(patched["lines"].as_array().map(Vec::len), Some(1));
    assert_eq!(patched["totals"]["net"]["amount"], "480.00");
    let gross = json!({"prices_include_tax": true});
    let patched = api.patch(&path(&order), &patched, gross).await.ok();
    assert_eq!(patched["totals"]["total"]["amount"], "480.00");

    let confirmed = confirm(api, &patched).await.ok();
    let refusal = api.patch(&path(&order), &confirmed, json!({"allow_backorder": false})).await;
    refusal.problem(409, "illegal_transition");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_used_twice_is_noticed_while_the_other_order_is_open() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let body = with(new_order(&company, &["1"]), "customer_reference", json!("PO 1"));
    let first = api.post(ORDERS, body.clone()).await.ok();
    assert!(first.get("warnings").is_none());
    let second = api.post(ORDERS, body.clone()).await.ok();
    assert_eq!(second["warnings"], json!(["duplicate_customer_reference"]));
    assert!(reload(api, &second).await.get("warnings").is_none());
    for order in [&first, &second] {
        api.act(&format!("{}/cancel", path(order)), order).await.ok();
    }
    assert!(api.post(ORDERS, body).await.ok().get("warnings").is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_creation_makes_one_order() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let body = new_order(&company, &["1"]);
    let first = api.post_with_key(ORDERS, body.clone(), "once").await.ok();
    // What it needed has gone since; the answer has not.
    let product = format!("/api/v1/inventory/products/{}", company.product_ids[0]);
    let found = api.get(&product).await.ok();
    api.patch(&product, &found, json!({"is_active": false})).await.ok();
    let again = api.post_with_key(ORDERS, body.clone(), "once").await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.ok(), first);
    let other = with(body, "allow_backorder", json!(true));
    api.post_with_key(ORDERS, other, "once").await.problem(422, "idempotency_key_reused");
    let page = api.get(ORDERS).await.ok();
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_ordered_is_refused_where_it_stands() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let nobody = json!(Uuid::now_v7());
    let order = new_order(&company, &["1", "1"]);
    let refused = async |body: Value, status, code: &str, pointer: &str| {
        api.post(ORDERS, body).await.points_at(status, code, pointer);
    };
    let without = |field: &str| {
        let mut body = order.clone();
        body.as_object_mut().expect("an object").remove(field);
        body
    };
    let line = |field: &str, value: Value| {
        let mut body = order.clone();
        body["lines"][1][field] = value;
        body
    };
    let lines =
        |count: usize| with(order.clone(), "lines", vec![order["lines"][0].clone(); count].into());

    refused(without("customer_id"), 422, "quotation_or_customer", "/quotation_id").await;
    let both = with(order.clone(), "quotation_id", nobody.clone());
    refused(both, 422, "quotation_or_customer", "/quotation_id").await;
    let more = json!({"quotation_id": nobody, "customer_reference": "PO"});
    refused(more, 422, "taken_from_quotation", "/customer_reference").await;
    refused(json!({"quotation_id": nobody}), 422, "unknown_quotation", "/quotation_id").await;
    refused(without("warehouse_id"), 422, "invalid_body", "/warehouse_id").await;
    refused(without("lines"), 422, "invalid_body", "/lines").await;
    refused(lines(0), 422, "no_lines", "/lines").await;
    refused(lines(1001), 422, "too_many_lines", "/lines").await;
    let tomorrow = (chrono::Utc::now() + chrono::Duration::days(1)).date_naive();
    let on = |day: Value| with(order.clone(), "ordered_on", day);
    refused(on(json!(tomorrow)), 422, "date_in_future", "/ordered_on").await;
    refused(on(json!("0026-01-01")), 422, "date_out_of_range", "/ordered_on").await;
    let of = |field: &str| with(order.clone(), field, nobody.clone());
    refused(of("customer_id"), 422, "unknown_customer", "/customer_id").await;
    refused(of("warehouse_id"), 422, "unknown_warehouse", "/warehouse_id").await;
    let unknown = line("product_id", nobody.clone());
    refused(unknown, 422, "unknown_product", "/lines/1/product_id").await;
    let too_fine = line("quantity", json!("1.5"));
    refused(too_fine, 422, "quantity_too_fine", "/lines/1/quantity").await;
    for quantity in ["0", "-1", "1e3", "9999999999"] {
        let wrong = line("quantity", json!(quantity));
        refused(wrong, 422, "invalid_body", "/lines/1/quantity").await;
    }
    let dear = json!([{
        "product_id": company.product_ids[0], "quantity": "999999999", "unit_price": "999999999"
    }]);
    api.post(ORDERS, with(order.clone(), "lines", dear)).await.problem(422, "amount_overflow");

    let all_at_once = json!([
        {"product_id": nobody, "quantity": "1"},
        {"product_id": company.product_ids[0], "quantity": "0.5"}
    ]);
    let problem = api.post(ORDERS, with(order.clone(), "lines", all_at_once)).await;
    let problem = problem.problem(422, "unknown_product");
    assert_eq!(problem["errors"][1]["pointer"], "/lines/1/quantity");
    assert_eq!(problem["errors"][1]["code"], "quantity_too_fine");

    let unpriced = product(api, "No price").await;
    let unpriced = line("product_id", unpriced["id"].clone());
    refused(unpriced, 422, "no_price", "/lines/1/unit_price").await;
    let gone = product(api, "Gone").await;
    let at = format!("/api/v1/inventory/products/{}", text(&gone["id"]));
    api.patch(&at, &gone, json!({"is_active": false})).await.ok();
    let gone = line("product_id", gone["id"].clone());
    refused(gone, 422, "product_inactive", "/lines/1/product_id").await;

    let warehouse = json!({"code": "CLOSED", "name": "Closed"});
    let closed = api.post("/api/v1/inventory/warehouses", warehouse).await.ok();
    let at = format!("/api/v1/inventory/warehouses/{}", text(&closed["id"]));
    api.patch(&at, &closed, json!({"is_active": false})).await.ok();
    let closed = with(order.clone(), "warehouse_id", closed["id"].clone());
    refused(closed, 422, "warehouse_inactive", "/warehouse_id").await;

    let at = format!("/api/v1/sales/customers/{}", company.customer_id);
    let customer = api.get(&at).await.ok();
    api.patch(&at, &customer, json!({"is_active": false})).await.ok();
    api.post(ORDERS, order).await.problem(409, "customer_inactive");
    server.assert_invariants().await;
    server.stop().await;
}

async fn product(api: &Api, name: &str) -> Value {
    let product = json!({
        "sku": format!("SKU-{}", Uuid::now_v7()), "name": name, "unit": "pcs",
        "tax_class": "standard"
    });
    api.post("/api/v1/inventory/products", product).await.ok()
}

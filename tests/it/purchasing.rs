//! Black-box tests of purchasing.

use serde_json::{Value, json};

use crate::flows::{Company, address, company};
use crate::harness::{Api, Server, text, with};

const SUPPLIERS: &str = "/api/v1/purchasing/suppliers";
const ORDERS: &str = "/api/v1/purchasing/purchase-orders";
const RECEIPTS: &str = "/api/v1/purchasing/receipts";

/// The body of an order of these quantities of the company's products at 4.10 each.
fn new_order(company: &Company, quantities: &[&str]) -> Value {
    let lines: Vec<_> = company
        .product_ids
        .iter()
        .zip(quantities)
        .map(|(id, quantity)| json!({"product_id": id, "quantity": quantity, "unit_price": "4.10"}))
        .collect();
    json!({
        "supplier_id": company.supplier_id, "warehouse_id": company.warehouse_id, "lines": lines
    })
}

async fn act(api: &Api, order: &Value, action: &str) -> Value {
    api.act(&format!("{ORDERS}/{}/{action}", text(&order["id"])), order).await.ok()
}

/// An order that has been approved and sent.
async fn sent(api: &Api, company: &Company, quantities: &[&str]) -> Value {
    let order = api.post(ORDERS, new_order(company, quantities)).await.ok();
    let order = act(api, &order, "approve").await;
    act(api, &order, "send").await
}

async fn reread(api: &Api, order: &Value) -> Value {
    api.get(&format!("{ORDERS}/{}", text(&order["id"]))).await.ok()
}

/// Asserts that no law of purchasing is broken.
async fn assert_laws(server: &Server) {
    server.settle().await;
    let report = server.api.get("/api/v1/purchasing/invariants").await.ok();
    for law in report["laws"].as_array().expect("laws") {
        assert_eq!(law["violations"], 0, "{law}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_is_created_found_and_changed() {
    let server = Server::start().await;
    let api = &server.api;
    let new = json!({
        "name": "Holz & Söhne", "email": "post@holz.example", "tax_id": "DE123", "external_id": "S-1",
        "payment_terms_days": 14, "address": address()
    });
    let answer = api.post(SUPPLIERS, new.clone()).await;
    let location = answer.headers["location"].to_str().expect("ASCII").to_owned();
    let supplier = answer.ok();
    assert!(text(&supplier["number"]).starts_with("SU-"));
    assert_eq!((&supplier["currency"], &supplier["is_active"]), (&json!("EUR"), &json!(true)));
    assert_eq!(api.get(&location).await.ok(), supplier);
    let usual = api.post(SUPPLIERS, json!({"name": "Stahl", "address": address()})).await.ok();
    assert_eq!(usual["payment_terms_days"], 30);

    api.post(SUPPLIERS, new.clone()).await.points_at(409, "external_id_taken", "/external_id");
    let other = with(new.clone(), "external_id", json!("S-2"));
    let foreign = with(other.clone(), "currency", json!("USD"));
    api.post(SUPPLIERS, foreign).await.points_at(422, "currency_not_supported", "/currency");
    let slow = with(other, "payment_terms_days", json!(121));
    let answer = api.post(SUPPLIERS, slow).await;
    answer.points_at(422, "payment_terms_too_long", "/payment_terms_days");

    let path = format!("{SUPPLIERS}/{}", text(&supplier["id"]));
    let patch = json!({"email": null, "is_active": false, "payment_terms_days": 60});
    let changed = api.patch(&path, &supplier, patch).await.ok();
    assert_eq!((&changed["email"], &changed["version"]), (&Value::Null, &json!(2)));
    assert_eq!(changed["payment_terms_days"], 60);
    api.patch(&path, &supplier, json!({"name": "X"})).await.problem(412, "stale_version");

    let found = api.get(&format!("{SUPPLIERS}?is_active=false&external_id=S-1")).await.ok();
    assert_eq!(found["data"], json!([changed]));
    assert_laws(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_from_draft_to_sent_and_then_keeps_its_terms() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let body = new_order(&company, &["10", "3"]);
    let order = api.post(ORDERS, body.clone()).await.ok();
    assert!(text(&order["number"]).starts_with("PO-"));
    assert_eq!(order["status"], "draft");
    assert_eq!(order["allowed_actions"], json!(["approve", "cancel"]));
    // 13 × 4.10 = 53.30, and 20 % on it.
    let amounts = ["net", "tax", "total"].map(|field| text(&order[field]["amount"]));
    assert_eq!(amounts, ["53.30", "10.66", "63.96"]);
    let line = &order["lines"][0];
    assert_eq!((&line["ordered"], &line["open"]), (&json!("10"), &json!("10")));
    assert_eq!((&line["unit"], &line["tax_class"]), (&json!("pcs"), &json!("standard")));

    let path = format!("{ORDERS}/{}", text(&order["id"]));
    let lines = json!([{
        "product_id": company.product_ids[2], "quantity": "2", "unit_price": "0.333333"
    }]);
    let patch = json!({"lines": lines, "expected_on": "2999-12-31"});
    let changed = api.patch(&path, &order, patch.clone()).await.ok();
    assert_eq!(changed["lines"].as_array().map(Vec::len), Some(1));
    assert_eq!((&changed["net"]["amount"], &changed["version"]), (&json!("0.67"), &json!(2)));
    api.act(&format!("{path}/approve"), &order).await.problem(412, "stale_version");
    api.act(&format!("{path}/send"), &changed).await.problem(409, "illegal_transition");

    let approved = act(api, &changed, "approve").await;
    assert_eq!(approved["allowed_actions"], json!(["send", "cancel"]));
    api.patch(&path, &approved, patch).await.problem(409, "illegal_transition");
    let sent = act(api, &approved, "send").await;
    assert_eq!(sent["status"], "sent");
    let listed =
        api.get(&format!("{ORDERS}?status=sent&supplier_id={}", company.supplier_id)).await;
    let listed = listed.ok();
    assert_eq!(listed["data"][0]["id"], sent["id"]);
    assert_eq!(listed["data"][0]["lines"], Value::Null);
    let problem = api.act(&format!("{path}/close"), &sent).await;
    let problem = problem.problem(409, "illegal_transition");
    assert_eq!(problem["params"]["allowed_actions"], json!(["cancel"]));
    assert_eq!(act(api, &sent, "cancel").await["status"], "cancelled");
    assert_laws(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_names_must_exist_and_be_active() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let body = new_order(&company, &["10", "3"]);
    let unknown = json!("01936b2e-5d5c-7a10-8f5e-3c1f9f3b8a11");
    let refuse = async |body: Value, code: &str, pointer: &str| {
        api.post(ORDERS, body).await.points_at(422, code, pointer);
    };
    let field = |field: &str, value: Value| with(body.clone(), field, value);
    refuse(field("supplier_id", unknown.clone()), "unknown_supplier", "/supplier_id").await;
    refuse(field("warehouse_id", unknown.clone()), "unknown_warehouse", "/warehouse_id").await;
    refuse(field("ordered_on", json!("2999-01-01")), "date_in_future", "/ordered_on").await;
    let early = field("expected_on", json!("1999-01-01"));
    refuse(early, "expected_before_ordered", "/expected_on").await;
    refuse(field("lines", json!([])), "no_lines", "/lines").await;
    let line = &body["lines"][0];
    let lines = |second: Value| field("lines", json!([line, second]));
    let second = with(line.clone(), "product_id", unknown);
    refuse(lines(second), "unknown_product", "/lines/1/product_id").await;
    let second = with(line.clone(), "quantity", json!("1.5"));
    refuse(lines(second), "quantity_too_fine", "/lines/1/quantity").await;
    let second = with(line.clone(), "quantity", json!("0"));
    refuse(lines(second), "invalid_body", "/lines/1/quantity").await;
    let many: Vec<_> = std::iter::repeat_n(line.clone(), 5001).collect();
    refuse(field("lines", json!(many)), "too_many_lines", "/lines").await;

    let path = format!("/api/v1/inventory/products/{}", company.product_ids[1]);
    let product = api.get(&path).await.ok();
    api.patch(&path, &product, json!({"is_active": false})).await.ok();
    refuse(body.clone(), "product_inactive", "/lines/1/product_id").await;
    let path = format!("{SUPPLIERS}/{}", company.supplier_id);
    let supplier = api.get(&path).await.ok();
    api.patch(&path, &supplier, json!({"is_active": false})).await.ok();
    let body = new_order(&company, &["10"]);
    api.post(ORDERS, body).await.points_at(422, "supplier_inactive", "/supplier_id");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_are_received_in_parts_and_never_more_than_is_open() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = sent(api, &company, &["10", "3"]).await;
    let (first, second) = (&order["lines"][0]["id"], &order["lines"][1]["id"]);
    let receipt = |lines: Value| json!({"purchase_order_id": order["id"], "lines": lines});
    let part = json!([{"purchase_order_line_id": first, "quantity": "4"}]);
    let body = with(receipt(part.clone()), "delivery_note", json!("LS-7"));
    let key = "the delivery of this morning";
    let key = key.replace(' ', "-");
    let received = api.post_with_key(RECEIPTS, body.clone(), &key).await.ok();
    assert_eq!(api.post_with_key(RECEIPTS, body, &key).await.ok(), received);
    assert!(text(&received["number"]).starts_with("GR-"));
    assert_eq!(
        (&received["delivery_note"], &received["lines"][0]["unit_cost"]),
        (&json!("LS-7"), &json!("4.10"))
    );
    let partly = reread(api, &order).await;
    assert_eq!((&partly["receipt_status"], &partly["status"]), (&json!("partial"), &json!("sent")));
    assert_eq!((&partly["lines"][0]["open"], &partly["version"]), (&json!("6"), &json!(4)));
    assert_eq!(partly["allowed_actions"], json!(["close"]));
    let path = format!("{ORDERS}/{}/cancel", text(&order["id"]));
    api.act(&path, &partly).await.problem(409, "already_received");

    let too_much = json!([
        {"purchase_order_line_id": second, "quantity": "3"},
        {"purchase_order_line_id": first, "quantity": "7"},
    ]);
    let problem = api.post(RECEIPTS, receipt(too_much)).await.problem(409, "over_receipt");
    let excess = json!([{"purchase_order_line_id": first, "asked": "7", "open": "6"}]);
    assert_eq!(problem["params"]["lines"], excess);
    let twice = json!([part[0], part[0]]);
    let answer = api.post(RECEIPTS, receipt(twice)).await;
    answer.points_at(422, "duplicate_line", "/lines/1/purchase_order_line_id");
    let stranger = json!([{"purchase_order_line_id": order["id"], "quantity": "1"}]);
    let answer = api.post(RECEIPTS, receipt(stranger)).await;
    answer.points_at(422, "unknown_purchase_order_line", "/lines/0/purchase_order_line_id");
    for (day, code) in [("2999-01-01", "date_in_future"), ("1900-01-01", "received_before_ordered")]
    {
        let dated = with(receipt(part.clone()), "received_on", json!(day));
        api.post(RECEIPTS, dated).await.points_at(422, code, "/received_on");
    }
    let nowhere = json!({"purchase_order_id": first});
    let answer = api.post(RECEIPTS, nowhere).await;
    answer.points_at(422, "unknown_purchase_order", "/purchase_order_id");

    let rest = json!({"purchase_order_id": order["id"]});
    let rest = api.post(RECEIPTS, rest.clone()).await.ok();
    assert_eq!(rest["lines"].as_array().map(Vec::len), Some(2));
    let fully = reread(api, &order).await;
    assert_eq!((&fully["receipt_status"], &fully["status"]), (&json!("full"), &json!("received")));
    let listed =
        api.get(&format!("{RECEIPTS}?purchase_order_id={}", text(&order["id"]))).await.ok();
    assert_eq!(listed["data"], json!([rest, received]));
    let path = format!("{RECEIPTS}/{}", text(&rest["id"]));
    assert_eq!(api.get(&path).await.ok(), rest);
    assert_eq!(act(api, &fully, "close").await["status"], "closed");

    server.settle().await;
    let path = format!("/api/v1/inventory/products/{}/availability", company.product_ids[0]);
    assert_eq!(api.get(&path).await.ok()["on_hand"], "1010");
    assert_laws(&server).await;
    server.stop().await;
}

/// A receipt that inventory could not apply does not come to stand.
#[tokio::test(flavor = "multi_thread")]
async fn what_stock_cannot_hold_is_not_received() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = sent(api, &company, &["1", "999999999"]).await;
    let receive = json!({"purchase_order_id": order["id"]});
    api.post(RECEIPTS, receive.clone()).await.points_at(422, "amount_overflow", "/lines");
    let line = |at: usize, quantity: &str| json!({"purchase_order_line_id": order["lines"][at]["id"], "quantity": quantity});
    let lines = json!([line(0, "1"), line(1, "999999999")]);
    let too_much = api.post(RECEIPTS, with(receive.clone(), "lines", lines)).await;
    too_much.points_at(422, "amount_overflow", "/lines/1/quantity");
    let lines = json!([line(0, "1"), line(1, "900000000")]);
    api.post(RECEIPTS, with(receive, "lines", lines)).await.ok();
    assert_laws(&server).await;
    let parked = api.get("/api/v1/purchasing/parked-events").await.ok();
    assert_eq!(parked["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_gives_up_what_has_not_arrived() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = sent(api, &company, &["10"]).await;
    let line = &order["lines"][0]["id"];
    let lines = json!([{"purchase_order_line_id": line, "quantity": "4"}]);
    let receipt = json!({"purchase_order_id": order["id"], "lines": lines});
    api.post(RECEIPTS, receipt.clone()).await.ok();
    let partly = reread(api, &order).await;
    let closed = act(api, &partly, "close").await;
    let counters = ["received", "open", "short_closed", "billed"];
    let counters = counters.map(|name| text(&closed["lines"][0][name]));
    assert_eq!(counters, ["4", "0", "6", "0"]);
    assert_eq!((&closed["status"], &closed["allowed_actions"]), (&json!("closed"), &json!([])));
    api.post(RECEIPTS, receipt).await.problem(409, "illegal_transition");
    assert_laws(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_lines_cost_no_more_statements() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let mut costs = Vec::new();
    for lines in [1, 50] {
        let mut body = new_order(&company, &["10"]);
        let line = body["lines"][0].clone();
        body["lines"] = std::iter::repeat_n(line, lines).collect();
        let answer = api.post(ORDERS, body).await;
        let mut cost = vec![answer.statements()];
        let mut order = answer.ok();
        for action in ["approve", "send"] {
            let path = format!("{ORDERS}/{}/{action}", text(&order["id"]));
            let answer = api.act(&path, &order).await;
            cost.push(answer.statements());
            order = answer.ok();
        }
        let answer = api.post(RECEIPTS, json!({"purchase_order_id": order["id"]})).await;
        cost.push(answer.statements());
        answer.ok();
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1]);
    server.stop().await;
}

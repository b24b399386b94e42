//! Work in a warehouse: reasons and approval, promises that have to be broken, stock takes.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADJUSTMENTS, RECEIPTS, RESERVATIONS, adjustment, eur, product, receipt, stock};
use super::{reservation, warehouse};
use crate::flows::eventually;
use crate::harness::{Api, Server, text, with};

const REASONS: &str = "/api/v1/inventory/adjustment-reasons";
const REQUESTS: &str = "/api/v1/inventory/adjustment-requests";
const COUNTS: &str = "/api/v1/inventory/stock-counts";

/// Somebody else who works in the warehouse.
pub async fn colleague(api: &Api) -> Api {
    let user = json!({
        "username": "wilma", "name": "Wilma Wald", "password": "eight tall chimneys"
    });
    let user = api.post("/api/v1/auth/users", user).await.ok();
    let roles = api.get("/api/v1/auth/roles").await.ok();
    let roles = roles["data"].as_array().expect("roles").clone();
    let role = roles.iter().find(|role| role["name"] == "warehouse").expect("a default role");
    let path = format!("/api/v1/auth/users/{}/roles", text(&user["id"]));
    api.put(&path, &user, json!({ "role_ids": [role["id"]] })).await.ok();
    let credentials = json!({ "username": "wilma", "password": "eight tall chimneys" });
    let token = api.with_token(None).post("/api/v1/auth/token", credentials).await.ok();
    api.with_token(token["access_token"].as_str())
}

fn reason(code: &str, kind: &str, limit: Option<&str>) -> Value {
    let body = json!({ "code": code, "name": code, "kind": kind });
    match limit {
        Some(limit) => with(body, "approval_above", eur(limit)),
        None => body,
    }
}

#[tokio::test]
async fn a_correction_above_its_limit_is_approved_by_somebody_else() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    api.post(RECEIPTS, receipt(&main, &[(&chair, "10", "20")])).await.ok();
    let broken = reason("BROKEN", "scrap", Some("50.00"));
    let made = api.post(REASONS, broken.clone()).await.ok();
    assert_eq!(made["approval_above"], eur("50.00"));
    api.post(REASONS, broken).await.points_at(409, "reason_code_taken", "/code");
    let foreign = with(
        reason("X", "scrap", None),
        "approval_above",
        json!({ "amount": "1.00", "currency": "USD" }),
    );
    let foreign = api.post(REASONS, foreign).await;
    foreign.points_at(422, "currency_not_supported", "/approval_above/currency");
    let negative = api.post(REASONS, reason("X", "scrap", Some("-1.00"))).await;
    negative.points_at(422, "amount_negative", "/approval_above/amount");
    assert_eq!(api.get(REASONS).await.ok()["data"], json!([made]));

    let scrap =
        |quantity: &str| with(adjustment(&main, &chair, quantity), "reason_code", json!("BROKEN"));
    let unknown = with(scrap("-1"), "reason_code", json!("LOST"));
    api.post(ADJUSTMENTS, unknown).await.points_at(422, "unknown_reason", "/reason_code");
    let small = api.post(ADJUSTMENTS, scrap("-2")).await.ok();
    assert_eq!(small["to_location"], json!({ "type": "scrap" }));
    assert_eq!((&small["reason_code"], &small["value"]), (&json!("BROKEN"), &eur("40.00")));
    let refused = api.post(ADJUSTMENTS, scrap("-3")).await.problem(409, "approval_required");
    assert_eq!(refused["params"]["approval_above"], eur("50.00"));
    let unnamed = api.post(ADJUSTMENTS, adjustment(&main, &chair, "-3")).await;
    unnamed.problem(409, "approval_required");
    assert_eq!(stock(api, &chair).await["on_hand"], "8");

    let request = api.post(REQUESTS, scrap("-3")).await.ok();
    assert_eq!(request["allowed_actions"], json!(["approve", "reject"]));
    assert_eq!(stock(api, &chair).await["on_hand"], "8", "nothing moved");
    let path = format!("{REQUESTS}/{}", text(&request["id"]));
    api.act(&format!("{path}/approve"), &request).await.problem(409, "own_request");
    let wilma = colleague(api).await;
    let approved = wilma.act(&format!("{path}/approve"), &request).await.ok();
    assert_eq!((&approved["status"], &approved["version"]), (&json!("approved"), &json!(2)));
    assert_eq!(api.get(&path).await.ok(), approved);
    let again = wilma.act(&format!("{path}/reject"), &approved).await;
    again.problem(409, "illegal_transition");
    assert_eq!(stock(api, &chair).await["on_hand"], "5");
    let posted = format!("/api/v1/inventory/moves/{}", text(&approved["move_id"]));
    assert_eq!(api.get(&posted).await.ok()["value"], eur("60.00"));

    let request = api.post(REQUESTS, scrap("-5")).await.ok();
    let path = format!("{REQUESTS}/{}", text(&request["id"]));
    let rejected = wilma.act(&format!("{path}/reject"), &request).await.ok();
    assert_eq!((&rejected["status"], rejected.get("move_id")), (&json!("rejected"), None));
    let pending = api.get(&format!("{REQUESTS}?status=pending")).await.ok();
    assert_eq!(pending["data"], json!([]));
    for (field, value, code) in [
        ("quantity", json!("0"), "quantity_zero"),
        ("quantity", json!("0.5"), "quantity_too_fine"),
        ("product_id", json!(Uuid::now_v7()), "unknown_product"),
        ("warehouse_id", json!(Uuid::now_v7()), "unknown_warehouse"),
        ("reason_code", json!("LOST"), "unknown_reason"),
    ] {
        let body = with(scrap("-1"), field, value);
        api.post(REQUESTS, body).await.points_at(422, code, &format!("/{field}"));
    }
    // What was scrapped by mistake is taken back like any correction.
    let reverse = format!("/api/v1/inventory/moves/{}/reverse", text(&small["id"]));
    api.post(&reverse, json!({ "reason": "Glued" })).await.ok();
    assert_eq!(stock(api, &chair).await["on_hand"], "7");
    // Above the limit that needs somebody else, as the correction itself did.
    let why = json!({ "reason": "Glued" });
    let refused = api.post(&format!("{posted}/reverse"), why.clone()).await;
    let refused = refused.problem(409, "approval_required");
    assert_eq!(refused["params"]["approval_above"], eur("50.00"));
    let request = api.post(&format!("{posted}/reversal-requests"), why.clone()).await.ok();
    assert_eq!(request["reverses_id"], approved["move_id"]);
    assert_eq!(
        (&request["adjustment"]["quantity"], &request["status"]),
        (&json!("3"), &json!("pending"))
    );
    let path = format!("{REQUESTS}/{}", text(&request["id"]));
    api.act(&format!("{path}/approve"), &request).await.problem(409, "own_request");
    wilma.act(&format!("{path}/approve"), &request).await.ok();
    assert_eq!(stock(api, &chair).await["on_hand"], "10");
    let again = api.post(&format!("{posted}/reversal-requests"), why.clone()).await;
    again.problem(409, "already_reversed");
    let unknown = format!("/api/v1/inventory/moves/{}/reversal-requests", Uuid::now_v7());
    api.post(&unknown, why).await.problem(404, "not_found");
    server.settle().await;
    server.assert_invariants().await;
}

/// An order of so many, confirmed.
async fn order(api: &Api, main: &Value, chair: &Value, quantity: &str) -> String {
    let customer = json!({
        "name": "Customer", "payment_terms_days": 14, "billing_address": crate::flows::address(),
        "credit_limit": eur("100000.00")
    });
    let customer = api.post("/api/v1/sales/customers", customer).await.ok();
    let order = json!({
        "customer_id": customer["id"], "warehouse_id": main["id"],
        "lines": [{ "product_id": chair["id"], "quantity": quantity, "unit_price": "30.00" }]
    });
    let order = api.post("/api/v1/orders/orders", order).await.ok();
    let path = format!("/api/v1/orders/orders/{}", text(&order["id"]));
    api.act(&format!("{path}/confirm"), &order).await.ok();
    path
}

#[tokio::test]
async fn goods_that_are_gone_break_the_newest_promise_first() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    api.post(RECEIPTS, receipt(&main, &[(&chair, "10", "20")])).await.ok();
    let first = order(api, &main, &chair, "4").await;
    let second = order(api, &main, &chair, "3").await;
    server.settle().await;
    let aside = api.post(RESERVATIONS, reservation(&main, &chair, "2")).await.ok();
    let gone = adjustment(&main, &chair, "-7");
    api.post(ADJUSTMENTS, gone.clone()).await.problem(409, "insufficient_stock");
    let all = with(adjustment(&main, &chair, "-11"), "break_reservations", json!(true));
    api.post(ADJUSTMENTS, all).await.problem(409, "insufficient_stock");
    // One is free; two set aside, three of the second order and one of the first are not.
    api.post(ADJUSTMENTS, with(gone, "break_reservations", json!(true))).await.ok();
    let row = stock(api, &chair).await;
    let figures = ["on_hand", "reserved", "available", "backordered"].map(|f| row[f].clone());
    assert_eq!(figures, [json!("3"), json!("3"), json!("0"), json!("4")]);
    let path = format!("{RESERVATIONS}/{}", text(&aside["id"]));
    assert_eq!(api.get(&path).await.ok()["status"], "released");
    server.settle().await;
    let lines = async |path: &str| {
        let order = api.get(path).await.ok();
        (
            order["lines"][0]["counters"]["reserved"].clone(),
            order["lines"][0]["counters"]["backordered"].clone(),
        )
    };
    assert_eq!(lines(&first).await, (json!("3"), json!("1")));
    assert_eq!(lines(&second).await, (json!("0"), json!("3")));
    // What comes in goes to those who wait.
    api.post(RECEIPTS, receipt(&main, &[(&chair, "4", "20")])).await.ok();
    let whole = |order: &Value| order["lines"][0]["counters"]["backordered"] == "0";
    eventually(api, &second, whole).await.expect("filled");
    server.settle().await;
    server.assert_invariants().await;
}

fn counted(lines: &[(&Value, &str)]) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|(product, quantity)| json!({ "product_id": product["id"], "quantity": quantity }))
        .collect();
    json!({ "lines": lines })
}

#[tokio::test]
async fn a_stock_count_posts_what_differed_when_it_was_counted() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let (chair, table) = (product(api, "CHAIR").await, product(api, "TABLE").await);
    let lines = [(&chair, "100", "2"), (&table, "10", "5")];
    api.post(RECEIPTS, receipt(&main, &lines)).await.ok();
    let new = json!({ "warehouse_id": main["id"], "is_blind": true, "tolerance_percent": 5 });
    let count = api.post(COUNTS, new).await.ok();
    assert_eq!((&count["lines"], &count["counted"]), (&json!(2), &json!(0)));
    let path = format!("{COUNTS}/{}", text(&count["id"]));
    let record = format!("{path}/record");
    let lines_path = format!("{path}/lines");
    api.act(&format!("{path}/submit"), &count).await.problem(409, "count_incomplete");
    let stranger = product(api, "STRANGER").await;
    let check = async |body: Value, code: &str, pointer: &str| {
        api.post(&record, body).await.points_at(422, code, pointer);
    };
    check(counted(&[(&stranger, "1")]), "not_on_list", "/lines/0/product_id").await;
    let twice = counted(&[(&chair, "1"), (&chair, "2")]);
    check(twice, "duplicate_line", "/lines/1/product_id").await;
    check(counted(&[(&chair, "-1")]), "quantity_negative", "/lines/0/quantity").await;
    check(counted(&[(&chair, "0.5")]), "quantity_too_fine", "/lines/0/quantity").await;
    check(json!({ "lines": [] }), "no_lines", "/lines").await;
    let nobody = json!({ "lines": [{ "product_id": Uuid::now_v7(), "quantity": "1" }] });
    check(nobody, "unknown_product", "/lines/0/product_id").await;

    // Ninety of a hundred is too far off to believe at once.
    api.post(&record, counted(&[(&chair, "90"), (&table, "10")])).await.ok();
    let blind = api.get(&format!("{lines_path}?sort=created_at")).await.ok();
    assert!(blind["data"][0].get("book").is_none(), "{blind}");
    let open = api.get(&format!("{lines_path}?is_counted=false")).await.ok();
    assert_eq!(open["data"], json!([]));
    let count = api.get(&path).await.ok();
    let refused = api.act(&format!("{path}/submit"), &count).await;
    let refused = refused.problem(409, "recount_required");
    assert_eq!(refused["params"]["product_ids"], json!([chair["id"]]));
    api.post(&record, counted(&[(&chair, "97")])).await.ok();
    // Goods go on moving after they are counted.
    api.post(ADJUSTMENTS, adjustment(&main, &chair, "-40")).await.ok();
    let count = api.get(&path).await.ok();
    let submitted = api.act(&format!("{path}/submit"), &count).await.ok();
    let shown = api.get(&format!("{lines_path}?is_counted=true&sort=created_at")).await.ok();
    let line = shown["data"].as_array().expect("lines").iter();
    let line = line.clone().find(|line| line["product_id"] == chair["id"]).expect("counted");
    assert_eq!((&line["book"], &line["variance"]), (&json!("100"), &json!("-3")));
    assert_eq!(line["counts"], 2);
    api.post(&record, counted(&[(&chair, "97")])).await.problem(409, "illegal_transition");
    api.act(&format!("{path}/approve"), &submitted).await.problem(409, "own_request");
    let wilma = colleague(api).await;
    let reopened = wilma.act(&format!("{path}/reopen"), &submitted).await.ok();
    let submitted = api.act(&format!("{path}/submit"), &reopened).await.ok();
    let posted = wilma.act(&format!("{path}/approve"), &submitted).await.ok();
    assert_eq!((&posted["status"], &posted["allowed_actions"]), (&json!("posted"), &json!([])));
    assert_eq!(stock(api, &chair).await["on_hand"], "57", "100 - 40 - 3");
    assert_eq!(stock(api, &table).await["on_hand"], "10");
    let moves = format!("/api/v1/inventory/moves?source_id={}", text(&count["id"]));
    let moves = api.get(&moves).await.ok();
    assert_eq!(moves["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(moves["data"][0]["value"], eur("6.00"));
    api.act(&format!("{path}/cancel"), &posted).await.problem(409, "illegal_transition");
    let list = format!("{COUNTS}?status=posted&warehouse_id={}", text(&main["id"]));
    assert_eq!(api.get(&list).await.ok()["data"], json!([posted]));
    server.settle().await;
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_count_breaks_promises_and_never_goes_below_nothing() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let (chair, table) = (product(api, "CHAIR").await, product(api, "TABLE").await);
    api.post(RECEIPTS, receipt(&main, &[(&chair, "10", "20")])).await.ok();
    let wilma = colleague(api).await;
    let begin = async |products: Value| {
        let new = json!({ "warehouse_id": main["id"], "product_ids": products });
        let count = api.post(COUNTS, new).await.ok();
        format!("{COUNTS}/{}", text(&count["id"]))
    };
    let submit = async |path: &str| {
        let count = api.get(path).await.ok();
        api.act(&format!("{path}/submit"), &count).await.ok()
    };
    // Counted as eight of ten; then all but one leave.
    let path = begin(json!([chair["id"]])).await;
    api.post(&format!("{path}/record"), counted(&[(&chair, "8")])).await.ok();
    let submitted = submit(&path).await;
    api.post(ADJUSTMENTS, adjustment(&main, &chair, "-9")).await.ok();
    let outdated = wilma.act(&format!("{path}/approve"), &submitted).await;
    let outdated = outdated.problem(409, "count_outdated");
    assert_eq!(outdated["params"]["product_ids"], json!([chair["id"]]));
    wilma.act(&format!("{path}/cancel"), &submitted).await.ok();

    // The last one is promised, and gone.
    let order = order(api, &main, &chair, "1").await;
    server.settle().await;
    let path = begin(json!([chair["id"], table["id"]])).await;
    let found = counted(&[(&chair, "0"), (&table, "2")]);
    api.post(&format!("{path}/record"), found).await.ok();
    let submitted = submit(&path).await;
    let costless = wilma.act(&format!("{path}/approve"), &submitted).await;
    costless.problem(422, "unit_cost_required");
    let reopened = wilma.act(&format!("{path}/reopen"), &submitted).await.ok();
    let mut found = counted(&[(&table, "2")]);
    found["lines"][0]["unit_cost"] = json!("7.50");
    let recorded = api.post(&format!("{path}/record"), found).await.ok();
    assert_eq!(recorded["version"], reopened["version"].as_i64().expect("a version") + 1);
    let submitted = submit(&path).await;
    wilma.act(&format!("{path}/approve"), &submitted).await.ok();
    let row = stock(api, &chair).await;
    assert_eq!((&row["on_hand"], &row["backordered"]), (&json!("0"), &json!("1")));
    assert_eq!(stock(api, &table).await["value"], eur("15.00"));
    let waits = |order: &Value| order["lines"][0]["counters"]["backordered"] == "1";
    eventually(api, &order, waits).await.expect("told");

    let new = json!({ "warehouse_id": main["id"], "tolerance_percent": 101 });
    api.post(COUNTS, new).await.points_at(422, "invalid_tolerance", "/tolerance_percent");
    let new = json!({ "warehouse_id": main["id"], "product_ids": [Uuid::now_v7()] });
    api.post(COUNTS, new).await.points_at(422, "unknown_product", "/product_ids");
    let new = json!({ "warehouse_id": Uuid::now_v7() });
    api.post(COUNTS, new).await.points_at(422, "unknown_warehouse", "/warehouse_id");
    let empty = warehouse(api, "EMPTY").await;
    let new = json!({ "warehouse_id": empty["id"] });
    api.post(COUNTS, new).await.points_at(422, "no_lines", "/lines");
    server.settle().await;
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_long_count_costs_as_many_statements_as_a_short_one() {
    let server = Server::start().await;
    let api = &server.api;
    let wilma = colleague(api).await;
    let mut costs = Vec::new();
    for (name, size) in [("S", 2), ("L", 40)] {
        let main = warehouse(api, name).await;
        let mut products = Vec::new();
        for i in 0..size {
            products.push(product(api, &format!("{name}{i}")).await);
        }
        let lines: Vec<_> = products.iter().map(|product| (product, "5", "1")).collect();
        api.post(RECEIPTS, receipt(&main, &lines)).await.ok();
        let begun = api.post(COUNTS, json!({ "warehouse_id": main["id"] })).await;
        let path = format!("{COUNTS}/{}", text(&begun.body["id"]));
        let found: Vec<_> = products.iter().map(|product| (product, "4")).collect();
        let recorded = api.post(&format!("{path}/record"), counted(&found)).await;
        let count = recorded.body.clone();
        let submitted = api.act(&format!("{path}/submit"), &count).await;
        let count = submitted.body.clone();
        let approved = wilma.act(&format!("{path}/approve"), &count).await;
        costs.push([begun, recorded, submitted, approved].map(|answer| {
            assert!(answer.status < 300, "{:#}", answer.body);
            answer.statements()
        }));
    }
    assert_eq!(costs[0], costs[1]);
    server.assert_invariants().await;
}

//! Black-box tests of inventory: products, warehouses, stock, moves, reservations.

mod backorders;
mod costs;
mod day;
pub mod files;
mod kits;
mod lots;
mod negative;
mod planning;
mod products;
mod reports;
mod scope;
mod stock_periods;
mod transfers;
pub mod work;

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Api, Server, text, with};
use crate::topology::Topology;

const PRODUCTS: &str = "/api/v1/inventory/products";
const WAREHOUSES: &str = "/api/v1/inventory/warehouses";
const RECEIPTS: &str = "/api/v1/inventory/receipts";
const ADJUSTMENTS: &str = "/api/v1/inventory/adjustments";
const RESERVATIONS: &str = "/api/v1/inventory/reservations";
const MOVES: &str = "/api/v1/inventory/moves";
const STOCK: &str = "/api/v1/inventory/stock";

async fn product(api: &Api, sku: &str) -> Value {
    let body = json!({ "sku": sku, "name": sku, "unit": "pcs", "tax_class": "standard" });
    api.post(PRODUCTS, body).await.ok()
}

async fn warehouse(api: &Api, code: &str) -> Value {
    api.post(WAREHOUSES, json!({ "code": code, "name": code })).await.ok()
}

fn receipt(warehouse: &Value, lines: &[(&Value, &str, &str)]) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|(product, quantity, unit_cost)| {
            json!({ "product_id": product["id"], "quantity": quantity, "unit_cost": unit_cost })
        })
        .collect();
    json!({ "warehouse_id": warehouse["id"], "lines": lines, "reason": "Opening stock" })
}

/// A receipt of one product with its lots.
fn with_lots(warehouse: &Value, product: &Value, quantity: &str, lots: Value) -> Value {
    let mut body = receipt(warehouse, &[(product, quantity, "1")]);
    body["lines"][0]["lots"] = lots;
    body
}

fn adjustment(warehouse: &Value, product: &Value, quantity: &str) -> Value {
    json!({
        "warehouse_id": warehouse["id"], "product_id": product["id"], "quantity": quantity,
        "reason": "Count"
    })
}

fn reservation(warehouse: &Value, product: &Value, quantity: &str) -> Value {
    json!({
        "warehouse_id": warehouse["id"], "product_id": product["id"], "quantity": quantity,
        "ttl_s": 3600, "note": "Trade fair"
    })
}

/// The one stock row of a product.
async fn stock(api: &Api, product: &Value) -> Value {
    let rows = api.get(&format!("{STOCK}?product_id={}", text(&product["id"]))).await.ok();
    assert_eq!(rows["data"].as_array().map(Vec::len), Some(1), "{rows}");
    rows["data"][0].clone()
}

fn eur(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

#[tokio::test]
async fn products_are_created_found_and_changed() {
    let server = Server::start().await;
    let api = &server.api;
    let body = json!({
        "sku": "CHAIR-OAK", "name": "Oak chair", "barcode": "4006381333931", "unit": "kg",
        "unit_decimals": 3, "tax_class": "standard", "description": "Solid"
    });
    let created = api.post(PRODUCTS, body.clone()).await;
    let location = created.headers["location"].to_str().expect("ASCII").to_owned();
    assert_eq!(created.status, 201);
    assert_eq!(created.headers["etag"], "\"v1\"");
    let created = created.ok();
    assert_eq!(api.get(&location).await.ok(), created);
    api.post(PRODUCTS, body.clone()).await.points_at(409, "barcode_taken", "/barcode");
    let twin = with(body.clone(), "barcode", json!("1"));
    api.post(PRODUCTS, twin).await.points_at(409, "sku_taken", "/sku");
    let fine = with(with(body, "sku", json!("X")), "unit_decimals", json!(7));
    api.post(PRODUCTS, fine).await.points_at(422, "too_many_unit_decimals", "/unit_decimals");

    let patch = json!({ "name": "Chair", "description": null, "is_active": false });
    let changed = api.patch(&location, &created, patch.clone()).await.ok();
    assert_eq!((&changed["name"], &changed["version"]), (&json!("Chair"), &json!(2)));
    assert_eq!((changed.get("description"), &changed["is_active"]), (None, &json!(false)));
    let stale = api.patch(&location, &created, patch).await.problem(412, "stale_version");
    assert_eq!(stale["params"]["current_version"], 2);
    product(api, "OTHER").await;
    let found = api.get(&format!("{PRODUCTS}?sku=CHAIR-OAK&is_active=false")).await.ok();
    assert_eq!(found["data"], json!([changed]));
    let nobody = format!("{PRODUCTS}/{}", Uuid::now_v7());
    api.get(&nobody).await.problem(404, "not_found");
    api.patch(&nobody, &created, json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn warehouses_are_created_found_and_changed() {
    let server = Server::start().await;
    let api = &server.api;
    let created = warehouse(api, "MAIN").await;
    let path = format!("{WAREHOUSES}/{}", text(&created["id"]));
    assert_eq!(api.get(&path).await.ok(), created);
    let taken = json!({ "code": "MAIN", "name": "Another" });
    api.post(WAREHOUSES, taken).await.points_at(409, "warehouse_code_taken", "/code");
    let changed = api.patch(&path, &created, json!({ "name": "Main hall" })).await.ok();
    assert_eq!((&changed["name"], &changed["is_active"]), (&json!("Main hall"), &json!(true)));
    api.patch(&path, &created, json!({ "name": "Late" })).await.problem(412, "stale_version");
    let unguarded = api.request(Method::PATCH, &path).json(&json!({ "name": "Blind" }));
    api.send(unguarded).await.problem(428, "if_match_required");
    let unknown = json!({ "code": "NEW" });
    api.patch(&path, &changed, unknown).await.points_at(422, "invalid_body", "/code");
    warehouse(api, "OTHER").await;
    let found = api.get(&format!("{WAREHOUSES}?code=MAIN&is_active=true")).await.ok();
    assert_eq!(found["data"], json!([changed]));
    let nobody = format!("{WAREHOUSES}/{}", Uuid::now_v7());
    api.get(&nobody).await.problem(404, "not_found");
    api.patch(&nobody, &created, json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn stock_received_is_on_hand_at_its_cost() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, table) = (product(api, "CHAIR").await, product(api, "TABLE").await);
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let lines = [(&chair, "10", "100"), (&table, "3", "0.333333"), (&chair, "5", "110")];
    let answer = api.post(RECEIPTS, receipt(&main, &lines)).await;
    assert_eq!(answer.status, 201);
    let location = answer.headers["location"].to_str().expect("ASCII").to_owned();
    let received = answer.ok();
    assert_eq!(received["value"], eur("1551.00"));
    assert_eq!(received["moves"][1]["value"], eur("1.00"));
    let first = &received["moves"][0];
    assert_eq!((&first["kind"], &first["quantity"]), (&json!("receipt"), &json!("10")));
    assert_eq!(first["from_location"], json!({ "type": "adjustment" }));
    assert_eq!(first["to_location"], json!({ "type": "warehouse", "warehouse_id": main["id"] }));
    assert_eq!(first["source"], json!({ "type": "stock_receipt", "id": received["id"] }));
    assert_eq!(api.get(&format!("{MOVES}/{}", text(&first["id"]))).await.ok(), *first);
    let of_receipt = api.get(&format!("{location}&sort=created_at")).await.ok();
    assert_eq!(of_receipt["data"], received["moves"]);

    let row = stock(api, &chair).await;
    assert_eq!(
        row,
        json!({
            "product_id": chair["id"], "sku": "CHAIR", "warehouse_id": main["id"],
            "on_hand": "15", "reserved": "0", "blocked": "0", "available": "15", "backordered": "0",
            "unit": "pcs", "value": eur("1550.00"), "average_cost": "103.333333"
        })
    );
    api.post(RECEIPTS, receipt(&shop, &[(&chair, "1", "90")])).await.ok();
    let path = format!("{PRODUCTS}/{}/availability", text(&chair["id"]));
    let availability = api.get(&path).await.ok();
    assert_eq!(
        (&availability["on_hand"], &availability["available"]),
        (&json!("16"), &json!("16"))
    );
    let of = |i: usize| availability["warehouses"][i].clone();
    assert_eq!((&of(0)["warehouse_id"], &of(0)["on_hand"]), (&main["id"], &json!("15")));
    assert_eq!((&of(1)["warehouse_id"], &of(1)["on_hand"]), (&shop["id"], &json!("1")));
    let nothing = format!("{PRODUCTS}/{}/availability", Uuid::now_v7());
    api.get(&nothing).await.problem(404, "not_found");
    api.get(&format!("{MOVES}/{}", Uuid::now_v7())).await.problem(404, "not_found");
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_receipt_that_makes_no_sense_is_refused_whole() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    let good = receipt(&main, &[(&chair, "1", "5"), (&chair, "2", "5")]);
    let second = |field: &str, value: Value| {
        let mut body = good.clone();
        body["lines"][1][field] = value;
        body
    };
    let check = async |body: Value, code: &str, pointer: &str| {
        api.post(RECEIPTS, body).await.points_at(422, code, pointer);
    };
    let nobody = json!(Uuid::now_v7());
    check(second("product_id", nobody.clone()), "unknown_product", "/lines/1/product_id").await;
    check(second("quantity", json!("0.5")), "quantity_too_fine", "/lines/1/quantity").await;
    check(second("quantity", json!("0")), "invalid_body", "/lines/1/quantity").await;
    check(second("unit_cost", json!("-1")), "invalid_body", "/lines/1/unit_cost").await;
    let most = json!("999999999");
    check(second("quantity", most.clone()), "amount_overflow", "/lines/1/quantity").await;
    check(with(good.clone(), "warehouse_id", nobody), "unknown_warehouse", "/warehouse_id").await;
    check(with(good.clone(), "lines", json!([])), "no_lines", "/lines").await;
    let many = vec![good["lines"][0].clone(); 5001];
    check(with(good.clone(), "lines", json!(many)), "too_many_lines", "/lines").await;
    let never = json!("9999-12-31");
    check(with(good.clone(), "received_on", never), "date_in_future", "/received_on").await;
    check(with(good.clone(), "reason", json!("")), "invalid_body", "/reason").await;
    let path = format!("{PRODUCTS}/{}", text(&chair["id"]));
    let inactive = api.patch(&path, &chair, json!({ "is_active": false })).await.ok();
    check(good.clone(), "product_inactive", "/lines/0/product_id").await;
    api.patch(&path, &inactive, json!({ "is_active": true })).await.ok();
    let path = format!("{WAREHOUSES}/{}", text(&main["id"]));
    api.patch(&path, &main, json!({ "is_active": false })).await.ok();
    check(good, "warehouse_inactive", "/warehouse_id").await;
    assert_eq!(api.get(STOCK).await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_repeated_request_moves_stock_once() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    let body = receipt(&main, &[(&chair, "4", "5")]);
    let first = api.post_with_key(RECEIPTS, body.clone(), "r1").await;
    let second = api.post_with_key(RECEIPTS, body.clone(), "r1").await;
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert_eq!(first.ok(), second.ok());
    let other = receipt(&main, &[(&chair, "5", "5")]);
    api.post_with_key(RECEIPTS, other, "r1").await.problem(422, "idempotency_key_reused");
    let body = adjustment(&main, &chair, "-1");
    for _ in 0..2 {
        api.post_with_key(ADJUSTMENTS, body.clone(), "a1").await.ok();
    }
    let hold = reservation(&main, &chair, "2");
    for _ in 0..2 {
        api.post_with_key(RESERVATIONS, hold.clone(), "h1").await.ok();
    }
    let row = stock(api, &chair).await;
    assert_eq!((&row["on_hand"], &row["reserved"]), (&json!("3"), &json!("2")));
    for (path, body) in [(RECEIPTS, body.clone()), (ADJUSTMENTS, body), (RESERVATIONS, hold)] {
        let without_key = api.request(Method::POST, path).json(&body);
        api.send(without_key).await.problem(400, "idempotency_key_required");
    }
    server.assert_invariants().await;
}

#[tokio::test]
async fn an_adjustment_makes_the_books_say_what_was_counted() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    let check = async |body: Value, status: u16, code: &str, pointer: &str| {
        api.post(ADJUSTMENTS, body).await.points_at(status, code, pointer);
    };
    let up = adjustment(&main, &chair, "3");
    check(up.clone(), 422, "unit_cost_required", "/unit_cost").await;
    let priced = with(up.clone(), "unit_cost", json!("2.00"));
    let posted = api.post(ADJUSTMENTS, priced.clone()).await;
    let location = posted.headers["location"].to_str().expect("ASCII").to_owned();
    let posted = posted.ok();
    assert_eq!((&posted["kind"], &posted["value"]), (&json!("adjustment"), &eur("6.00")));
    assert_eq!(api.get(&location).await.ok(), posted);
    check(priced, 422, "unit_cost_not_allowed", "/unit_cost").await;
    let found = api.post(ADJUSTMENTS, adjustment(&main, &chair, "1")).await.ok();
    assert_eq!(found["value"], eur("2.00"), "at the average");
    let lost = api.post(ADJUSTMENTS, adjustment(&main, &chair, "-2")).await.ok();
    assert_eq!((&lost["quantity"], &lost["value"]), (&json!("2"), &eur("4.00")));
    assert_eq!(lost["from_location"]["warehouse_id"], main["id"]);
    assert_eq!(lost["to_location"], json!({ "type": "adjustment" }));

    // What is promised is not available.
    api.post(RESERVATIONS, reservation(&main, &chair, "1")).await.ok();
    let down = adjustment(&main, &chair, "-2");
    let short = api.post(ADJUSTMENTS, down.clone()).await.problem(409, "insufficient_stock");
    assert_eq!(
        short["params"]["shortages"],
        json!([{
            "product_id": chair["id"], "sku": "CHAIR", "warehouse_id": main["id"],
            "asked": "2", "available": "1"
        }])
    );
    check(with(down.clone(), "unit_cost", json!("1")), 422, "unit_cost_not_allowed", "/unit_cost")
        .await;
    check(with(down.clone(), "quantity", json!("0")), 422, "quantity_zero", "/quantity").await;
    check(with(down.clone(), "quantity", json!("0.1")), 422, "quantity_too_fine", "/quantity")
        .await;
    let nobody = json!(Uuid::now_v7());
    check(with(down.clone(), "product_id", nobody.clone()), 422, "unknown_product", "/product_id")
        .await;
    check(with(down.clone(), "warehouse_id", nobody), 422, "unknown_warehouse", "/warehouse_id")
        .await;
    let never = json!("9999-12-31");
    check(with(down.clone(), "adjusted_on", never), 422, "date_in_future", "/adjusted_on").await;
    let too_much = with(down, "quantity", json!("999999998"));
    check(too_much, 422, "amount_overflow", "/quantity").await;
    let row = stock(api, &chair).await;
    assert_eq!((&row["on_hand"], &row["value"]), (&json!("2"), &eur("4.00")));
    let path = format!("{MOVES}?kind=adjustment&product_id={}", text(&chair["id"]));
    let of_kind = api.get(&path).await.ok();
    assert_eq!(of_kind["data"].as_array().map(Vec::len), Some(3));
    let receipts = api.get(&format!("{MOVES}?kind=receipt")).await.ok();
    assert_eq!(receipts["data"], json!([]));
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_mistaken_receipt_is_reversed_once() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    let received = api.post(RECEIPTS, receipt(&main, &[(&chair, "4", "5")])).await.ok();
    let path = format!("{MOVES}/{}/reverse", text(&received["moves"][0]["id"]));
    let why = json!({ "reason": "Typed twice" });
    let held = api.post(RESERVATIONS, reservation(&main, &chair, "1")).await.ok();
    api.post(&path, why.clone()).await.problem(409, "insufficient_stock");
    let release = format!("{RESERVATIONS}/{}/release", text(&held["id"]));
    api.act(&release, &held).await.ok();
    let mirror = api.post(&path, why.clone()).await.ok();
    assert_eq!(mirror["reverses_id"], received["moves"][0]["id"]);
    assert_eq!(mirror["from_location"], received["moves"][0]["to_location"]);
    assert_eq!((&mirror["value"], &mirror["reason"]), (&eur("20.00"), &json!("Typed twice")));
    let again = api.post(&path, why.clone()).await.problem(409, "already_reversed");
    assert_eq!(again["params"]["reversed_by"], mirror["id"]);
    let of_mirror = format!("{MOVES}/{}/reverse", text(&mirror["id"]));
    api.post(&of_mirror, why.clone()).await.problem(409, "not_reversible");
    api.post(&format!("{MOVES}/{}/reverse", Uuid::now_v7()), why).await.problem(404, "not_found");
    let row = stock(api, &chair).await;
    assert_eq!((&row["on_hand"], &row["value"]), (&json!("0"), &eur("0.00")));
    assert_eq!(row.get("average_cost"), None);
    server.assert_invariants().await;
}

#[tokio::test]
async fn stock_is_set_aside_and_given_back() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    let body = reservation(&main, &chair, "3");
    let short = api.post(RESERVATIONS, body.clone()).await.problem(409, "insufficient_stock");
    assert_eq!(short["params"]["shortages"][0]["available"], "0");
    api.post(RECEIPTS, receipt(&main, &[(&chair, "4", "5")])).await.ok();
    let held = api.post(RESERVATIONS, body.clone()).await.ok();
    assert_eq!((&held["status"], &held["remaining"]), (&json!("active"), &json!("3")));
    assert_eq!(held["allowed_actions"], json!(["release"]));
    let path = format!("{RESERVATIONS}/{}", text(&held["id"]));
    assert_eq!(api.get(&path).await.ok(), held);
    let row = stock(api, &chair).await;
    assert_eq!((&row["reserved"], &row["available"]), (&json!("3"), &json!("1")));
    api.post(RESERVATIONS, with(body.clone(), "quantity", json!("2")))
        .await
        .problem(409, "insufficient_stock");

    let release = format!("{path}/release");
    let of_another_version = with(held.clone(), "version", json!(2));
    api.act(&release, &of_another_version).await.problem(412, "stale_version");
    let unguarded = api.request(Method::POST, &release);
    api.send(unguarded).await.problem(428, "if_match_required");
    let released = api.act(&release, &held).await.ok();
    assert_eq!((&released["status"], &released["remaining"]), (&json!("released"), &json!("0")));
    assert_eq!((&released["allowed_actions"], &released["version"]), (&json!([]), &json!(2)));
    let again = api.act(&release, &released).await.problem(409, "illegal_transition");
    assert_eq!(again["params"]["allowed_actions"], json!([]));
    assert_eq!(stock(api, &chair).await["reserved"], "0");
    let product_id = text(&chair["id"]);
    let list = async |filter: &str| {
        let path = format!("{RESERVATIONS}?product_id={product_id}&{filter}");
        api.get(&path).await.ok()["data"].clone()
    };
    assert_eq!(list("status=released").await, json!([released]));
    assert_eq!(list("status=active").await, json!([]));
    assert_eq!(list(&format!("order_id={}", Uuid::now_v7())).await, json!([]));
    assert_eq!(list(&format!("warehouse_id={}", text(&main["id"]))).await, json!([released]));

    let check = async |body: Value, code: &str, pointer: &str| {
        api.post(RESERVATIONS, body).await.points_at(422, code, pointer);
    };
    let nobody = json!(Uuid::now_v7());
    check(with(body.clone(), "product_id", nobody.clone()), "unknown_product", "/product_id").await;
    check(with(body.clone(), "warehouse_id", nobody), "unknown_warehouse", "/warehouse_id").await;
    check(with(body.clone(), "quantity", json!("0.5")), "quantity_too_fine", "/quantity").await;
    check(with(body.clone(), "ttl_s", json!(2_592_001)), "expiry_out_of_range", "/ttl_s").await;
    check(with(body.clone(), "ttl_s", json!(null)), "expiry_unclear", "/expires_at").await;
    let both = with(body.clone(), "expires_at", json!("2999-01-01T00:00:00Z"));
    check(both.clone(), "expiry_unclear", "/expires_at").await;
    check(with(both, "ttl_s", json!(null)), "expiry_out_of_range", "/expires_at").await;
    let nothing = format!("{RESERVATIONS}/{}", Uuid::now_v7());
    api.get(&nothing).await.problem(404, "not_found");
    api.act(&format!("{nothing}/release"), &held).await.problem(404, "not_found");
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_reservation_expires_by_itself() {
    let settings = [("inventory.expiry_interval_s", json!(1))];
    let server = Server::start_as(Topology::OneProcess, &settings).await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    api.post(RECEIPTS, receipt(&main, &[(&chair, "4", "5")])).await.ok();
    let short = with(reservation(&main, &chair, "3"), "ttl_s", json!(1));
    let short = api.post(RESERVATIONS, short).await.ok();
    let long = api.post(RESERVATIONS, reservation(&main, &chair, "1")).await.ok();
    let path = format!("{RESERVATIONS}/{}", text(&short["id"]));
    let deadline = Instant::now() + Duration::from_secs(30);
    let expired = loop {
        let found = api.get(&path).await.ok();
        if found["status"] != "active" {
            break found;
        }
        assert!(Instant::now() < deadline, "still active: {found}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&expired["status"], &expired["remaining"]), (&json!("expired"), &json!("0")));
    assert_eq!(stock(api, &chair).await["reserved"], "1");
    let other = format!("{RESERVATIONS}/{}", text(&long["id"]));
    assert_eq!(api.get(&other).await.ok()["status"], "active");
    api.act(&format!("{path}/release"), &expired).await.problem(409, "illegal_transition");
    server.assert_invariants().await;
}

#[tokio::test]
async fn exactly_as_many_reservations_succeed_as_there_is_stock_for() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    api.post(RECEIPTS, receipt(&main, &[(&chair, "10", "5")])).await.ok();
    let body = reservation(&main, &chair, "1");
    let all = (0..40).map(|_| api.post(RESERVATIONS, body.clone()));
    let mut succeeded = 0;
    for answer in futures_util::future::join_all(all).await {
        match answer.status {
            201 => succeeded += 1,
            _ => drop(answer.problem(409, "insufficient_stock")),
        }
    }
    assert_eq!(succeeded, 10);
    assert_eq!(stock(api, &chair).await["available"], "0");
    server.assert_invariants().await;
}

#[tokio::test]
async fn stock_and_moves_are_listed_page_by_page() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let mut products = Vec::new();
    for i in 0..5 {
        products.push(product(api, &format!("P{i}")).await);
    }
    let lines: Vec<_> = products.iter().map(|product| (product, "1", "1")).collect();
    api.post(RECEIPTS, receipt(&main, &lines)).await.ok();
    api.post(RECEIPTS, receipt(&shop, &lines[..1])).await.ok();
    for list in [STOCK, MOVES] {
        let mut path = format!("{list}?warehouse_id={}&limit=2", text(&main["id"]));
        let mut seen = Vec::new();
        loop {
            let page = api.get(&path).await.ok();
            let rows = page["data"].as_array().expect("rows");
            seen.extend(rows.iter().map(|row| text(&row["product_id"])));
            if page["page"]["has_more"] == false {
                break;
            }
            let cursor = text(&page["page"]["next_cursor"]);
            path = format!("{list}?warehouse_id={}&limit=2&cursor={cursor}", text(&main["id"]));
        }
        seen.sort();
        let mut expected: Vec<_> = products.iter().map(|p| text(&p["id"])).collect();
        expected.sort();
        assert_eq!(seen, expected, "{list}");
        api.get(&format!("{list}?cursor=x")).await.problem(400, "invalid_cursor");
        api.get(&format!("{list}?colour=red")).await.points_at(400, "invalid_query", "?colour");
    }
}

#[tokio::test]
async fn a_long_document_costs_as_many_statements_as_a_short_one() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let mut products = Vec::new();
    for i in 0..52 {
        products.push(product(api, &format!("P{i}")).await);
    }
    let lines: Vec<_> = products.iter().map(|product| (product, "3", "1.5")).collect();
    let mut costs = Vec::new();
    for lines in [&lines[..2], &lines[2..]] {
        let body = receipt(&main, lines);
        // Once where the products have never been in the warehouse, once where they have.
        let first = api.post(RECEIPTS, body.clone()).await;
        let second = api.post(RECEIPTS, body).await;
        let moves = api.get(&format!("{MOVES}?limit={}", lines.len())).await;
        let stock = api.get(&format!("{STOCK}?limit={}", lines.len())).await;
        costs.push([first, second, moves, stock].map(|answer| {
            assert!(answer.status < 300, "{:#}", answer.body);
            answer.statements()
        }));
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0].iter().all(|statements| *statements > 0), "{costs:?}");
    server.assert_invariants().await;
}

//! A small company's first day, touching every operation there is. What is sent and
//! answered becomes the examples of the documents, so none of them is made up.

mod access;
pub mod record;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};

use crate::auth::oidc::{self, Provider};
use crate::auth::passkeys;
use crate::boundaries::assert_file;
use crate::flows::{address, eventually};
use crate::harness::{ADMIN_PASSWORD, Api, Server, text, with};
use crate::inventory::files::{EXPORTS, IMPORTS, ended};
use crate::inventory::work::colleague;
use crate::spec::operations;

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_works_as_its_example_says() {
    let provider = Provider::start().await;
    let mut settings = oidc::settings(&provider.issuer);
    settings.extend(passkeys::settings());
    let server = Server::start_with(&settings).await;
    let recorded = Arc::new(Mutex::new(Vec::new()));
    let api = server.api.recording(recorded.clone());
    first_day(&server, &api).await;
    access::provider(&api, &provider).await;
    access::passkey(&api).await;
    server.assert_invariants().await;

    let spec = server.api.get("/openapi.json").await.ok();
    let exchanges = recorded.lock().expect("whole").clone();
    let examples = record::examples(&exchanges, &spec);
    let missing: BTreeSet<String> = operations(&spec)
        .into_iter()
        .map(|(_, _, operation)| text(&operation["operationId"]))
        .filter(|id| examples.get(id).is_none())
        .collect();
    assert!(missing.is_empty(), "the tour leaves out {missing:?}");
    let examples = serde_json::to_string_pretty(&examples).expect("JSON") + "\n";
    assert_file("openapi/examples.json", &examples);
    server.stop().await;
}

/// All of it, one request after the other.
pub async fn first_day(server: &Server, api: &Api) {
    people(api).await;
    access::access(api).await;
    let goods = goods(api).await;
    let customer = customer(api, &goods).await;
    server.settle().await;
    selling(server, api, &goods, &customer).await;
    server.settle().await;
    buying(server, api, &goods).await;
    server.settle().await;
    refused_events(server, api).await;
    server.settle().await;
    looking_around(api).await;
}

async fn people(api: &Api) {
    let anybody = api.with_token(None);
    let credentials = json!({"username": "admin", "password": ADMIN_PASSWORD});
    let token = anybody.post("/api/v1/auth/token", credentials).await.ok();
    let refresh = json!({"refresh_token": token["refresh_token"]});
    let token = anybody.post("/api/v1/auth/token/refresh", refresh).await.ok();
    let second = api.with_token(token["access_token"].as_str());
    second.post("/api/v1/auth/token/revoke", Value::Null).await;
    api.get("/api/v1/auth/me").await.ok();
    api.get("/api/v1/auth/permissions").await.ok();

    let role = json!({
        "name": "counter", "description": "Sells at the counter",
        "permissions": ["sales.quotation:read", "sales.quotation:create", "orders.*"]
    });
    let role = api.post("/api/v1/auth/roles", role).await.ok();
    let path = format!("/api/v1/auth/roles/{}", text(&role["id"]));
    api.get(&path).await.ok();
    api.patch(&path, &role, json!({"description": "Sells at the counter and ships"})).await.ok();
    let user = json!({
        "username": "erika", "name": "Erika Mustermann", "password": "six quiet lighthouses",
        "email": "erika@example.com"
    });
    let user = api.post("/api/v1/auth/users", user).await.ok();
    let path = format!("/api/v1/auth/users/{}", text(&user["id"]));
    api.get(&path).await.ok();
    let user = api.patch(&path, &user, json!({"name": "Erika Musterfrau"})).await.ok();
    api.put(&format!("{path}/roles"), &user, json!({"role_ids": [role["id"]]})).await.ok();

    let credentials = json!({"username": "erika", "password": "six quiet lighthouses"});
    let erika = anybody.post("/api/v1/auth/token", credentials).await.ok();
    let erika = api.with_token(erika["access_token"].as_str());
    let change = json!({
        "current_password": "six quiet lighthouses", "new_password": "seven loud lighthouses"
    });
    assert_eq!(erika.post("/api/v1/auth/me/password", change).await.status, 204);
}

struct Goods {
    warehouse: Value,
    chair: Value,
    table: Value,
}

async fn goods(api: &Api) -> Goods {
    let warehouse = json!({"code": "HAM", "name": "Hamburg"});
    let warehouse = api.post("/api/v1/inventory/warehouses", warehouse).await.ok();
    let path = format!("/api/v1/inventory/warehouses/{}", text(&warehouse["id"]));
    api.get(&path).await.ok();
    let warehouse = api.patch(&path, &warehouse, json!({"name": "Hamburg harbour"})).await.ok();
    let category = json!({"code": "CHAIRS", "name": "Chairs"});
    let category = api.post("/api/v1/inventory/categories", category).await.ok();
    let path = format!("/api/v1/inventory/categories/{}", text(&category["id"]));
    api.get(&path).await.ok();
    api.patch(&path, &category, json!({"name": "Chairs and stools"})).await.ok();
    let chair = json!({
        "sku": "CHAIR-OAK", "name": "Oak chair", "description": "Solid, oiled", "unit": "pcs",
        "tax_class": "standard", "barcode": "4006381333931", "category_id": category["id"],
        "weight_g": 6200, "external_id": "4711"
    });
    let chair = api.post("/api/v1/inventory/products", chair).await.ok();
    let path = format!("/api/v1/inventory/products/{}", text(&chair["id"]));
    api.get(&path).await.ok();
    let chair = api.patch(&path, &chair, json!({"description": "Solid oak, oiled"})).await.ok();
    let boxes = json!({"units": [
        {"code": "box", "numerator": 4, "denominator": 1, "barcode": "14006381333938"}
    ]});
    let chair = api.put(&format!("{path}/units"), &chair, boxes).await.ok();
    let chair = with(chair.clone(), "id", chair["product_id"].clone());
    api.get(&format!("{path}/units")).await.ok();
    let conversion = json!({"quantity": "3", "from": "box", "to": "pcs"});
    api.post(&format!("{path}/convert"), conversion).await.ok();
    let set = json!({
        "sku": "CHAIR-PAIR", "name": "Two oak chairs", "unit": "pcs", "tax_class": "standard"
    });
    let set = api.post("/api/v1/inventory/products", set).await.ok();
    let path = format!("/api/v1/inventory/products/{}/components", text(&set["id"]));
    let pair = json!({"components": [{"product_id": chair["id"], "quantity": "2"}]});
    api.put(&path, &set, pair).await.ok();
    api.get(&path).await.ok();
    api.get("/api/v1/inventory/barcodes/14006381333938").await.ok();
    let template = json!({
        "code": "CUSHION", "name": "Cushion",
        "attributes": [{"name": "colour", "values": ["red", "green"]}]
    });
    let template = api.post("/api/v1/inventory/product-templates", template).await.ok();
    let path = format!("/api/v1/inventory/product-templates/{}", text(&template["id"]));
    api.get(&path).await.ok();
    let table = json!({
        "sku": "TABLE-OAK", "name": "Oak table", "unit": "pcs", "tax_class": "standard"
    });
    let table = api.post("/api/v1/inventory/products", table).await.ok();

    let receipt = json!({
        "warehouse_id": warehouse["id"], "reason": "opening stock",
        "lines": [
            {"product_id": chair["id"], "quantity": "40", "unit_cost": "31.50"},
            {"product_id": table["id"], "quantity": "10", "unit_cost": "140.00"}
        ]
    });
    let received = api.post("/api/v1/inventory/receipts", receipt).await.ok();
    let freight = json!({
        "source_id": received["id"], "amount": {"amount": "26.60", "currency": "EUR"},
        "basis": "value", "reason": "freight, invoice 4711"
    });
    api.post("/api/v1/inventory/landed-costs", freight).await.ok();
    let adjustment = json!({
        "warehouse_id": warehouse["id"], "product_id": chair["id"], "quantity": "-1",
        "reason": "broken leg"
    });
    let adjusted = api.post("/api/v1/inventory/adjustments", adjustment).await.ok();
    let path = format!("/api/v1/inventory/moves/{}", text(&adjusted["id"]));
    api.get(&path).await.ok();
    api.post(&format!("{path}/reverse"), json!({"reason": "it was glued"})).await.ok();
    let reservation = json!({
        "warehouse_id": warehouse["id"], "product_id": chair["id"], "quantity": "2",
        "ttl_s": 3600, "note": "put by for a walk-in"
    });
    let reservation = api.post("/api/v1/inventory/reservations", reservation).await.ok();
    let path = format!("/api/v1/inventory/reservations/{}", text(&reservation["id"]));
    api.get(&path).await.ok();
    api.act(&format!("{path}/release"), &reservation).await.ok();
    let goods = Goods { warehouse, chair, table };
    warehouse_work(api, &goods).await;
    transfer(api, &goods).await;
    planning(api, &goods).await;
    lots(api).await;
    standard_cost(api, &goods).await;
    negative_stock(api).await;
    files_in_and_out(api).await;
    stock_period(api).await;
    goods
}

/// Products that come in a file, one of them wrong, and all of them in another that goes out.
async fn files_in_and_out(api: &Api) {
    let file = "sku,name,unit,tax_class,barcode\nSTOOL-OAK,Oak stool,pcs,standard,\n\
                BENCH-OAK,Oak bench,pcs,standard,4006381333930\n";
    let upload = async || {
        let path = format!("{IMPORTS}?resource=products&policy=skip_failed");
        let request = api
            .request(Method::POST, &path)
            .header("Idempotency-Key", uuid::Uuid::now_v7().to_string())
            .header("Content-Type", "text/csv");
        api.send(request.body(file)).await.ok()
    };
    // What is asked for right after another has ended waits for a moment, and can be cancelled.
    let import = upload().await;
    let path = format!("{IMPORTS}/{}", text(&import["id"]));
    ended(api, &path).await;
    api.get(&format!("{path}/errors")).await.ok();
    let unwanted = upload().await;
    cancel(api, &format!("{IMPORTS}/{}/cancel", text(&unwanted["id"]))).await;

    let export = json!({"resource": "products"});
    let made = api.post(EXPORTS, export.clone()).await.ok();
    let made = ended(api, &format!("{EXPORTS}/{}", text(&made["id"]))).await;
    api.get(&text(&made["content"])).await.ok();
    let unwanted = api.post(EXPORTS, export).await.ok();
    cancel(api, &format!("{EXPORTS}/{}/cancel", text(&unwanted["id"]))).await;
}

/// Whoever takes a long look after every step, as some tests do, comes too late.
async fn cancel(api: &Api, path: &str) {
    let answer = api.post(path, Value::Null).await;
    if answer.status == 409 {
        answer.problem(409, "illegal_transition");
    } else {
        answer.ok();
    }
}

/// A warehouse with shelves, and milk that expires.
async fn lots(api: &Api) {
    let dairy = json!({"code": "DAIRY", "name": "Cold store"});
    let dairy = api.post("/api/v1/inventory/warehouses", dairy).await.ok();
    let locations = "/api/v1/inventory/locations";
    let place = async |code: &str, name: &str, kind: &str, pick_order: u32| {
        let place = json!({
            "warehouse_id": dairy["id"], "code": code, "name": name, "kind": kind,
            "pick_order": pick_order, "barcode": format!("LOC-{code}")
        });
        api.post(locations, place).await.ok()
    };
    let shelf = place("A-01-03", "Row A, shelf 3", "stock", 10).await;
    let dock = place("IN", "Dock", "input", 0).await;
    let path = format!("{locations}/{}", text(&shelf["id"]));
    api.get(&path).await.ok();
    api.patch(&path, &shelf, json!({"name": "Row A, third shelf"})).await.ok();
    let milk = json!({
        "sku": "MILK-1L", "name": "Milk, 1 litre", "unit": "pcs", "tax_class": "standard",
        "tracking": "lot", "picking": "fefo"
    });
    let milk = api.post("/api/v1/inventory/products", milk).await.ok();
    let rules = "/api/v1/inventory/put-away-rules";
    let rule = |product: &Value| {
        json!({
            "warehouse_id": dairy["id"], "product_id": product, "location_id": shelf["id"]
        })
    };
    let rest = api.post(rules, rule(&Value::Null)).await.ok();
    api.post(rules, rule(&milk["id"])).await.ok();
    let unwanted = api.request(Method::DELETE, &format!("{rules}/{}", text(&rest["id"])));
    api.send(unwanted).await;
    let day = |days| chrono::Utc::now().date_naive() + chrono::Days::new(days);
    let receipt = json!({
        "warehouse_id": dairy["id"], "reason": "opening stock",
        "lines": [{
            "product_id": milk["id"], "quantity": "30", "unit_cost": "0.60",
            "lots": [
                {"number": "L-26-04", "quantity": "20", "expires_on": day(20)},
                {"number": "L-26-05", "quantity": "8", "expires_on": day(27)}
            ]
        }]
    });
    let short = api.post("/api/v1/inventory/receipts", receipt.clone()).await;
    short.points_at(422, "lots_do_not_add_up", "/lines/0/lots");
    let mut receipt = receipt;
    receipt["lines"][0]["lots"] = json!([]);
    let received = api.post("/api/v1/inventory/receipts", receipt).await.ok();
    let path = format!("/api/v1/inventory/moves/{}/lots", text(&received["moves"][0]["id"]));
    let lots = json!({"lots": [
        {"number": "L-26-04", "quantity": "20", "expires_on": day(20)},
        {"number": "L-26-05", "quantity": "10", "expires_on": day(27)}
    ]});
    let lots = api.post(&path, lots).await.ok();
    api.get(&path).await.ok();
    let suggestions =
        format!("/api/v1/inventory/put-away-suggestions?warehouse_id={}", text(&dairy["id"]));
    api.get(&suggestions).await.ok();
    let put_away = json!({
        "warehouse_id": dairy["id"], "reason": "put away",
        "lines": [{
            "product_id": milk["id"], "from_location_id": dock["id"],
            "to_location_id": shelf["id"], "quantity": "30"
        }]
    });
    api.post("/api/v1/inventory/relocations", put_away).await.ok();
    api.get("/api/v1/inventory/scans?code=(10)x").await.problem(404, "not_found");
    api.get("/api/v1/inventory/scans?code=L-26-05").await.ok();
    let path = format!("/api/v1/inventory/lots/{}", text(&lots["lots"][1]["lot_id"]));
    let lot = api.get(&path).await.ok();
    let lot = api.patch(&path, &lot, json!({"expires_on": day(28)})).await.ok();
    let why = json!({"reason": "supplier's notice"});
    let lot = api.act_with(&format!("{path}/quarantine"), &lot, why.clone()).await.ok();
    let lot = api.act_with(&format!("{path}/release"), &lot, why.clone()).await.ok();
    api.act_with(&format!("{path}/recall"), &lot, why).await.ok();
    api.get(&format!("{path}/trace")).await.ok();
}

/// Last month closed, and opened again for what was forgotten.
async fn stock_period(api: &Api) {
    let periods = "/api/v1/inventory/stock-periods";
    let through = chrono::Utc::now().date_naive() - chrono::Days::new(30);
    let close = json!({"through": through, "note": "counted and signed"});
    let period = api.post(periods, close).await.ok();
    let path = format!("{periods}/{}", text(&period["id"]));
    api.get(&path).await.ok();
    let why = json!({"reason": "a delivery note was found"});
    api.act_with(&format!("{path}/reopen"), &period, why).await.ok();
    api.get(periods).await.ok();
}

/// Screws at a standard cost.
async fn standard_cost(api: &Api, goods: &Goods) {
    let screw = json!({
        "sku": "SCREW-M6", "name": "Screw M6", "unit": "pcs", "tax_class": "standard",
        "costing": "standard", "standard_cost": "0.10"
    });
    let screw = api.post("/api/v1/inventory/products", screw).await.ok();
    let receipt = json!({
        "warehouse_id": goods.warehouse["id"], "reason": "opening stock",
        "lines": [{"product_id": screw["id"], "quantity": "500", "unit_cost": "0.12"}]
    });
    api.post("/api/v1/inventory/receipts", receipt).await.ok();
    let path = format!("/api/v1/inventory/products/{}/standard-cost", text(&screw["id"]));
    api.act_with(&path, &screw, json!({"standard_cost": "0.11"})).await.ok();
}

/// Planks that are sold before anybody has written down that they came.
async fn negative_stock(api: &Api) {
    let yard = json!({"code": "YARD", "name": "Timber yard"});
    let yard = api.post("/api/v1/inventory/warehouses", yard).await.ok();
    let plank = json!({
        "sku": "PLANK-OAK", "name": "Oak plank", "unit": "pcs", "tax_class": "standard"
    });
    let plank = api.post("/api/v1/inventory/products", plank).await.ok();
    let path = format!("/api/v1/inventory/warehouses/{}/negative-stock", text(&yard["id"]));
    api.act_with(&path, &yard, json!({"allows_negative": true})).await.ok();
    let path = format!("/api/v1/inventory/products/{}/negative-stock", text(&plank["id"]));
    api.act_with(&path, &plank, json!({"negative_stock": "inherit"})).await.ok();
}

/// What is taken from where for an order, and a list that nobody needs.
async fn picking(api: &Api, order: &Value) {
    let lists = "/api/v1/inventory/picking-lists";
    let new = json!({
        "warehouse_id": order["warehouse_id"], "order_ids": [order["id"]]
    });
    let list = api.post(lists, new.clone()).await.ok();
    let path = format!("{lists}/{}", text(&list["id"]));
    api.act(&format!("{path}/cancel"), &list).await.ok();
    let list = api.post(lists, new).await.ok();
    let path = format!("{lists}/{}", text(&list["id"]));
    let picked = json!({"lines": [{"position": 1, "picked": list["lines"][0]["quantity"]}]});
    api.act_with(&format!("{path}/pick"), &list, picked).await.ok();
    api.get(&path).await.ok();
}

/// Corrections that a colleague approves, and a stock take.
async fn warehouse_work(api: &Api, goods: &Goods) {
    let wilma = colleague(api).await;
    let reason = json!({
        "code": "DAMAGED", "name": "Damaged in the warehouse", "kind": "scrap",
        "approval_above": {"amount": "100.00", "currency": "EUR"}
    });
    api.post("/api/v1/inventory/adjustment-reasons", reason).await.ok();
    let scrap = json!({
        "warehouse_id": goods.warehouse["id"], "product_id": goods.table["id"],
        "quantity": "-1", "reason": "fell off the lift", "reason_code": "DAMAGED",
        "break_reservations": true
    });
    let requests = "/api/v1/inventory/adjustment-requests";
    let request = api.post(requests, scrap.clone()).await.ok();
    let path = format!("{requests}/{}", text(&request["id"]));
    let approved = wilma.act(&format!("{path}/approve"), &request).await.ok();
    api.get(&path).await.ok();
    let path = format!("/api/v1/inventory/moves/{}", text(&approved["move_id"]));
    let reason = json!({"reason": "it can be repaired"});
    api.post(&format!("{path}/reversal-requests"), reason).await.ok();
    let request = api.post(requests, scrap).await.ok();
    let path = format!("{requests}/{}/reject", text(&request["id"]));
    wilma.act(&path, &request).await.ok();

    let counts = "/api/v1/inventory/stock-counts";
    let count = json!({
        "warehouse_id": goods.warehouse["id"], "is_blind": true, "tolerance_percent": 5,
        "product_ids": [goods.chair["id"], goods.table["id"]], "note": "end of quarter"
    });
    let unwanted = api.post(counts, count.clone()).await.ok();
    let path = format!("{counts}/{}", text(&unwanted["id"]));
    api.act(&format!("{path}/cancel"), &unwanted).await.ok();
    let count = api.post(counts, count).await.ok();
    let path = format!("{counts}/{}", text(&count["id"]));
    let found = json!({"lines": [
        {"product_id": goods.chair["id"], "quantity": "39"},
        {"product_id": goods.table["id"], "quantity": "9"}
    ]});
    let count = api.post(&format!("{path}/record"), found).await.ok();
    let count = api.act(&format!("{path}/submit"), &count).await.ok();
    let count = wilma.act(&format!("{path}/reopen"), &count).await.ok();
    let count = api.act(&format!("{path}/submit"), &count).await.ok();
    wilma.act(&format!("{path}/approve"), &count).await.ok();
    api.get(&path).await.ok();
    api.get(&format!("{path}/lines?sort=created_at")).await.ok();
}

/// Goods go to another warehouse, and not all of them arrive.
async fn transfer(api: &Api, goods: &Goods) {
    let berlin = json!({"code": "BER", "name": "Berlin"});
    let berlin = api.post("/api/v1/inventory/warehouses", berlin).await.ok();
    let transfer = json!({
        "from_warehouse_id": goods.warehouse["id"], "to_warehouse_id": berlin["id"],
        "lines": [{"product_id": goods.chair["id"], "quantity": "3"}], "note": "for the fair"
    });
    let transfer = api.post("/api/v1/inventory/transfers", transfer).await.ok();
    let path = format!("/api/v1/inventory/transfers/{}", text(&transfer["id"]));
    let arrived = json!({"lines": [
        {"product_id": goods.chair["id"], "received": "2", "lost": "1"}
    ]});
    api.act_with(&format!("{path}/receive"), &transfer, arrived).await.ok();
    api.get(&path).await.ok();
}

/// When to buy again, and what is on its way.
async fn planning(api: &Api, goods: &Goods) {
    let rule = json!({
        "product_id": goods.table["id"], "warehouse_id": goods.warehouse["id"], "min": "10",
        "target": "20", "multiple": "2", "minimum_order": "4", "lead_time_days": 14
    });
    let rule = api.post("/api/v1/inventory/reorder-rules", rule).await.ok();
    let path = format!("/api/v1/inventory/reorder-rules/{}", text(&rule["id"]));
    api.get(&path).await.ok();
    api.patch(&path, &rule, json!({"max": "30"})).await.ok();
    let expected = json!({
        "product_id": goods.chair["id"], "warehouse_id": goods.warehouse["id"],
        "quantity": "20", "expected_on": chrono::Utc::now().date_naive() + chrono::Days::new(7)
    });
    let path = format!("/api/v1/inventory/expected-receipts/{}", uuid::Uuid::now_v7());
    api.put(&path, &json!({"version": 1}), expected).await.ok();
    let promise = format!(
        "/api/v1/inventory/products/{}/available-to-promise?quantity=50&warehouse_id={}",
        text(&goods.chair["id"]),
        text(&goods.warehouse["id"])
    );
    api.get(&promise).await.ok();
}

async fn customer(api: &Api, goods: &Goods) -> Value {
    let list = json!({"code": "RETAIL", "name": "Retail", "currency": "EUR", "is_default": true});
    let list = api.post("/api/v1/sales/price-lists", list).await.ok();
    let path = format!("/api/v1/sales/price-lists/{}", text(&list["id"]));
    api.get(&path).await.ok();
    let list = api.patch(&path, &list, json!({"name": "Retail prices"})).await.ok();
    let prices = json!({"prices": [
        {"product_id": goods.chair["id"], "min_quantity": "1", "unit_price": "79.00"},
        {"product_id": goods.chair["id"], "min_quantity": "10", "unit_price": "69.00"},
        {"product_id": goods.table["id"], "min_quantity": "1", "unit_price": "349.00"}
    ]});
    api.put(&format!("{path}/prices"), &list, prices).await.ok();
    api.get(&format!("{path}/prices")).await.ok();

    let customer = json!({
        "name": "Café Elbe GmbH", "email": "einkauf@cafe-elbe.example", "tax_id": "DE123456789",
        "payment_terms_days": 14, "billing_address": address(),
        "credit_limit": {"amount": "20000.00", "currency": "EUR"}
    });
    let customer = api.post("/api/v1/sales/customers", customer).await.ok();
    let path = format!("/api/v1/sales/customers/{}", text(&customer["id"]));
    api.get(&path).await.ok();
    let customer = api.patch(&path, &customer, json!({"payment_terms_days": 30})).await.ok();
    let explain = json!({
        "customer_id": customer["id"], "lines": [{"product_id": goods.chair["id"], "quantity": "12"}]
    });
    api.post("/api/v1/sales/prices/explain", explain).await.ok();
    customer
}

async fn selling(server: &Server, api: &Api, goods: &Goods, customer: &Value) {
    let quotation = json!({
        "customer_id": customer["id"], "warehouse_id": goods.warehouse["id"],
        "lines": [
            {"product_id": goods.chair["id"], "quantity": "12"},
            {"product_id": goods.table["id"], "quantity": "3", "discount": "5"}
        ]
    });
    let quotations = "/api/v1/sales/quotations";
    let quote = async || api.post(quotations, quotation.clone()).await.ok();
    let path_of = |quotation: &Value| format!("{quotations}/{}", text(&quotation["id"]));
    let rejected = quote().await;
    let sent = api.act(&format!("{}/send", path_of(&rejected)), &rejected).await.ok();
    api.act(&format!("{}/reject", path_of(&sent)), &sent).await.ok();
    let dropped = quote().await;
    api.act(&format!("{}/cancel", path_of(&dropped)), &dropped).await.ok();
    let draft = quote().await;
    let path = path_of(&draft);
    let until = json!({"valid_until": chrono::Utc::now().date_naive() + chrono::Days::new(14)});
    let draft = api.patch(&path, &draft, until).await.ok();
    let sent = api.act(&format!("{path}/send"), &draft).await.ok();
    let accepted = api.act(&format!("{path}/accept"), &sent).await.ok();
    server.settle().await;
    api.get(&path).await.ok();

    // From the quotation to cash.
    let orders = "/api/v1/orders/orders";
    let order = api.post(orders, json!({"quotation_id": accepted["id"]})).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let order = api.patch(&path, &order, json!({"customer_reference": "PO 4711"})).await.ok();
    let order = api.act(&format!("{path}/confirm"), &order).await.ok();
    server.settle().await;
    picking(api, &order).await;
    let chairs = &order["lines"][0]["id"];
    let part = json!({"lines": [{"order_line_id": chairs, "quantity": "5"}]});
    let wrong = api.post(&format!("{path}/shipments"), part).await.ok();
    let shipments = "/api/v1/orders/shipments";
    let cancel = format!("{shipments}/{}/cancel", text(&wrong["id"]));
    api.act(&cancel, &wrong).await.ok();
    let part = json!({
        "lines": [{"order_line_id": chairs, "quantity": "10"}],
        "carrier": "DHL", "tracking_number": "00340434161094042557"
    });
    let shipment = api.post(&format!("{path}/shipments"), part).await.ok();
    let shipment_path = format!("{shipments}/{}", text(&shipment["id"]));
    let tracking = json!({"tracking_number": "00340434161094042558"});
    let shipment = api.patch(&shipment_path, &shipment, tracking).await.ok();
    let shipment = api.act(&format!("{shipment_path}/ship"), &shipment).await.ok();
    api.act(&format!("{shipment_path}/deliver"), &shipment).await.ok();
    api.get(&shipment_path).await.ok();
    api.get(&format!("{path}/shipments")).await.ok();
    server.settle().await;

    let invoice = invoice_of(api, &shipment).await;
    let invoice_path = format!("/api/v1/billing/invoices/{}", text(&invoice["id"]));
    let today = json!({"issued_on": chrono::Utc::now().date_naive()});
    let invoice = api.act_with(&format!("{invoice_path}/issue"), &invoice, today).await.ok();
    let payment = json!({
        "direction": "incoming", "customer_id": customer["id"], "amount": invoice["total"],
        "method": "bank_transfer", "external_key": "statement 17, line 3"
    });
    let payment = api.post("/api/v1/billing/payments", payment).await.ok();
    let payment_path = format!("/api/v1/billing/payments/{}", text(&payment["id"]));
    let allocation = json!({"allocations": [
        {"invoice_id": invoice["id"], "amount": {"amount": "500.00", "currency": "EUR"}}
    ]});
    api.act_with(&format!("{payment_path}/allocations"), &payment, allocation).await.ok();
    api.get(&payment_path).await.ok();

    // Another was meant for another invoice, and then the bank takes it back.
    let euro = json!({"amount": "1.00", "currency": "EUR"});
    let cheque = json!({
        "direction": "incoming", "customer_id": customer["id"], "amount": euro,
        "method": "cheque", "allocations": [{"invoice_id": invoice["id"], "amount": euro}]
    });
    let cheque = api.post("/api/v1/billing/payments", cheque).await.ok();
    let path_of_cheque = format!("/api/v1/billing/payments/{}", text(&cheque["id"]));
    let allocation = text(&cheque["allocations"][0]["id"]);
    let why = json!({"reason": "meant for another invoice"});
    let unapply = format!("{path_of_cheque}/allocations/{allocation}/reverse");
    let cheque = api.act_with(&unapply, &cheque, why).await.ok();
    let why = json!({"reason": "the cheque bounced"});
    api.act_with(&format!("{path_of_cheque}/reverse"), &cheque, why).await.ok();

    // Two chairs come back.
    let returned = json!({
        "lines": [{"order_line_id": chairs, "quantity": "2", "restock": true}],
        "reason": "wrong colour"
    });
    let returned = api.post(&format!("{path}/returns"), returned).await.ok();
    api.get(&format!("/api/v1/orders/returns/{}", text(&returned["id"]))).await.ok();
    server.settle().await;
    let credit = json!({
        "lines": [{"invoice_line_id": invoice["lines"][0]["id"], "quantity": "2"}],
        "reason": "two chairs returned"
    });
    let credit = api.post(&format!("{invoice_path}/credit-notes"), credit).await.ok();
    api.get(&format!("/api/v1/billing/credit-notes/{}", text(&credit["id"]))).await.ok();
    api.get(&invoice_path).await.ok();
    server.settle().await;

    let owed = invoice;

    // The rest of the order is not wanted any more.
    let order = api.get(&path).await.ok();
    let cancel = format!("{path}/lines/{}/cancel", text(&order["lines"][0]["id"]));
    let order = api.act_with(&cancel, &order, json!({"quantity": "1"})).await.ok();
    api.act(&format!("{path}/close-short"), &order).await.ok();
    server.settle().await;
    api.get(&format!("{path}/timeline")).await.ok();

    // A direct order, its draft invoice thrown away and made anew, and one cancelled.
    let direct = json!({
        "customer_id": customer["id"], "warehouse_id": goods.warehouse["id"],
        "lines": [{"product_id": goods.table["id"], "quantity": "1", "unit_price": "300.00"}]
    });
    let order = api.post(orders, direct.clone()).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let order = api.act(&format!("{path}/confirm"), &order).await.ok();
    assert_eq!(order["status"], "confirmed");
    let shipment = api.post(&format!("{path}/shipments"), json!({})).await.ok();
    let ship = format!("{shipments}/{}/ship", text(&shipment["id"]));
    let shipment = api.act(&ship, &shipment).await.ok();
    server.settle().await;
    let invoice = invoice_of(api, &shipment).await;
    let invoice_path = format!("/api/v1/billing/invoices/{}", text(&invoice["id"]));
    let discarded = api.act(&format!("{invoice_path}/discard"), &invoice).await.ok();
    let draft = api.act(&format!("{invoice_path}/redraft"), &discarded).await.ok();
    credit_of_a_customer(api, &draft, &owed).await;
    let order = api.post(orders, direct).await.ok();
    api.act(&format!("{orders}/{}/cancel", text(&order["id"])), &order).await.ok();
    what_waits(server, api, (customer, goods)).await;
}

/// An invoice is paid and then taken back: part of the credit settles another invoice, part of
/// it goes back to the customer.
async fn credit_of_a_customer(api: &Api, draft: &Value, owed: &Value) {
    let invoice_path = format!("/api/v1/billing/invoices/{}", text(&draft["id"]));
    let invoice = api.act(&format!("{invoice_path}/issue"), draft).await.ok();
    let payment = json!({
        "direction": "incoming", "customer_id": invoice["customer_id"],
        "amount": invoice["total"], "method": "card",
        "allocations": [{"invoice_id": invoice["id"], "amount": invoice["total"]}]
    });
    api.post("/api/v1/billing/payments", payment).await.ok();
    let note = json!({"reason": "the table came back"});
    let note = api.post(&format!("{invoice_path}/credit-notes"), note).await.ok();
    let euro = json!({"amount": "1.00", "currency": "EUR"});
    let note_path = format!("/api/v1/billing/credit-notes/{}", text(&note["id"]));
    let allocations = json!({"allocations": [{"invoice_id": owed["id"], "amount": euro}]});
    api.post(&format!("{note_path}/allocations"), allocations).await.ok();
    api.get(&format!("{note_path}/credit")).await.ok();
    api.get("/api/v1/billing/credits").await.ok();
    let refund = json!({
        "credit_note_id": note["id"], "amount": euro, "method": "bank_transfer",
        "reason": "the customer wants it back"
    });
    let refund = api.post("/api/v1/billing/refunds", refund).await.ok();
    api.get(&format!("/api/v1/billing/refunds/{}", text(&refund["id"]))).await.ok();
    api.get("/api/v1/billing/refunds").await.ok();
}

/// An order for more than there is, promised, and not wanted any more.
async fn what_waits(server: &Server, api: &Api, (customer, goods): (&Value, &Goods)) {
    let orders = "/api/v1/orders/orders";
    let order = json!({
        "customer_id": customer["id"], "warehouse_id": goods.warehouse["id"],
        "allow_backorder": true,
        "lines": [{"product_id": goods.table["id"], "quantity": "40", "unit_price": "1.00"}]
    });
    let order = api.post(orders, order).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let order = api.act(&format!("{path}/confirm"), &order).await.ok();
    server.settle().await;
    let backorders = "/api/v1/inventory/backorders";
    let list = format!("{backorders}?order_id={}", text(&order["id"]));
    let waits = api.get(&list).await.ok()["data"][0].clone();
    let promise = json!({"promised_on": chrono::Utc::now().date_naive() + chrono::Days::new(10)});
    let waits_path = format!("{backorders}/{}", text(&waits["id"]));
    api.act_with(&format!("{waits_path}/promise"), &waits, promise).await.ok();
    api.get(&waits_path).await.ok();
    server.settle().await;
    let order = api.get(&path).await.ok();
    api.act(&format!("{path}/cancel"), &order).await.ok();
    server.settle().await;
}

async fn invoice_of(api: &Api, shipment: &Value) -> Value {
    let path = format!("/api/v1/billing/invoices?shipment_id={}", text(&shipment["id"]));
    let found = eventually(api, &path, |page| page["data"][0].is_object()).await;
    found.expect("billing drafts an invoice for the shipment")["data"][0].clone()
}

async fn buying(server: &Server, api: &Api, goods: &Goods) {
    let supplier = json!({
        "name": "Holzwerk Süd KG", "email": "vertrieb@holzwerk.example",
        "payment_terms_days": 30, "address": address()
    });
    let supplier = api.post("/api/v1/purchasing/suppliers", supplier).await.ok();
    let path = format!("/api/v1/purchasing/suppliers/{}", text(&supplier["id"]));
    api.get(&path).await.ok();
    let supplier = api.patch(&path, &supplier, json!({"payment_terms_days": 45})).await.ok();
    let accounts = format!("{path}/bank-accounts");
    let account = json!({
        "holder_name": "Holzwerk Nord GmbH", "iban": "DE89 3704 0044 0532 0130 00",
        "bic": "COBADEFFXXX", "is_default": true
    });
    let account = api.post(&accounts, account).await.ok();
    let path = format!("{accounts}/{}", text(&account["id"]));
    api.get(&path).await.ok();
    api.patch(&path, &account, json!({"holder_name": "Holzwerk Nord AG"})).await.ok();
    api.get(&accounts).await.ok();

    let orders = "/api/v1/purchasing/purchase-orders";
    let order = json!({
        "supplier_id": supplier["id"], "warehouse_id": goods.warehouse["id"],
        "lines": [{"product_id": goods.chair["id"], "quantity": "20", "unit_price": "32.00"}]
    });
    let unwanted = api.post(orders, order.clone()).await.ok();
    api.act(&format!("{orders}/{}/cancel", text(&unwanted["id"])), &unwanted).await.ok();
    let order = api.post(orders, order).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let expected = chrono::Utc::now().date_naive() + chrono::Days::new(7);
    let order = api.patch(&path, &order, json!({"expected_on": expected})).await.ok();
    let order = api.act(&format!("{path}/approve"), &order).await.ok();
    api.act(&format!("{path}/send"), &order).await.ok();
    let line = &order["lines"][0]["id"];
    let receipt = json!({
        "purchase_order_id": order["id"], "delivery_note": "LS 2210",
        "lines": [{"purchase_order_line_id": line, "quantity": "15"}]
    });
    let receipt = api.post("/api/v1/purchasing/receipts", receipt).await.ok();
    api.get(&format!("/api/v1/purchasing/receipts/{}", text(&receipt["id"]))).await.ok();
    server.settle().await;

    let bills = "/api/v1/billing/bills";
    let bill = |number: &str, quantity: &str| {
        json!({
            "supplier_id": supplier["id"], "purchase_order_id": order["id"],
            "supplier_invoice_number": number,
            "lines": [
                {"purchase_order_line_id": line, "quantity": quantity, "unit_price": "32.00"}
            ]
        })
    };
    let wrong = api.post(bills, bill("RE-1001", "20")).await.ok();
    assert_eq!(wrong["status"], "exception", "five of the twenty have not arrived");
    api.act(&format!("{bills}/{}/reject", text(&wrong["id"])), &wrong).await.ok();
    let right = api.post(bills, bill("RE-1002", "15")).await.ok();
    let path_of_bill = format!("{bills}/{}", text(&right["id"]));
    let right = api.act(&format!("{path_of_bill}/approve"), &right).await.ok();
    let payment = json!({
        "direction": "outgoing", "supplier_id": supplier["id"], "amount": right["total"],
        "method": "bank_transfer",
        "allocations": [{"bill_id": right["id"], "amount": right["total"]}]
    });
    api.post("/api/v1/billing/payments", payment).await.ok();
    api.get(&path_of_bill).await.ok();
    server.settle().await;
    let order = api.get(&path).await.ok();
    api.act(&format!("{path}/close"), &order).await.ok();
}

/// Of each module one event is delivered again, and one given up.
async fn refused_events(server: &Server, api: &Api) {
    let heard = [
        ("billing.invoice.issued", "sales"),
        ("inventory.stock.received", "billing"),
        ("orders.shipment.shipped", "billing"),
        ("purchasing.receipt.posted", "inventory"),
        ("sales.quotation.accepted", "orders"),
    ];
    for (kind, subscriber) in heard {
        let module = kind.split('.').next().expect("a module");
        let path = format!("/api/v1/{module}/parked-events");
        for action in ["replay", "drop"] {
            server.system.park(kind, subscriber).await;
            let parked = api.get(&path).await.ok();
            assert_eq!(parked["data"][0]["type"], kind);
            let settle = format!("{path}/{}/{action}", parked["data"][0]["id"]);
            assert_eq!(api.post(&settle, Value::Null).await.status, 204);
            assert_eq!(api.get(&path).await.ok()["data"], json!([]));
            api.post(&settle, Value::Null).await.problem(404, "not_found");
        }
    }
}

/// Lists, reports, and what is left.
async fn looking_around(api: &Api) {
    for (module, list) in [
        ("billing", "tax-rates"),
        ("inventory", "warehouses"),
        ("orders", "orders"),
        ("purchasing", "suppliers"),
        ("sales", "price-lists"),
    ] {
        let path = format!("/api/v1/{module}/{list}?limit=1&sort=created_at");
        let first = api.get(&path).await.ok();
        access::audit_of(api, module, &first["data"][0]).await;
    }
    let rate = json!({"code": "books", "name": "Books", "rate": "7"});
    let rate = api.post("/api/v1/billing/tax-rates", rate).await.ok();
    let path = format!("/api/v1/billing/tax-rates/{}", text(&rate["id"]));
    api.get(&path).await.ok();
    api.patch(&path, &rate, json!({"name": "Printed books"})).await.ok();
    let locks = "/api/v1/billing/period-locks";
    let lock = json!({"through": "2019-12-31", "kind": "soft", "reason": "2019 is done"});
    let lock = api.post(locks, lock).await.ok();
    let path = format!("{locks}/{}", text(&lock["id"]));
    api.get(&path).await.ok();
    let reason = json!({"reason": "The auditor wants a correction"});
    api.act_with(&format!("{path}/reopen"), &lock, reason).await.ok();
    let totals = json!({
        "currency": "EUR", "prices_include_tax": false,
        "lines": [
            {"quantity": "16", "unit_price": "348.35", "discount": "4", "tax_class": "standard"}
        ]
    });
    api.post("/api/v1/billing/totals", totals).await.ok();
    // Of one kind: what an order and what inventory says of a shipment may come in any order.
    api.get("/api/v1/sales/facts?kind=cost").await.ok();
    // And so may what is posted for two lines of a receipt.
    api.get("/api/v1/billing/journal-entries?source_type=invoice").await.ok();
    let spec = api.get("/openapi.json").await.ok();
    for (method, path, operation) in operations(&spec) {
        // Asked where there is something to ask for.
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        if parameters.iter().any(|p| p["in"] == "query" && p["required"] == true) {
            continue;
        }
        // What modules wrote down in which order is no part of the day.
        let is_log = path.ends_with("/audit-log");
        if method == "GET" && !path.contains('{') && !is_log {
            api.get(&path).await.ok();
        }
    }
    let entries = api.get("/api/v1/billing/journal-entries?limit=1").await.ok();
    let path = format!("/api/v1/billing/journal-entries/{}", text(&entries["data"][0]["id"]));
    api.get(&path).await.ok();
    let stock = api.get("/api/v1/inventory/stock?limit=1").await.ok();
    let product = text(&stock["data"][0]["product_id"]);
    api.get(&format!("/api/v1/inventory/products/{product}/availability")).await.ok();
}

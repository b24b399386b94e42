//! What a warehouse does on its first day.

use reqwest::Method;
use serde_json::{Value, json};

use super::cancel;
use crate::harness::{Api, text, with};
use crate::inventory::files::{EXPORTS, IMPORTS, ended};
use crate::inventory::work::colleague;

pub(super) struct Goods {
    pub(super) warehouse: Value,
    pub(super) chair: Value,
    pub(super) table: Value,
}

pub(super) async fn goods(api: &Api) -> Goods {
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
pub(super) async fn picking(api: &Api, order: &Value) {
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

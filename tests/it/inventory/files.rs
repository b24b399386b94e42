//! Files that come in and go out: products, stock and what was counted.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PRODUCTS, RECEIPTS, STOCK, product, receipt, warehouse};
use crate::crash::{Process, sign_in};
use crate::flows::eventually;
use crate::harness::{Answer, Api, Server, text};

pub const IMPORTS: &str = "/api/v1/inventory/imports";
pub const EXPORTS: &str = "/api/v1/inventory/exports";

async fn upload(api: &Api, query: &str, kind: &str, file: &str, key: &str) -> Answer {
    let request = api
        .request(Method::POST, &format!("{IMPORTS}?{query}"))
        .header("Idempotency-Key", key)
        .header("Content-Type", kind)
        .body(file.to_owned());
    api.send(request).await
}

/// The import of a CSV file, once it has ended.
pub async fn import(api: &Api, query: &str, file: &str) -> Value {
    let answer = upload(api, query, "text/csv", file, &Uuid::now_v7().to_string()).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    let path = answer.headers["location"].to_str().expect("ASCII").to_owned();
    ended(api, &path).await
}

pub async fn ended(api: &Api, path: &str) -> Value {
    let found = eventually(api, path, |file| file["ended_at"].is_string()).await;
    found.expect("it ends")
}

/// Row, pointer and code of what is wrong with an import.
async fn errors(api: &Api, import: &Value) -> Vec<(i64, String, String)> {
    let path = format!("{IMPORTS}/{}/errors?limit=200", text(&import["id"]));
    let page = api.get(&path).await.ok();
    let rows = page["data"].as_array().expect("rows").clone();
    let row = |row: &Value| {
        let number = row["row_number"].as_i64().expect("a number");
        (number, text(&row["pointer"]), text(&row["code"]))
    };
    rows.iter().map(row).collect()
}

fn numbers(import: &Value) -> [i64; 5] {
    ["rows_read", "rows_created", "rows_updated", "rows_unchanged", "rows_failed"]
        .map(|name| import[name].as_i64().expect("a number"))
}

/// The file of an export.
pub async fn export(api: &Api, body: Value) -> String {
    let answer = api.post(EXPORTS, body).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    let path = answer.headers["location"].to_str().expect("ASCII").to_owned();
    let export = ended(api, &path).await;
    assert_eq!(export["status"], "succeeded", "{export}");
    let file = text(&api.get(&text(&export["content"])).await.ok());
    assert_eq!(export["bytes"], file.len());
    file
}

const GOOD_AND_BAD: &str = "\u{feff}sku,name,unit,tax_class,barcode,weight_g,external_id\r\n\
    PEN,\"Pen, \"\"blue\"\"\",pcs,standard,4006381333931,12,p-1\r\n\
    INK,,pcs,standard,,,\r\n\
    PAD,Pad,pcs,standard,4006381333932,,\r\n\
    CAP,Cap,pcs,standard,04006381333931,,\r\n\
    \"two\r\nlines\",X,pcs,standard,,,\r\n\
    TIN,Tin,pcs,standard,,heavy,\r\n\
    TAB,Tab,pcs\r\n\
    PEN,Pen again,pcs,standard,,,\r\n\
    BAG,Bag,pcs,standard,,300,\r\n";

fn wrong() -> Vec<(i64, String, String)> {
    [
        (3, "/name", "missing_field"),
        (4, "/barcode", "invalid_gtin"),
        (5, "/barcode", "duplicate_row"),
        (6, "/sku", "invalid_value"),
        (7, "/weight_g", "invalid_value"),
        (8, "", "wrong_number_of_cells"),
        (9, "/sku", "duplicate_row"),
    ]
    .map(|(number, pointer, code)| (number, pointer.to_owned(), code.to_owned()))
    .into()
}

#[tokio::test]
async fn a_file_is_brought_in_as_far_as_it_is_right_or_not_at_all() {
    let server = Server::start().await;
    let api = &server.api;
    let count = async || {
        let page = api.get(PRODUCTS).await.ok();
        page["data"].as_array().expect("rows").len()
    };
    let all = import(api, "resource=products", GOOD_AND_BAD).await;
    assert_eq!((&all["status"], numbers(&all)), (&json!("failed"), [9, 0, 0, 0, 7]));
    assert_eq!(errors(api, &all).await, wrong());
    assert_eq!(count().await, 0);
    let trial = import(api, "resource=products&policy=skip_failed&dry_run=true", GOOD_AND_BAD);
    let trial = trial.await;
    assert_eq!((&trial["status"], numbers(&trial)), (&json!("succeeded"), [9, 2, 0, 0, 7]));
    assert_eq!((errors(api, &trial).await, count().await), (wrong(), 0));
    let some = import(api, "resource=products&policy=skip_failed", GOOD_AND_BAD).await;
    assert_eq!((&some["status"], numbers(&some)), (&json!("succeeded"), [9, 2, 0, 0, 7]));
    assert_eq!((errors(api, &some).await, count().await), (wrong(), 2));
    let path = format!("{IMPORTS}/{}/errors", text(&some["id"]));
    let page = api.get(&format!("{path}?limit=6")).await.ok();
    assert!(text(&page["data"][2]["detail"]).contains("rows 2 and 5"), "{page}");
    let rest = format!("{path}?limit=6&cursor={}", text(&page["page"]["next_cursor"]));
    assert_eq!(api.get(&rest).await.ok()["data"].as_array().map(Vec::len), Some(1));
    // Both are found as if they had been made one by one, and so is who made them.
    let found = api.get(&format!("{PRODUCTS}?q=blue")).await.ok()["data"][0].clone();
    assert_eq!((&found["name"], &found["external_id"]), (&json!("Pen, \"blue\""), &json!("p-1")));
    let log = format!("/api/v1/inventory/audit-log?resource_id={}", text(&found["id"]));
    let log = api.get(&log).await.ok()["data"].clone();
    assert_eq!(
        (&log[0]["operation"], &log[0]["actor"]["name"]),
        (&json!("create_import"), &json!("admin"))
    );
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test]
async fn a_row_is_of_the_product_that_another_system_calls_so() {
    let server = Server::start().await;
    let api = &server.api;
    let first = "sku,external_id,name,unit,tax_class,description\nA,x-1,One,pcs,standard,first\nB,,Two,pcs,standard,\n";
    assert_eq!(numbers(&import(api, "resource=products", first).await), [2, 2, 0, 0, 0]);
    // B gets the name it has elsewhere; what has no column stays, an empty cell empties.
    let second = "sku,external_id,name,description\nA,x-1,One more,\nB,x-2,Two,\n";
    assert_eq!(numbers(&import(api, "resource=products", second).await), [2, 0, 2, 0, 0]);
    assert_eq!(numbers(&import(api, "resource=products", second).await), [2, 0, 0, 2, 0]);
    let found = api.get(&format!("{PRODUCTS}?external_id=x-1")).await.ok()["data"][0].clone();
    assert_eq!((&found["name"], found.get("description")), (&json!("One more"), None));
    assert_eq!((&found["version"], &found["tax_class"]), (&json!(2), &json!("standard")));
    let fixed = "sku,external_id,unit\nA2,x-1,pcs\nB,x-2,kg\n";
    let fixed = import(api, "resource=products", fixed).await;
    let code = || "field_fixed".to_owned();
    assert_eq!(
        errors(api, &fixed).await,
        [(2, "/sku".into(), code()), (3, "/unit".into(), code())]
    );
    let lines = "{\"sku\":\"A\",\"name\":\"Uno\"}\n{\"sku\":\"C\",\"colour\":\"red\"}\n";
    let key = Uuid::now_v7().to_string();
    let query = "resource=products&policy=skip_failed";
    let answer = upload(api, query, "application/x-ndjson", lines, &key).await.ok();
    let done = ended(api, &format!("{IMPORTS}/{}", text(&answer["id"]))).await;
    assert_eq!(numbers(&done), [2, 0, 1, 0, 1]);
    assert_eq!(errors(api, &done).await, [(2, "/colour".into(), "unknown_field".into())]);
    // The same request again is the same import; the key is not good for another file.
    let again = upload(api, query, "application/x-ndjson", lines, &key).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.ok()["id"], answer["id"]);
    let other = upload(api, query, "application/x-ndjson", "{}\n", &key).await;
    other.problem(422, "idempotency_key_reused");
    server.stop().await;
}

#[tokio::test]
async fn what_is_exported_can_be_imported_again_and_changes_nothing() {
    let server = Server::start().await;
    let api = &server.api;
    let category = json!({ "code": "PENS", "name": "Pens" });
    let category = api.post("/api/v1/inventory/categories", category).await.ok();
    let template = json!({
        "code": "SHIRT", "name": "Shirt", "attributes": [{ "name": "size", "values": ["S", "M"] }]
    });
    let template = api.post("/api/v1/inventory/product-templates", template).await.ok();
    let all = [
        json!({ "sku": "PEN", "name": "=HYPERLINK(\"x\")", "unit": "pcs", "tax_class": "standard",
            "description": "-2+3, \"really\"", "category_id": category["id"], "weight_g": 7 }),
        json!({ "sku": "OIL", "name": "@Oil", "unit": "l", "unit_decimals": 3,
            "tax_class": "standard", "tracking": "lot", "picking": "fifo", "external_id": "0017" }),
        json!({ "sku": "SHIRT-M", "name": "+Shirt", "unit": "pcs", "tax_class": "standard",
            "template_id": template["id"], "options": { "size": "M" } }),
        json!({ "sku": "BOLT", "name": "Bolt", "unit": "pcs", "tax_class": "standard",
            "costing": "standard", "standard_cost": "0.10", "barcode": "036000291452" }),
    ];
    for body in all {
        api.post(PRODUCTS, body).await.ok();
    }
    let before = api.get(PRODUCTS).await.ok();
    let csv = export(api, json!({ "resource": "products" })).await;
    assert!(csv.contains("\"'=HYPERLINK(\"\"x\"\")\"") && csv.contains(",'@Oil,"), "{csv}");
    assert_eq!(csv.lines().count(), 5);
    let done = import(api, "resource=products", &csv).await;
    assert_eq!((&done["status"], numbers(&done)), (&json!("succeeded"), [4, 0, 0, 4, 0]));
    let lines = export(api, json!({ "resource": "products", "format": "ndjson" })).await;
    let key = Uuid::now_v7().to_string();
    let kind = "application/x-ndjson";
    let answer = upload(api, "resource=products", kind, &lines, &key).await.ok();
    let done = ended(api, &format!("{IMPORTS}/{}", text(&answer["id"]))).await;
    assert_eq!((&done["status"], numbers(&done)), (&json!("succeeded"), [4, 0, 0, 4, 0]));
    assert_eq!(api.get(PRODUCTS).await.ok(), before);
    // Somewhere else it makes the same products.
    let other = Server::start().await;
    for path in ["categories", "product-templates"] {
        let body = match path {
            "categories" => json!({ "code": "PENS", "name": "Pens" }),
            _ => json!({ "code": "SHIRT", "name": "Shirt",
                "attributes": [{ "name": "size", "values": ["S", "M"] }] }),
        };
        other.api.post(&format!("/api/v1/inventory/{path}"), body).await.ok();
    }
    let done = import(&other.api, "resource=products", &csv).await;
    assert_eq!((&done["status"], numbers(&done)), (&json!("succeeded"), [4, 4, 0, 0, 0]));
    assert_eq!(export(&other.api, json!({ "resource": "products" })).await, csv);
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn stock_comes_in_by_receipts_and_a_count_by_its_lines() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let chair = product(api, "CHAIR").await;
    let serial = json!({ "sku": "SAW", "name": "Saw", "unit": "pcs", "tax_class": "standard",
        "tracking": "serial" });
    api.post(PRODUCTS, serial).await.ok();
    let file = "sku,warehouse_code,quantity,unit_cost,lot\n\
        CHAIR,MAIN,40,31.50,\nCHAIR,SHOP,2,31.50,\nSAW,MAIN,1,80,S-1\nSAW,MAIN,1,80,S-2\n\
        SAW,MAIN,2,80,S-3\nCHAIR,MAIN,1.5,30,L\nSTOOL,MAIN,1,1,\nCHAIR,NOWHERE,1,1,\n\
        CHAIR,MAIN,1,1,\n";
    let expected: Vec<(i64, String, String)> = [
        (6, "/quantity", "serial_of_many"),
        (7, "/quantity", "quantity_too_fine"),
        (8, "/sku", "unknown_product"),
        (9, "/warehouse_code", "unknown_warehouse"),
        (10, "", "duplicate_row"),
    ]
    .map(|(number, pointer, code)| (number, pointer.to_owned(), code.to_owned()))
    .into();
    let sorted = |mut found: Vec<_>| {
        found.sort();
        found
    };
    let atomic = import(api, "resource=stock", file).await;
    assert_eq!((&atomic["status"], numbers(&atomic)), (&json!("failed"), [9, 0, 0, 0, 5]));
    assert_eq!(sorted(errors(api, &atomic).await), expected);
    let path = format!("{IMPORTS}/{}/errors?limit=200", text(&atomic["id"]));
    let listed = api.get(&path).await.ok();
    let double =
        listed["data"].as_array().and_then(|rows| rows.iter().find(|r| r["row_number"] == 10));
    let detail = text(&double.expect("a double")["detail"]);
    assert!(detail.contains("rows 2 and 10 are of the same goods in the same place"), "{detail}");
    assert_eq!(api.get(STOCK).await.ok()["data"], json!([]));
    let reason = "policy=skip_failed&reason=Opening%20stock";
    let some = import(api, &format!("resource=stock&{reason}"), file).await;
    assert_eq!((&some["status"], numbers(&some)), (&json!("succeeded"), [9, 4, 0, 0, 5]));
    let level =
        format!("{STOCK}?warehouse_id={}&product_id={}", text(&main["id"]), text(&chair["id"]));
    assert_eq!(api.get(&level).await.ok()["data"][0]["on_hand"], "40");
    let moves = api.get("/api/v1/inventory/moves?limit=1").await.ok();
    assert_eq!(moves["data"][0]["reason"], "Opening stock");
    // A serial number is on hand once.
    let twice = "sku,warehouse_code,quantity,unit_cost,lot\nCHAIR,SHOP,1,1,\nSAW,SHOP,1,80,S-1\n";
    let twice = import(api, "resource=stock", twice).await;
    assert_eq!(errors(api, &twice).await[0].2, "serial_on_hand");
    let csv = export(api, json!({ "resource": "stock", "warehouse_id": shop["id"] })).await;
    let row = "CHAIR,SHOP,2,0,0,2,0,pcs,63.00,EUR,31.5";
    assert!(csv.lines().nth(1).is_some_and(|line| line.starts_with(row)), "{csv}");

    let counts = "/api/v1/inventory/stock-counts";
    let count = json!({ "warehouse_id": main["id"], "product_ids": [chair["id"]] });
    let count = api.post(counts, count).await.ok();
    let of_count = format!("stock_count_id={}", text(&count["id"]));
    let file = "sku,quantity\nCHAIR,39\nSAW,2\n";
    let part = import(api, &format!("resource=counts&policy=skip_failed&{of_count}"), file).await;
    assert_eq!(numbers(&part), [2, 0, 1, 0, 1]);
    assert_eq!(errors(api, &part).await, [(3, "/sku".into(), "not_on_list".into())]);
    let body = json!({ "resource": "counts", "stock_count_id": count["id"] });
    let csv = export(api, body).await;
    assert!(csv.contains("\r\nCHAIR,CHAIR,,,39,,1,40,-1,"), "{csv}");

    // By serial number, and the file of it once more.
    let saw = api.get(&format!("{PRODUCTS}?sku=SAW")).await.ok()["data"][0].clone();
    let count = json!({ "warehouse_id": main["id"], "product_ids": [chair["id"], saw["id"]] });
    let count = api.post(counts, count).await.ok();
    let of_count = format!("resource=counts&stock_count_id={}", text(&count["id"]));
    let file = "sku,quantity,lot\nSAW,1,S-1\nCHAIR,39,\nSAW,2,S-4\n";
    let wrong = import(api, &of_count, file).await;
    assert_eq!((&wrong["status"], numbers(&wrong)), (&json!("failed"), [3, 0, 0, 0, 2]));
    let expected = [
        (2, String::new(), "other_row_wrong".to_owned()),
        (4, "/quantity".to_owned(), "serial_of_many".to_owned()),
    ];
    assert_eq!(errors(api, &wrong).await, expected);
    let right = import(api, &of_count, &file.replace("SAW,2", "SAW,1")).await;
    assert_eq!((&right["status"], numbers(&right)), (&json!("succeeded"), [3, 0, 3, 0, 0]));
    let body = json!({ "resource": "counts", "stock_count_id": count["id"] });
    let csv = export(api, body).await;
    for row in ["S-1,,1,,1,1,0,", "S-2,,0,,1,1,-1,", "S-4,,1,,1,0,1,"] {
        assert!(csv.contains(&format!("\r\nSAW,Saw,{row}")), "{row}: {csv}");
    }
    let again = import(api, &of_count, &csv).await;
    assert_eq!((&again["status"], numbers(&again)), (&json!("succeeded"), [4, 0, 4, 0, 0]));
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test]
async fn a_file_is_for_who_may_do_the_same_by_hand() {
    let settings = [("inventory.import_max_bytes", json!(1024 * 1024))];
    let server = Server::start_with(&settings).await;
    let api = &server.api;
    let role = json!({ "name": "clerk",
        "permissions": ["inventory.import:create", "inventory.export:create", "inventory.export:read"] });
    let role = api.post("/api/v1/auth/roles", role).await.ok();
    let user = json!({ "username": "carl", "name": "Carl", "password": "nine green lanterns",
        "role_ids": [role["id"]] });
    api.post("/api/v1/auth/users", user).await.ok();
    let credentials = json!({ "username": "carl", "password": "nine green lanterns" });
    let token = api.with_token(None).post("/api/v1/auth/token", credentials).await.ok();
    let carl = api.with_token(token["access_token"].as_str());
    for (resource, permission) in [
        ("resource=products", "inventory.product:create"),
        ("resource=stock", "inventory.stock:receive"),
    ] {
        let refused = upload(&carl, resource, "text/csv", "sku\nA\n", "k").await;
        let problem = refused.problem(403, "permission_denied");
        assert_eq!(problem["params"]["permission"], permission);
    }
    let refused = carl.post(EXPORTS, json!({ "resource": "stock" })).await;
    refused.problem(403, "permission_denied");
    let answer = api.post(EXPORTS, json!({ "resource": "stock" })).await.ok();
    let made = ended(api, &format!("{EXPORTS}/{}", text(&answer["id"]))).await;
    carl.get(&text(&made["content"])).await.problem(403, "permission_denied");

    let key = || Uuid::now_v7().to_string();
    let unclear = upload(api, "resource=counts", "text/csv", "sku\nA\n", &key()).await;
    unclear.points_at(422, "stock_count_unclear", "?stock_count_id");
    let nobody = format!("resource=counts&stock_count_id={}", Uuid::now_v7());
    let nobody = upload(api, &nobody, "text/csv", "sku\nA\n", &key()).await;
    nobody.points_at(422, "unknown_stock_count", "?stock_count_id");
    let other = upload(api, "resource=products", "application/json", "{}", &key()).await;
    other.problem(415, "unsupported_media_type");
    let large = "x".repeat(1024 * 1024 + 1);
    let large = upload(api, "resource=products", "text/csv", &large, &key()).await;
    large.problem(413, "body_too_large");
    for (file, code) in [
        ("", "no_header"),
        ("sku;name\nA;B\n", "unknown_column"),
        ("name\nA\n", "missing_column"),
        ("sku,sku\nA,A\n", "duplicate_column"),
    ] {
        let done = import(api, "resource=products&policy=skip_failed", file).await;
        assert_eq!(done["status"], "failed", "{file}");
        assert_eq!(errors(api, &done).await, [(1, String::new(), code.to_owned())], "{file}");
    }
    let over = import(api, "resource=products", "sku\n").await;
    assert_eq!((&over["status"], numbers(&over)), (&json!("succeeded"), [0; 5]));
    let cancel = format!("{IMPORTS}/{}/cancel", text(&over["id"]));
    api.post(&cancel, Value::Null).await.problem(409, "illegal_transition");
    server.stop().await;
}

#[tokio::test]
async fn reports_come_as_csv_and_as_series() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let (chair, table) = (product(api, "CHAIR").await, product(api, "TABLE").await);
    let lines = [(&chair, "4", "10"), (&table, "2", "2.50")];
    api.post(RECEIPTS, receipt(&main, &lines)).await.ok();
    let read = async |path: &str, accept: &str| {
        let request = api.request(Method::GET, &format!("/api/v1/inventory/{path}"));
        api.send(request.header("Accept", accept)).await
    };
    for path in [
        "stock",
        "moves",
        "valuation",
        "reservations",
        "reorder-suggestions",
        "reports/ageing",
        "reports/slow-movers",
        "reports/shortages",
        "reports/lot-expiry",
        "reports/turnover",
    ] {
        // The page is not what ends it.
        let answer = read(&format!("{path}?limit=1"), "text/csv").await;
        assert_eq!(answer.headers["content-type"], "text/csv", "{path}");
        let csv = text(&answer.ok());
        let json = read(&format!("{path}?limit=200"), "application/json").await.ok();
        let rows = json["data"].as_array().expect("rows").len();
        assert_eq!(csv.lines().count(), rows + 1, "{path}: {csv}");
        let series = read(path, "application/vnd.erp.series+json").await.ok();
        assert_eq!(series["labels"].as_array().map(Vec::len), Some(rows), "{path}: {series}");
    }
    let csv = text(&read("valuation", "text/csv").await.ok());
    assert!(csv.starts_with("product_id,sku,quantity,value.amount,value.currency\r\n"), "{csv}");
    assert!(csv.contains(",CHAIR,4,40.00,EUR\r\n"), "{csv}");
    let series = read("valuation", "application/vnd.erp.series+json").await.ok();
    assert_eq!(series["labels"], json!(["CHAIR", "TABLE"]));
    let value = json!({ "name": "value.amount", "data": [40.0, 5.0] });
    assert_eq!(series["series"][1], value);
    let promise = format!("products/{}/available-to-promise", text(&chair["id"]));
    let csv = text(&read(&promise, "text/csv").await.ok());
    assert_eq!(csv.lines().count(), 2, "{csv}");
    // What is wrong with the question is a problem in every form.
    let wrong = read("reports/slow-movers?days=0", "text/csv").await;
    wrong.problem(422, "days_out_of_range");
    server.stop().await;
}

/// Killed again and again while it goes through a file, and every row is there once.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_where_a_crash_stopped_it() {
    const ROWS: usize = 4000;
    let data_dir = std::env::temp_dir().join(format!("erp-import-{}", Uuid::now_v7()));
    std::fs::create_dir_all(&data_dir).expect("a directory");
    let mut process = Process::start(&data_dir);
    let mut api = sign_in(&process.base).await;
    let mut products = String::from("sku,name,unit,tax_class\n");
    let mut stock = String::from("sku,warehouse_code,quantity,unit_cost\n");
    for n in 0..ROWS {
        products += &format!("P-{n},Product {n},pcs,standard\n");
        stock += &format!("P-{n},MAIN,1,1\n");
    }
    warehouse(&api, "MAIN").await;
    for (resource, policy, file) in [
        ("products", "atomic", &products),
        ("stock", "skip_failed", &stock),
        ("stock", "atomic", &stock),
    ] {
        let query = format!("resource={resource}&policy={policy}");
        let key = Uuid::now_v7().to_string();
        let answer = upload(&api, &query, "text/csv", file, &key).await.ok();
        let path = format!("{IMPORTS}/{}", text(&answer["id"]));
        for kill in 0..3 {
            patiently(&api, &path, |import| import["rows_read"] != 0).await;
            tokio::time::sleep(std::time::Duration::from_millis(150 * kill)).await;
            process.kill();
            process = Process::start(&data_dir);
            api = sign_in(&process.base).await;
        }
        let found = patiently(&api, &path, |import| import["ended_at"].is_string()).await;
        assert_eq!(found["status"], "succeeded", "{found}");
        assert_eq!(found["rows_read"], ROWS, "{found}");
    }
    let value = api.get("/api/v1/inventory/valuation?limit=1").await.ok();
    assert_eq!(value["total"]["amount"], format!("{}.00", 2 * ROWS));
    let laws = api.get("/api/v1/inventory/invariants").await.ok();
    for law in laws["laws"].as_array().expect("laws") {
        assert_eq!(law["violations"], 0, "{law}");
    }
    process.kill();
    std::fs::remove_dir_all(&data_dir).expect("removed");
}

/// Who was killed still holds the lease for some seconds, and a step is a thousand rows.
async fn patiently(api: &Api, path: &str, found: impl Fn(&Value) -> bool) -> Value {
    let mut last = String::new();
    for _ in 0..12 {
        match eventually(api, path, &found).await {
            Ok(value) => return value,
            Err(error) => last = error,
        }
    }
    panic!("{last}");
}

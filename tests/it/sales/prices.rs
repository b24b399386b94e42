//! Price lists and their prices over HTTP.

use serde_json::{Value, json};

use crate::flows::address;
use crate::harness::{Api, Server, text, with};

const LISTS: &str = "/api/v1/sales/price-lists";

pub fn retail() -> Value {
    json!({"code": "RETAIL", "name": "Retail", "currency": "EUR", "is_default": true})
}

pub async fn product(api: &Api, sku: &str, unit_decimals: u8) -> Value {
    let product = json!({
        "sku": sku, "name": format!("Product {sku}"), "unit": "pcs",
        "unit_decimals": unit_decimals, "tax_class": "standard"
    });
    api.post("/api/v1/inventory/products", product).await.ok()
}

pub fn path(list: &Value) -> String {
    format!("{LISTS}/{}", text(&list["id"]))
}

pub fn price(product: &Value, from: &str, price: &str) -> Value {
    json!({"product_id": product["id"], "min_quantity": from, "unit_price": price})
}

/// Sets prices and returns the list as it is then.
pub async fn set(api: &Api, list: &Value, prices: Value) -> Value {
    api.put(&format!("{}/prices", path(list)), list, json!({"prices": prices})).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_list_is_created_found_and_changed() {
    let server = Server::start().await;
    let api = &server.api;
    let list = with(retail(), "valid_from", json!("2026-01-01"));
    let list = api.post(LISTS, list).await.ok();
    assert_eq!(list["version"], 1);
    assert_eq!(list["valid_from"], "2026-01-01");
    assert!(list.get("valid_until").is_none());
    assert_eq!(api.get(&path(&list)).await.ok(), list);
    let patch = json!({
        "name": "Old", "is_default": false, "valid_from": null, "valid_until": "2026-12-31"
    });
    let after = api.patch(&path(&list), &list, patch).await.ok();
    assert_eq!(after["name"], "Old");
    assert_eq!(after["is_default"], false);
    assert_eq!(after["valid_until"], "2026-12-31");
    assert!(after.get("valid_from").is_none());
    assert_eq!(after["version"], 2);
    let other = api.post(LISTS, with(retail(), "code", json!("NEW"))).await.ok();
    let found = async |query: &str| api.get(&format!("{LISTS}?{query}")).await.ok()["data"].clone();
    assert_eq!(found("sort=created_at").await, json!([after, other]));
    assert_eq!(found("code=RETAIL").await, json!([after]));
    assert_eq!(found("is_default=true").await, json!([other]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_list_that_makes_no_sense_is_refused() {
    let server = Server::start().await;
    let api = &server.api;
    let list = api.post(LISTS, retail()).await.ok();
    let plain = || json!({"code": "PLAIN", "name": "Plain", "currency": "EUR"});
    let check = async |body: Value, status, code: &str, pointer: &str| {
        api.post(LISTS, body).await.points_at(status, code, pointer);
    };
    check(with(plain(), "code", json!("RETAIL")), 409, "code_taken", "/code").await;
    let second = with(plain(), "is_default", json!(true));
    check(second, 409, "default_price_list_exists", "/is_default").await;
    let dollars = with(plain(), "currency", json!("USD"));
    check(dollars, 422, "currency_not_supported", "/currency").await;
    let reversed = with(plain(), "valid_from", json!("2026-02-01"));
    let reversed = with(reversed, "valid_until", json!("2026-01-31"));
    check(reversed, 422, "validity_reversed", "/valid_until").await;
    let ancient = with(plain(), "valid_from", json!("-0044-03-15"));
    check(ancient, 422, "date_out_of_range", "/valid_from").await;
    let distant = with(plain(), "valid_until", json!("+12026-01-01"));
    check(distant, 422, "date_out_of_range", "/valid_until").await;
    check(with(plain(), "code", json!("a b")), 422, "invalid_body", "/code").await;

    let other = api.post(LISTS, plain()).await.ok();
    let answer = api.patch(&path(&other), &other, json!({"is_default": true})).await;
    answer.points_at(409, "default_price_list_exists", "/is_default");
    let until = api.patch(&path(&other), &other, json!({"valid_until": "2026-01-31"})).await.ok();
    let answer = api.patch(&path(&other), &until, json!({"valid_from": "2026-02-01"})).await;
    answer.points_at(422, "validity_reversed", "/valid_until");
    let answer = api.patch(&path(&other), &other, json!({"name": "Late"})).await;
    answer.problem(412, "stale_version");
    // The default stays the default when it is told to.
    api.patch(&path(&list), &list, json!({"is_default": true})).await.ok();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_set_a_product_at_a_time_and_read_in_pages() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, table) = (product(api, "CHAIR", 0).await, product(api, "TABLE", 0).await);
    let list = api.post(LISTS, retail()).await.ok();
    let prices =
        [price(&chair, "1", "10.00"), price(&chair, "10", "9.00"), price(&table, "0", "50.123456")];
    let list = set(api, &list, json!(prices)).await;
    assert_eq!(list["version"], 2);
    let of = async |list: &Value, query: &str| {
        let page = api.get(&format!("{}/prices?sort=created_at&{query}", path(list))).await.ok();
        page["data"].clone()
    };
    assert_eq!(of(&list, "").await, json!(prices));
    let page = api.get(&format!("{}/prices?limit=2&sort=created_at", path(&list))).await.ok();
    assert_eq!(page["data"], json!(prices[..2]));
    let cursor = text(&page["page"]["next_cursor"]);
    assert_eq!(of(&list, &format!("limit=2&cursor={cursor}")).await, json!(prices[2..]));
    let only = format!("product_id={}", text(&table["id"]));
    assert_eq!(of(&list, &only).await, json!(prices[2..]));
    let list = set(api, &list, json!([price(&chair, "0", "11.00")])).await;
    assert_eq!(of(&list, "").await, json!([prices[2], price(&chair, "0", "11.00")]));
    let remove = json!({"remove_product_ids": [table["id"]]});
    let list = api.put(&format!("{}/prices", path(&list)), &list, remove).await.ok();
    assert_eq!(of(&list, "").await, json!([price(&chair, "0", "11.00")]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_that_make_no_sense_are_refused_and_none_is_set() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, rice) = (product(api, "CHAIR", 0).await, product(api, "RICE", 3).await);
    let list = api.post(LISTS, retail()).await.ok();
    let prices = format!("{}/prices", path(&list));
    let check = async |body: Value, code: &str, pointer: &str| {
        api.put(&prices, &list, body).await.points_at(422, code, pointer);
    };
    check(json!({}), "no_prices", "/prices").await;
    check(json!({"prices": []}), "no_prices", "/prices").await;
    let many: Vec<_> = (0..1001).map(|i| price(&chair, &i.to_string(), "1")).collect();
    check(json!({"prices": many}), "too_many_prices", "/prices").await;
    let good = || price(&chair, "0", "1");
    let with_good = |bad: Value| json!({"prices": [good(), bad]});
    let unknown = json!({"id": "01890a5d-ac96-774b-bcce-b302099a8057"});
    let unknown = with_good(price(&unknown, "0", "1"));
    check(unknown, "unknown_product", "/prices/1/product_id").await;
    check(with_good(good()), "duplicate_price", "/prices/1").await;
    let negative = with_good(price(&chair, "-1", "1"));
    check(negative, "negative_quantity", "/prices/1/min_quantity").await;
    let fine = with_good(price(&chair, "0.5", "1"));
    check(fine, "quantity_too_fine", "/prices/1/min_quantity").await;
    check(with_good(price(&rice, "1", "-1")), "invalid_body", "/prices/1/unit_price").await;
    check(with_good(price(&rice, "1", "0.0000001")), "invalid_body", "/prices/1/unit_price").await;
    let stale = with(list.clone(), "version", json!(9));
    let answer = api.put(&prices, &stale, json!({"prices": [good()]})).await;
    answer.problem(412, "stale_version");
    assert_eq!(api.get(&prices).await.ok()["data"], json!([]));
    assert_eq!(api.get(&path(&list)).await.ok(), list);
    set(api, &list, json!([price(&rice, "0.5", "2")])).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_explained_which_price_wins() {
    let server = Server::start().await;
    let api = &server.api;
    let chair = product(api, "CHAIR", 0).await;
    let default = api.post(LISTS, retail()).await.ok();
    set(api, &default, json!([price(&chair, "0", "10"), price(&chair, "10", "9")])).await;
    let own = json!({
        "code": "OWN", "name": "Own", "currency": "EUR", "valid_from": "2026-03-01",
        "valid_until": "2026-03-31"
    });
    let own = api.post(LISTS, own).await.ok();
    set(api, &own, json!([price(&chair, "5", "8")])).await;
    let customer = json!({"name": "Ada", "billing_address": address(), "price_list_id": own["id"]});
    let customer = api.post("/api/v1/sales/customers", customer).await.ok();
    let ask = |on: &str, quantities: &[&str]| {
        let lines: Vec<_> = quantities
            .iter()
            .map(|quantity| json!({"product_id": chair["id"], "quantity": quantity}))
            .collect();
        json!({"customer_id": customer["id"], "on": on, "lines": lines})
    };
    let explained = async |body: Value| {
        let answer = api.post("/api/v1/sales/prices/explain", body).await.ok();
        let lines = answer["lines"].as_array().expect("lines").clone();
        let prices = lines.into_iter().map(|line| line["price"].clone());
        prices.collect::<Vec<_>>()
    };
    let won = |list: &str, from: &str, price: &str| json!({"price_list": list, "min_quantity": from, "unit_price": price});
    assert_eq!(
        explained(ask("2026-03-31", &["1", "5", "10"])).await,
        [won("RETAIL", "0", "10.00"), won("OWN", "5", "8.00"), won("OWN", "5", "8.00")]
    );
    assert_eq!(
        explained(ask("2026-04-01", &["5", "10"])).await,
        [won("RETAIL", "0", "10.00"), won("RETAIL", "10", "9.00")]
    );
    let table = product(api, "TABLE", 0).await;
    let mut unpriced = ask("2026-03-31", &["1"]);
    unpriced["lines"][0]["product_id"] = table["id"].clone();
    assert_eq!(explained(unpriced).await, [Value::Null]);

    let check = async |body: Value, code: &str, pointer: &str| {
        api.post("/api/v1/sales/prices/explain", body).await.points_at(422, code, pointer);
    };
    check(ask("2026-03-31", &[]), "no_lines", "/lines").await;
    check(ask("2026-03-31", &["1"; 1001]), "too_many_lines", "/lines").await;
    check(ask("1526-03-31", &["1"]), "date_out_of_range", "/on").await;
    check(ask("2026-03-31", &["0"]), "invalid_body", "/lines/0/quantity").await;
    let nobody = with(ask("2026-03-31", &["1"]), "customer_id", chair["id"].clone());
    check(nobody, "unknown_customer", "/customer_id").await;
    server.stop().await;
}

//! Customers over HTTP.

use serde_json::{Value, json};

use super::assert_laws;
use crate::flows::address;
use crate::harness::{Api, Server, etag, text, with};

const CUSTOMERS: &str = "/api/v1/sales/customers";

fn euro(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

fn ada() -> Value {
    json!({"name": "Ada", "billing_address": address()})
}

async fn create(api: &Api, body: Value) -> Value {
    api.post(CUSTOMERS, body).await.ok()
}

fn path(customer: &Value) -> String {
    format!("{CUSTOMERS}/{}", text(&customer["id"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_created_with_terms_and_credit() {
    let server = Server::start().await;
    let api = &server.api;
    let least = api.post(CUSTOMERS, ada()).await;
    assert_eq!(least.status, 201);
    assert_eq!(least.headers["etag"], "\"v1\"");
    let location = least.headers["location"].to_str().expect("ASCII").to_owned();
    let least = least.ok();
    assert_eq!(location, path(&least));
    let number = text(&least["number"]);
    assert!(number.starts_with("CU-20") && number.ends_with("-000001"), "{number}");
    assert_eq!(least["currency"], "EUR");
    assert_eq!(least["payment_terms_days"], 30);
    assert_eq!(least["is_active"], true);
    let credit = json!({
        "limit": null, "exposure": euro("0.00"), "open_receivables": euro("0.00"),
        "uninvoiced_orders": euro("0.00"), "holds": euro("0.00"), "available": null
    });
    assert_eq!(least["credit"], credit);
    for absent in ["email", "tax_id", "shipping_address", "price_list_id", "external_id"] {
        assert!(least.get(absent).is_none(), "{absent}");
    }

    let most = json!({
        "name": "Grace Hopper & Söhne", "email": "grace@example.com", "tax_id": "DE123456789",
        "currency": "EUR", "payment_terms_days": 0, "credit_limit": euro("1000.5"),
        "billing_address": address(), "shipping_address": with(address(), "city", json!("Bremen")),
        "external_id": "crm-4711"
    });
    let created = create(api, most.clone()).await;
    for (field, value) in most.as_object().expect("an object") {
        if field != "credit_limit" {
            assert_eq!(&created[field], value, "{field}");
        }
    }
    assert_eq!(created["credit"]["limit"], euro("1000.50"));
    assert_eq!(created["credit"]["available"], euro("1000.50"));
    assert!(text(&created["number"]).ends_with("-000002"));
    assert_eq!(api.get(&path(&created)).await.ok(), created);
    assert_laws(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_where_it_stands() {
    let server = Server::start().await;
    let api = &server.api;
    create(api, with(ada(), "external_id", json!("crm-1"))).await;
    let check = async |field: &str, value: Value, status, code: &str, pointer: &str| {
        let problem = api.post(CUSTOMERS, with(ada(), field, value)).await;
        problem.points_at(status, code, pointer);
    };
    check("external_id", json!("crm-1"), 409, "external_id_taken", "/external_id").await;
    let nothing = json!("01890a5d-ac96-774b-bcce-b302099a8057");
    check("price_list_id", nothing, 422, "unknown_price_list", "/price_list_id").await;
    check("currency", json!("USD"), 422, "currency_not_supported", "/currency").await;
    let dollars = json!({"amount": "1", "currency": "USD"});
    let pointer = "/credit_limit/currency";
    check("credit_limit", dollars, 422, "currency_not_supported", pointer).await;
    let pointer = "/credit_limit/amount";
    check("credit_limit", euro("-0.01"), 422, "negative_credit_limit", pointer).await;
    let pointer = "/payment_terms_days";
    check("payment_terms_days", json!(121), 422, "payment_terms_too_long", pointer).await;
    check("payment_terms_days", json!(-1), 422, "invalid_body", pointer).await;
    check("email", json!("nobody"), 422, "invalid_body", "/email").await;
    check("name", json!(""), 422, "invalid_body", "/name").await;
    check("name", json!(" Ada"), 422, "invalid_body", "/name").await;
    let pointer = "/billing_address/country";
    let nowhere = with(address(), "country", json!("de"));
    check("billing_address", nowhere, 422, "invalid_body", pointer).await;
    check("nickname", json!("A"), 422, "invalid_body", "/nickname").await;
    assert_eq!(api.get(CUSTOMERS).await.ok()["data"].as_array().map(Vec::len), Some(1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_what_it_names_and_null_empties() {
    let server = Server::start().await;
    let api = &server.api;
    let list = json!({"code": "OWN", "name": "Own", "currency": "EUR"});
    let list = api.post("/api/v1/sales/price-lists", list).await.ok();
    let full = json!({
        "name": "Ada", "email": "ada@example.com", "tax_id": "DE1", "credit_limit": euro("10"),
        "billing_address": address(), "shipping_address": address(), "external_id": "crm-1",
        "price_list_id": list["id"]
    });
    let before = create(api, full).await;
    let patch = json!({
        "name": "Ada L.", "payment_terms_days": 120, "credit_limit": euro("20"), "is_active": false
    });
    let after = api.patch(&path(&before), &before, patch).await;
    assert_eq!(after.headers["etag"], "\"v2\"");
    let after = after.ok();
    let mut expected = before.clone();
    expected["name"] = json!("Ada L.");
    expected["payment_terms_days"] = json!(120);
    expected["is_active"] = json!(false);
    expected["credit"]["limit"] = euro("20.00");
    expected["credit"]["available"] = euro("20.00");
    expected["version"] = json!(2);
    expected["updated_at"] = after["updated_at"].clone();
    assert_eq!(after, expected);

    let nulls = json!({
        "email": null, "tax_id": null, "shipping_address": null, "price_list_id": null,
        "external_id": null, "credit_limit": null
    });
    let emptied = api.patch(&path(&before), &after, nulls).await.ok();
    for absent in ["email", "tax_id", "shipping_address", "price_list_id", "external_id"] {
        assert!(emptied.get(absent).is_none(), "{absent}");
    }
    assert_eq!(emptied["credit"]["limit"], Value::Null);
    assert_eq!(emptied["name"], "Ada L.");
    assert_eq!(api.get(&path(&before)).await.ok(), emptied);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_patch_changes_nothing() {
    let server = Server::start().await;
    let api = &server.api;
    create(api, with(ada(), "external_id", json!("crm-1"))).await;
    let before = create(api, ada()).await;
    let check = async |patch: Value, status, code: &str, pointer: &str| {
        let answer = api.patch(&path(&before), &before, patch).await;
        answer.points_at(status, code, pointer);
    };
    let taken = json!({"name": "Other", "external_id": "crm-1"});
    check(taken, 409, "external_id_taken", "/external_id").await;
    let list = json!({"price_list_id": "01890a5d-ac96-774b-bcce-b302099a8057"});
    check(list, 422, "unknown_price_list", "/price_list_id").await;
    let terms = json!({"payment_terms_days": 121});
    check(terms, 422, "payment_terms_too_long", "/payment_terms_days").await;
    let limit = json!({"credit_limit": euro("-1")});
    check(limit, 422, "negative_credit_limit", "/credit_limit/amount").await;
    check(json!({"number": "CU-1"}), 422, "invalid_body", "/number").await;
    let stale = with(before.clone(), "version", json!(7));
    let problem = api.patch(&path(&before), &stale, json!({"name": "B"})).await;
    let problem = problem.problem(412, "stale_version");
    assert_eq!(problem["params"]["current_version"], 1);
    assert_eq!(api.get(&path(&before)).await.ok(), before);
    // Its own external id is not taken by another.
    let own = api.patch(&path(&before), &before, json!({"external_id": "crm-2"})).await.ok();
    api.patch(&path(&before), &own, json!({"external_id": "crm-2"})).await.ok();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_found_by_what_is_known_of_them() {
    let server = Server::start().await;
    let api = &server.api;
    let first = create(api, with(ada(), "external_id", json!("crm-1"))).await;
    let second = create(api, ada()).await;
    let second = api.patch(&path(&second), &second, json!({"is_active": false})).await.ok();
    let found = async |query: &str| -> Vec<Value> {
        let page = api.get(&format!("{CUSTOMERS}?{query}")).await.ok();
        page["data"].as_array().expect("a page").clone()
    };
    assert_eq!(found("").await, [second.clone(), first.clone()]);
    assert_eq!(found("sort=created_at").await, [first.clone(), second.clone()]);
    assert_eq!(found("external_id=crm-1").await, std::slice::from_ref(&first));
    assert_eq!(found("external_id=crm-2").await, Vec::<Value>::new());
    assert_eq!(
        found(&format!("number={}", text(&second["number"]))).await,
        std::slice::from_ref(&second)
    );
    assert_eq!(found("is_active=true").await, std::slice::from_ref(&first));
    let page = api.get(&format!("{CUSTOMERS}?limit=1")).await.ok();
    assert_eq!(page["data"], json!([second]));
    let next = text(&page["page"]["next_cursor"]);
    assert_eq!(found(&format!("limit=1&cursor={next}")).await, [first]);
    let other = api.get(&format!("/api/v1/sales/quotations?cursor={next}")).await;
    other.problem(400, "invalid_cursor");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_makes_one_customer() {
    let server = Server::start().await;
    let api = &server.api;
    let first = api.post_with_key(CUSTOMERS, ada(), "the-key").await.ok();
    let again = api.post_with_key(CUSTOMERS, ada(), "the-key").await;
    assert_eq!(
        (again.status, &again.headers["idempotent-replayed"]),
        (201, &"true".parse().unwrap())
    );
    assert_eq!(again.headers["etag"].to_str().expect("ASCII"), etag(&first));
    assert_eq!(again.ok(), first);
    let other = with(ada(), "name", json!("Eve"));
    api.post_with_key(CUSTOMERS, other, "the-key").await.problem(422, "idempotency_key_reused");
    assert_eq!(api.get(CUSTOMERS).await.ok()["data"].as_array().map(Vec::len), Some(1));
    server.stop().await;
}

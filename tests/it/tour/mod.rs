//! A small company's first day, touching every operation there is. What is sent and
//! answered becomes the examples of the documents, so none of them is made up.

mod access;
pub mod record;
mod stock;
mod trade;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::auth::oidc::{self, Provider};
use crate::auth::passkeys;
use crate::boundaries::assert_file;
use crate::harness::{ADMIN_PASSWORD, Api, Server, text};
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
    let goods = stock::goods(api).await;
    let customer = trade::customer(api, &goods).await;
    server.settle().await;
    trade::selling(server, api, &goods, &customer).await;
    server.settle().await;
    trade::buying(server, api, &goods).await;
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

/// Whoever takes a long look after every step, as some tests do, comes too late.
async fn cancel(api: &Api, path: &str) {
    let answer = api.post(path, Value::Null).await;
    if answer.status == 409 {
        answer.problem(409, "illegal_transition");
    } else {
        answer.ok();
    }
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

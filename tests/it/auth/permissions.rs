//! Who may what, and why.

use serde_json::{Value, json};

use super::{PASSWORD, caller, role, role_named, sign_in, user};
use crate::harness::{Api, Server, text};

#[actix_web::test]
async fn whether_somebody_may_is_answered_with_the_reason() {
    let server = Server::start().await;
    let api = &server.api;
    let clerk = role(api, "clerk", json!(["inventory.*", "orders.order:read"])).await;
    let ada = user(api, "ada", &[&clerk, &role_named(api, "auditor").await]).await;
    let as_ada = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let check = "/api/v1/auth/permissions:check";
    let ask =
        async |permission: &str| as_ada.post(check, json!({ "permission": permission })).await.ok();
    let granted = ask("inventory.product:create").await;
    assert_eq!((&granted["allowed"], &granted["reason"]), (&json!(true), &json!("granted")));
    assert_eq!(granted["explanation"], "the role clerk grants inventory.*");
    let by = |verdict: &Value| {
        let by = verdict["granted_by"].as_array().expect("a list").clone();
        by.iter().map(|by| text(&by["role"])).collect::<Vec<_>>()
    };
    assert_eq!(by(&granted), ["clerk"]);
    assert_eq!(by(&ask("orders.order:read").await), ["auditor", "clerk"]);
    let refused = ask("orders.order:confirm").await;
    assert_eq!((&refused["allowed"], &refused["reason"]), (&json!(false), &json!("not_granted")));
    let unknown = as_ada.post(check, json!({ "permission": "orders.order:fly" })).await;
    unknown.points_at(422, "unknown_permission", "/permission");

    // Of others, by whoever may see them.
    let of_ada = json!({ "permission": "inventory.product:create", "user_id": ada["id"] });
    assert_eq!(api.post(check, of_ada.clone()).await.ok()["allowed"], true);
    let eve = user(api, "eve", &[]).await;
    let as_eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    as_eve.post(check, of_ada.clone()).await.problem(403, "permission_denied");
    let nobody = json!({ "permission": "orders.order:read", "user_id": uuid::Uuid::now_v7() });
    api.post(check, nobody).await.points_at(422, "unknown_user", "/user_id");

    let path = format!("/api/v1/auth/users/{}", text(&ada["id"]));
    let explained = api.get(&format!("{path}/permissions")).await.ok();
    let permissions = explained["permissions"].as_array().expect("a list");
    let of = |name: &str| permissions.iter().find(|found| found["permission"] == name).cloned();
    assert_eq!(by(&of("orders.order:read").expect("granted")), ["auditor", "clerk"]);
    assert!(of("orders.order:confirm").is_none());
    as_eve.get(&format!("{path}/permissions")).await.problem(403, "permission_denied");
    api.act(&format!("{path}/lock"), &ada).await.ok();
    assert_eq!(api.post(check, of_ada).await.ok()["reason"], "user_not_active");
    drop(eve);
}

#[actix_web::test]
async fn the_answer_is_what_this_key_or_this_session_may() {
    let server = Server::start().await;
    let api = &server.api;
    let check = "/api/v1/auth/permissions:check";
    let reason = async |api: &Api, permission: &str, user: &Value| {
        let mut body = json!({ "permission": permission });
        if !user.is_null() {
            body["user_id"] = user["id"].clone();
        }
        text(&api.post(check, body).await.ok()["reason"])
    };
    let key = json!({
        "name": "k", "scopes": ["orders.order:read"],
        "expires_at": chrono::Utc::now() + chrono::TimeDelta::days(1)
    });
    let key = api.post("/api/v1/auth/api-keys", key).await.ok();
    let key = api.with_token(Some(&text(&key["key"])));
    let me = key.get("/api/v1/auth/me").await.ok();
    assert_eq!(me["permissions"], json!(["orders.order:read"]));
    assert_eq!(me["needs_second_factor"], false);
    assert_eq!(reason(&key, "orders.order:read", &Value::Null).await, "granted");
    assert_eq!(reason(&key, "orders.order:confirm", &Value::Null).await, "not_granted");
    key.post("/api/v1/orders/orders", json!({})).await.problem(403, "permission_denied");

    // With a second factor in one session and not in the other.
    let treasurer = json!({
        "name": "treasurer", "permissions": ["billing.*"], "requires_second_factor": true
    });
    let treasurer = api.post("/api/v1/auth/roles", treasurer).await.ok();
    let ada = user(api, "ada", &[&treasurer]).await;
    let first = sign_in(api, "ada", PASSWORD).await.ok();
    let with_it = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    super::second_factor::set_up(&with_it).await;
    let without = caller(api, &super::refresh(api, &first).await.ok());
    let read = "billing.invoice:read";
    assert_eq!(reason(&without, read, &Value::Null).await, "second_factor_missing");
    without.get("/api/v1/billing/invoices").await.problem(403, "permission_denied");
    let me = without.get("/api/v1/auth/me").await.ok();
    assert_eq!((&me["needs_second_factor"], &me["permissions"]), (&json!(true), &json!([])));
    assert_eq!(reason(&with_it, read, &Value::Null).await, "granted");
    assert_eq!(reason(api, read, &ada).await, "granted");
}

#[actix_web::test]
async fn duties_that_are_to_be_kept_apart_are_not_given_to_one() {
    let (enter, approve) =
        ("purchasing.purchase_order:create", "purchasing.purchase_order:approve");
    let rule = json!([[enter, approve]]);
    let server = Server::start_with(&[("auth.segregation", rule)]).await;
    let api = &server.api;
    let buyer = role(api, "buyer", json!([enter])).await;
    let approver = role(api, "approver", json!([approve])).await;
    let ada = user(api, "ada", &[&buyer]).await;
    let both = json!({ "role_ids": [buyer["id"], approver["id"]] });
    let roles = format!("/api/v1/auth/users/{}/roles", text(&ada["id"]));
    let problem = api.put(&roles, &ada, both.clone()).await.problem(409, "duties_conflict");
    assert_eq!(problem["params"]["permissions"], json!([enter, approve]));
    let mut new = json!({ "username": "eve", "name": "Eve" });
    new["role_ids"] = both["role_ids"].clone();
    api.post("/api/v1/auth/users/invite", new.clone()).await.problem(409, "duties_conflict");
    new["password"] = json!(PASSWORD);
    api.post("/api/v1/auth/users", new).await.problem(409, "duties_conflict");
    // By a change of the role, too.
    let path = format!("/api/v1/auth/roles/{}", text(&buyer["id"]));
    for permissions in [json!([enter, approve]), json!(["purchasing.*"])] {
        let answer = api.patch(&path, &buyer, json!({ "permissions": permissions })).await;
        answer.problem(409, "duties_conflict");
    }
    let change = json!({ "role_ids": [approver["id"]] });
    api.put(&roles, &ada, change).await.ok();
    // The administrator has both, and is named.
    let report = api.get("/api/v1/auth/segregation").await.ok();
    assert_eq!(report["pairs"], json!([{ "one": enter, "other": approve }]));
    assert_eq!(report["held"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["held"][0]["is_administrator"], true);
}

#[actix_web::test]
async fn nobody_approves_what_they_entered_where_four_eyes_are_wanted() {
    let settings = [("purchasing.four_eyes", json!(true)), ("billing.four_eyes", json!(true))];
    let server = Server::start_with(&settings).await;
    let api = &server.api;
    let company = crate::flows::company(api).await;
    let buyer = role(api, "buyer", json!(["purchasing.*", "billing.*"])).await;
    for name in ["ada", "eve"] {
        user(api, name, &[&buyer]).await;
    }
    let ada = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    let orders = "/api/v1/purchasing/purchase-orders";
    let new = json!({
        "supplier_id": company.supplier_id, "warehouse_id": company.warehouse_id,
        "lines": [{
            "product_id": company.product_ids[0], "quantity": "5", "unit_price": "4.10"
        }]
    });
    let order = ada.post(orders, new).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let approve = format!("{path}/approve");
    ada.act(&approve, &order).await.problem(403, "segregation_of_duties");
    // Nor does a key of theirs, nor who changed it last.
    let key = json!({
        "name": "k", "scopes": ["purchasing.*"],
        "expires_at": chrono::Utc::now() + chrono::TimeDelta::days(1)
    });
    let id = super::user_named(api, "ada").await["id"].clone();
    let key =
        api.post("/api/v1/auth/api-keys", crate::harness::with(key, "user_id", id)).await.ok();
    let machine = api.with_token(Some(&text(&key["key"])));
    machine.act(&approve, &order).await.problem(403, "segregation_of_duties");
    let approved = eve.act(&approve, &order).await.ok();
    assert_eq!(approved["status"], "approved");

    // The same of a bill.
    eve.act(&format!("{path}/send"), &approved).await.ok();
    let line = &approved["lines"][0]["id"];
    server.settle().await;
    let bills = "/api/v1/billing/bills";
    let bill = json!({
        "supplier_id": company.supplier_id, "purchase_order_id": approved["id"],
        "supplier_invoice_number": "RE-1",
        "lines": [{ "purchase_order_line_id": line, "quantity": "5", "unit_price": "4.10" }]
    });
    let bill = eve.post(bills, bill).await.ok();
    assert_eq!(bill["status"], "exception");
    // Whoever receives the goods makes it match, and has not touched it.
    let receipt = json!({
        "purchase_order_id": approved["id"], "delivery_note": "LS 1",
        "lines": [{ "purchase_order_line_id": line, "quantity": "5" }]
    });
    ada.post("/api/v1/purchasing/receipts", receipt).await.ok();
    server.settle().await;
    let path = format!("{bills}/{}", text(&bill["id"]));
    let bill = api.get(&path).await.ok();
    assert_eq!(bill["status"], "matched");
    let audit = format!("/api/v1/billing/audit-log?resource_id={}", text(&bill["id"]));
    assert_eq!(api.get(&audit).await.ok()["data"][0]["actor"]["name"], "ada");
    let approve = format!("{path}/approve");
    eve.act(&approve, &bill).await.problem(403, "segregation_of_duties");
    assert_eq!(ada.act(&approve, &bill).await.ok()["status"], "approved");
    server.assert_invariants().await;
    server.stop().await;
}

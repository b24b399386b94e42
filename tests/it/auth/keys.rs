//! Keys of machines: what they open, and for how long.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, assert_laws, caller, role, sign_in, user};
use crate::harness::{Answer, Api, Server, text, with};
use crate::topology::Topology;

fn tomorrow() -> Value {
    json!(chrono::Utc::now() + chrono::TimeDelta::days(1))
}

pub(super) async fn key(api: &Api, scopes: Value) -> Value {
    let body = json!({ "name": "web shop", "scopes": scopes, "expires_at": tomorrow() });
    api.post("/api/v1/auth/api-keys", body).await.ok()
}

pub(super) fn with_key(api: &Api, key: &Value) -> Api {
    api.with_token(Some(&text(&key["key"])))
}

fn path(key: &Value) -> String {
    format!("/api/v1/auth/api-keys/{}", text(&key["api_key"]["id"]))
}

pub(super) async fn form(api: &Api, path: &str, fields: &[(&str, &str)]) -> Answer {
    let form = fields.iter().map(|(name, value)| format!("{name}={value}"));
    let form = form.collect::<Vec<_>>().join("&");
    let request = api.request(Method::POST, path);
    api.send(request.header("Content-Type", "application/x-www-form-urlencoded").body(form)).await
}

async fn client_token(api: &Api, fields: &[(&str, &str)]) -> Answer {
    form(&api.with_token(None), "/api/v1/auth/oauth/token", fields).await
}

#[track_caller]
fn refused(answer: Answer, status: u16, error: &str) {
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (status, &json!(error)),
        "{:#}",
        answer.body
    );
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

/// Until every process has heard of it.
pub(super) async fn until_refused(api: &Api, path: &str) {
    let begun = std::time::Instant::now();
    while api.get(path).await.status != 401 {
        assert!(begun.elapsed().as_secs() < 5, "{path} still lets them in");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn a_key_opens_what_its_scopes_say_in_every_module() {
    for topology in [Topology::OneProcess, Topology::Separate] {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let made = key(api, json!(["orders.order:read", "inventory.*", "auth.user:read"])).await;
        let shop = with_key(api, &made);
        shop.get("/api/v1/orders/orders").await.ok();
        shop.get("/api/v1/inventory/products").await.ok();
        shop.get("/api/v1/auth/users").await.ok();
        let problem = shop.get("/api/v1/sales/customers").await.problem(403, "permission_denied");
        assert_eq!(problem["params"]["permission"], "sales.customer:read");
        // It is nobody in person.
        let body = json!({ "password": "x" });
        shop.post("/api/v1/auth/me/totp", Value::Null).await.problem(401, "step_up_required");
        shop.post("/api/v1/auth/me/step-up", body).await.points_at(
            422,
            "wrong_password",
            "/password",
        );
        let everywhere = "/api/v1/auth/me/sessions/revoke";
        shop.get("/api/v1/auth/me/sessions").await.problem(403, "session_required");
        shop.post(everywhere, Value::Null).await.problem(403, "session_required");
        let me = shop.get("/api/v1/auth/me").await.ok();
        let answer = shop.patch("/api/v1/auth/me", &me, json!({ "email": null })).await;
        answer.problem(403, "session_required");
        let password = json!({
            "current_password": crate::harness::ADMIN_PASSWORD, "new_password": "nine patient herons"
        });
        let answer = shop.post("/api/v1/auth/me/password", password).await;
        answer.problem(403, "session_required");
        let mut guessed = text(&made["key"]);
        let last = if guessed.pop() == Some('A') { 'E' } else { 'A' };
        guessed.push(last);
        for wrong in [guessed.as_str(), "erp_", "erp_short"] {
            let stranger = api.with_token(Some(wrong));
            stranger.get("/api/v1/orders/orders").await.problem(401, "invalid_token");
        }
        let seen = api.get(&path(&made)).await.ok();
        assert!(seen["last_used_at"].is_string(), "{seen}");

        let revoked = api.act(&format!("{}/revoke", path(&made)), &seen).await.ok();
        assert!(revoked["revoked_at"].is_string());
        until_refused(&shop, "/api/v1/orders/orders").await;
        until_refused(&shop, "/api/v1/auth/users").await;
        let again = api.act(&format!("{}/revoke", path(&made)), &revoked).await;
        again.problem(409, "api_key_revoked");
        server.stop().await;
    }
}

#[actix_web::test]
async fn made_up_keys_cost_auth_no_more_than_their_address_may() {
    let limits =
        [("rate_limit.anonymous_per_s", json!(1)), ("rate_limit.anonymous_burst", json!(20))];
    let server = Server::start_as(Topology::OneProcess, &limits).await;
    let api = &server.api;
    let shop = with_key(api, &key(api, json!(["orders.*"])).await);
    let orders = "/api/v1/orders/orders?limit=1";
    shop.get(orders).await.ok();
    let (mut asked, mut limited) = (0, 0);
    for n in 0..200 {
        let made_up = api.with_token(Some(&format!("erp_{n:043}"))).get(orders).await;
        let statements = made_up.statements();
        match made_up.status {
            401 => asked += 1,
            status => {
                assert_eq!((status, statements), (429, 0), "it was looked up all the same");
                limited += 1;
            }
        }
    }
    assert!(asked < 100 && limited > 100, "{asked} were asked about, {limited} were not");
    // Who has a key that is known has a limit of their own, wherever they are.
    shop.get(orders).await.ok();
    server.stop().await;
}

#[actix_web::test]
async fn a_key_is_shown_once_and_kept_as_a_hash() {
    let server = Server::start().await;
    let api = &server.api;
    let made = key(api, json!(["orders.*"])).await;
    let secret = text(&made["key"]);
    assert!(secret.starts_with("erp_") && secret.len() == 47, "{secret}");
    assert_eq!(made["api_key"]["prefixes"], json!([&secret[..12]]));
    let one = api.get(&path(&made)).await.ok();
    let list = api.get("/api/v1/auth/api-keys").await.ok();
    let audit = api.get("/api/v1/auth/audit-log").await.ok();
    for shown in [&one, &list, &audit] {
        assert!(!shown.to_string().contains(&secret[12..]));
    }
    let bytes = server.written();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    assert_laws(api).await;
}

#[actix_web::test]
async fn a_key_may_no_more_than_its_owner_and_its_maker() {
    let server = Server::start().await;
    let api = &server.api;
    let maker = role(api, "maker", json!(["auth.api_key:create", "orders.order:read"])).await;
    let ada = user(api, "ada", &[&maker]).await;
    let as_ada = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let new = json!({
        "name": "shop", "scopes": ["orders.order:read", "orders.order:create"],
        "expires_at": tomorrow()
    });
    let keys = "/api/v1/auth/api-keys";
    as_ada.post(keys, new.clone()).await.points_at(422, "scope_exceeds_owner", "/scopes/1");
    // For the administrator, who may all that; but Ada would hold the key.
    let admin = super::user_named(api, "admin").await;
    let for_admin = with(new.clone(), "user_id", admin["id"].clone());
    as_ada.post(keys, for_admin).await.problem(403, "cannot_grant");
    for (field, value, code, pointer) in [
        ("scopes", json!(["orders.order:fly"]), "unknown_permission", "/scopes/0"),
        ("expires_at", json!("2020-01-01T00:00:00Z"), "invalid_expiry", "/expires_at"),
        ("expires_at", json!("2099-01-01T00:00:00Z"), "invalid_expiry", "/expires_at"),
        ("per_s", json!(0), "invalid_body", "/per_s"),
        ("user_id", json!(uuid::Uuid::now_v7()), "unknown_user", "/user_id"),
        ("key", json!("erp_mine"), "invalid_body", "/key"),
    ] {
        api.post(keys, with(new.clone(), field, value)).await.points_at(422, code, pointer);
    }
    // What the owner loses, the key loses.
    let made = as_ada.post(keys, with(new, "scopes", json!(["orders.order:read"]))).await.ok();
    let shop = with_key(api, &made);
    shop.get("/api/v1/orders/orders").await.ok();
    let id = text(&made["api_key"]["id"]);
    let secret = text(&made["key"]);
    let roles = format!("/api/v1/auth/users/{}/roles", text(&ada["id"]));
    let ada = api.put(&roles, &ada, json!({ "role_ids": [] })).await.ok();
    let fields =
        [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
    assert_eq!(client_token(api, &fields).await.ok()["scope"], "");
    // And without an owner there is none.
    api.act(&format!("/api/v1/auth/users/{}/lock", text(&ada["id"])), &ada).await.ok();
    until_refused(&shop, "/api/v1/orders/orders").await;
    refused(client_token(api, &fields).await, 401, "invalid_client");
}

#[actix_web::test]
async fn nobody_acts_as_somebody_else_by_a_key() {
    let server = Server::start_with(&[("purchasing.four_eyes", json!(true))]).await;
    let api = &server.api;
    let buyer = role(api, "buyer", json!(["purchasing.*"])).await;
    let maker = role(api, "maker", json!(["auth.api_key:create", "auth.api_key:rotate"])).await;
    let bob = user(api, "bob", &[&buyer]).await;
    let eve = user(api, "eve", &[&buyer, &maker]).await;
    let as_eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    let keys = "/api/v1/auth/api-keys";
    let of_bob = json!({
        "name": "k", "user_id": bob["id"], "scopes": ["purchasing.purchase_order:approve"],
        "expires_at": tomorrow()
    });
    // She may all that he may, but not become him: so she does not approve for him.
    let problem = as_eve.post(keys, of_bob.clone()).await.problem(403, "permission_denied");
    assert_eq!(problem["params"]["permission"], "auth.user:create_link");
    let made = api.post(keys, of_bob.clone()).await.ok();
    let rotate = format!("{}/rotate", path(&made));
    let answer = as_eve.act_with(&rotate, &made["api_key"], json!({})).await;
    answer.problem(403, "permission_denied");
    // Nor does whoever may, of those who may more.
    let linker = role(api, "linker", json!(["auth.user:create_link"])).await;
    let ids = json!({ "role_ids": [buyer["id"], maker["id"], linker["id"]] });
    api.put(&format!("/api/v1/auth/users/{}/roles", text(&eve["id"])), &eve, ids).await.ok();
    let as_eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    let theirs = as_eve.post(keys, of_bob.clone()).await.ok();
    let admin = super::user_named(api, "admin").await;
    let of_admin = with(of_bob, "user_id", admin["id"].clone());
    as_eve.post(keys, of_admin).await.problem(403, "cannot_grant");
    // What is done by such a key says whose it is and who made it.
    let named = async |key: &Value| {
        let key = text(&key["key"]);
        let seen = form(api, "/api/v1/auth/oauth/introspect", &[("token", &key)]).await.ok();
        text(&seen["username"])
    };
    assert_eq!(named(&theirs).await, "bob (k, made by eve)");
    let own = json!({ "name": "own", "scopes": ["purchasing.*"], "expires_at": tomorrow() });
    let own = as_eve.post(keys, own).await.ok();
    assert_eq!(named(&own).await, "eve (own)");
}

#[actix_web::test]
async fn a_key_of_a_clerk_is_for_their_warehouses() {
    let server = Server::start().await;
    let api = &server.api;
    let (ours, theirs) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
    let clerk = json!({ "name": "clerk", "permissions": ["inventory.*"], "warehouse_ids": [ours] });
    let clerk = api.post("/api/v1/auth/roles", clerk).await.ok();
    let maker = role(api, "maker", json!(["auth.api_key:create", "auth.api_key:rotate"])).await;
    let ada = user(api, "ada", &[&clerk, &maker]).await;
    let as_ada = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let made = key(&as_ada, json!(["inventory.warehouse:read"])).await;
    let scope = async |key: &Value| {
        let key = text(&key["key"]);
        let seen = form(api, "/api/v1/auth/oauth/introspect", &[("token", &key)]).await.ok();
        text(&seen["scope"])
    };
    assert_eq!(scope(&made).await, format!("inventory.warehouse:read@{ours}"));
    with_key(api, &made).get("/api/v1/inventory/warehouses").await.ok();
    let rotate = format!("{}/rotate", path(&made));
    as_ada.act_with(&rotate, &made["api_key"], json!({})).await.ok();
    // Not more than they have there, nor what they have nowhere.
    let all = json!({ "name": "k", "scopes": ["*"], "expires_at": tomorrow() });
    let keys = "/api/v1/auth/api-keys";
    as_ada.post(keys, all).await.points_at(422, "scope_exceeds_owner", "/scopes/0");
    // By somebody else for them: nothing that they may be given elsewhere later.
    let elsewhere = json!({
        "name": "other clerk", "permissions": ["inventory.*"], "warehouse_ids": [ours, theirs]
    });
    let elsewhere = api.post("/api/v1/auth/roles", elsewhere).await.ok();
    let linker = role(api, "linker", json!(["auth.user:create_link"])).await;
    user(api, "eve", &[&elsewhere, &clerk, &maker, &linker]).await;
    let as_eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    let of_ada = json!({
        "name": "k", "user_id": ada["id"], "scopes": ["inventory.*"], "expires_at": tomorrow()
    });
    as_eve.post(keys, of_ada).await.problem(403, "cannot_grant");
    assert_laws(api).await;
}

#[actix_web::test]
async fn a_key_is_replaced_without_a_moment_in_which_none_works() {
    let server = Server::start().await;
    let api = &server.api;
    let old = key(api, json!(["orders.*"])).await;
    let rotate = async |key: &Value, overlap_s: u32| {
        let body = json!({ "overlap_s": overlap_s });
        api.act_with(&format!("{}/rotate", path(key)), &key["api_key"], body).await
    };
    let new = rotate(&old, 3600).await.ok();
    assert_eq!(new["api_key"]["prefixes"].as_array().map(Vec::len), Some(2));
    with_key(api, &old).get("/api/v1/orders/orders").await.ok();
    with_key(api, &new).get("/api/v1/orders/orders").await.ok();
    rotate(&old, 0).await.problem(412, "stale_version");
    // No overlap: those before work no longer, nor what they were exchanged for.
    let id = text(&new["api_key"]["id"]);
    let ask = async |key: &Value| {
        let secret = text(&key["key"]);
        let fields =
            [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
        client_token(api, &fields).await
    };
    let of_new = caller(api, &ask(&new).await.ok());
    of_new.get("/api/v1/orders/orders").await.ok();
    let newest = rotate(&new, 0).await.ok();
    for before in [&of_new, &with_key(api, &new), &with_key(api, &old)] {
        until_refused(before, "/api/v1/orders/orders").await;
    }
    refused(ask(&old).await, 401, "invalid_client");
    refused(ask(&new).await, 401, "invalid_client");
    caller(api, &ask(&newest).await.ok()).get("/api/v1/orders/orders").await.ok();
    with_key(api, &newest).get("/api/v1/orders/orders").await.ok();
    assert_eq!(newest["api_key"]["prefixes"].as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn a_key_has_a_limit_of_its_own() {
    let server = Server::start().await;
    let api = &server.api;
    let body = json!({
        "name": "slow", "scopes": ["orders.*"], "expires_at": tomorrow(), "per_s": 1
    });
    let slow = with_key(api, &api.post("/api/v1/auth/api-keys", body).await.ok());
    let quick = with_key(api, &key(api, json!(["orders.*"])).await);
    let mut last = None;
    for _ in 0..4 {
        last = Some(slow.get("/api/v1/orders/orders").await);
    }
    let last = last.expect("four");
    assert!(last.headers["ratelimit-policy"].to_str().expect("ASCII").starts_with("\"key\";q=2"));
    last.problem(429, "rate_limited");
    quick.get("/api/v1/orders/orders").await.ok();
    api.get("/api/v1/orders/orders").await.ok();
}

#[actix_web::test]
async fn a_machine_gets_a_token_as_oauth_has_it() {
    let server = Server::start().await;
    let api = &server.api;
    let made = key(api, json!(["orders.*", "inventory.product:read"])).await;
    let (id, secret) = (text(&made["api_key"]["id"]), text(&made["key"]));
    let grant = ("grant_type", "client_credentials");
    let (client_id, client_secret) =
        (("client_id", id.as_str()), ("client_secret", secret.as_str()));
    let answer = client_token(api, &[grant, client_id, client_secret]).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["pragma"], "no-cache");
    let token = answer.ok();
    assert_eq!(token["scope"], "inventory.product:read orders.*");
    assert_eq!((&token["token_type"], token.get("refresh_token")), (&json!("Bearer"), None));
    let machine = caller(api, &token);
    machine.get("/api/v1/orders/orders").await.ok();
    machine.get("/api/v1/auth/users").await.problem(403, "permission_denied");

    let narrow = ("scope", "inventory.product:read");
    let narrowed = client_token(api, &[grant, client_id, client_secret, narrow]).await.ok();
    let narrowed = caller(api, &narrowed);
    narrowed.get("/api/v1/inventory/products").await.ok();
    narrowed.get("/api/v1/orders/orders").await.problem(403, "permission_denied");

    // What has no value is not there, and what contains something else is not in its way.
    for scope in ["", "+"] {
        let all = client_token(api, &[grant, client_id, client_secret, ("scope", scope)]).await;
        assert_eq!(all.ok()["scope"], "inventory.product:read orders.*");
    }
    let both = ("scope", "orders.*+orders.order:read");
    let both = client_token(api, &[grant, client_id, client_secret, both]).await.ok();
    assert_eq!(both["scope"], "orders.*");

    // As `Basic`.
    use base64::Engine;
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("{id}:{secret}"));
    let basic = async |and: &str| {
        let request = api.with_token(None).request(Method::POST, "/api/v1/auth/oauth/token");
        let request = request
            .header("Authorization", format!("Basic {basic}"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("grant_type=client_credentials{and}"));
        api.send(request).await
    };
    basic("").await.ok();
    basic(&format!("&client_id={id}")).await.ok();
    refused(basic("&client_id=x").await, 400, "invalid_request");
    let twice = basic(&format!("&client_id={id}&client_secret={secret}")).await;
    refused(twice, 400, "invalid_request");

    let check = async |fields: &[(&str, &str)], status: u16, error: &str| {
        refused(client_token(api, fields).await, status, error);
    };
    check(&[client_id, client_secret], 400, "invalid_request").await;
    check(&[grant, grant, client_id, client_secret], 400, "invalid_request").await;
    check(&[("grant_type", "password"), client_id], 400, "unsupported_grant_type").await;
    check(&[("grant_type", ""), client_id, client_secret], 400, "invalid_request").await;
    check(&[grant], 401, "invalid_client").await;
    check(&[grant, client_id, ("client_secret", "erp_x")], 401, "invalid_client").await;
    check(&[grant, ("client_id", "x"), client_secret], 401, "invalid_client").await;
    let other = uuid::Uuid::now_v7().to_string();
    check(&[grant, ("client_id", &other), client_secret], 401, "invalid_client").await;
    let too_much = ("scope", "orders.* auth.*");
    check(&[grant, client_id, client_secret, too_much], 400, "invalid_scope").await;
}

#[actix_web::test]
async fn a_token_is_introspected_and_revoked() {
    let server = Server::start().await;
    let api = &server.api;
    let ask = async |token: &Value| {
        let token = text(token);
        form(api, "/api/v1/auth/oauth/introspect", &[("token", &token)]).await.ok()
    };
    let revoke = async |token: &Value| {
        let token = text(token);
        let nobody = api.with_token(None);
        form(&nobody, "/api/v1/auth/oauth/revoke", &[("token", &token)]).await.status
    };
    let nothing = json!({ "active": false });
    user(api, "ada", &[&super::role_named(api, "auditor").await]).await;
    let tokens = sign_in(api, "ada", PASSWORD).await.ok();
    let seen = ask(&tokens["access_token"]).await;
    assert_eq!((&seen["active"], &seen["username"]), (&json!(true), &json!("ada")));
    assert_eq!((&seen["token_type"], &seen["aud"]), (&json!("access_token"), &json!("erp-api")));
    assert!(text(&seen["scope"]).contains("auth.user:read"));
    let seen = ask(&tokens["refresh_token"]).await;
    assert_eq!((&seen["active"], &seen["token_type"]), (&json!(true), &json!("refresh_token")));
    assert_eq!(ask(&json!("guessed")).await, nothing);
    assert_eq!(ask(&json!("a.b.c")).await, nothing);
    let made = key(api, json!(["orders.*"])).await;
    let seen = ask(&made["key"]).await;
    assert_eq!((&seen["token_type"], &seen["scope"]), (&json!("api_key"), &json!("orders.*")));
    let expires_at: chrono::DateTime<chrono::Utc> =
        text(&made["api_key"]["expires_at"]).parse().expect("a time");
    assert_eq!(seen["exp"], expires_at.timestamp());
    // A key is no session that could be signed out of.
    let shop = with_key(api, &made);
    let answer = shop.post("/api/v1/auth/token/revoke", Value::Null).await;
    answer.problem(403, "session_required");
    shop.get("/api/v1/orders/orders").await.ok();

    assert_eq!(revoke(&tokens["refresh_token"]).await, 200);
    assert_eq!(ask(&tokens["access_token"]).await, nothing);
    assert_eq!(ask(&tokens["refresh_token"]).await, nothing);
    caller(api, &tokens).get("/api/v1/auth/me").await.problem(401, "session_ended");
    let tokens = sign_in(api, "ada", PASSWORD).await.ok();
    assert_eq!(revoke(&tokens["access_token"]).await, 200);
    caller(api, &tokens).get("/api/v1/auth/me").await.problem(401, "session_ended");
    assert_eq!(revoke(&made["key"]).await, 200);
    assert_eq!(ask(&made["key"]).await, nothing);
    until_refused(&with_key(api, &made), "/api/v1/orders/orders").await;
    assert_eq!(revoke(&json!("guessed")).await, 200);

    let nobody = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let answer = form(&nobody, "/api/v1/auth/oauth/introspect", &[("token", "x")]).await;
    answer.problem(403, "permission_denied");
    for nothing in [&[][..], &[("token", "")]] {
        let answer = form(api, "/api/v1/auth/oauth/introspect", nothing).await;
        refused(answer, 400, "invalid_request");
    }
    assert_laws(api).await;
}

//! Keys that sign access tokens: made, replaced, withdrawn.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::keys::{form, key, until_refused, with_key};
use super::{caller, refresh, sign_in};
use crate::harness::{ADMIN_PASSWORD, Server, text};
use crate::topology::Topology;

/// What a token says of itself.
fn head(token: &Value) -> Value {
    let token = text(token);
    let head = token.split('.').next().expect("a head");
    let head = BASE64_URL_SAFE_NO_PAD.decode(head).expect("base64url");
    serde_json::from_slice(&head).expect("JSON")
}

#[actix_web::test]
async fn a_new_signing_key_takes_over_and_the_old_one_is_still_known() {
    let server = Server::start().await;
    let api = &server.api;
    let before = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    let set = async |path: &str| {
        let keys = api.with_token(None).get(path).await.ok();
        keys["keys"].as_array().expect("a list").clone()
    };
    let old = set("/.well-known/jwks.json").await;
    assert_eq!((old.len(), &old[0]["alg"], old[0].get("d")), (1, &json!("EdDSA"), None));
    let made = api.post("/api/v1/auth/signing-keys/rotate", Value::Null).await.ok();
    let new = set("/api/v1/auth/jwks").await;
    assert_eq!((&new[0]["kid"], &new[1]["kid"]), (&made["kid"], &old[0]["kid"]));
    while set("/.well-known/jwks.json").await != new {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let after = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    for tokens in [&before, &after] {
        caller(api, tokens).get("/api/v1/orders/orders").await.ok();
    }
    let kid = |tokens: &Value| head(&tokens["access_token"])["kid"].clone();
    assert_eq!((kid(&before), kid(&after)), (old[0]["kid"].clone(), made["kid"].clone()));
    let listed = api.get("/api/v1/auth/signing-keys").await.ok();
    assert!(
        listed["data"][1]["good_until"].is_string()
            && listed["data"][0].get("good_until").is_none()
    );
}

#[actix_web::test]
async fn a_key_that_was_stolen_is_withdrawn_everywhere_and_nobody_signs_in_anew() {
    for topology in [Topology::OneProcess, Topology::Separate] {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let before = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
        let old = caller(api, &before);
        // Known in every module.
        for path in ["/api/v1/orders/orders", "/api/v1/inventory/products"] {
            old.get(path).await.ok();
        }
        let keys = api.get("/api/v1/auth/signing-keys").await.ok();
        let kid = text(&keys["data"][0]["kid"]);
        let path = |kid: &str| format!("/api/v1/auth/signing-keys/{kid}/withdraw");
        api.post(&path("no-such-key"), Value::Null).await.problem(404, "not_found");
        assert_eq!(api.post(&path(&kid), Value::Null).await.status, 204);
        for path in ["/api/v1/orders/orders", "/api/v1/inventory/products", "/api/v1/auth/me"] {
            until_refused(&old, path).await;
        }
        let jwks = api.with_token(None).get("/api/v1/auth/jwks").await.ok();
        assert!(!jwks.to_string().contains(&kid), "{jwks}");
        let after = refresh(api, &before).await.ok();
        let new = caller(api, &after);
        new.get("/api/v1/orders/orders").await.ok();
        new.post(&path(&kid), Value::Null).await.problem(404, "not_found");
        // One in the midst of others takes none of them along.
        let midst = new.post("/api/v1/auth/signing-keys/rotate", Value::Null).await.ok();
        new.post("/api/v1/auth/signing-keys/rotate", Value::Null).await.ok();
        assert_eq!(new.post(&path(&text(&midst["kid"])), Value::Null).await.status, 204);
        let left = api.with_token(None).get("/api/v1/auth/jwks").await.ok();
        assert_eq!(left["keys"].as_array().map(Vec::len), Some(2), "{left}");
        let newest = caller(api, &refresh(api, &after).await.ok());
        for caller in [&new, &newest] {
            caller.get("/api/v1/orders/orders").await.ok();
        }
        server.stop().await;
    }
}

#[actix_web::test]
async fn a_shared_secret_signs_where_the_settings_want_it_and_nothing_else_does() {
    let usual = Server::start().await;
    let eddsa = sign_in(&usual.api, "admin", ADMIN_PASSWORD).await.ok();
    assert_eq!(head(&eddsa["access_token"])["alg"], "EdDSA");
    for topology in [Topology::OneProcess, Topology::Separate] {
        let settings = [
            ("jwt.secret_key", json!("a secret of thirty-two characters")),
            ("jwt.issuer", json!("MyApp.Auth")),
            ("jwt.audience", json!("MyApp.All")),
        ];
        let server = Server::start_as(topology, &settings).await;
        let api = &server.api;
        let tokens = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
        assert_eq!(head(&tokens["access_token"])["alg"], "HS256");
        let caller = caller(api, &tokens);
        caller.get("/api/v1/orders/orders").await.ok();
        caller.get("/api/v1/auth/me").await.ok();
        super::caller(api, &eddsa).get("/api/v1/auth/me").await.problem(401, "invalid_token");
        let keys = api.with_token(None).get("/.well-known/jwks.json").await.ok();
        assert_eq!(keys["keys"], json!([]));
        let token = text(&tokens["access_token"]);
        let path = "/api/v1/auth/oauth/introspect";
        let seen = form(&caller, path, &[("token", &token)]).await.ok();
        assert_eq!((&seen["active"], &seen["iss"]), (&json!(true), &json!("MyApp.Auth")));
        super::caller(&usual.api, &tokens)
            .get("/api/v1/auth/me")
            .await
            .problem(401, "invalid_token");
        let shop = with_key(api, &key(api, json!(["orders.*"])).await);
        shop.get("/api/v1/orders/orders").await.ok();
        server.stop().await;
    }
}

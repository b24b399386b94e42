//! What somebody would try who means no good.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::{PASSWORD, alter, assert_laws, caller, refresh, role, sign_in, user, user_named};
use crate::harness::{ADMIN_PASSWORD, Api, Server, text};
use crate::topology::Topology;

/// The server's own key, which nobody but the owner of its database has.
const SEED: [u8; 32] = [7; 32];

fn part(value: &Value) -> String {
    BASE64URL.encode(value.to_string())
}

fn signed(key: &SigningKey, head: &Value, claims: &Value) -> String {
    let said = format!("{}.{}", part(head), part(claims));
    let signature = BASE64URL.encode(key.sign(said.as_bytes()).to_bytes());
    format!("{said}.{signature}")
}

#[actix_web::test]
async fn a_token_that_is_not_quite_right_opens_nothing() {
    let server = Server::start().await;
    let api = &server.api;
    // A key we know, in place of the one the server made.
    let key = SigningKey::from_bytes(&SEED);
    let seed = BASE64URL.encode(SEED);
    let public = BASE64URL.encode(key.verifying_key().as_bytes());
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
    let kid = {
        use sha2::{Digest, Sha256};
        BASE64URL.encode(Sha256::digest(jwk))
    };
    let later = "2099-01-01 00:00:00+00:00";
    let id = "0193a1b2-0000-7000-8000-000000000000";
    let sqlite = format!(
        "INSERT INTO signing_keys VALUES (x'{}', '{kid}', '{seed}', '{later}')",
        id.replace('-', "")
    );
    let postgres =
        format!("INSERT INTO signing_keys VALUES ('{id}', '{kid}', '{seed}', '{later}')");
    alter(&server, "auth", &[(&sqlite, &postgres)]).await;

    let me = api.get("/api/v1/auth/me").await.ok();
    let now = chrono::Utc::now().timestamp();
    let claims = json!({
        "iss": "erp", "aud": "erp-api", "sub": me["id"], "name": "admin",
        "sid": me["session_id"], "iat": now, "exp": now + 600, "jti": uuid::Uuid::now_v7(),
        "permissions": ["*"]
    });
    let head = json!({ "typ": "JWT", "alg": "EdDSA", "kid": kid });
    let good = signed(&key, &head, &claims);
    let ask = async |token: &str| api.with_token(Some(token)).get("/api/v1/orders/orders").await;
    ask(&good).await.ok();

    let changed = |field: &str, value: Value| {
        let mut claims = claims.clone();
        claims[field] = value;
        signed(&key, &head, &claims)
    };
    ask(&changed("exp", json!(now - 60))).await.problem(401, "token_expired");
    for token in [
        changed("nbf", json!(now + 600)),
        changed("aud", json!("somebody-else")),
        changed("aud", json!(["erp-internal"])),
        changed("iss", json!("https://evil.example")),
        changed("sub", Value::Null),
        changed("exp", Value::Null),
        changed("permissions", json!("*")),
    ] {
        ask(&token).await.problem(401, "invalid_token");
    }

    // Not signed, or with what everybody knows.
    let body = part(&claims);
    let with_head = |head: Value, signature: &str| format!("{}.{body}.{signature}", part(&head));
    let mac = {
        use sha2::{Digest, Sha256};
        // HMAC needs no more than this where the key is shorter than a block.
        let head = json!({ "typ": "JWT", "alg": "HS256", "kid": kid });
        let said = format!("{}.{body}", part(&head));
        let pad = |byte: u8| -> Vec<u8> {
            let mut block = [byte; 64];
            for (at, key) in block.iter_mut().zip(key.verifying_key().as_bytes()) {
                *at ^= key;
            }
            block.into()
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(&said).finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        format!("{said}.{}", BASE64URL.encode(outer))
    };
    let signature = good.rsplit('.').next().expect("a signature");
    let other = SigningKey::from_bytes(&[8; 32]);
    let mut flipped = claims.clone();
    flipped["name"] = json!("Admin");
    for token in [
        with_head(json!({ "typ": "JWT", "alg": "none", "kid": kid }), ""),
        with_head(json!({ "typ": "JWT", "alg": "None", "kid": kid }), signature),
        with_head(json!({ "typ": "JWT", "alg": "HS256", "kid": kid }), signature),
        with_head(json!({ "typ": "JWT", "alg": "RS256", "kid": kid }), signature),
        with_head(json!({ "typ": "JWT", "alg": "EdDSA" }), signature),
        with_head(json!({ "typ": "JWT", "alg": "EdDSA", "kid": "../../etc/passwd" }), signature),
        mac,
        signed(&other, &head, &claims),
        signed(
            &other,
            &json!({ "alg": "EdDSA", "kid": kid, "jwk": { "crv": "Ed25519", "kty": "OKP",
            "x": BASE64URL.encode(other.verifying_key().as_bytes()) } }),
            &claims,
        ),
        format!("{}.{}.{signature}", part(&head), part(&flipped)),
        good[..good.len() - 2].to_owned(),
        good.replace('.', ""),
        "x".repeat(10_000),
        String::new(),
    ] {
        ask(&token).await.problem(401, "invalid_token");
    }
}

#[actix_web::test]
async fn two_refreshes_at_once_are_one_client_and_three_are_a_thief() {
    let server = Server::start().await;
    let api = &server.api;
    for _ in 0..5 {
        let first = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
        let (one, other) = tokio::join!(refresh(api, &first), refresh(api, &first));
        for answer in [&one, &other] {
            let code = answer.body["code"].as_str().unwrap_or("none");
            assert!(answer.status == 200 || code == "sign_in_busy", "{} {code}", answer.status);
        }
        assert!(one.status == 200 || other.status == 200);
        assert_laws(api).await;
    }
    let first = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    let second = refresh(api, &first).await.ok();
    refresh(api, &second).await.ok();
    refresh(api, &first).await.problem(401, "refresh_token_reused");
    // It ended the session, and said so.
    caller(api, &second).get("/api/v1/auth/me").await.problem(401, "session_ended");
    let log = "/api/v1/auth/audit-log?operation=refresh_token&limit=1";
    let last = api.get(log).await.ok();
    assert_eq!(last["data"][0]["after"]["end_reason"], "refresh_token_reused");
}

#[actix_web::test]
async fn nobody_makes_more_of_themselves_by_any_field() {
    let server = Server::start().await;
    let api = &server.api;
    let grants = json!(["auth.*"]);
    let manager = role(api, "manager", grants).await;
    let eve = user(api, "eve", &[&manager]).await;
    let as_eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    let administrator = super::role_named(api, "administrator").await;
    let admin = user_named(api, "admin").await;
    let tomorrow = json!(chrono::Utc::now() + chrono::TimeDelta::days(1));
    let refused = |answer: crate::harness::Answer| {
        assert_eq!(answer.status, 403, "{:#}", answer.body);
        assert_eq!(answer.body["code"], "cannot_grant", "{:#}", answer.body);
    };
    let own = format!("/api/v1/auth/users/{}", text(&eve["id"]));
    let own_role = format!("/api/v1/auth/roles/{}", text(&manager["id"]));
    let administrators = json!({ "role_ids": [administrator["id"]] });
    refused(as_eve.put(&format!("{own}/roles"), &eve, administrators).await);
    refused(as_eve.patch(&own_role, &manager, json!({ "permissions": ["auth.*", "*"] })).await);
    refused(as_eve.post("/api/v1/auth/roles", json!({ "name": "x", "permissions": ["*"] })).await);
    let new = |field: &str, value: Value| {
        let mut new = json!({ "username": "mallory", "name": "Mallory" });
        new[field] = value;
        new
    };
    let all = json!([administrator["id"]]);
    refused(as_eve.post("/api/v1/auth/users/invite", new("role_ids", all.clone())).await);
    let mut with_password = new("role_ids", all);
    with_password["password"] = json!(PASSWORD);
    refused(as_eve.post("/api/v1/auth/users", with_password).await);
    let key = json!({
        "name": "k", "user_id": admin["id"], "scopes": ["orders.*"], "expires_at": tomorrow
    });
    refused(as_eve.post("/api/v1/auth/api-keys", key).await);
    let theirs = format!("/api/v1/auth/users/{}", text(&admin["id"]));
    refused(as_eve.post(&format!("{theirs}/link"), Value::Null).await);
    refused(as_eve.post(&format!("{theirs}/second-factor/reset"), Value::Null).await);

    // An administrator's key, made by them, is not Eve's to be given a new text.
    let key = json!({ "name": "k", "scopes": ["orders.*"], "expires_at": tomorrow });
    let made = api.post("/api/v1/auth/api-keys", key).await.ok();
    let path = format!("/api/v1/auth/api-keys/{}/rotate", text(&made["api_key"]["id"]));
    refused(as_eve.act_with(&path, &made["api_key"], json!({})).await);

    // Fields that nobody may set are unknown, wherever something is written.
    for (method, path, resource) in [
        (reqwest::Method::PATCH, own.clone(), &user_named(api, "eve").await),
        (
            reqwest::Method::PATCH,
            "/api/v1/auth/me".to_owned(),
            &as_eve.get("/api/v1/auth/me").await.ok(),
        ),
        (reqwest::Method::PATCH, own_role.clone(), &manager),
    ] {
        for field in ["id", "password_hash", "second_factor_at", "version", "grants", "__proto__"] {
            let request = as_eve
                .request(method.clone(), &path)
                .header("If-Match", crate::harness::etag(resource))
                .json(&json!({ field: "x" }));
            let answer = as_eve.send(request).await;
            answer.points_at(422, "invalid_body", &format!("/{field}"));
        }
    }
    let me = as_eve.get("/api/v1/auth/me").await.ok();
    assert_eq!(me["permissions"], json!(["auth.*"]));
}

#[actix_web::test]
async fn one_persons_things_are_not_anothers() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    user(api, "eve", &[]).await;
    let ada = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    let session = text(&ada.get("/api/v1/auth/me").await.ok()["session_id"]);
    let path = format!("/api/v1/auth/me/sessions/{session}/revoke");
    eve.post(&path, Value::Null).await.problem(404, "not_found");
    ada.get("/api/v1/auth/me").await.ok();
    let listed = eve.get("/api/v1/auth/me/sessions").await.ok();
    assert!(!listed.to_string().contains(&session));
    // A cursor of one list is none of another, and one that was changed is none at all.
    let mine = "/api/v1/auth/me/sessions";
    sign_in(api, "ada", PASSWORD).await.ok();
    let page = ada.get(&format!("{mine}?limit=1")).await.ok();
    let cursor = text(&page["page"]["next_cursor"]);
    ada.get(&format!("{mine}?cursor={cursor}")).await.ok();
    let users = format!("/api/v1/auth/users?cursor={cursor}");
    api.get(&users).await.problem(400, "invalid_cursor");
    let flipped = cursor.replacen(|c: char| c.is_ascii_uppercase(), "_", 1);
    ada.get(&format!("{mine}?cursor={flipped}")).await.problem(400, "invalid_cursor");
    // And one of Ada's shows Eve only what is hers.
    let seen = eve.get(&format!("{mine}?cursor={cursor}")).await.ok();
    assert!(!seen.to_string().contains(&session), "{seen}");
}

#[actix_web::test]
async fn guessing_many_names_or_from_many_sides_is_slowed_down_and_locks_nobody_out() {
    let server = Server::start_with(&[("rate_limit.trusted_proxies", json!(["127.0.0.1"]))]).await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let sign_in_from = async |address: &str, name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        let request = api
            .with_token(None)
            .request(reqwest::Method::POST, "/api/v1/auth/token")
            .header("X-Forwarded-For", address);
        api.send(request.json(&body)).await
    };
    // Where Ada works.
    sign_in_from("198.51.100.7", "ada", PASSWORD).await.ok();
    // From many networks, each twice: nobody waits at any of them, all together do.
    let mut answers = Vec::new();
    for n in 0..12 {
        for _ in 0..2 {
            let answer = sign_in_from(&format!("203.0.113.{n}"), "ada", "wrong").await;
            answers.push(answer.status);
        }
    }
    assert_eq!(answers.first(), Some(&401));
    assert_eq!(answers.last(), Some(&429), "{answers:?}");
    sign_in_from("203.0.113.99", "ada", PASSWORD).await.problem(429, "too_many_attempts");
    sign_in_from("198.51.100.7", "ada", PASSWORD).await.ok();
    // Many names from one network.
    let mut last = 0;
    for n in 0..52 {
        last = sign_in_from("203.0.113.200", &format!("name-{n}"), "wrong").await.status;
    }
    assert_eq!(last, 429);
    sign_in_from("203.0.113.201", "nobody", "wrong").await.problem(401, "invalid_credentials");
}

/// What the server sends before it hangs up, or nothing if it waits for longer than that.
async fn until_hung_up(stream: &mut TcpStream, longest: Duration) -> Option<String> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(longest, stream.read_to_end(&mut bytes)).await.ok()?;
    // Reset is an end as well.
    let _ = read;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[actix_web::test]
async fn who_sends_slowly_is_not_waited_for_and_keeps_nobody_waiting() {
    let server = Server::start_with(&[("server.client_request_timeout_s", json!(1))]).await;
    let api = &server.api;
    let address = api.base.trim_start_matches("http://").to_owned();
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&address).await.expect("accepted");
        stream
            .write_all(b"POST /api/v1/auth/token HTTP/1.1\r\nHost: erp\r\nX-")
            .await
            .expect("sent");
        slow.push(stream);
    }
    sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    for stream in &mut slow {
        let said = until_hung_up(stream, Duration::from_secs(20)).await.expect("hung up");
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let settings = [("server.client_body_timeout_s", json!(1))];
    let server = Server::start_as(Topology::OneProcess, &settings).await;
    let address = server.api.base.trim_start_matches("http://").to_owned();
    let token = server.api.token.as_deref().expect("signed in");
    let begin = async |path: &str, length: &str, kind: &str, body: &str| {
        let mut stream = TcpStream::connect(&address).await.expect("accepted");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: erp\r\nAuthorization: Bearer {token}\r\n\
             Idempotency-Key: k\r\nIf-Match: *\r\nContent-Type: {kind}\r\n{length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream
    };
    let refused = async |mut stream: TcpStream, status: &str, code: &str| {
        let said = until_hung_up(&mut stream, Duration::from_secs(20)).await.expect("hung up");
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")) && said.contains(code), "{said}");
    };
    let (json, form, csv) = ("application/json", "application/x-www-form-urlencoded", "text/csv");
    let import = "/api/v1/inventory/imports?resource=products";
    let nobody = Uuid::now_v7();
    for (path, kind) in [
        ("/api/v1/auth/token", json),
        ("/api/v1/auth/token", form),
        ("/api/v1/auth/oauth/token", form),
        ("/api/v1/sales/customers", json),
        (&format!("/api/v1/orders/orders/{nobody}/confirm"), json),
        (import, csv),
    ] {
        // Nothing comes, whether or not it is said how much there will be.
        let known = begin(path, "Content-Length: 20", kind, "{").await;
        let unknown = begin(path, "Transfer-Encoding: chunked", kind, "5\r\n{").await;
        refused(known, "408", "request_timeout").await;
        refused(unknown, "408", "request_timeout").await;
    }
    // Nor of somebody who is refused for something else, or has sent too much.
    let path = "/api/v1/auth/nothing";
    let unknown = begin(path, "Transfer-Encoding: chunked", json, "5\r\n{").await;
    refused(unknown, "404", "no_such_path").await;
    let much = format!("200000\r\n{}", " ".repeat(1024 * 1024 + 1));
    let unknown = begin("/api/v1/auth/token", "Transfer-Encoding: chunked", json, &much).await;
    refused(unknown, "413", "body_too_large").await;
    // A little comes, for ever.
    let stream = begin("/api/v1/auth/token", "Content-Length: 100000", json, "").await;
    let (mut from, mut to) = stream.into_split();
    let trickle = async {
        while to.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut said = vec![0; 12];
    tokio::select! {
        () = trickle => panic!("it is waited for"),
        read = from.read_exact(&mut said) => drop(read.expect("an answer")),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("it is waited for"),
    }
    assert_eq!(said, b"HTTP/1.1 408");
    server.stop().await;

    // What is said to be too much is not waited for at all.
    let settings = [("server.client_body_timeout_s", json!(3600))];
    let server = Server::start_as(Topology::OneProcess, &settings).await;
    let address = server.api.base.trim_start_matches("http://").to_owned();
    let token = server.api.token.as_deref().expect("signed in");
    for (path, kind, length) in [
        ("/api/v1/auth/token", json, 2_000_000u64),
        ("/api/v1/sales/customers", json, 2_000_000),
        (import, csv, 1 << 40),
    ] {
        let mut stream = TcpStream::connect(&address).await.expect("accepted");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: erp\r\nAuthorization: Bearer {token}\r\n\
             Idempotency-Key: k\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        refused(stream, "413", "body_too_large").await;
    }
    server.stop().await;
}

#[actix_web::test]
async fn deep_and_large_bodies_are_refused_before_anybody_knows_who_sends_them() {
    let server = Server::start().await;
    let api = server.api.with_token(None);
    let send = async |api: &Api, path: &str, body: String| {
        let request = api.request(reqwest::Method::POST, path);
        api.send(request.header("Content-Type", "application/json").body(body)).await
    };
    for path in [
        "/api/v1/auth/token",
        "/api/v1/auth/token/refresh",
        "/api/v1/auth/links/use",
        "/api/v1/auth/password-resets",
    ] {
        let deep = format!("{{\"username\": {}", "[".repeat(200_000));
        let answer = send(&api, path, deep).await;
        assert!([400, 422].contains(&answer.status), "{path} {}", answer.status);
        let huge = format!("{{\"username\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
        send(&api, path, huge).await.problem(413, "body_too_large");
    }
    // A password as long as a body can be is not hashed.
    let long = json!({ "username": "admin", "password": "x".repeat(900_000) });
    let answer = send(&api, "/api/v1/auth/token", long.to_string()).await;
    assert!([401, 422].contains(&answer.status), "{}", answer.status);
}

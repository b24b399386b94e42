//! Black-box tests of auth.

mod attacks;
mod audit;
mod cookies;
mod keys;
pub mod oidc;
pub mod passkeys;
mod people;
mod permissions;
pub mod second_factor;
mod signing_keys;
pub mod webhooks;

use reqwest::Method;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, Answer, Api, Server, etag, text, with};

const PASSWORD: &str = "a long enough password";

pub async fn sign_in(api: &Api, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    api.with_token(None).post("/api/v1/auth/token", body).await
}

pub async fn refresh(api: &Api, tokens: &Value) -> Answer {
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    api.with_token(None).post("/api/v1/auth/token/refresh", body).await
}

/// The caller that holds these tokens.
fn caller(api: &Api, tokens: &Value) -> Api {
    api.with_token(Some(&text(&tokens["access_token"])))
}

async fn role(api: &Api, name: &str, permissions: Value) -> Value {
    let body = json!({ "name": name, "permissions": permissions });
    api.post("/api/v1/auth/roles", body).await.ok()
}

async fn user(api: &Api, name: &str, roles: &[&Value]) -> Value {
    let role_ids: Vec<_> = roles.iter().map(|role| &role["id"]).collect();
    let body =
        json!({ "username": name, "name": name, "password": PASSWORD, "role_ids": role_ids });
    api.post("/api/v1/auth/users", body).await.ok()
}

async fn user_named(api: &Api, name: &str) -> Value {
    let page = api.get(&format!("/api/v1/auth/users?username={name}")).await.ok();
    page["data"][0].clone()
}

async fn role_named(api: &Api, name: &str) -> Value {
    let page = api.get(&format!("/api/v1/auth/roles?name={name}")).await.ok();
    page["data"][0].clone()
}

/// Changes a module's database as whoever owns it can: for each change the words of SQLite and
/// of PostgreSQL.
async fn alter(server: &Server, module: &str, changes: &[(&str, &str)]) {
    let is_postgres = server.database().is_some();
    let url = server.database().unwrap_or_else(|| {
        format!("sqlite://{}", server.data_dir.join(format!("{module}.db")).display())
    });
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(1);
    let db = Database::connect(options).await.expect("the database answers");
    if is_postgres {
        db.execute_unprepared(&format!("SET search_path TO {module}")).await.expect("the schema");
    }
    for (sqlite, postgres) in changes {
        let sql = if is_postgres { postgres } else { sqlite };
        db.execute_unprepared(sql).await.expect(sql);
    }
    db.close().await.expect("closed");
}

/// Makes it long ago that the owner of a session proved who they are.
pub async fn age_session(server: &Server, id: &str) {
    let long_ago = "UPDATE sessions SET authenticated_at = '2026-01-01 00:00:00+00:00' WHERE id =";
    let sqlite = format!("{long_ago} x'{}'", id.replace('-', ""));
    let postgres = format!("{long_ago} '{id}'");
    alter(server, "auth", &[(&sqlite, &postgres)]).await;
}

async fn assert_laws(api: &Api) {
    let report = api.get("/api/v1/auth/invariants").await.ok();
    for law in report["laws"].as_array().expect("laws") {
        assert_eq!(law["violations"], 0, "{law}");
    }
}

#[actix_web::test]
async fn the_first_administrator_signs_in_and_sees_themselves() {
    let server = Server::start().await;
    let answer = sign_in(&server.api, "Admin", ADMIN_PASSWORD).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let tokens = answer.ok();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    let me = caller(&server.api, &tokens).get("/api/v1/auth/me").await.ok();
    assert_eq!((&me["username"], &me["name"]), (&json!("admin"), &json!("Administrator")));
    assert_eq!(me["permissions"], json!(["*"]));
    assert_eq!(me["roles"][0]["name"], "administrator");
    server.api.with_token(None).get("/api/v1/auth/me").await.problem(401, "token_required");
    assert_laws(&server.api).await;
}

#[actix_web::test]
async fn a_token_can_be_asked_for_with_a_form() {
    let server = Server::start().await;
    let api = server.api.with_token(None);
    let post = async |content_type: &str, body: &str| {
        let request = api
            .request(Method::POST, "/api/v1/auth/token")
            .header("Content-Type", content_type)
            .body(body.to_owned());
        api.send(request).await
    };
    let form = "application/x-www-form-urlencoded";
    let password = ADMIN_PASSWORD.replace(' ', "+");
    let body = format!("grant_type=password&username=admin&password={password}");
    post(form, &body).await.ok();
    post(form, &format!("{body}&scope=a+b&client_id=x&client_secret=y")).await.ok();
    post(form, &format!("{body}&otp=1")).await.points_at(422, "invalid_body", "/otp");
    post(form, "username=admin").await.points_at(422, "invalid_body", "/password");
    let other = body.replace("grant_type=password", "grant_type=client_credentials");
    post(form, &other).await.points_at(422, "invalid_body", "/grant_type");
    let json = json!({ "username": "admin", "password": ADMIN_PASSWORD, "grant_type": "password" });
    post("application/json; charset=utf-8", &json.to_string()).await.ok();
    let json = with(json, "scope", json!("a"));
    post("application/json", &json.to_string()).await.points_at(422, "invalid_body", "/scope");
    post("application/json", "{").await.problem(400, "malformed_json");
    post("text/plain", &body).await.problem(415, "unsupported_media_type");
}

#[actix_web::test]
async fn a_wrong_name_a_wrong_password_and_a_disabled_user_are_told_the_same() {
    let server = Server::start().await;
    let api = &server.api;
    let ada = user(api, "ada", &[]).await;
    let path = format!("/api/v1/auth/users/{}", text(&ada["id"]));
    api.act(&format!("{path}/disable"), &ada).await.ok();
    let mut told = Vec::new();
    for (name, password) in [("admin", "wrong"), ("nobody", "wrong"), ("ada", PASSWORD)] {
        let answer = sign_in(api, name, password).await.problem(401, "invalid_credentials");
        told.push(with(answer, "request_id", Value::Null));
    }
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:#?}");
}

#[actix_web::test]
async fn guessing_is_slowed_down_by_name_and_a_right_guess_forgives() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    for _ in 0..4 {
        sign_in(api, "ada", "wrong").await.problem(401, "invalid_credentials");
    }
    sign_in(api, "ada", PASSWORD).await.ok();
    for _ in 0..5 {
        sign_in(api, "ADA", "wrong").await.problem(401, "invalid_credentials");
    }
    let answer = sign_in(api, "ada", PASSWORD).await;
    let wait = answer.headers["retry-after"].to_str().expect("ASCII").to_owned();
    let problem = answer.problem(429, "too_many_attempts");
    assert_eq!((&problem["retryable"], &problem["retry_after_s"]), (&json!(true), &json!(1)));
    assert_eq!(wait, "1");
    sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
}

#[actix_web::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_session() {
    let server = Server::start().await;
    let api = &server.api;
    let first = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    let second = refresh(api, &first).await.ok();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    caller(api, &second).get("/api/v1/auth/me").await.ok();
    // The answer may have been lost: within seconds the same token is exchanged again.
    let again = refresh(api, &first).await.ok();
    let third = refresh(api, &again).await.ok();
    // One of those answers has been used by now, so this is somebody else.
    refresh(api, &first).await.problem(401, "refresh_token_reused");
    for tokens in [&first, &second, &again, &third] {
        refresh(api, tokens).await.problem(401, "invalid_refresh_token");
    }
    let unknown = json!({ "refresh_token": "guessed" });
    refresh(api, &unknown).await.problem(401, "invalid_refresh_token");
    assert_laws(api).await;
}

#[actix_web::test]
async fn signing_out_ends_one_session() {
    let server = Server::start().await;
    let api = &server.api;
    let here = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    let there = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    let sign_out = async || caller(api, &here).post("/api/v1/auth/token/revoke", json!({})).await;
    let answer = sign_out().await;
    assert_eq!((answer.status, &answer.body), (204, &Value::Null));
    sign_out().await.problem(401, "session_ended");
    refresh(api, &here).await.problem(401, "invalid_refresh_token");
    refresh(api, &there).await.ok();
    api.with_token(None)
        .post("/api/v1/auth/token/revoke", json!({}))
        .await
        .problem(401, "token_required");
}

#[actix_web::test]
async fn a_changed_password_ends_the_other_sessions() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let here = sign_in(api, "ada", PASSWORD).await.ok();
    let there = sign_in(api, "ada", PASSWORD).await.ok();
    let change = async |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        caller(api, &here).post("/api/v1/auth/me/password", body).await
    };
    change("wrong", "another password").await.points_at(422, "wrong_password", "/current_password");
    change(PASSWORD, "short").await.points_at(422, "invalid_body", "/new_password");
    assert_eq!(change(PASSWORD, "another password").await.status, 204);
    refresh(api, &there).await.problem(401, "invalid_refresh_token");
    refresh(api, &here).await.ok();
    sign_in(api, "ada", PASSWORD).await.problem(401, "invalid_credentials");
    sign_in(api, "ada", "another password").await.ok();
}

#[actix_web::test]
async fn a_user_is_created_changed_and_listed_but_never_with_a_password() {
    let server = Server::start().await;
    let api = &server.api;
    let users = "/api/v1/auth/users";
    let new = json!({
        "username": "Ada", "name": "Ada Lovelace", "email": "ada@example.com", "password": PASSWORD
    });
    let answer = api.post(users, new.clone()).await;
    assert_eq!(answer.status, 201);
    let location = answer.headers["location"].to_str().expect("ASCII").to_owned();
    let ada = answer.ok();
    assert_eq!(api.get(&location).await.ok(), ada);
    assert!(!ada.to_string().contains("password") && !ada.to_string().contains("argon2"));

    let taken = with(new.clone(), "username", json!("ADA"));
    api.post(users, taken).await.points_at(409, "username_taken", "/username");
    let same = with(new.clone(), "username", json!("ada.lovelace"));
    let same = with(same, "password", json!("Ada.Lovelace"));
    api.post(users, same).await.points_at(422, "password_is_username", "/password");
    let check = async |field: &str, value: Value| {
        let body = with(with(new.clone(), "username", json!("bob")), field, value);
        let pointer = format!("/{field}");
        api.post(users, body).await.points_at(422, "invalid_body", &pointer);
    };
    check("username", json!("")).await;
    check("username", json!("x".repeat(65))).await;
    check("name", json!("")).await;
    check("name", json!("x".repeat(201))).await;
    check("email", json!("ada")).await;
    check("password", json!("1234567")).await;
    check("password", json!("x".repeat(129))).await;
    check("is_admin", json!(true)).await;
    let unknown = with(new.clone(), "role_ids", json!([ada["id"]]));
    let unknown = with(unknown, "username", json!("bob"));
    api.post(users, unknown).await.points_at(422, "unknown_role", "/role_ids/0");
    let many = vec![&ada["id"]; 101];
    let many = with(with(new, "role_ids", json!(many)), "username", json!("bob"));
    api.post(users, many).await.points_at(422, "too_many_roles", "/role_ids");

    let renamed =
        api.patch(&location, &ada, json!({ "name": "Ada King", "email": null })).await.ok();
    assert_eq!((&renamed["name"], &renamed["version"]), (&json!("Ada King"), &json!(2)));
    assert!(renamed.get("email").is_none());
    api.patch(&location, &ada, json!({ "name": "eve" })).await.problem(412, "stale_version");
    let unconditional = api.request(Method::PATCH, &location).json(&json!({ "name": "eve" }));
    api.send(unconditional).await.problem(428, "if_match_required");
    api.patch(&location, &renamed, json!({ "username": "eve" })).await.points_at(
        422,
        "invalid_body",
        "/username",
    );
    sign_in(api, "ADA", PASSWORD).await.ok();
    assert_eq!(user_named(api, "aDa").await, renamed);
    let page = api.get(&format!("{users}?limit=1&sort=created_at&is_active=true")).await.ok();
    assert_eq!(
        (&page["data"][0]["username"], &page["page"]["has_more"]),
        (&json!("admin"), &json!(true))
    );
    api.get(&format!("{users}/{}", uuid::Uuid::now_v7())).await.problem(404, "not_found");
}

#[actix_web::test]
async fn a_role_grants_what_exists() {
    let server = Server::start().await;
    let api = &server.api;
    let roles = "/api/v1/auth/roles";
    let known = api.get("/api/v1/auth/permissions").await.ok();
    let known = known["permissions"].as_array().expect("a list").clone();
    assert!(known.contains(&json!("auth.user:create")), "{known:?}");

    let clerk = role(api, "Clerk", json!(["auth.user:read", "auth.user:read"])).await;
    assert_eq!(clerk["permissions"], json!(["auth.user:read"]));
    let path = format!("{roles}/{}", text(&clerk["id"]));
    assert_eq!(api.get(&path).await.ok(), clerk);
    assert_eq!(role_named(api, "cLERK").await, clerk);
    let create = async |name: &str, permissions: Value| {
        api.post(roles, json!({ "name": name, "permissions": permissions })).await
    };
    create("CLERK", json!([])).await.points_at(409, "role_name_taken", "/name");
    for unknown in ["auth.user:fly", "nothing.*", "auth.user:*", "auth", "**"] {
        create("x", json!(["*", unknown])).await.points_at(
            422,
            "unknown_permission",
            "/permissions/1",
        );
    }
    let many = vec!["*"; 501];
    create("x", json!(many)).await.points_at(422, "too_many_permissions", "/permissions");
    let change = json!({ "permissions": ["auth.*"], "description": "Lets people in." });
    let changed = api.patch(&path, &clerk, change).await.ok();
    assert_eq!(changed["permissions"], json!(["auth.*"]));
    assert_eq!(changed["description"], "Lets people in.");
    api.patch(&path, &clerk, json!({})).await.problem(412, "stale_version");
    api.patch(&path, &changed, json!({ "permissions": ["auth.user:fly"] })).await.points_at(
        422,
        "unknown_permission",
        "/permissions/0",
    );
    assert_eq!(api.get(&path).await.ok(), changed);
}

#[actix_web::test]
async fn a_user_may_what_their_roles_grant_and_no_more() {
    let server = Server::start().await;
    let api = &server.api;
    let reader = role(api, "reader", json!(["auth.user:read"])).await;
    let ada = user(api, "ada", &[&reader]).await;
    let tokens = sign_in(api, "ada", PASSWORD).await.ok();
    let as_ada = caller(api, &tokens);
    as_ada.get("/api/v1/auth/users").await.ok();
    let refusal = as_ada.get("/api/v1/auth/roles").await.problem(403, "permission_denied");
    assert_eq!(refusal["params"]["permission"], "auth.role:read");
    // What is granted meanwhile is in the next token.
    let auditor = role_named(api, "auditor").await;
    let path = format!("/api/v1/auth/users/{}/roles", text(&ada["id"]));
    let changed = api.put(&path, &ada, json!({ "role_ids": [auditor["id"]] })).await.ok();
    assert_eq!(changed["roles"], json!([{ "id": auditor["id"], "name": "auditor" }]));
    api.put(&path, &ada, json!({ "role_ids": [] })).await.problem(412, "stale_version");
    let tokens = refresh(api, &tokens).await.ok();
    caller(api, &tokens).get("/api/v1/auth/roles").await.ok();
}

#[actix_web::test]
async fn nobody_grants_what_they_may_not_do_themselves() {
    let server = Server::start().await;
    let api = &server.api;
    let manager = role(api, "user manager", json!(["auth.*"])).await;
    let administrator = role_named(api, "administrator").await;
    let eve = user(api, "eve", &[&manager]).await;
    let as_eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    let refused = |answer: Answer, permission: &str| {
        let problem = answer.problem(403, "cannot_grant");
        assert_eq!(problem["params"]["permission"], permission);
    };
    let roles = "/api/v1/auth/roles";
    let all = json!({ "name": "all", "permissions": ["*"] });
    refused(as_eve.post(roles, all).await, "*");
    let path = format!("{roles}/{}", text(&manager["id"]));
    let more = json!({ "permissions": ["auth.*", "*"] });
    refused(as_eve.patch(&path, &manager, more).await, "*");
    let path = format!("/api/v1/auth/users/{}/roles", text(&eve["id"]));
    let ids = json!({ "role_ids": [manager["id"], administrator["id"]] });
    refused(as_eve.put(&path, &eve, ids).await, "*");
    let puppet = json!({ "username": "mallory", "name": "M", "password": PASSWORD, "role_ids": [administrator["id"]] });
    refused(as_eve.post("/api/v1/auth/users", puppet).await, "*");
    assert_eq!(user_named(api, "mallory").await, Value::Null, "nothing of it was done");

    role(&as_eve, "reader", json!(["auth.user:read"])).await;
    user(&as_eve, "bob", &[&manager]).await;
}

#[actix_web::test]
async fn the_last_administrator_stays() {
    let server = Server::start().await;
    let api = &server.api;
    let admin = user_named(api, "admin").await;
    let administrator = role_named(api, "administrator").await;
    let user_path = format!("/api/v1/auth/users/{}", text(&admin["id"]));
    let roles_path = format!("{user_path}/roles");
    let role_path = format!("/api/v1/auth/roles/{}", text(&administrator["id"]));
    let off = format!("{user_path}/disable");
    let none = json!({ "role_ids": [] });
    let less = json!({ "permissions": ["auth.*"] });
    api.act(&off, &admin).await.problem(409, "last_administrator");
    api.put(&roles_path, &admin, none.clone()).await.problem(409, "last_administrator");
    api.patch(&role_path, &administrator, less).await.problem(409, "last_administrator");
    let ada = user(api, "ada", &[&administrator]).await;
    api.act(&off, &admin).await.ok();
    let as_ada = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let path = format!("/api/v1/auth/users/{}/roles", text(&ada["id"]));
    as_ada.put(&path, &ada, none).await.problem(409, "last_administrator");
    assert_eq!(etag(&user_named(&as_ada, "ada").await), "\"v1\"");
    assert_laws(&as_ada).await;
}

#[actix_web::test]
async fn no_secret_is_written_down() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let tokens = sign_in(api, "ada", PASSWORD).await.ok();
    let tokens = refresh(api, &tokens).await.ok();
    let body = json!({ "current_password": PASSWORD, "new_password": "another password" });
    caller(api, &tokens).post("/api/v1/auth/me/password", body).await.ok();
    caller(api, &tokens).post("/api/v1/auth/token/revoke", json!({})).await.ok();
    let written = server.written();
    let holds = |secret: &str| written.windows(secret.len()).any(|w| w == secret.as_bytes());
    assert!(holds("signed_out"), "the session's end is in there, so the search works");
    for secret in [PASSWORD, "another password", ADMIN_PASSWORD] {
        assert!(!holds(secret), "{secret}");
    }
    for secret in [&tokens["access_token"], &tokens["refresh_token"]] {
        assert!(!holds(&text(secret)), "a token");
    }
}

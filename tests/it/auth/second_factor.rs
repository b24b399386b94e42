//! Codes beside the password.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use super::{PASSWORD, assert_laws, caller, refresh, role, user, user_named};
use crate::harness::{Answer, Api, Server, text};

/// An authenticator, as a person has it on their phone.
pub struct Device {
    totp: Totp,
    /// The first moment of the step this began in.
    at: u64,
}

impl Device {
    pub async fn new(setup: &Value) -> Device {
        let secret = Secret::try_from_base32(text(&setup["secret"])).expect("base 32");
        let totp = Builder::new().with_secret(secret).build().expect("160 bits");
        // Codes of three steps are good at a time; the test is not to run into a fourth.
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        while now() % 30 > 20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Device { totp, at: now() / 30 * 30 }
    }

    /// The code that many steps from now.
    pub fn code(&self, steps: i64) -> String {
        let at = self.at.checked_add_signed(30 * steps).expect("a time");
        self.totp.generate(at).to_string()
    }
}

async fn sign_in(api: &Api, name: &str, code: Option<&str>) -> Answer {
    let mut body = json!({ "username": name, "password": PASSWORD });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    api.with_token(None).post("/api/v1/auth/token", body).await
}

/// Sets one up for a caller who has none; the code of the step before now is used by that.
pub async fn set_up(api: &Api) -> (Device, Value) {
    let setup = api.post("/api/v1/auth/me/totp", Value::Null).await.ok();
    assert!(text(&setup["uri"]).starts_with("otpauth://totp/erp:"), "{setup}");
    let device = Device::new(&setup).await;
    let body = json!({ "code": device.code(-1) });
    let codes = api.post("/api/v1/auth/me/totp/confirm", body).await.ok();
    (device, codes["recovery_codes"].clone())
}

#[actix_web::test]
async fn signing_in_takes_a_code_and_takes_each_once() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let ada = caller(api, &sign_in(api, "ada", None).await.ok());
    let wrong = json!({ "code": "000000" });
    let confirm = "/api/v1/auth/me/totp/confirm";
    ada.post(confirm, wrong.clone()).await.problem(409, "no_second_factor");
    let first = ada.post("/api/v1/auth/me/totp", Value::Null).await.ok();
    ada.post(confirm, json!({ "code": "not a code" })).await.points_at(
        401,
        "invalid_code",
        "/code",
    );
    let (device, _) = set_up(&ada).await;
    assert_ne!(first["secret"], json!(device.totp.secret().to_base32()));
    ada.post("/api/v1/auth/me/totp", Value::Null).await.problem(409, "second_factor_exists");

    sign_in(api, "ada", None).await.problem(401, "second_factor_required");
    // Used when it was confirmed.
    sign_in(api, "ada", Some(&device.code(-1))).await.problem(401, "invalid_code");
    sign_in(api, "ada", Some(&device.code(0))).await.ok();
    sign_in(api, "ada", Some(&device.code(0))).await.problem(401, "invalid_code");
    sign_in(api, "ada", Some(&device.code(7))).await.problem(401, "invalid_code");
    let tokens = sign_in(api, "ada", Some(&device.code(1))).await.ok();
    let me = caller(api, &tokens).get("/api/v1/auth/me").await.ok();
    assert!(me["second_factor_at"].is_string());
    let step_up = json!({ "password": PASSWORD });
    let answer = caller(api, &tokens).post("/api/v1/auth/me/step-up", step_up).await;
    answer.problem(401, "second_factor_required");
    let secret = text(&json!(device.totp.secret().to_base32()));
    let audit = api.get("/api/v1/auth/audit-log?limit=200").await.ok().to_string();
    assert!(!audit.contains(&secret));
    assert_laws(api).await;
}

#[actix_web::test]
async fn guessing_codes_is_slowed_down() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let ada = caller(api, &sign_in(api, "ada", None).await.ok());
    let (device, _) = set_up(&ada).await;
    let mut refused = Vec::new();
    for n in 0..6 {
        let code = format!("{:06}", 500_000 + n);
        if code == device.code(0) || code == device.code(1) {
            continue;
        }
        // The right password between two wrong codes forgives nothing.
        sign_in(api, "ada", None).await;
        refused.push(text(&sign_in(api, "ada", Some(&code)).await.body["code"]));
    }
    assert_eq!(refused.last().map(String::as_str), Some("too_many_attempts"), "{refused:?}");
}

#[actix_web::test]
async fn recovery_codes_stand_in_for_a_lost_device_each_once() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let ada = caller(api, &sign_in(api, "ada", None).await.ok());
    let (_, codes) = set_up(&ada).await;
    assert_eq!(codes.as_array().map(Vec::len), Some(10));
    let first = text(&codes[0]);
    assert!(!server.written().windows(19).any(|bytes| bytes == first.as_bytes()));
    sign_in(api, "ada", Some(&first.to_uppercase())).await.ok();
    sign_in(api, "ada", Some(&first)).await.problem(401, "invalid_code");
    // New ones take the place of the old.
    let fresh = sign_in(api, "ada", Some(&text(&codes[1]))).await.ok();
    let fresh = caller(api, &fresh);
    let new = fresh.post("/api/v1/auth/me/recovery-codes", Value::Null).await.ok();
    sign_in(api, "ada", Some(&text(&codes[2]))).await.problem(401, "invalid_code");
    sign_in(api, "ada", Some(&text(&new["recovery_codes"][0]))).await.ok();
    // And without any of it there is the administrator.
    let id = text(&user_named(api, "ada").await["id"]);
    let reset = format!("/api/v1/auth/users/{id}/second-factor/reset");
    assert_eq!(api.post(&reset, Value::Null).await.status, 204);
    fresh.get("/api/v1/auth/me").await.problem(401, "session_ended");
    sign_in(api, "ada", None).await.ok();
    api.post(&reset, Value::Null).await.problem(409, "no_second_factor");
    assert_laws(api).await;
}

#[actix_web::test]
async fn a_role_may_demand_it() {
    let server = Server::start().await;
    let api = &server.api;
    let role = role(api, "treasurer", json!(["billing.*", "auth.user:read"])).await;
    let path = format!("/api/v1/auth/roles/{}", text(&role["id"]));
    let role = api.patch(&path, &role, json!({ "requires_second_factor": true })).await.ok();
    assert_eq!(role["requires_second_factor"], true);
    user(api, "ada", &[&role]).await;
    let tokens = sign_in(api, "ada", None).await.ok();
    let ada = caller(api, &tokens);
    let me = ada.get("/api/v1/auth/me").await.ok();
    assert_eq!((&me["needs_second_factor"], &me["permissions"]), (&json!(true), &json!([])));
    ada.get("/api/v1/billing/invoices").await.problem(403, "permission_denied");
    let check = json!({ "permission": "billing.invoice:read" });
    let why = ada.post("/api/v1/auth/permissions:check", check.clone()).await.ok();
    assert_eq!(why["reason"], "second_factor_missing");

    set_up(&ada).await;
    let ada = caller(api, &refresh(api, &tokens).await.ok());
    ada.get("/api/v1/billing/invoices").await.ok();
    let why = ada.post("/api/v1/auth/permissions:check", check).await.ok();
    assert_eq!((&why["allowed"], &why["reason"]), (&json!(true), &json!("granted")));
    // Who may change roles and may not that much does not lift it.
    let manager = super::role(api, "role manager", json!(["auth.role:update"])).await;
    user(api, "eve", &[&manager]).await;
    let eve = caller(api, &sign_in(api, "eve", None).await.ok());
    let answer = eve.patch(&path, &role, json!({ "requires_second_factor": false })).await;
    answer.problem(403, "cannot_grant");
    // Removed, the role grants nothing again.
    assert_eq!(ada.post("/api/v1/auth/me/totp/remove", Value::Null).await.status, 204);
    let again = caller(api, &sign_in(api, "ada", None).await.ok());
    again.get("/api/v1/billing/invoices").await.problem(403, "permission_denied");
}

#[actix_web::test]
async fn whatever_becomes_of_it_is_in_the_audit_log_without_a_secret() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let ada = caller(api, &sign_in(api, "ada", None).await.ok());
    let (device, codes) = set_up(&ada).await;
    let used = text(&codes[0]);
    let again = caller(api, &sign_in(api, "ada", Some(&used)).await.ok());
    let new = again.post("/api/v1/auth/me/recovery-codes", Value::Null).await.ok();
    assert_eq!(again.post("/api/v1/auth/me/totp/remove", Value::Null).await.status, 204);
    let rows = async |resource_type: &str| {
        let log = "/api/v1/auth/audit-log?sort=created_at&limit=200&resource_type=";
        let rows = api.get(&format!("{log}{resource_type}")).await.ok();
        let said = |row: &Value| {
            let value = |field: &str| row.get(field).cloned().unwrap_or_default();
            json!([row["operation"], value("before"), value("after")])
        };
        Value::from_iter(rows["data"].as_array().expect("rows").iter().map(said))
    };
    let count = |n: u32| json!({ "count": n });
    assert_eq!(
        rows("recovery_codes").await,
        json!([
            ["confirm_totp", null, count(10)],
            ["create_token", count(10), count(9)],
            ["create_recovery_codes", count(9), count(10)],
            ["remove_totp", count(10), null],
        ])
    );
    let confirmed = |is: bool| json!({ "confirmed": is });
    assert_eq!(
        rows("totp").await,
        json!([
            ["begin_totp", null, confirmed(false)],
            ["confirm_totp", confirmed(false), confirmed(true)],
            ["remove_totp", confirmed(true), null],
        ])
    );
    let log = api.get("/api/v1/auth/audit-log?limit=200").await.ok().to_string();
    let secret = text(&json!(device.totp.secret().to_base32()));
    for secret in [secret, used, text(&new["recovery_codes"][0])] {
        assert!(!log.contains(&secret));
    }
}

#[actix_web::test]
async fn a_demand_for_it_locks_nobody_out() {
    let server = Server::start().await;
    let api = &server.api;
    let manager = role(api, "role manager", json!(["auth.role:update"])).await;
    user(api, "eve", &[&manager]).await;
    let eve = caller(api, &sign_in(api, "eve", None).await.ok());
    let demand = json!({ "requires_second_factor": true });
    let administrator = super::role_named(api, "administrator").await;
    let sales = super::role_named(api, "sales").await;
    let path = |role: &Value| format!("/api/v1/auth/roles/{}", text(&role["id"]));
    for role in [&administrator, &sales] {
        eve.patch(&path(role), role, demand.clone()).await.problem(403, "cannot_grant");
    }
    // By an administrator, once one of them has it.
    let answer = api.patch(&path(&administrator), &administrator, demand.clone()).await;
    answer.problem(409, "last_administrator");
    api.patch(&path(&sales), &sales, demand.clone()).await.ok();
    user(api, "ada", &[&administrator]).await;
    let ada = caller(api, &sign_in(api, "ada", None).await.ok());
    let (device, _) = set_up(&ada).await;
    api.patch(&path(&administrator), &administrator, demand).await.ok();
    let ada = caller(api, &sign_in(api, "ada", Some(&device.code(0))).await.ok());
    assert_eq!(ada.get("/api/v1/auth/me").await.ok()["permissions"], json!(["*"]));
}

#[actix_web::test]
async fn removed_it_counts_in_no_session_and_for_no_key() {
    let server = Server::start().await;
    let api = &server.api;
    let treasurer = json!({
        "name": "treasurer", "permissions": ["billing.*", "auth.api_key:create"],
        "requires_second_factor": true
    });
    let treasurer = api.post("/api/v1/auth/roles", treasurer).await.ok();
    user(api, "ada", &[&treasurer]).await;
    let here = caller(api, &sign_in(api, "ada", None).await.ok());
    let (device, _) = set_up(&here).await;
    let there = sign_in(api, "ada", Some(&device.code(0))).await.ok();
    let key = json!({
        "name": "k", "scopes": ["billing.*"],
        "expires_at": chrono::Utc::now() + chrono::TimeDelta::days(1)
    });
    let key = caller(api, &there).post("/api/v1/auth/api-keys", key).await.ok();
    let scope = async || {
        let request = api
            .request(reqwest::Method::POST, "/api/v1/auth/oauth/introspect")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("token={}", text(&key["key"])));
        text(&api.send(request).await.ok()["scope"])
    };
    let there = refresh(api, &there).await.ok();
    caller(api, &there).get("/api/v1/billing/invoices").await.ok();
    assert_eq!(scope().await, "billing.*");
    assert_eq!(here.post("/api/v1/auth/me/totp/remove", Value::Null).await.status, 204);
    let there = caller(api, &refresh(api, &there).await.ok());
    there.get("/api/v1/billing/invoices").await.problem(403, "permission_denied");
    assert_eq!(scope().await, "");
    let log = "/api/v1/auth/audit-log?operation=remove_totp&resource_type=session";
    let rows = api.get(log).await.ok();
    assert_eq!(rows["data"].as_array().map(Vec::len), Some(2), "{rows}");
    assert_laws(api).await;
}

#[actix_web::test]
async fn nobody_resets_it_for_whoever_may_more() {
    let server = Server::start().await;
    let api = &server.api;
    let manager = role(api, "helpdesk", json!(["auth.*"])).await;
    user(api, "eve", &[&manager]).await;
    let eve = caller(api, &sign_in(api, "eve", None).await.ok());
    let admin = text(&user_named(api, "admin").await["id"]);
    let reset = format!("/api/v1/auth/users/{admin}/second-factor/reset");
    eve.post(&reset, Value::Null).await.problem(403, "cannot_grant");
}

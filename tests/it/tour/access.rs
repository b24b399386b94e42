//! People, sessions, keys and the second factor.

use reqwest::Method;
use serde_json::{Value, json};

use crate::auth::oidc::{self, Provider};
use crate::auth::passkeys;
use crate::auth::second_factor::Device;
use crate::auth::webhooks::{Receiver, until_delivered};
use crate::harness::{Api, etag, text};

const PASSWORD: &str = "nine patient herons";

/// All of it, one request after the other.
pub async fn access(api: &Api) {
    let user = people(api).await;
    let otto = sign_in(api, None).await;
    oneself(api, &otto, &user).await;
    second_factor(api, &otto, &user).await;
    machines(api).await;
    webhooks(api).await;
    audit(api).await;
}

async fn sign_in(api: &Api, code: Option<String>) -> Api {
    let credentials = json!({"username": "otto", "password": PASSWORD, "code": code});
    let token = api.with_token(None).post("/api/v1/auth/token", credentials).await.ok();
    api.with_token(token["access_token"].as_str())
}

async fn people(api: &Api) -> Value {
    let anybody = api.with_token(None);
    let invitation = json!({
        "username": "otto", "name": "Otto Normal", "email": "otto@example.com"
    });
    let invited = api.post("/api/v1/auth/users/invite", invitation).await.ok();
    let path = format!("/api/v1/auth/users/{}", text(&invited["user"]["id"]));
    let link = api.post(&format!("{path}/link"), Value::Null).await.ok();
    let chosen = json!({"token": link["token"], "new_password": PASSWORD});
    assert_eq!(anybody.post("/api/v1/auth/links/use", chosen).await.status, 204);
    let forgotten = json!({"username": "erika"});
    assert_eq!(anybody.post("/api/v1/auth/password-resets", forgotten).await.status, 202);
    let mut user = api.get(&path).await.ok();
    for action in ["lock", "unlock", "disable", "enable"] {
        user = api.act(&format!("{path}/{action}"), &user).await.ok();
    }
    let may = json!({"permission": "orders.order:confirm", "user_id": user["id"]});
    api.post("/api/v1/auth/permissions:check", may).await.ok();
    let auditor = api.get("/api/v1/auth/roles?name=auditor").await.ok();
    let roles = json!({"role_ids": [auditor["data"][0]["id"]]});
    let user = api.put(&format!("{path}/roles"), &user, roles).await.ok();
    // The whole list is as long as there are operations.
    api.get(&format!("{path}/permissions")).await.ok();
    user
}

async fn oneself(api: &Api, otto: &Api, user: &Value) {
    let me = otto.get("/api/v1/auth/me").await.ok();
    otto.patch("/api/v1/auth/me", &me, json!({"name": "Otto Normalverbraucher"})).await.ok();
    otto.post("/api/v1/auth/me/step-up", json!({"password": PASSWORD})).await.ok();
    let path = format!("/api/v1/auth/users/{}/sessions", text(&user["id"]));
    let end = async |as_otto: bool, all: bool| {
        let other = sign_in(api, None).await.get("/api/v1/auth/me").await.ok();
        let id = text(&other["session_id"]);
        let (caller, base) = match as_otto {
            true => (otto, "/api/v1/auth/me/sessions"),
            false => (api, path.as_str()),
        };
        caller.get(&format!("{base}?limit=1&sort=created_at")).await.ok();
        let path = if all { format!("{base}/revoke") } else { format!("{base}/{id}/revoke") };
        assert_eq!(caller.post(&path, Value::Null).await.status, 204);
    };
    end(true, false).await;
    end(true, true).await;
    end(false, false).await;
}

async fn second_factor(api: &Api, otto: &Api, user: &Value) {
    let setup = otto.post("/api/v1/auth/me/totp", Value::Null).await.ok();
    let device = Device::new(&setup).await;
    let code = json!({"code": device.code(-1)});
    otto.post("/api/v1/auth/me/totp/confirm", code).await.ok();
    otto.post("/api/v1/auth/me/recovery-codes", Value::Null).await.ok();
    assert_eq!(otto.post("/api/v1/auth/me/totp/remove", Value::Null).await.status, 204);
    let setup = otto.post("/api/v1/auth/me/totp", Value::Null).await.ok();
    let device = Device::new(&setup).await;
    let code = json!({"code": device.code(-1)});
    otto.post("/api/v1/auth/me/totp/confirm", code).await.ok();
    let path = format!("/api/v1/auth/users/{}", text(&user["id"]));
    let reset = format!("{path}/second-factor/reset");
    assert_eq!(api.post(&reset, Value::Null).await.status, 204);
    let revoke = format!("{path}/sessions/revoke");
    assert_eq!(api.post(&revoke, Value::Null).await.status, 204);
}

async fn machines(api: &Api) {
    let tomorrow = chrono::Utc::now() + chrono::Days::new(1);
    let new = json!({
        "name": "web shop", "scopes": ["orders.*", "inventory.product:read"],
        "expires_at": tomorrow, "per_s": 20
    });
    let made = api.post("/api/v1/auth/api-keys", new).await.ok();
    let path = format!("/api/v1/auth/api-keys/{}", text(&made["api_key"]["id"]));
    api.get(&path).await.ok();
    let rotation = json!({"overlap_s": 3600});
    let made = api.act_with(&format!("{path}/rotate"), &made["api_key"], rotation).await.ok();
    let form = async |api: &Api, path: &str, body: String| {
        let request = api.request(Method::POST, &format!("/api/v1/auth/oauth/{path}"));
        let form = "application/x-www-form-urlencoded";
        api.send(request.header("Content-Type", form).body(body)).await
    };
    let (id, key) = (text(&made["api_key"]["id"]), text(&made["key"]));
    let client = format!("grant_type=client_credentials&client_id={id}&client_secret={key}");
    let anybody = api.with_token(None);
    let token = form(&anybody, "token", client).await.ok();
    let token = format!("token={}", text(&token["access_token"]));
    form(api, "introspect", token).await.ok();
    api.act(&format!("{path}/revoke"), &made["api_key"]).await.ok();
    assert_eq!(form(&anybody, "revoke", format!("token={key}")).await.status, 200);
    api.get("/api/v1/auth/jwks").await.ok();
    let made = api.post("/api/v1/auth/signing-keys/rotate", Value::Null).await.ok();
    // With one after it: nothing was signed by this one yet.
    let unrecorded = Api::new(&api.base).with_token(api.token.as_deref());
    unrecorded.post("/api/v1/auth/signing-keys/rotate", Value::Null).await.ok();
    let withdraw = format!("/api/v1/auth/signing-keys/{}/withdraw", text(&made["kid"]));
    assert_eq!(api.post(&withdraw, Value::Null).await.status, 204);
    api.get("/api/v1/auth/signing-keys").await.ok();
}

/// By another door: with a provider of OpenID Connect.
pub async fn provider(api: &Api, provider: &Provider) {
    provider.says("8f2c", json!({"email": "erika@example.com"}));
    let started = oidc::sent_back(api, "8f2c").await;
    let linked = api.post("/api/v1/auth/me/identities", started).await.ok();
    api.get("/api/v1/auth/me/identities").await.ok();
    oidc::finish(api, oidc::sent_back(api, "8f2c").await).await.ok();
    let path = format!("/api/v1/auth/me/identities/{}", text(&linked["id"]));
    assert_eq!(api.send(api.request(Method::DELETE, &path)).await.status, 204);
}

/// And with a key on a device.
pub async fn passkey(api: &Api) {
    let otto = sign_in(api, None).await;
    let mut device = passkeys::Device::new();
    let made = passkeys::register(&otto, &mut device).await;
    let asked = passkeys::challenge(api).await;
    let answer = device.get(&asked["options"]);
    passkeys::finish(api, &asked, answer).await.ok();
    let asked = passkeys::challenge(api).await;
    let proof = json!({
        "ceremony": asked["ceremony"], "credential": device.get(&asked["options"])
    });
    otto.post("/api/v1/auth/me/step-up/passkey", proof).await.ok();
    let path = format!("/api/v1/auth/me/passkeys/{}", text(&made["id"]));
    otto.patch(&path, &made, json!({"name": "office phone"})).await.ok();
    otto.get("/api/v1/auth/me/passkeys").await.ok();
    assert_eq!(otto.send(otto.request(Method::DELETE, &path)).await.status, 204);
}

async fn webhooks(api: &Api) {
    api.get("/api/v1/auth/event-types").await.ok();
    api.get("/api/v1/auth/events?type=auth.user.invited&limit=1").await.ok();
    let receiver = Receiver::start().await;
    let new = json!({
        "url": receiver.url, "description": "web shop", "event_types": ["orders.order.confirmed"]
    });
    let made = api.post("/api/v1/auth/webhooks", new).await.ok();
    let path = format!("/api/v1/auth/webhooks/{}", text(&made["webhook"]["id"]));
    let ping = api.post(&format!("{path}/ping"), Value::Null).await.ok();
    // Unheard: the example shows how it ends.
    let unrecorded = Api::new(&api.base).with_token(api.token.as_deref());
    until_delivered(&unrecorded, &ping["id"]).await;
    api.get("/api/v1/auth/webhook-deliveries?limit=1").await.ok();
    let delivery = format!("/api/v1/auth/webhook-deliveries/{}", text(&ping["id"]));
    api.get(&delivery).await.ok();
    api.post(&format!("{delivery}/replay"), Value::Null).await.ok();
    until_delivered(&unrecorded, &ping["id"]).await;
    let body = json!({"overlap_s": 86400});
    let rotated = api.act_with(&format!("{path}/rotate-secret"), &made["webhook"], body).await.ok();
    let change = json!({"event_types": ["orders.*", "billing.invoice.issued"]});
    let hook = api.patch(&path, &rotated["webhook"], change).await.ok();
    let hook = api.act(&format!("{path}/disable"), &hook).await.ok();
    api.act(&format!("{path}/enable"), &hook).await.ok();
    let hook = api.get(&path).await.ok();
    api.get("/api/v1/auth/webhooks?limit=1").await.ok();
    let delete = api.request(Method::DELETE, &path).header("If-Match", etag(&hook));
    assert_eq!(api.send(delete).await.status, 204);
    receiver.stop().await;
}

async fn audit(api: &Api) {
    let role = api.get("/api/v1/auth/roles?name=counter").await.ok();
    let role = text(&role["data"][0]["id"]);
    api.get(&format!("/api/v1/auth/audit-log?resource_id={role}&sort=created_at")).await.ok();
    api.get("/api/v1/auth/audit-log/verify").await.ok();
}

/// The same of the modules whose master data are there by now.
pub async fn audit_of(api: &Api, module: &str, resource: &Value) {
    let id = text(&resource["id"]);
    let path = format!("/api/v1/{module}/audit-log");
    api.get(&format!("{path}?resource_id={id}&sort=created_at&limit=1")).await.ok();
    api.get(&format!("{path}/verify")).await.ok();
}

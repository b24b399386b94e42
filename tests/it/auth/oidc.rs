//! Signing in with an OpenID Connect provider: one that others wrote, and one that says what it
//! is told to.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::{Signer, SigningKey};
use reqwest::{Client, Url};
use serde_json::{Value, json};

use super::{PASSWORD, assert_laws, caller, sign_in, user, user_named};
use crate::harness::{Answer, Api, Server, text};

const CALLBACK: &str = "https://erp.example/signed-in";

/// A provider that says what it is told to.
pub struct Provider {
    pub issuer: String,
    state: Arc<State>,
    handle: ServerHandle,
}

struct State {
    issuer: String,
    key: SigningKey,
    /// Claims by subject.
    people: Mutex<HashMap<String, Value>>,
    /// Codes given out.
    codes: Mutex<HashMap<String, Given>>,
}

/// Whose code it is, and what it was asked for with.
type Given = (String, HashMap<String, String>);

impl Provider {
    pub async fn start() -> Provider {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Arc::new(State {
            issuer: issuer.clone(),
            key: SigningKey::from_bytes(&[7; 32]),
            people: Mutex::default(),
            codes: Mutex::default(),
        });
        let data = Data::from(state.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route("/.well-known/openid-configuration", web::get().to(about))
                .route("/keys", web::get().to(keys))
                .route("/authorize", web::post().to(authorize))
                .route("/token", web::post().to(token))
        });
        let server = server.workers(1).disable_signals().listen(listener).expect("listens").run();
        let handle = server.handle();
        tokio::spawn(server);
        Provider { issuer, state, handle }
    }

    pub fn says(&self, sub: &str, claims: Value) {
        self.state.people.lock().expect("whole").insert(sub.to_owned(), claims);
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn about(state: Data<State>) -> HttpResponse {
    let issuer = &state.issuer;
    HttpResponse::Ok().json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys")
    }))
}

async fn keys(state: Data<State>) -> HttpResponse {
    let x = BASE64URL.encode(state.key.verifying_key().as_bytes());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "7", "alg": "EdDSA" });
    HttpResponse::Ok().json(json!({ "keys": [key] }))
}

fn pairs(text: &str) -> HashMap<String, String> {
    let url = Url::parse(&format!("http://form/?{text}")).expect("a form");
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

async fn authorize(request: HttpRequest, body: String, state: Data<State>) -> HttpResponse {
    let asked = pairs(request.query_string());
    let code = uuid::Uuid::now_v7().to_string();
    let to = format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"]);
    let sub = pairs(&body)["sub"].clone();
    state.codes.lock().expect("whole").insert(code, (sub, asked));
    HttpResponse::Found().insert_header(("Location", to)).finish()
}

async fn token(request: HttpRequest, body: String, state: Data<State>) -> HttpResponse {
    use sha2::{Digest, Sha256};
    let sent = pairs(&body);
    let found = state.codes.lock().expect("whole").remove(&sent["code"]);
    let Some((sub, asked)) = found else {
        return HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" }));
    };
    // As RFC 7636 wants it, and the client has said who it is.
    let challenge = BASE64URL.encode(Sha256::digest(&sent["code_verifier"]));
    let client = request.headers().get("Authorization").and_then(|value| value.to_str().ok());
    let is_right = asked["code_challenge"] == challenge
        && asked["code_challenge_method"] == "S256"
        && asked["redirect_uri"] == sent["redirect_uri"]
        && client == Some("Basic ZXJwOmElMkZi");
    if !is_right {
        return HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" }));
    }
    let now = chrono::Utc::now().timestamp();
    let mut claims = state.people.lock().expect("whole").get(&sub).cloned().unwrap_or(json!({}));
    for (name, value) in [
        ("iss", json!(state.issuer)),
        ("sub", json!(sub)),
        ("aud", json!("erp")),
        ("iat", json!(now)),
        ("exp", json!(now + 60)),
        ("nonce", json!(asked["nonce"])),
    ] {
        claims[name] = value;
    }
    let head = BASE64URL.encode(r#"{"alg":"EdDSA","kid":"7"}"#);
    let signed = format!("{head}.{}", BASE64URL.encode(claims.to_string()));
    let signature = BASE64URL.encode(state.key.sign(signed.as_bytes()).to_bytes());
    let token = format!("{signed}.{signature}");
    HttpResponse::Ok().json(json!({ "token_type": "Bearer", "id_token": token }))
}

pub fn settings(issuer: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("auth.oidc.issuer", json!(issuer)),
        ("auth.oidc.client_id", json!("erp")),
        ("auth.oidc.client_secret", json!("a/b")),
        ("auth.oidc.redirect_url", json!(CALLBACK)),
        ("auth.oidc.roles_claim", json!("roles")),
        ("auth.oidc.roles", json!({ "Erp.Sales": "sales", "Erp.Warehouse": "Warehouse" })),
    ]
}

/// What the provider sends back when somebody signs in there, as the body of the last step.
pub async fn sent_back(api: &Api, sub: &str) -> Value {
    let started = api.with_token(None).post("/api/v1/auth/oidc/start", Value::Null).await.ok();
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    let client = client.expect("a client");
    let url = text(&started["authorization_url"]);
    let form = client.post(url).header("Content-Type", "application/x-www-form-urlencoded");
    let answer = form.body(format!("sub={sub}")).send().await.expect("the provider answers");
    let to = answer.headers().get("location").unwrap_or_else(|| panic!("{answer:?}"));
    let to = Url::parse(to.to_str().expect("ASCII")).expect("a URL");
    assert!(to.as_str().starts_with(CALLBACK), "{to}");
    let said: HashMap<_, _> = to.query_pairs().into_owned().collect();
    json!({ "code": said["code"], "state": said["state"], "flow": started["flow"] })
}

pub async fn finish(api: &Api, body: Value) -> Answer {
    api.with_token(None).post("/api/v1/auth/oidc/finish", body).await
}

async fn signed_in_as(api: &Api, sub: &str) -> Answer {
    finish(api, sent_back(api, sub).await).await
}

async fn roles(api: &Api, name: &str) -> Vec<String> {
    let user = user_named(api, name).await;
    user["roles"].as_array().expect("a list").iter().map(|role| text(&role["name"])).collect()
}

/// `oidc-provider-mock` of PyPI, ended when dropped.
struct Mock(Child);

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Mock {
    async fn start(port: u16) -> Mock {
        let ada = json!({
            "sub": "ada", "email": "ada@example.com", "email_verified": true,
            "roles": ["Erp.Sales", "Something else"]
        });
        // Where it is installed by pyenv there is a script in front of it, which would be what
        // is ended.
        let child = Command::new("python3")
            .args(["-W", "ignore", "-m", "oidc_provider_mock", "--port", &port.to_string()])
            .args(["--user-claims", &ada.to_string(), "--require-nonce", "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is installed");
        let mock = Mock(child);
        let about = format!("http://127.0.0.1:{port}/.well-known/openid-configuration");
        let begun = Instant::now();
        while reqwest::get(&about).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the provider does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        mock
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_with_a_provider_that_others_wrote() {
    if !test_support::available("oidc") {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let mock = Mock::start(port).await;
    let server = Server::start_with(&settings(&format!("http://127.0.0.1:{port}"))).await;
    let api = &server.api;
    let ada = user(api, "ada", &[]).await;
    signed_in_as(api, "ada").await.problem(403, "no_account");
    // Who she is there, she says herself when she is signed in here.
    let here = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let linked = here.post("/api/v1/auth/me/identities", sent_back(api, "ada").await).await.ok();
    assert_eq!(linked["subject"], "ada");
    let body = sent_back(api, "ada").await;
    let tokens = finish(api, body.clone()).await.ok();
    let me = caller(api, &tokens).get("/api/v1/auth/me").await.ok();
    assert_eq!(me["id"], ada["id"]);
    assert_eq!(roles(api, "ada").await, ["sales"]);
    super::refresh(api, &tokens).await.ok();
    // What was used once, or belongs to another attempt, is worth nothing.
    finish(api, body.clone()).await.problem(401, "oidc_refused");
    let other = sent_back(api, "ada").await;
    for (field, value) in [("flow", &body["flow"]), ("state", &body["state"])] {
        let mixed = crate::harness::with(other.clone(), field, value.clone());
        finish(api, mixed).await.problem(401, "oidc_refused");
    }
    let mut mixed = other.clone();
    mixed["flow"] = body["flow"].clone();
    mixed["state"] = body["state"].clone();
    finish(api, mixed).await.problem(401, "oidc_refused");

    // It comes back with another key.
    drop(mock);
    let answer = finish(api, other).await;
    answer.problem(503, "oidc_unavailable");
    let _mock = Mock::start(port).await;
    let begun = Instant::now();
    while signed_in_as(api, "ada").await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the new key is not taken");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_laws(api).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_found_by_a_verified_address_if_the_settings_say_so() {
    let provider = Provider::start().await;
    let mut settings = settings(&provider.issuer);
    settings.push(("auth.oidc.link_by_email", json!(true)));
    let server = Server::start_with(&settings).await;
    let api = &server.api;
    for (name, email) in
        [("ada", "ada@example.com"), ("bob", "b@example.com"), ("eve", "b@example.com")]
    {
        let body = json!({ "username": name, "name": name, "email": email, "password": PASSWORD });
        api.post("/api/v1/auth/users", body).await.ok();
    }
    provider.says("1", json!({ "email": "ada@example.com" }));
    signed_in_as(api, "1").await.problem(403, "no_account");
    provider.says("1", json!({ "email": "ada@example.com", "email_verified": false }));
    signed_in_as(api, "1").await.problem(403, "no_account");
    // Of two nobody knows which.
    provider.says("2", json!({ "email": "b@example.com", "email_verified": true }));
    signed_in_as(api, "2").await.problem(403, "no_account");
    let claims = json!({
        "email": "ada@example.com", "email_verified": true, "roles": ["Erp.Warehouse"]
    });
    provider.says("1", claims);
    let ada = caller(api, &signed_in_as(api, "1").await.ok());
    assert_eq!(ada.get("/api/v1/auth/me").await.ok()["username"], "ada");
    assert_eq!(roles(api, "ada").await, ["warehouse"]);
    // From now on it is the provider's own name that counts, and what else it says now.
    provider.says("1", json!({ "email": "b@example.com", "roles": "Erp.Sales" }));
    let answer = signed_in_as(api, "1").await.ok();
    assert_eq!(caller(api, &answer).get("/api/v1/auth/me").await.ok()["username"], "ada");
    assert_eq!(roles(api, "ada").await, ["sales"]);
    let identities = ada.get("/api/v1/auth/me/identities").await.ok();
    assert_eq!(identities["data"][0]["email"], "b@example.com");
    // One identity is one user's.
    let bob = caller(api, &sign_in(api, "bob", PASSWORD).await.ok());
    let answer = bob.post("/api/v1/auth/me/identities", sent_back(api, "1").await).await;
    answer.problem(409, "identity_taken");
    let path = format!("/api/v1/auth/me/identities/{}", text(&identities["data"][0]["id"]));
    let delete = async |api: &Api| api.send(api.request(reqwest::Method::DELETE, &path)).await;
    delete(&bob).await.problem(404, "not_found");
    // Nobody who is locked out comes in by another door.
    let found = user_named(api, "ada").await;
    let locked = format!("/api/v1/auth/users/{}/lock", text(&found["id"]));
    api.act(&locked, &found).await.ok();
    signed_in_as(api, "1").await.problem(403, "no_account");
    assert_laws(api).await;
    provider.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_and_a_second_factor_believed_if_the_settings_say_so() {
    let provider = Provider::start().await;
    let mut settings = settings(&provider.issuer);
    settings.push(("auth.oidc.create_users", json!(true)));
    settings.push(("auth.oidc.trust_mfa", json!(true)));
    let server = Server::start_with(&settings).await;
    let api = &server.api;
    let warehouse = super::role_named(api, "warehouse").await;
    let path = format!("/api/v1/auth/roles/{}", text(&warehouse["id"]));
    api.patch(&path, &warehouse, json!({ "requires_second_factor": true })).await.ok();
    let mut claims = json!({
        "preferred_username": "otto", "name": "Otto Normal", "email": "otto@example.com",
        "roles": ["Erp.Warehouse"]
    });
    provider.says("3", claims.clone());
    let mut body = sent_back(api, "3").await;
    body["cookie"] = json!(true);
    let answer = finish(api, body).await;
    assert!(answer.headers.get_all("set-cookie").iter().count() == 3, "{answer:?}");
    let otto = user_named(api, "otto").await;
    assert_eq!((&otto["name"], &otto["email"]), (&json!("Otto Normal"), &Value::Null));
    sign_in(api, "otto", "").await.problem(401, "invalid_credentials");
    let without = caller(api, &signed_in_as(api, "3").await.ok());
    without.get("/api/v1/inventory/products").await.problem(403, "permission_denied");
    claims["amr"] = json!(["pwd", "mfa"]);
    provider.says("3", claims);
    let with = caller(api, &signed_in_as(api, "3").await.ok());
    with.get("/api/v1/inventory/products").await.ok();
    // Somebody of that name is there already, and nobody else becomes them.
    provider.says("4", json!({ "preferred_username": "admin" }));
    signed_in_as(api, "4").await.problem(409, "username_taken");
    assert_laws(api).await;
    provider.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_there_is_none() {
    let server = Server::start().await;
    let anybody = server.api.with_token(None);
    let answer = anybody.post("/api/v1/auth/oidc/start", Value::Null).await;
    answer.problem(409, "no_oidc_provider");
    let body = json!({ "code": "x", "state": "x", "flow": "x" });
    finish(&server.api, body).await.problem(409, "no_oidc_provider");
    server.stop().await;
}

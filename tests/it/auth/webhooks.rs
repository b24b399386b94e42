//! Webhooks and the list of events: what others are told, and what they are not.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use reqwest::Method;
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::{assert_laws, caller, role, sign_in, user};
use crate::harness::{Answer, Api, Server, etag, text};
use crate::topology::Topology;

const HOOKS: &str = "/api/v1/auth/webhooks";

/// What a webhook leads to: answers with the status it was told, and remembers what came.
pub struct Receiver {
    pub url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

struct State {
    status: Mutex<u16>,
    came: Mutex<Vec<Message>>,
}

#[derive(Clone, Debug)]
pub struct Message {
    path: String,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let state = Arc::new(State { status: Mutex::new(204), came: Mutex::default() });
        let data = Data::from(state.clone());
        let server = HttpServer::new(move || {
            App::new().app_data(data.clone()).default_service(web::to(take))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("listens")
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Receiver { url, state, handle }
    }

    fn answer_with(&self, status: u16) {
        *self.state.status.lock().expect("whole") = status;
    }

    fn came(&self) -> Vec<Message> {
        self.state.came.lock().expect("whole").clone()
    }

    pub async fn until(&self, count: usize) -> Vec<Message> {
        let begun = Instant::now();
        while self.came().len() < count {
            let came = self.came();
            assert!(begun.elapsed() < Duration::from_secs(20), "{count} of {came:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.came()
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn take(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).expect("a name");
        (name, http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
    });
    let message =
        Message { path: request.path().to_owned(), headers: headers.collect(), body: body.into() };
    state.came.lock().expect("whole").push(message);
    let status = StatusCode::from_u16(*state.status.lock().expect("whole")).expect("a status");
    HttpResponse::build(status).insert_header(("Location", "/elsewhere")).finish()
}

impl Message {
    /// What it says, if the secret signed it.
    fn verified(&self, secret: &str) -> Value {
        let webhook = Webhook::new(secret).expect("a secret");
        webhook.verify(&self.body, &self.headers).expect("signed");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("ASCII")
    }
}

pub async fn hook(api: &Api, url: &str, event_types: Value) -> Value {
    api.post(HOOKS, json!({ "url": url, "event_types": event_types })).await.ok()
}

fn path(made: &Value) -> String {
    format!("{HOOKS}/{}", text(&made["webhook"]["id"]))
}

async fn invite(api: &Api, name: &str) {
    let body = json!({ "username": name, "name": name });
    api.post("/api/v1/auth/users/invite", body).await.ok();
}

/// Sells nothing, but makes stock run out: an event of inventory.
async fn adjust(api: &Api, sku: &str) {
    let warehouse = json!({ "code": sku, "name": sku });
    let warehouse = api.post("/api/v1/inventory/warehouses", warehouse).await.ok();
    let product = json!({ "sku": sku, "name": sku, "unit": "pcs", "tax_class": "standard" });
    let product = api.post("/api/v1/inventory/products", product).await.ok();
    let adjustment = json!({
        "warehouse_id": warehouse["id"], "product_id": product["id"], "quantity": "5",
        "unit_cost": "1.00", "reason": "found"
    });
    api.post("/api/v1/inventory/adjustments", adjustment).await.ok();
}

/// The deliveries that have come to an end, one way or the other, or are in that state.
async fn until_delivery(api: &Api, id: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/v1/auth/webhook-deliveries/{}", text(id));
    let begun = Instant::now();
    loop {
        let delivery = api.get(&path).await.ok();
        if is_so(&delivery) {
            return delivery;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{delivery:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn until_delivered(api: &Api, id: &Value) -> Value {
    until_delivery(api, id, |delivery| delivery["state"] == "delivered").await
}

async fn delete(api: &Api, path: &str, version: &Value) -> Answer {
    api.send(api.request(Method::DELETE, path).header("If-Match", etag(version))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_of_what_it_asked_for_signed_and_once() {
    for topology in [Topology::OneProcess, Topology::Separate] {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let receiver = Receiver::start().await;
        // What was before it is not for it.
        invite(api, "early").await;
        let made = hook(api, &receiver.url, json!(["inventory.*", "auth.user.invited"])).await;
        let secret = text(&made["secret"]);
        invite(api, "late").await;
        adjust(api, "HOOK-1").await;
        // Nothing it was to be told of.
        let reset = json!({ "username": "admin" });
        api.with_token(None).post("/api/v1/auth/password-resets", reset).await;

        let came = receiver.until(3).await;
        let mut seen: Vec<Value> = came.iter().map(|m| m.verified(&secret)).collect();
        seen.sort_by_key(|event| text(&event["type"]));
        let types: Vec<_> = seen.iter().map(|event| text(&event["type"])).collect();
        assert_eq!(
            types,
            ["auth.user.invited", "inventory.stock.adjusted", "inventory.stock.restocked"]
        );
        assert_eq!(seen[0]["data"]["username"], "late");
        for message in &came {
            let event = message.verified(&secret);
            assert_eq!(message.header("webhook-id"), text(&event["id"]));
            assert!(
                Webhook::new("whsec_AAAA")
                    .expect("a secret")
                    .verify(&message.body, &message.headers)
                    .is_err()
            );
        }
        // The same, for whoever asks.
        let since = text(&made["webhook"]["created_at"]).replace('+', "%2B");
        let list = api.get(&format!("/api/v1/auth/events?since={since}")).await.ok();
        assert_eq!(list["unavailable"], json!([]));
        for event in &seen {
            assert!(list["data"].as_array().expect("a list").contains(event), "{list:#}");
        }
        let deliveries = api.get("/api/v1/auth/webhook-deliveries").await.ok();
        for delivery in deliveries["data"].as_array().expect("a list") {
            until_delivered(api, &delivery["id"]).await;
        }
        let page = "/api/v1/auth/webhook-deliveries?state=delivered&limit=1&webhook_id=";
        let page = api.get(&format!("{page}{}", text(&made["webhook"]["id"]))).await.ok();
        assert_eq!(page["page"]["has_more"], true);
        // A second arrives neither now nor with the next event.
        invite(api, "last").await;
        let came = receiver.until(4).await;
        assert_eq!(came.len(), 4);
        assert_eq!(came[3].verified(&secret)["data"]["username"], "last");
        assert_laws(api).await;
        receiver.stop().await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_then_given_up_and_replayed() {
    let settings = [("auth.webhooks.retry_s", json!([1]))];
    let server = Server::start_with(&settings).await;
    let api = &server.api;
    let receiver = Receiver::start().await;
    let other = Receiver::start().await;
    receiver.answer_with(302);
    let made = hook(api, &receiver.url, json!(["*"])).await;
    hook(api, &other.url, json!(["*"])).await;
    let ping = api.post(&format!("{}/ping", path(&made)), Value::Null).await;
    assert_eq!(ping.status, 202);
    let ping = ping.ok();
    let failed = until_delivery(api, &ping["id"], |d| d["state"] == "failed").await;
    assert_eq!((&failed["attempts"], &failed["response_status"]), (&json!(2), &json!(302)));
    let came = receiver.came();
    // A redirect leads nowhere, and the second attempt is the same message.
    assert!(came.iter().all(|message| message.path == "/hook"), "{came:?}");
    assert_eq!(came[0].header("webhook-id"), came[1].header("webhook-id"));
    let seen = api.get(&path(&made)).await.ok();
    assert!(seen["failing_since"].is_string(), "{seen}");
    // Nobody else waits for that.
    invite(api, "ada").await;
    other.until(1).await;

    receiver.answer_with(200);
    let replay = format!("/api/v1/auth/webhook-deliveries/{}/replay", text(&ping["id"]));
    assert_eq!(api.post(&replay, Value::Null).await.status, 202);
    let delivered = until_delivered(api, &ping["id"]).await;
    assert_eq!((&delivered["attempts"], &delivered["response_status"]), (&json!(1), &json!(200)));
    let seen = api.get(&path(&made)).await.ok();
    assert!(seen["failing_since"].is_null(), "{seen}");

    // Who says that it is gone is left alone, and may come back.
    receiver.answer_with(410);
    api.post(&replay, Value::Null).await.ok();
    let begun = Instant::now();
    let gone = loop {
        let seen = api.get(&path(&made)).await.ok();
        if seen["disabled_why"] == "gone" {
            break seen;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{seen:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    api.post(&replay, Value::Null).await.problem(409, "webhook_disabled");
    let ping = format!("{}/ping", path(&made));
    api.post(&ping, Value::Null).await.problem(409, "webhook_disabled");
    api.act(&format!("{}/disable", path(&made)), &gone).await.problem(409, "webhook_disabled");
    receiver.answer_with(200);
    let enabled = api.act(&format!("{}/enable", path(&made)), &gone).await.ok();
    api.act(&format!("{}/enable", path(&made)), &enabled).await.problem(409, "webhook_enabled");
    let pinged = api.post(&ping, Value::Null).await.ok();
    until_delivered(api, &pinged["id"]).await;

    let log = format!("/api/v1/auth/audit-log?resource_id={}", text(&made["webhook"]["id"]));
    let log = api.get(&log).await.ok();
    assert!(log["data"].as_array().is_some_and(|rows| rows.len() == 3), "{log:#}");
    let deleted = api.get(&path(&made)).await.ok();
    assert_eq!(delete(api, &path(&made), &gone).await.status, 412);
    assert_eq!(delete(api, &path(&made), &deleted).await.status, 204);
    api.get(&path(&made)).await.problem(404, "not_found");
    assert_laws(api).await;
    receiver.stop().await;
    other.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_for_long_is_disabled() {
    let settings = [
        ("auth.webhooks.retry_s", json!([1, 1, 1, 1, 1, 1, 1, 1])),
        ("auth.webhooks.disable_after_s", json!(2)),
    ];
    let server = Server::start_with(&settings).await;
    let api = &server.api;
    let receiver = Receiver::start().await;
    receiver.answer_with(500);
    let made = hook(api, &receiver.url, json!(["auth.*"])).await;
    invite(api, "ada").await;
    let begun = Instant::now();
    while api.get(&path(&made)).await.ok()["disabled_why"] != "failing" {
        assert!(begun.elapsed() < Duration::from_secs(20), "still enabled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    receiver.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_while_both_secrets_sign() {
    let server = Server::start().await;
    let api = &server.api;
    let receiver = Receiver::start().await;
    let made = hook(api, &receiver.url, json!(["auth.*"])).await;
    let rotate = format!("{}/rotate-secret", path(&made));
    let body = json!({ "overlap_s": 3600 });
    let rotated = api.act_with(&rotate, &made["webhook"], body).await.ok();
    invite(api, "ada").await;
    let message = receiver.until(1).await.remove(0);
    for secret in [&made["secret"], &rotated["secret"]] {
        message.verified(&text(secret));
    }
    let body = json!({ "overlap_s": 0 });
    let last = api.act_with(&rotate, &rotated["webhook"], body).await.ok();
    invite(api, "bob").await;
    let message = receiver.until(2).await.remove(1);
    message.verified(&text(&last["secret"]));
    assert_eq!(message.header("webhook-signature").split(' ').count(), 1);
    // Nobody is shown a secret again.
    let shown = [
        api.get(&path(&made)).await.ok(),
        api.get("/api/v1/auth/audit-log").await.ok(),
        api.get("/api/v1/auth/webhook-deliveries").await.ok(),
    ];
    for secret in [&made["secret"], &rotated["secret"], &last["secret"]] {
        let secret = text(secret).replace("whsec_", "");
        assert!(shown.iter().all(|shown| !shown.to_string().contains(&secret)));
    }
    assert_laws(api).await;
    receiver.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_in_the_settings_no_secret_is_in_the_database_as_it_is() {
    let key = json!("0zJ1mZ8rXWc5b2Qe4yTnUu7aKfLp9sHdGvBxMo3iEkA");
    let server = Server::start_with(&[("auth.encryption_key", key)]).await;
    let api = &server.api;
    let receiver = Receiver::start().await;
    let made = hook(api, &receiver.url, json!(["auth.*"])).await;
    let secret = text(&made["secret"]);
    let bytes = server.written();
    let plain = secret.trim_start_matches("whsec_").as_bytes();
    assert!(!bytes.windows(plain.len()).any(|window| window == plain));
    invite(api, "ada").await;
    receiver.until(1).await[0].verified(&secret);
    api.post("/api/v1/auth/signing-keys/rotate", Value::Null).await.ok();
    let tokens = sign_in(api, "admin", crate::harness::ADMIN_PASSWORD).await.ok();
    caller(api, &tokens).get("/api/v1/auth/me").await.ok();
    receiver.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_ours_is_asked() {
    let settings =
        [("auth.webhooks.allow_private", json!(false)), ("auth.webhooks.retry_s", json!([]))];
    let server = Server::start_with(&settings).await;
    let api = &server.api;
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://2130706433/",
        "https://a:b@example.com/",
        "file:///etc/passwd",
        "nonsense",
    ] {
        let body = json!({ "url": url, "event_types": ["*"] });
        api.post(HOOKS, body).await.points_at(422, "invalid_url", "/url");
    }
    // A name tells where it leads only when it is asked, each time anew.
    let made = hook(api, "https://localhost/", json!(["*"])).await;
    let to = json!({ "url": "https://192.168.0.1/" });
    let answer = api.patch(&path(&made), &made["webhook"], to).await;
    answer.points_at(422, "invalid_url", "/url");
    let ping = api.post(&format!("{}/ping", path(&made)), Value::Null).await.ok();
    let failed = until_delivery(api, &ping["id"], |d| d["state"] == "failed").await;
    assert!(text(&failed["error"]).contains("not a public address"), "{failed}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_events_has_them_sent_nowhere() {
    let server = Server::start().await;
    let api = &server.api;
    let maker = role(api, "maker", json!(["auth.webhook:create", "auth.webhook:update"])).await;
    user(api, "ada", &[&maker]).await;
    let ada = caller(api, &sign_in(api, "ada", super::PASSWORD).await.ok());
    let body = json!({ "url": "https://example.com/", "event_types": ["*"] });
    ada.post(HOOKS, body).await.problem(403, "cannot_grant");
    let made = hook(api, "https://example.com/", json!(["sales.*", "*", "*"])).await;
    assert_eq!(made["webhook"]["event_types"], json!(["*", "sales.*"]));
    let to = json!({ "url": "https://example.org/" });
    ada.patch(&path(&made), &made["webhook"], to).await.problem(403, "cannot_grant");
    for (types, pointer) in [
        (json!([]), "/event_types"),
        (json!(["*", "sales.nothing.done"]), "/event_types/1"),
        (json!(["auth.webhook.ping"]), "/event_types/0"),
    ] {
        let body = json!({ "url": "https://example.com/", "event_types": types });
        api.post(HOOKS, body).await.points_at(422, "unknown_event_type", pointer);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_page_by_page_and_none_is_left_out() {
    for topology in [Topology::OneProcess, Topology::Separate] {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        for n in 0..3 {
            invite(api, &format!("person{n}")).await;
            adjust(api, &format!("SKU-{n}")).await;
        }
        let mut cursor = String::new();
        let mut seen: Vec<Value> = Vec::new();
        loop {
            let page = api.get(&format!("/api/v1/auth/events?limit=1{cursor}")).await.ok();
            cursor = format!("&cursor={}", text(&page["page"]["next_cursor"]));
            seen.extend(page["data"].as_array().expect("a list").iter().cloned());
            if page["page"]["has_more"] == false {
                break;
            }
        }
        let types: Vec<_> = seen.iter().map(|event| text(&event["type"])).collect();
        let expected =
            ["auth.user.invited", "inventory.stock.adjusted", "inventory.stock.restocked"];
        assert_eq!(types, [expected; 3].concat());
        // Later there is more.
        invite(api, "another").await;
        let page = api.get(&format!("/api/v1/auth/events?limit=5{cursor}")).await.ok();
        assert_eq!(page["data"][0]["data"]["username"], "another");
        let page = api.get("/api/v1/auth/events?type=inventory.*").await.ok();
        assert_eq!(page["data"].as_array().expect("a list").len(), 6);
        let answer = api.get("/api/v1/auth/events?type=nothing.*").await;
        answer.points_at(422, "unknown_event_type", "?type");
        let types = api.get("/api/v1/auth/event-types").await.ok();
        assert!(types["data"].as_array().expect("a list").contains(&json!("orders.order.created")));
        server.stop().await;
    }
}

/// Numbers are drawn before the commit: what has a lower one may be seen later.
#[tokio::test(flavor = "multi_thread")]
async fn what_commits_later_than_its_number_is_not_passed_over() {
    if !test_support::available("postgres") {
        return;
    }
    let server = Server::start_on_postgres(&[]).await;
    let api = &server.api;
    let receiver = Receiver::start().await;
    let made = hook(api, &receiver.url, json!(["auth.user.invited"])).await;
    let secret = text(&made["secret"]);
    invite(api, "first").await;
    assert_eq!(receiver.until(1).await[0].verified(&secret)["data"]["username"], "first");
    let start = api.get("/api/v1/auth/events?type=auth.user.invited").await.ok();
    assert_eq!(start["data"].as_array().expect("a list").len(), 1);
    let next = format!("/api/v1/auth/events?cursor={}", text(&start["page"]["next_cursor"]));

    let other = Database::connect(server.database().expect("PostgreSQL")).await.expect("answers");
    let slow = other.begin().await.expect("begun");
    let insert = "INSERT INTO auth.events (id, type, version, occurred_at, aggregate_id, \
        aggregate_version, correlation_id, actor, data) \
        SELECT gen_random_uuid(), type, version, now(), aggregate_id, aggregate_version, \
        correlation_id, actor, replace(data, 'first', 'slow') FROM auth.events \
        WHERE type = 'auth.user.invited'";
    slow.execute_unprepared(insert).await.expect("inserted");
    invite(api, "quick").await;
    // The quick one can be seen, with the higher number; it waits for the other.
    let page = api.get(&next).await.ok();
    assert_eq!(page["data"], json!([]), "{page:#}");
    slow.commit().await.expect("committed");
    let page = api.get(&next).await.ok();
    let names: Vec<_> = page["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| text(&e["data"]["username"]))
        .collect();
    assert_eq!(names, ["slow", "quick"]);
    let came = receiver.until(3).await;
    let mut names: Vec<_> =
        came.iter().map(|message| text(&message.verified(&secret)["data"]["username"])).collect();
    names.sort();
    assert_eq!(names, ["first", "quick", "slow"]);
    receiver.stop().await;
    server.stop().await;
}

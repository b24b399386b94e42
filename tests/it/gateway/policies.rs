//! What stands before a module elsewhere is what stands before one that is here.

use std::path::PathBuf;

use erp::config::Config;
use erp::gateway::MODULES;
use erp::{Running, start};
use figment::providers::Serialized;
use kernel::service::new_keys;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::upstream::Upstream;
use super::{Gateway, eventually, layers, problem};
use crate::harness::{ADMIN_PASSWORD, Server, text};
use crate::topology::{TOPOLOGIES, Topology};

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_the_same_wherever_the_module_is() {
    let mut found = Vec::new();
    for topology in TOPOLOGIES {
        let server = Server::start_as(topology, &[]).await;
        let new = json!({"username": "ada", "name": "Ada", "password": "six quiet lighthouses"});
        server.api.post("/api/v1/auth/users", new).await.ok();
        let body = json!({"username": "ada", "password": "six quiet lighthouses"});
        let tokens = server.api.with_token(None).post("/api/v1/auth/token", body).await.ok();
        let nobody = server.api.with_token(None);
        let callers = [
            nobody.clone(),
            nobody.with_token(Some("made up")),
            // No role, no permission.
            nobody.with_token(Some(&text(&tokens["access_token"]))),
            server.api.clone(),
        ];
        let requests = [
            (Method::GET, "/api/v1/orders/orders"),
            (Method::GET, "/api/v1/orders/orders?no_such=1"),
            (Method::DELETE, "/api/v1/orders/orders"),
            (Method::GET, "/api/v1/orders/nothing"),
            (Method::GET, "/api/v1/orders"),
            (Method::GET, "/api/v1/ordersandmore"),
            (Method::POST, "/api/v1/sales/customers"),
            (Method::PATCH, "/api/v1/sales/customers/00000000-0000-7000-8000-000000000000"),
            (Method::GET, "/api/v1/sales/customers/nonsense"),
            (Method::POST, "/api/v1/auth/token"),
            (Method::OPTIONS, "/api/v1/auth/token"),
            (Method::GET, "/openapi.json"),
            (Method::GET, "/openapi/orders.json"),
            (Method::GET, "/docs"),
            (Method::GET, "/metrics/nothing"),
        ];
        let mut answers = Vec::new();
        for (method, path) in &requests {
            for caller in &callers {
                let request = caller.request(method.clone(), path);
                let request = request.header("x-request-id", "the-same-request");
                answers.push(told(request.send().await.expect("an answer")).await);
            }
        }
        found.push(answers);
        server.stop().await;
    }
    for (one, other) in found[0].iter().zip(&found[1]) {
        assert_eq!(one, other);
    }
    assert!(found[0].iter().any(|answer| answer.0 == 401));
    assert!(found[0].iter().any(|answer| answer.0 == 403));
    assert!(found[0].iter().any(|answer| answer.0 == 405));
}

/// Everything an answer says, save its time and what it cost.
async fn told(answer: Response) -> (u16, Vec<(String, String)>, String) {
    let status = answer.status().as_u16();
    let mut headers: Vec<(String, String)> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !["date", "x-db-statements"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
        .collect();
    headers.sort();
    (status, headers, answer.text().await.expect("a body"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_missing_makes_its_routes_unavailable_and_nothing_else() {
    let gateway = Gateway::start(&[("gateway.routes.test.url", json!("http://127.0.0.1:9"))]).await;
    for module in MODULES {
        // Nobody can say whether the token is good: whoever could is missing as well.
        let request = gateway.request(Method::GET, &format!("/api/v1/{module}/invariants"));
        let answer = request.bearer_auth(UNKNOWN_KEY).send().await.expect("an answer");
        problem(answer, 503, "module_unavailable").await;
    }
    for path in ["/health/live", "/health/ready", "/docs/", "/openapi.json"] {
        assert_eq!(gateway.get(path).await.status(), 200, "{path}");
    }
    gateway.stop().await;
}

/// A token whose form is right, by a key that nobody has.
const UNKNOWN_KEY: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6Im5vbmUiLCJ0eXAiOiJKV1QifQ.e30.c2ln";

/// Auth alone, with its calls answered at `internal` for the gateway known by that key.
async fn auth(data_dir: &PathBuf, address: &str, internal: &str, known_by: &str) -> Running {
    let layers = layers()
        .merge(Serialized::default("modules", ["auth"]))
        .merge(Serialized::default("gateway.routes.test.url", "http://127.0.0.1:9"))
        .merge(Serialized::default("server.bind", address))
        .merge(Serialized::default("data.dir", data_dir))
        .merge(Serialized::default("internal.bind", internal))
        .merge(Serialized::default("internal.callers.gateway", known_by))
        .merge(Serialized::default("auth.admin_password", ADMIN_PASSWORD));
    start(Config::load(&layers).expect("valid")).await.expect("auth starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_from_auth_and_their_change_needs_no_restart() {
    let dirs = [(); 2].map(|()| std::env::temp_dir().join(format!("erp-auth-{}", Uuid::now_v7())));
    let (key, known_by) = new_keys().expect("random");
    let first = auth(&dirs[0], "127.0.0.1:0", "127.0.0.1:0", &known_by).await;
    let address = first.address.to_string();
    let internal = first.internal_address.expect("it listens").to_string();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&[
        ("gateway.routes.test.url", json!(upstream.url)),
        ("gateway.routes.test.token", json!(true)),
        ("remote.auth.url", json!(format!("http://{address}"))),
        ("remote.auth.internal_url", json!(format!("http://{internal}"))),
        ("internal.key", json!(key.expose())),
    ])
    .await;
    let sign_in = async || {
        let body = json!({"username": "admin", "password": ADMIN_PASSWORD});
        let request = gateway.request(Method::POST, "/api/v1/auth/token").json(&body);
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        text(&answer["access_token"])
    };
    let ask = async |token: &str| {
        let request = gateway.request(Method::GET, "/test/echo").bearer_auth(token);
        request.send().await.expect("an answer")
    };
    problem(gateway.get("/test/echo").await, 401, "token_required").await;
    problem(ask("made up").await, 401, "invalid_token").await;
    problem(ask(UNKNOWN_KEY).await, 401, "invalid_token").await;
    let old = sign_in().await;
    eventually("the first key is known", async || ask(&old).await.status() == 200).await;
    let reached = upstream.seen.requests();

    // Another auth with another key, in the place of the first.
    first.stop().await;
    let second = auth(&dirs[1], &address, &internal, &known_by).await;
    // Nothing is asked of auth for a token whose key is known.
    assert_eq!(ask(&old).await.status(), 200);
    let new = sign_in().await;
    eventually("the new key is known", async || ask(&new).await.status() == 200).await;
    problem(ask(&old).await, 401, "invalid_token").await;
    assert!(upstream.seen.requests() > reached);
    gateway.stop().await;
    second.stop().await;
    upstream.stop().await;
    for dir in dirs {
        std::fs::remove_dir_all(dir).expect("removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_counted_once_by_whoever_is_outermost() {
    let upstream = Upstream::start().await;
    let limits = [
        ("rate_limit.anonymous_per_s", json!(1)),
        ("rate_limit.anonymous_burst", json!(10)),
        ("gateway.routes.test.url", json!(upstream.url)),
    ];
    // The gateway counts a row it is told to count, and no other.
    let uncounted = ("gateway.routes.test.rate_limit", json!(false));
    for (more, is_counted) in [(&[][..], true), (&[uncounted][..], false)] {
        let gateway = Gateway::start(&[&limits[..], more].concat()).await;
        let mut statuses = Vec::new();
        for _ in 0..15 {
            let answer = gateway.get("/test/echo").await;
            assert_eq!(answer.headers().contains_key("ratelimit"), is_counted);
            statuses.push(answer.status().as_u16());
        }
        assert_eq!(statuses.contains(&429), is_counted, "{statuses:?}");
        if is_counted {
            problem(gateway.get("/test/echo").await, 429, "rate_limited").await;
        }
        gateway.stop().await;
    }
    // What comes from a gateway has been counted, and says for whom it asks.
    let gateways = ("rate_limit.gateways", json!(["127.0.0.1"]));
    let gateway = Gateway::start(&[&limits[..], &[gateways]].concat()).await;
    let from = |address: [u8; 4]| {
        let client = Client::builder().local_address(std::net::IpAddr::from(address)).build();
        client.expect("a client").get(format!("{}/test/echo", gateway.base)).send()
    };
    for _ in 0..20 {
        assert_eq!(from([127, 0, 0, 1]).await.expect("an answer").status(), 200);
    }
    let answer = from([127, 0, 0, 2]).await.expect("an answer");
    assert!(answer.headers().contains_key("ratelimit"));
    gateway.stop().await;

    let module = Server::start_as(
        Topology::OneProcess,
        &[
            ("rate_limit.user_per_s", json!(1)),
            ("rate_limit.user_burst", json!(10)),
            ("rate_limit.gateways", json!(["127.0.0.1"])),
        ],
    )
    .await;
    for _ in 0..20 {
        let answer = module.api.get("/api/v1/orders/orders").await;
        assert!(!answer.headers.contains_key("ratelimit"));
        answer.ok();
    }
    module.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_from_elsewhere_are_let_in_by_setting_alone() {
    let upstream = Upstream::start().await;
    let start = async |origins: Value| {
        Gateway::start(&[
            ("gateway.routes.test.url", json!(upstream.url)),
            ("gateway.cors.origins", origins),
        ])
        .await
    };
    let preflight = async |gateway: &Gateway, origin: &str| {
        let request = gateway.request(Method::OPTIONS, "/test/echo").header("origin", origin);
        let request = request.header("access-control-request-method", "PUT");
        let request = request.header("access-control-request-headers", "authorization,if-match");
        request.send().await.expect("an answer")
    };
    let allowed = |answer: &Response| {
        let value = answer.headers().get("access-control-allow-origin");
        value.map(|value| value.to_str().expect("ASCII").to_owned())
    };
    let shop = "https://shop.example";

    let closed = start(json!([])).await;
    assert_eq!(allowed(&preflight(&closed, shop).await), None);
    closed.stop().await;

    let open = start(json!([shop])).await;
    let before = upstream.seen.requests();
    let answer = preflight(&open, shop).await;
    assert_eq!((answer.status().as_u16(), allowed(&answer)), (200, Some(shop.into())));
    let header = |answer: &Response, name: &str| {
        answer.headers()[name].to_str().expect("ASCII").to_ascii_lowercase()
    };
    let methods = header(&answer, "access-control-allow-methods");
    assert!(methods.contains("put") && !methods.contains("trace"), "{methods}");
    assert!(header(&answer, "access-control-allow-headers").contains("if-match"));
    assert_eq!(header(&answer, "access-control-max-age"), "600");
    assert_eq!(upstream.seen.requests(), before, "it is answered here");
    assert_eq!(allowed(&preflight(&open, "https://other.example").await), None);
    // Of answers and refusals alike a page may read what it needs.
    for path in ["/test/echo", "/api/v1/orders/orders", "/nothing"] {
        let request = open.request(Method::GET, path).header("origin", shop);
        let answer = request.send().await.expect("an answer");
        assert_eq!(allowed(&answer).as_deref(), Some(shop), "{path}");
        let exposed = header(&answer, "access-control-expose-headers");
        for name in ["etag", "location", "ratelimit", "retry-after", "x-request-id"] {
            assert!(exposed.split(',').any(|other| other.trim() == name), "{name}: {exposed}");
        }
    }
    open.stop().await;

    let any = start(json!(["*"])).await;
    assert_eq!(allowed(&preflight(&any, "https://other.example").await).as_deref(), Some("*"));
    any.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_to_be_careful() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&[&upstream.url]).await;
    for path in ["/test/echo", "/test/status/500", "/nothing", "/docs/", "/health/live"] {
        let answer = gateway.get(path).await;
        for name in ["x-content-type-options", "x-frame-options", "referrer-policy", "x-request-id"]
        {
            assert_eq!(answer.headers().get_all(name).iter().count(), 1, "{path} {name}");
        }
    }
    gateway.stop().await;
    upstream.stop().await;
}

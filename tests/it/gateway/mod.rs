//! The gateway before upstreams of the tests' own, over real sockets.

mod encrypted;
mod exports;
mod failing;
mod headers;
mod policies;
mod reload;
mod streaming;
mod upgrade;
mod upstream;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use erp::config::{Config, defaults};
use erp::{Running, start};
use figment::Figment;
use figment::providers::Serialized;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use uuid::Uuid;

/// A gateway with no module mounted, whose row `/test` leads to what the test gives.
pub struct Gateway {
    pub base: String,
    pub client: Client,
    data_dir: PathBuf,
    running: Option<Running>,
}

impl Gateway {
    /// Before these upstreams, in turn.
    pub async fn before(urls: &[&str]) -> Gateway {
        Gateway::start(&[("gateway.routes.test.url", json!(urls))]).await
    }

    /// With these settings on top of the defaults.
    pub async fn start(settings: &[(&str, Value)]) -> Gateway {
        let data_dir = std::env::temp_dir().join(format!("erp-gateway-{}", Uuid::now_v7()));
        let layers = merge(layers(), settings).merge(Serialized::default("data.dir", &data_dir));
        let config = Config::load(&layers).expect("test settings are valid");
        let running = start(config).await.expect("the gateway starts");
        let base = format!("http://{}", running.address);
        Gateway { base, client: Client::new(), data_dir, running: Some(running) }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    /// A figure of `/metrics`, all its labels together.
    pub async fn figure(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await.text().await.expect("text");
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    pub async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

/// What every gateway here starts with.
pub fn layers() -> Figment {
    let none: [&str; 0] = [];
    let nowhere: [&str; 0] = [];
    defaults()
        .merge(Serialized::default("server.bind", "127.0.0.1:0"))
        .merge(Serialized::default("server.workers", 1))
        .merge(Serialized::default("server.shutdown_timeout_s", 1))
        .merge(Serialized::default("modules", none))
        .merge(Serialized::default("telemetry.level", "off"))
        .merge(Serialized::default("telemetry.metrics", true))
        .merge(Serialized::default("rate_limit.anonymous_per_s", 0))
        .merge(Serialized::default("gateway.routes.test.prefix", "/test"))
        .merge(Serialized::default("gateway.routes.test.token", false))
        .merge(Serialized::default("gateway.routes.test.url", nowhere))
}

fn merge(layers: Figment, settings: &[(&str, Value)]) -> Figment {
    settings
        .iter()
        .fold(layers, |layers, (key, value)| layers.merge(Serialized::default(key, value)))
}

/// The problem of an answer that is one.
pub async fn problem(answer: Response, status: u16, code: &str) -> Value {
    let (found, kind) = (answer.status(), answer.headers().get("content-type").cloned());
    let waits = answer.headers().contains_key("retry-after");
    let text = answer.text().await.expect("a body");
    assert_eq!(found, status, "{text}");
    assert_eq!(kind.expect("a content type"), "application/problem+json");
    assert!(waits || !(502..=504).contains(&status), "{text}");
    let problem: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(problem["code"], code, "{problem}");
    problem
}

/// Waits until it is so.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

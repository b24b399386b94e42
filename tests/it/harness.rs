//! Starting servers and talking to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use erp::config::defaults;
use erp::gateway::MODULES;
use figment::Figment;
use figment::providers::Serialized;
use futures_util::future::BoxFuture;
use kernel::config::SqlConfig;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, Request, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::topology::{System, Topology, run};

pub const ADMIN_PASSWORD: &str = "correct horse battery staple";
/// How long a request may take whatever has failed, for those who insist on an answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(15);

/// How long nobody at all may answer those.
const LONGEST_OUTAGE: Duration = Duration::from_secs(30);

/// Sooner than the server asks for: it has to stand that.
const REPEAT_AFTER: Duration = Duration::from_millis(100);

/// A running system with its own data, removed when dropped.
pub struct Server {
    pub api: Api,
    pub data_dir: PathBuf,
    sql: SqlConfig,
    layers: Figment,
    pub system: System,
}

impl Server {
    /// As the suite at large runs: in one process, unless it is told otherwise.
    pub async fn start() -> Server {
        Server::start_with(&[]).await
    }

    /// The same, with these settings on top of the defaults.
    pub async fn start_with(settings: &[(&str, Value)]) -> Server {
        Server::start_as(Topology::of_suite(), settings).await
    }

    /// In the given topology, with these settings on top of the defaults.
    pub async fn start_as(topology: Topology, settings: &[(&str, Value)]) -> Server {
        let sql = test_support::sql_filled(&MODULES, fill).await;
        Server::start_on(sql, topology, settings).await
    }

    /// The same, with the data in PostgreSQL whatever the other tests run on.
    pub async fn start_on_postgres(settings: &[(&str, Value)]) -> Server {
        let sql = test_support::postgres_sql(&MODULES, fill).await;
        Server::start_on(sql, Topology::OneProcess, settings).await
    }

    /// The same, with the data there.
    pub async fn start_on(
        sql: SqlConfig,
        topology: Topology,
        settings: &[(&str, Value)],
    ) -> Server {
        let data_dir = std::env::temp_dir().join(format!("erp-test-{}", Uuid::now_v7()));
        let mut layers = layers(&data_dir, &sql);
        // Who has PostgreSQL has Redis as well, unless the test says which, or none.
        let is_given = settings.iter().any(|(key, _)| *key == "redis.url");
        if let Some(url) = sql.connection_strings.values().next().filter(|_| !is_given) {
            for (key, value) in test_support::redis_settings(url.expose()) {
                layers = layers.merge(Serialized::default(key, value));
            }
        }
        for (key, value) in settings {
            layers = layers.merge(Serialized::default(key, value));
        }
        let system = topology.start(&layers).await;
        let base = format!("http://{}", system.running.last().expect("at least one").address);
        let mut api = Api::new(&base);
        let answer = api
            .post("/api/v1/auth/token", json!({"username": "admin", "password": ADMIN_PASSWORD}))
            .await
            .ok();
        api.token = Some(text(&answer["access_token"]));
        Server { api, data_dir, sql, layers, system }
    }

    /// Another process on the same database, with the same settings. Files can have only one.
    pub async fn start_replica(&mut self) -> Api {
        assert!(self.database().is_some());
        let replica = run(&self.layers).await;
        let api = Api { base: format!("http://{}", replica.address), ..self.api.clone() };
        self.system.running.push(replica);
        api
    }

    /// A figure of `/metrics` of the gateway, or the only process: all its labels together.
    pub async fn figure(&self, name: &str) -> u64 {
        let request = self.api.request(Method::GET, "/metrics");
        let text = request.send().await.expect("an answer").text().await.expect("text");
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        values.sum()
    }

    /// The way to the database, if the data are not in files.
    pub fn database(&self) -> Option<String> {
        self.sql.connection_strings.values().next().map(|url| url.expose().to_owned())
    }

    /// All that is in the files of the data directory and, if there is one, the database.
    pub fn written(&self) -> Vec<u8> {
        let files = std::fs::read_dir(&self.data_dir).expect("a directory");
        let mut bytes: Vec<u8> = files
            .flat_map(|file| std::fs::read(file.expect("an entry").path()).expect("a file"))
            .collect();
        if let Some(url) = self.database() {
            bytes.extend(test_support::dump(&url));
        }
        bytes
    }

    /// Waits until every published event has been delivered.
    pub async fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let undelivered = self.system.undelivered().await;
            if undelivered == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{undelivered} events are still undelivered");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Asserts that no law of any module is broken, and that the books balance.
    pub async fn assert_invariants(&self) {
        self.settle().await;
        for module in MODULES {
            let report = self.api.get(&format!("/api/v1/{module}/invariants")).await.ok();
            for law in report["laws"].as_array().expect("laws") {
                assert_eq!(law["violations"], 0, "{module}: {law}");
            }
        }
        let balance = self.api.get("/api/v1/billing/trial-balance").await.ok();
        assert_eq!(balance["difference"]["amount"], "0.00", "{balance}");
    }

    /// Stops every process in order.
    pub async fn stop(mut self) {
        for running in self.system.running.drain(..) {
            running.stop().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The files may still be open: on Unix they go all the same.
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

/// What every test starts with.
pub fn layers(data_dir: &Path, sql: &SqlConfig) -> Figment {
    let mut layers = defaults()
        .merge(Serialized::default("server.bind", "127.0.0.1:0"))
        .merge(Serialized::default("server.workers", 2))
        .merge(Serialized::default("data.dir", data_dir))
        .merge(Serialized::default("data.synchronous", "normal"))
        .merge(Serialized::default("telemetry.level", "error"))
        .merge(Serialized::default("telemetry.metrics", true))
        // They all come from one address, as fast as they can.
        .merge(Serialized::default("rate_limit.anonymous_per_s", 0))
        .merge(Serialized::default("rate_limit.user_per_s", 0))
        .merge(Serialized::default("auth.admin_password", ADMIN_PASSWORD))
        // To a listener of the test's own.
        .merge(Serialized::default("auth.webhooks.allow_private", true))
        .merge(Serialized::default("sql.max_connections", sql.max_connections));
    for (module, url) in &sql.connection_strings {
        let key = format!("sql.connection_strings.{module}");
        layers = layers.merge(Serialized::default(&key, url.expose()));
    }
    layers
}

/// Fills the database that those of all tests are copies of: with what a first start makes.
pub async fn fill(sql: SqlConfig) {
    let data_dir = std::env::temp_dir().join(format!("erp-template-{}", Uuid::now_v7()));
    run(&layers(&data_dir, &sql)).await.stop().await;
    std::fs::remove_dir_all(&data_dir).expect("removed");
}

/// How long a test that could go on for ever does: `ERP_TEST_SECONDS`, or as many as given.
pub fn seconds(default: u64) -> Duration {
    let given = std::env::var("ERP_TEST_SECONDS").ok();
    let seconds = given.map(|seconds| seconds.parse().expect("ERP_TEST_SECONDS is a number"));
    Duration::from_secs(seconds.unwrap_or(default))
}

/// A caller of the API.
#[derive(Clone)]
pub struct Api {
    pub base: String,
    pub token: Option<String>,
    client: Client,
    /// Where every exchange is written down, if anywhere.
    record: Option<Arc<Mutex<Vec<Exchange>>>>,
    /// What happens after every change, if anything.
    after: Option<After>,
    /// Another server of the same system, and whether it is its turn.
    other: Option<(String, Arc<AtomicBool>)>,
    /// What became of each attempt, if this caller repeats what could not be answered.
    attempts: Option<Attempts>,
}

/// How requests went that were repeated until they were answered.
pub type Attempts = Arc<Mutex<Vec<Attempt>>>;

/// A request, or a repetition of one.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub begun: Instant,
    pub took: Duration,
    pub status: u16,
}

/// Runs after a request.
pub type After = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: String,
    pub path: String,
    pub sent: Value,
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub received: Value,
}

impl Api {
    /// Nobody in particular, at this address.
    pub fn new(base: &str) -> Api {
        Api {
            base: base.to_owned(),
            token: None,
            client: Client::new(),
            record: None,
            after: None,
            other: None,
            attempts: None,
        }
    }

    /// Where it is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same caller, who asks this server and the other by turns.
    pub fn in_turn_with(&self, other: &Api) -> Api {
        Api { other: Some((other.base.clone(), Arc::default())), ..self.clone() }
    }

    /// The same caller, who repeats every request with the same key for as long as the
    /// answer is 502, 503 or 504, or there is none.
    pub fn insisting(&self, attempts: Attempts) -> Api {
        Api { attempts: Some(attempts), ..self.clone() }
    }

    /// The same caller, with every exchange written down.
    pub fn recording(&self, record: Arc<Mutex<Vec<Exchange>>>) -> Api {
        Api { record: Some(record), ..self.clone() }
    }

    /// The same caller, with `after` run after each change they made.
    pub fn followed_by(&self, after: After) -> Api {
        Api { after: Some(after), ..self.clone() }
    }

    /// The same server, as somebody with this token (or nobody).
    pub fn with_token(&self, token: Option<&str>) -> Api {
        Api { token: token.map(ToOwned::to_owned), ..self.clone() }
    }

    /// A request with the caller's token; send it with [`Api::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = match &self.other {
            Some((other, is_next)) if is_next.fetch_not(Ordering::Relaxed) => other,
            _ => &self.base,
        };
        let request = self.client.request(method, format!("{base}{path}"));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the server answers")
    }

    /// Like [`Api::send`], for a server that may be gone.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, String> {
        let request = request.build().map_err(|e| e.to_string())?;
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let sent = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let sent = serde_json::from_slice(sent).unwrap_or_else(|_| fields(sent));
        let (status, headers, bytes) = self.execute(request).await.map_err(|e| e.to_string())?;
        let kind = headers.get("content-type").map_or(&b""[..], HeaderValue::as_bytes);
        let body = if bytes.is_empty() {
            Value::Null
        } else if kind == b"text/csv" || kind == b"application/x-ndjson" {
            Value::String(String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string())?)
        } else {
            serde_json::from_slice(&bytes).map_err(|e| e.to_string())?
        };
        if let Some(after) = &self.after
            && method != "GET"
        {
            after().await;
        }
        if let Some(record) = &self.record {
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
            let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value)));
            let exchange = Exchange {
                method,
                path,
                sent,
                status,
                headers: headers.collect(),
                received: body.clone(),
            };
            record.lock().expect("whole").push(exchange);
        }
        Ok(Answer { status, headers, body })
    }

    async fn execute(&self, mut request: Request) -> reqwest::Result<Whole> {
        let Some(attempts) = &self.attempts else { return self.exchange(request).await };
        let begun_at = Instant::now();
        loop {
            *request.timeout_mut() = Some(LONGEST_ANSWER);
            let again = request.try_clone().expect("no stream");
            let begun = Instant::now();
            let answer = self.exchange(request).await;
            // 0: nobody answered, or not to the end.
            let status = answer.as_ref().map_or(0, |(status, ..)| *status);
            let attempt = Attempt { begun, took: begun.elapsed(), status };
            attempts.lock().expect("whole").push(attempt);
            match answer {
                Ok((502..=504, headers, _)) => {
                    assert!(headers.contains_key("retry-after"), "{status}: {headers:?}");
                }
                Err(error) if begun_at.elapsed() > LONGEST_OUTAGE => return Err(error),
                Ok(answer) => return Ok(answer),
                Err(_) => {}
            }
            tokio::time::sleep(REPEAT_AFTER).await;
            request = again;
        }
    }

    async fn exchange(&self, request: Request) -> reqwest::Result<Whole> {
        let response = self.client.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok((status, headers, response.bytes().await?))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a fresh Idempotency-Key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_with_key(path, body, &Uuid::now_v7().to_string()).await
    }

    pub async fn post_with_key(&self, path: &str, body: Value, key: &str) -> Answer {
        let request = self.request(Method::POST, path).header("Idempotency-Key", key).json(&body);
        self.send(request).await
    }

    /// POST without a body, as most actions are, meant for the version of `resource`.
    pub async fn act(&self, path: &str, resource: &Value) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .header("If-Match", etag(resource));
        self.send(request).await
    }

    /// POST with a body, meant for the version of `resource`.
    pub async fn act_with(&self, path: &str, resource: &Value, body: Value) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .header("If-Match", etag(resource))
            .json(&body);
        self.send(request).await
    }

    pub async fn patch(&self, path: &str, resource: &Value, body: Value) -> Answer {
        self.change(Method::PATCH, path, resource, body).await
    }

    pub async fn put(&self, path: &str, resource: &Value, body: Value) -> Answer {
        self.change(Method::PUT, path, resource, body).await
    }

    async fn change(&self, method: Method, path: &str, resource: &Value, body: Value) -> Answer {
        let request = self
            .request(method, path)
            .header("If-Match", etag(resource))
            .header("Content-Type", "application/json")
            .body(body.to_string());
        self.send(request).await
    }
}

/// The fields of a form, as the examples show them.
fn fields(body: &[u8]) -> Value {
    let query = std::str::from_utf8(body).unwrap_or_default();
    if !query.contains('=') {
        return Value::Null;
    }
    let url = reqwest::Url::parse(&format!("http://form/?{query}")).expect("a form");
    let pairs = url.query_pairs().map(|(name, value)| (name.into_owned(), json!(value)));
    Value::Object(pairs.collect())
}

/// The status, headers and body of an answer that came to its end.
type Whole = (u16, reqwest::header::HeaderMap, Bytes);

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body of a success, or the answer as text.
    pub fn success(self) -> Result<Value, String> {
        match self.status {
            200..300 => Ok(self.body),
            status => Err(format!("{status} {}", self.body)),
        }
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {:#}", self.status, self.body);
        self.body
    }

    /// The problem document of a refusal with this status and code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, &self.body["code"]), (status, &json!(code)), "{:#}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self.body
    }

    /// The problem document of a refusal that points at this field.
    #[track_caller]
    pub fn points_at(self, status: u16, code: &str, pointer: &str) -> Value {
        let problem = self.problem(status, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
        problem
    }

    /// SQL statements the request cost.
    pub fn statements(&self) -> u32 {
        let header = &self.headers["x-db-statements"];
        header.to_str().expect("ASCII").parse().expect("a number")
    }
}

/// The `ETag` of a resource.
pub fn etag(resource: &Value) -> String {
    format!("\"v{}\"", resource["version"])
}

/// The text of a JSON string, such as an id.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}

/// A body that is the same but for one field.
pub fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

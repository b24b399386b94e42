//! The thinnest caller of the API that does: one pool of connections, no retries.

use std::fmt;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::server::PASSWORD;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A signed-in caller; clones share their connections.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    bearer: String,
}

/// Why a request failed.
#[derive(Debug)]
pub struct Problem {
    pub code: String,
    pub detail: String,
}

impl Problem {
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Problem { code: code.into(), detail: detail.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl From<reqwest::Error> for Problem {
    fn from(error: reqwest::Error) -> Self {
        let code = if error.is_timeout() { "client_timeout" } else { "connection_failed" };
        Problem::new(code, error.to_string())
    }
}

pub type Result<T> = std::result::Result<T, Problem>;

impl Api {
    pub async fn sign_in(base: &str) -> Result<Api> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(256)
            .tcp_nodelay(true)
            .no_proxy()
            .build()?;
        let mut api = Api { http, base: format!("{base}/api/v1/"), bearer: String::new() };
        let body = json!({ "username": "admin", "password": PASSWORD });
        let answer = api.post("auth/token", &body).await?;
        api.bearer = format!("Bearer {}", text(&answer["access_token"])?);
        Ok(api)
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        send(self.change(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str, version: &Value, body: &Value) -> Result<Value> {
        let request = self.change(Method::PUT, path).header("If-Match", etag(version));
        send(request.json(body)).await
    }

    /// An action on `resource`. An event may have changed it meanwhile (a quotation is
    /// marked converted): then its version is read anew.
    pub async fn act(
        &self,
        collection: &str,
        resource: &Value,
        action: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let path = format!("{collection}/{}", text(&resource["id"])?);
        let action_path = format!("{path}/{action}");
        let mut version = resource["version"].clone();
        let mut attempts = 3;
        loop {
            let mut request = self.change(Method::POST, &action_path);
            request = request.header("If-Match", etag(&version));
            if let Some(body) = body {
                request = request.json(body);
            }
            match send(request).await {
                Err(problem) if problem.code == "stale_version" && attempts > 1 => {
                    attempts -= 1;
                    version = self.get(&path).await?["version"].clone();
                }
                answer => return answer,
            }
        }
    }

    fn change(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("Idempotency-Key", Uuid::now_v7().to_string())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match self.bearer.as_str() {
            "" => request,
            bearer => request.header("Authorization", bearer),
        }
    }
}

async fn send(request: RequestBuilder) -> Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    let bytes = response.bytes().await?;
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let code = body["code"].as_str().map_or_else(|| format!("status_{status}"), str::to_owned);
    Err(Problem::new(code, body["detail"].as_str().unwrap_or_default()))
}

fn etag(version: &Value) -> String {
    format!("\"v{version}\"")
}

/// A text the API promises, such as an id.
pub fn text(value: &Value) -> Result<String> {
    let text = value.as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| Problem::new("unexpected_answer", format!("no text: {value}")))
}

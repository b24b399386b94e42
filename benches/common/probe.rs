//! One request after the other, each timed.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::server::PASSWORD;

/// The laws of a module over a million orders take their time.
const TIMEOUT: Duration = Duration::from_secs(600);
/// An access token lives for 900 s.
const SIGN_IN_AGAIN: Duration = Duration::from_secs(600);

/// A signed-in caller; clones share their connections.
#[derive(Clone)]
pub struct Probe {
    http: reqwest::Client,
    base: String,
    bearer: String,
    signed_in: Instant,
}

/// A body, and how long it took to come, in microseconds.
pub struct Timed {
    pub body: Value,
    pub micros: u64,
}

impl Probe {
    pub async fn sign_in(base: &str) -> Result<Probe, String> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).tcp_nodelay(true).no_proxy();
        let http = http.build().map_err(|e| e.to_string())?;
        let (base, signed_in) = (base.to_owned(), Instant::now());
        let mut probe = Probe { http, base, bearer: String::new(), signed_in };
        probe.sign_in_again("admin", PASSWORD).await?;
        Ok(probe)
    }

    async fn sign_in_again(&mut self, name: &str, password: &str) -> Result<(), String> {
        let body = json!({ "username": name, "password": password });
        let request = self.http.post(format!("{}/api/v1/auth/token", self.base)).json(&body);
        let answer = request.send().await.map_err(|e| e.to_string())?;
        let answer: Value = answer.json().await.map_err(|e| e.to_string())?;
        let token = answer["access_token"].as_str().ok_or("no token")?;
        self.bearer = format!("Bearer {token}");
        self.signed_in = Instant::now();
        Ok(())
    }

    /// Reads a path from the root.
    pub async fn get(&mut self, path: &str) -> Result<Timed, String> {
        self.send(Method::GET, path, None, None).await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Timed, String> {
        self.send(Method::POST, path, None, Some(body)).await
    }

    /// Sends a CSV file.
    pub async fn upload(&mut self, path: &str, file: String) -> Result<Timed, String> {
        let request = self.http.post(format!("{}{path}", self.base));
        let request = request.header("Content-Type", "text/csv").body(file);
        self.finish(path, request).await
    }

    /// The same caller as somebody else.
    pub async fn signed_in_as(&self, name: &str, password: &str) -> Result<Probe, String> {
        let mut other = self.clone();
        other.sign_in_again(name, password).await?;
        Ok(other)
    }

    /// An action on something of this version.
    pub async fn act(&mut self, path: &str, version: &Value) -> Result<Timed, String> {
        self.send(Method::POST, path, Some(version), None).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        version: Option<&Value>,
        body: Option<&Value>,
    ) -> Result<Timed, String> {
        if self.signed_in.elapsed() > SIGN_IN_AGAIN {
            self.sign_in_again("admin", PASSWORD).await?;
        }
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(version) = version {
            request = request.header("If-Match", format!("\"v{version}\""));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.finish(path, request).await
    }

    async fn finish(&self, path: &str, request: RequestBuilder) -> Result<Timed, String> {
        let request = request.header("Authorization", &self.bearer);
        let request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
        let begun = Instant::now();
        let response = request.send().await.map_err(|e| format!("{path}: {e}"))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| format!("{path}: {e}"))?;
        let micros = begun.elapsed().as_micros() as u64;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if !status.is_success() {
            return Err(format!("{path}: {status} {} {}", body["code"], body["detail"]));
        }
        Ok(Timed { body, micros })
    }
}

/// Durations in microseconds. Three digits are kept, whatever the length.
#[expect(clippy::expect_used, reason = "the number of digits is a constant in its range")]
pub fn histogram() -> Histogram<u64> {
    // One without bounds takes nothing that is longer than what it has seen.
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("an hour, and 3 is between 0 and 5")
}

pub fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

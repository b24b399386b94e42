//! A caller of the public API: signs in, repeats what may be repeated, and turns a
//! refusal into one line.

use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::RwLock;
use uuid::Uuid;

use super::failure::{Failure, Result};
use super::patience::{EFFECT_DEADLINE, Patience};
use super::reading::{string, text};

/// How often a change is sent in all when the version it was meant for has gone.
const ATTEMPTS: u32 = 5;
/// How long a request is repeated when the server says "later".
const OUTAGE: Duration = Duration::from_secs(30);
/// Longest wait for an answer; more than the server gives itself.
const TIMEOUT: Duration = Duration::from_secs(60);

struct Session {
    access_token: String,
    refresh_token: String,
}

/// A signed-in caller.
pub(in crate::cli) struct Client {
    http: reqwest::Client,
    base: String,
    session: RwLock<Session>,
}

impl Client {
    pub(super) async fn sign_in(url: &str, user: &str, password: &str) -> Result<Client> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| Failure::new("no_client", error.to_string()))?;
        let base = url.trim_end_matches('/').to_owned();
        let body = json!({ "username": user, "password": password });
        let session = ask_token(&http, &base, "token", &body).await?;
        Ok(Client { http, base, session: RwLock::new(session) })
    }

    pub(in crate::cli) async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None, None).await
    }

    /// Every row of a list, page by page.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit=200");
        let mut rows = Vec::new();
        let mut next = first.clone();
        loop {
            let mut page = self.get(&next).await?;
            if let Some(data) = page["data"].as_array_mut() {
                rows.append(data);
            }
            match page["page"]["next_cursor"].as_str() {
                Some(cursor) => next = format!("{first}&cursor={cursor}"),
                None => return Ok(rows),
            }
        }
    }

    /// POST to a collection.
    pub(super) async fn create(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::POST, path, None, Some(&body)).await
    }

    /// POST to a collection of something that hangs on another module's document: the
    /// refusal `unknown` means that its event has not arrived yet.
    pub(super) async fn create_once_known(
        &self,
        path: &str,
        body: Value,
        unknown: &str,
    ) -> Result<Value> {
        let mut patience = Patience::new();
        loop {
            match self.send(Method::POST, path, None, Some(&body)).await {
                Err(failure) if failure.code == unknown && patience.pause().await => {}
                answer => return answer,
            }
        }
    }

    /// POST that says all in its path.
    pub(in crate::cli) async fn post(&self, path: &str) -> Result<Value> {
        self.send(Method::POST, path, None, None).await
    }

    /// PUT on a part of a resource.
    pub(super) async fn put(&self, path: &str, version: &Value, body: Value) -> Result<Value> {
        self.send(Method::PUT, path, Some(version), Some(&body)).await
    }

    /// An action on `resource`, which is in `collection`.
    pub(super) async fn act(
        &self,
        collection: &str,
        resource: &Value,
        action: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        self.change(Method::POST, collection, resource, &format!("/{action}"), body).await
    }

    /// PATCH on `resource`, which is in `collection`.
    pub(super) async fn update(
        &self,
        collection: &str,
        resource: &Value,
        patch: Value,
    ) -> Result<Value> {
        self.change(Method::PATCH, collection, resource, "", Some(patch)).await
    }

    /// Events change documents as well (an invoice marks its order billed), so a version
    /// that has gone stale is read anew; the server still decides by the state it finds.
    async fn change(
        &self,
        method: Method,
        collection: &str,
        resource: &Value,
        suffix: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let path = format!("{collection}/{}", text(&resource["id"])?);
        let target = format!("{path}{suffix}");
        let mut version = resource["version"].clone();
        let mut attempt = 1;
        loop {
            match self.send(method.clone(), &target, Some(&version), body.as_ref()).await {
                Err(failure) if failure.code == "stale_version" && attempt < ATTEMPTS => {
                    attempt += 1;
                    version = self.get(&path).await?["version"].clone();
                }
                answer => return answer,
            }
        }
    }

    /// Asks again until `found` finds in the answer what an event is to bring about.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        path: &str,
        found: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut patience = Patience::new();
        loop {
            let answer = self.get(path).await?;
            if let Some(found) = found(&answer) {
                return Ok(found);
            }
            if !patience.pause().await {
                let seconds = EFFECT_DEADLINE.as_secs();
                let detail = format!("{what} did not come about within {seconds} s");
                return Err(Failure::new("timed_out", detail));
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        version: Option<&Value>,
        body: Option<&Value>,
    ) -> Result<Value> {
        let url = format!("{}/api/v1/{path}", self.base);
        // One key for all attempts: whichever of them arrives, it is done once.
        let key = Uuid::now_v7().to_string();
        let mut refreshed = false;
        let begun = Instant::now();
        loop {
            let token = self.session.read().await.access_token.clone();
            let mut request = self.http.request(method.clone(), &url).bearer_auth(&token);
            if method == Method::POST {
                request = request.header("Idempotency-Key", &key);
            }
            if let Some(version) = version {
                request = request.header("If-Match", format!("\"v{version}\""));
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.map_err(|error| unreachable(&self.base, &error))?;
            match response.status() {
                StatusCode::UNAUTHORIZED if !refreshed => {
                    refreshed = true;
                    self.refresh(&token).await?;
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
                    if begun.elapsed() < OUTAGE =>
                {
                    tokio::time::sleep(retry_after(&response)).await;
                }
                _ => return read(&format!("{method} {path}"), response).await,
            }
        }
    }

    /// A new access token in place of `stale`, unless another request has got one.
    async fn refresh(&self, stale: &str) -> Result<()> {
        let mut session = self.session.write().await;
        if session.access_token == stale {
            let body = json!({ "refresh_token": session.refresh_token });
            *session = ask_token(&self.http, &self.base, "token/refresh", &body).await?;
        }
        Ok(())
    }
}

async fn ask_token(
    http: &reqwest::Client,
    base: &str,
    path: &str,
    body: &Value,
) -> Result<Session> {
    let url = format!("{base}/api/v1/auth/{path}");
    let response =
        http.post(url).json(body).send().await.map_err(|error| unreachable(base, &error))?;
    let answer = read(&format!("POST auth/{path}"), response).await?;
    Ok(Session {
        access_token: text(&answer["access_token"])?,
        refresh_token: text(&answer["refresh_token"])?,
    })
}

async fn read(what: &str, response: Response) -> Result<Value> {
    let status = response.status();
    let bytes =
        response.bytes().await.map_err(|error| Failure::new("broken_answer", text_of(&error)))?;
    let body: Value = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes)
            .map_err(|_| Failure::new("no_json", format!("{what} answered {status}, no JSON")))?,
    };
    if status.is_success() {
        return Ok(body);
    }
    let mut detail = format!("{} ({what}: {})", string(&body["detail"]), status.as_u16());
    for error in body["errors"].as_array().into_iter().flatten() {
        detail += &format!("; {}: {}", string(&error["pointer"]), string(&error["message"]));
    }
    if let Some(id) = body["request_id"].as_str() {
        detail += &format!(" [request {id}]");
    }
    Err(Failure::new(body["code"].as_str().unwrap_or("unknown_problem"), detail))
}

fn retry_after(response: &Response) -> Duration {
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let seconds = header.and_then(|text| text.parse().ok()).unwrap_or(1_u64);
    Duration::from_secs(seconds.min(5))
}

fn unreachable(base: &str, error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        return Failure::new(
            "no_server",
            format!(
                "nothing answers at {base}; start the server first, or give its address with --url"
            ),
        );
    }
    Failure::new("no_answer", text_of(error))
}

/// The error with its causes: the outermost one alone says little.
fn text_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

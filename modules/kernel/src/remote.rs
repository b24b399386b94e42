//! Calls to a module in another process: the same methods, over HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::config::Secret;
use crate::ctx::{Actor, Ctx};
use crate::error::{Error, Problem, Result};
use crate::events::{Event, Subscriber};
use crate::token::Permissions;

/// Tries of a method that may be repeated, the first one included.
const ATTEMPTS: u32 = 3;
/// Wait before the second try; doubled for the third.
const FIRST_RETRY: Duration = Duration::from_millis(25);

/// Headers of an internal call.
pub mod headers {
    pub const ACTOR: &str = "x-erp-actor";
    pub const CAUSATION_ID: &str = "x-erp-causation-id";
    pub const DEADLINE_MS: &str = "x-erp-deadline-ms";
    pub const OPERATION: &str = "x-erp-operation";
    pub const PERMISSIONS: &str = "x-erp-permissions";
    pub const REASON: &str = "x-erp-reason";
    pub const REQUEST_ID: &str = "x-request-id";
}

/// The way to a module elsewhere. Implements its contract (in `contracts`) and hears
/// events for it.
#[derive(Clone)]
pub struct Remote {
    module: &'static str,
    base_url: Arc<str>,
    secret: Secret,
    client: Client,
}

/// Whether a call may be sent again when it is not known to have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// A second arrival changes nothing.
    Safe,
    Never,
}

impl Remote {
    /// `base_url` is the module's internal listener, such as `http://127.0.0.1:9103`.
    pub fn new(module: &'static str, base_url: &str, secret: Secret, client: Client) -> Self {
        Remote { module, base_url: base_url.trim_end_matches('/').into(), secret, client }
    }

    /// Calls `method` of the module's contract. The error is the one the module gave;
    /// if it gave none in time, 503 `module_unavailable`.
    pub async fn call<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: &str,
        repeat: Repeat,
        ctx: &Ctx,
        request: &Q,
    ) -> Result<A> {
        let body = serde_json::to_vec(request)?;
        let mut attempt = 1;
        loop {
            match self.try_call(method, ctx, body.clone()).await {
                Ok(answer) => return Ok(serde_json::from_slice(&answer)?),
                Err(CallError::Answered(error)) => return Err(error),
                Err(CallError::NoAnswer(error)) => {
                    let wait = FIRST_RETRY * 2u32.pow(attempt - 1);
                    if repeat == Repeat::Never || attempt == ATTEMPTS || ctx.time_left() <= wait {
                        let detail = format!("{} did not answer", self.module);
                        return Err(
                            Error::unavailable("module_unavailable", detail, 1).with_source(error)
                        );
                    }
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn try_call(&self, method: &str, ctx: &Ctx, body: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let left = ctx.time_left();
        let mut request = self
            .client
            .post(format!("{}/internal/{}/{method}", self.base_url, self.module))
            .timeout(left)
            .bearer_auth(self.secret.expose())
            .header("content-type", "application/json")
            .header(headers::REQUEST_ID, &*ctx.request_id)
            .header(headers::OPERATION, &*ctx.operation)
            .header(headers::DEADLINE_MS, left.as_millis().to_string())
            .header(headers::ACTOR, encode(&ctx.actor)?)
            .header(headers::PERMISSIONS, encode(&ctx.permissions.grants())?);
        if let Some(id) = ctx.causation_id {
            request = request.header(headers::CAUSATION_ID, id.to_string());
        }
        if let Some(reason) = &ctx.reason {
            request = request.header(headers::REASON, encode(&&**reason)?);
        }
        let response = request.body(body).send().await.map_err(CallError::NoAnswer)?;
        let ok = response.status().is_success();
        let bytes = response.bytes().await.map_err(CallError::NoAnswer)?;
        if ok {
            return Ok(bytes.into());
        }
        Err(CallError::Answered(match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Error::from_problem(problem),
            Err(error) => Error::internal(error),
        }))
    }
}

enum CallError {
    Answered(Error),
    NoAnswer(reqwest::Error),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        CallError::Answered(error)
    }
}

#[async_trait]
impl Subscriber for Remote {
    async fn handle(&self, event: &Event) -> Result<()> {
        // The inbox of the module makes a second arrival harmless.
        self.call("events", Repeat::Safe, &event.ctx(), event).await
    }
}

/// Header values are ASCII and names of people are not: JSON in base64.
fn encode(value: &impl Serialize) -> Result<String> {
    Ok(BASE64_STANDARD.encode(serde_json::to_vec(value)?))
}

fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_STANDARD.decode(text).ok()?).ok()
}

/// Rebuilds the context of an internal call from its headers.
pub fn ctx_from_headers<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Ctx {
    let mut ctx = Ctx::system(header(headers::OPERATION).unwrap_or("internal"));
    if let Some(id) = header(headers::REQUEST_ID) {
        ctx.request_id = id.into();
    }
    ctx.actor = header(headers::ACTOR).and_then(decode).unwrap_or_else(Actor::anonymous);
    let grants = header(headers::PERMISSIONS).and_then(decode).unwrap_or_default();
    ctx.permissions = Arc::new(Permissions::new(grants));
    ctx.causation_id = header(headers::CAUSATION_ID).and_then(|id| Uuid::parse_str(id).ok());
    ctx.reason = header(headers::REASON).and_then(decode::<String>).map(Into::into);
    if let Some(ms) = header(headers::DEADLINE_MS).and_then(|ms| ms.parse().ok()) {
        // The time left shrinks along the chain and never grows.
        ctx.deadline = ctx.deadline.min(std::time::Instant::now() + Duration::from_millis(ms));
    }
    ctx
}

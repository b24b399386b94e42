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

use crate::breaker::Breaker;
use crate::config::Secret;
use crate::ctx::{Actor, Ctx};
use crate::error::{Error, MODULE_UNAVAILABLE, Problem, Result};
use crate::events::{Event, Subscriber};
use crate::service::Identity;
use crate::token::Permissions;
use crate::trace::Trace;

/// Tries of a method that may be repeated, the first one included.
const ATTEMPTS: u32 = 3;
/// Longest wait for an answer where another may be asked for: nothing that is asked here takes
/// so long, but an answer may be lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// Wait before the second try; doubled for the third.
const FIRST_RETRY: Duration = Duration::from_millis(25);

/// Codes of those who do not let a process in.
const NOT_LET_IN: [&str; 2] = ["invalid_service_token", "call_not_allowed"];

/// Headers of an internal call.
pub mod headers {
    pub const ACTOR: &str = "x-erp-actor";
    pub const CAUSATION_ID: &str = "x-erp-causation-id";
    pub const DEADLINE_MS: &str = "x-erp-deadline-ms";
    pub const OPERATION: &str = "x-erp-operation";
    pub const PERMISSIONS: &str = "x-erp-permissions";
    pub const REASON: &str = "x-erp-reason";
    pub const REQUEST_ID: &str = "x-request-id";
    pub const TRACEPARENT: &str = "traceparent";
}

/// The way to a module elsewhere. Implements its contract (in `contracts`) and hears
/// events for it.
#[derive(Clone)]
pub struct Remote {
    /// On whose behalf it calls.
    caller: &'static str,
    callee: Arc<Callee>,
}

/// What all who call a module share.
struct Callee {
    module: &'static str,
    address: Address,
    identity: Option<Arc<Identity>>,
    client: Client,
    breaker: Breaker,
}

/// How a module is reached.
#[derive(Clone, Debug)]
pub enum Address {
    /// Nobody said where it is: every call fails as if it were down.
    Unknown,
    /// Its internal listener, such as `http://127.0.0.1:9103`.
    Direct(String),
    /// A Dapr sidecar, such as `http://127.0.0.1:3500`, and the app it is to find.
    Dapr { sidecar: String, app_id: String, api_token: Secret },
}

/// Whether a call may be sent again when it is not known to have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// A second arrival changes nothing.
    Safe,
    Never,
}

impl Remote {
    /// The way to `module`, for a process that calls as `identity`.
    pub fn new(
        module: &'static str,
        address: Address,
        identity: Option<Arc<Identity>>,
        client: Client,
    ) -> Self {
        let breaker = Breaker::default();
        let callee = Callee { module, address, identity, client, breaker };
        Remote { caller: "gateway", callee: Arc::new(callee) }
    }

    /// The same way, for calls of this module.
    pub fn of(&self, caller: &'static str) -> Self {
        Remote { caller, ..self.clone() }
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
        self.call_as(self.caller, method, repeat, ctx, request).await
    }

    async fn call_as<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        caller: &str,
        method: &str,
        repeat: Repeat,
        ctx: &Ctx,
        request: &Q,
    ) -> Result<A> {
        let Callee { module, breaker, .. } = &*self.callee;
        let body = serde_json::to_vec(request)?;
        let attempts = if repeat == Repeat::Safe { ATTEMPTS } else { 1 };
        let mut attempt = 1;
        loop {
            if breaker.admit().is_err() {
                return Err(unavailable(module));
            }
            // One that hangs leaves time to ask another.
            let left = ctx.time_left();
            let limit = if attempt < attempts { PATIENCE.min(left / 2) } else { left };
            let answer = self.callee.ask(caller, method, ctx, limit, body.clone()).await;
            match answer {
                Ok(answer) => {
                    breaker.succeeded();
                    return Ok(serde_json::from_slice(&answer)?);
                }
                Err(CallError::Answered(error)) => {
                    breaker.succeeded();
                    return Err(error);
                }
                Err(CallError::Unsent(error)) => return Err(error),
                Err(CallError::NoAnswer(cause)) => {
                    breaker.failed();
                    let wait = FIRST_RETRY * 2u32.pow(attempt - 1);
                    let wait = wait / 2 + (wait / 2).mul_f32(rand::random());
                    if attempt == attempts || ctx.time_left() <= wait {
                        return Err(unavailable(module).with_source(cause));
                    }
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                }
            }
        }
    }
}

fn unavailable(module: &str) -> Error {
    Error::unavailable(MODULE_UNAVAILABLE, format!("{module} did not answer"), 1)
}

impl Callee {
    async fn ask(
        &self,
        caller: &str,
        method: &str,
        ctx: &Ctx,
        limit: Duration,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        let (Some(identity), Some(base)) = (&self.identity, self.address.base()) else {
            return Err(CallError::NoAnswer("it is not known where it is".into()));
        };
        let mut request = self
            .client
            .post(format!("{base}/internal/{}/{method}", self.module))
            .timeout(limit)
            .bearer_auth(identity.token(caller, self.module)?)
            .header("content-type", "application/json")
            .header(headers::REQUEST_ID, &*ctx.request_id)
            .header(headers::TRACEPARENT, ctx.trace.traceparent())
            .header(headers::OPERATION, &*ctx.operation)
            .header(headers::DEADLINE_MS, limit.as_millis().to_string())
            .header(headers::ACTOR, encode(&ctx.actor)?)
            .header(headers::PERMISSIONS, encode(&ctx.permissions.grants())?);
        if let Some(id) = ctx.causation_id {
            request = request.header(headers::CAUSATION_ID, id.to_string());
        }
        if let Some(reason) = &ctx.reason {
            request = request.header(headers::REASON, encode(&&**reason)?);
        }
        if let Address::Dapr { app_id, api_token, .. } = &self.address {
            request = request.header("dapr-app-id", app_id);
            if !api_token.expose().is_empty() {
                request = request.header("dapr-api-token", api_token.expose());
            }
        }
        let response = request.body(body).send().await?;
        let ok = response.status().is_success();
        let bytes = response.bytes().await?;
        if ok {
            return Ok(bytes.into());
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            // A mistake in our settings, and none of whoever asked.
            Ok(problem) if NOT_LET_IN.contains(&&*problem.code) => {
                let refused = format!("{} refused the call: {}", self.module, problem.detail);
                Err(CallError::Answered(Error::internal(refused)))
            }
            Ok(problem) => Err(CallError::Answered(Error::from_problem(problem))),
            // Not the module's own words: somebody's on the way there.
            Err(_) => Err(CallError::NoAnswer(String::from_utf8_lossy(&bytes).into())),
        }
    }
}

impl Address {
    fn base(&self) -> Option<&str> {
        match self {
            Address::Unknown => None,
            Address::Direct(base) => Some(base.trim_end_matches('/')),
            Address::Dapr { sidecar, .. } => Some(sidecar.trim_end_matches('/')),
        }
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

enum CallError {
    /// The module refused it.
    Answered(Error),
    /// It may or may not have arrived.
    NoAnswer(Cause),
    /// It could not even be asked.
    Unsent(Error),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        CallError::Unsent(error)
    }
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        CallError::NoAnswer(error.into())
    }
}

#[async_trait]
impl Subscriber for Remote {
    async fn handle(&self, event: &Event) -> Result<()> {
        // The inbox of the module makes a second arrival harmless.
        self.call_as(event.publisher(), "events", Repeat::Safe, &event.ctx(), event).await
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
    ctx.trace = Trace::kept(header(headers::TRACEPARENT));
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

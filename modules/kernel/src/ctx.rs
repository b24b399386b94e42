//! Who asks, and under which request: the first parameter of every call between
//! modules.

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db::Fence;
use crate::error::{Error, Result};
use crate::http::check_step_up;
use crate::token::{Permissions, Scope};
use crate::trace::Trace;

/// The longest a request may take, calls to other modules included.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// Who did it, as audit rows and events tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// `user`, `system` or `anonymous`.
    pub kind: String,
    /// The user's id; none for the system.
    pub id: Option<Uuid>,
    /// The user's name, or the name of the job.
    pub name: String,
}

impl Actor {
    /// Work nobody asked for by name: a job, or an event's effect.
    pub fn system(name: &str) -> Self {
        Actor { kind: "system".into(), id: None, name: name.into() }
    }

    /// A caller who has not said who they are.
    pub fn anonymous() -> Self {
        Actor { kind: "anonymous".into(), id: None, name: "anonymous".into() }
    }
}

/// The request a call belongs to.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// Who asks.
    pub actor: Actor,
    /// What they may do.
    pub permissions: Arc<Permissions>,
    /// The records for which they may do what they ask for.
    pub scope: Scope,
    /// The session of the access token, or the API key it was given for.
    pub session_id: Option<Uuid>,
    /// When its holder last proved who they are; never, for an API key.
    pub authenticated_at: Option<DateTime<Utc>>,
    /// Where the request came from, as far as that can be believed.
    pub address: Option<IpAddr>,
    /// What the caller says it is (`User-Agent`), to be shown and not to be relied on.
    pub device: Option<Arc<str>>,
    /// Identifies the request in logs, audit rows and problem documents.
    pub request_id: Arc<str>,
    /// The trace it belongs to.
    pub trace: Trace,
    /// The operation id, such as `confirm_order`.
    pub operation: Arc<str>,
    /// After this moment nobody waits for the answer any more.
    pub deadline: Instant,
    /// The event that led here, where one did.
    pub causation_id: Option<Uuid>,
    /// Why, in the caller's own words; goes into the audit row.
    pub reason: Option<Arc<str>>,
    pub(crate) idempotency: Option<IdempotencyKey>,
    pub(crate) if_match: Option<IfMatch>,
    /// The lease a job works under.
    pub(crate) fence: Option<Fence>,
}

/// The caller's key and what it is bound to.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey {
    pub key: Arc<str>,
    /// Caller, method and path: one key means one thing only there.
    pub scope: Arc<str>,
    /// SHA-256 of the body in hex, known once the body has been read.
    pub body_hash: Arc<OnceLock<String>>,
}

#[derive(Clone, Debug)]
pub(crate) enum IfMatch {
    Any,
    /// One of these; none where no tag is one of ours.
    Versions(Arc<[i64]>),
}

impl Ctx {
    /// For a job or a handler of events, which answers to no caller.
    pub fn system(operation: &str) -> Self {
        Ctx {
            actor: Actor::system(operation),
            permissions: Arc::new(Permissions::none()),
            scope: Scope::All,
            session_id: None,
            authenticated_at: None,
            address: None,
            device: None,
            request_id: Uuid::now_v7().to_string().into(),
            trace: Trace::begin(),
            operation: operation.into(),
            deadline: Instant::now() + REQUEST_DEADLINE,
            causation_id: None,
            reason: None,
            idempotency: None,
            if_match: None,
            fence: None,
        }
    }

    /// Refuses with 412 unless the caller's `If-Match` names `current_version`.
    /// The guard has already answered 428 where an operation needs the header.
    pub fn check_version(&self, current_version: i64) -> Result<()> {
        match &self.if_match {
            None | Some(IfMatch::Any) => Ok(()),
            Some(IfMatch::Versions(versions)) if versions.contains(&current_version) => Ok(()),
            Some(IfMatch::Versions(_)) => Err(Error::stale(current_version)),
        }
    }

    /// Refuses with 401 whoever did not prove a moment ago who they are: for an operation of which
    /// only a part is dangerous. Where all of it is, it needs `step-up`.
    pub fn check_step_up(&self) -> Result<()> {
        check_step_up(self.authenticated_at)
    }

    /// Time left before the deadline.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl FromRequest for Ctx {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // The guard puts it there; a route outside every guard has no caller to name.
        ready(request.extensions().get::<Ctx>().cloned().ok_or_else(|| {
            Error::internal(format!("{} is mounted without its guard", request.path()))
        }))
    }
}

/// What is known of a request before anybody is known: carried by the task, so
/// that errors and the statement count find it without being handed it.
pub struct RequestScope {
    pub request_id: Arc<str>,
    pub trace: Trace,
    pub statements: AtomicU32,
    /// Commits of others that this request has seen the effects of.
    unsettled: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl RequestScope {
    /// One that begins a trace of its own.
    pub fn new(request_id: Arc<str>) -> Self {
        RequestScope::traced(request_id, Trace::begin())
    }

    pub fn traced(request_id: Arc<str>, trace: Trace) -> Self {
        let (statements, unsettled) = (AtomicU32::new(0), Mutex::default());
        RequestScope { request_id, trace, statements, unsettled }
    }

    /// Waits until all that the answer may rest on is in the database.
    pub async fn settled(&self) {
        let unsettled = self.unsettled.lock().map(|mut all| std::mem::take(&mut *all));
        join_all(unsettled.unwrap_or_default()).await;
    }
}

tokio::task_local! {
    /// Set around each request by [`crate::http::request_scope`].
    pub static REQUEST: Arc<RequestScope>;
}

pub(crate) fn current_request_id() -> Option<String> {
    REQUEST.try_with(|scope| scope.request_id.to_string()).ok()
}

/// Counts one SQL statement against the running request.
pub(crate) fn count_statement() {
    // Outside a request (a relay, a job) nobody counts.
    let _ = REQUEST.try_with(|scope| scope.statements.fetch_add(1, Ordering::Relaxed));
}

/// Takes back the last count: the statement was not for this request alone.
pub(crate) fn uncount_statement() {
    let _ = REQUEST.try_with(|scope| scope.statements.fetch_sub(1, Ordering::Relaxed));
}

/// Has the answer to the running request wait.
pub(crate) fn answer_after(commit: impl Future<Output = ()> + Send + 'static) {
    let _ = REQUEST.try_with(|scope| {
        if let Ok(mut unsettled) = scope.unsettled.lock() {
            unsettled.push(commit.boxed());
        }
    });
}

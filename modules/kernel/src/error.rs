//! One error for every layer: a problem document (RFC 9457) with a stable code,
//! and, for us alone, the cause.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::ctx;
use crate::http::Reply;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The code of what may be done anew at once: the database undid it, and nothing remains.
pub(crate) const TRANSACTION_ABORTED: &str = "transaction_aborted";

/// The code of a call that nobody answered.
pub(crate) const MODULE_UNAVAILABLE: &str = "module_unavailable";

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A problem document (RFC 9457): why a request was refused, for people and programs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:erp:problem:not_found", "title": "Not Found", "status": 404,
    "code": "not_found", "detail": "no product 01936b2e-5d5c-7a10-8f5e-3c1f9f3b8a11",
    "request_id": "01936b2e-5d5c-7a10-8f5e-3c1f9f3b8a12", "retryable": false
}))]
pub struct Problem {
    /// `urn:erp:problem:` followed by the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What went wrong, stable: programs may depend on it.
    pub code: Cow<'static, str>,
    /// What went wrong, for a person; may change.
    pub detail: String,
    /// Quote it when asking for help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The fields at fault, where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Facts a program can act on, such as `allowed_actions` or `current_version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub params: Option<Value>,
    /// Seconds to wait before trying again; also the `Retry-After` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body, or `?name` for a query
    /// parameter, `@name` for a header.
    pub pointer: String,
    /// What is wrong with it, stable.
    pub code: Cow<'static, str>,
    /// What is wrong with it, for a person.
    pub message: String,
}

/// An answer other than success. `Display` is the problem's detail; the cause is
/// in `source` and never leaves the process.
pub struct Error(Box<Inner>);

enum Inner {
    Problem {
        problem: Problem,
        source: Option<Cause>,
        allow: Option<String>,
    },
    /// The stored answer to a repeated `Idempotency-Key`. It travels as an error
    /// because, like one, it ends the handler at once and undoes its transaction.
    Replay(Reply),
}

impl Error {
    /// Any problem; prefer a named constructor.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        let code = code.into();
        Error(Box::new(Inner::Problem {
            problem: Problem {
                kind: format!("urn:erp:problem:{code}"),
                title: StatusCode::from_u16(status)
                    .ok()
                    .and_then(|s| s.canonical_reason())
                    .unwrap_or("Error")
                    .to_owned(),
                status,
                code,
                detail: detail.into(),
                request_id: None,
                retryable: matches!(status, 408 | 429 | 502 | 503 | 504),
                errors: Vec::new(),
                params: None,
                retry_after_s: None,
            },
            source: None,
            allow: None,
        }))
    }

    /// 400: the request cannot be read.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Error::new(400, code, detail)
    }

    /// 401: no caller, or not the one they say.
    pub fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Error::new(401, code, detail)
    }

    /// 403: a known caller who may not.
    pub fn forbidden(permission: &str) -> Self {
        Error::new(403, "permission_denied", format!("this needs the permission {permission}"))
            .with_params(serde_json::json!({ "permission": permission }))
    }

    /// 404: no such resource.
    pub fn not_found(what: &str, id: impl fmt::Display) -> Self {
        Error::new(404, "not_found", format!("no {what} {id}"))
    }

    /// 409: the state of something forbids it.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Error::new(409, code, detail)
    }

    /// 412: somebody changed it since the caller read it.
    pub fn stale(current_version: i64) -> Self {
        Error::new(412, "stale_version", format!("the current version is v{current_version}"))
            .with_params(serde_json::json!({ "current_version": current_version }))
    }

    /// 422: readable, but breaks a rule; `pointer` names the field.
    pub fn invalid(
        code: &'static str,
        pointer: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Error::new(422, code, detail.clone()).with_field(pointer, code, detail)
    }

    /// 500: ours. The body carries nothing of the cause.
    pub fn internal(source: impl Into<Cause>) -> Self {
        Error::new(500, "internal_error", "something failed on our side").with_source(source)
    }

    /// 503: try again in `retry_after_s`.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after_s: u32) -> Self {
        let mut error = Error::new(503, code, detail);
        if let Inner::Problem { problem, .. } = &mut *error.0 {
            problem.retry_after_s = Some(retry_after_s);
        }
        error
    }

    /// 503: undone for others to go on; whoever asked may ask anew at once.
    pub fn aborted(source: impl Into<Cause>) -> Self {
        let error = Error::unavailable(TRANSACTION_ABORTED, "others were in the way, try again", 1);
        error.with_source(source)
    }

    /// 405: a resource that answers to other methods.
    pub fn method_not_allowed(allow: String) -> Self {
        let mut error =
            Error::new(405, "method_not_allowed", format!("this resource answers to {allow}"));
        if let Inner::Problem { allow: slot, .. } = &mut *error.0 {
            *slot = Some(allow);
        }
        error
    }

    /// The answer to a request of this method. OPTIONS asks for what a 405 says.
    pub fn answer(&self, method: &Method) -> HttpResponse {
        match &*self.0 {
            Inner::Problem { allow: Some(allow), .. } if *method == Method::OPTIONS => {
                HttpResponse::NoContent().insert_header((ALLOW, allow.as_str())).finish()
            }
            _ => self.error_response(),
        }
    }

    pub(crate) fn replay(reply: Reply) -> Self {
        Error(Box::new(Inner::Replay(reply)))
    }

    pub(crate) fn from_problem(problem: Problem) -> Self {
        Error(Box::new(Inner::Problem { problem, source: None, allow: None }))
    }

    /// Adds a field at fault.
    pub fn with_field(
        mut self,
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        if let Inner::Problem { problem, .. } = &mut *self.0 {
            problem.errors.push(FieldError {
                pointer: pointer.into(),
                code: code.into(),
                message: message.into(),
            });
        }
        self
    }

    /// Sets the facts a program can act on.
    pub fn with_params(mut self, params: Value) -> Self {
        if let Inner::Problem { problem, .. } = &mut *self.0 {
            problem.params = Some(params);
        }
        self
    }

    /// Tells the caller to wait this long before trying again.
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        if let Inner::Problem { problem, .. } = &mut *self.0 {
            problem.retry_after_s = Some(seconds);
        }
        self
    }

    /// Keeps the cause for the log.
    pub fn with_source(mut self, cause: impl Into<Cause>) -> Self {
        if let Inner::Problem { source, .. } = &mut *self.0 {
            *source = Some(cause.into());
        }
        self
    }

    /// The stable code, such as `insufficient_stock`.
    pub fn code(&self) -> &str {
        match &*self.0 {
            Inner::Problem { problem, .. } => &problem.code,
            Inner::Replay(_) => "replay",
        }
    }

    /// What went wrong, for a person.
    pub fn detail(&self) -> &str {
        match &*self.0 {
            Inner::Problem { problem, .. } => &problem.detail,
            Inner::Replay(_) => "",
        }
    }

    /// The fields at fault.
    pub fn fields(&self) -> &[FieldError] {
        match &*self.0 {
            Inner::Problem { problem, .. } => &problem.errors,
            Inner::Replay(_) => &[],
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match &*self.0 {
            Inner::Problem { problem, .. } => problem.status,
            Inner::Replay(reply) => reply.status(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Inner::Problem { problem, .. } => write!(f, "{}: {}", problem.code, problem.detail),
            Inner::Replay(_) => f.write_str("the stored answer to a repeated request"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Inner::Problem { source, .. } => {
                source.as_ref().map(|s| &**s as &(dyn std::error::Error + 'static))
            }
            Inner::Replay(_) => None,
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let (problem, allow) = match &*self.0 {
            Inner::Problem { problem, allow, .. } => (problem, allow),
            Inner::Replay(reply) => return reply.to_response(),
        };
        if problem.code == TRANSACTION_ABORTED {
            tracing::warn!(code = %problem.code, error = ?self, "transaction aborted");
        } else if problem.status >= 500 {
            tracing::error!(code = %problem.code, error = ?self, "request failed");
        }
        let mut problem = problem.clone();
        if problem.request_id.is_none() {
            problem.request_id = ctx::current_request_id();
        }
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = problem.retry_after_s {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = allow {
            response.insert_header((ALLOW, allow.as_str()));
        }
        if matches!(problem.status, 408 | 413) {
            // What comes of the body is no request.
            response.force_close();
        }
        if problem.status == 401 {
            response.insert_header((WWW_AUTHENTICATE, challenge(&problem.code)));
        }
        // A problem is plain data: serialising it cannot fail.
        response.body(serde_json::to_vec(&problem).unwrap_or_default())
    }
}

/// RFC 6750, section 3, and RFC 9470: what a client can do about it.
fn challenge(code: &str) -> &'static str {
    match code {
        "invalid_token" | "token_expired" | "session_ended" => {
            "Bearer realm=\"erp\", error=\"invalid_token\""
        }
        "step_up_required" => {
            "Bearer realm=\"erp\", error=\"insufficient_user_authentication\", max_age=300"
        }
        _ => "Bearer realm=\"erp\"",
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let unavailable = |code, detail| Error::unavailable(code, detail, 1);
        match kind_of(&error) {
            Failure::Busy => unavailable("database_busy", "the database is busy, try again"),
            Failure::Lost => unavailable(
                "database_unavailable",
                "the database cannot be reached; repeat the request with the same Idempotency-Key",
            ),
            Failure::Aborted => return Error::aborted(error),
            Failure::Ours => return Error::internal(error),
        }
        .with_source(error)
    }
}

/// What a failure of the database means to the caller.
enum Failure {
    /// No connection, lock or answer in time.
    Busy,
    /// No connection at all, or one lost on the way: what was asked of it last may have
    /// been done.
    Lost,
    /// The database undid a transaction so that others could go on.
    Aborted,
    Ours,
}

fn kind_of(error: &DbErr) -> Failure {
    let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
        return match error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Failure::Busy,
            DbErr::ConnectionAcquire(_) => Failure::Lost,
            _ => Failure::Ours,
        };
    };
    let code = match cause {
        RuntimeErr::SqlxError(error) => error.as_database_error().and_then(|error| error.code()),
        RuntimeErr::Internal(_) => None,
    };
    match code.as_deref() {
        // SQLSTATE: serialization failure, deadlock. By construction there are none.
        Some("40001" | "40P01") => Failure::Aborted,
        // Too many connections, a lock or a statement that took too long; SQLITE_BUSY.
        Some("53300" | "55P03" | "57014" | "5" | "261" | "517") => Failure::Busy,
        _ if matches!(error, DbErr::Conn(_)) => Failure::Lost,
        _ => Failure::Ours,
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::internal(error)
    }
}

/// Turns a broken unique index into the conflict it means to the caller.
pub trait OrConflict<T> {
    /// `Err(conflict())` when a unique index refused the row.
    fn or_conflict(self, conflict: impl FnOnce() -> Error) -> Result<T>;
}

impl<T> OrConflict<T> for Result<T, DbErr> {
    fn or_conflict(self, conflict: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => conflict().with_source(error),
            _ => error.into(),
        })
    }
}

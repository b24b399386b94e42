//! In front of every module: who is it, may they, and are the headers right.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse, Url};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, IF_MATCH, USER_AGENT};
use actix_web::middleware::Next;
use actix_web::{Error as ActixError, HttpMessage, HttpRequest, ResponseError, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::ctx::{Actor, Ctx, IdempotencyKey, IfMatch, REQUEST, REQUEST_DEADLINE};
use crate::db::Db;
use crate::error::{Error, Result, TRANSACTION_ABORTED};
use crate::http::Omitted;
use crate::http::body::{self, MAX_BODY_BYTES, Rest, discard_body};
use crate::http::cookies::{self, ACCESS_COOKIE};
use crate::http::extract::{ReadBody, read_json};
use crate::http::operations::{Access, Operation, Operations};
use crate::metrics::Counter;
use crate::rate::{self, RateLimits, Verdict};
use crate::token::{Permissions, Scope, TokenVerifier};
use crate::trace::Trace;

/// Tries of a request whose transaction the database aborts, the first one included.
const ATTEMPTS: u32 = 4;
/// Longest wait before the second try; doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// How long the proof of who somebody is counts for what is dangerous.
pub(crate) const STEP_UP_S: i64 = 300;

/// What the guard of a module checks against.
pub struct Guard {
    pub operations: Operations,
    pub verifier: Arc<TokenVerifier>,
    pub db: Db,
    /// Requests done anew after the database aborted their transaction.
    pub retried: Counter,
    pub limits: Arc<RateLimits>,
    /// Longest silence in a body.
    pub body_timeout: Duration,
}

/// Middleware: finds the operation, checks the token, the permission and the headers,
/// and leaves a [`Ctx`] for the handler.
pub async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, ActixError> {
    let Some(guard) = request.app_data::<web::Data<Guard>>().cloned() else {
        return Err(Error::internal("a module is mounted without its guard").into());
    };
    let counting = Counting::begin(&guard.limits, &guard.verifier, request.request()).await;
    let (found, verdict) = match counting.check() {
        Ok(()) => {
            let found = identify(&guard, &request).await;
            let known = found.as_ref().ok().and_then(|(_, caller)| caller.counted);
            (found, counting.end(known).await)
        }
        Err(error) => (Err(error), counting.verdict),
    };
    let limit = verdict.as_ref().map_or(Ok(()), Verdict::check);
    let rest = Rest::default();
    let admitted = match limit.and(found) {
        Ok((operation, caller)) => admit(&guard, &mut request, &rest, operation, caller).await,
        Err(error) => Err(error),
    };
    let is_head = request.method() == Method::HEAD;
    let mut response = match admitted {
        Ok(ctx) => {
            if is_head {
                request.head_mut().method = Method::GET;
            }
            answer(&guard, request, ctx, &next).await?
        }
        Err(error) => {
            let mut payload = request.take_payload();
            discard_body(request.version(), &mut payload).await;
            rest.keep(payload);
            let response = error.answer(request.method());
            request.into_response(response).map_into_right_body()
        }
    };
    if is_head {
        response = response.map_body(|_, body| EitherBody::right(Omitted(body.size()).boxed()));
    }
    if let Some(verdict) = verdict {
        verdict.write(response.headers_mut());
    }
    Ok(rest.behind(response))
}

/// What is asked for, and by whom.
async fn identify<'a>(
    guard: &'a Guard,
    request: &ServiceRequest,
) -> Result<(&'a Operation, Caller)> {
    let operation = guard.operations.find(request.method(), request.path())?;
    let caller = match &operation.access {
        Access::Public => Caller::anonymous(),
        Access::SignedIn | Access::Permission(_) => {
            signed_in(request.method(), request.headers(), &guard.verifier).await?
        }
    };
    Ok((operation, caller))
}

/// A request being counted: once, for its caller, or for its address where nobody knows them.
pub(super) struct Counting<'a> {
    limits: &'a RateLimits,
    request: &'a HttpRequest,
    counts: bool,
    /// Its address, where that has been counted.
    pub(super) verdict: Option<Verdict>,
}

impl<'a> Counting<'a> {
    /// Whoever has a key that auth has to be asked about pays with their address before it is:
    /// otherwise every key that somebody makes up would be a call.
    pub(super) async fn begin(
        limits: &'a RateLimits,
        verifier: &TokenVerifier,
        request: &'a HttpRequest,
    ) -> Self {
        let counts = !limits.is_counted(request);
        let token = presented(request.headers()).ok().flatten();
        let verdict = match token.is_some_and(|token| verifier.is_unknown_key(token)) && counts {
            true => limits.count(limits.address(request)).await,
            false => None,
        };
        Counting { limits, request, counts, verdict }
    }

    /// Whether it is worth while to find out whose it is.
    pub(super) fn check(&self) -> Result<()> {
        self.verdict.as_ref().map_or(Ok(()), Verdict::check)
    }

    /// Counts it for whom it turned out to be.
    pub(super) async fn end(self, known: Option<rate::Caller>) -> Option<Verdict> {
        match known {
            _ if !self.counts => None,
            Some(caller) => self.limits.count(caller).await,
            None if self.verdict.is_some() => self.verdict,
            None => self.limits.count(self.limits.address(self.request)).await,
        }
    }
}

/// Lets the handler answer. This is the one place where a request is done anew whose
/// transaction the database aborted: nothing of it remains, and whatever it asked of other
/// modules is theirs to recognise.
async fn answer<B: MessageBody>(
    guard: &Guard,
    mut request: ServiceRequest,
    ctx: Ctx,
    next: &Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, ActixError> {
    let matched = request.match_info().clone();
    let mut attempt = 1;
    loop {
        request.extensions_mut().insert(ctx.clone());
        let response = next.call(request).await?;
        let error = response.response().error().and_then(|error| error.as_error::<Error>());
        let Some((code, status)) = error.map(|error| (error.code(), error.status())) else {
            return Ok(response.map_into_left_body());
        };
        if code == TRANSACTION_ABORTED && attempt < ATTEMPTS {
            let wait = FIRST_WAIT * 2u32.pow(attempt - 1);
            tokio::time::sleep(wait.mul_f32(rand::random())).await;
            attempt += 1;
            guard.retried.add(1);
            request = anew(response, &matched);
            continue;
        }
        // Somebody sent the same request at the same time, and what stands in the way may
        // be what that one did: then it is the answer to this one as well.
        if (400..500).contains(&status)
            && guard.db.has_many_writers()
            && let Err(error) = guard.db.answer_repeat(&ctx).await
            && error.status() < 500
        {
            let (request, _) = response.into_parts();
            let response = ServiceResponse::new(request, error.error_response());
            return Ok(response.map_into_right_body());
        }
        return Ok(response.map_into_left_body());
    }
}

/// The request as it was before anybody answered it.
fn anew<B>(response: ServiceResponse<B>, matched: &actix_web::dev::Path<Url>) -> ServiceRequest {
    let (request, _) = response.into_parts();
    let body = request.extensions_mut().remove::<ReadBody>();
    let payload = body.map_or(Payload::None, |body| Payload::from(body.0));
    let mut request = ServiceRequest::from_parts(request, payload);
    request.match_info_mut().clone_from(matched);
    request
}

async fn admit(
    guard: &Guard,
    request: &mut ServiceRequest,
    rest: &Rest,
    operation: &Operation,
    caller: Caller,
) -> Result<Ctx> {
    let records = match &operation.access {
        Access::Permission(permission) => match caller.permissions.scope(permission) {
            Some(scope) if scope == Scope::All || operation.keeps_scope => scope,
            _ => return Err(Error::forbidden(permission)),
        },
        Access::SignedIn | Access::Public => Scope::All,
    };
    if operation.needs_step_up {
        check_step_up(caller.authenticated_at)?;
    }
    check_query(request, operation)?;
    if !request.method().is_safe() {
        check_body(guard, request, rest, operation).await?;
    }
    let headers = request.headers();
    let scope = REQUEST.try_with(|scope| (scope.request_id.clone(), scope.trace.clone()));
    let (request_id, trace) =
        scope.unwrap_or_else(|_| (Uuid::now_v7().to_string().into(), Trace::begin()));
    Ok(Ctx {
        idempotency: idempotency_key(request, headers, operation, &caller)?,
        // What is only read may have any version.
        if_match: match request.method().is_safe() {
            true => None,
            false => if_match(headers, operation)?,
        },
        reason: reason(headers)?,
        actor: caller.actor,
        permissions: Arc::new(caller.permissions),
        scope: records,
        session_id: caller.session_id,
        authenticated_at: caller.authenticated_at,
        address: Some(guard.limits.client_address(request.request())),
        device: device(headers),
        request_id,
        trace,
        operation: operation.id.clone(),
        deadline: Instant::now() + REQUEST_DEADLINE,
        causation_id: None,
        fence: None,
    })
}

/// Refuses a body for its length, its encoding or for being there at all, and sees to it that it
/// comes in time.
async fn check_body(
    guard: &Guard,
    request: &mut ServiceRequest,
    rest: &Rest,
    operation: &Operation,
) -> Result<()> {
    let length = body::announced(request.headers());
    if !operation.takes_file && length.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(body::too_large(MAX_BODY_BYTES as u64));
    }
    let payload = body::in_time(request.take_payload(), guard.body_timeout, rest);
    if operation.takes_body {
        body::check_encoding(request.headers())?;
        request.set_payload(payload);
        return Ok(());
    }
    let body = body::read_body(payload).await?;
    if body.is_empty() { Ok(()) } else { read_json::<Option<Nothing>>(&body).map(drop) }
}

/// The body of an operation that takes none, from whoever always sends one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A parameter the operation does not know is a mistake that would go unnoticed, such as a
/// filter that does not filter.
fn check_query(request: &ServiceRequest, operation: &Operation) -> Result<()> {
    let query = request.query_string().as_bytes();
    for (name, _) in form_urlencoded::parse(query) {
        if !operation.query.iter().any(|known| *known == name) {
            let detail = format!("there is no parameter {name}");
            return Err(Error::bad_request("invalid_query", &detail).with_field(
                format!("?{name}"),
                "unknown_field",
                detail,
            ));
        }
    }
    Ok(())
}

pub(super) struct Caller {
    pub(super) actor: Actor,
    pub(super) permissions: Permissions,
    session_id: Option<Uuid>,
    authenticated_at: Option<DateTime<Utc>>,
    /// Against whose limit their requests count; that of their address if nobody's.
    pub(super) counted: Option<rate::Caller>,
}

impl Caller {
    pub(super) fn anonymous() -> Self {
        Caller {
            actor: Actor::anonymous(),
            permissions: Permissions::none(),
            session_id: None,
            authenticated_at: None,
            counted: None,
        }
    }
}

/// Who the token of the header or, where there is none, of the cookie names.
pub(super) async fn signed_in(
    method: &Method,
    headers: &HeaderMap,
    verifier: &TokenVerifier,
) -> Result<Caller> {
    let token = presented(headers)?
        .ok_or_else(|| Error::unauthenticated("token_required", "this needs an access token"))?;
    let claims = verifier.verify(token).await?;
    if !headers.contains_key(AUTHORIZATION) {
        cookies::check_csrf(method, headers, &claims)?;
    }
    Ok(Caller {
        actor: Actor { kind: "user".into(), id: Some(claims.sub), name: claims.name.clone() },
        permissions: Permissions::new(claims.permissions.clone()),
        session_id: Some(claims.sid),
        authenticated_at: claims.authenticated_at(),
        counted: Some(match claims.per_s {
            // Each key has a limit of its own.
            Some(per_s) => rate::Caller::Key(claims.sid, per_s),
            None => rate::Caller::User(claims.sub),
        }),
    })
}

/// The token of the header or, where there is none, of the cookie.
fn presented(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Ok(cookies::read(headers, ACCESS_COOKIE));
    };
    match header.to_str().unwrap_or_default().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Error::unauthenticated(
            "invalid_token",
            "the Authorization header must be: Bearer <access token>",
        )),
    }
}

/// RFC 9470: what is dangerous is for whoever proved a moment ago who they are, not for
/// whoever finds an open session.
pub(crate) fn check_step_up(authenticated_at: Option<DateTime<Utc>>) -> Result<()> {
    let limit = TimeDelta::seconds(STEP_UP_S);
    if authenticated_at.is_some_and(|at| Utc::now() - at <= limit) {
        return Ok(());
    }
    let detail = format!("this needs somebody who proved in the last {STEP_UP_S} s who they are");
    Err(Error::unauthenticated("step_up_required", detail))
}

/// Nothing that is not printable, and no more than a line.
fn device(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?.trim();
    let text = text.get(..text.len().min(200))?;
    (!text.is_empty()).then(|| text.into())
}

fn idempotency_key(
    request: &ServiceRequest,
    headers: &HeaderMap,
    operation: &Operation,
    caller: &Caller,
) -> Result<Option<IdempotencyKey>> {
    let Some(value) = headers.get("Idempotency-Key") else {
        if operation.needs_idempotency_key {
            return Err(header_error(
                400,
                "idempotency_key_required",
                "Idempotency-Key",
                "this operation needs an Idempotency-Key header",
            ));
        }
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| is_idempotency_key(key)).ok_or_else(|| {
        header_error(
            400,
            "invalid_idempotency_key",
            "Idempotency-Key",
            "an Idempotency-Key has 1 to 255 printable ASCII characters",
        )
    })?;
    let principal = caller.actor.id.map(|id| id.to_string()).unwrap_or_default();
    Ok(Some(IdempotencyKey {
        key: key.into(),
        scope: format!("{principal} {} {}", request.method(), request.path()).into(),
        body_hash: Arc::new(OnceLock::new()),
    }))
}

/// As the document's pattern has it: no blanks.
fn is_idempotency_key(key: &str) -> bool {
    (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn if_match(headers: &HeaderMap, operation: &Operation) -> Result<Option<IfMatch>> {
    let mut values = headers.get_all(IF_MATCH).map(|value| value.to_str().unwrap_or("?"));
    let Some(first) = values.next() else {
        if operation.needs_if_match {
            return Err(header_error(
                428,
                "if_match_required",
                "If-Match",
                "this operation needs an If-Match header with the version it was meant for",
            ));
        }
        return Ok(None);
    };
    if first.trim() == "*" {
        return Ok(Some(IfMatch::Any));
    }
    let text = values.fold(first.to_owned(), |list, more| list + "," + more);
    versions(&text).map(|versions| Some(IfMatch::Versions(versions.into()))).ok_or_else(|| {
        header_error(
            400,
            "invalid_if_match",
            "If-Match",
            "If-Match must be an ETag this API gave, such as \"v3\", or *",
        )
    })
}

/// The versions that a list of tags names (RFC 9110, section 13.1.1). One that is weak or not of
/// ours is the tag of nothing here.
fn versions(list: &str) -> Option<Vec<i64>> {
    let blank = |c| matches!(c, ' ' | '\t');
    let mut rest = list.trim_matches(blank);
    let mut versions = Vec::new();
    loop {
        let (is_weak, tag) = match rest.strip_prefix("W/") {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        let (tag, more) = tag.strip_prefix('"')?.split_once('"')?;
        let version = tag.strip_prefix('v').and_then(|digits| digits.parse::<i64>().ok());
        versions.extend(version.filter(|version| !is_weak && tag == format!("v{version}")));
        match more.trim_start_matches(blank) {
            "" => return Some(versions),
            more => rest = more.strip_prefix(',')?.trim_start_matches(blank),
        }
    }
}

fn reason(headers: &HeaderMap) -> Result<Option<Arc<str>>> {
    let Some(value) = headers.get("X-Reason") else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|reason| (1..=500).contains(&reason.len()))
        .map(|reason| Some(reason.into()))
        .ok_or_else(|| {
            header_error(
                400,
                "invalid_reason",
                "X-Reason",
                "X-Reason has 1 to 500 printable ASCII characters",
            )
        })
}

fn header_error(status: u16, code: &'static str, header: &str, detail: &str) -> Error {
    Error::new(status, code, detail).with_field(format!("@{header}"), code, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_tags_names_the_versions_among_them() {
        for (list, expected) in [
            ("\"v3\"", Some(vec![3])),
            (" \"v1\", \"v2\",\"v30\" ", Some(vec![1, 2, 30])),
            ("W/\"v3\"", Some(vec![])),
            ("\"abc\", \"v03\", \"v\", \"a,b\", \"v4\"", Some(vec![4])),
            ("\"v99999999999999999999\"", Some(vec![])),
            ("", None),
            ("v3", None),
            ("3", None),
            ("\"v3", None),
            ("\"v3\" \"v4\"", None),
            ("*, \"v3\"", None),
        ] {
            assert_eq!(versions(list), expected, "{list}");
        }
    }
}

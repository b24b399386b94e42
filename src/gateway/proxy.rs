//! A row of the routing table whose module runs elsewhere.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use hyper::body::Incoming;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response};
use hyper_util::client::legacy;
use kernel::http::discard_body;
use kernel::{Error, Result};

use crate::gateway::body::{self, End, Outgoing, Progress, Upload};
use crate::gateway::client::{Clients, HttpClient};
use crate::gateway::table::{Gateway, Row};
use crate::gateway::upstream::Upstream;
use crate::gateway::{answer, headers, tunnel};

/// Tries of a request that may be sent again, the first one included.
const ATTEMPTS: usize = 3;
/// Wait before the same upstream is asked again.
const RETRY_AFTER: Duration = Duration::from_millis(25);

/// Everything that is not answered in this process: 404 where no row is for it.
pub async fn route(
    request: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
    clients: Data<Rc<Clients>>,
) -> Result<HttpResponse> {
    let nothing = || Error::new(404, "no_such_path", format!("nothing is at {}", request.path()));
    let row = gateway.table().find(request.path()).cloned().ok_or_else(nothing)?;
    if leads_upward(request.uri().path()) {
        return Err(nothing());
    }
    let (verdict, admitted) = row.gate.check(&request).await;
    let answer = match admitted {
        Ok(()) => forward(&request, payload, &row, &clients, &gateway).await,
        Err(error) => {
            discard_body(request.version(), &mut payload.into_inner()).await;
            Err(error)
        }
    };
    let mut response = answer.unwrap_or_else(|error| error.error_response());
    if let Some(verdict) = verdict {
        verdict.write(response.headers_mut());
    }
    Ok(response)
}

/// Whether an upstream might take the path for one above its row's prefix.
fn leads_upward(path: &str) -> bool {
    if !path.contains("/.") && !path.contains(['%', '\\']) {
        return false;
    }
    let path = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/");
    let path = path.replace("%5c", "/").replace('\\', "/");
    path.split('/').any(|segment| segment == "." || segment == "..")
}

/// What is sent, as often as need be.
pub struct Head {
    pub method: Method,
    pub path_and_query: PathAndQuery,
    pub headers: hyper::HeaderMap,
}

impl Head {
    pub fn of(request: &HttpRequest, row: &Row) -> Result<Head> {
        let bad = |_| Error::bad_request("bad_request_line", "the request line cannot be read");
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        Ok(Head {
            method: Method::from_bytes(request.method().as_str().as_bytes())
                .map_err(|_| Error::bad_request("bad_method", "unknown method"))?,
            path_and_query: path.parse().map_err(bad)?,
            headers: headers::of_request(request, row.gate.limits.trusts(request)),
        })
    }

    pub fn to(&self, upstream: &Upstream, body: Outgoing) -> Result<Request<Outgoing>> {
        let uri = upstream.uri(&self.path_and_query).unwrap_or_default();
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    /// Whether a second arrival does no harm and is answered like the first.
    fn is_repeatable(&self) -> bool {
        match self.method {
            Method::GET | Method::HEAD | Method::OPTIONS => true,
            _ if self.headers.contains_key("idempotency-key") => true,
            // The version asked for is gone once the first has arrived.
            Method::PUT | Method::DELETE => !self.headers.contains_key("if-match"),
            _ => false,
        }
    }
}

/// Why there is no answer.
pub enum Failure {
    /// Nobody is there: nothing was sent.
    Unsent(legacy::Error),
    /// It was sent, and what became of it is not known.
    Lost(legacy::Error),
    TooLate,
    /// The caller is at fault, or the upstream busy.
    Refused(Error),
}

/// Sends the request on and streams the answer back.
async fn forward(
    request: &HttpRequest,
    payload: Payload,
    row: &Row,
    clients: &Clients,
    gateway: &Gateway,
) -> Result<HttpResponse> {
    let head = Head::of(request, row)?;
    if headers::asks_for_websocket(request) {
        return tunnel::open(head, payload, row, clients).await;
    }
    let mut body = body::Incoming::of(request, payload, row).await?;
    let _waiting = row.wait()?;
    let until = Instant::now() + row.timeout;
    let mut tried: Vec<Arc<Upstream>> = Vec::new();
    loop {
        let upstream = match row.upstreams.pick(&tried) {
            Ok(upstream) => upstream,
            Err(wait) => return Err(absent(row, wait)),
        };
        if tried.iter().any(|one| Arc::ptr_eq(one, &upstream)) {
            tokio::time::sleep(RETRY_AFTER).await;
        }
        let client = clients.of(&upstream);
        let (answer, rest) = match body {
            body::Incoming::Kept(kept) => {
                let request = head.to(&upstream, kept.clone().into())?;
                let answer = tokio::time::timeout_at(until.into(), client.request(request)).await;
                let answer = answer.map_or(Err(Failure::TooLate), |answer| answer.map_err(kind));
                (answer, Some(body::Incoming::Kept(kept)))
            }
            body::Incoming::Streamed(upload) => {
                let (answer, rest) = stream(&head, upload, &upstream, &client, row.timeout).await;
                (answer, rest.map(body::Incoming::Streamed))
            }
        };
        let failure = match answer {
            Ok(answer) => {
                upstream.breaker.succeeded();
                let is_head = head.method == Method::HEAD;
                return Ok(answer::pass_on(answer, is_head, row.idle_timeout));
            }
            Err(Failure::Refused(error)) => return Err(error),
            Err(failure) => failure,
        };
        upstream.breaker.failed();
        gateway.count_failure(&row.route.module, failure.name());
        tried.push(upstream);
        let again = match &failure {
            Failure::Unsent(_) => true,
            Failure::Lost(_) => head.is_repeatable(),
            Failure::TooLate | Failure::Refused(_) => false,
        };
        body = match rest {
            Some(rest) if again && tried.len() < ATTEMPTS && Instant::now() < until => rest,
            _ => return Err(failure.problem(row)),
        };
        gateway.count_retry(&row.route.module);
    }
}

/// Sends a body as it comes. It may still come when the answer has begun, and is there to be
/// sent again only if nothing of it was.
async fn stream(
    head: &Head,
    upload: Upload,
    upstream: &Upstream,
    client: &HttpClient,
    limit: Duration,
) -> (Result<Response<Incoming>, Failure>, Option<Upload>) {
    let progress = upload.progress.clone();
    let (body, filling) = upload.start();
    let request = match head.to(upstream, body) {
        Ok(request) => request,
        Err(error) => return (Err(Failure::Refused(error)), None),
    };
    let mut filling = Box::pin(filling);
    let answer = late(client.request(request), progress, limit);
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => match answer {
            Ok(answer) => {
                actix_web::rt::spawn(filling);
                (Ok(answer), None)
            }
            Err(Failure::Unsent(error)) => match filling.await {
                End::Untouched(upload) => (Err(Failure::Unsent(error)), Some(upload)),
                _ => (Err(Failure::Lost(error)), None),
            },
            Err(failure) => (Err(failure), None),
        },
        end = &mut filling => match end {
            End::Refused(error) => (Err(Failure::Refused(error)), None),
            End::Untouched(upload) => (answer.await, Some(upload)),
            End::Sent | End::Unwanted => (answer.await, None),
        },
    }
}

/// The answer, unless neither it nor the body has come any further for too long.
async fn late(
    answer: impl Future<Output = Result<Response<Incoming>, legacy::Error>>,
    progress: Rc<Progress>,
    limit: Duration,
) -> Result<Response<Incoming>, Failure> {
    let mut answer = std::pin::pin!(answer);
    let mut until = Instant::now() + limit;
    loop {
        if let Ok(answer) = tokio::time::timeout_at(until.into(), &mut answer).await {
            return answer.map_err(kind);
        }
        until = progress.at() + limit;
        if until <= Instant::now() {
            return Err(match progress.awaits_caller() {
                true => Failure::Refused(body::too_slow()),
                false => Failure::TooLate,
            });
        }
    }
}

pub fn kind(error: legacy::Error) -> Failure {
    if error.is_connect() { Failure::Unsent(error) } else { Failure::Lost(error) }
}

/// 503: nobody is to be asked now.
pub fn absent(row: &Row, wait: Duration) -> Error {
    let wait_s = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
    Error::unavailable("module_unavailable", unanswered(row), wait_s)
}

fn unanswered(row: &Row) -> String {
    format!("{} did not answer", row.route.module)
}

impl Failure {
    fn name(&self) -> &'static str {
        match self {
            Failure::Unsent(_) => "unavailable",
            Failure::Lost(_) => "lost",
            Failure::TooLate => "timeout",
            Failure::Refused(_) => "refused",
        }
    }

    /// What the caller is told.
    pub fn problem(self, row: &Row) -> Error {
        let problem = |status, code| Error::new(status, code, unanswered(row)).with_retry_after(1);
        match self {
            Failure::Unsent(cause) => problem(503, "module_unavailable").with_source(cause),
            Failure::Lost(cause) => problem(502, "bad_gateway").with_source(cause),
            Failure::TooLate => {
                let detail = format!("{} in {} s", unanswered(row), row.timeout.as_secs());
                Error::new(504, "gateway_timeout", detail).with_retry_after(1)
            }
            Failure::Refused(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_upward_is_found_however_it_is_written() {
        for path in ["/a/../b", "/a/..", "/a/%2e%2E/b", "/a/..%2fb", "/a/.%2e%5cb", "/a/./b"] {
            assert!(leads_upward(path), "{path}");
        }
        for path in ["/a/b", "/a/.well-known", "/a/b..c", "/a/%C3%A9", "/a/..b"] {
            assert!(!leads_upward(path), "{path}");
        }
    }
}

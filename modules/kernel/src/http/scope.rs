//! Around every request: its id, its span, its statement count.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::Error as ActixError;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use tracing::Instrument;
use uuid::Uuid;

use crate::ctx::{REQUEST, RequestScope};
use crate::trace::Trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// SQL statements the request cost in this process. A figure to watch in
/// development and to test against; it tells a stranger nothing of the data.
const STATEMENTS: HeaderName = HeaderName::from_static("x-db-statements");

/// Outermost middleware: names the request, logs it once, and lets errors and the
/// statement count find it.
pub async fn request_scope(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let request_id: Arc<str> = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_request_id(id))
        .map_or_else(|| Uuid::now_v7().to_string().into(), Into::into);
    let trace = Trace::of(request.headers().get("traceparent"));
    let span = tracing::info_span!(
        "request",
        request.id = %request_id,
        trace.id = %trace.trace_id(),
        http.method = %request.method(),
        http.path = %request.path(),
    );
    let scope = Arc::new(RequestScope::traced(request_id.clone(), trace));
    let started = Instant::now();
    let answer = async {
        let response = next.call(request).await;
        scope.settled().await;
        let mut response = response?;
        let statements = scope.statements.load(Ordering::Relaxed);
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            headers.insert(REQUEST_ID, value);
        }
        // What comes from elsewhere was counted there.
        if !headers.contains_key(STATEMENTS) {
            headers.insert(STATEMENTS, statements.into());
        }
        tracing::info!(
            http.status = response.status().as_u16(),
            duration_us = started.elapsed().as_micros() as u64,
            db.statements = statements,
            "answered"
        );
        Ok(response)
    };
    REQUEST.scope(scope.clone(), answer.instrument(span)).await
}

/// A caller may bring its own id: 8 to 64 characters of a harmless alphabet.
fn is_request_id(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

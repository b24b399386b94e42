//! A row of the routing table whose module runs elsewhere.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::TryStreamExt;
use kernel::http::{MAX_BODY_BYTES, read_body};
use kernel::{Error, Result};
use reqwest::Client;

/// Headers that concern one connection only (RFC 9110, section 7.6.1), and `host`.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A module's API in another process.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub module: &'static str,
    pub url: String,
    pub client: Client,
}

/// Sends the request on and streams the answer back.
pub async fn forward(
    request: HttpRequest,
    payload: Payload,
    upstream: Data<Upstream>,
) -> Result<HttpResponse> {
    let target = format!(
        "{}{}",
        upstream.url.trim_end_matches('/'),
        request.uri().path_and_query().map_or("/", |p| p.as_str())
    );
    let body = read_body(payload.into_inner()).await?;
    debug_assert!(body.len() <= MAX_BODY_BYTES);
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
        .map_err(|_| Error::bad_request("bad_method", "unknown method"))?;
    let mut outgoing = upstream
        .client
        .request(method, target)
        .timeout(kernel::ctx::REQUEST_DEADLINE)
        .body(body.freeze());
    for (name, value) in request.headers() {
        // Who the caller is, a module learns from the token alone.
        let name = name.as_str();
        let is_ours = name == "content-length" || name == "x-forwarded-for";
        if !HOP_BY_HOP.contains(&name) && !is_ours && !name.starts_with("x-erp-") {
            outgoing = outgoing.header(name, value.as_bytes());
        }
    }
    if let Some(way) = way(&request) {
        outgoing = outgoing.header("x-forwarded-for", way);
    }
    if let Ok(id) = kernel::ctx::REQUEST.try_with(|scope| scope.request_id.to_string()) {
        outgoing = outgoing.header("x-request-id", id);
    }
    let answer = outgoing.send().await.map_err(|error| {
        Error::unavailable("module_unavailable", format!("{} did not answer", upstream.module), 1)
            .with_source(error)
    })?;
    let status =
        StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers() {
        if HOP_BY_HOP.contains(&name.as_str()) {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.append_header((name, value));
        }
    }
    let stream = answer.bytes_stream().map_err(std::io::Error::other);
    Ok(response.streaming(stream))
}

/// The addresses the request came by, ours to say the last of them.
fn way(request: &HttpRequest) -> Option<String> {
    let peer = request.peer_addr()?.ip().to_string();
    let before = request.headers().get_all("x-forwarded-for").filter_map(|v| v.to_str().ok());
    Some(before.chain([peer.as_str()]).collect::<Vec<_>>().join(", "))
}

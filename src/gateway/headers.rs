//! Which headers go on, and what is said of the way a request came.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use hyper::http;
use hyper::http::HeaderValue;
use hyper::http::header::{CONNECTION, HeaderName, UPGRADE};

/// Headers that concern one connection only (RFC 9110, section 7.6.1), and those that whoever
/// sends the message writes anew.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a caller could use to pretend to be somebody, or to have come some other way. Set
/// anew where we say it; who the caller is, a module learns from the token alone.
const IDENTITY: &[&str] = &["forwarded", "x-real-ip", "x-remote-user", "x-original-url"];
const IDENTITY_PREFIXES: &[&str] =
    &["x-forwarded-", "x-erp-", "dapr-", "x-ms-client-principal", "x-original-"];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The headers that go on with a request. `is_trusted`: whoever sent it is a proxy of ours,
/// and what it says of the way is kept.
pub fn of_request(request: &HttpRequest, is_trusted: bool) -> http::HeaderMap {
    let given = request.headers();
    let named = named_by_connection(given);
    let mut headers = http::HeaderMap::with_capacity(given.len() + 6);
    for (name, value) in given {
        let name = name.as_str();
        if is_hop_by_hop(name, &named) || is_identity(name) || name == "traceparent" {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    set_way(&mut headers, request, is_trusted);
    let _ = kernel::ctx::REQUEST.try_with(|scope| {
        set(&mut headers, REQUEST_ID, &scope.request_id);
        set(&mut headers, TRACEPARENT, scope.trace.traceparent());
    });
    headers
}

/// Adds what asks for a WebSocket.
pub fn ask_for_upgrade(headers: &mut http::HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Puts the headers of an answer that go on into `headers`.
pub fn of_answer(given: &http::HeaderMap, headers: &mut HeaderMap) {
    let named = match given.contains_key(CONNECTION) {
        true => list(given.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok())),
        false => Vec::new(),
    };
    for (name, value) in given {
        let name = name.as_str();
        // What our services say to each other stays among them.
        if is_hop_by_hop(name, &named) || name.starts_with("x-erp-") {
            continue;
        }
        let name = actix_web::http::header::HeaderName::from_bytes(name.as_bytes());
        let value = actix_web::http::header::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
}

/// Whether the request asks for a WebSocket; no other protocol is passed through.
pub fn asks_for_websocket(request: &HttpRequest) -> bool {
    let headers = request.headers();
    request.version() == actix_web::http::Version::HTTP_11
        && headers.get("upgrade").is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && named_by_connection(headers).iter().any(|name| name == "upgrade")
}

fn is_hop_by_hop(name: &str, named: &[String]) -> bool {
    HOP_BY_HOP.contains(&name) || named.iter().any(|other| other == name)
}

fn is_identity(name: &str) -> bool {
    IDENTITY.contains(&name) || IDENTITY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    match headers.contains_key("connection") {
        true => list(headers.get_all("connection").filter_map(|value| value.to_str().ok())),
        false => Vec::new(),
    }
}

fn list<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// Says by which addresses, under what name and by what protocol the request came; the peer
/// is ours to say.
fn set_way(headers: &mut http::HeaderMap, request: &HttpRequest, is_trusted: bool) {
    let given = |name: &str| {
        request.headers().get_all(name).filter(|_| is_trusted).filter_map(|v| v.to_str().ok())
    };
    let mut way: Vec<String> = given("x-forwarded-for").map(ToOwned::to_owned).collect();
    way.extend(request.peer_addr().map(|peer| peer.ip().to_string()));
    set(headers, FORWARDED_FOR, &way.join(", "));
    let proto = given("x-forwarded-proto").last().unwrap_or("http");
    set(headers, FORWARDED_PROTO, proto);
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    if let Some(host) = given("x-forwarded-host").last().or(host) {
        set(headers, FORWARDED_HOST, host);
    }
}

fn set(headers: &mut http::HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn sent_on(given: &[(&'static str, &'static str)], is_trusted: bool) -> http::HeaderMap {
        let request = TestRequest::default().peer_addr(([192, 0, 2, 7], 1).into());
        let request = given.iter().fold(request, |request, header| request.append_header(*header));
        of_request(&request.to_http_request(), is_trusted)
    }

    #[test]
    fn what_concerns_the_connection_stays_there() {
        let headers = sent_on(
            &[
                ("connection", "keep-alive, X-One"),
                ("connection", "x-two"),
                ("x-one", "1"),
                ("x-two", "2"),
                ("te", "trailers"),
                ("proxy-authorization", "secret"),
                ("x-three", "3"),
                ("x-three", "again"),
            ],
            false,
        );
        assert_eq!(headers.get_all("x-three").iter().count(), 2);
        for name in ["connection", "keep-alive", "x-one", "x-two", "te", "proxy-authorization"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }

    #[test]
    fn who_came_by_which_way_is_not_for_the_caller_to_say() {
        let given = [
            ("host", "api.example"),
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-client-cert", "somebody"),
            ("forwarded", "for=203.0.113.1"),
            ("x-erp-actor", "admin"),
            ("dapr-app-id", "orders"),
            ("x-ms-client-principal-name", "admin"),
            ("x-real-ip", "203.0.113.1"),
        ];
        let check = |is_trusted, expected: [&str; 3]| {
            let headers = sent_on(&given, is_trusted);
            let names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
            assert_eq!(names.map(|name| headers[name].to_str().expect("ASCII")), expected);
            for (name, _) in &given[4..] {
                assert!(!headers.contains_key(*name), "{name}");
            }
        };
        check(false, ["192.0.2.7", "http", "api.example"]);
        check(true, ["203.0.113.1, 192.0.2.7", "https", "shop.example"]);
    }
}

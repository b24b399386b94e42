//! What goes on with a request and an answer, and what is said anew.

use reqwest::Method;
use serde_json::{Value, json};

use super::Gateway;
use super::upstream::{Fault, Misbehaving, Upstream};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The values of a header that the upstream saw.
fn seen(echo: &Value, name: &str) -> Vec<String> {
    let headers = echo["headers"].as_array().expect("headers").iter();
    let values = headers.filter(|header| header[0] == name);
    values.map(|header| header[1].as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_says_of_themselves_and_their_way_is_said_anew() {
    let upstream = Upstream::start().await;
    let check = async |trusted: Value, expected: [&str; 3]| {
        let gateway = Gateway::start(&[
            ("gateway.routes.test.url", json!(upstream.url)),
            ("rate_limit.trusted_proxies", trusted),
        ])
        .await;
        let host = gateway.base.trim_start_matches("http://").to_owned();
        let request = gateway
            .request(Method::GET, "/test/echo")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "api.example")
            .header("forwarded", "for=203.0.113.9")
            .header("x-erp-actor", "somebody")
            .header("dapr-app-id", "orders")
            .header("x-ms-client-principal-id", "admin")
            .header("connection", "x-private, keep-alive")
            .header("x-private", "1")
            .header("te", "trailers")
            .header("x-kept", "1")
            .header("authorization", "Bearer abc");
        let answer = request.send().await.expect("an answer");
        // What our services say to each other stays among them.
        assert_eq!(answer.headers()["x-own"], "2");
        assert!(!answer.headers().contains_key("x-erp-internal"));
        let echo: Value = answer.json().await.expect("JSON");
        let expected = expected.map(|value| value.replace("HOST", &host));
        assert_eq!(seen(&echo, "x-forwarded-for"), [expected[0].clone()]);
        assert_eq!(seen(&echo, "x-forwarded-proto"), [expected[1].clone()]);
        assert_eq!(seen(&echo, "x-forwarded-host"), [expected[2].clone()]);
        assert_eq!(seen(&echo, "x-kept"), ["1"]);
        assert_eq!(seen(&echo, "authorization"), ["Bearer abc"]);
        let gone = [
            "forwarded",
            "x-erp-actor",
            "dapr-app-id",
            "x-ms-client-principal-id",
            "te",
            "x-private",
        ];
        for name in gone {
            assert!(seen(&echo, name).is_empty(), "{name}");
        }
        gateway.stop().await;
    };
    check(json!([]), ["127.0.0.1", "http", "HOST"]).await;
    check(json!(["127.0.0.0/8"]), ["203.0.113.9, 127.0.0.1", "https", "api.example"]).await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_says_of_its_connection_stays_there() {
    let upstream = Misbehaving::start(Fault::OfConnection).await;
    let gateway = Gateway::before(&[&upstream.url]).await;
    for _ in 0..2 {
        let answer = gateway.get("/test/echo").await;
        assert_eq!(answer.headers()["x-own"], "2");
        for name in ["x-hop", "keep-alive", "proxy-authenticate", "connection"] {
            assert!(!answer.headers().contains_key(name), "{name}");
        }
        assert_eq!(answer.text().await.expect("a body"), "ok");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id_and_its_trace_or_gets_one() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&[&upstream.url]).await;
    let ask = async |headers: &[(&str, &str)]| {
        let request = gateway.request(Method::GET, "/test/echo");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.expect("an answer");
        let id = answer.headers()["x-request-id"].to_str().expect("ASCII").to_owned();
        let echo: Value = answer.json().await.expect("JSON");
        assert_eq!(seen(&echo, "x-request-id"), std::slice::from_ref(&id));
        let traces = seen(&echo, "traceparent");
        assert_eq!(traces.len(), 1);
        (id, traces[0].clone())
    };
    let (id, trace) = ask(&[("x-request-id", "a-request-of-mine"), ("traceparent", TRACE)]).await;
    assert_eq!((id.as_str(), trace.as_str()), ("a-request-of-mine", TRACE));
    let mut made = Vec::new();
    for malformed in ["", "nonsense", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let (_, trace) = ask(&[("traceparent", malformed)]).await;
        assert!(trace.len() == 55 && trace.starts_with("00-"), "{trace}");
        made.push(trace);
    }
    made.dedup();
    assert_eq!(made.len(), 3, "{made:?}");
    gateway.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_what_the_table_names_is_reached() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&[&upstream.url]).await;
    for path in ["/", "/testing", "/internal/orders/x", "/dapr/subscribe", "/api/v1/nothing"] {
        super::problem(gateway.get(path).await, 404, "no_such_path").await;
    }
    // As they are: a client would have made them shorter.
    let address = gateway.base.trim_start_matches("http://").to_owned();
    for path in ["/test/../metrics", "/test/%2e%2e/metrics", "/test/..%2fmetrics"] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut caller = tokio::net::TcpStream::connect(&address).await.expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        caller.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.expect("read");
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    assert_eq!(upstream.seen.requests(), 0);
    gateway.stop().await;
    upstream.stop().await;
}

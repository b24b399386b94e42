//! Bodies pass through as they come, both ways, and have their limits.

use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::upstream::{BIG, Upstream, body_by_hand};
use super::{Gateway, eventually, problem};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_read_from_the_upstream_no_faster_than_the_caller_reads() {
    for http2 in [false, true] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::start(&[
            ("gateway.routes.test.url", json!(upstream.url)),
            ("gateway.routes.test.http2", json!(http2)),
        ])
        .await;
        let address = gateway.base.trim_start_matches("http://").to_owned();
        let mut caller = TcpStream::connect(address).await.expect("connected");
        caller.write_all(b"GET /test/big HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("asked");
        // Nobody reads; what is under way fills the buffers between, and then nothing moves.
        let produced = || upstream.seen.produced.load(Ordering::SeqCst);
        let mut before = usize::MAX;
        eventually("the upstream stops sending", async || {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let now = produced();
            let is_still = now > 0 && now == before;
            before = now;
            is_still
        })
        .await;
        assert!(produced() < 32 * MIB, "{} bytes are somewhere", produced());
        // And it is all there when somebody does.
        let mut whole = Vec::with_capacity(BIG);
        let mut piece = vec![0; MIB];
        while whole.len() < BIG {
            let read = caller.read(&mut piece).await.expect("read");
            assert!(read > 0, "{} of {BIG}", whole.len());
            whole.extend_from_slice(&piece[..read]);
        }
        assert!(produced() == BIG);
        drop(caller);
        gateway.stop().await;
        upstream.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_reaches_the_upstream_while_it_comes() {
    for http2 in [false, true] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::start(&[
            ("gateway.routes.test.url", json!(upstream.url)),
            ("gateway.routes.test.http2", json!(http2)),
            ("gateway.routes.test.max_body_bytes", json!(8 * MIB)),
        ])
        .await;
        let (pieces, body) = body_by_hand();
        let request = gateway.request(Method::POST, "/test/upload").body(body);
        let answer = tokio::spawn(request.send());
        for sent in 1..=4 {
            pieces.send(vec![1; MIB]).await.expect("taken");
            eventually("the piece arrives", async || {
                upstream.seen.received.load(Ordering::SeqCst) == sent * MIB
            })
            .await;
        }
        drop(pieces);
        let answer = answer.await.expect("ended").expect("an answer");
        assert_eq!(answer.json::<Value>().await.expect("JSON"), json!({ "received": 4 * MIB }));
        gateway.stop().await;
        upstream.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_does_not_pass_for_a_whole_one() {
    let upstream = Upstream::start().await;
    for http2 in [false, true] {
        let gateway = Gateway::start(&[
            ("gateway.routes.test.url", json!(upstream.url)),
            ("gateway.routes.test.http2", json!(http2)),
        ])
        .await;
        let address = gateway.base.trim_start_matches("http://").to_owned();
        let mut caller = TcpStream::connect(address).await.expect("connected");
        let head = "POST /test/upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        caller.write_all(head.as_bytes()).await.expect("sent");
        caller.write_all(b"5\r\nhello\r\n").await.expect("sent");
        let before = upstream.seen.broken.load(Ordering::SeqCst);
        eventually("it begins", async || upstream.seen.requests() > before).await;
        drop(caller);
        eventually("the upstream sees it break off", async || {
            upstream.seen.broken.load(Ordering::SeqCst) == before + 1
        })
        .await;
        gateway.stop().await;
    }
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_the_row_allows_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&[
        ("gateway.routes.test.url", json!(upstream.url)),
        ("gateway.routes.test.max_body_bytes", json!(MIB)),
    ])
    .await;
    // Announced: nothing of it is sent on.
    let request = gateway.request(Method::POST, "/test/upload").body(vec![0; MIB + 1]);
    problem(request.send().await.expect("an answer"), 413, "body_too_large").await;
    assert_eq!(upstream.seen.requests(), 0);
    // Not announced: it is found when it comes, and the upstream does not take it for whole.
    let (pieces, body) = body_by_hand();
    let answer = tokio::spawn(gateway.request(Method::POST, "/test/upload").body(body).send());
    for _ in 0..3 {
        // Nobody may be there for the last.
        let _ = pieces.send(vec![0; MIB / 2]).await;
    }
    drop(pieces);
    problem(answer.await.expect("ended").expect("an answer"), 413, "body_too_large").await;
    eventually("it breaks off there", async || upstream.seen.broken.load(Ordering::SeqCst) == 1)
        .await;
    // What just fits, fits.
    let request = gateway.request(Method::POST, "/test/upload").body(vec![0; MIB]);
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    gateway.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_stream_of_events_arrives_event_by_event() {
    for http2 in [false, true] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::start(&[
            ("gateway.routes.test.url", json!(upstream.url)),
            ("gateway.routes.test.http2", json!(http2)),
            // Waiting for the answer to begin has a limit, and going on with it does not.
            ("gateway.routes.test.timeout_s", json!(1)),
        ])
        .await;
        let answer = gateway.get("/test/events").await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut pieces = answer.bytes_stream();
        for number in 0..5 {
            let piece = pieces.next().await.expect("an event").expect("whole");
            assert_eq!(piece, format!("data: {number}\n\n"));
            upstream.seen.go.notify_one();
        }
        drop(pieces);
        gateway.stop().await;
        upstream.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_keep_their_length_and_end() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&[&upstream.url]).await;
    let whole = gateway.get("/test/echo").await;
    let length = whole.headers()["content-length"].clone();
    let head = gateway.request(Method::HEAD, "/test/echo").send().await.expect("an answer");
    assert_eq!(
        (head.status().as_u16(), head.headers().contains_key("content-length")),
        (200, true)
    );
    assert_ne!(length, "0");
    assert_eq!(head.bytes().await.expect("no body").len(), 0);
    for status in [204, 304] {
        let answer = gateway.get(&format!("/test/status/{status}")).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["etag"]),
            (status, &"\"v1\"".parse().expect("a value"))
        );
    }
    // The connection was good for all of them.
    assert_eq!(gateway.get("/test/echo").await.status(), 200);
    gateway.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_speaks_http_1_1_and_http_2_and_so_do_we_to_upstreams() {
    let upstream = Upstream::start().await;
    for (http2, expected) in [(false, "HTTP/1.1"), (true, "HTTP/2.0")] {
        let gateway = Gateway::start(&[
            ("gateway.routes.test.url", json!(upstream.url)),
            ("gateway.routes.test.http2", json!(http2)),
        ])
        .await;
        let h2 = Client::builder().http2_prior_knowledge().build().expect("a client");
        for (client, version) in
            [(&gateway.client, reqwest::Version::HTTP_11), (&h2, reqwest::Version::HTTP_2)]
        {
            let request = client.post(format!("{}/test/echo?a=b%20c", gateway.base)).body("hello");
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.version(), version);
            let seen: Value = answer.json().await.expect("JSON");
            assert_eq!(seen["version"], expected);
            assert_eq!(seen["path"], "/test/echo?a=b%20c");
            assert_eq!(seen["body"], "hello");
        }
        gateway.stop().await;
    }
    upstream.stop().await;
}

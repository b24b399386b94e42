//! WebSockets pass through.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::upstream::{Fault, Misbehaving, Upstream};
use super::{Gateway, problem};

const ASK: &str = "GET /test/socket HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

pub async fn ask(gateway: &Gateway) -> (TcpStream, String) {
    let address = gateway.base.trim_start_matches("http://");
    let mut caller = TcpStream::connect(address).await.expect("connected");
    caller.write_all(ASK.as_bytes()).await.expect("asked");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(caller.read_u8().await.expect("a head"));
    }
    (caller, String::from_utf8(head).expect("ASCII").to_ascii_lowercase())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_either_end_says_reaches_the_other_at_once() {
    let upstream = Upstream::start().await;
    // It is over HTTP/1.1, whatever else the upstream is spoken to in.
    for http2 in [false, true] {
        let gateway = Gateway::start(&[
            ("gateway.routes.test.url", json!(upstream.url)),
            ("gateway.routes.test.http2", json!(http2)),
            // For the answer to begin, not for all of it.
            ("gateway.routes.test.timeout_s", json!(1)),
        ])
        .await;
        let (mut caller, head) = ask(&gateway).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        for size in [1, 100, 300_000] {
            // Bytes that are no text: whatever the frames hold.
            let said: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let (mut from, mut to) = caller.split();
            let mut heard = vec![0; size];
            let (sent, read) = tokio::join!(to.write_all(&said), from.read_exact(&mut heard));
            sent.expect("sent");
            read.expect("heard");
            assert!(said == heard);
        }
        // When one end is closed the other is, too.
        caller.shutdown().await.expect("closed");
        assert_eq!(caller.read(&mut [0; 1]).await.expect("the end"), 0);
        gateway.stop().await;
    }
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_on_which_nothing_is_said_is_closed() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&[
        ("gateway.routes.test.url", json!(upstream.url)),
        ("gateway.idle_timeout_s", json!(1)),
    ])
    .await;
    let (mut caller, _) = ask(&gateway).await;
    assert_eq!(caller.read(&mut [0; 1]).await.expect("the end"), 0);
    gateway.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_socket_says_so() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&[&upstream.url]).await;
    assert_eq!(gateway.get("/test/socket").await.status(), 426);
    gateway.stop().await;
    upstream.stop().await;
    let gone = Misbehaving::start(Fault::Close).await;
    let gateway = Gateway::before(&[&gone.url]).await;
    let (_, head) = ask(&gateway).await;
    assert!(head.starts_with("http/1.1 502 "), "{head}");
    problem(gateway.get("/test/socket").await, 502, "bad_gateway").await;
    gateway.stop().await;
}

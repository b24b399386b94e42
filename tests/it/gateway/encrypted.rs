//! Upstreams that speak TLS.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::upgrade::ask;
use super::upstream::Upstream;
use super::{Gateway, eventually, problem};
use crate::cli::{Dir, complaint, erp};

/// What stands before an upstream and speaks TLS for it, with a certificate for `localhost`
/// that nobody knows.
struct Encrypted {
    url: String,
    certificate: PathBuf,
    task: JoinHandle<()>,
    _dir: Dir,
}

impl Encrypted {
    /// Offering these protocols.
    async fn before(upstream: &Upstream, protocols: &[&str]) -> Encrypted {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let dir = Dir::new();
        let certificate = dir.0.join("certificate.pem");
        std::fs::write(&certificate, cert.pem()).expect("written");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_no_client_auth()
            .with_single_cert(vec![cert.into()], key)
            .expect("they fit");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("bound").port());
        let address = upstream.address;
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut outside = acceptor.accept(connection).await?;
                    let mut inside = TcpStream::connect(address).await?;
                    copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        Encrypted { url, certificate, task, _dir: dir }
    }

    async fn gateway(&self, more: &[(&str, Value)]) -> Gateway {
        let settings = [
            ("gateway.routes.test.url", json!(self.url)),
            ("gateway.tls_root_cert", json!(self.certificate)),
        ];
        Gateway::start(&[&settings, more].concat()).await
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_understand_is_spoken_over_tls() {
    let upstream = Upstream::start().await;
    for (offered, http2, spoken) in [
        (&["h2", "http/1.1"][..], true, "HTTP/2.0"),
        (&["h2", "http/1.1"], false, "HTTP/1.1"),
        (&["http/1.1"], true, "HTTP/1.1"),
        (&[], true, "HTTP/1.1"),
    ] {
        let encrypted = Encrypted::before(&upstream, offered).await;
        let gateway = encrypted.gateway(&[("gateway.routes.test.http2", json!(http2))]).await;
        for _ in 0..3 {
            let answer = gateway.get("/test/echo?x=%C3%A9").await;
            assert_eq!(answer.status(), 200);
            let seen: Value = answer.json().await.expect("JSON");
            assert_eq!(seen["version"], spoken, "{offered:?}");
            assert_eq!(seen["path"], "/test/echo?x=%C3%A9");
        }
        eventually("it is known to be there", async || {
            let ready: Value = gateway.get("/health/ready").await.json().await.expect("JSON");
            ready["status"] == "ok"
        })
        .await;
        gateway.stop().await;
    }
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_through_tls() {
    let upstream = Upstream::start().await;
    let encrypted = Encrypted::before(&upstream, &["h2", "http/1.1"]).await;
    let gateway = encrypted.gateway(&[("gateway.routes.test.http2", json!(true))]).await;
    let (mut caller, head) = ask(&gateway).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    caller.write_all(b"\x00said").await.expect("said");
    let mut heard = [0; 5];
    caller.read_exact(&mut heard).await.expect("heard");
    assert_eq!(&heard, b"\x00said");
    gateway.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_prove_to_be_the_upstream_is_told_nothing() {
    let upstream = Upstream::start().await;
    let encrypted = Encrypted::before(&upstream, &["h2", "http/1.1"]).await;
    let stranger = Encrypted::before(&upstream, &["h2", "http/1.1"]).await;
    for settings in [
        // Of an authority nobody knows, and of another than the one that is.
        vec![("gateway.tls_root_cert", json!(""))],
        vec![("gateway.tls_root_cert", json!(stranger.certificate))],
        // For another name.
        vec![("gateway.routes.test.url", json!(encrypted.url.replace("localhost", "127.0.0.1")))],
    ] {
        let gateway = encrypted.gateway(&settings).await;
        problem(gateway.get("/test/echo").await, 503, "module_unavailable").await;
        gateway.stop().await;
    }
    assert_eq!(upstream.seen.requests(), 0);
    upstream.stop().await;
}

#[test]
fn a_file_that_holds_no_certificate_is_named() {
    let dir = Dir::new();
    let file = dir.0.join("empty.pem");
    std::fs::write(&file, "nothing\n").expect("written");
    let name = file.to_string_lossy();
    for (value, command, why) in
        [("no-such.pem", "check-config", "no file"), (&name, "serve", "no certificate")]
    {
        let text = complaint(&erp(&dir, &[command], &[("ERP__GATEWAY__TLS_ROOT_CERT", value)]));
        assert!(text.contains(value) && text.contains(why), "{text}");
    }
}

//! Connections to upstreams, kept for the next request.

use std::cell::{OnceCell, RefCell};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hyper_rustls::builderstates::WantsProtocols1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kernel::tls::{self, CertificateDer, ClientConfig, RootCertStore};

use crate::gateway::body::Outgoing;
use crate::gateway::upstream::Upstream;

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Connections without a request are given up: an upstream that stops waits for them.
const IDLE_LIMIT: Duration = Duration::from_secs(2);
/// An HTTP/2 connection whose other end does not answer a ping in time is given up, and what
/// waits for it is asked elsewhere.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_LIMIT: Duration = Duration::from_secs(5);
/// What an answer may send ahead of its reader. It is small, so that one who reads slowly costs
/// little, and the connection's is as large as can be, so that they do not stop the others.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// An HTTP/2 connection takes no more requests after this time: it would keep an upstream that
/// is to stop (`server.shutdown_timeout_s`) from doing so, and its replicas from their share.
const AGE_LIMIT: Duration = Duration::from_secs(5);

pub type HttpClient = Client<HttpsConnector<HttpConnector>, Outgoing>;

/// Whom an upstream has to have its certificate from.
pub struct Trusted {
    /// Beside those the system trusts.
    own: Vec<CertificateDer<'static>>,
    config: OnceLock<ClientConfig>,
}

impl Trusted {
    /// With the certificates in a file, if one is named.
    pub fn new(file: &Path) -> Result<Self, String> {
        let is_named = !file.as_os_str().is_empty();
        let own = if is_named { tls::certificates_in(file)? } else { Vec::new() };
        Ok(Trusted { own, config: OnceLock::new() })
    }

    /// From when it is needed: whom the system trusts takes reading.
    fn config(&self) -> ClientConfig {
        let read = || {
            let mut roots = tls::system_roots();
            roots.add_parsable_certificates(self.own.iter().cloned());
            tls::client(roots)
        };
        self.config.get_or_init(read).clone()
    }
}

/// Connections of one worker: a request stays on its thread.
pub struct Clients {
    clear: Versions,
    encrypted: OnceCell<Versions>,
    trusted: Arc<Trusted>,
}

impl Clients {
    pub fn new(trusted: Arc<Trusted>) -> Self {
        let clear = Versions::new(true, tls::client(RootCertStore::empty()));
        Clients { clear, encrypted: OnceCell::new(), trusted }
    }

    /// The way to this upstream.
    pub fn of(&self, upstream: &Upstream) -> HttpClient {
        let versions = self.versions(upstream);
        if upstream.http2 { versions.http2() } else { versions.http1.clone() }
    }

    /// For what only HTTP/1.1 can do.
    pub fn http1(&self, upstream: &Upstream) -> HttpClient {
        self.versions(upstream).http1.clone()
    }

    fn versions(&self, upstream: &Upstream) -> &Versions {
        match upstream.is_encrypted() {
            true => self.encrypted.get_or_init(|| Versions::new(false, self.trusted.config())),
            false => &self.clear,
        }
    }
}

struct Versions {
    http1: HttpClient,
    http2: RefCell<(Instant, HttpClient)>,
    /// Whether HTTP/2 is known to be understood: in the clear nobody can ask for it, and with
    /// TLS it is what the other end offers.
    is_known: bool,
    tls: ClientConfig,
}

impl Versions {
    fn new(is_known: bool, tls: ClientConfig) -> Self {
        let http2 = RefCell::new((Instant::now(), http2(is_known, tls.clone())));
        Versions { http1: http1(tls.clone()), http2, is_known, tls }
    }

    fn http2(&self) -> HttpClient {
        let mut kept = self.http2.borrow_mut();
        if kept.0.elapsed() > AGE_LIMIT {
            // What is under way on the connections of the one before ends there.
            *kept = (Instant::now(), http2(self.is_known, self.tls.clone()));
        }
        kept.1.clone()
    }
}

/// HTTP/2, or with TLS what the other end offers.
fn http2(is_known: bool, tls: ClientConfig) -> HttpClient {
    builder()
        .http2_only(is_known)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_LIMIT)
        .build(https(tls).enable_all_versions().wrap_connector(tcp()))
}

fn http1(tls: ClientConfig) -> HttpClient {
    builder().build(https(tls).enable_http1().wrap_connector(tcp()))
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_LIMIT);
    builder
}

fn https(tls: ClientConfig) -> HttpsConnectorBuilder<WantsProtocols1> {
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http()
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_LIMIT));
    // What comes after it speaks TLS.
    tcp.enforce_http(false);
    tcp
}

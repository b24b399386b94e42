//! Connections to upstreams, kept for the next request.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

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

pub type HttpClient = Client<HttpConnector, Outgoing>;

/// Connections of one worker: a request stays on its thread.
pub struct Clients {
    http1: HttpClient,
    http2: RefCell<(Instant, HttpClient)>,
}

impl Clients {
    pub fn new() -> Self {
        Clients { http1: client(false), http2: RefCell::new((Instant::now(), client(true))) }
    }

    /// For what only HTTP/1.1 can do.
    pub fn http1(&self) -> &HttpClient {
        &self.http1
    }

    /// The way to this upstream.
    pub fn of(&self, upstream: &Upstream) -> HttpClient {
        if !upstream.http2 {
            return self.http1.clone();
        }
        let mut http2 = self.http2.borrow_mut();
        if http2.0.elapsed() > AGE_LIMIT {
            // What is under way on the connections of the one before ends there.
            *http2 = (Instant::now(), client(true));
        }
        http2.1.clone()
    }
}

fn client(http2: bool) -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_LIMIT));
    let mut builder = Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_LIMIT);
    if http2 {
        builder
            .http2_only(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_LIMIT);
    }
    builder.build(connector)
}

//! Which upstreams are there, asked in the background: for people and platforms to see. Where
//! requests go is decided by what became of those before.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hyper::Request;
use hyper::body::Bytes;
use hyper::http::uri::PathAndQuery;
use tokio::sync::watch;

use crate::gateway::client::{Clients, HttpClient};
use crate::gateway::table::Gateway;
use crate::gateway::upstream::Upstream;

const EVERY: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(1);
const PATH: &str = "/health/live";

/// Asks all of them, again and again until told to stop.
pub async fn keep_asking(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let clients = Clients::new(gateway.trusted());
    while !*stop.borrow() {
        let table = gateway.table();
        join_all(table.upstreams().map(|upstream| ask(upstream, clients.of(upstream)))).await;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Whoever answers is there, whatever it says.
async fn ask(upstream: &Upstream, client: HttpClient) {
    let mut request = Request::new(Bytes::new().into());
    *request.uri_mut() = upstream.uri(&PathAndQuery::from_static(PATH)).unwrap_or_default();
    let answer = tokio::time::timeout(LIMIT, client.request(request)).await;
    upstream.set_reachable(matches!(answer, Ok(Ok(_))));
}

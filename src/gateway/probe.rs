//! Which upstreams are there, asked in the background: for people and platforms to see. Where
//! requests go is decided by what became of those before.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use tokio::sync::watch;

use crate::gateway::table::Gateway;
use crate::gateway::upstream::Upstream;

const EVERY: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(1);

/// Asks all of them, again and again until told to stop.
pub async fn keep_asking(gateway: Arc<Gateway>, client: Client, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let table = gateway.table();
        join_all(table.upstreams().map(|upstream| ask(upstream, &client))).await;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Whoever answers is there, whatever it says.
async fn ask(upstream: &Upstream, client: &Client) {
    let url = format!("{}/health/live", upstream.url.trim_end_matches('/'));
    let answer = client.get(url).timeout(LIMIT).send().await;
    upstream.set_reachable(answer.is_ok());
}

//! Sessions that ended while tokens of theirs could still be good.
//!
//! Auth's database knows them; this is a copy, small because a token lives minutes, and
//! renewed every few seconds. While it cannot be renewed, tokens are good as long as they
//! say: to refuse everybody would be an outage of auth made one of all. It cannot last:
//! without auth nobody gets a new token.

use std::collections::HashSet;
use std::sync::RwLock;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use crate::error::Result;
use crate::token::KeySource;

/// Between two renewals: a session that ended is known everywhere within five seconds.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// Longest wait for one.
const RENEW_LIMIT: Duration = Duration::from_secs(2);

/// Session ids, shared by whoever ends them and whoever checks tokens in this process.
#[derive(Default)]
pub struct Revocations {
    ended: RwLock<HashSet<Uuid>>,
    /// One renewal at a time, so that none undoes a later one.
    turn: Mutex<()>,
}

impl Revocations {
    pub(super) fn contains(&self, session: Uuid) -> bool {
        // Whoever panicked holding it left a whole set behind.
        self.ended.read().unwrap_or_else(|e| e.into_inner()).contains(&session)
    }

    /// Takes over the list that `read` gives, which begins to read when it is its turn:
    /// what was committed before the call is in it.
    pub async fn renew(&self, read: impl Future<Output = Result<Vec<Uuid>>>) -> Result<()> {
        let _turn = self.turn.lock().await;
        let ended = read.await?.into_iter().collect();
        *self.ended.write().unwrap_or_else(|e| e.into_inner()) = ended;
        Ok(())
    }

    /// Renews the list once from `source`, in a bounded time.
    pub async fn renew_from(&self, source: &dyn KeySource) -> bool {
        let renewal = self.renew(source.ended_sessions());
        let failure = match tokio::time::timeout(RENEW_LIMIT, renewal).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => format!("{error:?}"),
            Err(_) => format!("no answer in {RENEW_LIMIT:?}"),
        };
        tracing::warn!(error = failure, "cannot learn which sessions have ended");
        false
    }

    /// Keeps the list up to date until told to stop.
    pub async fn keep_renewed(&self, source: &dyn KeySource, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(RENEW_EVERY) => {}
                _ = stop.changed() => return,
            }
            self.renew_from(source).await;
        }
    }
}

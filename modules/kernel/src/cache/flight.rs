//! One reads the database, and those who want the same meanwhile wait for it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use crate::cache::{Kept, Key};

/// Reads under way in this process.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Key, watch::Receiver<Option<Kept>>>>);

pub(super) enum Role<'a> {
    First(Flight<'a>),
    Follower(Following),
}

/// A read that others may follow. Dropped, it leaves them to themselves.
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    key: Key,
    landed: watch::Sender<Option<Kept>>,
}

/// A read that nobody can follow any more; those who did still wait.
pub(super) struct Closed(watch::Sender<Option<Kept>>);

pub(super) struct Following(watch::Receiver<Option<Kept>>);

impl Flights {
    pub(super) fn join(&self, key: Key) -> Role<'_> {
        let mut flights = self.lock();
        if let Some(landed) = flights.get(&key) {
            return Role::Follower(Following(landed.clone()));
        }
        let (sender, landed) = watch::channel(None);
        flights.insert(key, landed);
        Role::First(Flight { flights: self, key, landed: sender })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Option<Kept>>>> {
        // Whoever panicked holding it left a whole map behind.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Flight<'_> {
    /// Lets nobody follow any more.
    pub(super) fn close(self) -> Closed {
        Closed(self.landed.clone())
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

impl Closed {
    /// What was kept: nobody had changed it when the last one began to follow.
    pub(super) fn land(self, kept: Kept) {
        self.0.send_replace(Some(kept));
    }
}

impl Following {
    /// What the first one had kept, if it had.
    pub(super) async fn landed(mut self) -> Option<Kept> {
        let landed = self.0.wait_for(Option::is_some).await;
        landed.ok().and_then(|kept| kept.clone())
    }
}

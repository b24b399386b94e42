//! What was written or read last, for whoever changes it next: a document goes through
//! several changes within moments, and its parts need not be read anew for each.
//!
//! A part is found only under the version its head has in the database at that moment, so
//! that it is never older than what another process has written since.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Rows of all documents together, about 2 MB; what was noted first makes room.
const MAX_ROWS: usize = 4096;
/// Longer than a document rests between two changes that belong together.
const LIFE: Duration = Duration::from_secs(60);

/// The parts of a document, of whatever type.
pub type Parts = Arc<dyn Any + Send + Sync>;

#[derive(Default)]
pub(super) struct Recent(Mutex<State>);

#[derive(Default)]
struct State {
    noted: HashMap<Uuid, Noted>,
    /// In the order they were noted; some have been noted again since.
    order: VecDeque<(Instant, Uuid)>,
    rows: usize,
}

struct Noted {
    since: Instant,
    version: i64,
    rows: usize,
    parts: Parts,
}

/// A version of a document with its parts, and how many rows these are.
pub(super) struct Written {
    pub id: Uuid,
    pub version: i64,
    pub rows: usize,
    pub parts: Parts,
}

impl Recent {
    pub(super) fn get<T: Any + Send + Sync>(&self, id: Uuid, version: i64) -> Option<Arc<T>> {
        let state = self.lock();
        let noted = state.noted.get(&id)?;
        let is_it = noted.version == version && noted.since.elapsed() < LIFE;
        is_it.then(|| noted.parts.clone().downcast().ok()).flatten()
    }

    /// Notes what is in the database.
    pub(super) fn note(&self, written: Written) {
        let Written { id, version, rows, parts } = written;
        let since = Instant::now();
        let mut state = self.lock();
        state.forget(id);
        state.noted.insert(id, Noted { since, version, rows, parts });
        state.order.push_back((since, id));
        state.rows += rows;
        while state.rows > MAX_ROWS || state.order.len() > MAX_ROWS {
            let Some((since, oldest)) = state.order.pop_front() else { break };
            if state.noted.get(&oldest).is_some_and(|noted| noted.since == since) {
                state.forget(oldest);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, id: Uuid) {
        if let Some(noted) = self.noted.remove(&id) {
            self.rows -= noted.rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_under_their_version_alone_and_the_oldest_make_room() {
        let recent = Recent::default();
        let id = Uuid::now_v7();
        let note = |id, version, rows, parts| {
            recent.note(Written { id, version, rows, parts: Arc::new(parts) });
        };
        note(id, 1, 3, "one");
        note(id, 2, 3, "two");
        assert_eq!(recent.lock().rows, 3);
        assert_eq!(recent.get::<&str>(id, 1), None);
        assert_eq!(recent.get::<&str>(id, 2).as_deref(), Some(&"two"));
        assert_eq!(recent.get::<String>(id, 2), None);
        note(Uuid::now_v7(), 1, MAX_ROWS - 3, "as much as there is room for");
        assert!(recent.get::<&str>(id, 2).is_some());
        note(Uuid::now_v7(), 1, 1, "more");
        assert!(recent.get::<&str>(id, 2).is_none());
        assert!(recent.lock().rows <= MAX_ROWS);
    }
}

//! The memory of one process as a cache: the same rules as in Redis, under one lock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use uuid::Uuid;

use crate::cache::{BLOCK_LIFE, Kept, Key, LEASE_LIFE, LIFE, Lease};

/// Bounded; what was kept first makes room.
pub(super) struct Local {
    max_entries: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<Key, (Instant, Kept)>,
    /// Keys in the order they were kept, some of them gone or kept again since.
    order: VecDeque<(Instant, Key)>,
    leases: HashMap<Key, (Instant, Lease)>,
    blocks: HashMap<Key, Vec<(Instant, Uuid)>>,
}

impl Local {
    pub(super) fn new(max_entries: usize) -> Self {
        Local { max_entries, state: Mutex::default() }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Kept> {
        let state = self.lock();
        let (since, kept) = state.kept.get(key)?;
        (since.elapsed() < LIFE).then(|| kept.clone())
    }

    pub(super) fn lease(&self, key: &Key) -> Option<Lease> {
        let now = Instant::now();
        let mut state = self.lock();
        if state.is_blocked(key, now) {
            return None;
        }
        if state.leases.get(key).is_some_and(|(since, _)| now - *since < LEASE_LIFE) {
            return None;
        }
        // Readers that gave up leave theirs behind.
        if state.leases.len() >= self.max_entries {
            state.leases.retain(|_, (since, _)| now - *since < LEASE_LIFE);
        }
        let lease = Uuid::now_v7();
        state.leases.insert(*key, (now, lease));
        Some(lease)
    }

    pub(super) fn keep(&self, key: &Key, lease: Lease, kept: &Kept) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        // A block takes the lease away; so does the time.
        let is_valid = state
            .leases
            .get(key)
            .is_some_and(|(since, held)| *held == lease && now - *since < LEASE_LIFE);
        if !is_valid {
            return false;
        }
        state.leases.remove(key);
        state.kept.insert(*key, (now, kept.clone()));
        state.order.push_back((now, *key));
        while state.order.len() > self.max_entries {
            let Some((since, oldest)) = state.order.pop_front() else { break };
            if state.kept.get(&oldest).is_some_and(|(kept_since, _)| *kept_since == since) {
                state.kept.remove(&oldest);
            }
        }
        true
    }

    pub(super) fn block(&self, keys: &[Key], block: Uuid) {
        if keys.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut state = self.lock();
        // Transactions that were dropped leave theirs behind.
        if state.blocks.len() >= self.max_entries {
            state.blocks.retain(|_, blocks| blocks.iter().any(|(since, _)| is_fresh(*since, now)));
        }
        for key in keys {
            state.forget(key);
            state.blocks.entry(*key).or_default().push((now, block));
        }
    }

    pub(super) fn unblock(&self, keys: &[Key], block: Uuid) {
        let mut state = self.lock();
        for key in keys {
            state.forget(key);
            if let Some(blocks) = state.blocks.get_mut(key) {
                blocks.retain(|(_, other)| *other != block);
                if blocks.is_empty() {
                    state.blocks.remove(key);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked holding it left whole maps behind.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    fn forget(&mut self, key: &Key) {
        self.kept.remove(key);
        self.leases.remove(key);
    }

    fn is_blocked(&mut self, key: &Key, now: Instant) -> bool {
        let Some(blocks) = self.blocks.get_mut(key) else { return false };
        blocks.retain(|(since, _)| is_fresh(*since, now));
        if blocks.is_empty() {
            self.blocks.remove(key);
            return false;
        }
        true
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < BLOCK_LIFE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u128) -> Key {
        Key { module: "test", resource: "thing", id: Uuid::from_u128(id) }
    }

    fn kept(version: i64) -> Kept {
        Kept { version: Some(version), body: "{}".into() }
    }

    #[test]
    fn what_was_read_before_a_change_is_never_kept() {
        let local = Local::new(10);
        let lease = local.lease(&key(1)).expect("free");
        assert_eq!(local.lease(&key(1)), None, "one at a time");
        local.block(&[key(1)], Uuid::from_u128(9));
        assert!(!local.keep(&key(1), lease, &kept(1)), "the change took the lease");
        assert_eq!(local.lease(&key(1)), None, "blocked");
        local.unblock(&[key(1)], Uuid::from_u128(9));
        let lease = local.lease(&key(1)).expect("free again");
        assert!(local.keep(&key(1), lease, &kept(2)));
        assert_eq!(local.get(&key(1)), Some(kept(2)));
        local.block(&[key(1)], Uuid::from_u128(9));
        assert_eq!(local.get(&key(1)), None);
    }

    #[test]
    fn a_block_of_another_transaction_stays() {
        let local = Local::new(10);
        local.block(&[key(1)], Uuid::from_u128(8));
        local.block(&[key(1)], Uuid::from_u128(9));
        local.unblock(&[key(1)], Uuid::from_u128(9));
        assert_eq!(local.lease(&key(1)), None);
        local.unblock(&[key(1)], Uuid::from_u128(8));
        assert!(local.lease(&key(1)).is_some());
    }

    #[test]
    fn the_memory_is_bounded() {
        let local = Local::new(10);
        for id in 0..50 {
            let lease = local.lease(&key(id)).expect("free");
            assert!(local.keep(&key(id), lease, &kept(1)));
        }
        let state = local.lock();
        assert_eq!((state.kept.len(), state.order.len(), state.leases.len()), (10, 10, 0));
    }
}

//! How often somebody may guess. Kept in memory: it slows guessing down, and a restart
//! forgives. No name is ever locked for good, or anybody could lock anybody out.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kernel::Result;

use crate::error::Error;

/// Consecutive failures that cost nothing.
const FREE_FAILURES: u32 = 5;
/// The longest wait between two tries.
const MAX_DELAY_S: u64 = 30;
/// A name nobody tried for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Names remembered at a time; the one tried longest ago makes room.
const MAX_NAMES: usize = 10_000;

/// Consecutive failures, by name.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<String, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Attempts {
    /// Refuses with 429 while `name` has to wait.
    pub(crate) fn check(&self, name: &str, now: Instant) -> Result<()> {
        let Some(failures) = self.lock().get(name).copied() else {
            return Ok(());
        };
        let wait = (failures.last + delay_after(failures.count)).saturating_duration_since(now);
        if wait.is_zero() {
            return Ok(());
        }
        Err(Error::TooManyAttempts { wait_s: wait.as_secs_f32().ceil() as u32 }.into())
    }

    pub(crate) fn failed(&self, name: &str, now: Instant) {
        let mut names = self.lock();
        if names.len() >= MAX_NAMES && !names.contains_key(name) {
            names.retain(|_, f| now.saturating_duration_since(f.last) < FORGOTTEN_AFTER);
            if names.len() >= MAX_NAMES
                && let Some(oldest) = names.iter().min_by_key(|(_, f)| f.last)
            {
                let oldest = oldest.0.clone();
                names.remove(&oldest);
            }
        }
        let failures = names.entry(name.to_owned()).or_insert(Failures { count: 0, last: now });
        if now.saturating_duration_since(failures.last) >= FORGOTTEN_AFTER {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    pub(crate) fn succeeded(&self, name: &str) {
        self.lock().remove(name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failures>> {
        // Whoever panicked holding it left a whole map behind.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Nothing for the first failures, then a second, doubled with each further one.
fn delay_after(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(FREE_FAILURES) else {
        return Duration::ZERO;
    };
    Duration::from_secs((1_u64 << doublings.min(5)).min(MAX_DELAY_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_half_a_minute() {
        let waits: Vec<_> = (0..13).map(|n| delay_after(n).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(delay_after(u32::MAX).as_secs(), 30);
    }

    #[test]
    fn a_name_waits_after_five_failures_and_a_success_forgives() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for _ in 0..4 {
            attempts.failed("ada", now);
            attempts.check("ada", now).expect("free");
        }
        attempts.failed("ada", now);
        assert_eq!(attempts.check("ada", now).expect_err("wait").status(), 429);
        attempts.check("bob", now).expect("another name");
        attempts.check("ada", now + Duration::from_secs(1)).expect("waited");
        attempts.succeeded("ada");
        attempts.check("ada", now).expect("forgiven");
    }

    #[test]
    fn old_failures_are_forgotten_and_the_memory_is_bounded() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for _ in 0..10 {
            attempts.failed("ada", now);
        }
        let later = now + FORGOTTEN_AFTER;
        attempts.failed("ada", later);
        attempts.check("ada", later).expect("begins anew");
        for i in 0..MAX_NAMES + 5 {
            attempts.failed(&format!("name {i}"), later);
        }
        assert_eq!(attempts.lock().len(), MAX_NAMES);
    }
}

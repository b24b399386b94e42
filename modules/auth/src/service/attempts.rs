//! How often somebody may guess. Kept in Redis for all replicas, and in memory for when there
//! is none: it slows guessing down, and what is forgotten is forgiven. No name is ever locked
//! for good, or anybody could lock anybody out.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use kernel::Result;
use kernel::redis::{Redis, Script};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Consecutive failures that cost nothing.
const FREE_FAILURES: u32 = 5;
/// The longest wait between two tries.
const MAX_DELAY_S: u64 = 30;
/// A name nobody tried for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Names remembered at a time; the one tried longest ago makes room.
const MAX_NAMES: usize = 10_000;

/// Failures of a name, and milliseconds since the last.
static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local found = redis.call('HMGET', KEYS[1], 'count', 'last_ms')
         if not found[1] then return {0, 0} end
         local time = redis.call('TIME')
         return {tonumber(found[1]), time[1] * 1000 + math.floor(time[2] / 1000) - found[2]}",
    )
});

static FAIL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
         local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
         redis.call('HINCRBY', KEYS[1], 'count', 1)
         redis.call('HSET', KEYS[1], 'last_ms', string.format('%.0f', now_ms))
         redis.call('PEXPIRE', KEYS[1], ARGV[1])
         return 1",
    )
});

static FORGIVE: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('DEL', KEYS[1])"));

/// Consecutive failures, by name.
#[derive(Default)]
pub(crate) struct Attempts {
    redis: Option<Redis>,
    here: Here,
}

/// Those that this process has seen.
#[derive(Default)]
struct Here(Mutex<HashMap<String, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Attempts {
    pub(crate) fn new(redis: Option<Redis>) -> Self {
        Attempts { redis, here: Here::default() }
    }

    /// Refuses with 429 while `name` has to wait.
    pub(crate) async fn check(&self, name: &str) -> Result<()> {
        let wait = match self.shared_wait(name).await {
            Some(wait) => wait,
            None => self.here.wait(name, Instant::now()),
        };
        if wait.is_zero() {
            return Ok(());
        }
        Err(Error::TooManyAttempts { wait_s: wait.as_secs_f32().ceil() as u32 }.into())
    }

    pub(crate) async fn failed(&self, name: &str) {
        self.here.failed(name, Instant::now());
        if let Some(redis) = &self.redis {
            let mut script = FAIL.key(key(redis, name));
            script.arg(FORGOTTEN_AFTER.as_millis() as u64);
            // Not counted there, it is counted here.
            let _ = redis.run_script::<i64>(&script).await;
        }
    }

    pub(crate) async fn succeeded(&self, name: &str) {
        self.here.succeeded(name);
        if let Some(redis) = &self.redis {
            // Not forgiven, it is forgotten a little later.
            let _ = redis.run_script::<i64>(&FORGIVE.key(key(redis, name))).await;
        }
    }

    async fn shared_wait(&self, name: &str) -> Option<Duration> {
        let redis = self.redis.as_ref()?;
        let read = READ.key(key(redis, name));
        let (count, age_ms): (u32, u64) = redis.run_script(&read).await.ok()?;
        Some(delay_after(count).saturating_sub(Duration::from_millis(age_ms)))
    }
}

/// Names of people are not to be read in Redis.
fn key(redis: &Redis, name: &str) -> String {
    let hash = Sha256::digest(name);
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    redis.key(&format!("auth:attempts:{hex}"))
}

impl Here {
    fn wait(&self, name: &str, now: Instant) -> Duration {
        let Some(failures) = self.lock().get(name).copied() else {
            return Duration::ZERO;
        };
        (failures.last + delay_after(failures.count)).saturating_duration_since(now)
    }

    fn failed(&self, name: &str, now: Instant) {
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

    fn succeeded(&self, name: &str) {
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
        let attempts = Here::default();
        let now = Instant::now();
        for _ in 0..4 {
            attempts.failed("ada", now);
            assert!(attempts.wait("ada", now).is_zero());
        }
        attempts.failed("ada", now);
        assert_eq!(attempts.wait("ada", now), Duration::from_secs(1));
        assert!(attempts.wait("bob", now).is_zero());
        assert!(attempts.wait("ada", now + Duration::from_secs(1)).is_zero());
        attempts.succeeded("ada");
        assert!(attempts.wait("ada", now).is_zero());
    }

    #[test]
    fn old_failures_are_forgotten_and_the_memory_is_bounded() {
        let attempts = Here::default();
        let now = Instant::now();
        for _ in 0..10 {
            attempts.failed("ada", now);
        }
        let later = now + FORGOTTEN_AFTER;
        attempts.failed("ada", later);
        assert!(attempts.wait("ada", later).is_zero(), "begins anew");
        for i in 0..MAX_NAMES + 5 {
            attempts.failed(&format!("name {i}"), later);
        }
        assert_eq!(attempts.lock().len(), MAX_NAMES);
    }
}

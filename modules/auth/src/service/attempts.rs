//! How often somebody may guess. Kept in Redis for all replicas, and in memory for when there
//! is none: it slows guessing down, and what is forgotten is forgiven. No name is ever locked
//! for good, or anybody could lock anybody out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kernel::Result;
use kernel::redis::{Redis, Script};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// When whoever fails has to wait, and how long at most.
#[derive(Clone, Copy)]
struct Limit {
    /// Failures in a row that cost nothing.
    free: u32,
    max_s: u64,
}

/// One name, from one network: where guessing is slowed down first.
const PAIR: Limit = Limit { free: 5, max_s: 300 };
/// One name, from wherever else: for whoever guesses from many networks.
const NAME: Limit = Limit { free: 20, max_s: 30 };
/// One network, whatever the name: for whoever tries many names.
const NETWORK: Limit = Limit { free: 50, max_s: 30 };
/// What nobody tried for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Counts kept at a time; the one that failed longest ago makes room.
const MAX_COUNTS: usize = 30_000;

/// Who is said to be signing in, and from where.
#[derive(Clone, Copy)]
pub(crate) struct Guess<'a> {
    pub name: &'a str,
    pub network: Option<IpAddr>,
    /// Whether that user has signed in from there before. What strangers do elsewhere, or with
    /// other names from there, does not slow them down: nobody can lock them out.
    pub is_familiar: bool,
}

impl Guess<'_> {
    /// What failures are counted by; the last is not forgiven by a success, or whoever has one
    /// account could guess at all others.
    fn counted_by(&self) -> [(String, Limit); 3] {
        let network = self.network.map_or_else(|| "-".to_owned(), |network| network.to_string());
        [
            (format!("{network} {}", self.name), PAIR),
            (format!("* {}", self.name), NAME),
            (format!("{network} *"), NETWORK),
        ]
    }

    /// What makes this one wait.
    fn slowed_by(&self) -> impl Iterator<Item = (String, Limit)> {
        self.counted_by().into_iter().take(if self.is_familiar { 1 } else { 3 })
    }
}

/// Failures counted by a key, and milliseconds since the last.
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

/// Consecutive failures.
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

    /// Refuses with 429 while this has to wait.
    pub(crate) async fn check(&self, guess: Guess<'_>) -> Result<()> {
        let waits = guess.slowed_by().map(|(key, limit)| async move {
            match self.shared_wait(&key, limit).await {
                Some(wait) => wait,
                None => self.here.wait(&key, limit, Instant::now()),
            }
        });
        let wait = join_all(waits).await.into_iter().max().unwrap_or_default();
        if wait.is_zero() {
            return Ok(());
        }
        let wait_s = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        Err(Error::TooManyAttempts { wait_s }.into())
    }

    pub(crate) async fn failed(&self, guess: Guess<'_>) {
        for (key, _) in guess.counted_by() {
            self.here.failed(&key, Instant::now());
            if let Some(redis) = &self.redis {
                let mut script = FAIL.key(redis_key(redis, &key));
                script.arg(FORGOTTEN_AFTER.as_millis() as u64);
                // Not counted there, it is counted here.
                let _ = redis.run_script::<i64>(&script).await;
            }
        }
    }

    pub(crate) async fn succeeded(&self, guess: Guess<'_>) {
        for (key, _) in guess.counted_by().into_iter().take(2) {
            self.here.succeeded(&key);
            if let Some(redis) = &self.redis {
                // Not forgiven, it is forgotten a little later.
                let _ = redis.run_script::<i64>(&FORGIVE.key(redis_key(redis, &key))).await;
            }
        }
    }

    /// Counts in memory.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.here.lock().len()
    }

    async fn shared_wait(&self, key: &str, limit: Limit) -> Option<Duration> {
        let redis = self.redis.as_ref()?;
        let read = READ.key(redis_key(redis, key));
        let (count, age_ms): (u32, u64) = redis.run_script(&read).await.ok()?;
        Some(delay_after(count, limit).saturating_sub(Duration::from_millis(age_ms)))
    }
}

/// Names of people are not to be read in Redis.
fn redis_key(redis: &Redis, key: &str) -> String {
    let hash = Sha256::digest(key);
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    redis.key(&format!("auth:attempts:{hex}"))
}

impl Here {
    fn wait(&self, key: &str, limit: Limit, now: Instant) -> Duration {
        let Some(failures) = self.lock().get(key).copied() else {
            return Duration::ZERO;
        };
        (failures.last + delay_after(failures.count, limit)).saturating_duration_since(now)
    }

    fn failed(&self, key: &str, now: Instant) {
        let mut counts = self.lock();
        if counts.len() >= MAX_COUNTS && !counts.contains_key(key) {
            counts.retain(|_, f| now.saturating_duration_since(f.last) < FORGOTTEN_AFTER);
            if counts.len() >= MAX_COUNTS
                && let Some(oldest) = counts.iter().min_by_key(|(_, f)| f.last)
            {
                let oldest = oldest.0.clone();
                counts.remove(&oldest);
            }
        }
        let failures = counts.entry(key.to_owned()).or_insert(Failures { count: 0, last: now });
        if now.saturating_duration_since(failures.last) >= FORGOTTEN_AFTER {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    fn succeeded(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failures>> {
        // Whoever panicked holding it left a whole map behind.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Nothing for the first failures, then a second, doubled with each further one.
fn delay_after(failures: u32, limit: Limit) -> Duration {
    let Some(doublings) = failures.checked_sub(limit.free) else {
        return Duration::ZERO;
    };
    Duration::from_secs((1_u64 << doublings.min(16)).min(limit.max_s))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let waits: Vec<_> = (0..13).map(|n| delay_after(n, PAIR).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(delay_after(u32::MAX, PAIR).as_secs(), 300);
        assert_eq!(delay_after(u32::MAX, NETWORK).as_secs(), 30);
    }

    #[test]
    fn a_name_waits_after_five_failures_and_a_success_forgives() {
        let attempts = Here::default();
        let now = Instant::now();
        for _ in 0..4 {
            attempts.failed("ada", now);
            assert!(attempts.wait("ada", PAIR, now).is_zero());
        }
        attempts.failed("ada", now);
        assert_eq!(attempts.wait("ada", PAIR, now), Duration::from_secs(1));
        assert!(attempts.wait("bob", PAIR, now).is_zero());
        assert!(attempts.wait("ada", PAIR, now + Duration::from_secs(1)).is_zero());
        attempts.succeeded("ada");
        assert!(attempts.wait("ada", PAIR, now).is_zero());
    }

    #[tokio::test]
    async fn strangers_slow_down_strangers_and_lock_nobody_out() {
        let attempts = Attempts::default();
        let from = |name, host, is_familiar| {
            let network = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)));
            Guess { name, network, is_familiar }
        };
        // Ada's name, from twenty networks; none of them five times.
        for host in 0..20 {
            attempts.failed(from("ada", host, false)).await;
        }
        attempts.check(from("ada", 200, false)).await.expect_err("one more network");
        attempts.check(from("ada", 200, true)).await.expect("where she usually is");
        attempts.check(from("bob", 200, false)).await.expect("another name");
        // Many names from one network.
        for n in 0..50 {
            let name = format!("name {n}");
            attempts.failed(Guess { name: &name, ..from("", 100, false) }).await;
        }
        attempts.check(from("eve", 100, false)).await.expect_err("one more name");
        attempts.succeeded(from("mallory", 100, true)).await;
        attempts.check(from("eve", 100, false)).await.expect_err("a success of another's");
        attempts.check(from("eve", 100, true)).await.expect("who works there");
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
        assert!(attempts.wait("ada", PAIR, later).is_zero(), "begins anew");
        let mut counts = attempts.lock();
        for i in 0..MAX_COUNTS {
            counts.insert(format!("name {i}"), Failures { count: 1, last: later });
        }
        counts.remove("ada");
        drop(counts);
        attempts.failed("one more", later);
        assert_eq!(attempts.lock().len(), MAX_COUNTS);
    }
}

//! Redis as a cache, shared by replicas.
//!
//! What cannot be taken out of Redis is owed: this process does without the cache for it
//! until it could be. Redis may evict any of its keys at any moment: without a value, one
//! reads; without a lease, nothing is kept; and a block is followed by a second deletion.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{Cmd, Script, ScriptInvocation};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::cache::{BLOCK_LIFE, Kept, Key, LEASE_LIFE, LIFE, Lease};
use crate::redis::{Redis, Unavailable};

/// Keys owed at most; beyond that the whole cache is left alone for as long as anything in
/// it can live.
const MAX_OWED: usize = 10_000;
/// Between two tries to pay.
const PAY_EVERY: Duration = Duration::from_millis(100);
/// Keys of one transaction sent at a time.
const AT_ONCE: usize = 256;

/// A lease, unless there is a block or somebody has it.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
         if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
         return 0",
    )
});

/// The value, if its lease is still there and no block is.
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
         redis.call('DEL', KEYS[2])
         if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
         redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
         return 1",
    )
});

/// Deletes first: a full Redis refuses to add, and then not after this.
static BLOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('DEL', KEYS[1], KEYS[2])
         redis.call('SADD', KEYS[3], ARGV[1])
         redis.call('PEXPIRE', KEYS[3], ARGV[2])
         return 1",
    )
});

/// The block of this transaction alone: others may have theirs.
static UNBLOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('DEL', KEYS[1], KEYS[2])
         redis.call('SREM', KEYS[3], ARGV[1])
         return 1",
    )
});

pub(super) struct Shared {
    redis: Redis,
    owed: Arc<Mutex<Owed>>,
    /// How many are owed, to be seen without the lock.
    owed_count: Arc<AtomicUsize>,
}

/// What is still to be deleted.
#[derive(Default)]
struct Owed {
    /// With a number that tells a debt from a later one for the same key.
    keys: HashMap<Key, u64>,
    last: u64,
    /// More was owed than could be remembered, then.
    overflowed_at: Option<Instant>,
    is_paying: bool,
}

impl Shared {
    pub(super) fn new(redis: Redis) -> Self {
        Shared { redis, owed: Arc::default(), owed_count: Arc::default() }
    }

    pub(super) async fn get(&self, key: &Key) -> Option<Kept> {
        if self.is_owed(key) {
            return None;
        }
        let mut get = Cmd::new();
        get.arg("GET").arg(names(&self.redis, key).value);
        let text: Option<String> = self.redis.run(&get).await.ok()?;
        // It may have become owed while Redis answered.
        text.filter(|_| !self.is_owed(key)).and_then(|text| Kept::from_text(&text))
    }

    pub(super) async fn lease(&self, key: &Key) -> Option<Lease> {
        if self.is_owed(key) {
            return None;
        }
        let lease = Uuid::now_v7();
        let names = names(&self.redis, key);
        let mut script = names.script(&TAKE);
        script.arg(&lease.as_bytes()[..]).arg(LEASE_LIFE.as_millis() as u64);
        let taken = self.redis.run_script::<bool>(&script).await.unwrap_or(false);
        taken.then_some(lease)
    }

    pub(super) async fn keep(&self, key: &Key, lease: Lease, kept: &Kept) -> bool {
        if self.is_owed(key) {
            return false;
        }
        let names = names(&self.redis, key);
        let mut script = names.script(&KEEP);
        script.arg(&lease.as_bytes()[..]).arg(kept.to_text()).arg(LIFE.as_millis() as u64);
        self.redis.run_script::<bool>(&script).await.unwrap_or(false)
    }

    /// Not done, it is made up for by [`Shared::unblock`], unless the process ends between.
    pub(super) async fn block(&self, keys: &[Key], block: Uuid) {
        for keys in keys.chunks(AT_ONCE) {
            join_all(keys.iter().map(|key| obstruct(&self.redis, *key, block))).await;
        }
    }

    pub(super) async fn unblock(&self, keys: &[Key], block: Uuid) {
        for keys in keys.chunks(AT_ONCE) {
            let unblocked = keys.iter().map(|key| forget(&self.redis, *key, block));
            let unblocked = join_all(unblocked).await;
            let left = keys.iter().zip(unblocked).filter(|(_, outcome)| outcome.is_err());
            let left: Vec<Key> = left.map(|(key, _)| *key).collect();
            if !left.is_empty() {
                self.owe(&left);
            }
        }
    }

    fn is_owed(&self, key: &Key) -> bool {
        if self.owed_count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let owed = lock(&self.owed);
        owed.overflowed_at.is_some() || owed.keys.contains_key(key)
    }

    fn owe(&self, keys: &[Key]) {
        let mut owed = lock(&self.owed);
        for key in keys {
            owed.last += 1;
            let debt = owed.last;
            owed.keys.insert(*key, debt);
        }
        if owed.keys.len() > MAX_OWED {
            owed.keys.clear();
            owed.overflowed_at = Some(Instant::now());
        }
        self.owed_count.store(owed.count(), Ordering::Release);
        if !owed.is_paying
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            owed.is_paying = true;
            let payer = Payer {
                redis: self.redis.clone(),
                owed: self.owed.clone(),
                count: self.owed_count.clone(),
            };
            runtime.spawn(payer.pay());
        }
    }
}

impl Owed {
    fn count(&self) -> usize {
        self.keys.len() + usize::from(self.overflowed_at.is_some())
    }
}

/// Deletes what is owed, as soon as Redis is there.
struct Payer {
    redis: Redis,
    owed: Arc<Mutex<Owed>>,
    count: Arc<AtomicUsize>,
}

impl Payer {
    async fn pay(self) {
        loop {
            let some: Vec<(Key, u64)> = lock(&self.owed)
                .keys
                .iter()
                .take(AT_ONCE)
                .map(|(key, debt)| (*key, *debt))
                .collect();
            // Whatever block was left expires.
            let paid = some.iter().map(|(key, _)| forget(&self.redis, *key, Uuid::nil()));
            let paid = join_all(paid).await;
            let is_stuck = paid.iter().any(Result::is_err);
            {
                let mut owed = lock(&self.owed);
                for ((key, debt), outcome) in some.iter().zip(paid) {
                    if outcome.is_ok() && owed.keys.get(key) == Some(debt) {
                        owed.keys.remove(key);
                    }
                }
                // All it wrote before then has expired, and all it wrote since is owed.
                if owed.overflowed_at.is_some_and(|at| at.elapsed() > LIFE + LEASE_LIFE) {
                    owed.overflowed_at = None;
                }
                self.count.store(owed.count(), Ordering::Release);
                if owed.count() == 0 {
                    owed.is_paying = false;
                    return;
                }
            }
            if is_stuck || some.is_empty() {
                tokio::time::sleep(PAY_EVERY).await;
            }
        }
    }
}

impl Drop for Payer {
    /// The next debt finds another, should the runtime of this one have ended.
    fn drop(&mut self) {
        lock(&self.owed).is_paying = false;
    }
}

async fn obstruct(redis: &Redis, key: Key, block: Uuid) -> Result<bool, Unavailable> {
    let names = names(redis, &key);
    let mut script = names.script(&BLOCK);
    script.arg(&block.as_bytes()[..]).arg(BLOCK_LIFE.as_millis() as u64);
    redis.run_patiently(&script).await
}

async fn forget(redis: &Redis, key: Key, block: Uuid) -> Result<bool, Unavailable> {
    let names = names(redis, &key);
    let mut script = names.script(&UNBLOCK);
    script.arg(&block.as_bytes()[..]);
    redis.run_patiently(&script).await
}

/// What a resource's keys are called in Redis. The braces keep them together in a cluster.
struct Names {
    value: String,
    lease: String,
    block: String,
}

impl Names {
    fn script<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        invocation.key(&self.value).key(&self.lease).key(&self.block);
        invocation
    }
}

fn names(redis: &Redis, key: &Key) -> Names {
    let value = redis.key(&format!("{}:{}:{{{}}}", key.module, key.resource, key.id));
    Names { lease: format!("{value}:lease"), block: format!("{value}:block"), value }
}

fn lock(owed: &Mutex<Owed>) -> MutexGuard<'_, Owed> {
    // Whoever panicked holding it left whole maps behind.
    owed.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use test_support::REDIS_PASSWORD;
    use tokio::sync::watch;

    use super::*;
    use crate::config::{RedisConfig, Secret};
    use crate::metrics::Metrics;

    const KEY: Key = Key { module: "test", resource: "thing", id: Uuid::from_u128(1) };
    const BLOCK: Uuid = Uuid::from_u128(9);

    struct World {
        shared: Shared,
        server: test_support::Redis,
        _stop: watch::Sender<bool>,
    }

    impl World {
        async fn new() -> Option<World> {
            let server = test_support::Redis::start()?;
            let config = RedisConfig {
                url: Secret::new(server.url()),
                password: Secret::new(REDIS_PASSWORD),
                cluster: false,
                key_prefix: "erp:".into(),
                connections: 1,
                timeout_ms: 100,
            };
            let redis = Redis::new(&config, &Metrics::default()).expect("valid").expect("one");
            let (stop, stopping) = watch::channel(false);
            tokio::spawn(redis.clone().keep_connected(stopping));
            redis.tried().await;
            assert!(redis.is_up());
            Some(World { shared: Shared::new(redis), server, _stop: stop })
        }

        async fn keep(&self, version: i64) -> bool {
            let lease = self.shared.lease(&KEY).await.expect("free");
            self.shared.keep(&KEY, lease, &kept(version)).await
        }

        fn evict(&self, what: &str) {
            let name = names(&self.shared.redis, &KEY).value;
            assert_eq!(self.server.command(&["DEL", &format!("{name}{what}")]), "1", "{what}");
        }
    }

    fn kept(version: i64) -> Kept {
        Kept { version: Some(version), body: "{\"a\":\n1}".into() }
    }

    async fn until(mut is_so: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so().await {
            assert!(Instant::now() < deadline, "it did not come about");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let Some(world) = World::new().await else { return };
        let shared = &world.shared;
        assert!(world.keep(1).await);
        assert_eq!(shared.get(&KEY).await, Some(kept(1)));
        let name = "erp:test:thing:{00000000-0000-0000-0000-000000000001}";
        assert_eq!(world.server.command(&["EXISTS", name]), "1");

        world.evict("");
        let lease = shared.lease(&KEY).await.expect("free");
        assert_eq!(shared.lease(&KEY).await, None, "one at a time");
        shared.block(&[KEY], BLOCK).await;
        assert!(!shared.keep(&KEY, lease, &kept(1)).await, "the change took the lease");
        assert_eq!(shared.lease(&KEY).await, None, "blocked");
        shared.block(&[KEY], Uuid::from_u128(8)).await;
        shared.unblock(&[KEY], BLOCK).await;
        assert_eq!(shared.lease(&KEY).await, None, "another one changes it still");
        shared.unblock(&[KEY], Uuid::from_u128(8)).await;
        assert!(world.keep(2).await);
    }

    #[tokio::test]
    async fn evicting_any_key_keeps_nothing_that_is_old() {
        let Some(world) = World::new().await else { return };
        let shared = &world.shared;
        let lease = shared.lease(&KEY).await.expect("free");
        world.evict(":lease");
        assert!(!shared.keep(&KEY, lease, &kept(1)).await);

        // The block goes between the two deletions, and a reader of the old row comes.
        shared.block(&[KEY], BLOCK).await;
        world.evict(":block");
        let lease = shared.lease(&KEY).await.expect("nothing is in the way");
        shared.unblock(&[KEY], BLOCK).await;
        assert!(!shared.keep(&KEY, lease, &kept(1)).await, "too late");
        shared.block(&[KEY], BLOCK).await;
        world.evict(":block");
        assert!(world.keep(1).await);
        shared.unblock(&[KEY], BLOCK).await;
        assert_eq!(shared.get(&KEY).await, None, "before anybody was answered");
    }

    #[tokio::test]
    async fn a_full_redis_adds_nothing_and_deletes_all_the_same() {
        let Some(world) = World::new().await else { return };
        assert!(world.keep(1).await);
        world.server.config_set("maxmemory-policy", "noeviction");
        world.server.config_set("maxmemory", "1");
        world.shared.block(&[KEY], BLOCK).await;
        assert_eq!(world.shared.get(&KEY).await, None);
        world.shared.unblock(&[KEY], BLOCK).await;
        assert_eq!(world.shared.lease(&KEY).await, None);
        assert!(world.shared.redis.is_up(), "full is not gone");
    }

    #[tokio::test]
    async fn what_could_not_be_deleted_is_not_read_until_it_is() {
        let Some(world) = World::new().await else { return };
        let shared = &world.shared;
        assert!(world.keep(1).await);
        world.server.command(&["CLIENT", "PAUSE", "2500", "ALL"]);
        shared.unblock(&[KEY], BLOCK).await;
        assert!(shared.is_owed(&KEY));
        assert_eq!(shared.get(&KEY).await, None, "Redis still has it");
        until(async || !shared.is_owed(&KEY)).await;
        assert_eq!(shared.get(&KEY).await, None, "Redis has it no more");
        until(async || shared.redis.is_up()).await;
        assert!(world.keep(2).await);
        assert_eq!(shared.get(&KEY).await, Some(kept(2)));
    }

    #[tokio::test]
    async fn who_owes_too_much_leaves_the_cache_alone() {
        let Some(world) = World::new().await else { return };
        world.server.kill();
        let key = |id| Key { id: Uuid::from_u128(id), ..KEY };
        let keys: Vec<Key> = (0..MAX_OWED as u128 + 1).map(key).collect();
        world.shared.owe(&keys);
        assert!(world.shared.is_owed(&key(u128::MAX)), "one it never wrote");
        assert_eq!(lock(&world.shared.owed).keys.len(), 0, "bounded");
    }
}

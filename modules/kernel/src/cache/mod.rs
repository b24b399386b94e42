//! Answers to single reads, kept ready: a hit costs no statement and serialises nothing.
//!
//! Whoever has written never reads anything older afterwards, from any replica. A reader
//! that found nothing takes a *lease* before it reads the database, and what it read is kept
//! only if the lease is still there then. Whoever changes a resource takes away value and
//! lease and sets a *block*, all before the commit; while there is a block nobody gets a
//! lease. After the commit value and lease are taken away once more, and the block with
//! them; only then is the caller answered. See ARCHITECTURE.md for what is lost and evicted.

mod flight;
mod local;
mod shared;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::cache::flight::{Flights, Role};
use crate::cache::local::Local;
use crate::cache::shared::Shared;
use crate::config::{CacheConfig, InProcess};
use crate::db::Db;
use crate::error::Result;
use crate::http::Reply;
use crate::metrics::{Counter, Metrics};
use crate::redis::Redis;

/// How long an answer is kept at most.
const LIFE: Duration = Duration::from_secs(5 * 60);
/// How long a reader may take from its lease to the answer it wants kept.
const LEASE_LIFE: Duration = Duration::from_secs(10);
/// How long a block stays that nobody takes away: longer than a commit takes.
const BLOCK_LIFE: Duration = Duration::from_secs(60);
/// A longer answer is not kept.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// What the process keeps answers in; by default nothing. Cheap to clone.
#[derive(Clone, Default)]
pub struct Cache {
    shared: Option<Arc<Shared>>,
    local: Option<(Arc<Local>, InProcess)>,
}

/// The cache as one module uses it.
pub struct ModuleCache {
    module: &'static str,
    store: Store,
    flights: Flights,
    hits: Counter,
    misses: Counter,
}

enum Store {
    Nothing,
    Shared(Arc<Shared>),
    Local(Arc<Local>),
}

/// What is kept by: one resource of one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    module: &'static str,
    resource: &'static str,
    id: Uuid,
}

/// The right to have an answer kept, until somebody changes the resource.
type Lease = Uuid;

/// An answer, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    version: Option<i64>,
    body: Arc<str>,
}

impl Cache {
    /// As the settings say: Redis if there is one, else this process's memory.
    pub fn new(config: &CacheConfig, redis: Option<&Redis>) -> Self {
        match (redis, config.in_process) {
            (Some(redis), _) => {
                Cache { shared: Some(Arc::new(Shared::new(redis.clone()))), local: None }
            }
            (None, InProcess::Off) => Cache::default(),
            (None, where_to) => {
                let local = Arc::new(Local::new(config.max_entries));
                Cache { shared: None, local: Some((local, where_to)) }
            }
        }
    }

    /// For one module. `is_file`: its data are in a file, where no other process writes.
    pub(crate) fn of_module(
        &self,
        module: &'static str,
        is_file: bool,
        metrics: &Metrics,
    ) -> ModuleCache {
        let store = match (&self.shared, &self.local) {
            (Some(shared), _) => Store::Shared(shared.clone()),
            (None, Some((local, InProcess::On))) => Store::Local(local.clone()),
            (None, Some((local, InProcess::Auto))) if is_file => Store::Local(local.clone()),
            _ => Store::Nothing,
        };
        let counter = |name, help| metrics.counter(name, help, &[("module", module)]);
        ModuleCache {
            module,
            store,
            flights: Flights::default(),
            hits: counter("erp_cache_hits_total", "Reads answered from the cache."),
            misses: counter("erp_cache_misses_total", "Reads answered from the database."),
        }
    }
}

impl Db {
    /// The answer to the read of one resource: kept, or what `read` finds. Every change of
    /// what it shows has to be noted by [`crate::db::Tx::audit`] or
    /// [`crate::db::Tx::touch`] under the same type and id, and it must show nothing that
    /// moves by itself.
    pub async fn cached(
        &self,
        resource: &'static str,
        id: Uuid,
        read: impl AsyncFnOnce() -> Result<Reply>,
    ) -> Result<Reply> {
        self.cache().read(resource, id, read).await
    }
}

impl ModuleCache {
    async fn read(
        &self,
        resource: &'static str,
        id: Uuid,
        read: impl AsyncFnOnce() -> Result<Reply>,
    ) -> Result<Reply> {
        if let Store::Nothing = self.store {
            return read().await;
        }
        let key = Key { module: self.module, resource, id };
        if let Some(kept) = self.store.get(&key).await {
            self.hits.add(1);
            return Ok(kept.reply());
        }
        let flight = match self.flights.join(key) {
            Role::First(flight) => flight,
            Role::Follower(first) => {
                if let Some(kept) = first.landed().await {
                    self.hits.add(1);
                    return Ok(kept.reply());
                }
                self.misses.add(1);
                return read().await;
            }
        };
        self.misses.add(1);
        let lease = self.store.lease(&key).await;
        let reply = read().await?;
        // Who comes now may have written since this was read, and must read for themselves.
        let flight = flight.close();
        if let Some(lease) = lease
            && let Some(kept) = Kept::of(&reply)
            && self.store.keep(&key, lease, &kept).await
        {
            flight.land(kept);
        }
        Ok(reply)
    }

    /// Says before the commit what it changes. End with [`Stale::end`], whether the commit
    /// came about or not.
    pub(crate) async fn begin_change<'a>(
        &'a self,
        changed: impl Iterator<Item = (&'static str, Uuid)>,
    ) -> Stale<'a> {
        let changed: BTreeSet<_> = match self.store {
            Store::Nothing => BTreeSet::new(),
            _ => changed.collect(),
        };
        let module = self.module;
        let keys: Vec<Key> =
            changed.into_iter().map(|(resource, id)| Key { module, resource, id }).collect();
        let block = Uuid::now_v7();
        self.store.block(&keys, block).await;
        Stale { store: &self.store, keys, block }
    }
}

/// What a transaction changes. Dropped without an end, when nobody knows whether the commit
/// came about, its blocks stay until they expire.
pub(crate) struct Stale<'a> {
    store: &'a Store,
    keys: Vec<Key>,
    block: Uuid,
}

impl Stale<'_> {
    /// Takes away what has been kept since, and the blocks.
    pub(crate) async fn end(self) {
        self.store.unblock(&self.keys, self.block).await;
    }
}

impl Store {
    async fn get(&self, key: &Key) -> Option<Kept> {
        match self {
            Store::Nothing => None,
            Store::Shared(shared) => shared.get(key).await,
            Store::Local(local) => local.get(key),
        }
    }

    async fn lease(&self, key: &Key) -> Option<Lease> {
        match self {
            Store::Nothing => None,
            Store::Shared(shared) => shared.lease(key).await,
            Store::Local(local) => local.lease(key),
        }
    }

    async fn keep(&self, key: &Key, lease: Lease, kept: &Kept) -> bool {
        match self {
            Store::Nothing => false,
            Store::Shared(shared) => shared.keep(key, lease, kept).await,
            Store::Local(local) => local.keep(key, lease, kept),
        }
    }

    async fn block(&self, keys: &[Key], block: Uuid) {
        match self {
            Store::Nothing => {}
            Store::Shared(shared) => shared.block(keys, block).await,
            Store::Local(local) => local.block(keys, block),
        }
    }

    async fn unblock(&self, keys: &[Key], block: Uuid) {
        match self {
            Store::Nothing => {}
            Store::Shared(shared) => shared.unblock(keys, block).await,
            Store::Local(local) => local.unblock(keys, block),
        }
    }
}

impl Kept {
    /// Of an answer that can be given again.
    fn of(reply: &Reply) -> Option<Self> {
        let is_plain = reply.status == 200 && reply.location.is_none() && !reply.replayed;
        (is_plain && reply.body.len() <= MAX_BODY_BYTES)
            .then(|| Kept { version: reply.etag, body: reply.body.as_str().into() })
    }

    fn reply(&self) -> Reply {
        Reply {
            status: 200,
            etag: self.version,
            location: None,
            body: (*self.body).to_owned(),
            replayed: false,
        }
    }

    /// As text: the version, or nothing, and the body on a line of its own.
    fn to_text(&self) -> String {
        let version = self.version.map(|version| version.to_string()).unwrap_or_default();
        format!("{version}\n{}", self.body)
    }

    fn from_text(text: &str) -> Option<Self> {
        let (version, body) = text.split_once('\n')?;
        let version = match version {
            "" => None,
            version => Some(version.parse().ok()?),
        };
        Some(Kept { version, body: body.into() })
    }
}

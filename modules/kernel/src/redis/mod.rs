//! The way to Redis, which replicas share. Whoever uses it can do without: each command has
//! a short deadline, and after a failure nobody waits for Redis again until it is back.

mod link;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

pub use deadpool_redis::redis::Script;
use deadpool_redis::redis::{
    Cmd, ConnectionInfo, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult,
    ScriptInvocation,
};
use tokio::sync::{Notify, watch};

use crate::config::RedisConfig;
use crate::metrics::{Counter, Gauge, Metrics};
use crate::redis::link::{Link, Links, Pool};

/// Between two tries to reach it.
const RETRY: Duration = Duration::from_millis(500);
/// Longest time to connect; nobody waits for it but the task that connects.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A handle; cheap to clone. Something has to run [`Redis::keep_connected`].
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    pool: Pool,
    key_prefix: String,
    timeout: Duration,
    /// Connections in use; none while Redis is down.
    links: RwLock<Option<Arc<Links>>>,
    next: AtomicUsize,
    lost: Notify,
    tried: watch::Sender<bool>,
    up: Gauge,
    failures: Counter,
}

/// Redis did not do it. The log has the reason already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Where Redis is, as the settings have it; an error in words.
pub fn connection_info(config: &RedisConfig) -> Result<ConnectionInfo, String> {
    let refused = |error: RedisError| format!("must be as redis://host:6379: {error}");
    let info = config.url.expose().into_connection_info().map_err(refused)?;
    if config.password.expose().is_empty() {
        return Ok(info);
    }
    let settings = info.redis_settings().clone().set_password(config.password.expose());
    Ok(info.set_redis_settings(settings))
}

impl Redis {
    /// The Redis of the settings, if they name one; not connected yet.
    pub fn new(config: &RedisConfig, metrics: &Metrics) -> Result<Option<Self>, String> {
        if config.url.expose().is_empty() {
            return Ok(None);
        }
        let pool = Pool::new(connection_info(config)?, config.cluster, config.connections.max(1))?;
        Ok(Some(Redis(Arc::new(Inner {
            pool,
            key_prefix: config.key_prefix.clone(),
            timeout: Duration::from_millis(config.timeout_ms),
            links: RwLock::new(None),
            next: AtomicUsize::new(0),
            lost: Notify::new(),
            tried: watch::Sender::new(false),
            up: metrics.gauge("erp_redis_up", "Whether Redis answers.", &[]),
            failures: metrics.counter(
                "erp_redis_failures_total",
                "Commands that Redis did not answer as it should.",
                &[],
            ),
        }))))
    }

    /// The address of the settings, if they name one, and why it cannot be reached.
    pub async fn inspect(config: &RedisConfig) -> Result<Option<(String, Option<String>)>, String> {
        let Some(redis) = Redis::new(config, &Metrics::default())? else { return Ok(None) };
        let address = connection_info(config)?.addr().to_string();
        Ok(Some((address, redis.connect().await.err())))
    }

    /// Connects, and again whenever the connection is lost, until told to stop.
    pub async fn keep_connected(self, mut stop: watch::Receiver<bool>) {
        let mut is_known_down = false;
        while !*stop.borrow() {
            let connected = self.connect().await;
            match &connected {
                Ok(_) if is_known_down => tracing::info!("Redis is back"),
                Err(error) if !is_known_down => {
                    tracing::warn!(error, "Redis cannot be reached; working without it");
                }
                Ok(_) | Err(_) => {}
            }
            let is_up = connected.is_ok();
            self.set_links(connected.ok().map(Arc::new));
            self.0.tried.send_replace(true);
            // Whoever lost it has said so.
            is_known_down = true;
            tokio::select! {
                () = self.0.lost.notified(), if is_up => {}
                () = tokio::time::sleep(RETRY), if !is_up => {}
                changed = stop.changed() => {
                    // Whoever would say so is gone.
                    if changed.is_err() {
                        break;
                    }
                }
            }
        }
        self.set_links(None);
    }

    /// Waits until the first try to connect has ended, well or not.
    pub async fn tried(&self) {
        let mut tried = self.0.tried.subscribe();
        // The sender lives as long as this handle.
        let _ = tried.wait_for(|tried| *tried).await;
    }

    /// Whether it answered when last asked.
    pub fn is_up(&self) -> bool {
        self.links().is_some()
    }

    /// `key` with what the settings put before every key.
    pub fn key(&self, key: &str) -> String {
        format!("{}{key}", self.0.key_prefix)
    }

    /// Runs one command.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        self.with_link(self.0.timeout, async |mut link| command.query_async(&mut link).await).await
    }

    /// Runs a script, sending its text only where Redis does not know it yet.
    pub async fn run_script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Unavailable> {
        self.with_link(self.0.timeout, async |mut link| script.invoke_async(&mut link).await).await
    }

    /// Like [`Redis::run_script`], for what is worth a longer wait.
    pub async fn run_patiently<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Unavailable> {
        let patience = self.0.timeout * 10;
        self.with_link(patience, async |mut link| script.invoke_async(&mut link).await).await
    }

    async fn with_link<T>(
        &self,
        patience: Duration,
        work: impl AsyncFnOnce(Link) -> RedisResult<T>,
    ) -> Result<T, Unavailable> {
        let links = self.links().ok_or(Unavailable)?;
        let link = links.one(self.0.next.fetch_add(1, Ordering::Relaxed));
        let failure = match tokio::time::timeout(patience, work(link)).await {
            Ok(Ok(value)) => return Ok(value),
            // Full is not gone: it still has what it has.
            Ok(Err(error)) if error.code() == Some("OOM") => {
                self.0.failures.add(1);
                return Err(Unavailable);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {patience:?}"),
        };
        self.0.failures.add(1);
        self.give_up(&links, &failure);
        Err(Unavailable)
    }

    /// Has nobody else use these connections.
    fn give_up(&self, failed: &Arc<Links>, failure: &str) {
        let mut links = self.0.links.write().unwrap_or_else(|e| e.into_inner());
        // Others may have found out before, and it may be back already.
        if links.as_ref().is_some_and(|links| Arc::ptr_eq(links, failed)) {
            *links = None;
            self.0.up.set(0);
            tracing::warn!(error = failure, "lost Redis; working without it");
            self.0.lost.notify_one();
        }
    }

    async fn connect(&self) -> Result<Links, String> {
        match tokio::time::timeout(CONNECT_LIMIT, self.0.pool.connect()).await {
            Ok(links) => links,
            Err(_) => Err(format!("no connection in {CONNECT_LIMIT:?}")),
        }
    }

    fn links(&self) -> Option<Arc<Links>> {
        self.0.links.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn set_links(&self, links: Option<Arc<Links>>) {
        self.0.up.set(links.is_some().into());
        *self.0.links.write().unwrap_or_else(|e| e.into_inner()) = links;
    }
}

//! Starting and stopping a process: modules, listeners, relays, jobs.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use kernel::Error;
use kernel::background::Background;
use kernel::cache::Cache;
use kernel::config::Secret;
use kernel::db::Db;
use kernel::events::Relay;
use kernel::metrics::Metrics;
use kernel::rate::RateLimits;
use kernel::redis::Redis;
use kernel::service::Callers;
use kernel::token::{KeySource, Revocations, TokenVerifier};
use reqwest::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, ConfigError, check_data_dir};
use crate::gateway::serve::{Checks, serve_api};
use crate::gateway::{Gateway, keep_asking, reload_on_change};
use crate::internal::Internal;
use crate::registry;

/// Often enough that a checkpoint is small, seldom enough that an idle process sleeps.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);

/// Why a process cannot start; one line that names the setting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{key}: cannot listen on {address}: {source}")]
    Listen { key: &'static str, address: String, source: std::io::Error },
    #[error("{}", why(.0))]
    Module(#[from] Error),
    #[error("the spec of {module}: {message}")]
    Spec { module: &'static str, message: String },
    #[error("{0}")]
    Other(String),
}

/// What is wrong, for whoever starts the process: the cause, which a caller of the API is not
/// told.
fn why(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) if error.status() == 500 => cause.to_string(),
        _ => error.to_string(),
    }
}

/// A running process.
pub struct Running {
    /// Where the API listens.
    pub address: SocketAddr,
    /// Where calls from other processes are answered, if anywhere.
    pub internal_address: Option<SocketAddr>,
    /// Where a Dapr sidecar is answered, if anywhere.
    pub sidecar_address: Option<SocketAddr>,
    /// The first administrator's password, if this start made one.
    pub generated_admin_password: Option<Secret>,
    databases: Vec<Db>,
    servers: Vec<ServerHandle>,
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Starts what the settings say.
pub async fn start(config: Config) -> Result<Running, StartError> {
    registry::check_module_settings(&config)?;
    let api = listen("server.bind", &config.server.bind)?;
    let internal = match config.internal.bind.as_str() {
        "" => None,
        bind => Some(listen("internal.bind", bind)?),
    };
    let sidecar = match config.dapr.bind.as_str() {
        "" => None,
        bind => Some(listen("dapr.bind", bind)?),
    };
    check_data_dir(&config.data.dir)?;
    let client = http_client()?;
    let metrics = Metrics::default();
    let (stop, stopping) = watch::channel(false);
    let mut tasks = Vec::new();
    let redis = Redis::new(&config.redis, &metrics).map_err(StartError::Other)?;
    if let Some(redis) = &redis {
        tasks.push(tokio::spawn(redis.clone().keep_connected(stopping.clone())));
        redis.tried().await;
    }
    let cache = Cache::new(&config.cache, redis.as_ref());
    let limits = RateLimits::new(&config.rate_limit, redis.clone(), &metrics);
    let limits = Arc::new(limits.map_err(StartError::Other)?);
    let registry = registry::build(&config, &client, &metrics, cache, redis).await?;
    let verifier = Arc::new(TokenVerifier::new(
        registry.keys.clone(),
        registry.revocations.clone(),
        &config.jwt,
    ));
    let databases: Vec<Db> = registry.modules.iter().map(|module| module.db.clone()).collect();
    if !registry.modules.is_empty() {
        // A start forgets no session that has ended. A gateway alone need not wait: the
        // modules look again.
        registry.revocations.renew_from(&*registry.keys).await;
    }
    if !registry.modules.is_empty() || config.remote.contains_key("auth") {
        tasks.push(tokio::spawn(renew_revocations(
            registry.revocations,
            registry.keys,
            stopping.clone(),
        )));
    }
    for module in &registry.modules {
        let relay =
            Relay::new(module.db.clone(), registry.subscribers.clone(), config.events.clone());
        let (db, jobs) = (module.db.clone(), module.jobs.clone());
        let patience = Duration::from_secs(config.server.shutdown_timeout_s);
        let background = Background { db, relay, jobs, patience };
        tasks.push(tokio::spawn(background.run(stopping.clone())));
        tasks.push(tokio::spawn(ring(module.db.clone(), stopping.clone())));
        tasks.push(tokio::spawn(checkpoints(module.db.clone(), stopping.clone())));
    }

    let mut servers = Vec::new();
    let address = api.local_addr().map_err(|e| StartError::Other(e.to_string()))?;
    let checks = Checks { verifier, limits };
    let gateway = Gateway::new(&config, checks.verifier.clone(), checks.limits.clone(), &metrics);
    let gateway = Arc::new(gateway.map_err(StartError::Other)?);
    tasks.push(tokio::spawn(keep_asking(gateway.clone(), stopping.clone())));
    if let Some(overrides) = config.read_from() {
        let overrides = overrides.clone();
        tasks.push(tokio::spawn(reload_on_change(gateway.clone(), overrides, stopping.clone())));
    }
    servers.push(serve_api(&config, api, &registry.modules, &checks, &gateway, &metrics)?);
    let internal_address = internal.as_ref().and_then(|listener| listener.local_addr().ok());
    let callers = Callers::new(&config.internal.callers)
        .map_err(|(name, why)| StartError::Other(format!("internal.callers.{name}: {why}")))?;
    let internals = Internal::new(&config, &registry.modules, callers);
    let sidecar_address = sidecar.as_ref().and_then(|listener| listener.local_addr().ok());
    if let Some(listener) = internal {
        servers.push(internals.clone().serve(&config, listener)?);
    }
    if let Some(listener) = sidecar {
        servers.push(internals.serve_sidecar(&config, listener)?);
    }
    Ok(Running {
        address,
        internal_address,
        sidecar_address,
        generated_admin_password: registry.generated_admin_password,
        databases,
        servers,
        tasks,
        stop,
    })
}

impl Running {
    /// Stops taking requests, lets the running ones finish, and closes the databases.
    pub async fn stop(self) {
        for server in &self.servers {
            server.stop(true).await;
        }
        // No receiver is left only if every task has ended already.
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        for db in &self.databases {
            if let Err(error) = db.close().await {
                tracing::warn!(module = db.module(), error = %error, "closing failed");
            }
        }
    }

    /// The data of the modules here.
    pub fn databases(&self) -> &[Db] {
        &self.databases
    }

    /// Events that are published and not yet delivered, over all modules here.
    pub async fn undelivered(&self) -> kernel::Result<i64> {
        let mut count = 0;
        for db in &self.databases {
            count += db.undelivered().await?;
        }
        Ok(count)
    }
}

fn listen(key: &'static str, address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Listen {
        key,
        address: address.to_owned(),
        source,
    })
}

/// The client for other processes of ours. HTTP/1.1, though they know HTTP/2 as well: a
/// listener that stops lets idle connections of the former go at once, and those of the latter
/// never, so that a replacement would wait for its whole limit.
fn http_client() -> Result<Client, StartError> {
    Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .pool_idle_timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .build()
        .map_err(|error| StartError::Other(error.to_string()))
}

/// Keeps the write-ahead log of a module short.
async fn checkpoints(db: Db, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(CHECKPOINT_EVERY) => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = db.checkpoint().await {
            tracing::warn!(module = db.module(), error = %error, "checkpoint failed");
        }
    }
}

/// Tells the replica that relays what this one has published.
async fn ring(db: Db, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = db.ring() => {}
        _ = stop.changed() => {}
    }
}

async fn renew_revocations(
    revocations: Arc<Revocations>,
    keys: Arc<dyn KeySource>,
    stop: watch::Receiver<bool>,
) {
    revocations.keep_renewed(&*keys, stop).await;
}

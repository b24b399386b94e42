//! Starting and stopping a process: modules, listeners, relays, jobs.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use kernel::background::Background;
use kernel::cache::Cache;
use kernel::config::Secret;
use kernel::db::Db;
use kernel::events::Relay;
use kernel::http::{Guard, Operations, Routes, guard, request_scope};
use kernel::metrics::Metrics;
use kernel::rate::RateLimits;
use kernel::redis::Redis;
use kernel::service::Callers;
use kernel::token::{KeySource, Revocations, TokenVerifier};
use kernel::{Error, Module};
use reqwest::Client;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing_actix_web::TracingLogger;

use crate::config::{Config, ConfigError, check_data_dir};
use crate::gateway::docs::{self, Specs};
use crate::gateway::health::{self, Health};
use crate::gateway::metrics::figures;
use crate::gateway::{MODULES, Upstream, forward};
use crate::internal::Internal;
use crate::registry;
use crate::telemetry::RequestSpan;

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
    let verifier =
        Arc::new(TokenVerifier::new(registry.keys.clone(), registry.revocations.clone()));
    let databases: Vec<Db> = registry.modules.iter().map(|module| module.db.clone()).collect();
    if !registry.modules.is_empty() {
        // A start forgets no session that has ended.
        registry.revocations.renew_from(&*registry.keys).await;
        tasks.push(tokio::spawn(renew_revocations(
            registry.revocations,
            registry.keys,
            stopping.clone(),
        )));
    }
    for module in &registry.modules {
        let relay =
            Relay::new(module.db.clone(), registry.subscribers.clone(), config.events.clone());
        let background = Background { db: module.db.clone(), relay, jobs: module.jobs.clone() };
        tasks.push(tokio::spawn(background.run(stopping.clone())));
        tasks.push(tokio::spawn(ring(module.db.clone(), stopping.clone())));
        tasks.push(tokio::spawn(checkpoints(module.db.clone(), stopping.clone())));
    }

    let mut servers = Vec::new();
    let address = api.local_addr().map_err(|e| StartError::Other(e.to_string()))?;
    let checks = Checks { verifier, limits };
    servers.push(serve_api(
        &config,
        api,
        &registry.modules,
        &checks,
        &client,
        &databases,
        &metrics,
    )?);
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

/// What the guards of all modules share.
#[derive(Clone)]
struct Checks {
    verifier: Arc<TokenVerifier>,
    limits: Arc<RateLimits>,
}

/// A local row of the routing table.
#[derive(Clone)]
struct Local {
    module: Module,
    guard: Data<Guard>,
}

fn serve_api(
    config: &Config,
    listener: TcpListener,
    modules: &[Module],
    checks: &Checks,
    client: &Client,
    databases: &[Db],
    metrics: &Metrics,
) -> Result<ServerHandle, StartError> {
    let own = crate::spec::specs(modules);
    let mut locals = Vec::new();
    for module in modules {
        let operations = Operations::from_spec(&own[module.name])
            .map_err(|message| StartError::Spec { module: module.name, message })?;
        let db = module.db.clone();
        let retried = metrics.counter(
            "erp_transactions_retried_total",
            "Requests done anew after the database aborted their transaction.",
            &[("module", module.name)],
        );
        let Checks { verifier, limits } = checks.clone();
        let guard = Data::new(Guard { operations, verifier, limits, db, retried });
        locals.push(Local { module: module.clone(), guard });
    }
    let upstreams: Vec<Data<Upstream>> = MODULES
        .into_iter()
        .filter(|name| !modules.iter().any(|module| module.name == *name))
        .filter_map(|module| {
            let url = config.remote.get(module)?.url.clone();
            Some(Data::new(Upstream { module, url, client: client.clone() }))
        })
        .collect();
    let specs = Data::new(Specs(Arc::new(served_specs(own))));
    let health = Data::new(Health { databases: Arc::new(databases.to_vec()) });
    // Who may not see them finds nothing there.
    let metrics = config.telemetry.metrics.then(|| Data::new(metrics.clone()));
    let factory = move || {
        let mut app = App::new()
            .app_data(specs.clone())
            .app_data(health.clone())
            .wrap(from_fn(request_scope))
            .wrap(TracingLogger::<RequestSpan>::new())
            .wrap(security_headers())
            .service(health::live)
            .service(health::ready)
            .configure(docs::configure);
        if let Some(metrics) = &metrics {
            app = app.service(web::scope("/metrics").app_data(metrics.clone()).service(figures));
        }
        for local in &locals {
            let routes = local.module.routes.clone();
            app = app.service(
                web::scope(&format!("/api/v1/{}", local.module.name))
                    .app_data(local.guard.clone())
                    .wrap(from_fn(guard))
                    .configure(|cfg| routes(&mut Routes::serve(cfg)))
                    .default_service(web::to(nothing_here)),
            );
        }
        for upstream in &upstreams {
            app = app.service(
                web::scope(&format!("/api/v1/{}", upstream.module))
                    .app_data(upstream.clone())
                    .default_service(web::to(forward)),
            );
        }
        app.default_service(web::to(nothing_here))
    };
    let server = HttpServer::new(factory)
        .workers(match config.server.workers {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
            n => n,
        })
        .max_connections(config.server.max_connections)
        .client_request_timeout(Duration::from_secs(config.server.client_request_timeout_s))
        .shutdown_timeout(config.server.shutdown_timeout_s)
        .disable_signals()
        .listen(listener)
        .map_err(|error| StartError::Other(error.to_string()))?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

/// The specs to show: of modules here as their handlers say, of the others as they were
/// when this was built.
fn served_specs(own: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let whole = MODULES.iter().all(|module| own.contains_key(*module));
    let mut specs: BTreeMap<String, String> = docs::built_specs();
    for (name, spec) in own {
        if name != "erp" || whole {
            specs.insert(name, crate::spec::with_examples(spec).to_string());
        }
    }
    specs
}

fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add(("Referrer-Policy", "no-referrer"))
}

pub(crate) async fn nothing_here(request: HttpRequest) -> Result<HttpResponse, Error> {
    Err(Error::new(404, "no_such_path", format!("nothing is at {}", request.path())))
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

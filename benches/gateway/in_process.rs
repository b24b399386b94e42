//! A module in this process, asked through its row of the routing table and without it: the
//! same handler and the same guard, once behind everything the gateway does for a local row.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use erp::Config;
use erp::config::defaults;
use erp::gateway::Gateway;
use erp::gateway::serve::{Checks, serve_api};
use erp::registry::{self, Registry};
use figment::providers::Serialized;
use kernel::cache::Cache;
use kernel::http::{Guard, Operations, Routes, guard};
use kernel::metrics::Metrics;
use kernel::rate::RateLimits;
use kernel::token::TokenVerifier;

use crate::processes::{Dir, PASSWORD};

const WORKERS: usize = 2;

pub struct InProcess {
    pub through_row: String,
    pub bare: String,
}

impl InProcess {
    pub async fn start(dir: &Dir) -> Result<InProcess, String> {
        let layers = defaults()
            .merge(Serialized::default("data.dir", dir.0.join("in-process")))
            .merge(Serialized::default("server.workers", WORKERS))
            .merge(Serialized::default("telemetry.level", "warn"))
            .merge(Serialized::default("rate_limit.user_per_s", 1_000_000))
            .merge(Serialized::default("rate_limit.user_burst", 1_000_000))
            .merge(Serialized::default("auth.admin_password", PASSWORD));
        let config = Config::load(&layers).map_err(|e| e.to_string())?;
        std::fs::create_dir_all(&config.data.dir).map_err(|e| e.to_string())?;
        let metrics = Metrics::default();
        let cache = Cache::new(&config.cache, None);
        let client = reqwest::Client::new();
        let registry = registry::build(&config, &client, &metrics, cache, None).await;
        let Registry { modules, keys, revocations, .. } = registry.map_err(|e| e.to_string())?;
        let verifier = Arc::new(TokenVerifier::new(keys, revocations, &config.jwt));
        let limits = Arc::new(RateLimits::new(&config.rate_limit, None, &metrics)?);
        let gateway = Gateway::new(&config, verifier.clone(), limits.clone(), &metrics)?;

        let (listener, through_row) = listen()?;
        let checks = Checks { verifier: verifier.clone(), limits: limits.clone() };
        serve_api(&config, listener, &modules, &checks, &Arc::new(gateway), &metrics)
            .map_err(|e| e.to_string())?;

        let mut specs = erp::spec::specs(&modules);
        let mut bare = Vec::new();
        for module in modules {
            let spec = specs.remove(module.name).unwrap_or_default();
            let guard = Guard {
                operations: Operations::from_spec(&spec)?,
                verifier: verifier.clone(),
                db: module.db.clone(),
                retried: metrics.counter("retried", "As the module's own.", &[]),
                limits: limits.clone(),
                body_timeout: Duration::from_secs(30),
            };
            bare.push((module, Data::new(guard)));
        }
        let (listener, address) = listen()?;
        let factory = move || {
            let mut app = App::new();
            for (module, data) in &bare {
                let routes = module.routes.clone();
                let scope = web::scope(&format!("/api/v1/{}", module.name))
                    .app_data(data.clone())
                    .wrap(from_fn(guard))
                    .configure(|cfg| routes(&mut Routes::serve(cfg)));
                app = app.service(scope);
            }
            app
        };
        let server = HttpServer::new(factory).workers(WORKERS).disable_signals();
        let server = server.tcp_nodelay(true).listen_auto_h2c(listener);
        tokio::spawn(server.map_err(|e| e.to_string())?.run());
        Ok(InProcess { through_row, bare: address })
    }
}

fn listen() -> Result<(TcpListener, String), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?.to_string();
    Ok((listener, address))
}

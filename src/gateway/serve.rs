//! The listener of the API: modules mounted here, the way to the others, docs and health.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, Data};
use actix_web::{
    App, FromRequest, Handler, HttpRequest, HttpResponse, HttpServer, Resource, Responder,
};
use kernel::http::{Guard, Routes, guard, module_operations, request_scope};
use kernel::metrics::Metrics;
use kernel::rate::RateLimits;
use kernel::token::TokenVerifier;
use kernel::{Error, Module};

use crate::config::Config;
use crate::gateway::Gateway;
use crate::gateway::client::Clients;
use crate::gateway::cors::cors;
use crate::gateway::docs::{self, Specs};
use crate::gateway::health::{self, Health};
use crate::gateway::metrics::figures;
use crate::gateway::proxy::route;
use crate::server::StartError;

/// What the guards of all modules share.
#[derive(Clone)]
pub struct Checks {
    pub verifier: Arc<TokenVerifier>,
    pub limits: Arc<RateLimits>,
}

/// A local row of the routing table.
#[derive(Clone)]
struct Local {
    module: Module,
    guard: Data<Guard>,
}

/// Answers at `listener`, HTTP/1.1 and, in the clear and known beforehand, HTTP/2.
pub fn serve_api(
    config: &Config,
    listener: TcpListener,
    modules: &[Module],
    checks: &Checks,
    gateway: &Arc<Gateway>,
    metrics: &Metrics,
) -> Result<ServerHandle, StartError> {
    let locals = locals(config, modules, checks, metrics)?;
    let specs = Data::new(Specs::new(modules));
    let databases = modules.iter().map(|module| module.db.clone()).collect();
    let health = Data::new(Health { databases: Arc::new(databases), gateway: gateway.clone() });
    let trusted = gateway.trusted();
    let gateway = Data::from(gateway.clone());
    // Who may not see them finds nothing there.
    let metrics = config.telemetry.metrics.then(|| Data::new(metrics.clone()));
    let origins = config.gateway.cors.clone();
    let verifier = Data::from(checks.verifier.clone());
    let factory = move || {
        let mut app = App::new()
            .app_data(specs.clone())
            .app_data(health.clone())
            .app_data(gateway.clone())
            .app_data(Data::new(Rc::new(Clients::new(trusted.clone()))))
            .wrap(cors(&origins))
            .wrap(from_fn(request_scope))
            .wrap(security_headers())
            .service(page("/health/live", health::live))
            .service(page("/health/ready", health::ready))
            .app_data(verifier.clone())
            .service(page("/.well-known/jwks.json", key_set))
            .configure(docs::configure);
        if let Some(metrics) = &metrics {
            app = app.service(page("/metrics", figures).app_data(metrics.clone()));
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
        app.default_service(web::to(route))
    };
    let server = HttpServer::new(factory)
        .workers(match config.server.workers {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
            n => n,
        })
        .max_connections(config.server.max_connections)
        // Or what is left of an answer waits until the caller has acknowledged the rest.
        .tcp_nodelay(true)
        .client_request_timeout(Duration::from_secs(config.server.client_request_timeout_s))
        .shutdown_timeout(config.server.shutdown_timeout_s)
        .disable_signals()
        .listen_auto_h2c(listener)
        .map_err(|error| StartError::Other(error.to_string()))?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

fn locals(
    config: &Config,
    modules: &[Module],
    checks: &Checks,
    metrics: &Metrics,
) -> Result<Vec<Local>, StartError> {
    let local = |module: &Module| {
        let operations = module_operations(module.name, &*module.routes)
            .map_err(|message| StartError::Spec { module: module.name, message })?;
        let db = module.db.clone();
        let retried = metrics.counter(
            "erp_transactions_retried_total",
            "Requests done anew after the database aborted their transaction.",
            &[("module", module.name)],
        );
        let Checks { verifier, limits } = checks.clone();
        let body_timeout = Duration::from_secs(config.server.client_body_timeout_s);
        let guard = Guard { operations, verifier, limits, db, retried, body_timeout };
        let guard = Data::new(guard);
        Ok(Local { module: module.clone(), guard })
    };
    modules.iter().map(local).collect()
}

/// What is only read: HEAD is a GET without the body.
pub fn page<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(only_read))
}

/// The answer to other methods.
pub async fn only_read(request: HttpRequest) -> HttpResponse {
    let refusal = Error::method_not_allowed("GET, HEAD, OPTIONS".to_owned());
    refusal.answer(request.method())
}

fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add(("Referrer-Policy", "no-referrer"))
}

/// What access tokens are checked with, wherever auth is.
async fn key_set(verifier: Data<TokenVerifier>) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(verifier.key_set().await?))
}

/// 404 of a listener.
pub async fn nothing_here(request: HttpRequest) -> Result<HttpResponse, Error> {
    Err(Error::new(404, "no_such_path", format!("nothing is at {}", request.path())))
}

//! The listeners that no client sees: for calls and events of other processes, and for a Dapr
//! sidecar that brings them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use contracts::events::SUBSCRIPTIONS;
use kernel::config::{EventsConfig, Secret};
use kernel::events::dapr::{CloudEvent, dead_letter_topic, topic};
use kernel::events::log::{EventLog, READ_EVENTS};
use kernel::events::{Event, publisher_of, take_back};
use kernel::http::{read_json, request_scope};
use kernel::remote::ctx_from_headers;
use kernel::service::Callers;
use kernel::{Error, Module, Result};
use serde_json::json;
use tracing_actix_web::TracingLogger;

use crate::config::Config;
use crate::gateway::serve::nothing_here;
use crate::registry::CALLS;
use crate::server::StartError;
use crate::telemetry::RequestSpan;

/// The largest call or event: a document of thousands of lines.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// What its publisher notes of an event that came back.
const GIVEN_UP: &str = "the sidecar gave it up; its subscriber's log says why";

/// How long an event waits for the one before it, which is on its way as a rule.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What both listeners serve.
#[derive(Clone)]
pub struct Internal {
    modules: Arc<BTreeMap<&'static str, Module>>,
    callers: Arc<Callers>,
    pubsub: String,
    app_token: Secret,
    events: EventsConfig,
}

impl Internal {
    pub fn new(config: &Config, modules: &[Module], callers: Callers) -> Self {
        let modules = modules.iter().map(|module| (module.name, module.clone())).collect();
        Internal {
            modules: Arc::new(modules),
            callers: Arc::new(callers),
            pubsub: config.dapr.pubsub.clone(),
            app_token: config.dapr.app_token.clone(),
            events: config.events.clone(),
        }
    }

    /// Answers calls of other processes.
    pub fn serve(self, config: &Config, listener: TcpListener) -> Result<ServerHandle, StartError> {
        serve(self, config, listener, |_| {})
    }

    /// Answers the sidecar: calls and events it brings.
    pub fn serve_sidecar(
        self,
        config: &Config,
        listener: TcpListener,
    ) -> Result<ServerHandle, StartError> {
        serve(self, config, listener, |cfg| {
            cfg.route("/dapr/subscribe", web::get().to(subscriptions))
                .route("/dapr/events/{module}", web::post().to(event))
                .route("/dapr/dead/{module}", web::post().to(dead_letter));
        })
    }

    fn module(&self, name: &str) -> Result<&Module> {
        self.modules.get(name).ok_or_else(|| Error::not_found("module", name))
    }

    /// Whether it is the sidecar that asks.
    fn check_app_token(&self, request: &HttpRequest) -> Result<()> {
        let expected = self.app_token.expose().as_bytes();
        let token = request.headers().get("dapr-api-token").map_or(&b""[..], |t| t.as_bytes());
        match same(token, expected) {
            true => Ok(()),
            false => Err(Error::unauthenticated("invalid_app_token", "not the sidecar")),
        }
    }
}

fn serve(
    state: Internal,
    config: &Config,
    listener: TcpListener,
    routes: fn(&mut ServiceConfig),
) -> Result<ServerHandle, StartError> {
    let state = Data::new(state);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
            .wrap(from_fn(request_scope))
            .wrap(TracingLogger::<RequestSpan>::new())
            .route("/internal/{module}/{method}", web::post().to(call))
            .configure(routes)
            .default_service(web::to(nothing_here))
    })
    .workers(1)
    // Or an answer in two writes waits for the acknowledgement of the first.
    .tcp_nodelay(true)
    .shutdown_timeout(config.server.shutdown_timeout_s)
    .disable_signals()
    .listen_auto_h2c(listener)
    .map_err(|error| StartError::Other(error.to_string()))?
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

/// A call of a contract, or an event, from another process.
async fn call(
    request: HttpRequest,
    path: Path<(String, String)>,
    state: Data<Internal>,
    body: Bytes,
) -> Result<HttpResponse, Error> {
    let (name, method) = path.into_inner();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let token = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let caller = state.callers.check(token.unwrap_or_default(), &name)?;
    let module = state.module(&name)?;
    let answer = if method == "events" {
        let event: Event = read_json(&body)?;
        if event.publisher() != caller || !hears(module.name, &event.kind) {
            return Err(not_allowed(&caller, &event.kind));
        }
        module.subscriber.handle(&event).await?;
        b"null".to_vec()
    } else if method == READ_EVENTS {
        // Of every module, by the one that tells others than modules.
        if caller != "auth" {
            return Err(not_allowed(&caller, READ_EVENTS));
        }
        let portion = module.db.read_events(&ctx_from_headers(header), &read_json(&body)?).await?;
        serde_json::to_vec(&portion)?
    } else {
        if !may_call(&caller, module.name) {
            return Err(not_allowed(&caller, &format!("{name}.{method}")));
        }
        module.contract.serve(&method, &ctx_from_headers(header), &body).await?
    };
    Ok(HttpResponse::Ok().content_type("application/json").body(answer))
}

/// Auth tells everybody which keys are good and which sessions have ended; of the others each
/// is called by those who need it.
fn may_call(caller: &str, callee: &str) -> bool {
    callee == "auth"
        || CALLS.iter().any(|(name, callees)| *name == caller && callees.contains(&callee))
}

fn hears(subscriber: &str, kind: &str) -> bool {
    SUBSCRIPTIONS.iter().any(|(name, heard)| *name == kind && heard.contains(&subscriber))
}

fn not_allowed(caller: &str, what: &str) -> Error {
    Error::new(403, "call_not_allowed", format!("{what} is not for {caller}"))
}

/// What the sidecar is to bring: the topic of each module here, and what was given up of the
/// events that modules here publish.
async fn subscriptions(request: HttpRequest, state: Data<Internal>) -> Result<HttpResponse, Error> {
    state.check_app_token(&request)?;
    let is_here = |name: &str| state.modules.contains_key(name);
    let heard = SUBSCRIPTIONS.iter().flat_map(|(_, names)| *names).filter(|name| is_here(name));
    let heard = heard.collect::<BTreeSet<_>>().into_iter().map(|name| {
        json!({
            "pubsubname": state.pubsub, "topic": topic(name),
            "route": format!("/dapr/events/{name}"),
            "deadLetterTopic": dead_letter_topic(name),
        })
    });
    let told = SUBSCRIPTIONS.iter().filter(|(kind, _)| is_here(publisher_of(kind)));
    let told = told.flat_map(|(_, names)| *names).collect::<BTreeSet<_>>().into_iter();
    let given_up = told.map(|name| {
        json!({
            "pubsubname": state.pubsub, "topic": dead_letter_topic(name),
            "route": format!("/dapr/dead/{name}"),
        })
    });
    Ok(HttpResponse::Ok().json(heard.chain(given_up).collect::<Vec<_>>()))
}

/// An event the sidecar brings: `SUCCESS` if it is applied, `RETRY` if it is to come again, and
/// `DROP` if it is none of ours. What is not applied goes to the dead-letter topic, at once where
/// no policy has the sidecar try again.
async fn event(
    request: HttpRequest,
    path: Path<String>,
    state: Data<Internal>,
    body: Bytes,
) -> Result<HttpResponse, Error> {
    state.check_app_token(&request)?;
    let name = path.into_inner();
    let module = state.module(&name)?;
    let status = match apply(module, &state.callers, &body).await {
        Ok(()) => "SUCCESS",
        Err(error) => {
            let status = if error.status() == 401 { "DROP" } else { "RETRY" };
            tracing::warn!(subscriber = name, error = ?error, status, "delivery failed");
            status
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "status": status })))
}

async fn apply(module: &Module, callers: &Callers, body: &[u8]) -> Result<()> {
    let refuse = |_| Error::unauthenticated("invalid_event", "this is no event of ours");
    let event: CloudEvent = serde_json::from_slice(body).map_err(refuse)?;
    let event = event.open(module.name, callers)?;
    if !hears(module.name, &event.kind) {
        return Err(Error::unauthenticated("invalid_event", "nobody here hears it"));
    }
    if let Some(previous) = event.previous {
        let begun = Instant::now();
        while !module.db.has_applied(previous).await? {
            if begun.elapsed() > PATIENCE {
                return Err(Error::unavailable("out_of_order", "one before it is missing", 1));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    module.subscriber.handle(&event).await
}

/// An event that was given up on the way to `subscriber`, or by it. All who publish for it are
/// told; who published this takes it back.
async fn dead_letter(
    request: HttpRequest,
    subscriber: Path<String>,
    state: Data<Internal>,
    body: Bytes,
) -> Result<HttpResponse, Error> {
    state.check_app_token(&request)?;
    let event = serde_json::from_slice::<CloudEvent>(&body).ok();
    let event = event.and_then(|event| event.open(&subscriber, &state.callers).ok());
    let publisher = event.as_ref().and_then(|event| state.modules.get(event.publisher()));
    let status = match event.as_ref().zip(publisher) {
        // Another's, or nobody's.
        None => "SUCCESS",
        Some((event, publisher)) => {
            tracing::warn!(
                subscriber = *subscriber,
                event.id = %event.id,
                event.r#type = %event.kind,
                attempts = event.attempts + 1,
                "an event came back"
            );
            match take_back(&publisher.db, &state.events, event, &subscriber, GIVEN_UP).await {
                Ok(()) => "SUCCESS",
                Err(error) => {
                    tracing::error!(event.id = %event.id, error = ?error, "not taken back");
                    "RETRY"
                }
            }
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "status": status })))
}

/// Compares in a time that tells nothing of where the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

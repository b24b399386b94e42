//! Whether the process lives, and whether it can do its work.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;
use kernel::db::Db;
use serde::Serialize;

use crate::gateway::Gateway;
use crate::gateway::upstream::{Reachable, Upstream};

/// What readiness looks at.
#[derive(Clone)]
pub struct Health {
    pub databases: Arc<Vec<Db>>,
    pub gateway: Arc<Gateway>,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    modules: Vec<ModuleReport>,
}

#[derive(Serialize)]
struct ModuleReport {
    module: String,
    status: &'static str,
}

/// The process runs; says nothing of what it depends on.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Report { status: "ok", modules: Vec::new() })
}

/// Every mounted module reaches its database; otherwise 503. A module elsewhere that is not
/// there makes it `degraded` and no more: the others are to be reached all the same.
pub async fn ready(health: Data<Health>) -> HttpResponse {
    let mut modules = Vec::new();
    for db in health.databases.iter() {
        let status = if db.ping().await.is_ok() { "ok" } else { "unreachable" };
        modules.push(ModuleReport { module: db.module().to_owned(), status });
    }
    let is_ready = modules.iter().all(|module| module.status == "ok");
    for row in health.gateway.table().rows() {
        let module = row.route.module.clone();
        modules.push(ModuleReport { module, status: status(row.upstreams.all()) });
    }
    modules.sort_by(|a, b| a.module.cmp(&b.module));
    let is_whole = modules.iter().all(|module| matches!(module.status, "ok" | "not_configured"));
    match (is_ready, is_whole) {
        (true, true) => HttpResponse::Ok().json(Report { status: "ok", modules }),
        (true, false) => HttpResponse::Ok().json(Report { status: "degraded", modules }),
        (false, _) => {
            HttpResponse::ServiceUnavailable().json(Report { status: "unready", modules })
        }
    }
}

/// What the last look at the upstreams of a row has shown.
fn status(upstreams: &[Arc<Upstream>]) -> &'static str {
    let count = |state| upstreams.iter().filter(|one| one.reachable() == state).count();
    match (count(Reachable::Yes), count(Reachable::No), upstreams.len()) {
        (_, _, 0) => "not_configured",
        (yes, _, all) if yes == all => "ok",
        (_, no, all) if no == all => "unreachable",
        (_, 0, _) => "unknown",
        _ => "degraded",
    }
}

//! Whether the process lives, and whether it can do its work.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use kernel::db::Db;
use serde::Serialize;

/// What readiness looks at.
#[derive(Clone)]
pub struct Health {
    pub databases: Arc<Vec<Db>>,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    modules: Vec<ModuleReport>,
}

#[derive(Serialize)]
struct ModuleReport {
    module: &'static str,
    status: &'static str,
}

/// The process runs; says nothing of what it depends on.
#[get("/health/live")]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Report { status: "ok", modules: Vec::new() })
}

/// Every mounted module reaches its database; otherwise 503.
#[get("/health/ready")]
pub async fn ready(health: Data<Health>) -> HttpResponse {
    let mut modules = Vec::new();
    for db in health.databases.iter() {
        let status = if db.ping().await.is_ok() { "ok" } else { "unreachable" };
        modules.push(ModuleReport { module: db.module(), status });
    }
    if modules.iter().all(|module| module.status == "ok") {
        HttpResponse::Ok().json(Report { status: "ok", modules })
    } else {
        HttpResponse::ServiceUnavailable().json(Report { status: "unready", modules })
    }
}

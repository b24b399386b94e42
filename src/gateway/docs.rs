//! The docs page and the specs it shows; works with no network.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpResponse, get};
use kernel::{Error, Result};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

/// The specs by name, `erp` for the whole, as JSON text.
#[derive(Clone)]
pub struct Specs(pub Arc<BTreeMap<String, String>>);

/// Adds `/openapi.json`, `/openapi/<module>.json` and `/docs/`.
pub fn configure(cfg: &mut ServiceConfig) {
    let config = Config::new([
        Url::with_primary("erp (all modules)", "/openapi.json", true),
        Url::new("auth", "/openapi/auth.json"),
        Url::new("billing", "/openapi/billing.json"),
        Url::new("inventory", "/openapi/inventory.json"),
        Url::new("orders", "/openapi/orders.json"),
        Url::new("purchasing", "/openapi/purchasing.json"),
        Url::new("sales", "/openapi/sales.json"),
    ])
    .persist_authorization(true)
    .display_operation_id(true)
    .display_request_duration(true)
    .default_models_expand_depth(0)
    .filter(true)
    .try_it_out_enabled(true);
    cfg.service(whole_spec)
        .service(module_spec)
        .service(docs_redirect)
        .service(SwaggerUi::new("/docs/{_:.*}").config(config));
}

#[get("/openapi.json")]
async fn whole_spec(specs: Data<Specs>) -> Result<HttpResponse> {
    answer(&specs, "erp")
}

#[get("/openapi/{module}.json")]
async fn module_spec(specs: Data<Specs>, module: Path<String>) -> Result<HttpResponse> {
    answer(&specs, &module)
}

#[get("/docs")]
async fn docs_redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

fn answer(specs: &Specs, name: &str) -> Result<HttpResponse> {
    let spec = specs.0.get(name).ok_or_else(|| Error::not_found("spec", name))?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(spec.clone()))
}

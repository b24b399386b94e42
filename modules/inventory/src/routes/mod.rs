//! The module's endpoints, relative to `/api/v1/inventory`.

pub(crate) mod invariants;
pub(crate) mod products;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    products::configure(cfg);
    invariants::configure(cfg);
}

//! The module's endpoints, relative to `/api/v1/purchasing`.

pub(crate) mod invariants;
pub(crate) mod purchase_orders;
pub(crate) mod receipts;
pub(crate) mod suppliers;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    suppliers::configure(cfg);
    purchase_orders::configure(cfg);
    receipts::configure(cfg);
    invariants::configure(cfg);
}

//! The module's endpoints, relative to `/api/v1/inventory`.

pub(crate) mod adjustments;
pub(crate) mod invariants;
pub(crate) mod moves;
pub(crate) mod products;
pub(crate) mod receipts;
pub(crate) mod reservations;
pub(crate) mod stock;
pub(crate) mod warehouses;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    products::configure(cfg);
    warehouses::configure(cfg);
    stock::configure(cfg);
    moves::configure(cfg);
    receipts::configure(cfg);
    adjustments::configure(cfg);
    reservations::configure(cfg);
    invariants::configure(cfg);
}

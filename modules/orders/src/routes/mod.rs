//! The module's endpoints, relative to `/api/v1/orders`.

pub(crate) mod invariants;
pub(crate) mod orders;
pub(crate) mod returns;
pub(crate) mod shipments;
pub(crate) mod state_machines;
pub(crate) mod timeline;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    orders::configure(cfg);
    shipments::configure(cfg);
    returns::configure(cfg);
    timeline::configure(cfg);
    state_machines::configure(cfg);
    invariants::configure(cfg);
}

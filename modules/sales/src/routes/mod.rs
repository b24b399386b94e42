//! The module's endpoints, relative to `/api/v1/sales`.

pub(crate) mod customers;
pub(crate) mod facts;
pub(crate) mod invariants;
pub(crate) mod price_lists;
pub(crate) mod prices;
pub(crate) mod quotation_actions;
pub(crate) mod quotations;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    customers::configure(cfg);
    price_lists::configure(cfg);
    prices::configure(cfg);
    quotations::configure(cfg);
    quotation_actions::configure(cfg);
    facts::configure(cfg);
    invariants::configure(cfg);
}

//! The module's endpoints, relative to `/api/v1/billing`.

pub(crate) mod accounts;
pub(crate) mod bills;
pub(crate) mod credit_notes;
pub(crate) mod documents;
pub(crate) mod invariants;
pub(crate) mod invoices;
pub(crate) mod journal_entries;
mod optional_json;
pub(crate) mod payments;
pub(crate) mod tax_rates;
pub(crate) mod totals;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    tax_rates::configure(cfg);
    totals::configure(cfg);
    invoices::configure(cfg);
    credit_notes::configure(cfg);
    payments::configure(cfg);
    bills::configure(cfg);
    accounts::configure(cfg);
    journal_entries::configure(cfg);
    invariants::configure(cfg);
}

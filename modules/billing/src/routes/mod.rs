//! The module's endpoints, relative to `/api/v1/billing`.

pub(crate) mod accounts;
pub(crate) mod ageing;
mod audit;
pub(crate) mod bills;
pub(crate) mod credit_notes;
pub(crate) mod credits;
pub(crate) mod documents;
pub(crate) mod invariants;
pub(crate) mod invoices;
pub(crate) mod journal_entries;
mod optional_json;
pub(crate) mod parked_events;
pub(crate) mod payments;
pub(crate) mod period_locks;
pub(crate) mod refunds;
pub(crate) mod statements;
pub(crate) mod tax_rates;
pub(crate) mod totals;

use kernel::http::Routes;

pub(crate) fn configure(routes: &mut Routes) {
    tax_rates::configure(routes);
    totals::configure(routes);
    invoices::configure(routes);
    credit_notes::configure(routes);
    payments::configure(routes);
    credits::configure(routes);
    refunds::configure(routes);
    bills::configure(routes);
    accounts::configure(routes);
    statements::configure(routes);
    ageing::configure(routes);
    journal_entries::configure(routes);
    period_locks::configure(routes);
    parked_events::configure(routes);
    audit::configure(routes);
    invariants::configure(routes);
}

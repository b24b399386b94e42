//! The module's endpoints, relative to `/api/v1/purchasing`.

mod audit;
pub(crate) mod bank_accounts;
pub(crate) mod invariants;
pub(crate) mod parked_events;
pub(crate) mod purchase_orders;
pub(crate) mod receipts;
pub(crate) mod suppliers;

use kernel::http::Routes;

pub(crate) fn configure(routes: &mut Routes) {
    suppliers::configure(routes);
    bank_accounts::configure(routes);
    purchase_orders::configure(routes);
    receipts::configure(routes);
    parked_events::configure(routes);
    audit::configure(routes);
    invariants::configure(routes);
}

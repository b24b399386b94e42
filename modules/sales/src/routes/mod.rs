//! The module's endpoints, relative to `/api/v1/sales`.

mod audit;
pub(crate) mod customers;
pub(crate) mod facts;
pub(crate) mod invariants;
pub(crate) mod parked_events;
pub(crate) mod price_lists;
pub(crate) mod prices;
pub(crate) mod quotation_actions;
pub(crate) mod quotations;

use kernel::http::Routes;

pub(crate) fn configure(routes: &mut Routes) {
    customers::configure(routes);
    price_lists::configure(routes);
    prices::configure(routes);
    quotations::configure(routes);
    quotation_actions::configure(routes);
    facts::configure(routes);
    parked_events::configure(routes);
    audit::configure(routes);
    invariants::configure(routes);
}

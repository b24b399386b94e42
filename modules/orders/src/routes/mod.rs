//! The module's endpoints, relative to `/api/v1/orders`.

mod audit;
pub(crate) mod invariants;
pub(crate) mod orders;
pub(crate) mod parked_events;
pub(crate) mod returns;
pub(crate) mod shipments;
pub(crate) mod state_machines;
pub(crate) mod timeline;

use kernel::http::Routes;

pub(crate) fn configure(routes: &mut Routes) {
    orders::configure(routes);
    shipments::configure(routes);
    returns::configure(routes);
    timeline::configure(routes);
    state_machines::configure(routes);
    parked_events::configure(routes);
    audit::configure(routes);
    invariants::configure(routes);
}

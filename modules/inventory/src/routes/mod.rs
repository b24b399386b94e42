//! The module's endpoints, relative to `/api/v1/inventory`.

pub(crate) mod adjustment_requests;
pub(crate) mod adjustments;
mod audit;
pub(crate) mod backorders;
pub(crate) mod barcodes;
pub(crate) mod categories;
pub(crate) mod exports;
pub(crate) mod imports;
pub(crate) mod invariants;
pub(crate) mod landed_costs;
pub(crate) mod locations;
pub(crate) mod lots;
pub(crate) mod moves;
pub(crate) mod parked_events;
pub(crate) mod picking;
pub(crate) mod planning;
pub(crate) mod product_components;
pub(crate) mod product_templates;
pub(crate) mod product_units;
pub(crate) mod products;
pub(crate) mod promises;
pub(crate) mod put_away;
pub(crate) mod receipts;
pub(crate) mod reports;
pub(crate) mod reservations;
pub(crate) mod stock;
pub(crate) mod stock_counts;
pub(crate) mod stock_periods;
pub(crate) mod transfers;
pub(crate) mod valuation;
pub(crate) mod warehouses;

use kernel::http::Routes;

pub(crate) fn configure(routes: &mut Routes) {
    products::configure(routes);
    product_units::configure(routes);
    product_components::configure(routes);
    product_templates::configure(routes);
    categories::configure(routes);
    barcodes::configure(routes);
    warehouses::configure(routes);
    locations::configure(routes);
    put_away::configure(routes);
    stock::configure(routes);
    promises::configure(routes);
    lots::configure(routes);
    moves::configure(routes);
    receipts::configure(routes);
    adjustments::configure(routes);
    adjustment_requests::configure(routes);
    stock_counts::configure(routes);
    planning::configure(routes);
    valuation::configure(routes);
    reports::configure(routes);
    landed_costs::configure(routes);
    stock_periods::configure(routes);
    transfers::configure(routes);
    reservations::configure(routes);
    backorders::configure(routes);
    picking::configure(routes);
    imports::configure(routes);
    exports::configure(routes);
    parked_events::configure(routes);
    audit::configure(routes);
    invariants::configure(routes);
}

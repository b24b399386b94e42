//! The module's rules and transactions, by resource.

mod adjustment_requests;
mod adjustments;
mod backorders;
mod barcodes;
mod bin_choice;
mod bin_rows;
mod bins;
mod categories;
mod contract;
mod cost_trails;
mod costing;
mod count_variances;
mod counted_lots;
mod counting;
mod customer_returns;
mod days;
pub(crate) mod exports;
mod fits;
mod holds;
mod imports;
mod incoming;
mod jobs;
mod kit_lines;
mod kit_promises;
mod kits;
mod landed_costs;
pub(crate) mod laws;
mod level;
mod levels;
mod locations;
mod lots;
mod moves;
mod named_lots;
mod negative_stock;
mod order_changes;
mod pick_losses;
mod picked_lots;
mod picking;
mod picking_ends;
mod planning;
mod product_templates;
mod products;
mod promise_dates;
mod promise_days;
mod promises;
mod purchase_receipts;
mod put_away;
mod queue;
pub(crate) mod references;
mod relocations;
mod reports;
mod reservations;
mod reserve;
mod reversals;
mod scans;
mod search;
mod shipments;
mod stock;
pub(crate) mod stock_counts;
mod stock_periods;
mod stock_receipts;
#[cfg(test)]
mod tests;
mod traces;
mod transfer_receipts;
mod transfers;
mod units;
mod valuation;
mod warehouses;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use kernel::Result;
use kernel::config::CompanyConfig;
use kernel::db::Db;
use kernel::quantity::Quantity;

use crate::Config;
use crate::error::{Error, internal};

/// Most lines a document may have; what they bring along has to fit one statement.
const MAX_LINES: usize = 1000;

/// Of a receipt more: opening stock comes as one.
const MAX_RECEIPT_LINES: usize = 5000;

/// What every rule works with.
pub(crate) struct Service {
    pub db: Db,
    pub config: Config,
    pub company: CompanyConfig,
}

/// A document has 1 to `most` lines.
fn check_line_count(count: usize, most: usize) -> Result<(), Error> {
    match count {
        0 => Err(Error::NoLines),
        _ if count <= most => Ok(()),
        _ => Err(Error::TooManyLines { most, count }),
    }
}

/// One line for each key, where a document may name one more than once.
fn merge<L, K: Ord>(
    lines: Vec<L>,
    key: impl Fn(&L) -> K,
    quantity: impl Fn(&mut L) -> &mut Quantity,
) -> Result<Vec<L>> {
    let mut merged: BTreeMap<K, L> = BTreeMap::new();
    for mut line in lines {
        match merged.entry(key(&line)) {
            Entry::Occupied(mut same) => {
                let sum = quantity(same.get_mut());
                *sum = sum.checked_add(*quantity(&mut line)).map_err(internal)?;
            }
            Entry::Vacant(free) => {
                free.insert(line);
            }
        }
    }
    Ok(merged.into_values().collect())
}

//! Tests of the module as a whole, on a database of their own: what only other modules
//! ask for or tell, and what no request can break.

mod bench;
mod constraints;
mod cost_trails;
mod costing;
mod count_files;
mod counted_lots;
mod counts;
mod files;
mod fits;
mod holds;
mod incoming;
mod invariants;
mod kits;
mod limits;
mod lots;
mod named_lots;
mod negative;
mod picking;
mod places;
mod planning_events;
mod postings;
mod products;
mod promising;
mod queue;
mod random;
mod reversals;
mod stock_periods;
mod traps;

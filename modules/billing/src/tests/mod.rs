//! Tests of the module as a whole, on a database of their own.

mod ageing;
mod bills;
mod crediting;
mod credits;
mod documents;
mod grni;
mod invoices;
mod journal;
mod laws;
mod payments;
mod periods;
mod random;
mod reversals;
mod statements;
mod stock;
mod support;
mod totals;
mod triggers;

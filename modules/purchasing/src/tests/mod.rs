//! Tests of the module from the inside: on a database of its own, with an inventory and a
//! billing that do just what these tests need.

mod bank_accounts;
mod bills;
mod constraints;
mod laws;
mod property;
mod receiving;
mod statements;
mod world;

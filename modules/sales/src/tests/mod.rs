//! Tests of the module from the inside: on a database of its own, with an inventory and a
//! billing that do just what these tests need.

mod constraints;
mod credit;
mod facts;
mod laws;
mod pricing;
mod property;
mod quotations;
mod receivables;
mod statements;
mod world;

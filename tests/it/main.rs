//! Black-box tests: everything here goes through HTTP, against a server started as `main`
//! starts it.

#![allow(clippy::expect_used, reason = "in a test a panic is the finding")]

mod auth;
mod billing;
mod boundaries;
mod cache;
mod census;
mod cli;
mod crash;
mod daprd;
mod dead_letters;
mod docs_page;
mod faults;
mod flows;
mod gateway;
mod harness;
mod http;
mod images;
mod internal;
mod inventory;
mod limits;
mod orders;
mod parity;
mod postgres;
mod purchasing;
mod redis;
mod revocations;
mod sales;
mod sidecar;
mod spec;
mod split;
mod topology;
mod tour;
mod upgrade;

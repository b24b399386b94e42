//! The composition root: it knows every module and holds no business rule. Tests boot
//! exactly what `main` boots.

pub mod cli;
pub mod config;
pub mod gateway;
mod internal;
pub mod registry;
mod server;
pub mod spec;
mod telemetry;

pub use config::Config;
pub use server::{Running, StartError, start};
pub use telemetry::init as init_telemetry;

//! The routing table and what stands before every module, mounted here or elsewhere.

pub mod docs;
pub mod health;
pub mod metrics;
mod proxy;

use serde::Serialize;

pub use proxy::{Upstream, forward};

/// Every module there is, in the order of the alphabet.
pub const MODULES: [&str; 6] = ["auth", "billing", "inventory", "orders", "purchasing", "sales"];

/// One row of the routing table.
#[derive(Clone, Debug, Serialize)]
pub struct Route {
    /// What the path begins with.
    pub prefix: String,
    pub module: &'static str,
    /// `local`, or the address of the module's API.
    pub target: String,
    /// Longest time for an answer.
    pub timeout_s: u64,
    /// Largest request body.
    pub max_body_bytes: usize,
}

/// The table of a process: a row a module.
pub fn routes(remote: impl Fn(&str) -> Option<String>) -> Vec<Route> {
    MODULES
        .into_iter()
        .map(|module| Route {
            prefix: format!("/api/v1/{module}"),
            module,
            target: remote(module).unwrap_or_else(|| "local".into()),
            timeout_s: kernel::ctx::REQUEST_DEADLINE.as_secs(),
            max_body_bytes: kernel::http::MAX_BODY_BYTES,
        })
        .collect()
}

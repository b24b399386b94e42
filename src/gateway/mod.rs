//! The routing table and what stands before every module, mounted here or elsewhere.

mod answer;
mod body;
mod client;
mod cors;
pub mod docs;
pub mod export;
mod headers;
pub mod health;
pub mod metrics;
mod probe;
mod proxy;
mod reload;
mod routes;
pub mod serve;
mod table;
mod tunnel;
mod upstream;

pub use probe::keep_asking;
pub use reload::reload_on_change;
pub use routes::{Route, Target, Token, check, routes};
pub use table::Gateway;

/// Every module there is, in the order of the alphabet.
pub const MODULES: [&str; 6] = ["auth", "billing", "inventory", "orders", "purchasing", "sales"];

//! The module's rules and transactions, by resource.

mod contract;
mod jobs;
pub(crate) mod laws;
mod products;

use kernel::db::Db;

use crate::Config;

/// What every rule works with.
pub(crate) struct Service {
    pub db: Db,
    pub config: Config,
}

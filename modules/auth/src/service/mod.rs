//! The module's rules and transactions, by resource.

mod attempts;
mod contract;
mod default_roles;
pub(crate) mod first_start;
mod grants;
mod jobs;
pub(crate) mod laws;
mod lookup;
mod me;
pub(crate) mod passwords;
mod refresh;
mod roles;
mod rotation;
mod sessions;
pub(crate) mod signing;
mod users;

use std::sync::Arc;

use kernel::db::Db;
use kernel::token::Revocations;

use crate::Config;
use crate::service::passwords::Passwords;
use crate::service::signing::Signer;

pub(crate) use attempts::Attempts;

/// What every rule works with.
pub(crate) struct Service {
    pub db: Db,
    pub config: Config,
    /// Every permission there is, sorted.
    pub permissions: Vec<String>,
    pub passwords: Passwords,
    pub attempts: Attempts,
    pub signer: Signer,
    /// What this process knows of ended sessions.
    pub revocations: Arc<Revocations>,
}

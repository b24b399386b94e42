//! The module's rules and transactions, by resource.

mod api_keys;
mod attempts;
mod contract;
mod default_roles;
mod event_feed;
mod explain;
pub(crate) mod first_start;
mod grants;
mod jobs;
pub(crate) mod laws;
mod links;
mod lookup;
mod me;
mod oauth;
mod oidc;
pub(crate) mod oidc_provider;
pub(crate) mod outside;
pub(crate) mod passkeys;
pub(crate) mod password_rules;
pub(crate) mod passwords;
pub(crate) mod refresh;
mod roles;
mod rotation;
pub(crate) mod second_factor;
pub(crate) mod segregation;
mod session_list;
pub(crate) mod sessions;
pub(crate) mod signing;
mod signing_keys;
mod users;
pub(crate) mod vault;
mod webhook_delivery;
pub(crate) mod webhooks;

use std::sync::{Arc, RwLock};

use kernel::config::JwtConfig;
use kernel::db::Db;
use kernel::events::log::EventLogs;
use kernel::token::Revocations;
use webauthn_rs::Webauthn;

use crate::Config;
use crate::service::oidc_provider::Provider;
use crate::service::outside::Outside;
use crate::service::passwords::Passwords;
use crate::service::signing::Signer;
use crate::service::vault::Vault;

pub(crate) use attempts::Attempts;

/// What every rule works with.
pub(crate) struct Service {
    pub db: Db,
    pub config: Config,
    /// Every permission there is, sorted.
    pub permissions: Vec<String>,
    /// Those that count for a warehouse alone.
    pub by_warehouse: Vec<String>,
    /// What access tokens say of themselves, and what signs them.
    pub jwt: JwtConfig,
    pub passwords: Passwords,
    pub attempts: Attempts,
    /// Replaced when there is a new key.
    pub signer: RwLock<Arc<Signer>>,
    /// What this process knows of ended sessions.
    pub revocations: Arc<Revocations>,
    /// What the modules have published.
    pub logs: EventLogs,
    /// The way to addresses that somebody typed in.
    pub outside: Outside,
    /// Where people may sign in as well.
    pub oidc: Option<Provider>,
    /// What checks passkeys, where pages may use them.
    pub webauthn: Option<Webauthn>,
    /// What secrets are kept in.
    pub vault: Vault,
}

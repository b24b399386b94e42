//! The module's tables.

pub(crate) mod api_key;
pub(crate) mod api_key_secret;
mod hidden;
pub(crate) mod identity;
pub(crate) mod link;
pub(crate) mod passkey;
pub(crate) mod passkey_ceremony;
pub(crate) mod recovery_code;
pub(crate) mod refresh_token;
pub(crate) mod role;
pub(crate) mod role_permission;
pub(crate) mod role_warehouse;
pub(crate) mod session;
pub(crate) mod signing_key;
pub(crate) mod totp_secret;
pub(crate) mod user;
pub(crate) mod user_role;
pub(crate) mod webhook;
pub(crate) mod webhook_delivery;
pub(crate) mod webhook_secret;

pub(crate) use hidden::Hidden;

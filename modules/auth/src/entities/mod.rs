//! The module's tables.

mod hidden;
pub(crate) mod refresh_token;
pub(crate) mod role;
pub(crate) mod role_permission;
pub(crate) mod session;
pub(crate) mod signing_key;
pub(crate) mod user;
pub(crate) mod user_role;

pub(crate) use hidden::Hidden;

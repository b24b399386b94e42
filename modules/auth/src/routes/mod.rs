//! The module's endpoints, relative to `/api/v1/auth`.

mod invariants;
pub(crate) mod me;
pub(crate) mod passwords;
mod permissions;
pub(crate) mod roles;
pub(crate) mod tokens;
pub(crate) mod users;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    tokens::configure(cfg);
    me::configure(cfg);
    users::configure(cfg);
    roles::configure(cfg);
    permissions::configure(cfg);
    invariants::configure(cfg);
}

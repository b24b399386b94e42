//! The module's endpoints, relative to `/api/v1/auth`.

pub(crate) mod api_keys;
mod audit;
pub(crate) mod events;
mod invariants;
pub(crate) mod links;
pub(crate) mod me;
pub(crate) mod oauth;
pub(crate) mod oidc;
pub(crate) mod passkeys;
pub(crate) mod passwords;
pub(crate) mod permissions;
pub(crate) mod roles;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod tokens;
pub(crate) mod usernames;
pub(crate) mod users;
pub(crate) mod webhook_deliveries;
pub(crate) mod webhooks;

use kernel::http::Routes;

pub(crate) fn configure(routes: &mut Routes) {
    tokens::configure(routes);
    oauth::configure(routes);
    oidc::configure(routes);
    passkeys::configure(routes);
    signing_keys::configure(routes);
    me::configure(routes);
    second_factor::configure(routes);
    sessions::configure(routes);
    links::configure(routes);
    api_keys::configure(routes);
    users::configure(routes);
    roles::configure(routes);
    permissions::configure(routes);
    webhooks::configure(routes);
    webhook_deliveries::configure(routes);
    events::configure(routes);
    audit::configure(routes);
    invariants::configure(routes);
}

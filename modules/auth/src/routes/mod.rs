//! The module's endpoints, relative to `/api/v1/auth`.

mod invariants;
pub(crate) mod me;
pub(crate) mod passwords;
mod permissions;
pub(crate) mod roles;
pub(crate) mod tokens;
pub(crate) mod users;

use kernel::http::Routes;

pub(crate) fn configure(routes: &mut Routes) {
    tokens::configure(routes);
    me::configure(routes);
    users::configure(routes);
    roles::configure(routes);
    permissions::configure(routes);
    invariants::configure(routes);
}

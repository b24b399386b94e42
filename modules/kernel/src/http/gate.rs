//! In front of what runs in another process: the checks that spare it a request.

use std::sync::Arc;

use actix_web::HttpRequest;

use crate::error::{Error, Result};
use crate::http::guard::{Caller, signed_in};
use crate::http::operations::{Access, Operations};
use crate::rate::{self, RateLimits, Verdict};
use crate::token::TokenVerifier;

/// What is known here of a module elsewhere. The module checks everything again: what is not
/// certain here is left to it.
pub struct Gate {
    /// Its operations as they were when this was built; none where it is not one of ours.
    pub operations: Option<Arc<Operations>>,
    /// Whether a request needs a token where no operation says so.
    pub needs_token: bool,
    /// Whether requests are counted.
    pub counts: bool,
    pub verifier: Arc<TokenVerifier>,
    pub limits: Arc<RateLimits>,
}

/// The user who asks, if one does, and whether they may.
type Asked = (Option<rate::Caller>, Result<()>);

impl Gate {
    /// Whether to let the request through: 401, 403 or 429 if not, and how the caller stands.
    pub async fn check(&self, request: &HttpRequest) -> (Option<Verdict>, Result<()>) {
        let (known, allowed) = self.identify(request).await;
        if !self.counts || self.limits.is_counted(request) {
            return (None, allowed);
        }
        let caller = known.unwrap_or_else(|| self.limits.address(request));
        let verdict = self.limits.count(caller).await;
        let admitted = verdict.as_ref().map_or(Ok(()), Verdict::check).and(allowed);
        (verdict, admitted)
    }

    async fn identify(&self, request: &HttpRequest) -> Asked {
        let access =
            match self.operations.as_ref().map(|all| all.find(request.method(), request.path())) {
                Some(Ok(operation)) => Some(&operation.access),
                None if self.needs_token => Some(&Access::SignedIn),
                // A newer version of the module may know it.
                Some(Err(_)) | None => None,
            };
        if access == Some(&Access::Public) {
            return (None, Ok(()));
        }
        match (signed_in(request.method(), request.headers(), &self.verifier).await, access) {
            (Ok(caller), access) => (caller.counted, may(&caller, access)),
            (Err(error), Some(_)) if error.status() < 500 => (None, Err(error)),
            // Nobody here can tell; the module may have the key.
            (Err(_), _) => (None, Ok(())),
        }
    }
}

fn may(caller: &Caller, access: Option<&Access>) -> Result<()> {
    match access {
        Some(Access::Permission(permission)) if !caller.permissions.allow(permission) => {
            Err(Error::forbidden(permission))
        }
        _ => Ok(()),
    }
}

//! In front of what runs in another process: the checks that spare it a request.

use std::sync::Arc;

use actix_web::HttpRequest;

use crate::error::{Error, Result};
use crate::http::guard::{Caller, Counting, signed_in};
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
        if !self.counts {
            return (None, self.identify(request).await.1);
        }
        let counting = Counting::begin(&self.limits, &self.verifier, request).await;
        if let Err(error) = counting.check() {
            return (counting.verdict, Err(error));
        }
        let (known, allowed) = self.identify(request).await;
        let verdict = counting.end(known).await;
        let admitted = verdict.as_ref().map_or(Ok(()), Verdict::check).and(allowed);
        (verdict, admitted)
    }

    /// Whether the body of the request is a file: its module says how large it may be.
    pub fn takes_file(&self, request: &HttpRequest) -> bool {
        let found = self.operations.as_ref().map(|all| all.find(request.method(), request.path()));
        matches!(found, Some(Ok(operation)) if operation.takes_file)
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
        Some(Access::Permission(permission)) if caller.permissions.scope(permission).is_none() => {
            Err(Error::forbidden(permission))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use actix_web::test::TestRequest;
    use async_trait::async_trait;
    use uuid::Uuid;

    use super::*;
    use crate::config::{JwtConfig, RateLimitConfig};
    use crate::token::{KeySource, PublicKey};

    /// An auth that knows no key and counts how often it is asked.
    #[derive(Default)]
    struct Asked(AtomicU32);

    #[async_trait]
    impl KeySource for Asked {
        async fn verification_keys(&self) -> Result<Vec<PublicKey>> {
            Ok(Vec::new())
        }

        async fn ended_sessions(&self) -> Result<Vec<Uuid>> {
            Ok(Vec::new())
        }

        async fn key_token(&self, _: &str) -> Result<String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(Error::unauthenticated("invalid_token", "there is no such key"))
        }
    }

    #[actix_web::test]
    async fn keys_that_are_made_up_are_asked_about_as_often_as_their_address_may() {
        let config = RateLimitConfig {
            anonymous_per_s: 1,
            anonymous_burst: 5,
            user_per_s: 0,
            user_burst: 0,
            trusted_proxies: Vec::new(),
            gateways: Vec::new(),
        };
        let asked = Arc::new(Asked::default());
        let verifier = TokenVerifier::new(asked.clone(), Arc::default(), &JwtConfig::default());
        let limits = RateLimits::new(&config, None, &Default::default()).expect("valid");
        let gate = Gate {
            operations: None,
            needs_token: true,
            counts: true,
            verifier: Arc::new(verifier),
            limits: Arc::new(limits),
        };
        let mut refused = 0;
        for n in 0..100 {
            let key = format!("Bearer erp_{n:043}");
            let request = TestRequest::default().insert_header(("authorization", key));
            let (verdict, answer) = gate.check(&request.to_http_request()).await;
            assert!(verdict.is_some(), "each is counted");
            let error = answer.expect_err("none is a key");
            refused += u32::from(error.status() == 429);
        }
        // A second or two may have passed meanwhile.
        let asked = asked.0.load(Ordering::Relaxed);
        assert!((5..10).contains(&asked), "{asked}");
        assert_eq!(asked + refused, 100);
    }
}

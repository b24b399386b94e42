//! Access tokens: what they say, and how a module checks one without asking anybody.

mod revocations;

use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use chrono::Utc;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::error::{Error, Result};

pub use revocations::Revocations;

/// `iss` of every token.
pub const ISSUER: &str = "erp";
/// `aud` of an access token to the API.
pub const AUDIENCE: &str = "erp-api";
/// Clock difference tolerated between two machines.
const LEEWAY_S: u64 = 5;
/// An unknown key id makes a module ask for the keys again, but not more often.
const KEY_REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// What an access token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The user's id.
    pub sub: Uuid,
    /// The user's name.
    pub name: String,
    /// The session the token belongs to.
    pub sid: Uuid,
    pub iat: i64,
    pub exp: i64,
    pub jti: Uuid,
    /// Granted permissions; see [`Permissions`].
    pub permissions: Vec<String>,
}

/// A set of grants: `module.resource:action`, `module.*` or `*`.
#[derive(Clone, Debug, Default)]
pub struct Permissions(Vec<String>);

impl Permissions {
    pub fn new(grants: Vec<String>) -> Self {
        Permissions(grants)
    }

    /// Nothing is allowed.
    pub fn none() -> Self {
        Permissions::default()
    }

    /// Whether some grant covers `permission`.
    pub fn allow(&self, permission: &str) -> bool {
        self.0.iter().any(|grant| match grant.strip_suffix('*') {
            Some(prefix) => permission.starts_with(prefix),
            None => grant == permission,
        })
    }

    /// The grants as given.
    pub fn grants(&self) -> &[String] {
        &self.0
    }
}

/// One public key, as a JWK set lists it (RFC 7517, RFC 8037).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PublicKey {
    /// Key id, as in a token's header.
    pub kid: String,
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The public key, base64url.
    pub x: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

/// What is asked of auth, in this process or another.
#[async_trait]
pub trait KeySource: Send + Sync {
    async fn verification_keys(&self) -> Result<Vec<PublicKey>>;
    /// The sessions that ended within the life of an access token.
    async fn ended_sessions(&self) -> Result<Vec<Uuid>>;
}

/// Tokens remembered as verified; beyond that all are verified anew.
const MAX_REMEMBERED: usize = 10_000;

/// Checks tokens against keys held in memory.
pub struct TokenVerifier {
    source: Arc<dyn KeySource>,
    revocations: Arc<Revocations>,
    keys: RwLock<Keys>,
    /// When the keys were last asked for; also makes the asking single-flight.
    refreshed_at: Mutex<Option<Instant>>,
    validation: Validation,
}

/// The keys there are, and the tokens whose signature by one of them has been verified.
#[derive(Default)]
struct Keys {
    by_id: HashMap<String, Arc<DecodingKey>>,
    verified: HashMap<String, Arc<Claims>>,
}

impl TokenVerifier {
    pub fn new(source: Arc<dyn KeySource>, revocations: Arc<Revocations>) -> Self {
        // The algorithm is fixed here, not taken from the token: no `none`, no
        // key confusion.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_S;
        TokenVerifier {
            source,
            revocations,
            keys: RwLock::default(),
            refreshed_at: Mutex::new(None),
            validation,
        }
    }

    /// The claims of a valid token; otherwise 401 `invalid_token`, `token_expired` or
    /// `session_ended`.
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>> {
        let claims = self.verify_signed(token).await?;
        if self.revocations.contains(claims.sid) {
            return Err(Error::unauthenticated("session_ended", "the session has ended"));
        }
        Ok(claims)
    }

    async fn verify_signed(&self, token: &str) -> Result<Arc<Claims>> {
        if let Some(claims) = self.keys().verified.get(token).cloned() {
            // Of all that was checked, only the time goes on.
            return match claims.exp + LEEWAY_S as i64 >= Utc::now().timestamp() {
                true => Ok(claims),
                false => Err(expired()),
            };
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        let kid = header.kid.ok_or_else(invalid)?;
        let known = |kid: &str| self.keys().by_id.get(kid).cloned();
        let key = match known(&kid) {
            Some(key) => key,
            None => {
                self.refresh().await?;
                known(&kid).ok_or_else(invalid)?
            }
        };
        match jsonwebtoken::decode::<Claims>(token, &key, &self.validation) {
            Ok(data) => {
                let claims = Arc::new(data.claims);
                self.remember(&kid, token, &claims);
                Ok(claims)
            }
            Err(error) if is_expired(&error) => Err(expired()),
            Err(_) => Err(invalid()),
        }
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        // A poisoned lock means another thread panicked while changing a map; the maps
        // themselves are whole either way.
        self.keys.read().unwrap_or_else(|e| e.into_inner())
    }

    fn remember(&self, kid: &str, token: &str, claims: &Arc<Claims>) {
        let mut keys = self.keys.write().unwrap_or_else(|e| e.into_inner());
        if keys.verified.len() >= MAX_REMEMBERED {
            keys.verified.clear();
        }
        // Unless its key went in the meantime.
        if keys.by_id.contains_key(kid) {
            keys.verified.insert(token.to_owned(), claims.clone());
        }
    }

    async fn refresh(&self) -> Result<()> {
        let mut refreshed_at = self.refreshed_at.lock().await;
        if refreshed_at.is_some_and(|at| at.elapsed() < KEY_REFRESH_INTERVAL) {
            return Ok(());
        }
        let mut keys = HashMap::new();
        for key in self.source.verification_keys().await? {
            if let Ok(decoding) = DecodingKey::from_ed_components(&key.x) {
                keys.insert(key.kid, Arc::new(decoding));
            }
        }
        let keys = Keys { by_id: keys, verified: HashMap::new() };
        *self.keys.write().unwrap_or_else(|e| e.into_inner()) = keys;
        *refreshed_at = Some(Instant::now());
        Ok(())
    }
}

fn is_expired(error: &jsonwebtoken::errors::Error) -> bool {
    matches!(error.kind(), jsonwebtoken::errors::ErrorKind::ExpiredSignature)
}

fn expired() -> Error {
    Error::unauthenticated("token_expired", "the access token has expired")
}

fn invalid() -> Error {
    Error::unauthenticated("invalid_token", "the access token is not valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_covers_what_it_names_and_no_more() {
        let check = |grants: &[&str], permission: &str, expected: bool| {
            let grants = Permissions::new(grants.iter().map(ToString::to_string).collect());
            assert_eq!(grants.allow(permission), expected, "{grants:?} {permission}");
        };
        check(&["*"], "orders.order:confirm", true);
        check(&["orders.*"], "orders.order:confirm", true);
        check(&["orders.*"], "ordersx.order:confirm", false);
        check(&["orders.order:read"], "orders.order:confirm", false);
        check(&["orders.order:confirm"], "orders.order:confirm", true);
        check(&[], "orders.order:read", false);
    }
}

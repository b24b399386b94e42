//! Access tokens: what they say, and how a module checks one without asking anybody.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::error::{Error, Result};

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

/// Where the public keys come from: auth, in this process or another.
#[async_trait]
pub trait KeySource: Send + Sync {
    async fn verification_keys(&self) -> Result<Vec<PublicKey>>;
}

/// Checks tokens against keys held in memory.
pub struct TokenVerifier {
    source: Arc<dyn KeySource>,
    keys: RwLock<HashMap<String, Arc<DecodingKey>>>,
    /// When the keys were last asked for; also makes the asking single-flight.
    refreshed_at: Mutex<Option<Instant>>,
    validation: Validation,
}

impl TokenVerifier {
    pub fn new(source: Arc<dyn KeySource>) -> Self {
        // The algorithm is fixed here, not taken from the token: no `none`, no
        // key confusion.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_S;
        TokenVerifier {
            source,
            keys: RwLock::default(),
            refreshed_at: Mutex::new(None),
            validation,
        }
    }

    /// The claims of a valid token; otherwise 401 `invalid_token` or `token_expired`.
    pub async fn verify(&self, token: &str) -> Result<Claims> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        let kid = header.kid.ok_or_else(invalid)?;
        let key = match self.known(&kid) {
            Some(key) => key,
            None => {
                self.refresh().await?;
                self.known(&kid).ok_or_else(invalid)?
            }
        };
        match jsonwebtoken::decode::<Claims>(token, &key, &self.validation) {
            Ok(data) => Ok(data.claims),
            Err(error) if is_expired(&error) => {
                Err(Error::unauthenticated("token_expired", "the access token has expired"))
            }
            Err(_) => Err(invalid()),
        }
    }

    fn known(&self, kid: &str) -> Option<Arc<DecodingKey>> {
        // A poisoned lock means another thread panicked while swapping the map; the
        // map itself is whole either way.
        self.keys.read().unwrap_or_else(|e| e.into_inner()).get(kid).cloned()
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
        *self.keys.write().unwrap_or_else(|e| e.into_inner()) = keys;
        *refreshed_at = Some(Instant::now());
        Ok(())
    }
}

fn is_expired(error: &jsonwebtoken::errors::Error) -> bool {
    matches!(error.kind(), jsonwebtoken::errors::ErrorKind::ExpiredSignature)
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

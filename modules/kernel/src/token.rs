//! Access tokens: what they say, and how a module checks one without asking anybody.

mod api_keys;
mod revocations;

use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sea_orm::{ColumnTrait, QueryFilter, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::JwtConfig;
use crate::error::{Error, MODULE_UNAVAILABLE, Result};

pub use api_keys::{API_KEY_PREFIX, key_hash, looks_like_key};
pub use revocations::Revocations;

/// `iss` of every token, unless the settings say otherwise.
pub const ISSUER: &str = "erp";
/// `aud` of an access token to the API, unless the settings say otherwise.
pub const AUDIENCE: &str = "erp-api";
/// Clock difference tolerated between two machines.
const LEEWAY_S: u64 = 5;
/// An unknown key id makes a module ask for the keys again, but not more often: whoever makes
/// up ids waits as long.
const KEY_REFRESH_INTERVAL: Duration = Duration::from_secs(1);

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
    /// When the user last proved who they are (OpenID Connect Core, section 2); absent where
    /// it was an API key that did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// SHA-256 of the token against forged requests, where this one lives in a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
    /// Requests a second its API key may make, where it was given for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_s: Option<u32>,
    /// The text of its API key, where it was given for one ([`key_id`] of its hash): it is worth
    /// as long as that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_text: Option<Uuid>,
}

impl Claims {
    /// When the user last proved who they are.
    pub fn authenticated_at(&self) -> Option<DateTime<Utc>> {
        self.auth_time.and_then(|at| DateTime::from_timestamp(at, 0))
    }
}

/// A set of grants: `module.resource:action`, `module.*` or `*`. One that counts for part of the
/// records alone is followed by `@` and whose they must be, as `inventory.*@<warehouse>`.
#[derive(Clone, Debug, Default)]
pub struct Permissions(Vec<String>);

/// The records a permission counts for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    All,
    /// Those of these, of which there is at least one.
    Only(Arc<[Uuid]>),
}

impl Scope {
    /// Whether a record of this is one of them.
    pub fn contains(&self, id: Uuid) -> bool {
        match self {
            Scope::All => true,
            Scope::Only(ids) => ids.contains(&id),
        }
    }

    /// The same of what is written as SQL: a further condition, if there is one.
    pub fn condition(&self, column: &str, values: &mut Vec<Value>) -> String {
        let Scope::Only(ids) = self else { return String::new() };
        let places: Vec<_> = ids
            .iter()
            .map(|id| {
                values.push((*id).into());
                format!("${}", values.len())
            })
            .collect();
        format!(" AND {column} IN ({})", places.join(", "))
    }

    /// Of the rows of `select` those whose `column` says so.
    pub fn filter<Q: QueryFilter>(&self, select: Q, column: impl ColumnTrait) -> Q {
        match self {
            Scope::All => select,
            Scope::Only(ids) => select.filter(column.is_in(ids.iter().copied())),
        }
    }
}

impl Permissions {
    pub fn new(grants: Vec<String>) -> Self {
        Permissions(grants)
    }

    /// Nothing is allowed.
    pub fn none() -> Self {
        Permissions::default()
    }

    /// Whether some grant covers `permission`, for all records.
    pub fn allow(&self, permission: &str) -> bool {
        self.0.iter().any(|grant| covers(grant, permission))
    }

    /// The records for which some grant covers `permission`; none if there is no such grant.
    pub fn scope(&self, permission: &str) -> Option<Scope> {
        if self.allow(permission) {
            return Some(Scope::All);
        }
        let limited = self.0.iter().filter_map(|grant| grant.split_once('@'));
        let ids = limited.filter(|(grant, _)| covers(grant, permission));
        let ids: Arc<[Uuid]> = ids.filter_map(|(_, id)| id.parse().ok()).collect();
        (!ids.is_empty()).then_some(Scope::Only(ids))
    }

    /// The grants as given.
    pub fn grants(&self) -> &[String] {
        &self.0
    }
}

/// Whether a grant for all records includes `permission`.
pub fn covers(grant: &str, permission: &str) -> bool {
    match grant.strip_suffix('*') {
        Some(prefix) => permission.starts_with(prefix),
        None => grant == permission,
    }
}

/// One public key, as a JWK set lists it (RFC 7517, RFC 8037).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
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
    /// The sessions, API keys and texts of keys that ended within the life of an access token,
    /// and the signing keys that were withdrawn ([`key_id`]).
    async fn ended_sessions(&self) -> Result<Vec<Uuid>>;
    /// A token of a minute for the API key with this [`key_hash`]; 401 if there is none.
    async fn key_token(&self, key_hash: &str) -> Result<String>;
}

/// Tokens remembered as verified; beyond that all are verified anew.
const MAX_REMEMBERED: usize = 10_000;

/// Checks tokens against keys held in memory.
pub struct TokenVerifier {
    source: Arc<dyn KeySource>,
    revocations: Arc<Revocations>,
    keys: RwLock<Keys>,
    /// When the keys were last asked for; also makes the asking single-flight.
    asked: Mutex<Option<Asked>>,
    validation: Validation,
    /// What tokens are signed with where all processes share it.
    shared: Option<Arc<DecodingKey>>,
    /// What was last told of the keys.
    key_set: Mutex<Option<(Instant, serde_json::Value)>>,
    /// What API keys stand for, so that auth is asked about each once a minute.
    api_keys: api_keys::Exchanged,
}

/// The keys there are, and the tokens whose signature by one of them has been verified.
#[derive(Default)]
struct Keys {
    by_id: HashMap<String, Arc<DecodingKey>>,
    verified: HashMap<String, Verified>,
}

/// When the keys were asked for, and whether they came.
struct Asked {
    at: Instant,
    answered: bool,
}

/// What a token says, and by which key: see [`key_id`].
#[derive(Clone)]
struct Verified {
    claims: Arc<Claims>,
    key: Option<Uuid>,
}

/// What a signing key is called in the list of what has ended, if it is withdrawn; and, by its
/// hash, a text of an API key.
pub fn key_id(kid: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::digest(kid).into();
    let (id, _) = hash.split_at(16);
    // Sixteen of thirty-two bytes.
    Uuid::from_slice(id).unwrap_or_default()
}

/// What an access token is held to. The algorithm is fixed here, not taken from the token: no
/// `none`, no key confusion.
pub fn validation(config: &JwtConfig) -> Validation {
    let mut validation = Validation::new(match config.shared_key() {
        Some(_) => Algorithm::HS256,
        None => Algorithm::EdDSA,
    });
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation
}

impl TokenVerifier {
    pub fn new(
        source: Arc<dyn KeySource>,
        revocations: Arc<Revocations>,
        config: &JwtConfig,
    ) -> Self {
        let shared = config.shared_key();
        TokenVerifier {
            source,
            revocations,
            keys: RwLock::default(),
            asked: Mutex::default(),
            validation: validation(config),
            shared: shared.map(|key| Arc::new(DecodingKey::from_secret(key.expose().as_bytes()))),
            key_set: Mutex::default(),
            api_keys: Default::default(),
        }
    }

    /// The claims of a valid token, or of an API key; otherwise 401 `invalid_token`,
    /// `token_expired` or `session_ended`.
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>> {
        let claims = match token.starts_with(API_KEY_PREFIX) {
            true => self.verify_key(token).await?,
            false => self.verify_signed(token).await?,
        };
        let has_ended = |id| self.revocations.contains(id);
        if has_ended(claims.sid) || claims.key_text.is_some_and(has_ended) {
            return Err(Error::unauthenticated("session_ended", "the session has ended"));
        }
        Ok(claims)
    }

    /// The keys tokens are checked with, as auth had them a moment ago: a JWK set. Whoever asks,
    /// and however often, auth is asked once a second.
    pub async fn key_set(&self) -> Result<serde_json::Value> {
        let mut known = self.key_set.lock().await;
        if let Some((at, keys)) = &*known
            && at.elapsed() < KEY_REFRESH_INTERVAL
        {
            return Ok(keys.clone());
        }
        let keys = serde_json::json!({ "keys": self.source.verification_keys().await? });
        *known = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }

    /// Whether [`TokenVerifier::verify`] would have to ask auth about this key.
    pub(crate) fn is_unknown_key(&self, token: &str) -> bool {
        looks_like_key(token) && self.api_keys.find(&key_hash(token)).is_none()
    }

    async fn verify_key(&self, key: &str) -> Result<Arc<Claims>> {
        if !looks_like_key(key) {
            return Err(invalid());
        }
        let hash = key_hash(key);
        match self.api_keys.find(&hash) {
            Some(Some(claims)) => return Ok(claims),
            Some(None) => return Err(invalid()),
            None => {}
        }
        let claims = match self.source.key_token(&hash).await {
            Ok(token) => Some(self.verify_signed(&token).await?),
            Err(error) if error.status() == 401 => None,
            Err(error) => return Err(error),
        };
        self.api_keys.remember(hash, claims.clone());
        claims.ok_or_else(invalid)
    }

    async fn verify_signed(&self, token: &str) -> Result<Arc<Claims>> {
        if let Some(Verified { claims, key }) = self.keys().verified.get(token).cloned() {
            self.check_key(key)?;
            // Of all that was checked, only the time goes on.
            return match claims.exp + LEEWAY_S as i64 >= Utc::now().timestamp() {
                true => Ok(claims),
                false => Err(expired()),
            };
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        let known = |kid: &str| self.keys().by_id.get(kid).cloned();
        let (kid, key) = match (&self.shared, header.kid) {
            (Some(shared), _) => (None, shared.clone()),
            (None, None) => return Err(invalid()),
            (None, Some(kid)) => {
                let key = match known(&kid) {
                    Some(key) => key,
                    None => {
                        self.refresh().await?;
                        known(&kid).ok_or_else(invalid)?
                    }
                };
                (Some(kid), key)
            }
        };
        match jsonwebtoken::decode::<Claims>(token, &key, &self.validation) {
            Ok(data) => {
                let claims = Arc::new(data.claims);
                let key = kid.as_deref().map(key_id);
                self.check_key(key)?;
                self.remember(kid.as_deref(), token, Verified { claims: claims.clone(), key });
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

    /// Refuses what was signed by a key that somebody else may have.
    fn check_key(&self, key: Option<Uuid>) -> Result<()> {
        match key.is_some_and(|key| self.revocations.contains(key)) {
            true => Err(invalid()),
            false => Ok(()),
        }
    }

    fn remember(&self, kid: Option<&str>, token: &str, verified: Verified) {
        let mut keys = self.keys.write().unwrap_or_else(|e| e.into_inner());
        if keys.verified.len() >= MAX_REMEMBERED {
            keys.verified.clear();
        }
        // Unless its key went in the meantime.
        if kid.is_none_or(|kid| keys.by_id.contains_key(kid)) {
            keys.verified.insert(token.to_owned(), verified);
        }
    }

    async fn refresh(&self) -> Result<()> {
        let came_at = Instant::now();
        let mut asked = self.asked.lock().await;
        if let Some(Asked { at, answered }) = *asked {
            if at >= came_at {
                // What whoever was first was told goes for all who waited.
                let unknown = "auth did not say which keys it signs with";
                return match answered {
                    true => Ok(()),
                    false => Err(Error::unavailable(MODULE_UNAVAILABLE, unknown, 1)),
                };
            }
            // A key may have been made since then.
            tokio::time::sleep_until(at + KEY_REFRESH_INTERVAL).await;
        }
        let asked = asked.insert(Asked { at: Instant::now(), answered: false });
        let mut keys = HashMap::new();
        for key in self.source.verification_keys().await? {
            if let Ok(decoding) = DecodingKey::from_ed_components(&key.x) {
                keys.insert(key.kid, Arc::new(decoding));
            }
        }
        let keys = Keys { by_id: keys, verified: HashMap::new() };
        *self.keys.write().unwrap_or_else(|e| e.into_inner()) = keys;
        asked.answered = true;
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
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    /// Auth, which is not there.
    struct Gone;

    #[async_trait]
    impl KeySource for Gone {
        async fn verification_keys(&self) -> Result<Vec<PublicKey>> {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err(Error::unavailable(MODULE_UNAVAILABLE, "nobody answers", 1))
        }

        async fn ended_sessions(&self) -> Result<Vec<Uuid>> {
            Ok(Vec::new())
        }

        async fn key_token(&self, _: &str) -> Result<String> {
            Err(Error::unavailable(MODULE_UNAVAILABLE, "nobody answers", 1))
        }
    }

    #[tokio::test]
    async fn nobody_is_refused_because_the_keys_are_not_known() {
        let config = JwtConfig::default();
        let verifier = TokenVerifier::new(Arc::new(Gone), Arc::default(), &config);
        let header = r#"{"alg":"EdDSA","kid":"new"}"#;
        let token = format!("{}.e30.AA", BASE64_URL_SAFE_NO_PAD.encode(header));
        // The first asks; the others come before it, while it asks, and while the next waits.
        let ask = async |after_ms| {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            verifier.verify(&token).await.expect_err("unknown").status()
        };
        let all = futures_util::future::join_all([0, 0, 50, 60, 500, 500, 2000].map(ask)).await;
        assert_eq!(all, [503; 7]);
    }

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
        check(&["orders.*@01936b2e-5d5c-7a10-8f5e-000000000001"], "orders.order:read", false);
    }

    #[test]
    fn a_grant_that_is_limited_counts_there_alone() {
        let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
        let check = |grants: &[&str], expected: Option<Scope>| {
            let grants = Permissions::new(grants.iter().map(ToString::to_string).collect());
            assert_eq!(grants.scope("stock.level:read"), expected, "{grants:?}");
        };
        let only = |ids: &[Uuid]| Some(Scope::Only(ids.into()));
        let at = |grant: &str, id: Uuid| format!("{grant}@{id}");
        check(&[], None);
        check(&["stock.*"], Some(Scope::All));
        check(&[&at("stock.*", one)], only(&[one]));
        check(&[&at("stock.level:read", one), &at("stock.*", other)], only(&[one, other]));
        check(&[&at("stock.*", one), "stock.level:read"], Some(Scope::All));
        check(&[&at("stock.*", one), "stock.level:write"], only(&[one]));
        check(&[&at("stocks.*", one), "stock.*@nothing", "@", "stock.*@"], None);
        assert!(Scope::All.contains(one));
        assert!(!Scope::Only([one].into()).contains(other));
    }
}

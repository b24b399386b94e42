//! Access tokens: signed with an Ed25519 key that never leaves this module, or with a secret all
//! processes share where the settings want that.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::{SessionId, UserId};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::config::JwtConfig;
use kernel::token::{Claims, PublicKey};
use kernel::{Error, Result};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::entities::signing_key;
use crate::service::vault::Vault;

/// Signs with the newest key; knows the public half of all.
pub(crate) struct Signer {
    algorithm: Algorithm,
    issuer: String,
    audience: String,
    kid: String,
    key: EncodingKey,
    public: Vec<PublicKey>,
    ttl: TimeDelta,
}

/// Who a token is for.
pub(crate) struct Holder {
    pub user_id: UserId,
    pub username: String,
    /// Their session, or their API key.
    pub session_id: SessionId,
    pub permissions: Vec<String>,
    pub authenticated_at: Option<DateTime<Utc>>,
    /// Hash of the token against forged requests, if this one goes into a cookie.
    pub csrf: Option<String>,
    /// Requests a second, of an API key.
    pub per_s: Option<u32>,
    /// The text of that key.
    pub key_text: Option<Uuid>,
    pub expires_at: DateTime<Utc>,
}

impl Signer {
    /// `rows` are the stored keys, the newest first.
    pub(crate) fn new(
        rows: &[signing_key::Model],
        ttl: TimeDelta,
        config: &JwtConfig,
        vault: &Vault,
    ) -> Result<Self> {
        let keys = rows.iter().map(|row| read_seed(row, vault)).collect::<Result<Vec<_>>>()?;
        let newest = keys.first().ok_or_else(|| Error::internal("there is no signing key"))?;
        let der = newest.to_pkcs8_der().map_err(|e| Error::internal(e.to_string()))?;
        let (algorithm, key) = match config.shared_key() {
            Some(shared) => {
                (Algorithm::HS256, EncodingKey::from_secret(shared.expose().as_bytes()))
            }
            None => (Algorithm::EdDSA, EncodingKey::from_ed_der(der.as_bytes())),
        };
        Ok(Signer {
            algorithm,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            kid: kid(newest),
            key,
            public: keys.iter().map(public_key).collect(),
            ttl,
        })
    }

    pub(crate) fn public_keys(&self) -> &[PublicKey] {
        &self.public
    }

    /// The key that signs.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn ttl(&self) -> TimeDelta {
        self.ttl
    }

    /// Life of a token in seconds.
    pub(crate) fn ttl_s(&self) -> i64 {
        self.ttl.num_seconds()
    }

    pub(crate) fn sign(&self, holder: Holder, now: DateTime<Utc>) -> Result<String> {
        let mut header = Header::new(self.algorithm);
        header.kid = (self.algorithm == Algorithm::EdDSA).then(|| self.kid.clone());
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: holder.user_id.uuid(),
            name: holder.username,
            sid: holder.session_id.uuid(),
            iat: now.timestamp(),
            exp: holder.expires_at.timestamp(),
            jti: Uuid::now_v7(),
            permissions: holder.permissions,
            auth_time: holder.authenticated_at.map(|at| at.timestamp()),
            csrf: holder.csrf,
            per_s: holder.per_s,
            key_text: holder.key_text,
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(Error::internal)
    }
}

/// A fresh key as it is stored.
pub(crate) fn new_key(now: DateTime<Utc>, vault: &Vault) -> Result<signing_key::Model> {
    let seed = random_bytes::<32>()?;
    let kid = kid(&SigningKey::from_bytes(&seed));
    Ok(signing_key::Model {
        id: Uuid::now_v7(),
        seed: vault.seal(&of_key(&kid), &BASE64URL.encode(seed))?,
        kid,
        created_at: now,
    })
}

/// Bytes of the operating system's generator.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|e| Error::internal(e.to_string()))?;
    Ok(bytes)
}

fn of_key(kid: &str) -> String {
    format!("signing_key:{kid}")
}

fn read_seed(row: &signing_key::Model, vault: &Vault) -> Result<SigningKey> {
    let seed = BASE64URL
        .decode(vault.open(&of_key(&row.kid), &row.seed)?)
        .ok()
        .and_then(|seed| seed.try_into().ok());
    let seed: [u8; 32] =
        seed.ok_or_else(|| Error::internal(format!("signing key {} is damaged", row.kid)))?;
    Ok(SigningKey::from_bytes(&seed))
}

fn public_text(key: &SigningKey) -> String {
    BASE64URL.encode(key.verifying_key().as_bytes())
}

/// The JWK thumbprint (RFC 7638, with the members of RFC 8037): the same key always has
/// the same id, and no two keys share one.
fn kid(key: &SigningKey) -> String {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, public_text(key));
    BASE64URL.encode(Sha256::digest(jwk))
}

fn public_key(key: &SigningKey) -> PublicKey {
    PublicKey {
        kid: kid(key),
        kty: "OKP".into(),
        crv: "Ed25519".into(),
        x: public_text(key),
        alg: "EdDSA".into(),
        usage: "sig".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::Hidden;

    #[test]
    fn the_key_id_is_the_thumbprint_of_rfc_8037() {
        // RFC 8037, appendices A.1 and A.3.
        let seed = BASE64URL.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64");
        let key = SigningKey::from_bytes(&seed.try_into().expect("32 bytes"));
        assert_eq!(public_text(&key), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(kid(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn no_key_and_a_damaged_key_are_refused() {
        let signer = |rows: &[signing_key::Model]| {
            let ttl = TimeDelta::seconds(1);
            Signer::new(rows, ttl, &JwtConfig::default(), &Vault::default())
        };
        assert!(signer(&[]).is_err());
        let mut row = new_key(Utc::now(), &Vault::default()).expect("random");
        assert!(!format!("{row:?}").contains(&row.seed.0));
        row.seed = Hidden("short".into());
        assert!(signer(&[row]).is_err());
    }
}

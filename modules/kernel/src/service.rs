//! Which process calls: each signs what it asks with a key of its own, for one callee and for
//! a minute. Nobody who hears a token can use it elsewhere, and nobody can sign for another.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use chrono::Utc;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::{Duration, Instant};

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::http::hex;

/// Life of a token.
const TTL: Duration = Duration::from_secs(60);
/// Clock difference tolerated between two machines.
const LEEWAY_S: u64 = 5;
/// Tokens remembered as verified; there are as many as callers, and new ones each half minute.
const MAX_REMEMBERED: usize = 1000;

/// What a token says: who calls whom, and until when.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// A fresh pair of keys: the private one, which is the setting `internal.key` of one process,
/// and the public one, by which the others know it (`internal.callers`).
pub fn new_keys() -> Result<(Secret, String), String> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|error| error.to_string())?;
    let key = Secret::new(BASE64URL.encode(seed));
    let public = public_key(&key)?;
    Ok((key, public))
}

/// The public key to a private one; an error in words.
pub fn public_key(key: &Secret) -> Result<String, String> {
    Ok(BASE64URL.encode(read_key(key)?.verifying_key().as_bytes()))
}

fn read_key(key: &Secret) -> Result<SigningKey, String> {
    let seed = BASE64URL.decode(key.expose()).ok().and_then(|seed| seed.try_into().ok());
    let seed: [u8; 32] = seed.ok_or("must be a key as `erp service-keys` makes them")?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Signs what this process asks of others.
pub struct Identity {
    key: EncodingKey,
    tokens: Mutex<Vec<Signed>>,
}

struct Signed {
    caller: String,
    callee: &'static str,
    token: String,
    renew_at: Instant,
}

impl Identity {
    /// With the private key of [`new_keys`]; an error in words.
    pub fn new(key: &Secret) -> Result<Self, String> {
        let der = read_key(key)?.to_pkcs8_der().map_err(|e| e.to_string())?;
        Ok(Identity { key: EncodingKey::from_ed_der(der.as_bytes()), tokens: Mutex::default() })
    }

    /// A token with which `caller` may call `callee`; the same one for half its life.
    pub fn token(&self, caller: &str, callee: &'static str) -> Result<String> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|signed| signed.renew_at > Instant::now());
        let kept = tokens.iter().find(|signed| signed.caller == caller && signed.callee == callee);
        if let Some(signed) = kept {
            return Ok(signed.token.clone());
        }
        let now = Utc::now().timestamp();
        let claims = Claims {
            iss: caller.to_owned(),
            aud: audience(callee),
            iat: now,
            exp: now + TTL.as_secs() as i64,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.key)
            .map_err(Error::internal)?;
        let renew_at = Instant::now() + TTL / 2;
        tokens.push(Signed { caller: caller.to_owned(), callee, token: token.clone(), renew_at });
        Ok(token)
    }
}

/// What a signature says: who said what to whom, at any time.
#[derive(Debug, Serialize, Deserialize)]
struct Signature {
    iss: String,
    aud: String,
    /// SHA-256 of what is signed, in hex.
    digest: String,
}

impl Identity {
    /// Signs what `publisher` tells `subscriber`, for as long as that takes.
    pub fn sign(&self, publisher: &str, subscriber: &str, data: &[u8]) -> Result<String> {
        let said = Signature {
            iss: publisher.to_owned(),
            aud: event_audience(subscriber),
            digest: hex(&Sha256::digest(data)),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &said, &self.key)
            .map_err(Error::internal)
    }
}

impl Callers {
    /// Who signed this for `subscriber`; otherwise 401 `invalid_service_token`.
    pub fn check_signature(&self, token: &str, subscriber: &str, data: &[u8]) -> Result<String> {
        let unverified = jsonwebtoken::dangerous::insecure_decode::<Signature>(token);
        let publisher = unverified.map_err(|_| invalid())?.claims.iss;
        let key = self.keys.get(&publisher).ok_or_else(invalid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[event_audience(subscriber)]);
        validation.set_issuer(&[&publisher]);
        validation.set_required_spec_claims(&["iss", "aud"]);
        validation.validate_exp = false;
        let said = jsonwebtoken::decode::<Signature>(token, key, &validation);
        match said.map_err(|_| invalid())?.claims.digest == hex(&Sha256::digest(data)) {
            true => Ok(publisher),
            false => Err(invalid()),
        }
    }
}

fn event_audience(subscriber: &str) -> String {
    format!("erp-events:{subscriber}")
}

fn audience(callee: &str) -> String {
    format!("erp-internal:{callee}")
}

/// Knows those who call this process by their public keys.
#[derive(Default)]
pub struct Callers {
    keys: HashMap<String, DecodingKey>,
    verified: Mutex<HashMap<String, Claims>>,
}

impl Callers {
    /// Names and public keys; an error in words, with the name.
    pub fn new(keys: &BTreeMap<String, String>) -> Result<Self, (String, &'static str)> {
        let keys = keys.iter().map(|(name, key)| {
            let is_key = BASE64URL.decode(key).is_ok_and(|key| key.len() == 32);
            let key = DecodingKey::from_ed_components(key).ok().filter(|_| is_key);
            let why = "must be a public key as `erp service-keys` makes them";
            Ok((name.clone(), key.ok_or((name.clone(), why))?))
        });
        Ok(Callers { keys: keys.collect::<Result<_, _>>()?, verified: Mutex::default() })
    }

    /// Who signed this token for `callee`; otherwise 401 `invalid_service_token`.
    pub fn check(&self, token: &str, callee: &str) -> Result<String> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let audience = audience(callee);
        if let Some(claims) = verified.get(token) {
            let is_valid = claims.exp + LEEWAY_S as i64 >= Utc::now().timestamp();
            return match is_valid && claims.aud == audience {
                true => Ok(claims.iss.clone()),
                false => Err(invalid()),
            };
        }
        let unverified = jsonwebtoken::dangerous::insecure_decode::<Claims>(token);
        let caller = unverified.map_err(|_| invalid())?.claims.iss;
        let key = self.keys.get(&caller).ok_or_else(invalid)?;
        // The algorithm is fixed here, not taken from the token.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&audience]);
        validation.set_issuer(&[&caller]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.leeway = LEEWAY_S;
        let claims =
            jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|_| invalid())?.claims;
        if verified.len() >= MAX_REMEMBERED {
            verified.clear();
        }
        verified.insert(token.to_owned(), claims);
        Ok(caller)
    }
}

fn invalid() -> Error {
    Error::unauthenticated("invalid_service_token", "the service token is not valid here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_caller_and_callee_alone() {
        let (orders, orders_public) = new_keys().expect("random");
        let (sales, sales_public) = new_keys().expect("random");
        let keys = BTreeMap::from([
            ("orders".to_owned(), orders_public),
            ("sales".to_owned(), sales_public),
        ]);
        let callers = Callers::new(&keys).expect("keys");
        let orders = Identity::new(&orders).expect("a key");
        let token = orders.token("orders", "inventory").expect("signed");
        assert_eq!(orders.token("orders", "inventory").expect("kept"), token);
        for _ in 0..2 {
            assert_eq!(callers.check(&token, "inventory").expect("valid"), "orders");
            assert_eq!(callers.check(&token, "billing").expect_err("not for it").status(), 401);
        }
        // Nobody signs for somebody else, whoever they say they are.
        let sales = Identity::new(&sales).expect("a key");
        let forged = sales.token("orders", "inventory").expect("signed");
        assert_eq!(callers.check(&forged, "inventory").expect_err("forged").status(), 401);
        let stranger = Identity::new(&new_keys().expect("random").0).expect("a key");
        let token = stranger.token("gateway", "inventory").expect("signed");
        assert_eq!(callers.check(&token, "inventory").expect_err("unknown").status(), 401);
        assert_eq!(callers.check("", "inventory").expect_err("nothing").status(), 401);
    }

    #[test]
    fn a_signature_is_of_one_publisher_to_one_subscriber_over_these_bytes() {
        let (orders, public) = new_keys().expect("random");
        let callers = Callers::new(&BTreeMap::from([("orders".to_owned(), public)]));
        let callers = callers.expect("a key");
        let orders = Identity::new(&orders).expect("a key");
        let signed = orders.sign("orders", "billing", b"said").expect("signed");
        let check = |signed: &str, subscriber, data: &[u8]| {
            callers.check_signature(signed, subscriber, data).map_err(|error| error.status())
        };
        assert_eq!(check(&signed, "billing", b"said"), Ok("orders".to_owned()));
        assert_eq!(check(&signed, "billing", b"else"), Err(401));
        assert_eq!(check(&signed, "sales", b"said"), Err(401));
        // It opens no call, and a token signs nothing.
        assert!(callers.check(&signed, "billing").is_err());
        let token = orders.token("orders", "billing").expect("signed");
        assert_eq!(check(&token, "billing", b"said"), Err(401));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(Identity::new(&Secret::new("short")).is_err());
        let keys = BTreeMap::from([("sales".to_owned(), "short".to_owned())]);
        assert_eq!(Callers::new(&keys).err().expect("no key").0, "sales");
    }
}

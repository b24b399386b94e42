//! The provider of OpenID Connect the settings name: where it is, what signs its tokens, and
//! what it says of somebody.
//!
//! On jsonwebtoken and the client of webhooks, which are here anyway: of the crate
//! `openidconnect` this would use little, and that brings an HTTP client and a second set of
//! cryptography of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64URL};
use form_urlencoded::Serializer;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use url::Url;

use crate::OidcConfig;
use crate::error::Error;
use crate::service::outside::Outside;

/// Longest wait for an answer of the provider.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what it says of itself is believed.
const KNOWN_FOR: Duration = Duration::from_secs(3600);
/// How soon its keys are asked for again, should there be one that is not known.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How far its clock may be from ours.
const LEEWAY_S: u64 = 60;

/// What may sign a token: nothing that a client secret or a public key could be taken for.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// A provider.
pub(crate) struct Provider {
    config: OidcConfig,
    outside: Outside,
    known: Mutex<Option<Known>>,
}

/// What it said of itself, and when.
#[derive(Clone)]
struct Known {
    about: Arc<About>,
    keys: Arc<JwkSet>,
    learned: Instant,
}

/// Its metadata (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
struct About {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// What an ID token says.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    pub sub: String,
    aud: Value,
    azp: Option<String>,
    nonce: Option<String>,
    pub email: Option<String>,
    /// Some say `"true"`.
    #[serde(default)]
    email_verified: Value,
    pub name: Option<String>,
    pub preferred_username: Option<String>,
    /// How they signed in there (RFC 8176).
    #[serde(default)]
    amr: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// Their e-mail address, if the provider knows that it is theirs.
    pub fn verified_email(&self) -> Option<&str> {
        let is_verified = self.email_verified == true || self.email_verified == "true";
        self.email.as_deref().filter(|_| is_verified)
    }

    /// Whether they gave a second factor there.
    pub fn has_second_factor(&self) -> bool {
        self.amr.iter().any(|method| method == "mfa")
    }

    /// A claim that is a text or a list of texts.
    pub fn list(&self, claim: &str) -> Vec<&str> {
        match self.others.get(claim) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// The secrets of one attempt to sign in. All follow from the one that whoever signs in keeps:
/// nothing is stored, and an answer of the provider is of use to nobody else.
pub(super) struct Flow<'a>(pub &'a str);

impl Flow<'_> {
    fn derived(&self, what: &str) -> String {
        BASE64URL.encode(Sha256::new().chain_update(what).chain_update(self.0).finalize())
    }

    /// Ties the answer to the question (RFC 6749, section 10.12).
    pub fn state(&self) -> String {
        self.derived("state:")
    }

    /// Ties the ID token to it.
    pub fn nonce(&self) -> String {
        self.derived("nonce:")
    }

    /// Ties the code to it (RFC 7636).
    pub fn verifier(&self) -> String {
        self.derived("verifier:")
    }

    fn challenge(&self) -> String {
        BASE64URL.encode(Sha256::digest(self.verifier()))
    }
}

impl Provider {
    /// The provider of these settings, if they name one; an error in words.
    pub(crate) fn new(config: &OidcConfig) -> Result<Option<Self>, String> {
        if config.issuer.is_empty() {
            return Ok(None);
        }
        is_safe(&config.issuer).map_err(|why| format!("issuer: {why}"))?;
        is_safe(&config.redirect_url).map_err(|why| format!("redirect_url: {why}"))?;
        if config.client_id.is_empty() {
            return Err("client_id: must be set with an issuer".into());
        }
        // The operator says where it is, which may well be inside.
        let outside = Outside::new(true);
        Ok(Some(Provider { config: config.clone(), outside, known: Mutex::new(None) }))
    }

    pub(super) fn config(&self) -> &OidcConfig {
        &self.config
    }

    /// Where whoever signs in is sent.
    pub(super) async fn authorization_url(&self, flow: &Flow<'_>) -> kernel::Result<String> {
        let known = self.known(None).await?;
        let mut url = Url::parse(&known.about.authorization_endpoint).map_err(unusable)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.config.redirect_url)
            .append_pair("scope", &self.config.scopes.join(" "))
            .append_pair("state", &flow.state())
            .append_pair("nonce", &flow.nonce())
            .append_pair("code_challenge", &flow.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Exchanges a code for what the provider says of whoever signed in.
    pub(super) async fn claims(&self, flow: &Flow<'_>, code: &str) -> kernel::Result<Claims> {
        let known = self.known(None).await?;
        let id = &self.config.client_id;
        let secret = self.config.client_secret.expose();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.config.redirect_url)
            .append_pair("code_verifier", &flow.verifier());
        let mut headers = HeaderMap::new();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form_type);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // RFC 6749, section 2.3.1; basic is what everybody has unless they say otherwise.
        let methods = &known.about.token_endpoint_auth_methods_supported;
        let takes = |method: &str| methods.iter().any(|known| known == method);
        if secret.is_empty() {
            form.append_pair("client_id", id);
        } else if !methods.is_empty() && !takes("client_secret_basic") {
            form.append_pair("client_id", id).append_pair("client_secret", secret);
        } else {
            let encode =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = BASE64_STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
            let mut basic = HeaderValue::from_str(&format!("Basic {pair}")).map_err(unusable)?;
            basic.set_sensitive(true);
            headers.insert(AUTHORIZATION, basic);
        }
        let url = &known.about.token_endpoint;
        let answer = self.outside.send(Method::POST, url, headers, form.finish(), PATIENCE).await;
        let answer = answer.map_err(unusable)?;
        match answer.status {
            200 => {}
            400..=499 => {
                tracing::warn!(
                    status = answer.status,
                    said = %String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>(),
                    "the OpenID Connect provider refused a code"
                );
                return Err(Error::OidcRefused.into());
            }
            status => return Err(unusable(format!("the token endpoint answered {status}"))),
        }
        let tokens: Tokens = serde_json::from_slice(&answer.body).map_err(unusable)?;
        self.check(&tokens.id_token, flow).await
    }

    /// Checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7). One that no known key
    /// has signed may be signed with a new one.
    async fn check(&self, token: &str, flow: &Flow<'_>) -> kernel::Result<Claims> {
        let known = self.known(None).await?;
        let refused = |why: String| {
            tracing::warn!(why, "refused an ID token");
            kernel::Error::from(Error::OidcRefused)
        };
        match verify(token, &known.keys, &self.config, flow) {
            Ok(claims) => Ok(claims),
            Err(Unverified::NoKey) => {
                let known = self.known(Some(known.learned)).await?;
                verify(token, &known.keys, &self.config, flow)
                    .map_err(|why| refused(why.to_string()))
            }
            Err(why) => Err(refused(why.to_string())),
        }
    }

    /// What it says of itself; asked anew if that is old, or is what `not_good_enough` was
    /// learned with. One asks for all who wait.
    async fn known(&self, not_good_enough: Option<Instant>) -> kernel::Result<Known> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known {
            let age = known.learned.elapsed();
            let is_doubted = not_good_enough == Some(known.learned) && age > ASK_AGAIN_AFTER;
            if age < KNOWN_FOR && !is_doubted {
                return Ok(known.clone());
            }
        }
        let issuer = self.config.issuer.trim_end_matches('/');
        let about: About = self.get(&format!("{issuer}/.well-known/openid-configuration")).await?;
        if about.issuer != self.config.issuer {
            return Err(unusable(format!("it calls itself {}", about.issuer)));
        }
        for url in [&about.authorization_endpoint, &about.token_endpoint, &about.jwks_uri] {
            is_safe(url).map_err(unusable)?;
        }
        let keys: Keys = self.get(&about.jwks_uri).await?;
        let learned = Known {
            about: Arc::new(about),
            keys: Arc::new(keys.readable()),
            learned: Instant::now(),
        };
        *known = Some(learned.clone());
        Ok(learned)
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> kernel::Result<T> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.outside.send(Method::GET, url, headers, Bytes::new(), PATIENCE).await;
        let answer = answer.map_err(unusable)?;
        if answer.status != 200 {
            return Err(unusable(format!("{url} answered {}", answer.status)));
        }
        serde_json::from_slice(&answer.body).map_err(unusable)
    }
}

/// Keys, of which some may be of a kind we do not know: those are of no use here.
#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

impl Keys {
    fn readable(self) -> JwkSet {
        let read = |key| serde_json::from_value::<Jwk>(key).ok();
        JwkSet { keys: self.keys.into_iter().filter_map(read).collect() }
    }
}

/// `https`, or of this machine.
fn is_safe(url: &str) -> Result<(), String> {
    let parsed = Url::parse(url).map_err(|_| format!("{url} is no URL"))?;
    let is_here = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if is_here => Ok(()),
        _ => Err(format!("{url} must begin with https://")),
    }
}

fn unusable(why: impl ToString) -> kernel::Error {
    tracing::error!(why = why.to_string(), "the OpenID Connect provider cannot be used");
    Error::OidcUnavailable.into()
}

#[derive(Debug, thiserror::Error)]
enum Unverified {
    #[error("no key of the provider has signed it")]
    NoKey,
    #[error("it is signed in a way that proves nothing")]
    Algorithm,
    #[error("{0:?}")]
    Claims(jsonwebtoken::errors::ErrorKind),
    #[error("it is for somebody else")]
    Audience,
    #[error("it belongs to another attempt")]
    Nonce,
}

fn verify(
    token: &str,
    keys: &JwkSet,
    config: &OidcConfig,
    flow: &Flow<'_>,
) -> Result<Claims, Unverified> {
    let header = jsonwebtoken::decode_header(token);
    let header = header.map_err(|error| Unverified::Claims(error.into_kind()))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Unverified::Algorithm);
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let is_meant = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let mut why = Unverified::NoKey;
    for key in keys.keys.iter().filter(is_meant) {
        let Ok(key) = DecodingKey::from_jwk(key) else { continue };
        match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
            Ok(decoded) => return check_claims(decoded.claims, config, flow),
            Err(error) => match error.into_kind() {
                // Signed with another key, or with one of another kind.
                jsonwebtoken::errors::ErrorKind::InvalidSignature
                | jsonwebtoken::errors::ErrorKind::InvalidAlgorithm
                | jsonwebtoken::errors::ErrorKind::InvalidKeyFormat => {}
                kind => why = Unverified::Claims(kind),
            },
        }
    }
    Err(why)
}

fn check_claims(
    claims: Claims,
    config: &OidcConfig,
    flow: &Flow<'_>,
) -> Result<Claims, Unverified> {
    let is_for_several = claims.aud.as_array().is_some_and(|audiences| audiences.len() > 1);
    let is_ours = claims.azp.as_ref().map_or(!is_for_several, |azp| *azp == config.client_id);
    if !is_ours {
        return Err(Unverified::Audience);
    }
    match claims.nonce == Some(flow.nonce()) {
        true => Ok(claims),
        false => Err(Unverified::Nonce),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::EncodePrivateKey;
    use jsonwebtoken::{EncodingKey, Header};
    use kernel::config::Secret;
    use serde_json::json;

    use super::*;

    fn config() -> OidcConfig {
        OidcConfig {
            issuer: "https://id.example".into(),
            client_id: "erp".into(),
            client_secret: Secret::new("secret"),
            redirect_url: "https://erp.example/signed-in".into(),
            ..OidcConfig::default()
        }
    }

    fn key(seed: u8) -> (EncodingKey, Value) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let x = BASE64URL.encode(key.verifying_key().as_bytes());
        let der = key.to_pkcs8_der().expect("written");
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": seed.to_string() });
        (EncodingKey::from_ed_der(der.as_bytes()), jwk)
    }

    fn keys(jwks: &[&Value]) -> JwkSet {
        Keys { keys: jwks.iter().map(|jwk| (*jwk).clone()).collect() }.readable()
    }

    #[test]
    fn a_token_is_taken_only_if_all_of_it_is_right() {
        let flow = Flow("flow");
        let now = Utc::now().timestamp();
        let good = json!({
            "iss": "https://id.example", "sub": "1", "aud": "erp", "exp": now + 300, "iat": now,
            "nonce": flow.nonce()
        });
        let (ours, jwk) = key(1);
        let (theirs, other) = key(2);
        let odd = json!({ "kty": "lattice", "kid": "1" });
        let set = keys(&[&odd, &jwk]);
        let sign = |claims: &Value, key: &EncodingKey, header: Header| {
            jsonwebtoken::encode(&header, claims, key).expect("signed")
        };
        let header = |kid: Option<&str>| {
            let mut header = Header::new(Algorithm::EdDSA);
            header.kid = kid.map(str::to_owned);
            header
        };
        let check = |claims: &Value, expected: bool| {
            let token = sign(claims, &ours, header(Some("1")));
            let verified = verify(&token, &set, &config(), &flow);
            assert_eq!(verified.is_ok(), expected, "{claims} {:?}", verified.err());
        };
        check(&good, true);
        for (claim, value, expected) in [
            ("iss", json!("https://id.example/"), false),
            ("aud", json!("other"), false),
            ("aud", json!(["erp"]), true),
            ("aud", json!(["erp", "other"]), false),
            ("azp", json!("other"), false),
            ("azp", json!("erp"), true),
            ("exp", json!(now - 61), false),
            ("exp", json!(now - 30), true),
            ("nbf", json!(now + 120), false),
            ("nonce", json!("other"), false),
            ("nonce", Value::Null, false),
            ("sub", Value::Null, false),
        ] {
            let mut claims = good.clone();
            claims[claim] = value;
            check(&claims, expected);
        }
        let mut claims = good.clone();
        claims["aud"] = json!(["erp", "other"]);
        claims["azp"] = json!("erp");
        check(&claims, true);

        // Without a key id each key is tried; of another key nobody knows.
        let verified = |token: &str| verify(token, &set, &config(), &flow);
        assert!(verified(&sign(&good, &ours, header(None))).is_ok());
        let unknown = [sign(&good, &theirs, header(Some("2"))), sign(&good, &theirs, header(None))];
        for token in unknown.iter().chain([&sign(&good, &theirs, header(Some("1")))]) {
            assert!(matches!(verified(token), Err(Unverified::NoKey)));
        }
        assert!(verify(&unknown[0], &keys(&[&jwk, &other]), &config(), &flow).is_ok());
        // The public key is no secret to sign with, and none is not a signature.
        let public = EncodingKey::from_secret(jwk["x"].as_str().expect("text").as_bytes());
        let confused = sign(&good, &public, Header::new(Algorithm::HS256));
        assert!(matches!(verified(&confused), Err(Unverified::Algorithm)));
        let none = BASE64URL.encode(r#"{"alg":"none"}"#);
        let none = format!("{none}.{}.", BASE64URL.encode(good.to_string()));
        assert!(verified(&none).is_err());
    }

    #[test]
    fn an_email_counts_only_if_it_was_verified() {
        let check = |verified: Value, expected: Option<&str>| {
            let claims: Claims = serde_json::from_value(json!({
                "iss": "i", "sub": "1", "aud": "erp", "email": "ada@example.com",
                "email_verified": verified, "roles": ["a", 1, "b"], "group": "c"
            }))
            .expect("claims");
            assert_eq!(claims.verified_email(), expected);
            assert_eq!((claims.list("roles"), claims.list("group")), (vec!["a", "b"], vec!["c"]));
        };
        check(json!(true), Some("ada@example.com"));
        check(json!("true"), Some("ada@example.com"));
        check(json!(false), None);
        check(json!("false"), None);
        check(Value::Null, None);
    }

    #[test]
    fn the_challenge_is_that_of_the_verifier() {
        let flow = Flow("x");
        assert_eq!(flow.challenge(), BASE64URL.encode(Sha256::digest(flow.verifier())));
        assert!((43..=128).contains(&flow.verifier().len()));
        let secrets = [flow.state(), flow.nonce(), flow.verifier(), flow.challenge()];
        let distinct: std::collections::BTreeSet<_> = secrets.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_ne!(Flow("y").state(), flow.state());
    }

    #[test]
    fn a_provider_is_asked_over_tls_alone() {
        let check = |issuer: &str, expected: bool| {
            let config = OidcConfig { issuer: issuer.into(), ..config() };
            assert_eq!(Provider::new(&config).is_ok(), expected, "{issuer}");
        };
        check("", true);
        check("https://login.microsoftonline.com/t/v2.0", true);
        check("http://127.0.0.1:9400", true);
        check("http://id.example", false);
        check("id.example", false);
    }
}

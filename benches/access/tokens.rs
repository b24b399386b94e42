//! The check of a token, in this process, as the guard of a module does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::{Signer, SigningKey};
use hdrhistogram::Histogram;
use kernel::config::JwtConfig;
use kernel::token::{KeySource, PublicKey, TokenVerifier};
use serde_json::{Value, json};
use uuid::Uuid;

/// Fewer than are remembered at a time.
const TOKENS: usize = 5_000;
const CHECKS: usize = 200_000;

/// Nanoseconds.
pub struct Tokens {
    pub first: Histogram<u64>,
    pub again: Histogram<u64>,
}

/// Auth, as far as it is asked: for the keys, once.
struct Auth {
    key: PublicKey,
    asked: AtomicU32,
}

#[async_trait]
impl KeySource for Auth {
    async fn verification_keys(&self) -> kernel::Result<Vec<PublicKey>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(vec![self.key.clone()])
    }

    async fn ended_sessions(&self) -> kernel::Result<Vec<Uuid>> {
        Ok(Vec::new())
    }

    async fn key_token(&self, _: &str) -> kernel::Result<String> {
        Err(kernel::Error::unauthenticated("invalid_token", "there are no API keys here"))
    }
}

fn signed(key: &SigningKey) -> String {
    let now = chrono::Utc::now().timestamp();
    let head = json!({ "typ": "JWT", "alg": "EdDSA", "kid": "k" });
    // As long as that of somebody with three roles.
    let permissions: Vec<_> = (0..20).map(|n| format!("inventory.resource_{n}:read")).collect();
    let claims = json!({
        "iss": "erp", "aud": "erp-api", "sub": Uuid::now_v7(), "name": "ada",
        "sid": Uuid::now_v7(), "iat": now, "exp": now + 900, "jti": Uuid::now_v7(),
        "permissions": permissions, "auth_time": now
    });
    let part = |value: &Value| BASE64URL.encode(value.to_string());
    let said = format!("{}.{}", part(&head), part(&claims));
    let signature = BASE64URL.encode(key.sign(said.as_bytes()).to_bytes());
    format!("{said}.{signature}")
}

pub async fn measure() -> Result<Tokens, String> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = PublicKey {
        kid: "k".into(),
        kty: "OKP".into(),
        crv: "Ed25519".into(),
        x: BASE64URL.encode(key.verifying_key().as_bytes()),
        alg: "EdDSA".into(),
        usage: "sig".into(),
    };
    let auth = Arc::new(Auth { key: public, asked: AtomicU32::new(0) });
    let verifier = TokenVerifier::new(auth.clone(), Arc::default(), &JwtConfig::default());
    let tokens: Vec<_> = (0..TOKENS).map(|_| signed(&key)).collect();
    // The first of all asks for the keys.
    verifier.verify(&signed(&key)).await.map_err(|e| format!("{e:?}"))?;
    let histogram = || Histogram::new(3).map_err(|e| e.to_string());
    let (mut first, mut again) = (histogram()?, histogram()?);
    for token in &tokens {
        time(&verifier, token, &mut first).await?;
    }
    for token in tokens.iter().cycle().take(CHECKS) {
        time(&verifier, token, &mut again).await?;
    }
    match auth.asked.load(Ordering::Relaxed) {
        1 => Ok(Tokens { first, again }),
        asked => Err(format!("auth was asked for its keys {asked} times")),
    }
}

async fn time(
    verifier: &TokenVerifier,
    token: &str,
    times: &mut Histogram<u64>,
) -> Result<(), String> {
    let begun = Instant::now();
    let claims = verifier.verify(token).await.map_err(|e| format!("{e:?}"))?;
    let took = begun.elapsed();
    std::hint::black_box(claims);
    times.record(took.as_nanos() as u64).map_err(|e| e.to_string())
}

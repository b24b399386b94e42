//! API keys as `Authorization: Bearer erp_..`: each process has auth exchange one for a token
//! of a minute, and remembers that. So a request costs no call, and what becomes of a key or of
//! its owner shows within the minute; a key that is revoked within seconds, like a session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::Utc;
use sha2::{Digest, Sha256};
use tokio::time::{Duration, Instant};

use crate::token::Claims;

/// What every API key begins with, so that it is known for one wherever it turns up.
pub const API_KEY_PREFIX: &str = "erp_";
/// Characters after that: 256 random bits.
const SECRET_CHARS: usize = 43;
/// For so long auth is not asked again about one it did not know.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// Keys remembered at a time; beyond that all are asked for anew.
const MAX_REMEMBERED: usize = 10_000;

/// Whether this may be a key; if not, nobody needs to be asked.
pub fn looks_like_key(text: &str) -> bool {
    text.strip_prefix(API_KEY_PREFIX).is_some_and(|secret| {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        secret.len() == SECRET_CHARS && secret.bytes().all(is_base64url)
    })
}

/// What of a key is stored and sent between processes: SHA-256 in hex. It has 256 random bits,
/// so nobody guesses it back.
pub fn key_hash(key: &str) -> String {
    crate::http::hex(&Sha256::digest(key))
}

/// By hash what a key stands for, or since when it stands for nothing.
#[derive(Default)]
pub(super) struct Exchanged(Mutex<HashMap<String, Known>>);

enum Known {
    Good(Arc<Claims>),
    Refused(Instant),
}

impl Exchanged {
    /// `None` if auth has to be asked; `Some(None)` if it said no a moment ago.
    pub(super) fn find(&self, hash: &str) -> Option<Option<Arc<Claims>>> {
        // Whoever panicked holding it left a whole map behind.
        let known = self.0.lock().unwrap_or_else(|e| e.into_inner());
        match known.get(hash)? {
            Known::Good(claims) if claims.exp > Utc::now().timestamp() => {
                Some(Some(claims.clone()))
            }
            Known::Refused(at) if at.elapsed() < REFUSED_FOR => Some(None),
            _ => None,
        }
    }

    pub(super) fn remember(&self, hash: String, claims: Option<Arc<Claims>>) {
        let mut known = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(hash, claims.map_or_else(|| Known::Refused(Instant::now()), Known::Good));
    }
}

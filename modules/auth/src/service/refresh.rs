//! Refresh tokens: each is used once and exchanged for the next.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use chrono::{DateTime, Utc};
use contracts::events::RefreshTokenReused;
use contracts::ids::{SessionId, UserId};
use kernel::config::Secret;
use kernel::db::{Tx, execute, query_one};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ConnectionTrait, FromQueryResult, IntoActiveModel};
use sha2::{Digest, Sha256};

use crate::entities::session;
use crate::entities::session::EndReason;
use crate::error::Error;
use crate::routes::tokens::TokenSet;
use crate::service::Service;
use crate::service::rotation::{Decision, Presented, decide};
use crate::service::sessions::{as_user, end_session};
use crate::service::signing::random_bytes;

/// A refresh token on its way out; afterwards only its hash remains.
pub(super) struct NewToken {
    pub text: String,
    pub hash: String,
}

impl NewToken {
    pub(super) fn make() -> Result<Self> {
        let text = BASE64URL.encode(random_bytes::<32>()?);
        let hash = token_hash(&text);
        Ok(NewToken { text, hash })
    }

    /// Against forged requests, where this one is in a cookie: a page is told it and can tell
    /// it again, and what it is made of it cannot read.
    pub(super) fn csrf_token(&self) -> String {
        csrf_token_of(&self.text)
    }
}

pub(crate) fn csrf_token_of(refresh_token: &str) -> String {
    BASE64URL.encode(Sha256::digest(format!("csrf {refresh_token}")))
}

/// The token has 256 random bits: nobody guesses it back from a plain hash.
pub(super) fn token_hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(FromQueryResult)]
struct Stored {
    session_id: SessionId,
    user_id: UserId,
    username: String,
    is_active: bool,
    ended_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
    rotated_at: Option<DateTime<Utc>>,
    reissues: i64,
    used_successors: i64,
    used_siblings: i64,
}

impl Service {
    /// Exchanges a refresh token; see [`decide`] for what can become of it.
    pub(crate) async fn refresh(
        &self,
        ctx: &Ctx,
        token: &Secret,
        in_cookies: bool,
    ) -> Result<TokenSet> {
        let hash = token_hash(token.expose());
        // Read first to know whose it is: the transaction bears the user's name.
        let known = find(self.db.read(), &hash).await?.ok_or(Error::InvalidRefreshToken)?;
        let mut tx = self.db.begin(&as_user(ctx, known.user_id, &known.username)).await?;
        // So that of two tokens of one session one is used before the other.
        let before = tx.lock::<session::Entity>(known.session_id).await?;
        let before = before.ok_or(Error::InvalidRefreshToken)?;
        let stored = find(&*tx, &hash).await?.ok_or(Error::InvalidRefreshToken)?;
        let exchange = match decide(stored.presented(), tx.now()) {
            Decision::Rotate => {
                "UPDATE refresh_tokens SET rotated_at = $1 WHERE hash = $2 AND rotated_at IS NULL"
            }
            Decision::Reissue => {
                "UPDATE refresh_tokens SET reissues = reissues + 1 \
                 WHERE hash = $2 AND rotated_at <= $1"
            }
            Decision::Refuse => return Err(Error::InvalidRefreshToken.into()),
            Decision::Reused => return self.end_reused(tx, before).await,
        };
        if execute(&*tx, exchange, vec![tx.now().into(), hash.as_str().into()]).await? != 1 {
            // Another process exchanged it between the reading and now: the next try is
            // a repeat within the grace.
            return Err(Error::SignInBusy.into());
        }
        let new = NewToken::make()?;
        self.insert_refresh_token(&tx, &new, stored.session_id, Some(hash)).await?;
        let mut change = before.clone().into_active_model();
        change.expires_at = Set(self.refresh_expiry(tx.now()));
        change.last_used_at = Set(Some(tx.now()));
        if let Some(address) = ctx.address {
            change.address = Set(Some(address.to_string()));
        }
        let after = change.update(&*tx).await?;
        tx.audit("session", before.id.uuid(), Some(&before), Some(&after))?;
        let tokens = self.token_set(&tx, &after, &stored.username, new, in_cookies).await?;
        tx.commit().await?;
        Ok(tokens)
    }

    /// Somebody has a token that another has used: whoever holds the session loses it.
    async fn end_reused(&self, mut tx: Tx, session: session::Model) -> Result<TokenSet> {
        tracing::warn!(
            user.id = %session.user_id,
            session.id = %session.id,
            "a refresh token was used twice; ended the session"
        );
        let (user_id, session_id) = (session.user_id, session.id);
        end_session(&mut tx, session, EndReason::RefreshTokenReused).await?;
        tx.publish(session_id.uuid(), 1, &RefreshTokenReused { user_id, session_id })?;
        tx.commit().await?;
        self.tell_ended().await;
        Err(Error::RefreshTokenReused.into())
    }
}

impl Stored {
    fn presented(&self) -> Presented {
        Presented {
            expires_at: self.expires_at,
            rotated_at: self.rotated_at,
            reissues: self.reissues,
            successor_used: self.used_successors > 0,
            sibling_used: self.used_siblings > 0,
            session_ended: self.ended_at.is_some(),
            user_active: self.is_active,
        }
    }
}

/// Whether a token would be exchanged that has not been yet.
pub(super) async fn is_good(conn: &impl ConnectionTrait, hash: &str) -> Result<bool> {
    let stored = find(conn, hash).await?;
    Ok(stored.is_some_and(|stored| decide(stored.presented(), Utc::now()) == Decision::Rotate))
}

async fn find(conn: &impl ConnectionTrait, hash: &str) -> Result<Option<Stored>> {
    let sql = "SELECT t.session_id, s.user_id, u.username, u.is_active, s.ended_at, \
               t.expires_at, t.rotated_at, t.reissues, \
               (SELECT COUNT(*) FROM refresh_tokens c \
                WHERE c.parent_hash = t.hash AND c.rotated_at IS NOT NULL) AS used_successors, \
               (SELECT COUNT(*) FROM refresh_tokens c WHERE c.parent_hash = t.parent_hash \
                AND c.hash <> t.hash AND c.rotated_at IS NOT NULL) AS used_siblings \
               FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id \
               JOIN users u ON u.id = s.user_id WHERE t.hash = $1";
    Ok(query_one(conn, sql, vec![hash.into()]).await?)
}

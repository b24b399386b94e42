//! Signing in and out.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::{SessionId, UserId};
use kernel::config::Secret;
use kernel::db::{Tx, execute};
use kernel::http::Reply;
use kernel::text::Text;
use kernel::{Actor, Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect,
};

use crate::entities::session::EndReason;
use crate::entities::{Hidden, refresh_token, session, user};
use crate::error::Error;
use crate::routes::tokens::TokenSet;
use crate::service::Service;
use crate::service::lookup::grants_of;
use crate::service::refresh::NewToken;
use crate::service::signing::Holder;
use crate::service::users::name_key;

/// How far the clocks of two machines may be apart.
const CLOCK_DIFFERENCE: TimeDelta = TimeDelta::minutes(1);

impl Service {
    /// Checks name and password and begins a session.
    pub(crate) async fn sign_in(
        &self,
        ctx: &Ctx,
        username: &Text<1, 64>,
        password: &Secret,
    ) -> Result<TokenSet> {
        let key = name_key(username);
        let found = user::Entity::find()
            .filter(user::Column::UsernameKey.eq(&key))
            .one(self.db.read())
            .await?;
        let rehashed = self.check_password(ctx, &key, password, found.as_ref()).await?;
        // `check_password` refuses where there is nobody.
        let found = found.ok_or(Error::InvalidCredentials)?;
        self.begin_session(ctx, &found, rehashed).await
    }

    /// Compares the password with the user's. The same answer, after the same time, for
    /// a wrong password, an unknown name and a disabled user. Returns a hash at today's
    /// cost where the stored one is to be replaced.
    pub(super) async fn check_password(
        &self,
        ctx: &Ctx,
        name_key: &str,
        password: &Secret,
        user: Option<&user::Model>,
    ) -> Result<Option<Hidden>> {
        self.attempts.check(name_key).await?;
        let turn = self.passwords.turn(ctx).await?;
        // Others may have failed while this one waited.
        self.attempts.check(name_key).await?;
        let stored = user.map(|user| &user.password_hash);
        let verdict = self.passwords.verify(turn, password.expose(), stored).await?;
        if !verdict.matches || !user.is_some_and(|user| user.is_active) {
            self.attempts.failed(name_key).await;
            tracing::warn!(user.id = ?user.map(|user| user.id), "refused a password");
            return Err(Error::InvalidCredentials.into());
        }
        self.attempts.succeeded(name_key).await;
        Ok(verdict.rehashed)
    }

    async fn begin_session(
        &self,
        ctx: &Ctx,
        checked: &user::Model,
        rehashed: Option<Hidden>,
    ) -> Result<TokenSet> {
        let mut tx = self.db.begin(&as_user(ctx, checked.id, &checked.username)).await?;
        // Locked, so that disabling the user ends this session too.
        let user = user::Entity::find_by_id(checked.id).lock_exclusive().one(&*tx).await?;
        // Disabled while the password was being checked.
        let user = user.filter(|user| user.is_active).ok_or(Error::InvalidCredentials)?;
        if let Some(password_hash) = rehashed {
            let change =
                user::ActiveModel { password_hash: Set(password_hash), ..user.clone().into() };
            change.update(&*tx).await?;
        }
        let token = NewToken::make()?;
        let session = session::Model {
            id: SessionId::new(),
            user_id: user.id,
            expires_at: self.refresh_expiry(tx.now()),
            ended_at: None,
            end_reason: None,
            created_at: tx.now(),
        };
        session.clone().into_active_model().insert(&*tx).await?;
        self.insert_refresh_token(&tx, &token, session.id, None).await?;
        tx.audit_new("session", session.id.uuid(), &session)?;
        let tokens = self.token_set(&tx, user.id, &user.username, session.id, token).await?;
        tx.commit().await?;
        tracing::info!(user.id = %user.id, session.id = %session.id, "signed in");
        Ok(tokens)
    }

    /// Ends the caller's session. A session that has ended already is no error.
    pub(crate) async fn sign_out(&self, ctx: &Ctx) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let id = session_id(ctx)?;
        if let Some(before) = tx.lock::<session::Entity>(id).await?
            && before.ended_at.is_none()
        {
            end_session(&mut tx, before, EndReason::SignedOut).await?;
        }
        let reply = tx.reply(Reply::no_content()).await?;
        self.tell_ended().await;
        Ok(reply)
    }

    /// Has this process refuse the tokens of sessions that have just ended; the others learn
    /// of it within seconds.
    pub(super) async fn tell_ended(&self) {
        let read = async {
            let ended = self.ended_lately().await?;
            Ok(ended.into_iter().map(SessionId::uuid).collect())
        };
        if let Err(error) = self.revocations.renew(read).await {
            // It is tried again every few seconds.
            tracing::warn!(error = ?error, "cannot tell which sessions have ended");
        }
    }

    /// Sessions whose tokens may not have expired yet.
    pub(crate) async fn ended_lately(&self) -> Result<Vec<SessionId>> {
        let life = TimeDelta::seconds(self.config.access_token_ttl_s as i64) + CLOCK_DIFFERENCE;
        let select = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::EndedAt.gt(Utc::now() - life));
        Ok(select.into_tuple().all(self.db.read()).await?)
    }

    /// Access token and refresh token of a session, with the permissions as they are now.
    pub(super) async fn token_set(
        &self,
        tx: &Tx,
        user_id: UserId,
        username: &str,
        session_id: SessionId,
        refresh: NewToken,
    ) -> Result<TokenSet> {
        let permissions = grants_of(&**tx, user_id).await?;
        let holder = Holder { user_id, username: username.to_owned(), session_id, permissions };
        Ok(TokenSet {
            access_token: self.signer.sign(holder, tx.now())?,
            refresh_token: refresh.text,
            token_type: "Bearer",
            expires_in: self.signer.ttl_s(),
        })
    }

    pub(super) async fn insert_refresh_token(
        &self,
        tx: &Tx,
        token: &NewToken,
        session_id: SessionId,
        parent_hash: Option<String>,
    ) -> Result<()> {
        let row = refresh_token::Model {
            hash: token.hash.clone(),
            session_id,
            parent_hash,
            expires_at: self.refresh_expiry(tx.now()),
            rotated_at: None,
            reissues: 0,
            created_at: tx.now(),
        };
        let insert = refresh_token::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&**tx).await?;
        Ok(())
    }

    pub(super) fn refresh_expiry(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::seconds(self.config.refresh_token_ttl_s as i64)
    }
}

/// Ends one session and says so in the audit log.
pub(super) async fn end_session(
    tx: &mut Tx,
    before: session::Model,
    reason: EndReason,
) -> Result<()> {
    let mut change = before.clone().into_active_model();
    change.ended_at = Set(Some(tx.now()));
    change.end_reason = Set(Some(reason));
    let after = change.update(&**tx).await?;
    tx.audit("session", before.id.uuid(), Some(&before), Some(&after))
}

/// Ends all sessions of a user but one. What they were ended by is in the audit log: the
/// change of the user.
pub(super) async fn end_sessions(
    tx: &Tx,
    user_id: UserId,
    except: Option<SessionId>,
    reason: EndReason,
) -> Result<()> {
    let mut values = vec![tx.now().into(), reason.to_value().into(), user_id.into()];
    let mut sql = "UPDATE sessions SET ended_at = $1, end_reason = $2 \
                   WHERE user_id = $3 AND ended_at IS NULL"
        .to_owned();
    if let Some(except) = except {
        values.push(except.into());
        sql += " AND id <> $4";
    }
    execute(&**tx, sql, values).await?;
    Ok(())
}

/// The session of the caller's token.
pub(super) fn session_id(ctx: &Ctx) -> Result<SessionId> {
    let id = ctx.session_id.map(SessionId::from_uuid);
    id.ok_or_else(|| kernel::Error::internal("a signed-in caller has no session"))
}

/// The same request, now that it is known whose it is.
pub(super) fn as_user(ctx: &Ctx, id: UserId, username: &str) -> Ctx {
    let mut ctx = ctx.clone();
    ctx.actor = Actor { kind: "user".into(), id: Some(id.uuid()), name: username.to_owned() };
    ctx
}

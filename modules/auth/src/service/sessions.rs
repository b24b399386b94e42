//! Signing in and out.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::{SessionId, UserId};
use kernel::config::Secret;
use kernel::db::{Tx, execute, query_all};
use kernel::http::Reply;
use kernel::http::cookies::csrf_hash;
use kernel::token::key_id;
use kernel::{Actor, Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, QuerySelect,
};
use uuid::Uuid;

use crate::entities::session::EndReason;
use crate::entities::{Hidden, api_key_secret, refresh_token, session, user};
use crate::error::Error;
use crate::routes::me::StepUp;
use crate::routes::tokens::{AccessToken, TokenSet};
use crate::service::Service;
use crate::service::attempts::Guess;
use crate::service::lookup::grants_of;
use crate::service::refresh::NewToken;
use crate::service::signing::Holder;
use crate::service::users::name_key;

/// How far the clocks of two machines may be apart.
pub(super) const CLOCK_DIFFERENCE: TimeDelta = TimeDelta::minutes(1);

/// What somebody proves with who they are.
pub(crate) struct Credentials<'a> {
    pub username: &'a str,
    pub password: &'a Secret,
    /// A code of their second factor, or one for when it is lost.
    pub code: Option<&'a Secret>,
    /// Whether the tokens go into cookies.
    pub in_cookies: bool,
}

impl Service {
    /// Checks name, password and code, and begins a session.
    pub(crate) async fn sign_in(
        &self,
        ctx: &Ctx,
        credentials: Credentials<'_>,
    ) -> Result<TokenSet> {
        let key = name_key(credentials.username);
        let found = user::Entity::find()
            .filter(user::Column::UsernameKey.eq(&key))
            .one(self.db.read())
            .await?;
        let rehashed = self.check_password(ctx, &key, credentials.password, found.as_ref()).await?;
        // `check_password` refuses where there is nobody.
        let found = found.ok_or(Error::InvalidCredentials)?;
        self.begin_session(ctx, &found, rehashed, credentials).await
    }

    /// Compares the password with the user's. The same answer, after the same time, for
    /// a wrong password, an unknown name and a disabled user. Returns a hash at today's
    /// cost where the stored one is to be replaced. Failures are forgiven by
    /// [`Service::forgive`], once all else has been right.
    pub(super) async fn check_password(
        &self,
        ctx: &Ctx,
        name_key: &str,
        password: &Secret,
        user: Option<&user::Model>,
    ) -> Result<Option<Hidden>> {
        let guess = self.guess(ctx, name_key, user).await?;
        self.attempts.check(guess).await?;
        let turn = self.passwords.turn(ctx).await?;
        // Others may have failed while this one waited.
        self.attempts.check(guess).await?;
        let stored = user.map(|user| &user.password_hash);
        let verdict = self.passwords.verify(turn, password.expose(), stored).await?;
        if !verdict.matches || !user.is_some_and(|user| user.is_active) {
            self.attempts.failed(guess).await;
            tracing::warn!(user.id = ?user.map(|user| user.id), "refused a password");
            return Err(Error::InvalidCredentials.into());
        }
        Ok(verdict.rehashed)
    }

    /// Forgets the failures before a success.
    pub(super) async fn forgive(&self, ctx: &Ctx, name_key: &str) {
        let guess = Guess { name: name_key, network: ctx.address, is_familiar: true };
        self.attempts.succeeded(guess).await;
    }

    async fn guess<'a>(
        &self,
        ctx: &Ctx,
        name: &'a str,
        user: Option<&user::Model>,
    ) -> Result<Guess<'a>> {
        // Asked for nobody as well, or the time would tell who there is.
        let id = user.map_or(UserId::from_uuid(Uuid::nil()), |user| user.id);
        let address = ctx.address.map(|address| address.to_string());
        let seen = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::UserId.eq(id))
            .filter(session::Column::Address.eq(address))
            .limit(1);
        let seen = seen.into_tuple::<SessionId>().one(self.db.read()).await?;
        Ok(Guess { name, network: ctx.address, is_familiar: seen.is_some() })
    }

    async fn begin_session(
        &self,
        ctx: &Ctx,
        checked: &user::Model,
        rehashed: Option<Hidden>,
        credentials: Credentials<'_>,
    ) -> Result<TokenSet> {
        let tx = self.db.begin(&as_user(ctx, checked.id, &checked.username)).await?;
        // Locked, so that disabling the user ends this session too.
        let user = user::Entity::find_by_id(checked.id).lock_exclusive().one(&*tx).await?;
        // Disabled while the password was being checked.
        let user = user.filter(|user| user.is_active).ok_or(Error::InvalidCredentials)?;
        let (mut tx, second_factor_at) = self.check_code(tx, ctx, &user, credentials.code).await?;
        if let Some(password_hash) = rehashed {
            let change =
                user::ActiveModel { password_hash: Set(password_hash), ..user.clone().into() };
            change.update(&*tx).await?;
        }
        let in_cookies = credentials.in_cookies;
        let tokens = self.insert_session(&mut tx, ctx, &user, second_factor_at, in_cookies).await?;
        tx.commit().await?;
        self.forgive(ctx, &user.username_key).await;
        Ok(tokens)
    }

    /// Begins the session of somebody who has proved who they are.
    pub(super) async fn insert_session(
        &self,
        tx: &mut Tx,
        ctx: &Ctx,
        user: &user::Model,
        second_factor_at: Option<DateTime<Utc>>,
        in_cookies: bool,
    ) -> Result<TokenSet> {
        let token = NewToken::make()?;
        let session = session::Model {
            id: SessionId::new(),
            user_id: user.id,
            expires_at: self.refresh_expiry(tx.now()),
            ended_at: None,
            end_reason: None,
            address: ctx.address.map(|address| address.to_string()),
            device: ctx.device.as_deref().map(str::to_owned),
            last_used_at: Some(tx.now()),
            authenticated_at: Some(tx.now()),
            second_factor_at,
            created_at: tx.now(),
        };
        session.clone().into_active_model().insert(&**tx).await?;
        self.insert_refresh_token(tx, &token, session.id, None).await?;
        tx.audit_new("session", session.id.uuid(), &session)?;
        let tokens = self.token_set(tx, &session, &user.username, token, in_cookies).await?;
        tracing::info!(user.id = %user.id, session.id = %session.id, "signs in");
        Ok(tokens)
    }

    /// Has the owner of the session prove anew who they are, for what is dangerous.
    pub(crate) async fn step_up(
        &self,
        ctx: &Ctx,
        proof: &StepUp,
        csrf: Option<String>,
    ) -> Result<AccessToken> {
        let user = caller(self.db.read(), ctx).await?;
        let key = user.username_key.clone();
        let checked = self.check_password(ctx, &key, &proof.password, Some(&user)).await;
        checked.map_err(wrong_password("/password"))?;
        let tx = self.db.begin(ctx).await?;
        let before = own_session(&tx, ctx).await?;
        let (mut tx, second_factor_at) =
            self.check_code(tx, ctx, &user, proof.code.as_ref()).await?;
        let mut change = before.clone().into_active_model();
        change.authenticated_at = Set(Some(tx.now()));
        if second_factor_at.is_some() {
            change.second_factor_at = Set(second_factor_at);
        }
        let after = change.update(&*tx).await?;
        tx.audit("session", after.id.uuid(), Some(&before), Some(&after))?;
        let access_token = self.access_token(&tx, &after, &user.username, csrf).await?;
        tx.commit().await?;
        self.forgive(ctx, &key).await;
        Ok(AccessToken { access_token, token_type: "Bearer", expires_in: self.signer().ttl_s() })
    }

    /// Ends the caller's session. A session that has ended already is no error; an API key has
    /// none, and is revoked by another operation.
    pub(crate) async fn sign_out(&self, ctx: &Ctx) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let id = session_id(ctx)?;
        let before = tx.lock::<session::Entity>(id).await?.ok_or(Error::SessionRequired)?;
        if before.ended_at.is_none() {
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

    /// Sessions that have ended, and API keys and texts of keys that are worth nothing any more,
    /// of which tokens may not have expired yet; and the signing keys that were withdrawn.
    pub(crate) async fn ended_lately(&self) -> Result<Vec<SessionId>> {
        let life = TimeDelta::seconds(self.config.access_token_ttl_s as i64) + CLOCK_DIFFERENCE;
        let sql = "SELECT id FROM sessions WHERE ended_at > $1 \
                   UNION ALL SELECT id FROM api_keys WHERE revoked_at > $1 \
                   UNION ALL SELECT k.id FROM api_keys k JOIN users u ON u.id = k.user_id \
                   WHERE NOT u.is_active AND u.updated_at > $1 \
                   UNION ALL SELECT id FROM withdrawn_keys";
        let now = Utc::now();
        let since = now - life;
        let ended: Vec<Ended> = query_all(self.db.read(), sql, vec![since.into()]).await?;
        let mut ended: Vec<_> = ended.into_iter().map(|row| row.id).collect();
        let texts: Vec<String> = api_key_secret::Entity::find()
            .select_only()
            .column(api_key_secret::Column::Hash)
            .filter(api_key_secret::Column::ExpiresAt.gt(since))
            .filter(api_key_secret::Column::ExpiresAt.lte(now))
            .into_tuple()
            .all(self.db.read())
            .await?;
        ended.extend(texts.iter().map(|hash| SessionId::from_uuid(key_id(hash))));
        let own = key_id(self.signer().kid());
        if ended.iter().any(|id| id.uuid() == own) {
            // Another replica withdrew what this one signs with.
            self.public_keys().await?;
        }
        Ok(ended)
    }

    /// Access token and refresh token of a session, with the permissions as they are now.
    pub(super) async fn token_set(
        &self,
        tx: &Tx,
        session: &session::Model,
        username: &str,
        refresh: NewToken,
        in_cookies: bool,
    ) -> Result<TokenSet> {
        let csrf_token = in_cookies.then(|| refresh.csrf_token());
        let csrf = csrf_token.as_deref().map(csrf_hash);
        Ok(TokenSet {
            access_token: self.access_token(tx, session, username, csrf).await?,
            refresh_token: refresh.text,
            token_type: "Bearer",
            expires_in: self.signer().ttl_s(),
            csrf_token,
        })
    }

    pub(super) async fn access_token(
        &self,
        tx: &Tx,
        session: &session::Model,
        username: &str,
        csrf: Option<String>,
    ) -> Result<String> {
        let permissions =
            grants_of(&**tx, session.user_id, session.second_factor_at.is_some()).await?;
        let signer = self.signer();
        let holder = Holder {
            user_id: session.user_id,
            username: username.to_owned(),
            session_id: session.id,
            permissions,
            authenticated_at: session.authenticated_at,
            csrf,
            per_s: None,
            key_text: None,
            expires_at: tx.now() + signer.ttl(),
        };
        signer.sign(holder, tx.now())
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

#[derive(FromQueryResult)]
struct Ended {
    id: SessionId,
}

/// What the caller's token belongs to: a session, or an API key.
pub(super) fn session_id(ctx: &Ctx) -> Result<SessionId> {
    let id = ctx.session_id.map(SessionId::from_uuid);
    id.ok_or_else(|| kernel::Error::internal("a signed-in caller has no session"))
}

/// The session of the caller, locked. Refuses an API key: what somebody is, they prove in
/// person.
pub(super) async fn own_session(tx: &Tx, ctx: &Ctx) -> Result<session::Model> {
    let session = tx.lock::<session::Entity>(session_id(ctx)?).await?;
    let session = session.ok_or(Error::SessionRequired)?;
    match session.ended_at {
        None => Ok(session),
        Some(_) => Err(kernel::Error::unauthenticated("session_ended", "the session has ended")),
    }
}

/// The user the token names, in person: an API key acts for them, and is not them.
pub(super) async fn person(conn: &impl ConnectionTrait, ctx: &Ctx) -> Result<user::Model> {
    let session = session::Entity::find_by_id(session_id(ctx)?).one(conn).await?;
    session.ok_or(Error::SessionRequired)?;
    caller(conn, ctx).await
}

/// The user the token names. One who is gone or disabled has no business here, however
/// long the token may live.
pub(super) async fn caller(conn: &impl ConnectionTrait, ctx: &Ctx) -> Result<user::Model> {
    let id = ctx.actor.id.map(UserId::from_uuid);
    let id = id.ok_or_else(|| kernel::Error::internal("a signed-in caller has no id"))?;
    let user = user::Entity::find_by_id(id).one(conn).await?;
    user.filter(|user| user.is_active).ok_or_else(|| {
        kernel::Error::unauthenticated("invalid_token", "the user of this token is not active")
    })
}

/// Of somebody who is signed in, a wrong password is a mistake in a field.
pub(super) fn wrong_password(pointer: &'static str) -> impl FnOnce(kernel::Error) -> kernel::Error {
    move |error| match error.code() {
        "invalid_credentials" => Error::WrongPassword { pointer }.into(),
        _ => error,
    }
}

/// The same request, now that it is known whose it is.
pub(super) fn as_user(ctx: &Ctx, id: UserId, username: &str) -> Ctx {
    let mut ctx = ctx.clone();
    ctx.actor = Actor { kind: "user".into(), id: Some(id.uuid()), name: username.to_owned() };
    ctx
}

//! The second factor: codes by the clock, each good once, and codes for when the device that
//! makes them is lost.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use chrono::{DateTime, Utc};
use contracts::ids::UserId;
use kernel::config::Secret;
use kernel::db::{Tx, execute, query_one};
use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter,
};
use totp_rs::{Builder, Totp};

use crate::entities::session::EndReason;
use crate::entities::{Hidden, recovery_code, session, totp_secret, user};
use crate::error::Error;
use crate::routes::second_factor::{RecoveryCodes, TotpSetup};
use crate::service::Service;
use crate::service::attempts::Guess;
use crate::service::lookup::roles_of;
use crate::service::refresh::token_hash;
use crate::service::sessions::{caller, end_sessions, own_session};
use crate::service::signing::random_bytes;
use crate::service::users::view;

const RECOVERY_CODES: usize = 10;
/// Letters and digits that are not taken for each other (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Of a recovery code: 80 bits, which nobody guesses back from a plain hash.
const CODE_CHARS: usize = 16;

#[derive(FromQueryResult)]
struct Found {
    n: i64,
}

impl Service {
    pub(crate) async fn begin_totp(&self, ctx: &Ctx) -> Result<TotpSetup> {
        let mut tx = self.db.begin(ctx).await?;
        own_session(&tx, ctx).await?;
        let user = own_user(&tx, ctx).await?;
        if user.second_factor_at.is_some() {
            return Err(Error::SecondFactorExists.into());
        }
        forget(&mut tx, user.id).await?;
        let secret = Hidden(BASE64URL.encode(random_bytes::<20>()?));
        let totp = totp(&secret, Some(&user.username))?;
        let row = totp_secret::Model {
            user_id: user.id,
            secret: self.vault.seal(&of_totp(user.id), &secret.0)?,
            confirmed_at: None,
            last_step: 0,
            created_at: tx.now(),
        };
        totp_secret::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await?;
        tx.audit_new("totp", user.id.uuid(), &said_of_totp(false))?;
        tx.commit().await?;
        let uri = totp.to_url().map_err(|e| kernel::Error::internal(e.to_string()))?;
        Ok(TotpSetup { secret: totp.secret().to_base32(), uri })
    }

    pub(crate) async fn confirm_totp(&self, ctx: &Ctx, code: &Secret) -> Result<RecoveryCodes> {
        let user = caller(self.db.read(), ctx).await?;
        let guess = Guess { name: &user.username_key, network: ctx.address, is_familiar: true };
        self.attempts.check(guess).await?;
        let mut tx = self.db.begin(ctx).await?;
        let session = own_session(&tx, ctx).await?;
        let before = own_user(&tx, ctx).await?;
        if before.second_factor_at.is_some() {
            return Err(Error::SecondFactorExists.into());
        }
        let secret = tx.lock::<totp_secret::Entity>(before.id).await?;
        let secret = self.opened(secret.ok_or(Error::NoSecondFactor)?)?;
        let Some(step) = matching_step(&secret, code, tx.now())? else {
            drop(tx);
            self.attempts.failed(guess).await;
            return Err(Error::InvalidCode { pointer: "/code" }.into());
        };
        let mut change = secret.into_active_model();
        change.confirmed_at = Set(Some(tx.now()));
        change.last_step = Set(step);
        change.update(&*tx).await?;
        let id = user.id.uuid();
        tx.audit("totp", id, Some(&said_of_totp(false)), Some(&said_of_totp(true)))?;
        let mut change = session.clone().into_active_model();
        change.second_factor_at = Set(Some(tx.now()));
        let with_it = change.update(&*tx).await?;
        tx.audit("session", with_it.id.uuid(), Some(&session), Some(&with_it))?;
        let now = tx.now();
        self.set_second_factor(&mut tx, before, Some(now)).await?;
        let codes = replace_recovery_codes(&mut tx, user.id).await?;
        tx.commit().await?;
        Ok(codes)
    }

    pub(crate) async fn remove_totp(&self, ctx: &Ctx) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        own_session(&tx, ctx).await?;
        let before = own_user(&tx, ctx).await?;
        if before.second_factor_at.is_none() {
            return Err(Error::NoSecondFactor.into());
        }
        forget(&mut tx, before.id).await?;
        take_from_sessions(&mut tx, before.id).await?;
        self.set_second_factor(&mut tx, before, None).await?;
        tx.reply(Reply::no_content()).await
    }

    pub(crate) async fn create_recovery_codes(&self, ctx: &Ctx) -> Result<RecoveryCodes> {
        let mut tx = self.db.begin(ctx).await?;
        own_session(&tx, ctx).await?;
        let user = own_user(&tx, ctx).await?;
        if user.second_factor_at.is_none() {
            return Err(Error::NoSecondFactor.into());
        }
        let codes = replace_recovery_codes(&mut tx, user.id).await?;
        tx.commit().await?;
        Ok(codes)
    }

    pub(crate) async fn reset_second_factor(&self, ctx: &Ctx, id: UserId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<user::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("user", id))?;
        self.check_may_act_for(&tx, ctx, id).await?;
        let sql = "DELETE FROM passkeys WHERE user_id = $1";
        let passkeys = execute(&*tx, sql, vec![id.into()]).await?;
        if before.second_factor_at.is_none() && passkeys == 0 {
            return Err(Error::NoSecondFactor.into());
        }
        forget(&mut tx, id).await?;
        end_sessions(&tx, id, None, EndReason::SignedOut).await?;
        self.set_second_factor(&mut tx, before, None).await?;
        let reply = tx.reply(Reply::no_content()).await?;
        self.tell_ended().await;
        Ok(reply)
    }

    /// Takes the code of whoever has a second factor, and says when; it is used by that. Counts
    /// a wrong one as a failure, when the transaction is over.
    pub(super) async fn check_code(
        &self,
        mut tx: Tx,
        ctx: &Ctx,
        user: &user::Model,
        code: Option<&Secret>,
    ) -> Result<(Tx, Option<DateTime<Utc>>)> {
        if user.second_factor_at.is_none() {
            return Ok((tx, None));
        }
        let code = code.ok_or(Error::SecondFactorRequired)?;
        if self.use_code(&mut tx, user.id, code).await? {
            let now = tx.now();
            return Ok((tx, Some(now)));
        }
        drop(tx);
        let guess = Guess { name: &user.username_key, network: ctx.address, is_familiar: true };
        self.attempts.failed(guess).await;
        tracing::warn!(user.id = %user.id, "refused a code");
        Err(Error::InvalidCode { pointer: "/code" }.into())
    }

    /// Whether somebody can give a second factor: a code, a passkey, or, if the settings trust
    /// it, what they give their provider.
    pub(super) async fn has_second_factor(
        &self,
        conn: &impl ConnectionTrait,
        id: UserId,
    ) -> Result<bool> {
        let mut sql = "SELECT COUNT(*) AS n FROM users u WHERE u.id = $1 \
                       AND (u.second_factor_at IS NOT NULL \
                       OR EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id)"
            .to_owned();
        if self.config.oidc.trust_mfa {
            sql += " OR EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id)";
        }
        let found: Option<Found> = query_one(conn, sql + ")", vec![id.into()]).await?;
        Ok(found.is_some_and(|found| found.n > 0))
    }

    /// With the secret as it is used.
    fn opened(&self, mut row: totp_secret::Model) -> Result<totp_secret::Model> {
        row.secret = Hidden(self.vault.open(&of_totp(row.user_id), &row.secret)?);
        Ok(row)
    }

    async fn use_code(&self, tx: &mut Tx, user_id: UserId, code: &Secret) -> Result<bool> {
        let secret = tx.lock::<totp_secret::Entity>(user_id).await?;
        if let Some(secret) = secret.filter(|secret| secret.confirmed_at.is_some())
            && let secret = self.opened(secret)?
            && let Some(step) = matching_step(&secret, code, tx.now())?
        {
            let mut change = secret.into_active_model();
            change.last_step = Set(step);
            change.update(&**tx).await?;
            return Ok(true);
        }
        let sql = "UPDATE recovery_codes SET used_at = $1 \
                   WHERE hash = $2 AND user_id = $3 AND used_at IS NULL";
        let hash = token_hash(&plain(code.expose()));
        let before = codes_left(tx, user_id).await?;
        let values = vec![tx.now().into(), hash.into(), user_id.into()];
        if execute(&**tx, sql, values).await? != 1 {
            return Ok(false);
        }
        let after = said_of_codes(before - 1);
        tx.audit("recovery_codes", user_id.uuid(), Some(&said_of_codes(before)), Some(&after))?;
        Ok(true)
    }

    async fn set_second_factor(
        &self,
        tx: &mut Tx,
        before: user::Model,
        at: Option<DateTime<Utc>>,
    ) -> Result<()> {
        let mut change = before.clone().into_active_model();
        change.second_factor_at = Set(at);
        change.version = Set(before.version + 1);
        change.updated_at = Set(tx.now());
        let after = change.update(&**tx).await?;
        let id = after.id;
        let roles = roles_of(&**tx, vec![id]).await?.remove(&id).unwrap_or_default();
        tx.audit("user", id.uuid(), Some(&view(before, roles.clone())), Some(&view(after, roles)))
    }
}

/// Whose secret of a second factor it is.
pub(crate) fn of_totp(user_id: UserId) -> String {
    format!("totp:{user_id}")
}

/// The caller's own row, locked.
async fn own_user(tx: &Tx, ctx: &Ctx) -> Result<user::Model> {
    let id = caller(&**tx, ctx).await?.id;
    let user = tx.lock::<user::Entity>(id).await?;
    user.ok_or_else(|| kernel::Error::not_found("user", id))
}

/// In every session of theirs it counts no longer, whatever it was there.
async fn take_from_sessions(tx: &mut Tx, user_id: UserId) -> Result<()> {
    let with_it = session::Entity::find()
        .filter(session::Column::UserId.eq(user_id))
        .filter(session::Column::EndedAt.is_null())
        .filter(session::Column::SecondFactorAt.is_not_null());
    for before in with_it.all(&**tx).await? {
        let after = session::Model { second_factor_at: None, ..before.clone() };
        tx.audit("session", before.id.uuid(), Some(&before), Some(&after))?;
    }
    let sql = "UPDATE sessions SET second_factor_at = NULL \
               WHERE user_id = $1 AND ended_at IS NULL AND second_factor_at IS NOT NULL";
    execute(&**tx, sql, vec![user_id.into()]).await?;
    Ok(())
}

async fn forget(tx: &mut Tx, user_id: UserId) -> Result<()> {
    if let Some(secret) = tx.lock::<totp_secret::Entity>(user_id).await? {
        let was = said_of_totp(secret.confirmed_at.is_some());
        tx.audit("totp", user_id.uuid(), Some(&was), None::<&()>)?;
        totp_secret::Entity::delete_by_id(user_id).exec(&**tx).await?;
    }
    let left = codes_left(tx, user_id).await?;
    let sql = "DELETE FROM recovery_codes WHERE user_id = $1";
    if execute(&**tx, sql, vec![user_id.into()]).await? > 0 {
        tx.audit("recovery_codes", user_id.uuid(), Some(&said_of_codes(left)), None::<&()>)?;
    }
    Ok(())
}

/// What the audit log is told of codes by the clock: nothing they are made of.
fn said_of_totp(is_confirmed: bool) -> serde_json::Value {
    serde_json::json!({ "confirmed": is_confirmed })
}

/// And of recovery codes: how many there are.
fn said_of_codes(count: i64) -> serde_json::Value {
    serde_json::json!({ "count": count })
}

async fn codes_left(tx: &Tx, user_id: UserId) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL";
    let found: Option<Found> = query_one(&**tx, sql, vec![user_id.into()]).await?;
    Ok(found.map_or(0, |found| found.n))
}

/// The step a code is of, if it is later than that of the last one: a code that somebody
/// overheard is worth nothing (RFC 6238, section 5.2).
fn matching_step(
    secret: &totp_secret::Model,
    code: &Secret,
    now: DateTime<Utc>,
) -> Result<Option<i64>> {
    let code = code.expose().replace(' ', "");
    let is_code = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    if !is_code {
        return Ok(None);
    }
    let now = u64::try_from(now.timestamp()).unwrap_or_default();
    let step = totp(&secret.secret, None)?.check(&code, now);
    let step = step.and_then(|step| i64::try_from(step).ok());
    Ok(step.filter(|step| *step > secret.last_step))
}

fn totp(secret: &Hidden, account: Option<&str>) -> Result<Totp> {
    let damaged = || kernel::Error::internal("a second factor is damaged");
    let bytes = BASE64URL.decode(&secret.0).map_err(|_| damaged())?;
    let mut builder = Builder::new().with_secret(bytes);
    if let Some(account) = account {
        // A colon would end the name there.
        builder = builder.with_account_name(account.replace(':', " ")).with_issuer(Some("erp"));
    }
    builder.build().map_err(|_| damaged())
}

async fn replace_recovery_codes(tx: &mut Tx, user_id: UserId) -> Result<RecoveryCodes> {
    let left = codes_left(tx, user_id).await?;
    let sql = "DELETE FROM recovery_codes WHERE user_id = $1";
    let had = execute(&**tx, sql, vec![user_id.into()]).await? > 0;
    let before = had.then(|| said_of_codes(left));
    let after = said_of_codes(RECOVERY_CODES as i64);
    tx.audit("recovery_codes", user_id.uuid(), before.as_ref(), Some(&after))?;
    let codes = (0..RECOVERY_CODES).map(|_| new_code()).collect::<Result<Vec<_>>>()?;
    let rows = codes.iter().map(|code| recovery_code::Model {
        hash: token_hash(&plain(code)),
        user_id,
        used_at: None,
        created_at: tx.now(),
    });
    let rows = rows.map(IntoActiveModel::into_active_model);
    recovery_code::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
    Ok(RecoveryCodes { recovery_codes: codes })
}

/// In fours, so that it can be copied by hand.
fn new_code() -> Result<String> {
    let bytes = random_bytes::<CODE_CHARS>()?;
    let letters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// As it is hashed, however it was typed.
fn plain(code: &str) -> String {
    let typed = code.to_ascii_lowercase();
    typed.chars().filter(|c| c.is_ascii_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_counts_within_its_window_and_once() {
        // RFC 6238, appendix B, with SHA-1: the last six digits of 94287082 at 59 s.
        let secret = |last_step| totp_secret::Model {
            user_id: UserId::new(),
            secret: Hidden(BASE64URL.encode("12345678901234567890")),
            confirmed_at: None,
            last_step,
            created_at: Utc::now(),
        };
        let check = |code: &str, last_step, second, expected: Option<i64>| {
            let now = DateTime::from_timestamp(second, 0).expect("a time");
            let step = matching_step(&secret(last_step), &Secret::new(code), now).expect("whole");
            assert_eq!(step, expected, "{code} {last_step} {second}");
        };
        check("287082", 0, 59, Some(1));
        check("287 082", 0, 89, Some(1));
        check("287082", 0, 90, None);
        check("287082", 1, 59, None);
        check("287083", 0, 59, None);
        for not_a_code in ["", "28708", "2870820", "28708a", "-28708", "٢٨٧٠٨٢"] {
            check(not_a_code, 0, 59, None);
        }
    }

    #[test]
    fn a_recovery_code_is_read_as_it_was_typed() {
        let code = new_code().expect("random");
        assert_eq!((code.len(), plain(&code).len()), (19, CODE_CHARS));
        assert_eq!(plain(&code.to_uppercase().replace('-', " ")), plain(&code));
    }
}

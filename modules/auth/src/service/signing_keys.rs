//! The keys that access tokens are signed with: a new one every so often, by the clock or by
//! hand. The newest signs; the one before is still good for as long as a token of it can be.

use std::sync::{Arc, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::db::{execute, lock_table};
use kernel::http::Reply;
use kernel::token::{PublicKey, key_id};
use kernel::{Ctx, Result};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryOrder};
use serde_json::json;

use crate::entities::signing_key;
use crate::routes::signing_keys::{SigningKey, SigningKeys};
use crate::service::Service;
use crate::service::sessions::CLOCK_DIFFERENCE;
use crate::service::signing::{Signer, new_key};

impl Service {
    /// What signs now.
    pub(crate) fn signer(&self) -> Arc<Signer> {
        self.signer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The public keys as the database has them now: another replica may have made a new one,
    /// and from now on this one signs with it too.
    pub(crate) async fn public_keys(&self) -> Result<Vec<PublicKey>> {
        let keys = self.keys(self.db.read()).await?;
        let known = self.signer();
        let known = known.public_keys().iter().map(|key| &key.kid);
        if !keys.iter().map(|key| &key.kid).eq(known) {
            let signer = Signer::new(&keys, self.signer().ttl(), &self.jwt, &self.vault)?;
            *self.signer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(signer);
        }
        if self.jwt.shared_key().is_some() {
            // Nothing public verifies.
            return Ok(Vec::new());
        }
        let good = good_until(&keys, self.signer().ttl());
        let now = Utc::now();
        let all = self.signer().public_keys().to_vec();
        Ok(all
            .into_iter()
            .zip(good)
            .filter(|(_, until)| until.is_none_or(|until| until > now))
            .map(|(key, _)| key)
            .collect())
    }

    pub(crate) async fn list_signing_keys(&self) -> Result<SigningKeys> {
        let keys = self.keys(self.db.read()).await?;
        let good = good_until(&keys, self.signer().ttl());
        let view = |(key, good_until): (signing_key::Model, _)| SigningKey {
            kid: key.kid,
            created_at: key.created_at,
            good_until,
        };
        Ok(SigningKeys { data: keys.into_iter().zip(good).map(view).collect() })
    }

    /// Signs with a new key from now on.
    pub(crate) async fn rotate_signing_key(&self, ctx: &Ctx) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let key = new_key(tx.now(), &self.vault)?;
        tx.audit_new("signing_key", key.id, &json!({ "kid": key.kid }))?;
        let created =
            SigningKey { kid: key.kid.clone(), created_at: key.created_at, good_until: None };
        key.into_active_model().insert(&*tx).await?;
        let reply = tx.reply(Reply::plain(&created)).await?;
        self.public_keys().await?;
        Ok(reply)
    }

    /// Nothing that a key has signed is good any more. Signs with a new one, if it was that.
    pub(crate) async fn withdraw_signing_key(&self, ctx: &Ctx, kid: &str) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        lock_table(&*tx, "signing_keys").await?;
        let keys = self.keys(&*tx).await?;
        let found = keys.iter().position(|key| key.kid == kid);
        let at = found.ok_or_else(|| kernel::Error::not_found("signing key", kid))?;
        if at == 0 {
            let key = new_key(tx.now(), &self.vault)?;
            tx.audit_new("signing_key", key.id, &json!({ "kid": key.kid }))?;
            key.into_active_model().insert(&*tx).await?;
        }
        let sql = "INSERT INTO withdrawn_keys (id, kid, withdrawn_at) VALUES ($1, $2, $3)";
        execute(&*tx, sql, vec![key_id(kid).into(), kid.into(), tx.now().into()]).await?;
        let sql = "DELETE FROM signing_keys WHERE id = $1";
        execute(&*tx, sql, vec![keys[at].id.into()]).await?;
        tx.audit("signing_key", keys[at].id, Some(&json!({ "kid": kid })), None::<&()>)?;
        let reply = tx.reply(Reply::no_content()).await?;
        self.public_keys().await?;
        self.tell_ended().await;
        Ok(reply)
    }

    /// Makes a new key when the newest is old, and forgets those that nobody needs any more.
    pub(super) async fn renew_signing_keys(&self, ctx: &Ctx) -> Result<()> {
        let mut tx = self.db.begin(ctx).await?;
        lock_table(&*tx, "signing_keys").await?;
        let keys = self.keys(&*tx).await?;
        let good = good_until(&keys, self.signer().ttl());
        for (key, _) in
            keys.iter().zip(good).filter(|(_, until)| until.is_some_and(|at| at <= tx.now()))
        {
            let sql = "DELETE FROM signing_keys WHERE id = $1";
            execute(&*tx, sql, vec![key.id.into()]).await?;
        }
        let longest = TimeDelta::days(i64::from(self.config.signing_key_days));
        let is_old = keys.first().is_none_or(|key| key.created_at + longest <= tx.now());
        if is_old && self.config.signing_key_days > 0 {
            let key = new_key(tx.now(), &self.vault)?;
            tx.audit_new("signing_key", key.id, &json!({ "kid": key.kid }))?;
            key.into_active_model().insert(&*tx).await?;
        }
        tx.commit().await?;
        self.public_keys().await.map(drop)
    }

    async fn keys(&self, conn: &impl ConnectionTrait) -> Result<Vec<signing_key::Model>> {
        let newest_first = signing_key::Entity::find()
            .order_by_desc(signing_key::Column::CreatedAt)
            .order_by_desc(signing_key::Column::Id);
        Ok(newest_first.all(conn).await?)
    }
}

/// Until when each key verifies: the newest for ever, any other while a token may live that was
/// signed before the next was known everywhere.
fn good_until(newest_first: &[signing_key::Model], ttl: TimeDelta) -> Vec<Option<DateTime<Utc>>> {
    let next = newest_first.iter().map(|key| Some(key.created_at + ttl + CLOCK_DIFFERENCE));
    std::iter::once(None).chain(next).take(newest_first.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::vault::Vault;

    #[test]
    fn a_key_is_good_until_no_token_of_it_can_be() {
        let now = Utc::now();
        let keys: Vec<_> = [0, 10, 20]
            .map(|days| new_key(now - TimeDelta::days(days), &Vault::default()).expect("random"))
            .into();
        let ttl = TimeDelta::minutes(15);
        let until = |days| Some(now - TimeDelta::days(days) + ttl + CLOCK_DIFFERENCE);
        assert_eq!(good_until(&keys, ttl), [None, until(0), until(10)]);
        assert_eq!(good_until(&[], ttl), []);
    }
}

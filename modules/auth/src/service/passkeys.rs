//! Passkeys (WebAuthn): keys on people's devices, of which only the public halves are here.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use chrono::TimeDelta;
use contracts::ids::{PasskeyId, UserId};
use kernel::config::Secret;
use kernel::db::{Tx, execute};
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey as Key, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder, WebauthnError,
};
use webauthn_rs_proto::ResidentKeyRequirement;

use crate::PasskeysConfig;
use crate::entities::{passkey, passkey_ceremony, user};
use crate::error::Error;
use crate::routes::passkeys::{
    Ceremony, NewPasskey, Passkey, PasskeyPatch, PasskeyProof, Passkeys,
};
use crate::routes::tokens::{AccessToken, TokenSet};
use crate::service::Service;
use crate::service::refresh::token_hash;
use crate::service::sessions::{as_user, own_session, person};
use crate::service::signing::random_bytes;

/// How long a device may take.
const CEREMONY_TTL: TimeDelta = TimeDelta::minutes(5);
/// Keys somebody may have.
const MAX_PASSKEYS: usize = 20;

/// What checks them, for pages of these origins; none without. An error in words.
pub(crate) fn relying_party(config: &PasskeysConfig) -> Result<Option<Webauthn>, String> {
    let PasskeysConfig { rp_id, origins } = config;
    if rp_id.is_empty() && origins.is_empty() {
        return Ok(None);
    }
    if rp_id.is_empty() {
        return Err("rp_id: must name a host, since there are origins".into());
    }
    let origins = origins.iter().map(|origin| page(rp_id, origin));
    let origins =
        origins.collect::<Result<Vec<_>, _>>().map_err(|why| format!("origins: {why}"))?;
    let (first, others) = origins.split_first().ok_or("origins: must name at least one")?;
    let refused = |error: WebauthnError| format!("rp_id: {error}");
    let mut builder = WebauthnBuilder::new(rp_id, first).map_err(refused)?.rp_name("erp");
    for origin in others {
        builder = builder.append_allowed_origin(origin);
    }
    builder.build().map(Some).map_err(refused)
}

/// An origin of pages that browsers let use keys of this host.
fn page(rp_id: &str, origin: &str) -> Result<Url, String> {
    let url = Url::parse(origin).map_err(|_| format!("{origin} is no URL"))?;
    let host = url.domain().ok_or_else(|| format!("{origin} must name a host, not an address"))?;
    if url.scheme() != "https" && host != "localhost" {
        return Err(format!("{origin} must begin with https://"));
    }
    match host.strip_suffix(rp_id) {
        Some(below) if below.is_empty() || below.ends_with('.') => Ok(url),
        _ => Err(format!("{origin} is not at {rp_id} or below it")),
    }
}

impl Service {
    pub(crate) async fn my_passkeys(&self, ctx: &Ctx) -> Result<Passkeys> {
        let user = person(self.db.read(), ctx).await?;
        let found = of_user(self.db.read(), user.id).await?;
        Ok(Passkeys { data: found.into_iter().map(view).collect() })
    }

    /// A challenge for a new key of the caller.
    pub(crate) async fn start_passkey(&self, ctx: &Ctx) -> Result<Ceremony> {
        let webauthn = self.webauthn()?;
        let user = person(self.db.read(), ctx).await?;
        let keys = of_user(self.db.read(), user.id).await?;
        if keys.len() >= MAX_PASSKEYS {
            return Err(Error::TooManyPasskeys { max: MAX_PASSKEYS }.into());
        }
        let known = keys.iter().map(|row| Ok(key(row)?.cred_id().clone()));
        let known = known.collect::<Result<Vec<_>>>()?;
        let id = user.id.uuid();
        let started =
            webauthn.start_passkey_registration(id, &user.username, &user.name, Some(known));
        let (mut options, state) = started.map_err(kernel::Error::internal)?;
        // It tells itself whose it is: so nobody is asked for a name to sign in.
        if let Some(selection) = &mut options.public_key.authenticator_selection {
            selection.resident_key = Some(ResidentKeyRequirement::Required);
            selection.require_resident_key = true;
        }
        self.begin_ceremony(ctx, Some(user.id), &state, &options.public_key).await
    }

    pub(crate) async fn create_passkey(&self, ctx: &Ctx, new: NewPasskey) -> Result<Reply> {
        let webauthn = self.webauthn()?;
        let user = person(self.db.read(), ctx).await?;
        let refused = || Error::InvalidNewPasskey;
        let state: PasskeyRegistration =
            self.end_ceremony(ctx, &new.ceremony, Some(user.id)).await?.ok_or_else(refused)?;
        let credential: RegisterPublicKeyCredential =
            serde_json::from_value(new.credential).map_err(|_| refused())?;
        let made = webauthn.finish_passkey_registration(&credential, &state).map_err(|why| {
            tracing::warn!(user.id = %user.id, why = %why, "refused a new passkey");
            refused()
        })?;
        let mut tx = self.db.begin(ctx).await?;
        own_session(&tx, ctx).await?;
        let model = passkey::Model {
            id: PasskeyId::new(),
            user_id: user.id,
            name: new.name.into(),
            credential_id: BASE64URL.encode(made.cred_id()),
            credential: serde_json::to_string(&made)?,
            last_used_at: None,
            created_at: tx.now(),
            version: 1,
        };
        let inserted = model.into_active_model().insert(&*tx).await;
        let created = view(inserted.or_conflict(|| Error::PasskeyTaken.into())?);
        tx.audit_new("passkey", created.id.uuid(), &created)?;
        tx.commit().await?;
        Ok(Reply::created_plain(&created, "/api/v1/auth/me/passkeys".to_owned()))
    }

    pub(crate) async fn update_passkey(
        &self,
        ctx: &Ctx,
        id: PasskeyId,
        patch: PasskeyPatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = own_passkey(&tx, ctx, id).await?;
        ctx.check_version(before.version)?;
        let Some(name) = patch.name else {
            tx.commit().await?;
            return Ok(Reply::ok(&view(before)));
        };
        let mut change = before.clone().into_active_model();
        change.name = Set(name.into());
        change.version = Set(before.version + 1);
        let after = view(change.update(&*tx).await?);
        tx.audit("passkey", id.uuid(), Some(&view(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    pub(crate) async fn delete_passkey(&self, ctx: &Ctx, id: PasskeyId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = own_passkey(&tx, ctx, id).await?;
        passkey::Entity::delete_by_id(id).exec(&*tx).await?;
        tx.audit("passkey", id.uuid(), Some(&view(before)), None::<&()>)?;
        tx.reply(Reply::no_content()).await
    }

    /// A challenge for whoever has a key.
    pub(crate) async fn start_passkey_sign_in(&self, ctx: &Ctx) -> Result<Ceremony> {
        let started = self.webauthn()?.start_discoverable_authentication();
        let (options, state) = started.map_err(kernel::Error::internal)?;
        self.begin_ceremony(ctx, None, &state, &options.public_key).await
    }

    pub(crate) async fn finish_passkey_sign_in(
        &self,
        ctx: &Ctx,
        proof: &PasskeyProof,
        in_cookies: bool,
    ) -> Result<TokenSet> {
        let (user, used) = self.check_passkey(ctx, proof).await?;
        let mut tx = self.db.begin(&as_user(ctx, user.id, &user.username)).await?;
        // Locked, so that disabling the user ends this session too.
        let user = tx.lock::<user::Entity>(user.id).await?;
        let user = user.filter(|user| user.is_active).ok_or(Error::InvalidPasskey)?;
        used.note(&tx).await?;
        let now = tx.now();
        let tokens = self.insert_session(&mut tx, ctx, &user, Some(now), in_cookies).await?;
        tx.commit().await?;
        Ok(tokens)
    }

    pub(crate) async fn step_up_with_passkey(
        &self,
        ctx: &Ctx,
        proof: &PasskeyProof,
        csrf: Option<String>,
    ) -> Result<AccessToken> {
        let caller = person(self.db.read(), ctx).await?;
        let (user, used) = self.check_passkey(ctx, proof).await?;
        if user.id != caller.id {
            return Err(Error::InvalidPasskey.into());
        }
        let mut tx = self.db.begin(ctx).await?;
        let before = own_session(&tx, ctx).await?;
        used.note(&tx).await?;
        let mut change = before.clone().into_active_model();
        change.authenticated_at = Set(Some(tx.now()));
        change.second_factor_at = Set(Some(tx.now()));
        let after = change.update(&*tx).await?;
        tx.audit("session", after.id.uuid(), Some(&before), Some(&after))?;
        let access_token = self.access_token(&tx, &after, &user.username, csrf).await?;
        tx.commit().await?;
        Ok(AccessToken { access_token, token_type: "Bearer", expires_in: self.signer().ttl_s() })
    }

    /// Whose key has answered a challenge of ours, and the key as it is afterwards. The device
    /// has looked that it is they who use it: that is asked for in every challenge.
    async fn check_passkey(&self, ctx: &Ctx, proof: &PasskeyProof) -> Result<(user::Model, Used)> {
        let webauthn = self.webauthn()?;
        let refused = || Error::InvalidPasskey;
        let state: DiscoverableAuthentication =
            self.end_ceremony(ctx, &proof.ceremony, None).await?.ok_or_else(refused)?;
        let answer: PublicKeyCredential =
            serde_json::from_value(proof.credential.clone()).map_err(|_| refused())?;
        let named = webauthn.identify_discoverable_authentication(&answer);
        let (user_id, credential_id) = named.map_err(|_| refused())?;
        let found = passkey::Entity::find()
            .filter(passkey::Column::CredentialId.eq(BASE64URL.encode(credential_id)))
            .filter(passkey::Column::UserId.eq(UserId::from_uuid(user_id)))
            .one(self.db.read())
            .await?;
        let found = found.ok_or_else(refused)?;
        let mut stored = key(&found)?;
        let result = webauthn.finish_discoverable_authentication_v2(&answer, state, &stored);
        let result = result.map_err(|why| {
            tracing::warn!(passkey.id = %found.id, why = %why, "refused a passkey");
            refused()
        })?;
        let user = user::Entity::find_by_id(found.user_id).one(self.db.read()).await?;
        let user = user.filter(|user| user.is_active).ok_or_else(refused)?;
        let before = found.credential.clone();
        let after = match stored.update_credential(&result) {
            Some(true) => serde_json::to_string(&stored)?,
            _ => found.credential,
        };
        Ok((user, Used { id: found.id, before, after }))
    }

    fn webauthn(&self) -> Result<&Webauthn> {
        Ok(self.webauthn.as_ref().ok_or(Error::PasskeysOff)?)
    }

    /// Keeps what a challenge is compared with later, for whoever holds the answer's text.
    async fn begin_ceremony(
        &self,
        ctx: &Ctx,
        user_id: Option<UserId>,
        state: &impl Serialize,
        options: &impl Serialize,
    ) -> Result<Ceremony> {
        let tx = self.db.begin(ctx).await?;
        let text = BASE64URL.encode(random_bytes::<32>()?);
        let row = passkey_ceremony::Model {
            hash: token_hash(&text),
            user_id,
            state: serde_json::to_string(state)?,
            expires_at: tx.now() + CEREMONY_TTL,
        };
        let insert = passkey_ceremony::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&*tx).await?;
        tx.commit().await?;
        Ok(Ceremony { ceremony: text, options: serde_json::to_value(options)? })
    }

    /// Takes a challenge back, whatever comes of it: each is answered once.
    async fn end_ceremony<T: DeserializeOwned>(
        &self,
        ctx: &Ctx,
        text: &Secret,
        user_id: Option<UserId>,
    ) -> Result<Option<T>> {
        let tx = self.db.begin(ctx).await?;
        let found = tx.lock::<passkey_ceremony::Entity>(token_hash(text.expose())).await?;
        let is_good =
            |row: &passkey_ceremony::Model| row.user_id == user_id && row.expires_at > tx.now();
        let state = found.filter(is_good).map(|row| row.state);
        let sql = "DELETE FROM passkey_ceremonies WHERE hash = $1";
        execute(&*tx, sql, vec![token_hash(text.expose()).into()]).await?;
        tx.commit().await?;
        Ok(state.map(|state| serde_json::from_str(&state)).transpose()?)
    }
}

/// A key that has answered, as it was read and as it is now.
struct Used {
    id: PasskeyId,
    before: String,
    after: String,
}

impl Used {
    /// Refuses where it was deleted meanwhile, or answered somebody else: of a device and its copy
    /// that ask at the same moment one is let in.
    async fn note(self, tx: &Tx) -> Result<()> {
        let sql = "UPDATE passkeys SET credential = $1, last_used_at = $2 \
                   WHERE id = $3 AND credential = $4";
        let values = vec![self.after.into(), tx.now().into(), self.id.into(), self.before.into()];
        match execute(&**tx, sql, values).await? {
            0 => Err(Error::InvalidPasskey.into()),
            _ => Ok(()),
        }
    }
}

/// One of the caller's, locked.
async fn own_passkey(tx: &Tx, ctx: &Ctx, id: PasskeyId) -> Result<passkey::Model> {
    let user_id = own_session(tx, ctx).await?.user_id;
    let found = tx.lock::<passkey::Entity>(id).await?;
    let found = found.filter(|passkey| passkey.user_id == user_id);
    found.ok_or_else(|| kernel::Error::not_found("passkey", id))
}

async fn of_user(conn: &impl ConnectionTrait, user_id: UserId) -> Result<Vec<passkey::Model>> {
    let select = passkey::Entity::find().filter(passkey::Column::UserId.eq(user_id));
    Ok(select.order_by_asc(passkey::Column::Id).all(conn).await?)
}

fn key(row: &passkey::Model) -> Result<Key> {
    Ok(serde_json::from_str(&row.credential)?)
}

fn view(model: passkey::Model) -> Passkey {
    Passkey {
        id: model.id,
        name: model.name,
        last_used_at: model.last_used_at,
        created_at: model.created_at,
        version: model.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_at_the_host_their_keys_belong_to() {
        let check = |rp_id: &str, origins: &[&str], expected: Result<bool, &str>| {
            let origins = origins.iter().map(ToString::to_string).collect();
            let made = relying_party(&PasskeysConfig { rp_id: rp_id.into(), origins });
            match (made, expected) {
                (Ok(made), Ok(is_on)) => assert_eq!(made.is_some(), is_on, "{rp_id}"),
                (Err(why), Err(key)) => assert!(why.starts_with(key), "{why}"),
                (made, _) => panic!("{rp_id}: {:?}", made.map(|made| made.is_some())),
            }
        };
        check("", &[], Ok(false));
        check("erp.example", &["https://erp.example", "https://shop.erp.example:8443"], Ok(true));
        check("localhost", &["http://localhost:8080"], Ok(true));
        check("", &["https://erp.example"], Err("rp_id: "));
        check("erp.example", &[], Err("origins: "));
        for origin in [
            "erp.example",
            "http://erp.example",
            "https://192.0.2.1",
            "https://other.example",
            "https://myerp.example",
            "https://example",
        ] {
            check("erp.example", &["https://erp.example", origin], Err("origins: "));
        }
    }
}

//! Signing in with an OpenID Connect provider: who here is whom it names, and with which roles.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use contracts::ids::{IdentityId, RoleId, UserId};
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::text::{Email, Name};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde_json::json;

use crate::entities::{identity, role, user, user_role};
use crate::error::Error;
use crate::routes::oidc::{Identities, Identity, NewIdentity, OidcStart};
use crate::routes::tokens::TokenSet;
use crate::routes::usernames::Username;
use crate::service::Service;
use crate::service::lookup::{check_administrator_remains, roles_of};
use crate::service::oidc_provider::{Claims, Flow, Provider};
use crate::service::sessions::{as_user, own_session, person};
use crate::service::signing::random_bytes;
use crate::service::users::{Person, name_key, view as view_user};

impl Service {
    pub(crate) async fn start_oidc(&self) -> Result<OidcStart> {
        let flow = BASE64URL.encode(random_bytes::<32>()?);
        let authorization_url = self.provider()?.authorization_url(&Flow(&flow)).await?;
        Ok(OidcStart { authorization_url, flow })
    }

    pub(crate) async fn finish_oidc(
        &self,
        ctx: &Ctx,
        sent: &NewIdentity,
        in_cookies: bool,
    ) -> Result<TokenSet> {
        let claims = self.claims(sent).await?;
        let settings = self.provider()?.config();
        let linked = find_identity(self.db.read(), &claims).await?;
        let known = match &linked {
            Some(identity) => {
                user::Entity::find_by_id(identity.user_id).one(self.db.read()).await?
            }
            None if settings.link_by_email => self.by_email(&claims).await?,
            None => None,
        };
        let mut tx = match &known {
            Some(user) => self.db.begin(&as_user(ctx, user.id, &user.username)).await?,
            None if linked.is_none() && settings.create_users => self.db.begin(ctx).await?,
            None => return Err(Error::NoAccount.into()),
        };
        let user_id = match known {
            Some(user) => user.id,
            None => self.make_user(&mut tx, &claims).await?,
        };
        // Locked, so that disabling the user ends this session too.
        let user = tx.lock::<user::Entity>(user_id).await?;
        let user = user.filter(|user| user.is_active).ok_or(Error::NoAccount)?;
        match linked {
            Some(identity) => {
                let mut change = identity.into_active_model();
                change.last_used_at = Set(Some(tx.now()));
                change.email = Set(claims.email.clone());
                change.update(&*tx).await?;
            }
            None => {
                insert_identity(&mut tx, user_id, &claims).await?;
            }
        }
        self.map_roles(&mut tx, user.clone(), &claims).await?;
        let has_second_factor = settings.trust_mfa && claims.has_second_factor();
        let second_factor_at = has_second_factor.then(|| tx.now());
        let tokens = self.insert_session(&mut tx, ctx, &user, second_factor_at, in_cookies).await?;
        tx.commit().await?;
        Ok(tokens)
    }

    pub(crate) async fn my_identities(&self, ctx: &Ctx) -> Result<Identities> {
        let user = person(self.db.read(), ctx).await?;
        let found = identity::Entity::find()
            .filter(identity::Column::UserId.eq(user.id))
            .order_by_asc(identity::Column::Id)
            .all(self.db.read())
            .await?;
        Ok(Identities { data: found.into_iter().map(view).collect() })
    }

    pub(crate) async fn link_identity(&self, ctx: &Ctx, sent: &NewIdentity) -> Result<Reply> {
        let user = person(self.db.read(), ctx).await?;
        let claims = self.claims(sent).await?;
        let mut tx = self.db.begin(ctx).await?;
        own_session(&tx, ctx).await?;
        let identity = insert_identity(&mut tx, user.id, &claims).await?;
        tx.commit().await?;
        let location = "/api/v1/auth/me/identities".to_owned();
        Ok(Reply::created_plain(&view(identity), location))
    }

    pub(crate) async fn unlink_identity(&self, ctx: &Ctx, id: IdentityId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let user_id = own_session(&tx, ctx).await?.user_id;
        let found = tx.lock::<identity::Entity>(id).await?;
        let found = found.filter(|identity| identity.user_id == user_id);
        let identity = found.ok_or_else(|| kernel::Error::not_found("identity", id))?;
        identity::Entity::delete_by_id(id).exec(&*tx).await?;
        tx.audit("identity", id.uuid(), Some(&view(identity)), None::<&()>)?;
        tx.reply(Reply::no_content()).await
    }

    fn provider(&self) -> Result<&Provider> {
        Ok(self.oidc.as_ref().ok_or(Error::NoOidcProvider)?)
    }

    /// What the provider says, if its answer belongs to this flow.
    async fn claims(&self, sent: &NewIdentity) -> Result<Claims> {
        let provider = self.provider()?;
        let flow = Flow(sent.flow.expose());
        // Before the provider is asked: a code that was put under somebody is not theirs.
        if flow.state() != *sent.state {
            return Err(Error::OidcRefused.into());
        }
        provider.claims(&flow, sent.code.expose()).await
    }

    /// The one active user with the address the provider has verified.
    async fn by_email(&self, claims: &Claims) -> Result<Option<user::Model>> {
        let Some(email) = claims.verified_email() else { return Ok(None) };
        // Of two nobody knows which is meant.
        let mut found = user::Entity::find()
            .filter(user::Column::Email.eq(email))
            .filter(user::Column::IsActive.eq(true))
            .limit(2)
            .all(self.db.read())
            .await?;
        Ok(found.pop().filter(|_| found.is_empty()))
    }

    /// Somebody new, who signs in by the provider alone.
    async fn make_user(&self, tx: &mut Tx, claims: &Claims) -> Result<UserId> {
        let email = claims.verified_email().and_then(|email| Email::parse(email).ok());
        let username = claims.preferred_username.as_deref().or(claims.email.as_deref());
        let username =
            username.and_then(|name| Username::parse(name).ok()).ok_or(Error::NoAccount)?;
        let name = claims.name.as_deref().and_then(|name| Name::parse(name).ok());
        let name = match name {
            Some(name) => name,
            None => Name::parse(&username).map_err(|_| Error::NoAccount)?,
        };
        let person = Person { username, name, email, role_ids: Vec::new() };
        let nobody = self.passwords.nobody().clone();
        let ctx = tx.ctx().clone();
        Ok(self.insert_user(tx, &ctx, person, nobody, None).await?.id)
    }

    /// Gives the user the roles the settings know by what the provider says, and takes away
    /// those it says nothing of; roles the settings do not name stay as they are.
    async fn map_roles(&self, tx: &mut Tx, before: user::Model, claims: &Claims) -> Result<()> {
        let settings = self.provider()?.config();
        if settings.roles.is_empty() {
            return Ok(());
        }
        let said: BTreeSet<&str> = claims.list(&settings.roles_claim).into_iter().collect();
        let key_of = |name: &String| name_key(name);
        let mapped = role::Entity::find()
            .filter(role::Column::NameKey.is_in(settings.roles.values().map(key_of)))
            .all(&**tx)
            .await?;
        let granting = settings.roles.iter().filter(|(value, _)| said.contains(value.as_str()));
        let granting: BTreeSet<String> = granting.map(|(_, name)| name_key(name)).collect();
        let id = before.id;
        let roles_before = roles_of(&**tx, vec![id]).await?.remove(&id).unwrap_or_default();
        let held: BTreeSet<RoleId> = roles_before.iter().map(|role| role.id).collect();
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            mapped.into_iter().partition(|role| granting.contains(&role.name_key));
        let added: Vec<_> = wanted.iter().map(|r| r.id).filter(|id| !held.contains(id)).collect();
        let removed: Vec<_> =
            unwanted.iter().map(|r| r.id).filter(|id| held.contains(id)).collect();
        if added.is_empty() && removed.is_empty() {
            return Ok(());
        }
        if !added.is_empty() {
            let row = |role_id| user_role::Model { user_id: id, role_id }.into_active_model();
            let rows = added.into_iter().map(row);
            user_role::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
        }
        user_role::Entity::delete_many()
            .filter(user_role::Column::UserId.eq(id))
            .filter(user_role::Column::RoleId.is_in(removed))
            .exec(&**tx)
            .await?;
        self.check_duties_of_user(tx, id).await?;
        check_administrator_remains(tx).await?;
        let mut change = before.clone().into_active_model();
        change.version = Set(before.version + 1);
        change.updated_at = Set(tx.now());
        let after = change.update(&**tx).await?;
        let roles = roles_of(&**tx, vec![id]).await?.remove(&id).unwrap_or_default();
        let (before, after) = (view_user(before, roles_before), view_user(after, roles));
        tx.audit("user", id.uuid(), Some(&before), Some(&after))
    }
}

async fn find_identity(
    conn: &impl ConnectionTrait,
    claims: &Claims,
) -> Result<Option<identity::Model>> {
    Ok(identity::Entity::find()
        .filter(identity::Column::Issuer.eq(&claims.iss))
        .filter(identity::Column::Subject.eq(&claims.sub))
        .one(conn)
        .await?)
}

async fn insert_identity(tx: &mut Tx, user_id: UserId, claims: &Claims) -> Result<identity::Model> {
    let identity = identity::Model {
        id: IdentityId::new(),
        user_id,
        issuer: claims.iss.clone(),
        subject: claims.sub.clone(),
        email: claims.email.clone(),
        last_used_at: None,
        created_at: tx.now(),
    };
    let inserted = identity.into_active_model().insert(&**tx).await;
    let identity = inserted.or_conflict(|| Error::IdentityTaken.into())?;
    let said = json!({ "user_id": user_id, "identity": view(identity.clone()) });
    tx.audit_new("identity", identity.id.uuid(), &said)?;
    Ok(identity)
}

fn view(model: identity::Model) -> Identity {
    Identity {
        id: model.id,
        issuer: model.issuer,
        subject: model.subject,
        email: model.email,
        last_used_at: model.last_used_at,
        created_at: model.created_at,
    }
}

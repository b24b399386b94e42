//! API keys. A module is shown one and has it exchanged here for a token of a minute, which it
//! checks like any other; so does whoever asks for a token by OAuth.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::{ApiKeyId, SessionId, UserId};
use kernel::db::{Tx, execute, query_one};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::token::{API_KEY_PREFIX, Permissions, key_hash, key_id};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QueryOrder,
};

use crate::entities::{api_key, api_key_secret, user};
use crate::error::Error;
use crate::routes::api_keys::{ApiKey, ApiKeyRequest, ListApiKeys, NewApiKey};
use crate::routes::roles::Grant;
use crate::service::Service;
use crate::service::grants::{intersect, is_known, union};
use crate::service::lookup::grants_of;
use crate::service::signing::{Holder, random_bytes};
use crate::service::users::check_may_grant;

const MAX_SCOPES: usize = 500;
/// A key that nobody looks after is forgotten one day; then it had better be of no use.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(366);
/// Characters by which one is told from another: 48 of its 256 bits.
const SHOWN_CHARS: usize = 8;
/// What lets somebody become others who may no more than they.
const BECOME_OTHERS: &str = "auth.user:create_link";
/// How often the last use is noted.
const NOTED_EVERY: TimeDelta = TimeDelta::seconds(60);

/// What a key was exchanged for.
pub(super) struct KeyToken {
    pub access_token: String,
    pub expires_in: i64,
    pub scopes: Vec<String>,
    /// When the text of the key does.
    pub key_expires_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Found {
    id: ApiKeyId,
    user_id: UserId,
    name: String,
    username: String,
    /// Who had the text made, if not the owner.
    maker: Option<String>,
    scopes: String,
    per_s: i64,
    expires_at: DateTime<Utc>,
    secret_expires_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

impl Service {
    pub(crate) async fn list_api_keys(&self, query: ListApiKeys) -> Result<Page<ApiKey>> {
        let mut select = api_key::Entity::find();
        if let Some(user_id) = query.user_id {
            select = select.filter(api_key::Column::UserId.eq(user_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &api_key::Model| row.id.uuid();
        let key = api_key::Column::Id;
        let page = fetch(self.db.read(), select, key, id_of, "api_keys", &request).await?;
        let ids: Vec<ApiKeyId> = page.data.iter().map(|key| key.id).collect();
        let mut prefixes = prefixes_of(self.db.read(), ids).await?;
        Ok(page.map(|key| {
            let prefixes = prefixes.remove(&key.id).unwrap_or_default();
            view(key, prefixes)
        }))
    }

    pub(crate) async fn api_key(&self, id: ApiKeyId) -> Result<ApiKey> {
        let key = api_key::Entity::find_by_id(id).one(self.db.read()).await?;
        let key = key.ok_or_else(|| kernel::Error::not_found("API key", id))?;
        let prefixes = prefixes_of(self.db.read(), vec![id]).await?.remove(&id);
        Ok(view(key, prefixes.unwrap_or_default()))
    }

    pub(crate) async fn create_api_key(&self, ctx: &Ctx, new: ApiKeyRequest) -> Result<Reply> {
        let mut tx = self.db.begin(ctx).await?;
        let own_id = ctx.actor.id.map(UserId::from_uuid);
        let user_id = new.user_id.or(own_id).unwrap_or_else(UserId::new);
        let owner = user::Entity::find_by_id(user_id).one(&*tx).await?;
        if !owner.is_some_and(|owner| owner.is_active) {
            let detail = format!("there is no active user {user_id}");
            return Err(kernel::Error::invalid("unknown_user", "/user_id", detail));
        }
        if Some(user_id) != own_id {
            self.check_may_hold_key_of(&tx, ctx, user_id).await?;
        }
        let has_second_factor = self.has_second_factor(&*tx, user_id).await?;
        let owners = grants_of(&*tx, user_id, has_second_factor).await?;
        let scopes = self.check_scopes(&new.scopes, &Permissions::new(owners.clone()))?;
        match Some(user_id) == own_id {
            // What it has of the caller's, be it in some warehouses.
            true => check_may_grant(ctx, intersect(owners, scopes.clone()))?,
            // The owner may be given more of it later.
            false => check_may_grant(ctx, scopes.iter().cloned())?,
        }
        if new.expires_at <= tx.now() || new.expires_at > tx.now() + LONGEST_LIFE {
            let detail = "must be in the future, and at most a year from now";
            return Err(Error::InvalidExpiry { detail }.into());
        }
        let model = api_key::Model {
            id: ApiKeyId::new(),
            user_id,
            name: new.name.into(),
            scopes: serde_json::to_string(&scopes)?,
            per_s: i64::from(new.per_s),
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        let insert = api_key::Entity::insert(model.clone().into_active_model());
        insert.exec_without_returning(&*tx).await?;
        let (key, prefix) = add_secret(&tx, model.id, model.expires_at).await?;
        let created = NewApiKey { key, api_key: view(model, vec![prefix]) };
        tx.audit_new("api_key", created.api_key.id.uuid(), &created.api_key)?;
        tx.commit().await?;
        let location = format!("/api/v1/auth/api-keys/{}", created.api_key.id);
        Ok(Reply::created_plain(&created, location))
    }

    pub(crate) async fn rotate_api_key(
        &self,
        ctx: &Ctx,
        id: ApiKeyId,
        overlap_s: u32,
    ) -> Result<NewApiKey> {
        let mut tx = self.db.begin(ctx).await?;
        let before = load(&tx, ctx, id).await?;
        // Whoever holds the new text may do what it may.
        if Some(before.user_id.uuid()) == ctx.actor.id {
            let owners = grants_of(&*tx, before.user_id, true).await?;
            check_may_grant(ctx, intersect(owners, scopes_of(&before)))?;
        } else {
            self.check_may_hold_key_of(&tx, ctx, before.user_id).await?;
            check_may_grant(ctx, scopes_of(&before))?;
        }
        let until = tx.now() + TimeDelta::seconds(i64::from(overlap_s));
        let sql =
            "UPDATE api_key_secrets SET expires_at = $1 WHERE key_id = $2 AND expires_at > $1";
        execute(&*tx, sql, vec![until.into(), id.into()]).await?;
        let (key, _) = add_secret(&tx, id, before.expires_at).await?;
        let prefixes_before = prefixes_of(&*tx, vec![id]).await?.remove(&id).unwrap_or_default();
        let mut change = before.clone().into_active_model();
        change.version = Set(before.version + 1);
        change.updated_at = Set(tx.now());
        let after = view(change.update(&*tx).await?, prefixes_before.clone());
        let before = view(before, prefixes_before);
        tx.audit("api_key", id.uuid(), Some(&before), Some(&after))?;
        tx.commit().await?;
        self.tell_ended().await;
        Ok(NewApiKey { key, api_key: after })
    }

    pub(crate) async fn revoke_api_key(&self, ctx: &Ctx, id: ApiKeyId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = load(&tx, ctx, id).await?;
        let prefixes = prefixes_of(&*tx, vec![id]).await?.remove(&id).unwrap_or_default();
        let after = revoke(&tx, before.clone()).await?;
        let after = view(after, prefixes.clone());
        tx.audit("api_key", id.uuid(), Some(&view(before, prefixes)), Some(&after))?;
        let reply = tx.reply(Reply::ok(&after)).await?;
        self.tell_ended().await;
        Ok(reply)
    }

    /// A token for whoever has the key with this hash: with as much of what its owner may do now
    /// as its scopes say, and of that no more than was asked for.
    pub(super) async fn token_of_key(
        &self,
        ctx: &Ctx,
        hash: &str,
        asked: Option<&[String]>,
        ttl: TimeDelta,
    ) -> Result<KeyToken> {
        let sql = "SELECT k.id, k.user_id, k.name, k.scopes, k.per_s, k.expires_at, \
                   k.last_used_at, s.expires_at AS secret_expires_at, u.username, \
                   m.username AS maker \
                   FROM api_key_secrets s JOIN api_keys k ON k.id = s.key_id \
                   JOIN users u ON u.id = k.user_id \
                   LEFT JOIN users m ON m.id = s.made_by AND m.id <> k.user_id \
                   WHERE s.hash = $1 AND k.revoked_at IS NULL AND u.is_active";
        let found: Option<Found> = query_one(self.db.read(), sql, vec![hash.into()]).await?;
        let now = Utc::now();
        let found = found.filter(|key| key.expires_at > now && key.secret_expires_at > now);
        let key = found.ok_or(Error::InvalidApiKey)?;
        // A key gives no code: what its owner may with one, it may while they have one.
        let has_second_factor = self.has_second_factor(self.db.read(), key.user_id).await?;
        let owners = grants_of(self.db.read(), key.user_id, has_second_factor).await?;
        let scopes: Vec<String> = serde_json::from_str(&key.scopes)?;
        let mut permissions = intersect(owners, scopes);
        if let Some(asked) = asked {
            permissions = intersect(permissions, asked.to_vec());
        }
        let key_expires_at = key.expires_at.min(key.secret_expires_at);
        let expires_at = (now + ttl).min(key_expires_at);
        let holder = Holder {
            user_id: key.user_id,
            username: match &key.maker {
                None => format!("{} ({})", key.username, key.name),
                // Who can act by it may be them as well.
                Some(maker) => format!("{} ({}, made by {maker})", key.username, key.name),
            },
            session_id: SessionId::from_uuid(key.id.uuid()),
            permissions: permissions.clone(),
            authenticated_at: None,
            csrf: None,
            per_s: u32::try_from(key.per_s).ok(),
            key_text: Some(key_id(hash)),
            expires_at,
        };
        let access_token = self.signer().sign(holder, now)?;
        if key.last_used_at.is_none_or(|at| at + NOTED_EVERY <= now) {
            self.note_use(ctx, key.id, now).await?;
        }
        let expires_in = (expires_at - now).num_seconds();
        Ok(KeyToken { access_token, expires_in, scopes: permissions, key_expires_at })
    }

    /// Refuses a caller who could not become the owner of a key by a link either: whoever has
    /// the text of a key acts as its owner.
    async fn check_may_hold_key_of(&self, tx: &Tx, ctx: &Ctx, owner: UserId) -> Result<()> {
        self.check_may_act_for(tx, ctx, owner).await?;
        match ctx.permissions.allow(BECOME_OTHERS) {
            true => Ok(()),
            false => Err(kernel::Error::forbidden(BECOME_OTHERS)),
        }
    }

    /// No audit row: it is no change that anybody made.
    async fn note_use(&self, ctx: &Ctx, id: ApiKeyId, now: DateTime<Utc>) -> Result<()> {
        let tx = self.db.begin(ctx).await?;
        let sql = "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND revoked_at IS NULL \
                   AND (last_used_at IS NULL OR last_used_at < $1)";
        execute(&*tx, sql, vec![now.into(), id.into()]).await?;
        tx.commit().await
    }

    fn check_scopes(&self, asked: &[Grant], owners: &Permissions) -> Result<Vec<String>> {
        if asked.len() > MAX_SCOPES {
            let (code, pointer) = ("too_many_scopes", "/scopes");
            return Err(Error::TooMany { code, pointer, max: MAX_SCOPES }.into());
        }
        for (index, scope) in asked.iter().enumerate() {
            let permission = scope.to_string();
            if !is_known(scope, &self.permissions) {
                let detail = format!("there is no permission {permission}");
                let pointer = format!("/scopes/{index}");
                return Err(kernel::Error::invalid("unknown_permission", pointer, detail));
            }
            // In some warehouses is enough: the key has it in those.
            if owners.scope(scope).is_none() {
                return Err(Error::ScopeExceedsOwner { index, permission }.into());
            }
        }
        Ok(union(asked.iter().map(|scope| scope.to_string())))
    }
}

async fn load(tx: &Tx, ctx: &Ctx, id: ApiKeyId) -> Result<api_key::Model> {
    let found = tx.lock::<api_key::Entity>(id).await?;
    let key = found.ok_or_else(|| kernel::Error::not_found("API key", id))?;
    ctx.check_version(key.version)?;
    match key.revoked_at {
        None => Ok(key),
        Some(_) => Err(Error::ApiKeyRevoked.into()),
    }
}

pub(super) async fn revoke(tx: &Tx, before: api_key::Model) -> Result<api_key::Model> {
    let version = before.version + 1;
    let mut change = before.into_active_model();
    change.revoked_at = Set(Some(tx.now()));
    change.version = Set(version);
    change.updated_at = Set(tx.now());
    Ok(change.update(&**tx).await?)
}

/// A new text for a key, and how it begins; afterwards only its hash remains.
async fn add_secret(
    tx: &Tx,
    key_id: ApiKeyId,
    expires_at: DateTime<Utc>,
) -> Result<(String, String)> {
    let key = format!("{API_KEY_PREFIX}{}", BASE64URL.encode(random_bytes::<32>()?));
    let prefix: String = key.chars().take(API_KEY_PREFIX.len() + SHOWN_CHARS).collect();
    let row = api_key_secret::Model {
        hash: key_hash(&key),
        key_id,
        prefix: prefix.clone(),
        expires_at,
        created_at: tx.now(),
        made_by: tx.ctx().actor.id.map(UserId::from_uuid),
    };
    let insert = api_key_secret::Entity::insert(row.into_active_model());
    insert.exec_without_returning(&**tx).await?;
    Ok((key, prefix))
}

/// How the texts of each key begin that work, the newest first.
async fn prefixes_of(
    conn: &impl ConnectionTrait,
    keys: Vec<ApiKeyId>,
) -> Result<HashMap<ApiKeyId, Vec<String>>> {
    let secrets = api_key_secret::Entity::find()
        .filter(api_key_secret::Column::KeyId.is_in(keys))
        .filter(api_key_secret::Column::ExpiresAt.gt(Utc::now()))
        .order_by_desc(api_key_secret::Column::CreatedAt);
    let mut prefixes: HashMap<ApiKeyId, Vec<String>> = HashMap::new();
    for secret in secrets.all(conn).await? {
        prefixes.entry(secret.key_id).or_default().push(secret.prefix);
    }
    Ok(prefixes)
}

fn scopes_of(key: &api_key::Model) -> Vec<String> {
    // We wrote it.
    serde_json::from_str(&key.scopes).unwrap_or_default()
}

pub(super) fn view(key: api_key::Model, prefixes: Vec<String>) -> ApiKey {
    ApiKey {
        id: key.id,
        user_id: key.user_id,
        scopes: scopes_of(&key),
        name: key.name,
        prefixes,
        per_s: u32::try_from(key.per_s).unwrap_or_default(),
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
        last_used_at: key.last_used_at,
        version: key.version,
        created_at: key.created_at,
        updated_at: key.updated_at,
    }
}

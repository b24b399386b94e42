//! Tokens for machines, and what becomes of tokens.

use contracts::ids::{ApiKeyId, SessionId};
use jsonwebtoken::DecodingKey;
use kernel::db::query_one;
use kernel::token::{Claims, Permissions, PublicKey, key_hash, looks_like_key, validation};
use kernel::{Ctx, Result};
use sea_orm::{EntityTrait, FromQueryResult};

use crate::entities::session::EndReason;
use crate::entities::{api_key, api_key_secret, refresh_token, session, user};
use crate::routes::oauth::{ClientToken, Introspection, OAuthError};
use crate::service::Service;
use crate::service::api_keys::{revoke, view};
use crate::service::lookup::grants_of;
use crate::service::refresh::{is_good, token_hash};
use crate::service::sessions::{as_user, end_session};

#[derive(FromQueryResult)]
struct Found {
    n: i64,
}

impl Service {
    /// An access token for the API key that is the client.
    pub(crate) async fn client_token(
        &self,
        ctx: &Ctx,
        client_id: &str,
        secret: &str,
        scope: Option<&str>,
    ) -> Result<Result<ClientToken, OAuthError>> {
        let invalid = || Ok(Err(OAuthError::new(401, "invalid_client", "there is no such client")));
        let Ok(id) = client_id.parse::<uuid::Uuid>() else { return invalid() };
        if !looks_like_key(secret) {
            return invalid();
        }
        let hash = key_hash(secret);
        let sql = "SELECT COUNT(*) AS n FROM api_key_secrets WHERE hash = $1 AND key_id = $2";
        let found: Option<Found> =
            query_one(self.db.read(), sql, vec![hash.as_str().into(), id.into()]).await?;
        if found.is_none_or(|found| found.n == 0) {
            return invalid();
        }
        let asked: Option<Vec<String>> =
            scope.map(|scope| scope.split_whitespace().map(str::to_owned).collect());
        let asked = asked.filter(|asked| !asked.is_empty());
        let token = self.token_of_key(ctx, &hash, asked.as_deref(), self.signer().ttl()).await;
        let token = match token {
            Ok(token) => token,
            Err(error) if error.status() == 401 => return invalid(),
            Err(error) => return Err(error),
        };
        // What was asked for is granted or refused as a whole, be it in some warehouses.
        let given = Permissions::new(token.scopes.clone());
        let is_missing = |scope: &String| given.scope(scope).is_none();
        if asked.is_some_and(|asked| asked.iter().any(is_missing)) {
            let description = "the client may not do all that it asks for";
            return Ok(Err(OAuthError::new(400, "invalid_scope", description)));
        }
        Ok(Ok(ClientToken {
            access_token: token.access_token,
            token_type: "Bearer",
            expires_in: token.expires_in,
            scope: token.scopes.join(" "),
        }))
    }

    /// What a token is worth now.
    pub(crate) async fn introspect(&self, ctx: &Ctx, token: &str) -> Result<Introspection> {
        let nothing = Introspection::default();
        let (token_type, access_token, key_expires_at) = if looks_like_key(token) {
            let ttl = self.signer().ttl();
            match self.token_of_key(ctx, &key_hash(token), None, ttl).await {
                Ok(found) => ("api_key", found.access_token, Some(found.key_expires_at)),
                Err(error) if error.status() == 401 => return Ok(nothing),
                Err(error) => return Err(error),
            }
        } else {
            ("access_token", token.to_owned(), None)
        };
        if let Some(claims) = self.read_token(&access_token).await? {
            if self.is_over(&claims).await? {
                return Ok(nothing);
            }
            return Ok(Introspection {
                active: true,
                token_type: Some(token_type),
                sub: Some(claims.sub),
                username: Some(claims.name),
                sid: Some(claims.sid),
                scope: Some(claims.permissions.join(" ")),
                iss: Some(claims.iss),
                aud: Some(claims.aud),
                exp: Some(key_expires_at.map_or(claims.exp, |at| at.timestamp())),
                iat: Some(claims.iat),
            });
        }
        let hash = token_hash(token);
        if !is_good(self.db.read(), &hash).await? {
            return Ok(nothing);
        }
        let stored = refresh_token::Entity::find_by_id(hash).one(self.db.read()).await?;
        let Some(stored) = stored else { return Ok(nothing) };
        let session = session::Entity::find_by_id(stored.session_id).one(self.db.read()).await?;
        let Some(session) = session else { return Ok(nothing) };
        let user = user::Entity::find_by_id(session.user_id).one(self.db.read()).await?;
        let Some(user) = user else { return Ok(nothing) };
        let has_second_factor = session.second_factor_at.is_some();
        let scope = grants_of(self.db.read(), user.id, has_second_factor).await?;
        Ok(Introspection {
            active: true,
            token_type: Some("refresh_token"),
            sub: Some(user.id.uuid()),
            username: Some(user.username),
            sid: Some(session.id.uuid()),
            scope: Some(scope.join(" ")),
            iss: Some(self.jwt.issuer.clone()),
            exp: Some(stored.expires_at.timestamp()),
            iat: Some(stored.created_at.timestamp()),
            ..nothing
        })
    }

    /// Makes a token worthless, whichever it is; one that is worth nothing is no error.
    pub(crate) async fn revoke_token(&self, ctx: &Ctx, token: &str) -> Result<()> {
        if looks_like_key(token) {
            let hash = key_hash(token);
            let secret = api_key_secret::Entity::find_by_id(hash).one(self.db.read()).await?;
            return match secret {
                Some(secret) => self.revoke_found_key(ctx, secret.key_id).await,
                None => Ok(()),
            };
        }
        if let Some(claims) = self.read_token(token).await? {
            return match claims.per_s {
                Some(_) => self.revoke_found_key(ctx, ApiKeyId::from_uuid(claims.sid)).await,
                None => self.end_found_session(ctx, SessionId::from_uuid(claims.sid)).await,
            };
        }
        let stored =
            refresh_token::Entity::find_by_id(token_hash(token)).one(self.db.read()).await?;
        match stored {
            Some(stored) => self.end_found_session(ctx, stored.session_id).await,
            None => Ok(()),
        }
    }

    async fn revoke_found_key(&self, ctx: &Ctx, id: ApiKeyId) -> Result<()> {
        let Some(key) = api_key::Entity::find_by_id(id).one(self.db.read()).await? else {
            return Ok(());
        };
        let Some(owner) = user::Entity::find_by_id(key.user_id).one(self.db.read()).await? else {
            return Ok(());
        };
        let mut tx = self.db.begin(&as_user(ctx, owner.id, &owner.username)).await?;
        let Some(before) = tx.lock::<api_key::Entity>(id).await? else { return Ok(()) };
        if before.revoked_at.is_none() {
            let after = view(revoke(&tx, before.clone()).await?, Vec::new());
            tx.audit("api_key", id.uuid(), Some(&view(before, Vec::new())), Some(&after))?;
        }
        tx.commit().await?;
        self.tell_ended().await;
        Ok(())
    }

    async fn end_found_session(&self, ctx: &Ctx, id: SessionId) -> Result<()> {
        let Some(session) = session::Entity::find_by_id(id).one(self.db.read()).await? else {
            return Ok(());
        };
        let owner = user::Entity::find_by_id(session.user_id).one(self.db.read()).await?;
        let Some(owner) = owner else { return Ok(()) };
        let mut tx = self.db.begin(&as_user(ctx, owner.id, &owner.username)).await?;
        if let Some(before) = tx.lock::<session::Entity>(id).await?
            && before.ended_at.is_none()
        {
            end_session(&mut tx, before, EndReason::SignedOut).await?;
        }
        tx.commit().await?;
        self.tell_ended().await;
        Ok(())
    }

    /// What an access token of ours says, if it is one and has not expired.
    async fn read_token(&self, token: &str) -> Result<Option<Claims>> {
        let Ok(header) = jsonwebtoken::decode_header(token) else { return Ok(None) };
        let key = match self.jwt.shared_key() {
            Some(shared) => DecodingKey::from_secret(shared.expose().as_bytes()),
            None => {
                let keys = self.public_keys().await?;
                let named = |key: &PublicKey| Some(&key.kid) == header.kid.as_ref();
                let Some(key) = keys.into_iter().find(named) else { return Ok(None) };
                DecodingKey::from_ed_components(&key.x).map_err(kernel::Error::internal)?
            }
        };
        let validation = validation(&self.jwt);
        Ok(jsonwebtoken::decode::<Claims>(token, &key, &validation).ok().map(|data| data.claims))
    }

    /// Whether the session or API key of a token is over.
    async fn is_over(&self, claims: &Claims) -> Result<bool> {
        let ended = self.ended_lately().await?;
        let is_over = |id| ended.iter().any(|ended| ended.uuid() == id);
        Ok(is_over(claims.sid) || claims.key_text.is_some_and(is_over))
    }
}

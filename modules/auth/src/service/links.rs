//! Links by which somebody sets a password.

use std::sync::Arc;

use chrono::TimeDelta;
use contracts::events::{PasswordResetRequested, UserInvited};
use contracts::ids::UserId;
use kernel::db::{Tx, execute};
use kernel::http::Reply;
use kernel::text::Text;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::json;

use crate::entities::session::EndReason;
use crate::entities::user::Hold;
use crate::entities::{link, user};
use crate::error::Error;
use crate::routes::links::{Invitation, Invited, Link, UseLink};
use crate::service::Service;
use crate::service::lookup::roles_of;
use crate::service::refresh::{NewToken, token_hash};
use crate::service::sessions::{as_user, end_sessions};
use crate::service::users::{Person, check_role_count, name_key, view};

/// Who asks again sooner is not told of again.
const BETWEEN_REQUESTS: TimeDelta = TimeDelta::minutes(15);

impl Service {
    pub(crate) async fn invite_user(&self, ctx: &Ctx, new: Invitation) -> Result<Reply> {
        check_role_count(&new.role_ids)?;
        let mut tx = self.db.begin(ctx).await?;
        let person = Person {
            username: new.username,
            name: new.name,
            email: new.email,
            role_ids: new.role_ids,
        };
        let nobody = self.passwords.nobody().clone();
        let user = self.insert_user(&mut tx, ctx, person, nobody, Some(Hold::Invited)).await?;
        let invited = UserInvited {
            user_id: user.id,
            username: user.username.clone(),
            name: user.name.clone(),
            email: user.email.clone(),
        };
        tx.publish(user.id.uuid(), user.version, &invited)?;
        let link = make_link(&mut tx, user.id, self.config.invitation_ttl_s).await?;
        tx.commit().await?;
        let location = format!("/api/v1/auth/users/{}", user.id);
        Ok(Reply::created_plain(&Invited { user, link }, location))
    }

    pub(crate) async fn create_link(&self, ctx: &Ctx, id: UserId) -> Result<Link> {
        let mut tx = self.db.begin(ctx).await?;
        let found = tx.lock::<user::Entity>(id).await?;
        let user = found.ok_or_else(|| kernel::Error::not_found("user", id))?;
        self.check_may_act_for(&tx, ctx, id).await?;
        let life = match (user.is_active, user.hold) {
            (true, _) => self.config.reset_link_ttl_s,
            (false, Some(Hold::Invited)) => self.config.invitation_ttl_s,
            _ => return Err(Error::NoLinkFor.into()),
        };
        let link = make_link(&mut tx, id, life).await?;
        tx.commit().await?;
        Ok(link)
    }

    /// Sets the password of whoever the link was made for.
    pub(crate) async fn use_link(&self, ctx: &Ctx, given: UseLink) -> Result<Reply> {
        let hash = token_hash(given.token.expose());
        // Looked at before the work of hashing, and again after it.
        let (link, user) = self.live_link(self.db.read(), &hash).await?;
        self.check_new_password(&given.new_password, &user.username, "/new_password")?;
        let (turn, stored) = (self.passwords.turn(ctx).await?, Some(&user.password_hash));
        if self.passwords.verify(turn, given.new_password.expose(), stored).await?.matches {
            return Err(Error::PasswordUnchanged { pointer: "/new_password" }.into());
        }
        let turn = self.passwords.turn(ctx).await?;
        let password_hash = self.passwords.hash(turn, given.new_password.expose()).await?;
        let mut tx = self.db.begin(&as_user(ctx, user.id, &user.username)).await?;
        tx.lock::<user::Entity>(link.user_id).await?;
        let (link, before) = self.live_link(&*tx, &hash).await?;
        let mut used = link.into_active_model();
        used.used_at = Set(Some(tx.now()));
        used.update(&*tx).await?;
        let mut change = before.clone().into_active_model();
        change.password_hash = Set(password_hash);
        change.is_active = Set(true);
        change.hold = Set(None);
        change.reset_requested_at = Set(None);
        change.version = Set(before.version + 1);
        change.updated_at = Set(tx.now());
        let after = change.update(&*tx).await?;
        end_sessions(&tx, after.id, None, EndReason::PasswordChanged).await?;
        let roles = roles_of(&*tx, vec![after.id]).await?.remove(&after.id).unwrap_or_default();
        let id = after.id.uuid();
        tx.audit("user", id, Some(&view(before, roles.clone())), Some(&view(after, roles)))?;
        tx.commit().await?;
        self.forgive(ctx, &user.username_key).await;
        self.tell_ended().await;
        Ok(Reply::no_content())
    }

    /// Notes the wish beside the request: what is answered, and when, says nothing of whether
    /// there is anybody of that name.
    pub(crate) fn request_reset(self: Arc<Self>, ctx: &Ctx, username: Text<1, 64>) {
        let ctx = ctx.clone();
        tokio::spawn(async move {
            if let Err(error) = self.note_reset(&ctx, &username).await {
                tracing::warn!(error = ?error, "a request for a new password was lost");
            }
        });
    }

    async fn note_reset(&self, ctx: &Ctx, username: &str) -> Result<()> {
        let named = user::Column::UsernameKey.eq(name_key(username));
        let found = user::Entity::find().filter(named).one(self.db.read()).await?;
        let Some(found) = found else { return Ok(()) };
        let mut tx = self.db.begin(ctx).await?;
        let Some(user) = tx.lock::<user::Entity>(found.id).await? else { return Ok(()) };
        let asked_lately =
            user.reset_requested_at.is_some_and(|at| tx.now() < at + BETWEEN_REQUESTS);
        if asked_lately || !user.is_active {
            return Ok(());
        }
        let mut change = user.clone().into_active_model();
        change.reset_requested_at = Set(Some(tx.now()));
        let after = change.update(&*tx).await?;
        let asked = PasswordResetRequested {
            user_id: user.id,
            username: user.username.clone(),
            email: user.email.clone(),
        };
        tx.publish(user.id.uuid(), user.version, &asked)?;
        let roles = roles_of(&*tx, vec![user.id]).await?.remove(&user.id).unwrap_or_default();
        let id = user.id.uuid();
        tx.audit("user", id, Some(&view(user, roles.clone())), Some(&view(after, roles)))?;
        tx.commit().await
    }

    /// A link that still works, and whose it is.
    async fn live_link(
        &self,
        conn: &impl sea_orm::ConnectionTrait,
        hash: &str,
    ) -> Result<(link::Model, user::Model)> {
        let link = link::Entity::find_by_id(hash.to_owned()).one(conn).await?;
        let is_live =
            |link: &link::Model| link.used_at.is_none() && link.expires_at > chrono::Utc::now();
        let link = link.filter(is_live).ok_or(Error::InvalidLink)?;
        let user = user::Entity::find_by_id(link.user_id).one(conn).await?;
        let may_use = |user: &user::Model| user.is_active || user.hold == Some(Hold::Invited);
        let user = user.filter(may_use).ok_or(Error::InvalidLink)?;
        Ok((link, user))
    }
}

/// Makes links that were not used worthless.
pub(super) async fn forget_links(tx: &Tx, user_id: UserId) -> Result<()> {
    let sql = "DELETE FROM links WHERE user_id = $1 AND used_at IS NULL";
    execute(&**tx, sql, vec![user_id.into()]).await?;
    Ok(())
}

/// A new link, in place of those before it.
async fn make_link(tx: &mut Tx, user_id: UserId, life_s: u64) -> Result<Link> {
    let token = NewToken::make()?;
    forget_links(tx, user_id).await?;
    let expires_at = tx.now() + TimeDelta::seconds(life_s as i64);
    let row =
        link::Model { hash: token.hash, user_id, expires_at, used_at: None, created_at: tx.now() };
    let insert = link::Entity::insert(row.into_active_model());
    insert.exec_without_returning(&**tx).await?;
    tx.audit_new("link", user_id.uuid(), &json!({ "user_id": user_id, "expires_at": expires_at }))?;
    Ok(Link { token: token.text, expires_at })
}

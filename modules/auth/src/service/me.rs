//! What concerns the caller themselves.

use contracts::ids::UserId;
use kernel::http::Reply;
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};

use crate::entities::session::EndReason;
use crate::entities::user;
use crate::error::Error;
use crate::routes::me::{Me, PasswordChange};
use crate::service::Service;
use crate::service::lookup::{grants_of, roles_of};
use crate::service::sessions::{end_sessions, session_id};
use crate::service::users::{check_password_is_not_username, name_key, view};

impl Service {
    /// The caller, as the database knows them now.
    pub(crate) async fn me(&self, ctx: &Ctx) -> Result<Me> {
        let user = caller(self.db.read(), ctx).await?;
        let permissions = grants_of(self.db.read(), user.id).await?;
        let roles = roles_of(self.db.read(), vec![user.id]).await?.remove(&user.id);
        Ok(Me {
            id: user.id,
            username: user.username,
            name: user.name,
            email: user.email,
            roles: roles.unwrap_or_default(),
            permissions,
            session_id: session_id(ctx)?,
        })
    }

    /// Changes the caller's password and ends their other sessions.
    pub(crate) async fn change_password(&self, ctx: &Ctx, change: PasswordChange) -> Result<Reply> {
        let user = caller(self.db.read(), ctx).await?;
        check_password_is_not_username(&change.new_password, &user.username, "/new_password")?;
        let checked = self
            .check_password(ctx, &name_key(&user.username), &change.current_password, Some(&user))
            .await;
        match checked {
            Err(error) if error.code() == "invalid_credentials" => {
                return Err(Error::WrongPassword.into());
            }
            other => other.map(drop)?,
        }
        let turn = self.passwords.turn(ctx).await?;
        let hash = self.passwords.hash(turn, change.new_password.expose()).await?;
        // Without the idempotency key: its row would hold a plain hash of the body, and
        // so of both passwords.
        let mut tx = self.db.begin(ctx).await?;
        let before = caller(&*tx, ctx).await?;
        let mut model = before.clone().into_active_model();
        model.password_hash = Set(hash);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        end_sessions(&tx, after.id, Some(session_id(ctx)?), EndReason::PasswordChanged).await?;
        let roles = roles_of(&*tx, vec![after.id]).await?.remove(&after.id).unwrap_or_default();
        let id = after.id.uuid();
        tx.audit("user", id, Some(&view(before, roles.clone())), Some(&view(after, roles)))?;
        tx.commit().await?;
        self.tell_ended().await;
        Ok(Reply::no_content())
    }
}

/// The user the token names. One who is gone or disabled has no business here, however
/// long the token may live.
async fn caller(conn: &impl ConnectionTrait, ctx: &Ctx) -> Result<user::Model> {
    let id = ctx.actor.id.map(UserId::from_uuid);
    let id = id.ok_or_else(|| KernelError::internal("a signed-in caller has no id"))?;
    let user = user::Entity::find_by_id(id).one(conn).await?;
    user.filter(|user| user.is_active).ok_or_else(|| {
        KernelError::unauthenticated("invalid_token", "the user of this token is not active")
    })
}

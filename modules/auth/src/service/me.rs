//! What concerns the caller themselves.

use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, IntoActiveModel};

use crate::entities::session::EndReason;
use crate::error::Error;
use crate::routes::me::{Me, MePatch, PasswordChange};
use crate::routes::users::UserPatch;
use crate::service::Service;
use crate::service::explain::Asking;
use crate::service::links::forget_links;
use crate::service::lookup::{grants_of, roles_of};
use crate::service::sessions::{
    caller, end_sessions, own_session, person, session_id, wrong_password,
};
use crate::service::users::view;

impl Service {
    /// The caller, as the database knows them now.
    pub(crate) async fn me(&self, ctx: &Ctx) -> Result<Me> {
        let user = caller(self.db.read(), ctx).await?;
        let session_id = session_id(ctx)?;
        let Asking { is_key, has_second_factor } = self.asking(ctx, user.id).await?;
        let granted = grants_of(self.db.read(), user.id, has_second_factor).await?;
        let everything = grants_of(self.db.read(), user.id, true).await?;
        let needs_second_factor = everything != granted;
        let permissions = match is_key {
            true => ctx.permissions.grants().to_vec(),
            false => granted,
        };
        let roles = roles_of(self.db.read(), vec![user.id]).await?.remove(&user.id);
        Ok(Me {
            id: user.id,
            username: user.username,
            name: user.name,
            email: user.email,
            roles: roles.unwrap_or_default(),
            needs_second_factor,
            permissions,
            second_factor_at: user.second_factor_at,
            session_id,
            version: user.version,
        })
    }

    /// Changes what the caller may change of themselves.
    pub(crate) async fn update_me(&self, ctx: &Ctx, patch: MePatch) -> Result<Reply> {
        let id = person(self.db.read(), ctx).await?.id;
        let patch = UserPatch { name: patch.name, email: patch.email };
        self.update_user(ctx, id, patch).await
    }

    /// Changes the caller's password and ends their other sessions.
    pub(crate) async fn change_password(&self, ctx: &Ctx, change: PasswordChange) -> Result<Reply> {
        let user = caller(self.db.read(), ctx).await?;
        self.check_new_password(&change.new_password, &user.username, "/new_password")?;
        let key = user.username_key.as_str();
        let checked = self.check_password(ctx, key, &change.current_password, Some(&user)).await;
        checked.map_err(wrong_password("/current_password"))?;
        if change.new_password.expose() == change.current_password.expose() {
            return Err(Error::PasswordUnchanged { pointer: "/new_password" }.into());
        }
        self.forgive(ctx, key).await;
        let turn = self.passwords.turn(ctx).await?;
        let hash = self.passwords.hash(turn, change.new_password.expose()).await?;
        // Without the idempotency key: its row would hold a plain hash of the body, and
        // so of both passwords.
        let mut tx = self.db.begin(ctx).await?;
        own_session(&tx, ctx).await?;
        let before = caller(&*tx, ctx).await?;
        let mut model = before.clone().into_active_model();
        model.password_hash = Set(hash);
        model.reset_requested_at = Set(None);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        end_sessions(&tx, after.id, Some(session_id(ctx)?), EndReason::PasswordChanged).await?;
        // Whoever kept one would have the last word.
        forget_links(&tx, after.id).await?;
        let roles = roles_of(&*tx, vec![after.id]).await?.remove(&after.id).unwrap_or_default();
        let id = after.id.uuid();
        tx.audit("user", id, Some(&view(before, roles.clone())), Some(&view(after, roles)))?;
        tx.commit().await?;
        self.tell_ended().await;
        Ok(Reply::no_content())
    }
}

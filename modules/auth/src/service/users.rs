//! Who may sign in.

use std::collections::BTreeSet;

use contracts::ids::{RoleId, UserId};
use kernel::db::{Tx, query_one};
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::text::{Email, Name};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
};

use crate::entities::session::EndReason;
use crate::entities::user::Hold;
use crate::entities::{Hidden, role, user, user_role};
use crate::error::Error;
use crate::routes::passwords::NewPassword;
use crate::routes::usernames::Username;
use crate::routes::users::{ListUsers, NewUser, RoleRef, Status, User, UserPatch};
use crate::service::Service;
use crate::service::grants::may_grant;
use crate::service::links::forget_links;
use crate::service::lookup::{check_administrator_remains, grants_of, permissions_of, roles_of};
use crate::service::password_rules;
use crate::service::sessions::end_sessions;

#[derive(FromQueryResult)]
struct Found {
    n: i64,
}

/// Somebody new.
pub(super) struct Person {
    pub username: Username,
    pub name: Name,
    pub email: Option<Email>,
    pub role_ids: Vec<RoleId>,
}

/// Roles a user may have.
const MAX_ROLES: usize = 100;

impl Service {
    pub(crate) async fn list_users(&self, query: ListUsers) -> Result<Page<User>> {
        let mut select = user::Entity::find();
        if let Some(username) = query.username {
            select = select.filter(user::Column::UsernameKey.eq(name_key(&username)));
        }
        if let Some(is_active) = query.is_active {
            select = select.filter(user::Column::IsActive.eq(is_active));
        }
        if let Some(is_requested) = query.reset_requested {
            let at = user::Column::ResetRequestedAt;
            select = select.filter(if is_requested { at.is_not_null() } else { at.is_null() });
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &user::Model| row.id.uuid();
        let page =
            fetch(self.db.read(), select, user::Column::Id, id_of, "users", &request).await?;
        let ids = page.data.iter().map(|user| user.id).collect();
        let mut roles = roles_of(self.db.read(), ids).await?;
        Ok(page.map(|user| {
            let roles = roles.remove(&user.id).unwrap_or_default();
            view(user, roles)
        }))
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<User> {
        let user = user::Entity::find_by_id(id).one(self.db.read()).await?;
        let user = user.ok_or_else(|| kernel::Error::not_found("user", id))?;
        let roles = roles_of(self.db.read(), vec![id]).await?.remove(&id);
        Ok(view(user, roles.unwrap_or_default()))
    }

    pub(crate) async fn create_user(&self, ctx: &Ctx, new: NewUser) -> Result<Reply> {
        self.check_new_password(&new.password, &new.username, "/password")?;
        check_role_count(&new.role_ids)?;
        let turn = self.passwords.turn(ctx).await?;
        let password_hash = self.passwords.hash(turn, new.password.expose()).await?;
        // Without the idempotency key: its row would hold a plain hash of the body, and
        // so of the password. A repeat is refused as a user name that is taken.
        let mut tx = self.db.begin(ctx).await?;
        let person = Person {
            username: new.username,
            name: new.name,
            email: new.email,
            role_ids: new.role_ids,
        };
        let user = self.insert_user(&mut tx, ctx, person, password_hash, None).await?;
        tx.commit().await?;
        Ok(Reply::created(&user, format!("/api/v1/auth/users/{}", user.id)))
    }

    /// Adds somebody, with their roles; who has a hold cannot sign in yet.
    pub(super) async fn insert_user(
        &self,
        tx: &mut Tx,
        ctx: &Ctx,
        new: Person,
        password_hash: Hidden,
        hold: Option<Hold>,
    ) -> Result<User> {
        let username = String::from(new.username);
        let model = user::ActiveModel {
            id: Set(UserId::new()),
            username: Set(username.clone()),
            username_key: Set(name_key(&username)),
            name: Set(new.name.into()),
            email: Set(new.email.map(Into::into)),
            password_hash: Set(password_hash),
            is_active: Set(hold.is_none()),
            hold: Set(hold),
            reset_requested_at: Set(None),
            second_factor_at: Set(None),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        };
        let user = model.insert(&**tx).await;
        let user = user.or_conflict(|| Error::UsernameTaken { username }.into())?;
        self.replace_roles(tx, ctx, user.id, &new.role_ids).await?;
        self.check_duties_of_user(tx, user.id).await?;
        let roles = roles_of(&**tx, vec![user.id]).await?.remove(&user.id);
        let user = view(user, roles.unwrap_or_default());
        tx.audit_new("user", user.id.uuid(), &user)?;
        Ok(user)
    }

    pub(crate) async fn update_user(
        &self,
        ctx: &Ctx,
        id: UserId,
        patch: UserPatch,
    ) -> Result<Reply> {
        let tx = self.db.begin_once(ctx).await?;
        let before = load(&tx, ctx, id).await?;
        let mut model = before.clone().into_active_model();
        let email = patch.email.map(|email| email.map(String::from));
        if email.as_ref().is_some_and(|email| *email != before.email) && !is_caller(ctx, id) {
            // Links are sent there, and a provider may be believed by it who somebody is.
            ctx.check_step_up()?;
            self.check_may_act_for(&tx, ctx, id).await?;
        }
        if let Some(name) = patch.name {
            model.name = Set(name.into());
        }
        if let Some(email) = email {
            model.email = Set(email);
        }
        self.change_user(tx, before, model).await
    }

    /// Keeps somebody out for a while: until they are unlocked.
    pub(crate) async fn lock_user(&self, ctx: &Ctx, id: UserId) -> Result<Reply> {
        self.set_standing(ctx, id, false, Some(Hold::Locked)).await
    }

    /// Lets somebody in again who was locked or disabled.
    pub(crate) async fn enable_user(&self, ctx: &Ctx, id: UserId) -> Result<Reply> {
        self.set_standing(ctx, id, true, None).await
    }

    /// Keeps somebody out for good.
    pub(crate) async fn disable_user(&self, ctx: &Ctx, id: UserId) -> Result<Reply> {
        self.set_standing(ctx, id, false, None).await
    }

    async fn set_standing(
        &self,
        ctx: &Ctx,
        id: UserId,
        is_active: bool,
        hold: Option<Hold>,
    ) -> Result<Reply> {
        let tx = self.db.begin_once(ctx).await?;
        let before = load(&tx, ctx, id).await?;
        let has_nothing = self.has_nothing_to_sign_in_with(&tx, &before).await?;
        // Whoever was invited has no password: they become active by choosing one.
        if before.hold == Some(Hold::Invited) && (is_active || hold.is_some()) {
            return Err(Error::StillInvited.into());
        }
        if !is_active {
            forget_links(&tx, id).await?;
        }
        // Nor does being disabled in between change that.
        let (is_active, hold) = match is_active && has_nothing {
            true => (false, Some(Hold::Invited)),
            false => (is_active, hold),
        };
        let mut model = before.clone().into_active_model();
        model.is_active = Set(is_active);
        model.hold = Set(hold);
        self.change_user(tx, before, model).await
    }

    /// Whether somebody who is kept out was invited and never came: without a password, and
    /// without what others sign in or act with.
    async fn has_nothing_to_sign_in_with(&self, tx: &Tx, user: &user::Model) -> Result<bool> {
        if user.is_active || !self.passwords.is_nobody(&user.password_hash) {
            return Ok(false);
        }
        let sql = "SELECT COUNT(*) AS n FROM users u WHERE u.id = $1 \
                   AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id) \
                   AND NOT EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id) \
                   AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.user_id = u.id)";
        let found: Option<Found> = query_one(&**tx, sql, vec![user.id.into()]).await?;
        Ok(found.is_some_and(|found| found.n > 0))
    }

    async fn change_user(
        &self,
        mut tx: Tx,
        before: user::Model,
        mut model: user::ActiveModel,
    ) -> Result<Reply> {
        let id = before.id;
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        if before.is_active && !after.is_active {
            check_administrator_remains(&tx).await?;
            end_sessions(&tx, id, None, EndReason::UserDisabled).await?;
        }
        let roles = roles_of(&*tx, vec![id]).await?.remove(&id).unwrap_or_default();
        let after = view(after, roles.clone());
        let is_disabled = before.is_active && !after.is_active;
        tx.audit("user", id.uuid(), Some(&view(before, roles)), Some(&after))?;
        let reply = tx.reply(Reply::ok(&after)).await?;
        if is_disabled {
            self.tell_ended().await;
        }
        Ok(reply)
    }

    pub(crate) async fn set_user_roles(
        &self,
        ctx: &Ctx,
        id: UserId,
        role_ids: Vec<RoleId>,
    ) -> Result<Reply> {
        check_role_count(&role_ids)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let before = load(&tx, ctx, id).await?;
        if !is_caller(ctx, id) {
            self.check_may_act_for(&tx, ctx, id).await?;
        }
        let roles_before = roles_of(&*tx, vec![id]).await?.remove(&id).unwrap_or_default();
        self.replace_roles(&tx, ctx, id, &role_ids).await?;
        self.check_duties_of_user(&tx, id).await?;
        check_administrator_remains(&tx).await?;
        let mut model = before.clone().into_active_model();
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        let roles = roles_of(&*tx, vec![id]).await?.remove(&id).unwrap_or_default();
        let after = view(after, roles);
        tx.audit("user", id.uuid(), Some(&view(before, roles_before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    /// Refuses a password that is easily guessed.
    pub(super) fn check_new_password(
        &self,
        password: &NewPassword,
        username: &str,
        pointer: &'static str,
    ) -> Result<()> {
        let min = self.config.password_min_chars;
        Ok(password_rules::check(password.expose(), username, min, pointer)?)
    }

    /// Refuses a caller who, by what they are about to do, could become somebody who may more
    /// than they: by a link to a new password, say.
    pub(super) async fn check_may_act_for(&self, tx: &Tx, ctx: &Ctx, id: UserId) -> Result<()> {
        check_may_grant(ctx, grants_of(&**tx, id, true).await?)
    }

    /// Gives the user exactly these roles. The caller must hold all that is added.
    async fn replace_roles(&self, tx: &Tx, ctx: &Ctx, id: UserId, asked: &[RoleId]) -> Result<()> {
        let of_user = user_role::Column::UserId.eq(id);
        let held = user_role::Entity::find().filter(of_user.clone()).all(&**tx).await?;
        let held: BTreeSet<RoleId> = held.into_iter().map(|row| row.role_id).collect();
        let added: BTreeSet<RoleId> =
            asked.iter().copied().filter(|role| !held.contains(role)).collect();
        if !added.is_empty() {
            check_roles_exist(tx, asked, &added).await?;
            let grants = permissions_of(&**tx, added.iter().copied()).await?;
            check_may_grant(ctx, grants.into_values().flatten())?;
            let rows = added
                .into_iter()
                .map(|role_id| user_role::Model { user_id: id, role_id }.into_active_model());
            user_role::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
        }
        let removed: Vec<RoleId> = held.into_iter().filter(|role| !asked.contains(role)).collect();
        if !removed.is_empty() {
            user_role::Entity::delete_many()
                .filter(of_user)
                .filter(user_role::Column::RoleId.is_in(removed))
                .exec(&**tx)
                .await?;
        }
        Ok(())
    }
}

fn is_caller(ctx: &Ctx, id: UserId) -> bool {
    ctx.actor.id == Some(id.uuid())
}

/// The user to be changed, if the caller means this version of it.
pub(super) async fn load(tx: &Tx, ctx: &Ctx, id: UserId) -> Result<user::Model> {
    let found = tx.lock::<user::Entity>(id).await?;
    let user = found.ok_or_else(|| kernel::Error::not_found("user", id))?;
    ctx.check_version(user.version)?;
    Ok(user)
}

async fn check_roles_exist(tx: &Tx, asked: &[RoleId], added: &BTreeSet<RoleId>) -> Result<()> {
    let select = role::Entity::find().filter(role::Column::Id.is_in(added.iter().copied()));
    let found: BTreeSet<RoleId> =
        select.all(&**tx).await?.into_iter().map(|role| role.id).collect();
    let unknown = |id: &RoleId| added.contains(id) && !found.contains(id);
    match asked.iter().enumerate().find(|(_, id)| unknown(id)) {
        Some((index, id)) => Err(Error::UnknownRole { index, id: *id }.into()),
        None => Ok(()),
    }
}

/// Refuses whoever would give away what they do not have.
pub(super) fn check_may_grant(ctx: &Ctx, grants: impl IntoIterator<Item = String>) -> Result<()> {
    match grants.into_iter().find(|grant| !may_grant(&ctx.permissions, grant)) {
        Some(permission) => Err(Error::CannotGrant { permission }.into()),
        None => Ok(()),
    }
}

pub(super) fn check_role_count(role_ids: &[RoleId]) -> Result<()> {
    if role_ids.len() > MAX_ROLES {
        let error = Error::TooMany { code: "too_many_roles", pointer: "/role_ids", max: MAX_ROLES };
        return Err(error.into());
    }
    Ok(())
}

/// What makes two names the same.
pub(super) fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// The user as the API shows it: without the hash.
pub(super) fn view(model: user::Model, roles: Vec<RoleRef>) -> User {
    User {
        status: status(&model),
        id: model.id,
        username: model.username,
        name: model.name,
        email: model.email,
        is_active: model.is_active,
        second_factor_at: model.second_factor_at,
        reset_requested_at: model.reset_requested_at,
        roles,
        version: model.version,
        created_at: model.created_at,
        updated_at: model.updated_at,
    }
}

pub(super) fn status(user: &user::Model) -> Status {
    match (user.is_active, user.hold) {
        (true, _) => Status::Active,
        (false, Some(Hold::Invited)) => Status::Invited,
        (false, Some(Hold::Locked)) => Status::Locked,
        (false, None) => Status::Disabled,
    }
}

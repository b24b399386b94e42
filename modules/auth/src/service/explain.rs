//! Who may what, and why.

use contracts::ids::{RoleId, UserId};
use kernel::db::query_all;
use kernel::token::Permissions;
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::{EntityTrait, FromQueryResult};

use crate::entities::user;
use crate::error::Error;
use crate::routes::permissions::{
    EffectivePermission, EffectivePermissions, GrantedBy, PermissionCheck, PermissionVerdict,
    Reason,
};
use crate::service::Service;
use crate::service::users::status;

#[derive(FromQueryResult)]
struct Held {
    id: RoleId,
    name: String,
    requires_second_factor: bool,
    permission: String,
}

impl Service {
    pub(crate) async fn check_permission(
        &self,
        ctx: &Ctx,
        asked: PermissionCheck,
    ) -> Result<PermissionVerdict> {
        let permission: &str = &asked.permission;
        if !self.permissions.iter().any(|known| known == permission) {
            return Err(Error::NoSuchPermission { permission: permission.to_owned() }.into());
        }
        let own_id = ctx.actor.id.map(UserId::from_uuid);
        let id = asked.user_id.or(own_id).ok_or_else(|| KernelError::internal("no user"))?;
        if Some(id) != own_id && !ctx.permissions.allow("auth.user:read") {
            return Err(KernelError::forbidden("auth.user:read"));
        }
        let user = user::Entity::find_by_id(id).one(self.db.read()).await?;
        let user = user.ok_or_else(|| {
            KernelError::invalid("unknown_user", "/user_id", format!("there is no user {id}"))
        })?;
        let granted_by = covering(&self.held_by(id).await?, permission);
        let has_second_factor = user.second_factor_at.is_some();
        let counts = |by: &&GrantedBy| has_second_factor || !by.requires_second_factor;
        let (reason, explanation) = match granted_by.iter().find(counts) {
            _ if !user.is_active => (Reason::UserNotActive, "they cannot sign in".to_owned()),
            Some(by) => (Reason::Granted, format!("the role {} grants {}", by.role, by.grant)),
            None => match granted_by.first() {
                Some(by) => (
                    Reason::SecondFactorMissing,
                    format!("the role {} grants {} with a second factor", by.role, by.grant),
                ),
                None => (Reason::NotGranted, format!("no role of theirs grants {permission}")),
            },
        };
        let allowed = reason == Reason::Granted;
        Ok(PermissionVerdict { allowed, reason, explanation, granted_by })
    }

    pub(crate) async fn explain_permissions(&self, id: UserId) -> Result<EffectivePermissions> {
        let user = user::Entity::find_by_id(id).one(self.db.read()).await?;
        let user = user.ok_or_else(|| KernelError::not_found("user", id))?;
        let held = self.held_by(id).await?;
        let permissions = self.permissions.iter().filter_map(|permission| {
            let granted_by = covering(&held, permission);
            let permission = permission.clone();
            (!granted_by.is_empty()).then_some(EffectivePermission { permission, granted_by })
        });
        Ok(EffectivePermissions {
            user_id: id,
            status: status(&user),
            has_second_factor: user.second_factor_at.is_some(),
            permissions: permissions.collect(),
        })
    }

    /// What the roles of somebody grant, by name of the role.
    async fn held_by(&self, id: UserId) -> Result<Vec<Held>> {
        let sql = "SELECT o.id, o.name, o.requires_second_factor, p.permission \
                   FROM user_roles r JOIN roles o ON o.id = r.role_id \
                   JOIN role_permissions p ON p.role_id = r.role_id \
                   WHERE r.user_id = $1 ORDER BY o.name_key, p.permission";
        Ok(query_all(self.db.read(), sql, vec![id.into()]).await?)
    }
}

/// The grants that cover a permission.
fn covering(held: &[Held], permission: &str) -> Vec<GrantedBy> {
    let covers = |held: &&Held| Permissions::new(vec![held.permission.clone()]).allow(permission);
    let view = |held: &Held| GrantedBy {
        role_id: held.id,
        role: held.name.clone(),
        grant: held.permission.clone(),
        requires_second_factor: held.requires_second_factor,
    };
    held.iter().filter(covers).map(view).collect()
}

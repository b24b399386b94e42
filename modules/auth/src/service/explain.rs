//! Who may what, and why.

use std::collections::{BTreeSet, HashMap};

use contracts::ids::{RoleId, UserId, WarehouseId};
use kernel::db::query_all;
use kernel::token::{Scope, covers};
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::{EntityTrait, FromQueryResult};

use crate::entities::{session, user};
use crate::error::Error;
use crate::routes::permissions::{
    EffectivePermission, EffectivePermissions, GrantedBy, PermissionCheck, PermissionVerdict,
    Reason,
};
use crate::service::Service;
use crate::service::lookup::warehouses_of;
use crate::service::sessions::session_id;
use crate::service::users::status;

#[derive(FromQueryResult)]
struct Held {
    id: RoleId,
    name: String,
    requires_second_factor: bool,
    permission: String,
}

/// What somebody holds, and where those of their roles count that do not count everywhere.
struct HeldBy {
    held: Vec<Held>,
    warehouses: HashMap<RoleId, Vec<WarehouseId>>,
}

/// As whom somebody may.
pub(super) struct Asking {
    /// With an API key, whose token says what is left of it.
    pub is_key: bool,
    /// In this session; of others and of keys, whether they have one.
    pub has_second_factor: bool,
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
        let is_own = Some(id) == own_id;
        if !is_own && !ctx.permissions.allow("auth.user:read") {
            return Err(KernelError::forbidden("auth.user:read"));
        }
        let user = user::Entity::find_by_id(id).one(self.db.read()).await?;
        let user = user.ok_or_else(|| {
            KernelError::invalid("unknown_user", "/user_id", format!("there is no user {id}"))
        })?;
        let granted_by = covering(&self.held_by(id).await?, permission);
        let is_of_warehouses = self.is_of_warehouses(permission);
        let Asking { is_key, has_second_factor } = match is_own {
            true => self.asking(ctx, id).await?,
            false => self.of_anybody(id).await?,
        };
        let in_scope = || match (ctx.permissions.scope(permission), asked.warehouse_id) {
            (Some(Scope::Only(_)), _) if !is_of_warehouses => false,
            (Some(scope), Some(id)) => scope.contains(id.uuid()),
            (scope, None) => scope.is_some(),
            (None, _) => false,
        };
        let counts_there = |by: &&GrantedBy| match (&by.warehouse_ids, asked.warehouse_id) {
            (Some(_), _) if !is_of_warehouses => false,
            (Some(ids), Some(id)) => ids.contains(&id),
            _ => true,
        };
        let counts =
            |by: &&GrantedBy| counts_there(by) && (has_second_factor || !by.requires_second_factor);
        // What counts everywhere says most.
        let best = granted_by.iter().filter(counts).min_by_key(|by| by.warehouse_ids.is_some());
        let (reason, explanation) = match best {
            _ if !user.is_active => (Reason::UserNotActive, "they cannot sign in".to_owned()),
            Some(_) if is_own && is_key && !in_scope() => {
                (Reason::NotGranted, format!("the scopes of this API key leave out {permission}"))
            }
            Some(by) => (Reason::Granted, granted(by)),
            None => match granted_by.iter().find(counts_there) {
                Some(by) => (
                    Reason::SecondFactorMissing,
                    format!("the role {} grants {} with a second factor", by.role, by.grant),
                ),
                None => match granted_by.first() {
                    Some(by) if !is_of_warehouses => (
                        Reason::NotOfAWarehouse,
                        format!("{}; what {permission} is for is not of one", granted(by)),
                    ),
                    Some(by) => (Reason::OtherWarehouse, granted(by)),
                    None => (Reason::NotGranted, format!("no role of theirs grants {permission}")),
                },
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
            let mut granted_by = covering(&held, permission);
            let is_of_warehouses = self.is_of_warehouses(permission);
            granted_by.retain(|by| is_of_warehouses || by.warehouse_ids.is_none());
            let permission = permission.clone();
            (!granted_by.is_empty()).then_some(EffectivePermission { permission, granted_by })
        });
        Ok(EffectivePermissions {
            user_id: id,
            status: status(&user),
            has_second_factor: self.has_second_factor(self.db.read(), id).await?,
            permissions: permissions.collect(),
        })
    }

    /// Whether who has it for some warehouses may use it there.
    fn is_of_warehouses(&self, permission: &str) -> bool {
        self.by_warehouse.iter().any(|known| known == permission)
    }

    /// What the caller's token counts as.
    pub(super) async fn asking(&self, ctx: &Ctx, id: UserId) -> Result<Asking> {
        let session = session::Entity::find_by_id(session_id(ctx)?).one(self.db.read()).await?;
        match session {
            Some(session) => {
                let has_second_factor = session.second_factor_at.is_some();
                Ok(Asking { is_key: false, has_second_factor })
            }
            None => Ok(Asking { is_key: true, ..self.of_anybody(id).await? }),
        }
    }

    async fn of_anybody(&self, id: UserId) -> Result<Asking> {
        let has_second_factor = self.has_second_factor(self.db.read(), id).await?;
        Ok(Asking { is_key: false, has_second_factor })
    }

    /// What the roles of somebody grant, by name of the role.
    async fn held_by(&self, id: UserId) -> Result<HeldBy> {
        let sql = "SELECT o.id, o.name, o.requires_second_factor, p.permission \
                   FROM user_roles r JOIN roles o ON o.id = r.role_id \
                   JOIN role_permissions p ON p.role_id = r.role_id \
                   WHERE r.user_id = $1 ORDER BY o.name_key, p.permission";
        let held: Vec<Held> = query_all(self.db.read(), sql, vec![id.into()]).await?;
        let roles: BTreeSet<RoleId> = held.iter().map(|held| held.id).collect();
        Ok(HeldBy { held, warehouses: warehouses_of(self.db.read(), roles).await? })
    }
}

/// How a role grants something, in words.
fn granted(by: &GrantedBy) -> String {
    let words = format!("the role {} grants {}", by.role, by.grant);
    match by.warehouse_ids.as_ref().map(Vec::len) {
        None => words,
        Some(1) => format!("{words} in one warehouse"),
        Some(many) => format!("{words} in {many} warehouses"),
    }
}

/// The grants that cover a permission.
fn covering(by: &HeldBy, permission: &str) -> Vec<GrantedBy> {
    let covers = |held: &&Held| covers(&held.permission, permission);
    let view = |held: &Held| GrantedBy {
        role_id: held.id,
        role: held.name.clone(),
        grant: held.permission.clone(),
        requires_second_factor: held.requires_second_factor,
        warehouse_ids: by.warehouses.get(&held.id).cloned(),
    };
    by.held.iter().filter(covers).map(view).collect()
}

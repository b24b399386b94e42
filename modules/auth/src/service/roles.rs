//! What people in a company do, as sets of permissions.

use std::collections::BTreeSet;

use contracts::ids::{RoleId, WarehouseId};
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::{role, role_permission, role_warehouse};
use crate::error::Error;
use crate::routes::roles::{Grant, ListRoles, NewRole, Role, RolePatch};
use crate::service::Service;
use crate::service::grants::is_known;
use crate::service::lookup::{
    check_administrator_has_it, check_administrator_remains, permissions_of, warehouses_of,
};
use crate::service::users::{check_may_grant, name_key};

/// Permissions a role may list.
const MAX_PERMISSIONS: usize = 500;
/// Warehouses a role may be for.
const MAX_WAREHOUSES: usize = 50;
/// Permissions times warehouses: each pair is in the access token.
const MAX_LIMITED_GRANTS: usize = 200;

impl Service {
    pub(crate) async fn list_roles(&self, query: ListRoles) -> Result<Page<Role>> {
        let mut select = role::Entity::find();
        if let Some(name) = query.name {
            select = select.filter(role::Column::NameKey.eq(name_key(&name)));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &role::Model| row.id.uuid();
        let page =
            fetch(self.db.read(), select, role::Column::Id, id_of, "roles", &request).await?;
        let ids: Vec<_> = page.data.iter().map(|role| role.id).collect();
        let mut warehouses = warehouses_of(self.db.read(), ids.iter().copied()).await?;
        let mut permissions = permissions_of(self.db.read(), ids).await?;
        Ok(page.map(|role| {
            let permissions = permissions.remove(&role.id).unwrap_or_default();
            let warehouses = warehouses.remove(&role.id);
            view(role, permissions, warehouses)
        }))
    }

    pub(crate) async fn role(&self, id: RoleId) -> Result<Role> {
        let role = role::Entity::find_by_id(id).one(self.db.read()).await?;
        let role = role.ok_or_else(|| kernel::Error::not_found("role", id))?;
        let permissions = permissions_of(self.db.read(), [id]).await?.remove(&id);
        let warehouses = warehouses_of(self.db.read(), [id]).await?.remove(&id);
        Ok(view(role, permissions.unwrap_or_default(), warehouses))
    }

    pub(crate) async fn create_role(&self, ctx: &Ctx, new: NewRole) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let name = String::from(new.name);
        let model = role::ActiveModel {
            id: Set(RoleId::new()),
            name: Set(name.clone()),
            name_key: Set(name_key(&name)),
            description: Set(new.description.map(Into::into)),
            requires_second_factor: Set(new.requires_second_factor),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        };
        let role = model.insert(&*tx).await;
        let role = role.or_conflict(|| Error::RoleNameTaken { name }.into())?;
        self.replace_permissions(&tx, ctx, role.id, new.permissions, &[]).await?;
        let permissions = permissions_of(&*tx, [role.id]).await?.remove(&role.id);
        let permissions = permissions.unwrap_or_default();
        let warehouses = sorted(new.warehouse_ids)?;
        check_limited(&permissions, warehouses.as_deref())?;
        insert_warehouses(&tx, role.id, warehouses.as_deref()).await?;
        let role = view(role, permissions, warehouses);
        tx.audit_new("role", role.id.uuid(), &role)?;
        let location = format!("/api/v1/auth/roles/{}", role.id);
        tx.reply(Reply::created(&role, location)).await
    }

    pub(crate) async fn update_role(
        &self,
        ctx: &Ctx,
        id: RoleId,
        patch: RolePatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<role::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("role", id))?;
        ctx.check_version(before.version)?;
        let held = permissions_of(&*tx, [id]).await?.remove(&id).unwrap_or_default();
        let were = warehouses_of(&*tx, [id]).await?.remove(&id);
        let mut model = before.clone().into_active_model();
        let mut name = before.name.clone();
        if let Some(new_name) = patch.name {
            name = new_name.into();
            model.name = Set(name.clone());
            model.name_key = Set(name_key(&name));
        }
        if let Some(description) = patch.description {
            model.description = Set(description.map(Into::into));
        }
        if let Some(required) = patch.requires_second_factor {
            if before.requires_second_factor != required {
                // It is then granted to more people, or taken from some.
                check_may_grant(ctx, held.iter().cloned())?;
            }
            model.requires_second_factor = Set(required);
        }
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await;
        let after = after.or_conflict(|| Error::RoleNameTaken { name }.into())?;
        if after.requires_second_factor && !before.requires_second_factor {
            check_administrator_has_it(&tx).await?;
        }
        if let Some(permissions) = patch.permissions {
            self.replace_permissions(&tx, ctx, id, permissions, &held).await?;
            check_administrator_remains(&tx).await?;
            self.check_duties_of_role(&tx, id).await?;
        }
        let permissions = permissions_of(&*tx, [id]).await?.remove(&id).unwrap_or_default();
        let warehouses = match patch.warehouse_ids {
            Some(asked) => sorted(asked)?,
            None => were.clone(),
        };
        check_limited(&permissions, warehouses.as_deref())?;
        if warehouses != were {
            // It may then be granted in more places.
            check_may_grant(ctx, permissions.iter().cloned())?;
            let of_role = role_warehouse::Column::RoleId.eq(id);
            role_warehouse::Entity::delete_many().filter(of_role).exec(&*tx).await?;
            insert_warehouses(&tx, id, warehouses.as_deref()).await?;
        }
        let after = view(after, permissions, warehouses);
        tx.audit("role", id.uuid(), Some(&view(before, held, were)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    /// Makes the role grant exactly these. What is added must exist, and the caller must
    /// hold it.
    async fn replace_permissions(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        id: RoleId,
        asked: Vec<Grant>,
        held: &[String],
    ) -> Result<()> {
        if asked.len() > MAX_PERMISSIONS {
            let (code, pointer) = ("too_many_permissions", "/permissions");
            return Err(Error::TooMany { code, pointer, max: MAX_PERMISSIONS }.into());
        }
        let held: BTreeSet<&str> = held.iter().map(String::as_str).collect();
        let is_unknown =
            |grant: &&str| !held.contains(grant) && !is_known(grant, &self.permissions);
        let asked_text = asked.iter().map(|grant| &**grant);
        if let Some((index, grant)) = asked_text.enumerate().find(|(_, grant)| is_unknown(grant)) {
            return Err(Error::UnknownPermission { index, permission: grant.into() }.into());
        }
        let asked: BTreeSet<&str> = asked.iter().map(|grant| &**grant).collect();
        let added: Vec<String> = asked.difference(&held).map(ToString::to_string).collect();
        check_may_grant(ctx, added.iter().cloned())?;
        if !added.is_empty() {
            let rows = added.into_iter().map(|permission| {
                role_permission::Model { role_id: id, permission }.into_active_model()
            });
            role_permission::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
        }
        let removed: Vec<&str> = held.difference(&asked).copied().collect();
        if !removed.is_empty() {
            role_permission::Entity::delete_many()
                .filter(role_permission::Column::RoleId.eq(id))
                .filter(role_permission::Column::Permission.is_in(removed))
                .exec(&**tx)
                .await?;
        }
        Ok(())
    }
}

/// Each once, in order.
fn sorted(asked: Option<Vec<WarehouseId>>) -> Result<Option<Vec<WarehouseId>>, Error> {
    let Some(asked) = asked else { return Ok(None) };
    let (code, pointer) = ("too_many_warehouses", "/warehouse_ids");
    match asked.len() {
        0 => Err(Error::NoWarehouses),
        1..=MAX_WAREHOUSES => Ok(Some(BTreeSet::from_iter(asked).into_iter().collect())),
        _ => Err(Error::TooMany { code, pointer, max: MAX_WAREHOUSES }),
    }
}

/// What a role for some warehouses grants are permissions of inventory: no other module keeps to
/// them.
fn check_limited(permissions: &[String], warehouses: Option<&[WarehouseId]>) -> Result<(), Error> {
    let Some(warehouses) = warehouses else { return Ok(()) };
    if let Some(permission) = permissions.iter().find(|grant| !grant.starts_with("inventory.")) {
        return Err(Error::NotOfWarehouses { permission: permission.clone() });
    }
    if permissions.len() * warehouses.len() > MAX_LIMITED_GRANTS {
        let (code, pointer) = ("too_many_warehouses", "/warehouse_ids");
        let max = MAX_LIMITED_GRANTS / permissions.len().max(1);
        return Err(Error::TooMany { code, pointer, max });
    }
    Ok(())
}

async fn insert_warehouses(
    tx: &Tx,
    role_id: RoleId,
    warehouses: Option<&[WarehouseId]>,
) -> Result<()> {
    let Some(warehouses) = warehouses else { return Ok(()) };
    let row =
        |id: &WarehouseId| role_warehouse::Model { role_id, warehouse_id: *id }.into_active_model();
    let rows = warehouses.iter().map(row);
    role_warehouse::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
    Ok(())
}

fn view(
    model: role::Model,
    permissions: Vec<String>,
    warehouse_ids: Option<Vec<WarehouseId>>,
) -> Role {
    Role {
        id: model.id,
        name: model.name,
        description: model.description,
        permissions,
        requires_second_factor: model.requires_second_factor,
        warehouse_ids,
        version: model.version,
        created_at: model.created_at,
        updated_at: model.updated_at,
    }
}

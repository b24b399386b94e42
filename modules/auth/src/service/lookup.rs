//! What users and roles hold, read for many at once.

use std::collections::{BTreeSet, HashMap};

use contracts::ids::{RoleId, UserId, WarehouseId};
use kernel::Result;
use kernel::db::{Tx, query_all, query_one};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
};

use crate::entities::{role, role_permission, role_warehouse, user_role};
use crate::error::Error;
use crate::routes::users::RoleRef;
use crate::service::grants::union;

#[derive(FromQueryResult)]
struct Granted {
    permission: String,
    warehouse_id: Option<WarehouseId>,
}

#[derive(FromQueryResult)]
struct Found {
    n: i64,
}

/// The roles of each user, by name.
pub(super) async fn roles_of(
    conn: &impl ConnectionTrait,
    users: Vec<UserId>,
) -> Result<HashMap<UserId, Vec<RoleRef>>> {
    let held =
        user_role::Entity::find().filter(user_role::Column::UserId.is_in(users)).all(conn).await?;
    let ids: BTreeSet<RoleId> = held.iter().map(|row| row.role_id).collect();
    let roles = role::Entity::find()
        .filter(role::Column::Id.is_in(ids))
        .order_by_asc(role::Column::NameKey)
        .all(conn)
        .await?;
    let held: BTreeSet<_> = held.into_iter().map(|row| (row.user_id, row.role_id)).collect();
    let users: BTreeSet<UserId> = held.iter().map(|(user, _)| *user).collect();
    let roles_of = |user: UserId| -> Vec<RoleRef> {
        let of_user = roles.iter().filter(|role| held.contains(&(user, role.id)));
        of_user.map(|role| RoleRef { id: role.id, name: role.name.clone() }).collect()
    };
    Ok(users.into_iter().map(|user| (user, roles_of(user))).collect())
}

/// What each role grants, in order.
pub(super) async fn permissions_of(
    conn: &impl ConnectionTrait,
    roles: impl IntoIterator<Item = RoleId>,
) -> Result<HashMap<RoleId, Vec<String>>> {
    let rows = role_permission::Entity::find()
        .filter(role_permission::Column::RoleId.is_in(roles))
        .order_by_asc(role_permission::Column::Permission)
        .all(conn)
        .await?;
    let mut permissions: HashMap<RoleId, Vec<String>> = HashMap::new();
    for row in rows {
        permissions.entry(row.role_id).or_default().push(row.permission);
    }
    Ok(permissions)
}

/// The warehouses each role counts in, in order; a role that is not there counts everywhere.
pub(super) async fn warehouses_of(
    conn: &impl ConnectionTrait,
    roles: impl IntoIterator<Item = RoleId>,
) -> Result<HashMap<RoleId, Vec<WarehouseId>>> {
    let rows = role_warehouse::Entity::find()
        .filter(role_warehouse::Column::RoleId.is_in(roles))
        .order_by_asc(role_warehouse::Column::WarehouseId)
        .all(conn)
        .await?;
    let mut warehouses: HashMap<RoleId, Vec<WarehouseId>> = HashMap::new();
    for row in rows {
        warehouses.entry(row.role_id).or_default().push(row.warehouse_id);
    }
    Ok(warehouses)
}

/// Everything a user's roles grant to whoever gave a second factor or did not.
pub(super) async fn grants_of(
    conn: &impl ConnectionTrait,
    user: UserId,
    has_second_factor: bool,
) -> Result<Vec<String>> {
    let mut sql = "SELECT p.permission, w.warehouse_id FROM user_roles r \
                   JOIN role_permissions p ON p.role_id = r.role_id \
                   LEFT JOIN role_warehouses w ON w.role_id = r.role_id WHERE r.user_id = $1"
        .to_owned();
    if !has_second_factor {
        sql += " AND NOT EXISTS (SELECT 1 FROM roles o WHERE o.id = r.role_id \
                AND o.requires_second_factor)";
    }
    let rows: Vec<Granted> = query_all(conn, sql, vec![user.into()]).await?;
    Ok(union(rows.into_iter().map(|row| match row.warehouse_id {
        Some(id) => format!("{}@{id}", row.permission),
        None => row.permission,
    })))
}

/// Refuses a change after which nobody active could undo it.
pub(super) async fn check_administrator_remains(tx: &Tx) -> Result<()> {
    let sql = "SELECT COUNT(*) AS n FROM users u JOIN user_roles r ON r.user_id = u.id \
               JOIN role_permissions p ON p.role_id = r.role_id \
               WHERE u.is_active AND p.permission = '*'";
    check_some(tx, sql).await
}

/// The same where a role is to demand a second factor: one of them must have it already.
pub(super) async fn check_administrator_has_it(tx: &Tx) -> Result<()> {
    let sql = "SELECT COUNT(*) AS n FROM users u JOIN user_roles r ON r.user_id = u.id \
               JOIN roles o ON o.id = r.role_id \
               JOIN role_permissions p ON p.role_id = r.role_id \
               WHERE u.is_active AND p.permission = '*' AND (NOT o.requires_second_factor \
               OR u.second_factor_at IS NOT NULL \
               OR EXISTS (SELECT 1 FROM passkeys k WHERE k.user_id = u.id))";
    check_some(tx, sql).await
}

async fn check_some(tx: &Tx, sql: &str) -> Result<()> {
    let found: Option<Found> = query_one(&**tx, sql, vec![]).await?;
    if found.is_some_and(|row| row.n > 0) { Ok(()) } else { Err(Error::LastAdministrator.into()) }
}

//! Roles: sets of permissions.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::ids::{RoleId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Note, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_roles).service(get_role).service(create_role).service(update_role);
}

/// What a role grants: `module.resource:action`, `module.*` or `*`.
pub(crate) type Grant = Text<1, 128>;

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Role {
    pub id: RoleId,
    /// Unique, whatever its case.
    #[schema(example = "warehouse")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Sorted: `module.resource:action`, `module.*` or `*`.
    #[schema(example = json!(["inventory.*", "orders.order:read"]))]
    pub permissions: Vec<String>,
    /// Whether it grants this only to whoever signed in with a second factor.
    pub requires_second_factor: bool,
    /// The warehouses it counts in; absent if it counts everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warehouse_ids: Option<Vec<WarehouseId>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Role {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A role to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    /// Unique, whatever its case.
    pub name: Text<1, 64>,
    pub description: Option<Note>,
    /// `module.resource:action` as listed under permissions, `module.*` or `*`.
    #[schema(max_items = 500)]
    pub permissions: Vec<Grant>,
    /// Whether it is to grant this only to whoever signed in with a second factor.
    #[serde(default)]
    pub requires_second_factor: bool,
    /// The warehouses it is to count in; everywhere without. It grants permissions of inventory
    /// alone then. Whether they exist is not looked after.
    #[schema(min_items = 1, max_items = 50)]
    pub warehouse_ids: Option<Vec<WarehouseId>>,
}

/// Changes to a role: what is absent stays, null empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolePatch {
    #[schema(nullable = false)]
    pub name: Option<Text<1, 64>>,
    #[serde(default, deserialize_with = "nullable")]
    pub description: Option<Option<Note>>,
    /// All the role is to grant.
    #[schema(nullable = false, max_items = 500)]
    pub permissions: Option<Vec<Grant>>,
    #[schema(nullable = false)]
    pub requires_second_factor: Option<bool>,
    /// The warehouses it is to count in; null for everywhere.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(min_items = 1, max_items = 50)]
    pub warehouse_ids: Option<Option<Vec<WarehouseId>>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRoles {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the role with this name, whatever its case.
    pub name: Option<Text<1, 64>>,
}

/// List roles
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Roles",
    params(ListRoles),
    responses((status = 200, body = Page<Role>)),
    extensions(("x-permission" = json!("auth.role:read")))
)]
#[get("/roles")]
async fn list_roles(service: Data<Service>, query: Query<ListRoles>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_roles(query.0).await?))
}

/// Get role
#[utoipa::path(
    tag = "Roles",
    params(("id" = RoleId, Path)),
    responses((status = 200, body = Role)),
    extensions(("x-permission" = json!("auth.role:read")))
)]
#[get("/roles/{id}")]
async fn get_role(service: Data<Service>, id: Path<RoleId>) -> Result<Reply> {
    Ok(Reply::ok(&service.role(*id).await?))
}

/// Create role
///
/// - Errors: 403 `cannot_grant` if it grants what the caller may not do; 409
///   `role_name_taken`; 422 `unknown_permission`, `not_of_warehouses`.
#[utoipa::path(
    tag = "Roles",
    request_body = NewRole,
    responses((status = 201, body = Role)),
    extensions(
        ("x-permission" = json!("auth.role:create")),
        ("x-needs" = json!(["step-up"])),
        ("x-errors" = json!([
            "cannot_grant", "role_name_taken", "unknown_permission", "too_many_permissions",
            "not_of_warehouses", "no_warehouses", "too_many_warehouses"
        ]))
    )
)]
#[post("/roles")]
async fn create_role(ctx: Ctx, service: Data<Service>, body: Json<NewRole>) -> Result<Reply> {
    service.create_role(&ctx, body.0).await
}

/// Update role
///
/// A JSON merge patch (RFC 7396). It shows in the next access token of whoever has the
/// role.
/// - Errors: 403 `cannot_grant` if it adds what the caller may not do, or demands a second factor
///   for it, or no longer; 409
///   `role_name_taken`, `last_administrator`; 422 `unknown_permission`.
#[utoipa::path(
    tag = "Roles",
    params(("id" = RoleId, Path)),
    request_body(content = RolePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Role)),
    extensions(
        ("x-permission" = json!("auth.role:update")),
        ("x-needs" = json!(["if-match", "step-up"])),
        ("x-errors" = json!([
            "cannot_grant", "duties_conflict", "role_name_taken", "last_administrator", "unknown_permission",
            "too_many_permissions", "not_of_warehouses", "no_warehouses", "too_many_warehouses"
        ]))
    )
)]
#[patch("/roles/{id}")]
async fn update_role(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<RoleId>,
    body: Json<RolePatch>,
) -> Result<Reply> {
    service.update_role(&ctx, *id, body.0).await
}

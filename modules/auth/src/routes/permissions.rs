//! Permissions: everything a role can grant, and who may what, and why.

use actix_web::web::Data;
use actix_web::{get, post};
use contracts::ids::{RoleId, UserId, WarehouseId};
use kernel::http::{Json, Path, Reply, Routes};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routes::roles::Grant;
use crate::routes::users::Status;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_permissions)
        .service(check_permission)
        .service(explain_permissions)
        .service(get_segregation);
}

/// Every permission there is.
#[derive(Debug, Serialize, ToSchema)]
struct PermissionList {
    /// Sorted. A role may also grant `module.*` or `*`.
    #[schema(example = json!(["orders.order:confirm"]))]
    permissions: Vec<String>,
}

/// Whether somebody may.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PermissionCheck {
    /// As `x-permission` of an operation has it.
    #[schema(value_type = String, example = "orders.order:confirm")]
    pub permission: Grant,
    /// Who; the caller if absent. Others need `auth.user:read`.
    pub user_id: Option<UserId>,
    /// Where; anywhere if absent.
    pub warehouse_id: Option<WarehouseId>,
}

/// Whether they may, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionVerdict {
    pub allowed: bool,
    pub reason: Reason,
    /// The reason in words.
    #[schema(example = "the role warehouse grants inventory.*")]
    pub explanation: String,
    /// The grants that allow it, or would.
    pub granted_by: Vec<GrantedBy>,
}

/// Why somebody may or may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// A role grants it.
    Granted,
    /// None does, or the scopes of the API key that asks leave it out.
    NotGranted,
    /// A role grants it, in other warehouses.
    OtherWarehouse,
    /// A role grants it in some warehouses only, and what it is for is not of a warehouse.
    NotOfAWarehouse,
    /// A role grants it to whoever gave a second factor, and they have none; or the caller gave
    /// none in this session.
    SecondFactorMissing,
    /// They cannot sign in.
    UserNotActive,
}

/// A role, and that of its grants which covers a permission.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct GrantedBy {
    pub role_id: RoleId,
    #[schema(example = "warehouse")]
    pub role: String,
    #[schema(example = "inventory.*")]
    pub grant: String,
    /// Whether only to whoever gave a second factor.
    pub requires_second_factor: bool,
    /// The warehouses it counts in; absent if it counts everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warehouse_ids: Option<Vec<WarehouseId>>,
}

/// Everything somebody may do, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EffectivePermissions {
    pub user_id: UserId,
    /// Only active users can do anything.
    pub status: Status,
    pub has_second_factor: bool,
    /// Sorted.
    pub permissions: Vec<EffectivePermission>,
}

/// A permission somebody has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EffectivePermission {
    #[schema(example = "inventory.product:read")]
    pub permission: String,
    pub granted_by: Vec<GrantedBy>,
}

/// Permissions that nobody may have both of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Duties {
    #[schema(example = "purchasing.purchase_order:create")]
    pub one: String,
    #[schema(example = "purchasing.purchase_order:approve")]
    pub other: String,
}

/// The segregation of duties, and who does not keep it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SegregationReport {
    /// As the setting `auth.segregation` has them.
    pub pairs: Vec<Duties>,
    /// Active users who have both of a pair: they had before the rule was made, or may do
    /// everything.
    pub held: Vec<DutiesHeld>,
}

/// Somebody who has both of a pair.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DutiesHeld {
    pub user_id: UserId,
    #[schema(example = "admin")]
    pub username: String,
    pub one: String,
    pub other: String,
    /// Whether they may do everything, and so are not held to it.
    pub is_administrator: bool,
}

/// List permissions
///
/// Every permission some operation asks for; `x-permission` of an operation names its own.
#[utoipa::path(
    tag = "Roles",
    responses((status = 200, body = PermissionList)),
    extensions(("x-permission" = json!("auth.role:read")))
)]
#[get("/permissions")]
async fn list_permissions(service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&PermissionList { permissions: service.permissions.clone() }))
}

/// Check permission
///
/// Whether somebody may do something, as their roles are now, and why. A front end asks it
/// before it shows a button; access tokens may be some minutes behind. Of the caller it says what
/// this session may, or this API key.
/// - Errors: 422 `unknown_permission`, `unknown_user`; 403 `permission_denied` for somebody
///   else without `auth.user:read`.
#[utoipa::path(
    tag = "Roles",
    request_body = PermissionCheck,
    responses((status = 200, body = PermissionVerdict)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!(["unknown_permission", "unknown_user"]))
    )
)]
#[post("/permissions:check")]
async fn check_permission(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<PermissionCheck>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.check_permission(&ctx, body.0).await?))
}

/// Explain permissions
///
/// Everything somebody may do, and which of their roles says so.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = EffectivePermissions)),
    extensions(("x-permission" = json!("auth.user:read")))
)]
#[get("/users/{id}/permissions")]
async fn explain_permissions(service: Data<Service>, id: Path<UserId>) -> Result<Reply> {
    Ok(Reply::plain(&service.explain_permissions(*id).await?))
}

/// Get segregation of duties
///
/// Which permissions nobody may have both of (setting `auth.segregation`), and who does. Giving
/// somebody a role by which they would is refused with 409 `duties_conflict`.
#[utoipa::path(
    tag = "Roles",
    responses((status = 200, body = SegregationReport)),
    extensions(("x-permission" = json!("auth.segregation:read")))
)]
#[get("/segregation")]
async fn get_segregation(service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&service.segregation().await?))
}

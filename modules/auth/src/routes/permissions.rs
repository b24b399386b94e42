//! Permissions: everything a role can grant.

use actix_web::get;
use actix_web::web::Data;
use kernel::Result;
use kernel::http::{Reply, Routes};
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_permissions);
}

/// Every permission there is.
#[derive(Debug, Serialize, ToSchema)]
struct PermissionList {
    /// Sorted. A role may also grant `module.*` or `*`.
    #[schema(example = json!(["orders.order:confirm"]))]
    permissions: Vec<String>,
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

//! The caller themselves.

use actix_web::web::Data;
use actix_web::{get, post};
use contracts::ids::{SessionId, UserId};
use kernel::config::Secret;
use kernel::http::{Json, Reply, Routes};
use kernel::{Ctx, Problem, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routes::passwords::NewPassword;
use crate::routes::users::RoleRef;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_me).service(change_password);
}

/// The caller, as they are now; their access token may be some minutes behind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    pub id: UserId,
    #[schema(example = "admin")]
    pub username: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub roles: Vec<RoleRef>,
    /// Everything the roles grant: `module.resource:action`, `module.*` or `*`.
    #[schema(example = json!(["*"]))]
    pub permissions: Vec<String>,
    /// The session of the access token.
    pub session_id: SessionId,
}

/// The old password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    #[schema(value_type = String, format = Password)]
    pub current_password: Secret,
    pub new_password: NewPassword,
}

/// Get me
#[utoipa::path(
    tag = "Me",
    responses((status = 200, body = Me)),
    extensions(("x-permission" = json!("self")))
)]
#[get("/me")]
async fn get_me(ctx: Ctx, service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&service.me(&ctx).await?))
}

/// Change password
///
/// Ends all other sessions of the caller.
/// - An `Idempotency-Key` has no effect: nothing derived from a password is stored but
///   its argon2id hash.
/// - Errors: 422 `wrong_password`, `password_is_username`; 429 `too_many_attempts`.
#[utoipa::path(
    tag = "Me",
    request_body = PasswordChange,
    responses(
        (status = 204),
        (status = 429, body = Problem, content_type = "application/problem+json",
            description = "Too many failed attempts; see Retry-After.")
    ),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!([
            "wrong_password", "password_is_username", "too_many_attempts", "sign_in_busy"
        ]))
    )
)]
#[post("/me/password")]
async fn change_password(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<PasswordChange>,
) -> Result<Reply> {
    service.change_password(&ctx, body.0).await
}

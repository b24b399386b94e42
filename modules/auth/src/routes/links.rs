//! Links by which somebody sets a password: of an invitation, or after the old one was
//! forgotten. Whoever makes one is told its token, once, and hands it on.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use chrono::{DateTime, Utc};
use contracts::ids::{RoleId, UserId};
use kernel::config::Secret;
use kernel::http::{Json, Path, Reply, Routes};
use kernel::text::{Email, Name, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routes::passwords::NewPassword;
use crate::routes::tokens::no_store;
use crate::routes::usernames::Username;
use crate::routes::users::User;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(invite_user)
        .service(create_link)
        .service(use_link)
        .service(request_password_reset);
}

/// Somebody to be invited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invitation {
    /// What they will sign in with; unique, whatever its case, and without characters that cannot
    /// be seen. It cannot be changed.
    pub username: Username,
    pub name: Name,
    pub email: Option<Email>,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub role_ids: Vec<RoleId>,
}

/// A link, which nobody is shown again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Link {
    /// Put it into the address of the page on which they choose a password; that page gives it
    /// to `POST /links/use`.
    pub token: String,
    pub expires_at: DateTime<Utc>,
}

/// Who was invited, and the link for them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invited {
    pub user: User,
    pub link: Link,
}

/// A link, and the password that somebody chose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UseLink {
    #[schema(value_type = String)]
    pub token: Secret,
    pub new_password: NewPassword,
}

/// Whose password is forgotten.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordResetRequest {
    pub username: Text<1, 64>,
}

/// Invite user
///
/// Adds somebody who chooses their own password with the link in the answer, once and within
/// `auth.invitation_ttl_s`. A new one can be made (`POST /users/{id}/link`).
/// - An `Idempotency-Key` has no effect: a link is not stored to be given out again.
/// - Errors: 409 `username_taken`; 422 `unknown_role`; 403 `cannot_grant` if a role grants what
///   the caller may not do.
/// - Emits `auth.user.invited`, without the link.
#[utoipa::path(
    tag = "Users",
    request_body = Invitation,
    responses((status = 201, body = Invited)),
    extensions(
        ("x-permission" = json!("auth.user:create")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!([
            "username_taken", "unknown_role", "too_many_roles", "cannot_grant", "duties_conflict"
        ]))
    )
)]
#[post("/users/invite")]
async fn invite_user(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<Invitation>,
) -> Result<HttpResponse> {
    Ok(no_store(&request, service.invite_user(&ctx, body.0).await?))
}

/// Create link
///
/// A link by which somebody who was invited, or has forgotten their password, chooses one. It
/// works once, and links made before it no longer.
/// - An `Idempotency-Key` has no effect: a link is not stored to be given out again.
/// - Errors: 403 `cannot_grant` if they may do what the caller may not, who could become them;
///   409 `no_link_for_user` if they are locked or disabled.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = Link)),
    extensions(
        ("x-permission" = json!("auth.user:create_link")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!(["cannot_grant", "no_link_for_user"]))
    )
)]
#[post("/users/{id}/link")]
async fn create_link(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    id: Path<UserId>,
) -> Result<HttpResponse> {
    Ok(no_store(&request, Reply::plain(&service.create_link(&ctx, *id).await?)))
}

/// Use link
///
/// Sets the password of whoever the link was made for. Their sessions end; who was invited can
/// sign in from now on. A second factor stays what it is.
/// - An `Idempotency-Key` has no effect: nothing derived from a password is stored but its
///   argon2id hash.
/// - Errors: 422 `invalid_link`, `password_is_username`, `common_password`,
///   `password_unchanged`.
#[utoipa::path(
    tag = "Tokens",
    request_body = UseLink,
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!([
            "invalid_link", "password_is_username", "common_password", "password_too_short",
            "password_unchanged", "sign_in_busy"
        ]))
    )
)]
#[post("/links/use")]
async fn use_link(ctx: Ctx, service: Data<Service>, body: Json<UseLink>) -> Result<Reply> {
    service.use_link(&ctx, body.0).await
}

/// Request password reset
///
/// Says that somebody has forgotten their password. The answer is the same, after the same
/// time, whether there is somebody of that name or not. Administrators find who asked
/// (`GET /users?reset_requested=true`, or the event) and make them a link: nothing here sends
/// mail.
/// - Emits `auth.user.password_reset_requested`, at most once in 15 minutes.
#[utoipa::path(
    tag = "Tokens",
    request_body = PasswordResetRequest,
    responses((status = 202)),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"]))
    )
)]
#[post("/password-resets")]
async fn request_password_reset(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<PasswordResetRequest>,
) -> HttpResponse {
    service.into_inner().request_reset(&ctx, body.0.username);
    HttpResponse::Accepted().finish()
}

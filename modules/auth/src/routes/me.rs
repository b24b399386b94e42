//! The caller themselves.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, patch, post};
use chrono::{DateTime, Utc};
use contracts::ids::{SessionId, UserId};
use kernel::config::Secret;
use kernel::http::{Json, Reply, Routes, Versioned, nullable};
use kernel::text::{Email, Name};
use kernel::{Ctx, Problem, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routes::passwords::NewPassword;
use crate::routes::tokens::{SteppedUp, answer_step_up, csrf_hash_of};
use crate::routes::users::{RoleRef, User};
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_me).service(update_me).service(change_password).service(step_up);
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
    /// Everything the roles grant: `module.resource:action`, `module.*` or `*`; to an API key what
    /// its scopes leave of that.
    #[schema(example = json!(["*"]))]
    pub permissions: Vec<String>,
    /// Whether some role grants nothing until a second factor has been given.
    pub needs_second_factor: bool,
    /// Since when signing in takes a code as well; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor_at: Option<DateTime<Utc>>,
    /// The session of the access token.
    pub session_id: SessionId,
    pub version: i64,
}

impl Versioned for Me {
    fn version(&self) -> i64 {
        self.version
    }
}

/// What everybody may change of themselves: what is absent stays, null empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MePatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    #[serde(default, deserialize_with = "nullable")]
    pub email: Option<Option<Email>>,
}

/// The proof of who somebody is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    #[schema(value_type = String, format = Password)]
    pub password: Secret,
    /// Of whoever has a second factor: a code of it, or a recovery code.
    #[schema(value_type = Option<String>, format = Password)]
    pub code: Option<Secret>,
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
    Ok(Reply::ok(&service.me(&ctx).await?))
}

/// Update me
///
/// A JSON merge patch (RFC 7396) of one's own name and address.
#[utoipa::path(
    tag = "Me",
    request_body(content = MePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = User)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["session_required"]))
    )
)]
#[patch("/me")]
async fn update_me(ctx: Ctx, service: Data<Service>, body: Json<MePatch>) -> Result<Reply> {
    service.update_me(&ctx, body.0).await
}

/// Step up
///
/// Proves anew who the caller is, for operations with `x-step-up` (granting roles, making links
/// and API keys): they need that within the last five minutes (RFC 9470). Answers with an access
/// token of the same session that shows it; where tokens are in cookies it goes there instead.
/// - Errors: 422 `wrong_password`; 401 `second_factor_required`, `invalid_code`; 403
///   `session_required` for an API key; 429 `too_many_attempts`.
#[utoipa::path(
    tag = "Me",
    request_body = StepUp,
    responses(
        (status = 200, body = SteppedUp),
        (status = 429, body = Problem, content_type = "application/problem+json",
            description = "Too many failed attempts; see Retry-After.")
    ),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!([
            "wrong_password", "second_factor_required", "invalid_code", "session_required",
            "too_many_attempts", "sign_in_busy"
        ]))
    )
)]
#[post("/me/step-up")]
async fn step_up(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<StepUp>,
) -> Result<HttpResponse> {
    let token = service.step_up(&ctx, &body.0, csrf_hash_of(&request)).await?;
    answer_step_up(&request, &token)
}

/// Change password
///
/// Ends all other sessions of the caller, and links to a new password; their API keys stay.
/// - An `Idempotency-Key` has no effect: nothing derived from a password is stored but
///   its argon2id hash.
/// - Errors: 422 `wrong_password`, `password_is_username`, `common_password`,
///   `password_unchanged`; 403 `session_required` for an API key; 429 `too_many_attempts`.
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
            "wrong_password", "password_is_username", "common_password", "password_too_short",
            "password_unchanged", "session_required", "too_many_attempts", "sign_in_busy"
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

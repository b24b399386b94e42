//! The second factor: codes by the clock (TOTP, RFC 6238), and codes for when the device that
//! makes them is lost.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use contracts::ids::UserId;
use kernel::config::Secret;
use kernel::http::{Json, Path, Reply, Routes};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routes::tokens::no_store;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(begin_totp)
        .service(confirm_totp)
        .service(remove_totp)
        .service(create_recovery_codes)
        .service(reset_second_factor);
}

/// What an authenticator needs; nobody is shown it again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TotpSetup {
    /// Base32, to be typed.
    pub secret: String,
    /// The same as `otpauth://`, to be shown as a QR code.
    pub uri: String,
}

/// A code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    #[schema(value_type = String, format = Password, example = "492039")]
    pub code: Secret,
}

/// Codes for when the device is lost, each good once; nobody is shown them again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    pub recovery_codes: Vec<String>,
}

/// Begin TOTP
///
/// Makes a secret for the caller's authenticator (six digits, 30 seconds, SHA-1, which all of
/// them know). It counts once a code of it has been confirmed; a new one takes the place of one
/// that never was.
/// - An `Idempotency-Key` has no effect: a secret is not stored to be given out again.
/// - Errors: 409 `second_factor_exists`; 403 `session_required` for an API key.
#[utoipa::path(
    tag = "Me",
    responses((status = 200, body = TotpSetup)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!(["second_factor_exists", "session_required"]))
    )
)]
#[post("/me/totp")]
async fn begin_totp(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(no_store(&request, Reply::plain(&service.begin_totp(&ctx).await?)))
}

/// Confirm TOTP
///
/// From now on signing in takes a code as well. Answers with ten recovery codes.
/// - Errors: 401 `invalid_code`; 409 `no_second_factor`, `second_factor_exists`.
#[utoipa::path(
    tag = "Me",
    request_body = Code,
    responses((status = 200, body = RecoveryCodes)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!([
            "invalid_code", "no_second_factor", "second_factor_exists", "session_required",
            "too_many_attempts"
        ]))
    )
)]
#[post("/me/totp/confirm")]
async fn confirm_totp(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<Code>,
) -> Result<HttpResponse> {
    Ok(no_store(&request, Reply::plain(&service.confirm_totp(&ctx, &body.0.code).await?)))
}

/// Remove TOTP
///
/// Signing in takes a password alone again. Roles that need a second factor grant nothing then,
/// in any session of the caller; nor to keys of theirs, if they have no passkey either.
/// - Errors: 409 `no_second_factor`.
#[utoipa::path(
    tag = "Me",
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["step-up"])),
        ("x-errors" = json!(["no_second_factor", "session_required"]))
    )
)]
#[post("/me/totp/remove")]
async fn remove_totp(ctx: Ctx, service: Data<Service>) -> Result<Reply> {
    service.remove_totp(&ctx).await
}

/// Create recovery codes
///
/// Ten new ones; those before are worth nothing any more.
/// - Errors: 409 `no_second_factor`.
#[utoipa::path(
    tag = "Me",
    responses((status = 200, body = RecoveryCodes)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!(["no_second_factor", "session_required"]))
    )
)]
#[post("/me/recovery-codes")]
async fn create_recovery_codes(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(no_store(&request, Reply::plain(&service.create_recovery_codes(&ctx).await?)))
}

/// Reset second factor
///
/// For somebody who has lost device and recovery codes: they sign in with the password alone
/// and set up a new one. Their sessions end.
/// - Errors: 403 `cannot_grant` if they may do what the caller may not, who could become them;
///   409 `no_second_factor`.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("auth.user:reset_second_factor")),
        ("x-needs" = json!(["step-up"])),
        ("x-errors" = json!(["cannot_grant", "no_second_factor"]))
    )
)]
#[post("/users/{id}/second-factor/reset")]
async fn reset_second_factor(ctx: Ctx, service: Data<Service>, id: Path<UserId>) -> Result<Reply> {
    service.reset_second_factor(&ctx, *id).await
}

//! Passkeys: signing in with a key on a device, which needs no password.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use chrono::{DateTime, Utc};
use contracts::ids::PasskeyId;
use kernel::config::Secret;
use kernel::http::{Json, Path, Reply, Routes, Versioned};
use kernel::text::Name;
use kernel::{Ctx, Problem, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::routes::tokens::{SignedIn, SteppedUp, answer, answer_step_up, csrf_hash_of, no_store};
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_my_passkeys)
        .service(start_passkey)
        .service(create_passkey)
        .service(update_my_passkey)
        .service(delete_my_passkey)
        .service(start_passkey_sign_in)
        .service(finish_passkey_sign_in)
        .service(step_up_with_passkey);
}

/// A key on a device of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Passkey {
    pub id: PasskeyId,
    #[schema(example = "phone")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub version: i64,
}

impl Versioned for Passkey {
    fn version(&self) -> i64 {
        self.version
    }
}

/// What can be changed: what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyPatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
}

/// The caller's, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Passkeys {
    pub data: Vec<Passkey>,
}

/// A challenge for a device, good for five minutes and once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ceremony {
    /// Send it back with what the device answers.
    #[schema(example = "kX3vQz1bT0mHcI2pBv5lXH1rYb0m4Jq0nDk3sYw8uE6")]
    pub ceremony: String,
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON`, or `parseRequestOptionsFromJSON`.
    #[schema(value_type = Object)]
    pub options: Value,
}

/// What a device made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// What the caller calls it.
    #[schema(example = "phone")]
    pub name: Name,
    /// From `POST /me/passkeys/start`.
    #[schema(value_type = String, format = Password)]
    pub ceremony: Secret,
    /// The credential's `toJSON()`.
    #[schema(value_type = Object)]
    pub credential: Value,
}

/// What a device answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeySignIn {
    /// From `POST /passkeys/start`.
    #[schema(value_type = String, format = Password)]
    pub ceremony: Secret,
    /// The credential's `toJSON()`.
    #[schema(value_type = Object)]
    pub credential: Value,
    /// Whether the tokens are to go into cookies, which no script of a page can read.
    #[serde(default)]
    pub cookie: bool,
}

/// What a device answered for somebody who is signed in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyProof {
    /// From `POST /passkeys/start`.
    #[schema(value_type = String, format = Password)]
    pub ceremony: Secret,
    /// The credential's `toJSON()`.
    #[schema(value_type = Object)]
    pub credential: Value,
}

/// List my passkeys
#[utoipa::path(
    tag = "Me",
    responses((status = 200, body = Passkeys)),
    extensions(("x-permission" = json!("self")), ("x-errors" = json!(["session_required"])))
)]
#[get("/me/passkeys")]
async fn list_my_passkeys(ctx: Ctx, service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&service.my_passkeys(&ctx).await?))
}

/// Start passkey
///
/// A challenge with which a device of the caller makes a key that tells itself whose it is. It is
/// good for five minutes.
/// - Errors: 409 `passkeys_off` if the settings name no host, `too_many_passkeys`.
#[utoipa::path(
    tag = "Me",
    responses((status = 200, body = Ceremony)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!(["session_required", "passkeys_off", "too_many_passkeys"]))
    )
)]
#[post("/me/passkeys/start")]
async fn start_passkey(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(no_store(&request, Reply::plain(&service.start_passkey(&ctx).await?)))
}

/// Create passkey
///
/// From now on the caller can sign in with the key alone: it is something they have, and the
/// device looks that it is they who use it, so it counts as two factors.
/// - Errors: 409 `passkeys_off`, `passkey_taken`; 422 `invalid_passkey`.
#[utoipa::path(
    tag = "Me",
    request_body = NewPasskey,
    responses((status = 201, body = Passkey)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!([
            "session_required", "passkeys_off", "invalid_passkey", "passkey_taken"
        ]))
    )
)]
#[post("/me/passkeys")]
async fn create_passkey(ctx: Ctx, service: Data<Service>, body: Json<NewPasskey>) -> Result<Reply> {
    service.create_passkey(&ctx, body.0).await
}

/// Update my passkey
///
/// A JSON merge patch (RFC 7396) of what the caller calls it.
#[utoipa::path(
    tag = "Me",
    params(("id" = PasskeyId, Path)),
    request_body(content = PasskeyPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Passkey)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["session_required"]))
    )
)]
#[patch("/me/passkeys/{id}")]
async fn update_my_passkey(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PasskeyId>,
    body: Json<PasskeyPatch>,
) -> Result<Reply> {
    service.update_passkey(&ctx, *id, body.0).await
}

/// Delete my passkey
///
/// Nobody signs in with it any more. Sessions that began with it go on.
#[utoipa::path(
    tag = "Me",
    params(("id" = PasskeyId, Path)),
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["step-up"])),
        ("x-errors" = json!(["session_required"]))
    )
)]
#[delete("/me/passkeys/{id}")]
async fn delete_my_passkey(ctx: Ctx, service: Data<Service>, id: Path<PasskeyId>) -> Result<Reply> {
    service.delete_passkey(&ctx, *id).await
}

/// Start passkey sign-in
///
/// A challenge for whoever has a key: nobody is asked for a name, and so none can be tried.
/// - Errors: 409 `passkeys_off`.
#[utoipa::path(
    tag = "Tokens",
    responses((status = 200, body = Ceremony)),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!(["passkeys_off"]))
    )
)]
#[post("/passkeys/start")]
async fn start_passkey_sign_in(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    Ok(no_store(&request, Reply::plain(&service.start_passkey_sign_in(&ctx).await?)))
}

/// Finish passkey sign-in
///
/// Begins a session, as `POST /token` does.
/// - An `Idempotency-Key` has no effect: tokens are not stored to be given out again.
/// - Errors: 401 `invalid_passkey`, whatever is wrong with it; 409 `passkeys_off`.
#[utoipa::path(
    tag = "Tokens",
    request_body = PasskeySignIn,
    responses(
        (status = 200, body = SignedIn),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "The answer is not one of a key that is known.")
    ),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!(["invalid_passkey", "passkeys_off"]))
    )
)]
#[post("/passkeys/finish")]
async fn finish_passkey_sign_in(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<PasskeySignIn>,
) -> Result<HttpResponse> {
    let PasskeySignIn { ceremony, credential, cookie } = body.0;
    let proof = PasskeyProof { ceremony, credential };
    let tokens = service.finish_passkey_sign_in(&ctx, &proof, cookie).await?;
    answer(&request, &service, tokens)
}

/// Step up with passkey
///
/// Proves anew who the caller is, as `POST /me/step-up` does with the password. It counts as a
/// second factor from then on: roles that need one grant something in this session as well.
/// - An `Idempotency-Key` has no effect: tokens are not stored to be given out again.
/// - Errors: 401 `invalid_passkey`; 409 `passkeys_off`.
#[utoipa::path(
    tag = "Me",
    request_body = PasskeyProof,
    responses((status = 200, body = SteppedUp)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!(["session_required", "invalid_passkey", "passkeys_off"]))
    )
)]
#[post("/me/step-up/passkey")]
async fn step_up_with_passkey(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<PasskeyProof>,
) -> Result<HttpResponse> {
    let token = service.step_up_with_passkey(&ctx, &body.0, csrf_hash_of(&request)).await?;
    answer_step_up(&request, &token)
}

//! The keys that access tokens are signed with.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use kernel::http::{Path, Reply, Routes};
use kernel::token::PublicKey;
use kernel::{Ctx, Result};
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(get_jwks)
        .service(list_signing_keys)
        .service(rotate_signing_key)
        .service(withdraw_signing_key);
}

/// A JWK set (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
struct KeySet {
    /// Those that verify, the newest first, which is the one that signs.
    keys: Vec<PublicKey>,
}

/// A key, without its secret half.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SigningKey {
    /// As in the head of a token.
    pub kid: String,
    pub created_at: DateTime<Utc>,
    /// When the last token of it has expired; absent of the one that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good_until: Option<DateTime<Utc>>,
}

/// All that verify, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SigningKeys {
    pub data: Vec<SigningKey>,
}

/// Get public keys
///
/// What verifies access tokens, as a JWK set (RFC 7517); also at `/.well-known/jwks.json`.
/// Whoever meets a key id that is not among those it knows asks again.
#[utoipa::path(
    tag = "Tokens",
    responses((status = 200, body = KeySet)),
    extensions(("x-permission" = json!("none")))
)]
#[get("/jwks")]
async fn get_jwks(service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&KeySet { keys: service.public_keys().await? }))
}

/// List signing keys
#[utoipa::path(
    tag = "Tokens",
    responses((status = 200, body = SigningKeys)),
    extensions(("x-permission" = json!("auth.signing_key:read")))
)]
#[get("/signing-keys")]
async fn list_signing_keys(service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_signing_keys().await?))
}

/// Rotate signing key
///
/// Signs with a new key from now on, in every replica, without a restart. Tokens of the old
/// one are good until they expire. It happens by itself every `auth.signing_key_days`.
#[utoipa::path(
    tag = "Tokens",
    responses((status = 200, body = SigningKey)),
    extensions(
        ("x-permission" = json!("auth.signing_key:rotate")),
        ("x-needs" = json!(["step-up"]))
    )
)]
#[post("/signing-keys/rotate")]
async fn rotate_signing_key(ctx: Ctx, service: Data<Service>) -> Result<Reply> {
    service.rotate_signing_key(&ctx).await
}

/// Withdraw signing key
///
/// For when somebody else may have it. Nothing it has signed is good any more: here at once, in
/// every other process within five seconds. If it is the one that signs, a new one does so from now
/// on. Nobody has to sign in anew: refresh tokens are not signed, and give the next access token.
/// Where all processes share `jwt.secret_key`, that is what has to be replaced.
#[utoipa::path(
    tag = "Tokens",
    params(("kid" = String, Path)),
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("auth.signing_key:withdraw")),
        ("x-needs" = json!(["step-up"]))
    )
)]
#[post("/signing-keys/{kid}/withdraw")]
async fn withdraw_signing_key(
    ctx: Ctx,
    service: Data<Service>,
    kid: Path<String>,
) -> Result<Reply> {
    service.withdraw_signing_key(&ctx, &kid).await
}

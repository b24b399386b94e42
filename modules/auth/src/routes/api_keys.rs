//! API keys: what machines prove with who they are.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{ApiKeyId, UserId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::Name;
use kernel::{Ctx, Result};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::routes::roles::Grant;
use crate::routes::tokens::no_store;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_api_keys)
        .service(get_api_key)
        .service(create_api_key)
        .service(rotate_api_key)
        .service(revoke_api_key);
}

/// An API key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKey {
    pub id: ApiKeyId,
    /// Its owner, for whom it acts.
    pub user_id: UserId,
    #[schema(example = "web shop")]
    pub name: String,
    /// How its texts begin, the newest first; two while a new one takes the place of the old.
    #[schema(example = json!(["erp_kX3vQz1b"]))]
    pub prefixes: Vec<String>,
    /// `module.resource:action`, `module.*` or `*`: of what its owner may do, this much.
    #[schema(example = json!(["orders.*", "inventory.product:read"]))]
    pub scopes: Vec<String>,
    /// Requests a second it may make.
    #[schema(example = 50)]
    pub per_s: u32,
    pub expires_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// To the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for ApiKey {
    fn version(&self) -> i64 {
        self.version
    }
}

/// An API key with the key itself, which nobody is shown again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewApiKey {
    /// For the `Authorization` header, as `Bearer`, or as `client_secret` for
    /// `POST /oauth/token`.
    #[schema(example = "erp_kX3vQz1b..")]
    pub key: String,
    pub api_key: ApiKey,
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyRequest {
    /// What uses it.
    pub name: Name,
    /// Its owner; the caller if absent. For somebody else it takes all that they may do, and
    /// `auth.user:create_link`.
    pub user_id: Option<UserId>,
    /// `module.resource:action`, `module.*` or `*`; nothing its owner or the caller may not do.
    /// What its owner may in some warehouses, the key may in those.
    #[schema(max_items = 500)]
    pub scopes: Vec<Grant>,
    /// At most a year from now.
    pub expires_at: DateTime<Utc>,
    /// Requests a second it may make, 1 to 10 000; 50 if absent.
    #[serde(default = "usual_per_s", deserialize_with = "per_s")]
    #[schema(minimum = 1, maximum = 10000, default = 50)]
    pub per_s: u32,
}

fn usual_per_s() -> u32 {
    50
}

fn per_s<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        n @ 1..=10_000 => Ok(n),
        n => Err(serde::de::Error::custom(format!("must be 1 to 10000, is {n}"))),
    }
}

/// How long the old text of a key works beside the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// Seconds, at most seven days; a day if absent.
    #[serde(default = "usual_overlap_s", deserialize_with = "overlap_s")]
    #[schema(minimum = 0, maximum = 604800, default = 86400)]
    pub overlap_s: u32,
}

fn usual_overlap_s() -> u32 {
    24 * 3600
}

fn overlap_s<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        n @ 0..=604_800 => Ok(n),
        n => Err(serde::de::Error::custom(format!("must be 0 to 604800, is {n}"))),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListApiKeys {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only those of this owner.
    pub user_id: Option<UserId>,
}

/// List API keys
///
/// Newest first unless `sort` says otherwise; those that are revoked or have expired as well.
#[utoipa::path(
    tag = "API keys",
    params(ListApiKeys),
    responses((status = 200, body = Page<ApiKey>)),
    extensions(("x-permission" = json!("auth.api_key:read")))
)]
#[get("/api-keys")]
async fn list_api_keys(service: Data<Service>, query: Query<ListApiKeys>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_api_keys(query.0).await?))
}

/// Get API key
#[utoipa::path(
    tag = "API keys",
    params(("id" = ApiKeyId, Path)),
    responses((status = 200, body = ApiKey)),
    extensions(("x-permission" = json!("auth.api_key:read")))
)]
#[get("/api-keys/{id}")]
async fn get_api_key(service: Data<Service>, id: Path<ApiKeyId>) -> Result<Reply> {
    Ok(Reply::ok(&service.api_key(*id).await?))
}

/// Create API key
///
/// A key acts for its owner, with as much of what they may do (at that time) as its scopes say.
/// The answer is the only one that holds it.
/// - An `Idempotency-Key` has no effect: a key is not stored to be given out again.
/// - Errors: 403 `cannot_grant` if the caller may not do what a scope says, or its owner may;
///   422 `scope_exceeds_owner`, `unknown_permission`, `unknown_user`, `invalid_expiry`.
#[utoipa::path(
    tag = "API keys",
    request_body = ApiKeyRequest,
    responses((status = 201, body = NewApiKey)),
    extensions(
        ("x-permission" = json!("auth.api_key:create")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!([
            "cannot_grant", "scope_exceeds_owner", "unknown_permission", "unknown_user",
            "invalid_expiry", "too_many_scopes"
        ]))
    )
)]
#[post("/api-keys")]
async fn create_api_key(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<ApiKeyRequest>,
) -> Result<HttpResponse> {
    Ok(no_store(&request, service.create_api_key(&ctx, body.0).await?))
}

/// Rotate API key
///
/// Gives the key a new text; the old one works on for `overlap_s`, so that nothing stands still
/// while it is put in place. Tokens the old one was exchanged for end with it, within seconds.
/// Scopes, expiry and limit stay.
/// - An `Idempotency-Key` has no effect: a key is not stored to be given out again.
/// - Of somebody else it takes what making one for them does.
/// - Errors: 403 `cannot_grant` if the caller may not do what a scope says, or its owner may;
///   409 `api_key_revoked`.
#[utoipa::path(
    tag = "API keys",
    params(("id" = ApiKeyId, Path)),
    request_body = Rotation,
    responses((status = 200, body = NewApiKey)),
    extensions(
        ("x-permission" = json!("auth.api_key:rotate")),
        ("x-needs" = json!(["if-match", "no-idempotency-key", "step-up"])),
        ("x-errors" = json!(["cannot_grant", "api_key_revoked"]))
    )
)]
#[post("/api-keys/{id}/rotate")]
async fn rotate_api_key(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    id: Path<ApiKeyId>,
    body: Json<Rotation>,
) -> Result<HttpResponse> {
    let rotated = service.rotate_api_key(&ctx, *id, body.0.overlap_s).await?;
    Ok(no_store(&request, Reply::plain(&rotated)))
}

/// Revoke API key
///
/// It works nowhere within seconds, and tokens it was exchanged for neither.
/// - Errors: 409 `api_key_revoked`.
#[utoipa::path(
    tag = "API keys",
    params(("id" = ApiKeyId, Path)),
    responses((status = 200, body = ApiKey)),
    extensions(
        ("x-permission" = json!("auth.api_key:revoke")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["api_key_revoked"]))
    )
)]
#[post("/api-keys/{id}/revoke")]
async fn revoke_api_key(ctx: Ctx, service: Data<Service>, id: Path<ApiKeyId>) -> Result<Reply> {
    service.revoke_api_key(&ctx, *id).await
}

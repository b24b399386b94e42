//! Signing in with an OpenID Connect provider, and who somebody is there.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, Utc};
use contracts::ids::IdentityId;
use kernel::config::Secret;
use kernel::http::{Json, Path, Reply, Routes};
use kernel::text::Text;
use kernel::{Ctx, Problem, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routes::tokens::{SignedIn, answer, no_store};
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(start_oidc_sign_in)
        .service(finish_oidc_sign_in)
        .service(list_my_identities)
        .service(link_my_identity)
        .service(unlink_my_identity);
}

/// The way to the provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OidcStart {
    /// Where the browser goes; the provider sends it back to `auth.oidc.redirect_url`.
    #[schema(example = "https://login.example/authorize?response_type=code&client_id=..")]
    pub authorization_url: String,
    /// Keep it in the browser until then: without it the answer is of no use.
    #[schema(example = "kX3vQz1bT0mHcI2pBv5lXH1rYb0m4Jq0nDk3sYw8uE6")]
    pub flow: String,
}

/// What the provider sent back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcFinish {
    /// Of the page's address.
    #[schema(value_type = String, format = Password, max_length = 4096)]
    pub code: Secret,
    /// Of the page's address.
    pub state: Text<1, 256>,
    /// From `POST /oidc/start`.
    #[schema(value_type = String, format = Password)]
    pub flow: Secret,
    /// Whether the tokens are to go into cookies, which no script of a page can read.
    #[serde(default)]
    pub cookie: bool,
}

/// What the provider sent back to somebody who is signed in here.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewIdentity {
    /// Of the page's address.
    #[schema(value_type = String, format = Password, max_length = 4096)]
    pub code: Secret,
    /// Of the page's address.
    pub state: Text<1, 256>,
    /// From `POST /oidc/start`.
    #[schema(value_type = String, format = Password)]
    pub flow: Secret,
}

/// Who somebody is to the provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Identity {
    pub id: IdentityId,
    #[schema(example = "https://login.example")]
    pub issuer: String,
    /// The provider's own name for them.
    pub subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it was last signed in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// The caller's, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Identities {
    pub data: Vec<Identity>,
}

/// Start OpenID Connect sign-in
///
/// Says where the browser is to go (authorization code flow with PKCE). Nothing is stored.
/// - Errors: 409 `no_oidc_provider` if none is set up; 503 `oidc_unavailable`.
#[utoipa::path(
    tag = "Tokens",
    responses((status = 200, body = OidcStart)),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!(["no_oidc_provider", "oidc_unavailable"]))
    )
)]
#[post("/oidc/start")]
async fn start_oidc_sign_in(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse> {
    Ok(no_store(&request, Reply::plain(&service.start_oidc().await?)))
}

/// Finish OpenID Connect sign-in
///
/// Exchanges what the provider sent back for tokens, as `POST /token` gives them. Whom the
/// provider names is found by an identity they have linked, else, where the settings say so, by
/// their verified e-mail address, else made.
/// - An `Idempotency-Key` has no effect: tokens are not stored to be given out again.
/// - Errors: 401 `oidc_refused`, whatever is wrong with it; 403 `no_account` if nobody here is
///   who the provider names; 409 `no_oidc_provider`, `duties_conflict`; 503 `oidc_unavailable`.
#[utoipa::path(
    tag = "Tokens",
    request_body = OidcFinish,
    responses(
        (status = 200, body = SignedIn),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "The code, the state or the token is not right."),
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "Nobody here is who the provider names.")
    ),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!([
            "oidc_refused", "no_account", "no_oidc_provider", "duties_conflict",
            "last_administrator", "username_taken", "oidc_unavailable"
        ]))
    )
)]
#[post("/oidc/finish")]
async fn finish_oidc_sign_in(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<OidcFinish>,
) -> Result<HttpResponse> {
    let OidcFinish { code, state, flow, cookie } = body.0;
    let tokens = service.finish_oidc(&ctx, &NewIdentity { code, state, flow }, cookie).await?;
    answer(&request, &service, tokens)
}

/// List my identities
///
/// Who the caller is to the OpenID Connect provider.
#[utoipa::path(
    tag = "Me",
    responses((status = 200, body = Identities)),
    extensions(("x-permission" = json!("self")), ("x-errors" = json!(["session_required"])))
)]
#[get("/me/identities")]
async fn list_my_identities(ctx: Ctx, service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&service.my_identities(&ctx).await?))
}

/// Link my identity
///
/// From now on the caller can sign in as whom the provider names.
/// - Errors: 401 `oidc_refused`; 409 `identity_taken` if that is somebody else, or linked
///   already; 409 `no_oidc_provider`; 503 `oidc_unavailable`.
#[utoipa::path(
    tag = "Me",
    request_body = NewIdentity,
    responses((status = 201, body = Identity)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!([
            "session_required", "oidc_refused", "identity_taken", "no_oidc_provider",
            "oidc_unavailable"
        ]))
    )
)]
#[post("/me/identities")]
async fn link_my_identity(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewIdentity>,
) -> Result<Reply> {
    service.link_identity(&ctx, &body.0).await
}

/// Unlink my identity
#[utoipa::path(
    tag = "Me",
    params(("id" = IdentityId, Path)),
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["step-up"])),
        ("x-errors" = json!(["session_required"]))
    )
)]
#[delete("/me/identities/{id}")]
async fn unlink_my_identity(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<IdentityId>,
) -> Result<Reply> {
    service.unlink_identity(&ctx, *id).await
}

//! OAuth 2.0 for machines: tokens for client credentials (RFC 6749), and what becomes of tokens
//! (RFC 7662, RFC 7009). Errors have the shape those say.

use std::collections::BTreeMap;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse, post};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kernel::config::Secret;
use kernel::http::{Routes, content_type, read_body};
use kernel::{Ctx, Error, Result};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(issue_oauth_token).service(introspect_token).service(revoke_oauth_token);
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OAuthError {
    #[schema(value_type = String, example = "invalid_client")]
    pub error: &'static str,
    pub error_description: String,
    #[serde(skip)]
    pub status: u16,
}

impl OAuthError {
    pub(crate) fn new(status: u16, error: &'static str, description: &str) -> Self {
        OAuthError { error, error_description: description.to_owned(), status }
    }

    fn response(&self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"));
        if self.status == 401 {
            response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"erp\""));
        }
        response.json(self)
    }
}

/// A token for a machine.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientToken {
    pub access_token: String,
    #[schema(value_type = String, example = "Bearer")]
    pub token_type: &'static str,
    #[schema(example = 900)]
    pub expires_in: i64,
    /// What it grants, with blanks in between.
    #[schema(example = "orders.* inventory.product:read")]
    pub scope: String,
}

/// Who asks for a token, and for what; as a form. Both may also come as `Basic`.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it documents the form")]
struct ClientCredentialsForm {
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// The id of an API key.
    #[schema(example = "0193a1b2-0000-7000-8000-000000000000")]
    client_id: Option<Uuid>,
    /// The key itself.
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<Secret>,
    /// Of what the key may do, only this, with blanks in between.
    scope: Option<String>,
}

/// A token, as a form.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it documents the form")]
struct TokenForm {
    /// An access token, a refresh token or an API key.
    #[schema(value_type = String)]
    token: Secret,
    /// Ignored: tokens are told apart by how they look.
    token_type_hint: Option<String>,
}

/// What a token is worth now (RFC 7662).
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Introspection {
    /// Whether it is worth anything; all else is absent if not.
    pub active: bool,
    /// `access_token`, `refresh_token` or `api_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "access_token")]
    pub token_type: Option<&'static str>,
    /// The user it acts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its session or API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// When it expires; of an API key this text of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
}

/// Issue OAuth token
///
/// The client credentials grant of RFC 6749: an access token for an API key, whose id is the
/// client's id and which is itself the secret, as `Basic` or in the form. There is no refresh
/// token: whoever has the key asks again. A key also works by itself, as `Bearer`.
/// - Errors: 401 `invalid_client`; 400 `invalid_request`, `unsupported_grant_type`,
///   `invalid_scope`, each as `{"error": .., "error_description": ..}`.
#[utoipa::path(
    tag = "Tokens",
    request_body(content = ClientCredentialsForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = ClientToken),
        (status = 400, body = OAuthError, description = "The request is not right."),
        (status = 401, body = OAuthError, description = "There is no such client.")
    ),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"]))
    )
)]
#[post("/oauth/token")]
async fn issue_oauth_token(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let mut form = match read_fields(&request, payload.into_inner()).await? {
        Ok(form) => form,
        Err(error) => return Ok(error.response()),
    };
    match form.get("grant_type").map(String::as_str) {
        Some("client_credentials") => {}
        Some(_) => {
            let error = "unsupported_grant_type";
            let description = "grant_type must be client_credentials";
            return Ok(OAuthError::new(400, error, description).response());
        }
        None => {
            let error = OAuthError::new(400, "invalid_request", "grant_type is missing");
            return Ok(error.response());
        }
    }
    let basic = basic_credentials(&request);
    if let Some((id, _)) = &basic
        && (form.contains_key("client_secret") || form.get("client_id").is_some_and(|it| it != id))
    {
        // RFC 6749, section 2.3.
        let description = "the client says who it is in more than one way";
        return Ok(OAuthError::new(400, "invalid_request", description).response());
    }
    let in_form = form.remove("client_id").zip(form.remove("client_secret"));
    let Some((client_id, secret)) = basic.or(in_form) else {
        let error = OAuthError::new(401, "invalid_client", "the client does not say who it is");
        return Ok(error.response());
    };
    let scope = form.get("scope").map(String::as_str);
    Ok(match service.client_token(&ctx, &client_id, &secret, scope).await? {
        Ok(token) => no_store(&token),
        Err(error) => error.response(),
    })
}

/// Introspect token
///
/// What a token is worth at this moment (RFC 7662), for who has to check tokens and cannot do
/// it with the public keys. One that is not known, has expired or was revoked is answered with
/// `{"active": false}`.
#[utoipa::path(
    tag = "Tokens",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = Introspection),
        (status = 400, body = OAuthError, description = "The request is not right.")
    ),
    extensions(
        ("x-permission" = json!("auth.token:introspect")),
        ("x-needs" = json!(["no-idempotency-key"]))
    )
)]
#[post("/oauth/introspect")]
async fn introspect_token(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    Ok(match read_token(&request, payload.into_inner()).await? {
        Ok(token) => no_store(&service.introspect(&ctx, &token).await?),
        Err(error) => error.response(),
    })
}

/// Revoke OAuth token
///
/// Makes a token worthless (RFC 7009): with an access token or a refresh token its session ends,
/// an API key is revoked. Whoever has it may do that. The answer is 200 whatever it was worth.
#[utoipa::path(
    tag = "Tokens",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200),
        (status = 400, body = OAuthError, description = "The request is not right.")
    ),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"]))
    )
)]
#[post("/oauth/revoke")]
async fn revoke_oauth_token(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    Ok(match read_token(&request, payload.into_inner()).await? {
        Ok(token) => {
            service.revoke_token(&ctx, &token).await?;
            HttpResponse::Ok().finish()
        }
        Err(error) => error.response(),
    })
}

type Form = BTreeMap<String, String>;

/// The fields of a form. Those nobody knows are ignored, as RFC 6749 wants it, those without a
/// value are as if they were not there (section 3.1), and none may come twice.
async fn read_fields(request: &HttpRequest, payload: Payload) -> Result<Result<Form, OAuthError>> {
    if content_type(request) != "application/x-www-form-urlencoded" {
        let detail = "the body must be application/x-www-form-urlencoded";
        return Err(Error::new(415, "unsupported_media_type", detail));
    }
    let body = read_body(payload).await?;
    let mut form = Form::new();
    for (name, value) in form_urlencoded::parse(&body) {
        let name = name.into_owned();
        if form.contains_key(&name) {
            let description = "a parameter is given twice";
            return Ok(Err(OAuthError::new(400, "invalid_request", description)));
        }
        form.insert(name, value.into_owned());
    }
    form.retain(|_, value| !value.is_empty());
    Ok(Ok(form))
}

async fn read_token(request: &HttpRequest, payload: Payload) -> Result<Result<String, OAuthError>> {
    let form = read_fields(request, payload).await?;
    Ok(form.and_then(|mut form| {
        let missing = || OAuthError::new(400, "invalid_request", "token is missing");
        form.remove("token").ok_or_else(missing)
    }))
}

/// RFC 6749, section 2.3.1: both are encoded as in a form.
fn basic_credentials(request: &HttpRequest) -> Option<(String, String)> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let pair = form_urlencoded::parse(text.as_bytes()).next();
        pair.map(|(name, _)| name.into_owned()).unwrap_or_default()
    };
    Some((decode(id), decode(secret)))
}

fn no_store(body: &impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"));
    response.json(body)
}

//! Tokens: signing in, staying signed in, signing out.

use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse, Responder, post};
use kernel::config::Secret;
use kernel::http::{Json, Reply, Routes, content_type, read_body, read_json};
use kernel::text::Text;
use kernel::{Ctx, Error, Problem, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(create_token).service(refresh_token).service(revoke_token);
}

/// Tokens of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenSet {
    /// For the `Authorization` header, as `Bearer`.
    pub access_token: String,
    /// For `POST /token/refresh`, once.
    pub refresh_token: String,
    #[schema(value_type = String, example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds the access token lives.
    #[schema(example = 900)]
    pub expires_in: i64,
}

/// Name and password of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordGrant {
    #[schema(example = "admin")]
    pub username: Text<1, 64>,
    #[schema(value_type = String, format = Password, example = "correct horse battery staple")]
    pub password: Secret,
    /// The only grant there is.
    #[serde(default, rename = "grant_type")]
    pub _grant_type: GrantType,
}

/// The same as a form (RFC 6749, section 4.3.2), as the docs page sends it.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it documents what `read_form` turns into a PasswordGrant")]
struct PasswordGrantForm {
    username: Text<1, 64>,
    #[schema(value_type = String, format = Password)]
    password: Secret,
    grant_type: Option<GrantType>,
    /// Ignored: a token carries what its user may do.
    scope: Option<String>,
    /// Ignored: there are no clients apart from users.
    client_id: Option<String>,
    /// Ignored.
    #[schema(format = Password)]
    client_secret: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GrantType {
    #[default]
    Password,
}

/// A refresh token to be exchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshGrant {
    #[schema(value_type = String)]
    pub refresh_token: Secret,
}

/// Sign in
///
/// Begins a session: an access token for the next minutes, and a refresh token to get the
/// next one with. Also takes the form of RFC 6749's password grant.
/// - An `Idempotency-Key` has no effect: tokens are not stored to be given out again.
/// - Errors: 401 `invalid_credentials`, whatever of the two is wrong; 429
///   `too_many_attempts` after five failures in a row, for up to half a minute.
#[utoipa::path(
    tag = "Tokens",
    request_body(content(
        (PasswordGrant = "application/json"),
        (PasswordGrantForm = "application/x-www-form-urlencoded")
    )),
    responses(
        (status = 200, body = TokenSet),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "The user name or the password is wrong."),
        (status = 429, body = Problem, content_type = "application/problem+json",
            description = "Too many failed attempts; see Retry-After.")
    ),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!(["invalid_credentials", "too_many_attempts", "sign_in_busy"]))
    )
)]
#[post("/token")]
async fn create_token(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let grant = read_grant(&request, payload.into_inner()).await?;
    let tokens = service.sign_in(&ctx, &grant.username, &grant.password).await?;
    Ok(no_store(&request, Reply::plain(&tokens)))
}

/// Refresh token
///
/// Exchanges a refresh token for a new pair; it works once. If the answer is lost, the
/// same token may be sent again within ten seconds.
/// - An `Idempotency-Key` has no effect: tokens are not stored to be given out again.
/// - Errors: 401 `invalid_refresh_token`; 401 `refresh_token_reused` when a token comes a
///   second time, which also ends its session: somebody else may hold it.
#[utoipa::path(
    tag = "Tokens",
    request_body = RefreshGrant,
    responses(
        (status = 200, body = TokenSet),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "The refresh token is worth nothing any more.")
    ),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!(["invalid_refresh_token", "refresh_token_reused", "sign_in_busy"]))
    )
)]
#[post("/token/refresh")]
async fn refresh_token(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<RefreshGrant>,
) -> Result<HttpResponse> {
    let tokens = service.refresh(&ctx, &body.0.refresh_token).await?;
    Ok(no_store(&request, Reply::plain(&tokens)))
}

/// Sign out
///
/// Ends the session of the access token: its refresh tokens are worth nothing from now on.
/// Access tokens given out already live on for their last minutes.
#[utoipa::path(
    tag = "Tokens",
    responses((status = 204)),
    extensions(("x-permission" = json!("self")), ("x-needs" = json!(["no-idempotency-key"])))
)]
#[post("/token/revoke")]
async fn revoke_token(ctx: Ctx, service: Data<Service>) -> Result<Reply> {
    service.sign_out(&ctx).await
}

async fn read_grant(request: &HttpRequest, payload: Payload) -> Result<PasswordGrant> {
    match content_type(request).as_str() {
        "application/json" => read_json(&read_body(payload).await?),
        "application/x-www-form-urlencoded" => read_form(&read_body(payload).await?),
        _ => Err(Error::new(
            415,
            "unsupported_media_type",
            "the body must be application/json or application/x-www-form-urlencoded",
        )),
    }
}

/// Turns the form into JSON, so that both are held to the same rules.
fn read_form(body: &[u8]) -> Result<PasswordGrant> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        if matches!(&*name, "scope" | "client_id" | "client_secret") {
            continue;
        }
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        if fields.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            let detail = format!("{pointer} is given twice");
            return Err(Error::new(422, "invalid_body", &detail).with_field(
                pointer,
                "repeated_field",
                detail,
            ));
        }
    }
    read_json(&serde_json::to_vec(&fields)?)
}

/// RFC 6749, section 5.1: no cache keeps a token.
fn no_store(request: &HttpRequest, reply: Reply) -> HttpResponse {
    let mut response = reply.respond_to(request);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_held_to_the_rules_of_the_json() {
        let check = |body: &str, expected: Result<&str, &str>| {
            let read = read_form(body.as_bytes());
            let read = read.as_ref().map(|grant| &*grant.username).map_err(Error::code);
            assert_eq!(read, expected, "{body}");
        };
        check("username=ada&password=x", Ok("ada"));
        check(
            "grant_type=password&username=ada+l&password=x&scope=a&client_id=&client_secret=",
            Ok("ada l"),
        );
        check("grant_type=client_credentials&username=ada&password=x", Err("invalid_body"));
        check("username=ada", Err("invalid_body"));
        check("username=ada&password=x&remember=1", Err("invalid_body"));
        check("username=ada&username=bob&password=x", Err("invalid_body"));
    }
}

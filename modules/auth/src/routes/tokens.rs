//! Tokens: signing in, staying signed in, signing out.

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse, Responder, post};
use kernel::config::Secret;
use kernel::http::cookies::{self, ACCESS_COOKIE};
use kernel::http::{Json, Reply, Routes, content_type, read_body, read_json};
use kernel::text::Text;
use kernel::{Ctx, Error, Problem, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::Error as AuthError;
use crate::service::Service;
use crate::service::refresh::csrf_token_of;
use crate::service::sessions::Credentials;

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
    /// Where they go into cookies.
    #[serde(skip)]
    pub csrf_token: Option<String>,
}

/// A token without a refresh token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessToken {
    pub access_token: String,
    #[schema(value_type = String, example = "Bearer")]
    pub token_type: &'static str,
    #[schema(example = 900)]
    pub expires_in: i64,
}

/// A session whose tokens are in cookies no script can read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CookieSession {
    #[schema(value_type = String, example = "Cookie")]
    token_type: &'static str,
    #[schema(example = 900)]
    expires_in: i64,
    /// For the header `X-CSRF-Token` of everything that is not a GET; also in the cookie
    /// `__Host-erp-csrf`, which scripts can read.
    csrf_token: String,
}

/// Tokens, or where they went.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it documents what `answer` sends")]
pub(super) enum SignedIn {
    Tokens(TokenSet),
    Cookies(CookieSession),
}

/// A token that shows a fresh proof, or where it went.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it documents what `answer_step_up` sends")]
pub(super) enum SteppedUp {
    Token(AccessToken),
    Cookie(CookieSession),
}

/// Name and password of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordGrant {
    #[schema(example = "admin")]
    pub username: Text<1, 64>,
    #[schema(value_type = String, format = Password, example = "correct horse battery staple")]
    pub password: Secret,
    /// Of whoever has a second factor: a code of it, or a recovery code.
    #[schema(value_type = Option<String>, format = Password)]
    pub code: Option<Secret>,
    /// Whether the tokens are to go into cookies, which no script of a page can read.
    #[serde(default)]
    pub cookie: bool,
    /// The only grant there is here; machines use `POST /oauth/token`.
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
    #[schema(value_type = Option<String>, format = Password)]
    code: Option<Secret>,
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
    /// Absent where it is in a cookie.
    #[schema(value_type = Option<String>)]
    pub refresh_token: Option<Secret>,
}

/// Sign in
///
/// Begins a session: an access token for the next minutes, and a refresh token to get the
/// next one with. Also takes the form of RFC 6749's password grant.
/// - With `cookie` the tokens go into cookies instead (HttpOnly, Secure, SameSite=Strict), for
///   a page on the same host; the answer holds what to send as `X-CSRF-Token`.
/// - An `Idempotency-Key` has no effect: tokens are not stored to be given out again.
/// - Errors: 401 `invalid_credentials`, whatever of the two is wrong; 401
///   `second_factor_required` and `invalid_code` of whoever has a second factor; 429
///   `too_many_attempts` after five failures in a row, for a second and then twice as long
///   each time.
#[utoipa::path(
    tag = "Tokens",
    request_body(content(
        (PasswordGrant = "application/json"),
        (PasswordGrantForm = "application/x-www-form-urlencoded")
    )),
    responses(
        (status = 200, body = SignedIn),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "The user name or the password is wrong, or a code is needed."),
        (status = 429, body = Problem, content_type = "application/problem+json",
            description = "Too many failed attempts; see Retry-After.")
    ),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!([
            "invalid_credentials", "second_factor_required", "invalid_code",
            "too_many_attempts", "sign_in_busy"
        ]))
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
    let credentials = Credentials {
        username: &grant.username,
        password: &grant.password,
        code: grant.code.as_ref(),
        in_cookies: grant.cookie,
    };
    let tokens = service.sign_in(&ctx, credentials).await?;
    answer(&request, &service, tokens)
}

/// Refresh token
///
/// Exchanges a refresh token for a new pair; it works once. If the answer is lost, the
/// same token may be sent again within ten seconds.
/// - Where it is in a cookie the body is `{}` and the header `X-CSRF-Token` is needed.
/// - An `Idempotency-Key` has no effect: tokens are not stored to be given out again.
/// - Errors: 401 `invalid_refresh_token`; 401 `refresh_token_reused` when a token comes a
///   second time, which also ends its session: somebody else may hold it.
#[utoipa::path(
    tag = "Tokens",
    request_body = RefreshGrant,
    responses(
        (status = 200, body = SignedIn),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "The refresh token is worth nothing any more.")
    ),
    extensions(
        ("x-permission" = json!("none")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!([
            "invalid_refresh_token", "refresh_token_reused", "refresh_token_required",
            "csrf_token_required", "sign_in_busy"
        ]))
    )
)]
#[post("/token/refresh")]
async fn refresh_token(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<RefreshGrant>,
) -> Result<HttpResponse> {
    let (token, in_cookies) = match body.0.refresh_token {
        Some(token) => (token, false),
        None => (refresh_token_in_cookie(&request)?, true),
    };
    let tokens = service.refresh(&ctx, &token, in_cookies).await?;
    answer(&request, &service, tokens)
}

/// Sign out
///
/// Ends the session of the access token: its refresh tokens are worth nothing from now on, and
/// its access tokens within seconds. Cookies are taken back.
/// - Errors: 403 `session_required` for an API key, which is revoked (`POST /oauth/revoke`).
#[utoipa::path(
    tag = "Tokens",
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-needs" = json!(["no-idempotency-key"])),
        ("x-errors" = json!(["session_required"]))
    )
)]
#[post("/token/revoke")]
async fn revoke_token(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let mut response = service.sign_out(&ctx).await?.respond_to(&request);
    if cookies::read(request.headers(), ACCESS_COOKIE).is_some() {
        set_cookies(&mut response, ["", "", ""], [0, 0, 0])?;
    }
    Ok(response)
}

/// Not where the access token goes: whoever gets at a request of another kind does not see it.
const REFRESH_COOKIE: &str = "__Secure-erp-refresh";
const REFRESH_PATH: &str = "/api/v1/auth/token";
/// The only one a script can read.
const CSRF_COOKIE: &str = "__Host-erp-csrf";

fn refresh_token_in_cookie(request: &HttpRequest) -> Result<Secret> {
    let headers = request.headers();
    let token = cookies::read(headers, REFRESH_COOKIE).ok_or(AuthError::RefreshTokenMissing)?;
    let csrf_token = csrf_token_of(token);
    if cookies::csrf_token(headers) != Some(csrf_token.as_str()) {
        return Err(AuthError::CsrfTokenRequired.into());
    }
    Ok(Secret::new(token))
}

/// The tokens, or, where they are for cookies, a body without them.
pub(super) fn answer(
    request: &HttpRequest,
    service: &Service,
    tokens: TokenSet,
) -> Result<HttpResponse> {
    let Some(csrf_token) = &tokens.csrf_token else {
        return Ok(no_store(request, Reply::plain(&tokens)));
    };
    let session = CookieSession {
        token_type: "Cookie",
        expires_in: tokens.expires_in,
        csrf_token: csrf_token.clone(),
    };
    let mut response = no_store(request, Reply::plain(&session));
    let life = service.config.refresh_token_ttl_s as i64;
    let values = [&tokens.access_token, &tokens.refresh_token, csrf_token].map(String::as_str);
    set_cookies(&mut response, values, [tokens.expires_in, life, life])?;
    Ok(response)
}

/// A new access token of the session, or, where the last one was in a cookie, a body without it.
pub(super) fn answer_step_up(request: &HttpRequest, token: &AccessToken) -> Result<HttpResponse> {
    let headers = request.headers();
    // The guard has compared it with the last token's; the next one says the same.
    let csrf_token = cookies::csrf_token(headers).filter(|_| is_in_cookie(headers));
    let Some(csrf_token) = csrf_token.map(str::to_owned) else {
        return Ok(no_store(request, Reply::plain(token)));
    };
    let expires_in = token.expires_in;
    let session = CookieSession { token_type: "Cookie", expires_in, csrf_token };
    let mut response = no_store(request, Reply::plain(&session));
    set_access_cookie(&mut response, &token.access_token, expires_in)?;
    Ok(response)
}

/// What the next token says of forged requests, if it goes into a cookie.
pub(super) fn csrf_hash_of(request: &HttpRequest) -> Option<String> {
    let headers = request.headers();
    let token = cookies::csrf_token(headers).filter(|_| is_in_cookie(headers));
    token.map(cookies::csrf_hash)
}

fn is_in_cookie(headers: &HeaderMap) -> bool {
    !headers.contains_key(AUTHORIZATION) && cookies::read(headers, ACCESS_COOKIE).is_some()
}

fn set_cookies(response: &mut HttpResponse, values: [&str; 3], ages: [i64; 3]) -> Result<()> {
    let [access, refresh, csrf] = values;
    let [access_age, refresh_age, csrf_age] = ages;
    set_access_cookie(response, access, access_age)?;
    let path = format!("Path={REFRESH_PATH}; Max-Age={refresh_age}; HttpOnly");
    set_cookie(response, &format!("{REFRESH_COOKIE}={refresh}; {path}"))?;
    set_cookie(response, &format!("{CSRF_COOKIE}={csrf}; Path=/; Max-Age={csrf_age}"))
}

fn set_access_cookie(response: &mut HttpResponse, token: &str, age: i64) -> Result<()> {
    set_cookie(response, &format!("{ACCESS_COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly"))
}

fn set_cookie(response: &mut HttpResponse, cookie: &str) -> Result<()> {
    let cookie = HeaderValue::from_str(&format!("{cookie}; Secure; SameSite=Strict"));
    response.headers_mut().append(SET_COOKIE, cookie.map_err(Error::internal)?);
    Ok(())
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
pub(super) fn no_store(request: &HttpRequest, reply: Reply) -> HttpResponse {
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

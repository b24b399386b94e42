//! Tokens in cookies, for pages in a browser that should not hold them themselves.
//!
//! A cookie is sent with requests that other pages make as well. `SameSite=Strict` keeps those
//! away; what changes something must besides bear a header that only our own page can have
//! read: `X-CSRF-Token`, whose hash is in the signed token, so it cannot be swapped for one of
//! another session.

use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::token::Claims;

/// Where the access token is. `__Host-`: no other host and no plain HTTP can have set it.
pub const ACCESS_COOKIE: &str = "__Host-erp-access";

const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// The value of a cookie, if the request has exactly one of that name.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(COOKIE)
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// What of a CSRF token is in the claims.
pub fn csrf_hash(token: &str) -> String {
    super::hex(&Sha256::digest(token))
}

/// The `X-CSRF-Token` of a request.
pub fn csrf_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(CSRF_TOKEN)?.to_str().ok()
}

/// Refuses a change that our own page did not ask for, and a token that was not made for a
/// cookie.
pub(super) fn check_csrf(method: &Method, headers: &HeaderMap, claims: &Claims) -> Result<()> {
    let Some(expected) = &claims.csrf else {
        return Err(Error::unauthenticated("invalid_token", "the token was not made for a cookie"));
    };
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read || csrf_token(headers).is_some_and(|token| csrf_hash(token) == *expected) {
        return Ok(());
    }
    let detail = "a change with a cookie needs the header X-CSRF-Token";
    Err(Error::new(403, "csrf_token_required", detail))
}

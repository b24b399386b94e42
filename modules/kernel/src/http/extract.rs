//! Reading a request: strict, with a pointer to what is wrong.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path as ErrorPath, Segment};
use sha2::{Digest, Sha256};

use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::http::body::read_body;
use crate::http::objects::Objects;

/// A JSON body. Unknown fields, wrong types, lists in place of objects and trailing bytes are
/// refused; the types say `deny_unknown_fields`.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = content_type(request);
        let body_hash = request
            .extensions()
            .get::<Ctx>()
            .and_then(|ctx| ctx.idempotency.as_ref())
            .map(|key| key.body_hash.clone());
        let payload = payload.take();
        let request = request.clone();
        Box::pin(async move {
            // Others that end in +json mean something else, such as a JSON Patch.
            if !matches!(&*content_type, "application/json" | "application/merge-patch+json") {
                return Err(Error::new(
                    415,
                    "unsupported_media_type",
                    "the body must be application/json",
                ));
            }
            let body = read_body(payload).await?.freeze();
            request.extensions_mut().insert(ReadBody(body.clone()));
            drop(request);
            if let Some(hash) = body_hash {
                // Set once: a request has one body.
                let _ = hash.set(hex(&Sha256::digest(&body)));
            }
            read_json(&body).map(Json)
        })
    }
}

/// What was read of the request, should it have to be read again.
pub(crate) struct ReadBody(pub web::Bytes);

/// The media type of the body, lower case and without parameters.
pub fn content_type(request: &HttpRequest) -> String {
    request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Parses a JSON body: 400 `malformed_json` if it is no JSON, 422 with a pointer if it
/// is not what the operation takes.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(Objects(&mut deserializer)).map_err(|error| {
        let pointer = json_pointer(error.path());
        let inner = error.into_inner();
        if !inner.is_data() {
            return Error::bad_request("malformed_json", inner.to_string());
        }
        refusal(pointer, &inner.to_string(), 422)
    })?;
    deserializer.end().map_err(|error| Error::bad_request("malformed_json", error.to_string()))?;
    Ok(value)
}

/// Reads a type from JSON that was parsed: 422 with a pointer if it does not fit.
pub fn read_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_path_to_error::deserialize(Objects(value)).map_err(|error| {
        let pointer = json_pointer(error.path());
        refusal(pointer, &error.into_inner().to_string(), 422)
    })
}

fn refusal(mut pointer: String, message: &str, status: u16) -> Error {
    // serde words these two itself; everything else is a value that does not fit.
    let code = if message.starts_with("unknown field") {
        "unknown_field"
    } else if message.starts_with("missing field") {
        if let Some(name) = message.split('`').nth(1) {
            pointer = if status == 400 { format!("?{name}") } else { format!("{pointer}/{name}") };
        }
        "missing_field"
    } else {
        "invalid_value"
    };
    let message = message.split(" at line ").next().unwrap_or(message);
    let summary = if status == 400 { "invalid_query" } else { "invalid_body" };
    Error::new(status, summary, format!("{pointer}: {message}")).with_field(pointer, code, message)
}

fn json_pointer(path: &ErrorPath) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// Query parameters; unknown and repeated ones are refused with 400.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(
            request.query_string().as_bytes(),
        ));
        ready(serde_path_to_error::deserialize(pairs).map(Query).map_err(|error| {
            let pointer = match json_pointer(error.path()).strip_prefix('/') {
                Some(name) => format!("?{name}"),
                None => "?".to_owned(),
            };
            refusal(pointer, &error.into_inner().to_string(), 400)
        }))
    }
}

/// A path parameter. One that cannot be an id names nothing: 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Path<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let value = web::Path::<T>::from_request(request, payload).into_inner();
        ready(
            value
                .map(|path| Path(path.into_inner()))
                .map_err(|_| Error::not_found("resource at", request.path())),
        )
    }
}

impl<T> Deref for Path<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// For a field of a merge patch that may be set to null: absent is `None`, null is
/// `Some(None)`. Use with `#[serde(default, deserialize_with = "kernel::http::nullable")]`.
pub fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Some)
}

//! A JSON body that may be left out.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use kernel::http::{Json, content_type, read_body};
use kernel::{Error, Result};
use serde::de::DeserializeOwned;

/// As [`Json`]; `null`, or neither a content type nor a body, is the default.
/// actix's own `Option<Json<T>>` was rejected: it takes a malformed body for none.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub T);

impl<T: Default + DeserializeOwned + 'static> FromRequest for OptionalJson<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !content_type(request).is_empty() {
            let json = Json::<Option<T>>::from_request(request, payload);
            return Box::pin(async move { Ok(OptionalJson(json.await?.0.unwrap_or_default())) });
        }
        let payload = payload.take();
        Box::pin(async move {
            if read_body(payload).await?.is_empty() {
                return Ok(OptionalJson(T::default()));
            }
            Err(Error::new(415, "unsupported_media_type", "the body must be application/json"))
        })
    }
}

//! A successful answer, in a form that can be stored under an idempotency key.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;

/// Something with a version, which becomes its `ETag`.
pub trait Versioned {
    fn version(&self) -> i64;
}

/// Status, headers and JSON body of an answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) status: u16,
    pub(crate) etag: Option<i64>,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
    pub(crate) replayed: bool,
}

impl Reply {
    fn json(status: u16, body: &impl Serialize, etag: Option<i64>) -> Self {
        Reply {
            status,
            etag,
            location: None,
            // Our own response types: serialising them cannot fail.
            body: serde_json::to_string(body).unwrap_or_default(),
            replayed: false,
        }
    }

    /// 200 with a resource and its `ETag`.
    pub fn ok<T: Serialize + Versioned>(resource: &T) -> Self {
        Reply::json(200, resource, Some(resource.version()))
    }

    /// 201 with the new resource, its `ETag` and where it is.
    pub fn created<T: Serialize + Versioned>(resource: &T, location: String) -> Self {
        let mut reply = Reply::json(201, resource, Some(resource.version()));
        reply.location = Some(location);
        reply
    }

    /// 200 with something that has no version, such as a list.
    pub fn plain(body: &impl Serialize) -> Self {
        Reply::json(200, body, None)
    }

    /// 201 with something that never changes, such as a stock move.
    pub fn created_plain(body: &impl Serialize, location: String) -> Self {
        let mut reply = Reply::json(201, body, None);
        reply.location = Some(location);
        reply
    }

    /// 202 with what the work that goes on is told in.
    pub fn accepted(body: &impl Serialize) -> Self {
        Reply::json(202, body, None)
    }

    /// 202 with the work that goes on, and where to ask how far it is.
    pub fn accepted_at(body: &impl Serialize, location: String) -> Self {
        let mut reply = Reply::json(202, body, None);
        reply.location = Some(location);
        reply
    }

    /// 204.
    pub fn no_content() -> Self {
        Reply { status: 204, etag: None, location: None, body: String::new(), replayed: false }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn to_response(&self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        if let Some(version) = self.etag {
            response.insert_header((ETAG, format!("\"v{version}\"")));
        }
        if let Some(location) = &self.location {
            response.insert_header((LOCATION, location.as_str()));
        }
        if self.replayed {
            response.insert_header(("Idempotent-Replayed", "true"));
        }
        if self.body.is_empty() {
            return response.finish();
        }
        response.insert_header((CONTENT_TYPE, "application/json"));
        response.body(self.body.clone())
    }
}

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.to_response()
    }
}

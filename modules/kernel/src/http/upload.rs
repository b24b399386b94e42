//! A body that is a file: read piece by piece, and never whole in memory.

use std::future::{Ready, ready};
use std::sync::{Arc, OnceLock};

use actix_web::dev::Payload;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::http::body::{announced, too_large, unreadable};
use crate::http::{content_type, extract::hex};
use crate::table::Format;

/// A piece is at least this large, the last one excepted.
const PIECE: usize = 256 * 1024;

/// A CSV or NDJSON file that a request brings. Of another media type it is refused with 415.
pub struct Upload {
    pub format: Format,
    payload: Payload,
    digest: Sha256,
    body_hash: Option<Arc<OnceLock<String>>>,
    announced: Option<u64>,
    bytes: u64,
}

impl FromRequest for Upload {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body_hash = request
            .extensions()
            .get::<Ctx>()
            .and_then(|ctx| ctx.idempotency.as_ref())
            .map(|key| key.body_hash.clone());
        let format = Format::of(&content_type(request)).ok_or_else(|| {
            let detail = "the body must be text/csv or application/x-ndjson";
            Error::new(415, "unsupported_media_type", detail)
        });
        let payload = payload.take();
        let digest = Sha256::new();
        let announced = announced(request.headers());
        ready(format.map(|format| Upload {
            format,
            payload,
            digest,
            body_hash,
            announced,
            bytes: 0,
        }))
    }
}

impl Upload {
    /// The next piece, or none at the end: from then on a repeat of the request is known. 413
    /// `body_too_large` once there are more than `most` bytes, or where more are announced.
    pub async fn next(&mut self, most: u64) -> Result<Option<Bytes>> {
        if self.announced.is_some_and(|bytes| bytes > most) {
            return Err(too_large(most));
        }
        let mut piece = BytesMut::new();
        while piece.len() < PIECE {
            let Some(chunk) = self.payload.next().await else { break };
            let chunk = chunk.map_err(unreadable)?;
            self.bytes += chunk.len() as u64;
            if self.bytes > most {
                return Err(too_large(most));
            }
            piece.extend_from_slice(&chunk);
        }
        if piece.is_empty() {
            if let Some(hash) = &self.body_hash {
                // Set once: a request has one body.
                let _ = hash.set(hex(&self.digest.clone().finalize()));
            }
            return Ok(None);
        }
        self.digest.update(&piece);
        Ok(Some(piece.freeze()))
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

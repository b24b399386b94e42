//! The body of a request on its way to an upstream: kept whole where it is small, passed on
//! piece by piece where it is not.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use hyper::body::{Body, Frame, SizeHint};
use kernel::{Error, Result};
use tokio::sync::{mpsc, oneshot};

use crate::gateway::table::Row;

/// Bodies up to this size are kept until the answer begins, so that they can be sent again.
pub const KEPT: usize = 64 * 1024;

/// What a caller sends.
pub enum Incoming {
    Kept(Bytes),
    Streamed(Upload),
}

/// A body that is passed on as it comes.
pub struct Upload {
    payload: Payload,
    length: Option<u64>,
    left: usize,
    limit: usize,
    pub progress: Rc<Progress>,
}

/// How far a body has come.
pub struct Progress {
    at: Cell<Instant>,
    /// Whether it is the caller who keeps it waiting.
    awaits_caller: Cell<bool>,
}

impl Progress {
    pub fn at(&self) -> Instant {
        self.at.get()
    }

    pub fn awaits_caller(&self) -> bool {
        self.awaits_caller.get()
    }
}

/// How passing on a body ended.
pub enum End {
    /// Nothing was taken of it.
    Untouched(Upload),
    Sent,
    /// Nobody wants the rest.
    Unwanted,
    /// The caller is at fault.
    Refused(Error),
}

impl Incoming {
    /// Reads what is small; 413 where more is announced than the row allows.
    pub async fn of(request: &HttpRequest, mut payload: Payload, row: &Row) -> Result<Incoming> {
        let limit = match row.gate.takes_file(request) {
            true => usize::MAX,
            false => row.route.max_body_bytes,
        };
        let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|text| text.parse::<u64>().ok());
        if length.is_some_and(|length| length > limit as u64) {
            return Err(too_large(limit));
        }
        let is_empty = length.unwrap_or(0) == 0 && !has_unknown_length(request);
        if is_empty {
            return Ok(Incoming::Kept(Bytes::new()));
        }
        if length.is_some_and(|length| length <= KEPT as u64) {
            let read = read(&mut payload, length.unwrap_or_default() as usize, limit);
            return match tokio::time::timeout(row.timeout, read).await {
                Ok(body) => body.map(Incoming::Kept),
                Err(_) => Err(too_slow()),
            };
        }
        let (at, awaits_caller) = (Cell::new(Instant::now()), Cell::new(false));
        let progress = Rc::new(Progress { at, awaits_caller });
        Ok(Incoming::Streamed(Upload { payload, length, left: limit, limit, progress }))
    }
}

/// A body may come though no length was announced.
fn has_unknown_length(request: &HttpRequest) -> bool {
    use actix_web::http::Version;
    let headers = request.headers();
    headers.contains_key("transfer-encoding")
        || (request.version() == Version::HTTP_2
            && !headers.contains_key(CONTENT_LENGTH)
            && !request.method().is_safe())
}

async fn read(payload: &mut Payload, length: usize, limit: usize) -> Result<Bytes> {
    let mut body: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(unreadable)?;
        // Mostly all of it comes at once, and needs no copy.
        match body.take() {
            None if whole.is_empty() && chunk.len() >= length => body = Some(chunk),
            before => {
                whole.extend(before.into_iter().flatten());
                whole.extend_from_slice(&chunk);
            }
        }
        if whole.len() > limit {
            return Err(too_large(limit));
        }
    }
    Ok(body.unwrap_or_else(|| whole.freeze()))
}

impl Upload {
    /// The body to hand to the client, and the work of filling it.
    pub fn start(self) -> (Outgoing, impl Future<Output = End> + 'static) {
        let (to, from) = mpsc::channel(1);
        let (begin, begun) = oneshot::channel();
        let body = Outgoing(Kind::Streamed { from, begin: Some(begin), length: self.length });
        (body, self.pass_on(to, begun))
    }

    async fn pass_on(
        mut self,
        to: mpsc::Sender<Result<Bytes, Broken>>,
        begun: oneshot::Receiver<()>,
    ) -> End {
        // Until somebody is there to take it, it stays where it is.
        if begun.await.is_err() {
            return End::Untouched(self);
        }
        loop {
            self.progress.awaits_caller.set(true);
            let chunk = tokio::select! {
                chunk = self.payload.next() => chunk,
                () = to.closed() => return End::Unwanted,
            };
            self.progress.awaits_caller.set(false);
            self.progress.at.set(Instant::now());
            let refusal = match chunk {
                None => return End::Sent,
                Some(Err(error)) => unreadable(error),
                Some(Ok(chunk)) if chunk.len() > self.left => too_large(self.limit),
                Some(Ok(chunk)) => {
                    self.left -= chunk.len();
                    if to.send(Ok(chunk)).await.is_err() {
                        return End::Unwanted;
                    }
                    continue;
                }
            };
            // What was sent must not pass for the whole.
            let _ = to.send(Err(Broken)).await;
            return End::Refused(refusal);
        }
    }
}

/// A request's body as the client takes it.
pub struct Outgoing(Kind);

enum Kind {
    Kept(Option<Bytes>),
    Streamed {
        from: mpsc::Receiver<Result<Bytes, Broken>>,
        begin: Option<oneshot::Sender<()>>,
        length: Option<u64>,
    },
}

/// The rest of the body will not come.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub struct Broken;

impl From<Bytes> for Outgoing {
    fn from(body: Bytes) -> Self {
        Outgoing(Kind::Kept(Some(body).filter(|body| !body.is_empty())))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            Kind::Kept(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Kind::Streamed { from, begin, .. } => {
                if let Some(begin) = begin.take() {
                    let _ = begin.send(());
                }
                from.poll_recv(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Kept(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Kept(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Streamed { length: Some(length), .. } => SizeHint::with_exact(*length),
            Kind::Streamed { length: None, .. } => SizeHint::new(),
        }
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(413, "body_too_large", format!("the body may have at most {limit} bytes"))
}

fn unreadable(error: actix_web::error::PayloadError) -> Error {
    Error::bad_request("unreadable_body", "the body could not be read").with_source(error)
}

pub fn too_slow() -> Error {
    Error::new(408, "request_timeout", "the body did not come in time")
}

//! The body of a request on its way in: how large it may be, and how long it is waited for.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::Version;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, Sleep};

use crate::error::{Error, Result};

/// The largest body a request may have.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// So many bytes have a body waited for a second longer: slower than any line somebody works on.
const BYTES_PER_S: u64 = 4096;

/// Longest time a body that nobody wants is waited for.
const DISCARD_LIMIT: Duration = Duration::from_secs(1);

/// Reads what nobody wants, where the caller sends it over HTTP/2: an answer before the end of
/// the request comes with a reset, which some callers take for a failure. Not for long, nor
/// much.
pub async fn discard_body(version: Version, payload: &mut Payload) {
    if version != Version::HTTP_2 {
        return;
    }
    let read = async {
        let mut left = MAX_BODY_BYTES;
        while let Some(Ok(chunk)) = payload.next().await
            && chunk.len() <= left
        {
            left -= chunk.len();
        }
    };
    let _ = tokio::time::timeout(DISCARD_LIMIT, read).await;
}

/// Reads all of a body.
pub async fn read_body(mut payload: Payload) -> Result<BytesMut> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(unreadable)?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large(MAX_BODY_BYTES as u64));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The length that the head of a request tells of its body.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses a body that is encoded: nobody here would decode it.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<()> {
    let mut encodings = headers.get_all(CONTENT_ENCODING);
    if encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let detail = "the body must not be encoded (Content-Encoding)";
    Err(Error::new(415, "unsupported_media_type", detail))
}

/// 413: more than `most` bytes.
pub(crate) fn too_large(most: u64) -> Error {
    Error::new(413, "body_too_large", format!("the body may have at most {most} bytes"))
}

/// Why a body was not read: 408 if it did not come in time.
pub(crate) fn unreadable(error: PayloadError) -> Error {
    match &error {
        PayloadError::Io(cause) if cause.kind() == io::ErrorKind::TimedOut => {
            Error::new(408, "request_timeout", "the body did not come in time")
        }
        _ => Error::bad_request("unreadable_body", "the body could not be read").with_source(error),
    }
}

/// The same body, waited for no longer than `limit` at a time; in all a second longer for every
/// [`BYTES_PER_S`]. Only waiting counts: whoever reads it may take their time. What they leave of
/// it is in `rest` then.
pub(crate) fn in_time(body: Payload, limit: Duration, rest: &Rest) -> Payload {
    match body {
        Payload::None => Payload::None,
        from => {
            let rest = rest.clone();
            let body = InTime { from, limit, left: limit, waiting: None, has_ended: false, rest };
            Payload::Stream { payload: Box::pin(body) }
        }
    }
}

/// What is left of a body that was not read to its end. actix would go on and take it in, for as
/// long as it comes, were it dropped before the answer is sent; so it is kept until then, and the
/// connection closed.
#[derive(Clone, Default)]
pub(crate) struct Rest(Rc<Cell<Option<Payload>>>);

impl Rest {
    pub(crate) fn keep(&self, rest: Payload) {
        if !matches!(rest, Payload::None) {
            self.0.set(Some(rest));
        }
    }

    /// The answer that the rest is kept for.
    pub(crate) fn behind<B: MessageBody + 'static>(
        self,
        answer: ServiceResponse<EitherBody<B>>,
    ) -> ServiceResponse<EitherBody<B>> {
        match self.0.take() {
            // There each request has a stream to itself, which ends with the answer.
            Some(rest) if answer.request().version() != Version::HTTP_2 => {
                answer.map_body(|_, body| {
                    EitherBody::right(Behind { answer: body.boxed(), _rest: rest }.boxed())
                })
            }
            _ => answer,
        }
    }
}

struct Behind {
    answer: BoxBody,
    _rest: Payload,
}

impl MessageBody for Behind {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(cx)
    }
}

struct InTime {
    from: Payload,
    limit: Duration,
    /// How much longer all of it is waited for.
    left: Duration,
    /// Since when the next piece is waited for, and what ends that.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    has_ended: bool,
    rest: Rest,
}

impl Drop for InTime {
    fn drop(&mut self) {
        if !self.has_ended {
            self.rest.keep(std::mem::replace(&mut self.from, Payload::None));
        }
    }
}

impl Stream for InTime {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(piece) = this.from.poll_next_unpin(cx) {
            if let Some((since, _)) = this.waiting.take() {
                this.left = this.left.saturating_sub(since.elapsed());
            }
            if let Some(Ok(piece)) = &piece {
                this.left += Duration::from_micros(piece.len() as u64 * 1_000_000 / BYTES_PER_S);
            }
            this.has_ended = piece.is_none();
            return Poll::Ready(piece);
        }
        let (_, end) = this.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(tokio::time::sleep_until(now + this.limit.min(this.left))))
        });
        end.as_mut().poll(cx).map(|()| Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(500);
    const OFTEN: Duration = Duration::from_millis(20);

    /// How long a body is read of which so many bytes come every so often, and what is said then.
    async fn read(every: Duration, bytes: usize, pieces: usize) -> (Duration, Result<usize>) {
        let body = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(every).await;
            Ok(Bytes::from(vec![b' '; bytes]))
        });
        let body = in_time(Payload::Stream { payload: Box::pin(body) }, LIMIT, &Rest::default());
        let begun = Instant::now();
        let read = read_body(body).await;
        (begun.elapsed(), read.map(|body| body.len()))
    }

    #[tokio::test]
    async fn a_body_is_waited_for_as_long_as_it_comes() {
        let too_slow = |(took, answer): (Duration, Result<usize>)| {
            let error = answer.expect_err("it does not come");
            assert_eq!((error.status(), error.code()), (408, "request_timeout"));
            assert!(took >= LIMIT, "{took:?}");
        };
        // Nothing comes; hardly anything does, for ever; it stops in the middle.
        too_slow(read(LIMIT * 1000, 1, 1).await);
        too_slow(read(OFTEN, 1, 1_000_000).await);
        too_slow(read(LIMIT * 2, 100_000, 2).await);
        // A line that is slow, and no slower than can be.
        let (took, answer) = read(OFTEN, 4096, 40).await;
        assert_eq!(answer.expect("it came"), 40 * 4096);
        assert!(took > LIMIT, "{took:?}");
    }
}

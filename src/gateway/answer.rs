//! The answer of an upstream on its way to the caller, as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue};
use actix_web::web::Bytes;
use hyper::Response;
use hyper::body::{Body, Incoming};
use kernel::http::Omitted;
use tokio::time::{Instant, Sleep};

use crate::gateway::headers;

/// The answer with the headers that go on.
pub fn pass_on(answer: Response<Incoming>, is_head: bool, idle: Duration) -> HttpResponse {
    let status = answer.status().as_u16();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::new(status);
    headers::of_answer(answer.headers(), response.headers_mut());
    let announced = answer.headers().get("content-length").and_then(|v| v.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok());
    if is_head {
        let size = announced.map_or(BodySize::Stream, BodySize::Sized);
        return response.set_body(BoxBody::new(Omitted(size)));
    }
    if status == StatusCode::NOT_MODIFIED
        && let Some(length) = announced
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.set_body(BoxBody::new(Answer { from: answer.into_body(), idle, silence: None }))
}

/// A body that comes from an upstream.
struct Answer {
    from: Incoming,
    /// Longest wait for the next piece.
    idle: Duration,
    /// Runs out when it has been waited for too long; made when first waited.
    silence: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error("the answer broke off")]
    Lost(#[source] hyper::Error),
    #[error("the answer does not go on")]
    Silent,
}

impl MessageBody for Answer {
    type Error = BrokenOff;

    fn size(&self) -> BodySize {
        match self.from.size_hint().exact() {
            Some(length) => BodySize::Sized(length),
            None => BodySize::Stream,
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            match Pin::new(&mut self.from).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(BrokenOff::Lost(error))));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.silence = None;
                    // Trailers end here: HTTP/1.1 callers seldom ask for them. An empty piece, as
                    // ends an answer over HTTP/2, is not for actix, which would wait for room for
                    // it over HTTP/2 and take it for the end over HTTP/1.1.
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Pending => break,
            }
        }
        let until = Instant::now() + self.idle;
        let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        silence.as_mut().poll(cx).map(|()| Some(Err(BrokenOff::Silent)))
    }
}

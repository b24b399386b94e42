//! A WebSocket, passed through byte by byte.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::{Stream, StreamExt, stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kernel::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};

use crate::gateway::client::Clients;
use crate::gateway::proxy::{Failure, Head, absent, kind};
use crate::gateway::table::Row;
use crate::gateway::{answer, headers};

const PIECE: usize = 16 * 1024;

type End = TokioIo<Upgraded>;

/// Asks for the WebSocket, over HTTP/1.1 as it has to be, and connects the two ends.
pub async fn open(
    mut head: Head,
    payload: Payload,
    row: &Row,
    clients: &Clients,
) -> Result<HttpResponse> {
    let _waiting = row.wait()?;
    let upstream = row.upstreams.pick(&[]).map_err(|wait| absent(row, wait))?;
    headers::ask_for_upgrade(&mut head.headers);
    let request = head.to(&upstream, Bytes::new().into())?;
    let client = clients.http1(&upstream);
    let answer = tokio::time::timeout(row.timeout, client.request(request)).await;
    let answer = answer.map_or(Err(Failure::TooLate), |answer| answer.map_err(kind));
    let mut answer = answer.map_err(|failure| {
        upstream.breaker.failed();
        failure.problem(row)
    })?;
    upstream.breaker.succeeded();
    if answer.status().as_u16() != 101 {
        return Ok(answer::pass_on(answer, false, row.idle_timeout));
    }
    let upgraded = hyper::upgrade::on(&mut answer).await.map_err(kernel::Error::internal)?;
    let (from, to) = split(TokioIo::new(upgraded));
    let moved = Rc::new(Cell::new(Instant::now()));
    actix_web::rt::spawn(send(payload, to, moved.clone(), row.idle_timeout));
    let mut response = HttpResponseBuilder::new(actix_web::http::StatusCode::SWITCHING_PROTOCOLS);
    response.upgrade("websocket");
    let mut response = response.streaming(receive(from, moved, row.idle_timeout));
    headers::of_answer(answer.headers(), response.headers_mut());
    Ok(response)
}

/// From the caller to the upstream, until either has enough or both are silent.
async fn send(
    mut payload: Payload,
    mut to: WriteHalf<End>,
    moved: Rc<Cell<Instant>>,
    idle: Duration,
) {
    while let Some(Some(Ok(piece))) = in_time(&moved, idle, payload.next()).await {
        moved.set(Instant::now());
        if !matches!(in_time(&moved, idle, to.write_all(&piece)).await, Some(Ok(()))) {
            break;
        }
    }
    // It may be closed already.
    let _ = to.shutdown().await;
}

/// From the upstream to the caller.
fn receive(
    from: ReadHalf<End>,
    moved: Rc<Cell<Instant>>,
    idle: Duration,
) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::unfold((from, moved), move |(mut from, moved)| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        match in_time(&moved, idle, from.read_buf(&mut piece)).await? {
            Ok(0) => None,
            Ok(_) => {
                moved.set(Instant::now());
                Some((Ok(piece.freeze()), (from, moved)))
            }
            Err(error) => Some((Err(error), (from, moved))),
        }
    })
}

/// What comes of `work`, unless nothing has moved either way for too long before it is done.
async fn in_time<T>(
    moved: &Cell<Instant>,
    idle: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    loop {
        let until = moved.get() + idle;
        match tokio::time::timeout_at(until.into(), &mut work).await {
            Ok(done) => return Some(done),
            Err(_) if moved.get() + idle > Instant::now() => {}
            Err(_) => return None,
        }
    }
}

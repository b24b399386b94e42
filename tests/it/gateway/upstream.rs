//! What the gateway leads to: a server that does as the path says, and one that misbehaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// What an upstream of many bytes sends at a time, and in all.
pub const PIECE: usize = 64 * 1024;
pub const BIG: usize = 100 * 1024 * 1024;

/// What an upstream has seen.
#[derive(Default)]
pub struct Seen {
    pub requests: AtomicUsize,
    /// Bytes of `/test/big` that were asked of it.
    pub produced: AtomicUsize,
    /// Bytes of `/test/upload` that came.
    pub received: AtomicUsize,
    /// Uploads that broke off.
    pub broken: AtomicUsize,
    /// What waits in `/test/wait` goes on.
    pub go: Notify,
}

impl Seen {
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

pub struct Upstream {
    pub url: String,
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    handle: ServerHandle,
}

impl Upstream {
    pub async fn start() -> Upstream {
        Upstream::start_at("127.0.0.1:0").await
    }

    /// Where one was before, for instance.
    pub async fn start_at(address: &str) -> Upstream {
        let listener = std::net::TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Seen::default());
        let data = Data::from(seen.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(Data::new(address))
                .route("/health/live", web::to(|| async { HttpResponse::Ok().finish() }))
                .route("/test/big", web::get().to(big))
                .route("/test/upload", web::route().to(upload))
                .route("/test/wait", web::route().to(wait))
                .route("/test/status/{status}", web::route().to(status))
                .route("/test/socket", web::get().to(socket))
                .route("/test/events", web::get().to(events))
                .default_service(web::to(echo))
        })
        .workers(1)
        .tcp_nodelay(true)
        .shutdown_timeout(1)
        .disable_signals()
        .listen_auto_h2c(listener)
        .expect("it listens")
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Upstream { url: format!("http://{address}"), address, seen, handle }
    }

    /// At once, whatever is under way.
    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

/// Tells what came.
async fn echo(
    request: HttpRequest,
    body: Bytes,
    seen: Data<Seen>,
    address: Data<SocketAddr>,
) -> HttpResponse {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let headers: Vec<Value> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), value.to_str().expect("ASCII")]))
        .collect();
    HttpResponse::Ok().insert_header(("x-erp-internal", "1")).insert_header(("x-own", "2")).json(
        json!({
            "at": address.to_string(),
            "method": request.method().as_str(),
            "path": request.uri().path_and_query().expect("a path").as_str(),
            "version": format!("{:?}", request.version()),
            "headers": headers,
            "body": String::from_utf8_lossy(&body),
        }),
    )
}

async fn big(seen: Data<Seen>) -> HttpResponse {
    let pieces = stream::unfold((seen, 0), |(seen, sent)| async move {
        if sent == BIG {
            return None;
        }
        seen.produced.fetch_add(PIECE, Ordering::SeqCst);
        Some((Ok::<_, actix_web::Error>(Bytes::from(vec![7; PIECE])), (seen, sent + PIECE)))
    });
    HttpResponse::Ok().content_type("application/octet-stream").streaming(pieces)
}

async fn upload(mut body: Payload, seen: Data<Seen>) -> HttpResponse {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let mut received = 0;
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => {
                received += piece.len();
                seen.received.fetch_add(piece.len(), Ordering::SeqCst);
            }
            Err(_) => {
                seen.broken.fetch_add(1, Ordering::SeqCst);
                return HttpResponse::BadRequest().finish();
            }
        }
    }
    HttpResponse::Ok().json(json!({ "received": received }))
}

async fn wait(seen: Data<Seen>) -> HttpResponse {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    seen.go.notified().await;
    HttpResponse::Ok().body("done")
}

async fn status(path: web::Path<u16>, seen: Data<Seen>) -> HttpResponse {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let status = actix_web::http::StatusCode::from_u16(*path).expect("a status");
    HttpResponse::build(status).insert_header(("etag", "\"v1\"")).finish()
}

/// Says back what it hears.
async fn socket(request: HttpRequest, body: Payload) -> HttpResponse {
    if request.headers().get("sec-websocket-key").is_none() {
        return HttpResponse::UpgradeRequired().finish();
    }
    HttpResponse::SwitchingProtocols()
        .upgrade("websocket")
        .insert_header(("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        .streaming(body.map(|piece| piece.map_err(actix_web::Error::from)))
}

/// An event each time the test says so.
async fn events(seen: Data<Seen>) -> HttpResponse {
    let events = stream::unfold((seen, 0), |(seen, number)| async move {
        if number > 0 {
            seen.go.notified().await;
        }
        let event = format!("data: {number}\n\n");
        Some((Ok::<_, actix_web::Error>(Bytes::from(event)), (seen, number + 1)))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(events)
}

/// Takes connections and does with each as it is told to.
pub struct Misbehaving {
    pub url: String,
    /// Connections that brought a request.
    pub requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed when it has come.
    Close,
    /// It is never answered.
    Silence,
    /// The answer is no HTTP.
    Nonsense,
    /// The answer is shorter than it says.
    Short,
    /// The answer is right, with headers for this connection alone.
    OfConnection,
}

impl Misbehaving {
    pub async fn start(fault: Fault) -> Misbehaving {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(misbehave(connection, fault, counted.clone()));
            }
        });
        Misbehaving { url, requests, task }
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn misbehave(mut connection: TcpStream, fault: Fault, requests: Arc<AtomicUsize>) {
    use tokio::io::AsyncWriteExt;
    let mut head = [0; 4096];
    let read = connection.read(&mut head).await.unwrap_or(0);
    if read == 0 || head[..read].starts_with(b"GET /health/live") {
        return;
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let answer: &[u8] = match fault {
        Fault::Close => return,
        Fault::Silence => {
            // For as long as the other end stays, whatever more it sends.
            let listen = async { while matches!(connection.read(&mut head).await, Ok(1..)) {} };
            let _ = tokio::time::timeout(Duration::from_secs(60), listen).await;
            return;
        }
        Fault::Nonsense => b"what?\r\n\r\n",
        Fault::OfConnection => {
            b"HTTP/1.1 200 OK\r\nconnection: close, X-Hop\r\nx-hop: 3\r\nkeep-alive: timeout=5\r\n\
            proxy-authenticate: x\r\nx-own: 2\r\ncontent-length: 2\r\n\r\nok"
        }
        Fault::Short => b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nshort",
    };
    let _ = connection.write_all(answer).await;
}

/// A body of pieces that the test hands over one by one.
pub fn body_by_hand() -> (mpsc::Sender<Vec<u8>>, reqwest::Body) {
    let (send, receive) = mpsc::channel::<Vec<u8>>(1);
    let pieces = stream::unfold(receive, |mut receive| async move {
        let piece = receive.recv().await?;
        Some((Ok::<_, std::io::Error>(piece), receive))
    });
    (send, reqwest::Body::wrap_stream(pieces))
}

//! A stand-in for Dapr sidecars, with as much of their HTTP surface as is used here: one
//! listener in place of one beside each process. It delivers several messages of a topic at
//! once, and so in no order, as a broker may. `tests/dapr` holds it to the real one.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Deliveries of a topic under way at once.
const AT_ONCE: usize = 4;
/// Wait before a message is delivered again for which there is no dead-letter topic.
const REDELIVER_AFTER: Duration = Duration::from_millis(50);

/// All sidecars of a system; they stop with the test's runtime.
#[derive(Clone)]
pub struct Sidecars {
    pub url: String,
    hub: Arc<Hub>,
}

#[derive(Default)]
struct Hub {
    client: Client,
    apps: Mutex<BTreeMap<String, SocketAddr>>,
    topics: Mutex<BTreeMap<String, Topic>>,
    undelivered: AtomicUsize,
}

/// Every app that subscribes gets all of it.
#[derive(Default)]
struct Topic {
    queues: Vec<Queue>,
    /// What was published before anybody subscribed.
    early: Vec<Bytes>,
}

type Queue = mpsc::UnboundedSender<Bytes>;
type Waiting = Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Bytes>>>;

impl Sidecars {
    pub fn start() -> Sidecars {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let hub = Arc::new(Hub::default());
        let data = Data::from(hub.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(16 * 1024 * 1024))
                .route("/v1.0/publish/{pubsub}/{topic}", web::post().to(publish))
                .default_service(web::to(invoke))
        });
        let server = server.workers(1).disable_signals().listen(listener).expect("listens").run();
        tokio::spawn(server);
        Sidecars { url, hub }
    }

    /// Puts a sidecar beside the app that listens there, or soon will.
    pub fn attach(&self, app_id: &str, app: SocketAddr) {
        self.hub.apps.lock().expect("whole").insert(app_id.to_owned(), app);
        tokio::spawn(self.hub.clone().subscribe(app));
    }

    /// Messages published that an app has not taken yet.
    pub fn undelivered(&self) -> usize {
        self.hub.undelivered.load(Ordering::SeqCst)
    }
}

impl Hub {
    async fn subscribe(self: Arc<Self>, app: SocketAddr) {
        let subscriptions: Vec<Value> = loop {
            let asked = self.client.get(format!("http://{app}/dapr/subscribe")).send().await;
            match asked {
                Ok(answer) => break answer.json().await.expect("a list"),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        for subscription in subscriptions {
            let subscription = Arc::new(subscription);
            let (queue, waiting) = mpsc::unbounded_channel();
            self.join(subscription["topic"].as_str().expect("a topic"), &queue);
            let waiting = Waiting::new(waiting.into());
            for _ in 0..AT_ONCE {
                let delivery =
                    self.clone().deliver(app, subscription.clone(), queue.clone(), waiting.clone());
                tokio::spawn(delivery);
            }
        }
    }

    fn join(&self, topic: &str, queue: &Queue) {
        let mut topics = self.topics.lock().expect("whole");
        let topic = topics.entry(topic.to_owned()).or_default();
        topic.early.drain(..).for_each(|body| queue.send(body).expect("open"));
        topic.queues.push(queue.clone());
    }

    async fn deliver(
        self: Arc<Self>,
        app: SocketAddr,
        subscription: Arc<Value>,
        queue: Queue,
        waiting: Waiting,
    ) {
        let route = subscription["route"].as_str().expect("a route");
        loop {
            let Some(body) = waiting.lock().await.recv().await else { return };
            let request = self
                .client
                .post(format!("http://{app}{route}"))
                .header("content-type", "application/cloudevents+json")
                .body(body.clone());
            let (status, said) = match request.send().await {
                Ok(answer) => (answer.status().as_u16(), answer.json::<Value>().await.ok()),
                Err(_) => (503, None),
            };
            let said = said.as_ref().and_then(|said| said["status"].as_str());
            let is_taken = (200..300).contains(&status) && said.is_none_or(|it| it == "SUCCESS");
            match subscription["deadLetterTopic"].as_str().filter(|_| !is_taken) {
                Some(dead) => self.send(dead, body),
                None if !is_taken => {
                    let queue = queue.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(REDELIVER_AFTER).await;
                        let _ = queue.send(body);
                    });
                    continue;
                }
                None => {}
            }
            self.undelivered.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn send(&self, topic: &str, body: Bytes) {
        let mut topics = self.topics.lock().expect("whole");
        let Topic { queues, early } = topics.entry(topic.to_owned()).or_default();
        self.undelivered.fetch_add(queues.len().max(1), Ordering::SeqCst);
        match queues.is_empty() {
            true => early.push(body),
            false => queues.iter().for_each(|queue| drop(queue.send(body.clone()))),
        }
    }
}

async fn publish(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
    hub: Data<Hub>,
) -> HttpResponse {
    let (pubsub, topic) = path.into_inner();
    let content_type = request.headers().get("content-type");
    assert_eq!(content_type.expect("a type"), "application/cloudevents+json");
    if pubsub != "pubsub" {
        return HttpResponse::NotFound().json(json!({"errorCode": "ERR_PUBSUB_NOT_FOUND"}));
    }
    hub.send(&topic, body);
    HttpResponse::NoContent().finish()
}

/// Any other path, for the app that the header names.
async fn invoke(request: HttpRequest, body: Bytes, hub: Data<Hub>) -> HttpResponse {
    let target = request.headers().get("dapr-app-id").and_then(|id| id.to_str().ok());
    let app = target.and_then(|id| hub.apps.lock().expect("whole").get(id).copied());
    let failed = |id: &str| {
        let message = format!("failed to invoke, id: {id}");
        HttpResponse::InternalServerError()
            .json(json!({"errorCode": "ERR_DIRECT_INVOKE", "message": message}))
    };
    let Some(app) = app else { return failed(target.unwrap_or_default()) };
    let method = Method::from_bytes(request.method().as_str().as_bytes()).expect("a method");
    let mut outgoing = hub.client.request(method, format!("http://{app}{}", request.uri()));
    for (name, value) in request.headers() {
        if !["host", "content-length", "dapr-app-id"].contains(&name.as_str()) {
            outgoing = outgoing.header(name.as_str(), value.as_bytes());
        }
    }
    let Ok(answer) = outgoing.body(body).send().await else {
        return failed(target.unwrap_or_default());
    };
    let status = StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    let content_type = answer.headers().get("content-type").map(|v| v.as_bytes().to_vec());
    let mut response = HttpResponse::build(status);
    if let Some(value) = content_type {
        response.insert_header(("content-type", value));
    }
    response.body(answer.bytes().await.unwrap_or_default())
}

//! The listeners for other processes and for a sidecar: who is let in, and to what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use erp::Running;
use figment::providers::Serialized;
use kernel::service::{Identity, new_keys};
use reqwest::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::Dir;
use crate::harness::layers;
use crate::topology::run;

const MODULES: [&str; 3] = ["orders", "sales", "purchasing"];

/// Inventory by itself, and those it knows.
struct Inventory {
    running: Running,
    callers: BTreeMap<&'static str, Identity>,
    client: Client,
    _dir: Dir,
}

impl Inventory {
    async fn start(settings: &[(&str, Value)]) -> Inventory {
        let dir = Dir::new();
        let mut public = BTreeMap::new();
        let mut callers = BTreeMap::new();
        for module in MODULES {
            let (key, known_by) = new_keys().expect("random");
            public.insert(module, known_by);
            callers.insert(module, Identity::new(&key).expect("a key"));
        }
        let sql = test_support::sql(&["inventory"]).await;
        let mut layers = layers(&dir.0, &sql)
            .merge(Serialized::default("modules", ["inventory"]))
            .merge(Serialized::default("internal.bind", "127.0.0.1:0"))
            .merge(Serialized::default("internal.callers", &public))
            .merge(Serialized::default("dapr.bind", "127.0.0.1:0"));
        for (key, value) in settings {
            layers = layers.merge(Serialized::default(key, value));
        }
        let running = run(&layers).await;
        Inventory { running, callers, client: Client::new(), _dir: dir }
    }

    /// Calls it with a token of `signer` that says it is for `callee`.
    async fn call(&self, token: Option<String>, method: &str, body: &Value) -> (u16, Value) {
        let address = self.running.internal_address.expect("listens");
        let mut request =
            self.client.post(format!("http://{address}/internal/inventory/{method}")).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        answer(request).await
    }

    fn token(&self, caller: &str, callee: &'static str) -> Option<String> {
        Some(self.callers[caller].token(caller, callee).expect("signed"))
    }

    fn sidecar(&self, path: &str) -> String {
        let address: SocketAddr = self.running.sidecar_address.expect("listens");
        format!("http://{address}{path}")
    }

    /// Has the "sidecar" bring it a message.
    async fn bring(&self, message: &Value) -> String {
        let request = self.client.post(self.sidecar("/dapr/events/inventory")).json(message);
        let (status, body) = answer(request).await;
        assert_eq!(status, 200, "{body}");
        body["status"].as_str().expect("a status").to_owned()
    }

    /// An event in its envelope, signed by `signer`.
    fn message(&self, signer: &str, subscriber: &str, event: &Value) -> Value {
        let data = event.to_string().into_bytes();
        let signature = self.callers[signer].sign(signer, subscriber, &data).expect("signed");
        json!({
            "specversion": "1.0", "id": event["id"], "source": "/erp/orders",
            "type": event["type"], "subject": event["aggregate_id"],
            "time": event["occurred_at"], "datacontenttype": "application/json",
            "data_base64": BASE64_STANDARD.encode(data), "signature": signature,
            // As a broker adds them.
            "topic": "erp.inventory", "pubsubname": "pubsub"
        })
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// An order was called off, of which nothing is held here.
fn cancelled() -> Value {
    let order_id = Uuid::now_v7();
    json!({
        "id": Uuid::now_v7(), "type": "orders.order.cancelled", "version": 1,
        "occurred_at": "2026-01-15T09:30:00Z", "aggregate_id": order_id, "aggregate_version": 2,
        "correlation_id": "a-request", "causation_id": null,
        "actor": {"kind": "user", "id": Uuid::now_v7(), "name": "erika"},
        "data": {"order_id": order_id, "customer_id": Uuid::now_v7()}
    })
}

#[actix_web::test]
async fn a_call_needs_the_token_of_somebody_who_may() {
    let inventory = Inventory::start(&[]).await;
    let ask = json!({"ids": []});
    let refused = async |token: Option<String>, method: &str, status: u16, code: &str| {
        let body = if method == "events" { cancelled() } else { ask.clone() };
        let (found, problem) = inventory.call(token, method, &body).await;
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{problem}");
    };
    let (status, found) =
        inventory.call(inventory.token("orders", "inventory"), "products", &ask).await;
    assert_eq!((status, found), (200, json!([])));
    refused(None, "products", 401, "invalid_service_token").await;
    refused(Some("x.y.z".into()), "products", 401, "invalid_service_token").await;
    // One for another callee, and one in another's name.
    refused(inventory.token("orders", "billing"), "products", 401, "invalid_service_token").await;
    let forged = inventory.callers["sales"].token("orders", "inventory").expect("signed");
    refused(Some(forged), "products", 401, "invalid_service_token").await;
    // Who has nothing to ask of a module is not answered, and nobody tells others' news.
    let token = inventory.callers["sales"].token("gateway", "inventory").expect("signed");
    refused(Some(token), "products", 401, "invalid_service_token").await;
    refused(inventory.token("sales", "inventory"), "events", 403, "call_not_allowed").await;

    let event = cancelled();
    for _ in 0..2 {
        let token = inventory.token("orders", "inventory");
        assert_eq!(inventory.call(token, "events", &event).await.0, 200);
    }
    let mut unheard = cancelled();
    unheard["type"] = json!("orders.order.created");
    let token = inventory.token("orders", "inventory");
    assert_eq!(inventory.call(token, "events", &unheard).await.0, 403);
}

#[actix_web::test]
async fn the_sidecar_is_told_what_to_bring_and_its_messages_are_checked() {
    let inventory = Inventory::start(&[]).await;
    let (_, list) = answer(inventory.client.get(inventory.sidecar("/dapr/subscribe"))).await;
    // And what came back of its own, to whomever it was on the way.
    let heard = json!({
        "pubsubname": "pubsub", "topic": "erp.inventory",
        "route": "/dapr/events/inventory", "deadLetterTopic": "erp.inventory.dead"
    });
    let came_back = ["billing", "orders", "sales"].map(|subscriber| {
        json!({
            "pubsubname": "pubsub", "topic": format!("erp.{subscriber}.dead"),
            "route": format!("/dapr/dead/{subscriber}")
        })
    });
    assert_eq!(list, json!([heard, came_back[0], came_back[1], came_back[2]]));
    let event = cancelled();
    let message = inventory.message("orders", "inventory", &event);
    // As often as it comes.
    for _ in 0..2 {
        assert_eq!(inventory.bring(&message).await, "SUCCESS");
    }
    assert_eq!(inventory.bring(&json!({"id": "no event"})).await, "DROP");
    let for_another = inventory.message("orders", "billing", &cancelled());
    assert_eq!(inventory.bring(&for_another).await, "DROP");
    let by_another = inventory.message("sales", "inventory", &cancelled());
    assert_eq!(inventory.bring(&by_another).await, "DROP");
    let mut changed = inventory.message("orders", "inventory", &cancelled());
    changed["data_base64"] = json!(BASE64_STANDARD.encode(cancelled().to_string()));
    assert_eq!(inventory.bring(&changed).await, "DROP");

    // One that comes before the one before it waits a moment for that, and is then sent back.
    let (first, mut second) = (cancelled(), cancelled());
    second["previous"] = first["id"].clone();
    let [first, second] =
        [first, second].map(|event| inventory.message("orders", "inventory", &event));
    let begun = Instant::now();
    assert_eq!(inventory.bring(&second).await, "RETRY");
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    let (second, first) = tokio::join!(inventory.bring(&second), inventory.bring(&first));
    assert_eq!((first.as_str(), second.as_str()), ("SUCCESS", "SUCCESS"));
}

#[actix_web::test]
async fn a_sidecar_with_a_token_must_show_it() {
    let inventory = Inventory::start(&[("dapr.app_token", json!("a token of the app"))]).await;
    let subscribe = || inventory.client.get(inventory.sidecar("/dapr/subscribe"));
    assert_eq!(answer(subscribe()).await.0, 401);
    assert_eq!(answer(subscribe().header("dapr-api-token", "another")).await.0, 401);
    let shown = subscribe().header("dapr-api-token", "a token of the app");
    assert_eq!(answer(shown).await.0, 200);
    let unshown = inventory.client.post(inventory.sidecar("/dapr/events/inventory"));
    assert_eq!(answer(unshown.json(&json!({}))).await.0, 401);
}

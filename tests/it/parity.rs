//! Nobody outside can tell how the modules are spread over processes: the same requests get
//! the same answers, and the same events are published.

use std::sync::{Arc, Mutex};

use kernel::db::query_all;
use reqwest::Method;
use sea_orm::FromQueryResult;
use serde_json::{Value, json};
use test_support::available;
use uuid::Uuid;

use crate::daprd;
use crate::harness::{Api, Exchange, Server, text, with};
use crate::topology::{TOPOLOGIES, Topology};
use crate::tour::first_day;
use crate::tour::record::Normaliser;

/// Headers that tell when and by whom it was answered, or of one connection, and nothing of what
/// was answered.
const OF_THE_MOMENT: [&str; 4] = ["connection", "date", "x-db-statements", "x-request-id"];

/// Lists whose rows are made by events of several modules, which do not wait for each other.
const UNORDERED: [&str; 3] = ["/sales/facts", "/billing/journal-entries", EVENTS];
/// What all modules published, by its moment: how many rows are shown is the same, and what was
/// published is compared by itself.
const EVENTS: &str = "/auth/events";

/// What a day looked like from outside, with ids and moments as they are in every run.
struct Day {
    exchanges: Vec<Value>,
    events: Vec<String>,
}

#[derive(FromQueryResult)]
struct Published {
    r#type: String,
    version: i64,
    actor: String,
    data: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_the_same_in_every_topology() {
    assert_same(&TOPOLOGIES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_the_same_with_real_sidecars() {
    if available("daprd") && available("redis") {
        println!("daprd {}", daprd::version());
        assert_same(&[Topology::OneProcess, Topology::Daprd]).await;
    }
}

/// With the data in files. On PostgreSQL modules hear of each other at moments that differ from
/// run to run, and versions and numbers tell so.
async fn assert_same(topologies: &[Topology]) {
    if test_support::is_on_postgres() {
        return;
    }
    let mut reference: Option<Day> = None;
    for topology in topologies {
        let day = day(*topology).await;
        println!("{topology:?}: {} exchanges and {} events", day.exchanges.len(), day.events.len());
        let Some(reference) = &reference else {
            assert!(day.exchanges.len() > 150 && day.events.len() > 30);
            reference = Some(day);
            continue;
        };
        let differ: Vec<String> = reference
            .exchanges
            .iter()
            .zip(&day.exchanges)
            .filter(|(expected, found)| expected != found)
            .map(|(expected, found)| format!("{expected:#}\nbut {topology:?}\n{found:#}"))
            .collect();
        assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
        assert_eq!(reference.exchanges.len(), day.exchanges.len(), "{topology:?}");
        assert_eq!(reference.events, day.events, "{topology:?}");
    }
}

async fn day(topology: Topology) -> Day {
    let server = Server::start_as(topology, &[]).await;
    let recorded = Arc::new(Mutex::new(Vec::new()));
    let api = server.api.recording(recorded.clone());
    first_day(&server, &api).await;
    refusals(&api).await;
    server.settle().await;
    let mut recorded = recorded.lock().expect("whole").clone();
    // Who waits for something asks as often as it takes: the last answer counts.
    recorded.reverse();
    recorded.dedup_by(|earlier, later| {
        earlier.method == "GET" && later.method == "GET" && earlier.path == later.path
    });
    recorded.reverse();
    let mut normaliser = Normaliser::default();
    let exchanges = recorded.iter().map(|exchange| told(exchange, &mut normaliser)).collect();
    let events = published(&server, &mut normaliser).await;
    server.stop().await;
    Day { exchanges, events }
}

/// What is refused, by the gateway, by a module, or by one that it asks.
async fn refusals(api: &Api) {
    let products = "/api/v1/inventory/products";
    let orders = "/api/v1/orders/orders";
    for path in ["/", "/api/v1/nothing", "/api/v1/orders", "/api/v1/orders/nothing", "/internal"] {
        api.get(path).await.problem(404, "no_such_path");
    }
    let nobody = api.with_token(None);
    for path in [products, orders, "/api/v1/auth/me", "/api/v1/orders/nothing"] {
        nobody.get(path).await;
    }
    for token in ["", "nonsense", "eyJhbGciOiJub25lIn0.e30."] {
        api.with_token(Some(token)).get(products).await.problem(401, "invalid_token");
    }
    let erika = json!({"username": "erika", "password": "seven loud lighthouses"});
    let erika = nobody.post("/api/v1/auth/token", erika).await.ok();
    let erika = api.with_token(erika["access_token"].as_str());
    erika.get("/api/v1/billing/trial-balance").await.problem(403, "permission_denied");
    erika.get("/api/v1/orders/orders").await.ok();
    for (method, path) in [(Method::DELETE, orders), (Method::PUT, products)] {
        api.send(api.request(method, path)).await.problem(405, "method_not_allowed");
    }
    api.get(&format!("{products}?colour=red")).await.problem(400, "invalid_query");
    api.get(&format!("{products}?cursor=x")).await.problem(400, "invalid_cursor");
    api.get(&format!("{products}/no-id")).await.problem(404, "not_found");
    api.get(&format!("{products}/{}", Uuid::nil())).await.problem(404, "not_found");

    let product = json!({
        "sku": "STOOL-ASH", "name": "Ash stool", "unit": "pcs", "tax_class": "standard"
    });
    let send = async |body: &'static str, content_type: &'static str| {
        let request = api.request(Method::POST, products).header("Idempotency-Key", "a-key");
        api.send(request.header("Content-Type", content_type).body(body)).await
    };
    send("{", "application/json").await.problem(400, "malformed_json");
    send("[]", "application/json").await.problem(422, "invalid_body");
    send("{}", "application/json").await.problem(422, "invalid_body");
    send("{}", "text/plain").await.problem(415, "unsupported_media_type");
    let too_large = json!({"name": "x".repeat(1024 * 1024)});
    api.post(products, too_large).await.problem(413, "body_too_large");
    for (field, value) in [
        ("colour", json!("red")),
        ("name", json!(7)),
        ("sku", json!("")),
        ("unit_decimals", json!(-1)),
    ] {
        api.post(products, with(product.clone(), field, value)).await.problem(422, "invalid_body");
    }
    // A key that was used: the same answer, and none for something else.
    let stool = api.post_with_key(products, product.clone(), "stool").await.ok();
    assert_eq!(api.post_with_key(products, product.clone(), "stool").await.ok(), stool);
    let other = with(product.clone(), "name", json!("Another stool"));
    api.post_with_key(products, other, "stool").await;
    api.post(products, product).await;
    let path = format!("{products}/{}", text(&stool["id"]));
    let unversioned = api.request(Method::PATCH, &path).json(&json!({"name": "Stool"}));
    api.send(unversioned).await.problem(428, "if_match_required");
    let stale = with(stool.clone(), "version", json!(7));
    api.patch(&path, &stale, json!({"name": "Stool"})).await.problem(412, "stale_version");

    // What another module knows, and says through the one that was asked.
    let customers = api.get("/api/v1/sales/customers").await.ok();
    let warehouses = api.get("/api/v1/inventory/warehouses").await.ok();
    let order = json!({
        "customer_id": customers["data"][0]["id"], "warehouse_id": warehouses["data"][0]["id"],
        "lines": [{"product_id": stool["id"], "quantity": "3", "unit_price": "45.00"}]
    });
    let unknown = with(order.clone(), "customer_id", json!(Uuid::nil()));
    let unknown = api.post(orders, unknown).await;
    assert_eq!(unknown.status, 422, "{:#}", unknown.body);
    let order = api.post(orders, order).await.ok();
    let confirm = format!("{orders}/{}/confirm", text(&order["id"]));
    api.act(&confirm, &order).await.problem(409, "insufficient_stock");
    let ship = format!("{orders}/{}/shipments", text(&order["id"]));
    api.post(&ship, json!({})).await;
}

fn told(exchange: &Exchange, normaliser: &mut Normaliser) -> Value {
    let mut shown = |text: &str| {
        let parts = text.split_inclusive(['/', '?', '=', '&']).map(|part| {
            let name = part.trim_end_matches(['/', '?', '=', '&']);
            // A delivery's number.
            let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
            // A signing key's, a hash of it.
            let is_kid = name.len() == 43 && !name.contains(['.', ' ']);
            let shown = match (is_number, is_kid) {
                (true, _) => "1".to_owned(),
                (_, true) => "a-key".to_owned(),
                _ => normaliser.text(name),
            };
            shown + &part[name.len()..]
        });
        parts.collect::<String>()
    };
    let path = shown(&exchange.path);
    let headers = exchange.headers.iter().filter(|(name, _)| {
        !OF_THE_MOMENT.contains(&name.as_str()) && !name.starts_with("ratelimit")
    });
    let headers = headers.map(|(name, value)| {
        // How long it is depends on the numbers in it.
        let value = match name.as_str() {
            "content-length" => "n".to_owned(),
            // A file is called by what it was made of, and an id.
            "content-disposition" => value.split('-').next().unwrap_or_default().to_owned(),
            _ => shown(value),
        };
        (name.clone(), json!(value))
    });
    let headers: Value = headers.collect::<serde_json::Map<_, _>>().into();
    let sent = normaliser.value(&exchange.sent);
    let mut received = match UNORDERED.iter().any(|list| exchange.path.ends_with(list)) {
        true => normaliser.known(&exchange.received),
        false => normaliser.value(&exchange.received),
    };
    if exchange.path.ends_with(EVENTS) {
        received = json!(received["data"].as_array().map(Vec::len));
    } else if let Some(rows) = received.get_mut("data").and_then(Value::as_array_mut) {
        for row in rows.iter_mut().filter(|row| row["source_type"].is_string()) {
            // Events of one request are posted in any order, and numbered so.
            row["number"] = json!("JE-1");
        }
        rows.sort_by_key(Value::to_string);
    }
    if let Some(request_id) = received.get_mut("request_id") {
        *request_id = Value::Null;
    }
    // Where many write, the numbers of deliveries have gaps.
    if exchange.path.contains("/parked-events") {
        for event in received["data"].as_array_mut().into_iter().flatten() {
            event["id"] = json!(1);
        }
        if let Some(detail) = received.get_mut("detail") {
            *detail = json!("no parked event 1");
        }
    }
    json!({
        "request": format!("{} {path}", exchange.method), "sent": sent,
        "status": exchange.status, "headers": headers, "received": received
    })
}

/// What every module has published, in no order: modules do not wait for each other.
async fn published(server: &Server, normaliser: &mut Normaliser) -> Vec<String> {
    let mut events = Vec::new();
    for db in server.system.databases() {
        let sql = "SELECT type, version, actor, data FROM events";
        let rows: Vec<Published> = query_all(db.read(), sql, vec![]).await.expect("read");
        for row in rows {
            let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            let (actor, data) = (parse(&row.actor), parse(&row.data));
            let (actor, data) = (normaliser.known(&actor), normaliser.known(&data));
            let Published { r#type: type_, version, .. } = row;
            events.push(format!("{type_} {version} {actor} {data}"));
        }
    }
    events.sort();
    events
}

//! Nobody outside can tell how the modules are spread over processes: the same requests get
//! the same answers, and the same events are published.

use std::sync::{Arc, Mutex};

use kernel::db::query_all;
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

use crate::harness::{Exchange, Server};
use crate::topology::{TOPOLOGIES, Topology};
use crate::tour::first_day;
use crate::tour::record::Normaliser;

/// Headers that tell when and by whom it was answered, or of one connection, and nothing of what
/// was answered.
const OF_THE_MOMENT: [&str; 4] = ["connection", "date", "x-db-statements", "x-request-id"];

/// What a day looked like from outside, with ids and moments as they are in every run.
struct Day {
    exchanges: Vec<Value>,
    events: Vec<String>,
}

#[derive(FromQueryResult)]
struct Published {
    r#type: String,
    version: i64,
    aggregate_version: i64,
    actor: String,
    data: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_the_same_in_every_topology() {
    let mut reference: Option<Day> = None;
    for topology in TOPOLOGIES {
        let day = day(topology).await;
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
    first_day(&server, &server.api.recording(recorded.clone())).await;
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

fn told(exchange: &Exchange, normaliser: &mut Normaliser) -> Value {
    let mut shown = |text: &str| {
        let parts = text.split_inclusive(['/', '?', '=', '&']).map(|part| {
            let name = part.trim_end_matches(['/', '?', '=', '&']);
            // A delivery's number.
            let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
            let shown = if is_number { "1".to_owned() } else { normaliser.text(name) };
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
        let value = if name == "content-length" { "n".to_owned() } else { shown(value) };
        (name.clone(), json!(value))
    });
    let headers: Value = headers.collect::<serde_json::Map<_, _>>().into();
    let sent = normaliser.value(&exchange.sent);
    let mut received = normaliser.value(&exchange.received);
    if let Some(request_id) = received.get_mut("request_id") {
        *request_id = Value::Null;
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
        let sql = "SELECT type, version, aggregate_version, actor, data FROM events";
        let rows: Vec<Published> = query_all(db.read(), sql, vec![]).await.expect("read");
        for row in rows {
            let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            let (actor, data) = (parse(&row.actor), parse(&row.data));
            let (actor, data) = (normaliser.known(&actor), normaliser.known(&data));
            let Published { r#type: type_, version, aggregate_version, .. } = row;
            events.push(format!("{type_} {version} {aggregate_version} {actor} {data}"));
        }
    }
    events.sort();
    events
}

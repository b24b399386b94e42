//! Many at the same goods, on PostgreSQL: what is promised is there, and nobody who waits
//! for a lock is turned away because of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use erp::gateway::MODULES;
use serde_json::{Value, json};
use test_support::PostgresServer;
use tokio::task::JoinSet;

use super::checks;
use crate::flows::{Company, company};
use crate::harness::{Answer, Api, Server, seconds, text};
use crate::topology::Topology;

const RESERVATIONS: &str = "/api/v1/inventory/reservations";
const CLIENTS: usize = 100;
const IN_STOCK: usize = 10;
const ROUNDS: usize = 20;
const WRITERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_reserve_what_there_is_and_not_one_more() {
    if !test_support::available("postgres") {
        return;
    }
    let server = Server::start_on_postgres(&[]).await;
    let api = &server.api;
    let code = json!({"code": "MAIN", "name": "Main"});
    let warehouse = api.post("/api/v1/inventory/warehouses", code).await.ok();
    for round in 0..ROUNDS {
        let product = json!({
            "sku": format!("RARE-{round}"), "name": "Rare", "unit": "pcs", "tax_class": "standard"
        });
        let product = api.post("/api/v1/inventory/products", product).await.ok();
        let receipt = json!({
            "warehouse_id": warehouse["id"], "reason": "Opening stock", "lines": [{
                "product_id": product["id"], "quantity": IN_STOCK.to_string(), "unit_cost": "1"
            }]
        });
        api.post("/api/v1/inventory/receipts", receipt).await.ok();
        let one = json!({
            "warehouse_id": warehouse["id"], "product_id": product["id"], "quantity": "1",
            "ttl_s": 3600, "note": "Mine"
        });
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (api, one) = (api.clone(), one.clone());
            clients.spawn(async move { api.post(RESERVATIONS, one).await });
        }
        let (made, refused): (Vec<_>, Vec<_>) =
            clients.join_all().await.into_iter().partition(|answer| answer.status == 201);
        assert_eq!((made.len(), refused.len()), (IN_STOCK, CLIENTS - IN_STOCK), "round {round}");
        for answer in refused {
            answer.problem(409, "insufficient_stock");
        }
        let path = format!("/api/v1/inventory/products/{}/availability", text(&product["id"]));
        let stock = api.get(&path).await.ok();
        assert_eq!(
            (&stock["on_hand"], &stock["reserved"], &stock["available"]),
            (&json!("10"), &json!("10"), &json!("0"))
        );
    }
    server.assert_invariants().await;
    assert_eq!(checks::broken(&server.database().expect("on PostgreSQL")).await, [""; 0]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ask_at_once_draw_the_numbers_of_a_series_each_once_and_none_is_left_out() {
    if !test_support::available("postgres") {
        return;
    }
    let server = Server::start_on_postgres(&[]).await;
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let api = server.api.clone();
        let address = json!({
            "line1": "Hauptstr. 1", "postal_code": "10115", "city": "Berlin", "country": "DE"
        });
        let customer = json!({"name": format!("Customer {n}"), "billing_address": address});
        clients.spawn(async move { api.post("/api/v1/sales/customers", customer).await.ok() });
    }
    let customers = clients.join_all().await;
    let mut numbers: Vec<u64> = customers
        .iter()
        .map(|customer| text(&customer["number"]).rsplit_once('-').expect("C-NNNNNN").1.parse())
        .map(|number| number.expect("a number"))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=CLIENTS as u64).collect::<Vec<_>>());
    server.stop().await;
}

/// What the writers were told: by what they did, status and code.
type Told = BTreeMap<(&'static str, u16, String), usize>;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_writers_of_one_product_wait_for_each_other_and_fail_never() {
    if !test_support::available("postgres") {
        return;
    }
    // A server of its own: its log and its counters tell of this test alone.
    let postgres = PostgresServer::start(&[]);
    let url = postgres.create_database(None).await;
    let sql = test_support::config(&MODULES, &url);
    let server = Server::start_on(sql, Topology::OneProcess, &[]).await;
    let company = Arc::new(company(&server.api).await);
    let until = Instant::now() + seconds(4);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (api, company) = (server.api.clone(), company.clone());
        writers.spawn(async move {
            let mut told = Told::new();
            while Instant::now() < until {
                match writer % 4 {
                    0 => reserve_and_release(&api, &company, &mut told).await,
                    1 => receive(&api, &company, &mut told).await,
                    2 => adjust(&api, &company, &mut told).await,
                    _ => order_and_ship(&api, &company, &mut told).await,
                }
            }
            told
        });
    }
    let mut told = Told::new();
    for (key, count) in writers.join_all().await.into_iter().flatten() {
        *told.entry(key).or_default() += count;
    }
    for ((what, status, code), count) in &told {
        println!("{what}: {count} × {status} {code}");
        let is_refusal = *status == 409 && code == "insufficient_stock";
        assert!(*status < 300 || is_refusal, "{what}: {status} {code}");
    }
    for what in ["reserve", "release", "receive", "adjust", "confirm", "ship"] {
        assert!(told.keys().any(|(done, status, _)| *done == what && *status < 300), "no {what}");
    }
    server.assert_invariants().await;
    assert_eq!(checks::broken(&url).await, [""; 0]);
    server.stop().await;
    assert_eq!(checks::deadlocks(&url).await, 0);
    let log = postgres.log();
    for trouble in ["deadlock detected", "could not serialize"] {
        assert!(!log.contains(trouble), "{log}");
    }
}

fn note(told: &mut Told, what: &'static str, answer: Answer) -> Option<Value> {
    let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
    *told.entry((what, answer.status, code)).or_default() += 1;
    (answer.status < 300).then_some(answer.body)
}

async fn reserve_and_release(api: &Api, company: &Company, told: &mut Told) {
    let new = json!({
        "warehouse_id": company.warehouse_id, "product_id": company.product_ids[0],
        "quantity": "7", "ttl_s": 3600, "note": "Trade fair"
    });
    let made = note(told, "reserve", api.post(RESERVATIONS, new).await);
    let Some(reservation) = made else { return };
    let path = format!("{RESERVATIONS}/{}/release", text(&reservation["id"]));
    note(told, "release", api.act(&path, &reservation).await);
}

async fn receive(api: &Api, company: &Company, told: &mut Told) {
    let new = json!({
        "warehouse_id": company.warehouse_id, "reason": "Found", "lines": [{
            "product_id": company.product_ids[0], "quantity": "2", "unit_cost": "3.35"
        }]
    });
    note(told, "receive", api.post("/api/v1/inventory/receipts", new).await);
}

async fn adjust(api: &Api, company: &Company, told: &mut Told) {
    let new = json!({
        "warehouse_id": company.warehouse_id, "product_id": company.product_ids[0],
        "quantity": "-2", "reason": "Broken"
    });
    note(told, "adjust", api.post("/api/v1/inventory/adjustments", new).await);
}

async fn order_and_ship(api: &Api, company: &Company, told: &mut Told) {
    let new = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id,
        "lines": [{"product_id": company.product_ids[0], "quantity": "3"}]
    });
    let made = note(told, "order", api.post("/api/v1/orders/orders", new).await);
    let Some(order) = made else { return };
    let path = format!("/api/v1/orders/orders/{}", text(&order["id"]));
    let confirmed = note(told, "confirm", api.act(&format!("{path}/confirm"), &order).await);
    if confirmed.is_none() {
        return;
    }
    let packed = api.post(&format!("{path}/shipments"), json!({})).await;
    let Some(shipment) = note(told, "pack", packed) else { return };
    let path = format!("/api/v1/orders/shipments/{}/ship", text(&shipment["id"]));
    note(told, "ship", api.act(&path, &shipment).await);
}

//! Events that a sidecar took over and could not deliver: their publisher takes them back.

use serde_json::{Value, json};
use test_support::available;

use crate::daprd;
use crate::flows::{company, eventually};
use crate::harness::{Api, Server};
use crate::topology::Topology;

const PARKED: &str = "/api/v1/inventory/parked-events";
/// What is in stock in the beginning costs that much, and more comes of that much.
const BEFORE: &str = "10500.00";
const AFTER: &str = "10537.50";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sidecar_gives_up_is_delivered_again() {
    heals_by_itself(Topology::Sidecars).await;
    waits_for_a_decision(Topology::Sidecars).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_real_sidecar_gives_up_is_delivered_again() {
    if available("daprd") && available("redis") {
        println!("daprd {}", daprd::version());
        heals_by_itself(Topology::Daprd).await;
        waits_for_a_decision(Topology::Daprd).await;
    }
}

async fn heals_by_itself(topology: Topology) {
    // It comes back at once, and waits long enough for billing to be there again.
    let patient = [("events.first_retry_ms", json!(1000))];
    let mut server = Server::start_as(topology, &patient).await;
    let billing = receive_without_billing(&mut server).await;
    eventually(&server.api, PARKED, |parked| parked["data"] == json!([])).await.expect("none");
    server.system.start(billing).await;
    posted(&server.api, AFTER).await;
    server.assert_invariants().await;
    server.stop().await;
}

async fn waits_for_a_decision(topology: Topology) {
    let mut server = Server::start_as(topology, &[("events.max_attempts", json!(2))]).await;
    let billing = receive_without_billing(&mut server).await;
    let api = server.api.clone();
    let parked = eventually(&api, PARKED, |parked| parked["data"][0].is_object()).await;
    let parked = parked.expect("parked")["data"].clone();
    assert_eq!(parked.as_array().map(Vec::len), Some(1), "{parked}");
    let told = ["type", "subscriber", "attempts"].map(|field| parked[0][field].clone());
    assert_eq!(told, [json!("inventory.stock.adjusted"), json!("billing"), json!(2)]);
    server.system.start(billing).await;
    let replay = format!("{PARKED}/{}/replay", parked[0]["id"]);
    assert_eq!(api.post(&replay, Value::Null).await.status, 204);
    posted(&api, AFTER).await;
    assert_eq!(api.get(PARKED).await.ok()["data"], json!([]));
    server.assert_invariants().await;
    server.stop().await;
}

/// Goods come in while nobody keeps the books. Returns what starts billing again.
async fn receive_without_billing(server: &mut Server) -> figment::Figment {
    let company = company(&server.api).await;
    posted(&server.api, BEFORE).await;
    server.settle().await;
    let billing = server.system.stop("billing").await;
    let line = json!({"product_id": company.product_ids[0], "quantity": "3", "unit_cost": "12.50"});
    let receipt = json!({
        "warehouse_id": company.warehouse_id, "lines": [line], "reason": "found in a corner"
    });
    server.api.post("/api/v1/inventory/receipts", receipt).await.ok();
    billing
}

/// Waits until all that is in stock is in the books.
async fn posted(api: &Api, amount: &str) {
    let is_in = |balance: &Value| balance["total_debit"]["amount"] == amount;
    eventually(api, "/api/v1/billing/trial-balance", is_in).await.expect("in the books");
}

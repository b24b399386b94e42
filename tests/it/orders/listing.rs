//! Lists, the timeline and the state machines.

use serde_json::json;

use super::{ORDERS, confirm, confirmed, draft, pack, path, ship};
use crate::flows::company;
use crate::harness::{Server, text};

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_found_by_status_customer_and_quotation() {
    let server = Server::start().await;
    let api = &server.api;
    let (ours, theirs) = (company(api).await, company(api).await);
    let first = draft(api, &ours, &["1"]).await;
    let second = confirmed(api, &ours, &["2"]).await;
    let third = draft(api, &theirs, &["3"]).await;
    pack(api, &second, json!({})).await.ok();
    let find = async |query: &str| {
        let page = api.get(&format!("{ORDERS}?{query}")).await.ok();
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|order| text(&order["id"])).collect::<Vec<_>>()
    };
    let [first, second, third] = [&first, &second, &third].map(|order| text(&order["id"]));
    assert_eq!(find("").await, [third.clone(), second.clone(), first.clone()]);
    assert_eq!(find("sort=created_at&limit=1").await, std::slice::from_ref(&first));
    assert_eq!(find("status=confirmed").await, std::slice::from_ref(&second));
    let customer = format!("customer_id={}", ours.customer_id);
    assert_eq!(find(&customer).await, [second.clone(), first.clone()]);
    assert_eq!(find(&format!("{customer}&status=draft")).await, [first]);
    assert_eq!(find(&format!("quotation_id={}", uuid::Uuid::now_v7())).await, [""; 0]);
    let page = api.get(&format!("{ORDERS}?status=confirmed")).await.ok();
    assert!(page["data"][0].get("lines").is_none());
    assert_eq!(page["data"][0]["allowed_actions"], json!([]), "it is packed");
    api.get(&format!("{ORDERS}?status=lost")).await.points_at(400, "invalid_query", "?status");

    let shipments = "/api/v1/orders/shipments";
    let page = api.get(&format!("{shipments}?order_id={second}&status=packed")).await.ok();
    assert_eq!(page["data"][0]["lines"][0]["quantity"], "2");
    let page = api.get(&format!("{shipments}?order_id={third}")).await.ok();
    assert_eq!(page["data"], json!([]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_tells_what_happened_and_who_did_it() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = draft(api, &company, &["1"]).await;
    confirm(api, &order).await.ok();
    let shipment = pack(api, &order, json!({})).await.ok();
    let shipment = ship(api, &shipment).await.ok();
    let at = super::shipment_path(&shipment);
    api.act(&format!("{at}/deliver"), &shipment).await.ok();
    let timeline = format!("{}/timeline", path(&order));
    let page = api.get(&format!("{timeline}?sort=created_at")).await.ok();
    let told: Vec<_> =
        page["data"].as_array().expect("a list").iter().map(|entry| text(&entry["type"])).collect();
    assert_eq!(
        told,
        [
            "orders.order.created",
            "orders.order.confirmed",
            "orders.shipment.packed",
            "orders.shipment.shipped",
            "orders.order.completed",
            "orders.shipment.delivered",
        ]
    );
    let shipped = &page["data"][3];
    assert_eq!(shipped["actor"]["name"], "admin");
    assert_eq!(shipped["summary"]["number"], shipment["number"]);
    assert_eq!(shipped["summary"]["lines"], 1);
    let newest = api.get(&format!("{timeline}?limit=1")).await.ok();
    assert_eq!(newest["data"][0], page["data"][5]);
    assert_eq!(newest["page"]["has_more"], true);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_are_told_as_data() {
    let server = Server::start().await;
    let told = server.api.get("/api/v1/orders/state-machines").await.ok();
    let machines = told["machines"].as_array().expect("a list");
    assert_eq!(machines[0]["resource"], "order");
    let confirm = json!({"action": "confirm", "from": ["draft"], "to": "confirmed"});
    assert_eq!(machines[0]["transitions"][0], confirm);
    assert_eq!(machines[1]["resource"], "shipment");
    server.stop().await;
}

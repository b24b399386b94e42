//! Packing, shipping and delivering over HTTP.

use reqwest::Method;
use serde_json::json;

use super::{
    ORDERS, confirm, confirmed, credit, draft, new_order, pack, path, reload, ship, shipment_path,
    some, stock,
};
use crate::flows::{company, eventually};
use crate::harness::{Server, etag, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_leaves_in_parts_and_completes_with_the_last() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["5", "3"]).await;
    let body = json!({"lines": [some(&order, 0, "4")], "carrier": "DHL"});
    let first = pack(api, &order, body).await;
    assert_eq!(first.status, 201);
    let first = first.ok();
    assert!(text(&first["number"]).starts_with("SH-20"));
    assert_eq!(first["allowed_actions"], json!(["ship", "cancel"]));
    assert_eq!(first["lines"][0]["quantity"], "4");
    // Packed is not gone.
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "5", "995"]);
    let problem = pack(api, &order, json!({"lines": [some(&order, 0, "2")]})).await;
    let problem = problem.problem(409, "not_enough_reserved");
    assert_eq!(problem["params"]["lines"][0]["available"], "1");
    let rest = pack(api, &order, json!({})).await.ok();
    assert_eq!(rest["lines"].as_array().map(Vec::len), Some(2));
    pack(api, &order, json!({})).await.problem(409, "nothing_to_ship");

    let shipped = ship(api, &first).await.ok();
    assert_eq!(shipped["status"], "shipped");
    assert!(shipped["shipped_on"].is_string());
    let after = reload(api, &order).await;
    assert_eq!(after["status"], "confirmed");
    assert_eq!(after["fulfilment_status"], "partial");
    assert_eq!(after["lines"][0]["counters"]["shipped"], "4");
    ship(api, &rest).await.ok();
    let after = reload(api, &order).await;
    assert_eq!(after["status"], "completed");
    assert_eq!(after["fulfilment_status"], "fulfilled");
    assert!(after["completed_at"].is_string());
    server.assert_invariants().await;
    assert_eq!(stock(api, &company.product_ids[0]).await, ["995", "0", "995"]);
    let invoices = format!("/api/v1/billing/invoices?order_id={}", text(&order["id"]));
    assert_eq!(api.get(&invoices).await.ok()["data"].as_array().map(Vec::len), Some(2));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_invoiced_and_paid_takes_no_credit_whatever_its_invoices_came_to() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = async |quantity: &str, price: &str| {
        let mut new = new_order(&company, &[quantity]);
        new["lines"][0]["unit_price"] = json!(price);
        confirm(api, &api.post(ORDERS, new).await.ok()).await.ok()
    };
    let invoice = async |order: &serde_json::Value, quantity: &str| {
        let goods = json!({"lines": [some(order, 0, quantity)]});
        let shipment = pack(api, order, goods).await.ok();
        ship(api, &shipment).await.ok();
        let of_shipment = format!("/api/v1/billing/invoices?shipment_id={}", text(&shipment["id"]));
        let page = eventually(api, &of_shipment, |page| page["data"][0].is_object()).await;
        page.expect("a draft")["data"][0].clone()
    };
    let act = async |invoice: &serde_json::Value, action: &str| {
        let path = format!("/api/v1/billing/invoices/{}/{action}", text(&invoice["id"]));
        api.act(&path, invoice).await.ok()
    };
    let pay = async |amount: &str| {
        let payment = json!({
            "direction": "incoming", "customer_id": company.customer_id,
            "amount": {"amount": amount, "currency": "EUR"}, "method": "bank_transfer"
        });
        api.post("/api/v1/billing/payments", payment).await.ok();
    };
    let taken = async || {
        server.assert_invariants().await;
        let credit = credit(api, &company).await;
        ["uninvoiced_orders", "open_receivables"].map(|part| text(&credit[part]["amount"]))
    };

    // 1.212 and 20 % of it are 1.45; a third of that is 0.48.
    let thirds = order("3", "0.404").await;
    assert_eq!(thirds["totals"]["total"]["amount"], "1.45");
    for _ in 0..2 {
        act(&invoice(&thirds, "1").await, "issue").await;
    }
    assert_eq!(taken().await, ["0.49", "0.96"]);
    act(&invoice(&thirds, "1").await, "issue").await;
    assert_eq!(taken().await, ["0.00", "1.44"]);
    pay("1.44").await;
    assert_eq!(taken().await, ["0.00", "0.00"]);

    let rates = "/api/v1/billing/tax-rates";
    let dearer = order("10", "10").await;
    let standard = api.get(&format!("{rates}?code=standard")).await.ok()["data"][0].clone();
    let path = format!("{rates}/{}", text(&standard["id"]));
    api.patch(&path, &standard, json!({"rate": "10"})).await.ok();
    act(&invoice(&dearer, "10").await, "issue").await;
    assert_eq!(taken().await, ["0.00", "110.00"]);
    pay("110.00").await;
    assert_eq!(taken().await, ["0.00", "0.00"]);

    // What left and is on no invoice may still be asked for.
    let given = order("1", "10").await;
    act(&invoice(&given, "1").await, "discard").await;
    assert_eq!(reload(api, &given).await["status"], "completed");
    assert_eq!(taken().await, ["11.00", "0.00"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shipping_twice_ships_once() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["5"]).await;
    let shipment = pack(api, &order, json!({})).await.ok();
    let ship_with = async |key: &str, version: &str| {
        let request = api
            .request(Method::POST, &format!("{}/ship", shipment_path(&shipment)))
            .header("Idempotency-Key", key)
            .header("If-Match", version);
        api.send(request).await
    };
    let first = ship_with("once", &etag(&shipment)).await.ok();
    let again = ship_with("once", &etag(&shipment)).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.ok(), first);
    ship_with("twice", &etag(&shipment)).await.problem(412, "stale_version");
    ship_with("thrice", "*").await.problem(409, "illegal_transition");
    server.assert_invariants().await;
    assert_eq!(stock(api, &company.product_ids[0]).await, ["995", "0", "995"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shipment_is_tracked_until_it_is_delivered() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = confirmed(api, &company, &["2"]).await;
    let today = order["ordered_on"].clone();
    let packed = pack(api, &order, json!({"shipped_on": today})).await.ok();
    let at = shipment_path(&packed);
    let patched = api.patch(&at, &packed, json!({"carrier": "DHL"})).await.ok();
    api.patch(&at, &packed, json!({"carrier": "UPS"})).await.problem(412, "stale_version");
    api.act(&format!("{at}/deliver"), &patched).await.problem(409, "illegal_transition");
    let shipped = ship(api, &patched).await.ok();
    assert_eq!(shipped["shipped_on"], today);
    let patch = json!({"carrier": null, "tracking_number": "JD 0001"});
    let tracked = api.patch(&at, &shipped, patch).await.ok();
    assert!(tracked.get("carrier").is_none());
    assert_eq!(tracked["tracking_number"], "JD 0001");
    api.act(&format!("{at}/cancel"), &tracked).await.problem(409, "illegal_transition");
    let delivered = api.act(&format!("{at}/deliver"), &tracked).await.ok();
    assert_eq!(delivered["status"], "delivered");
    assert_eq!(delivered["allowed_actions"], json!([]));
    let refusal = api.patch(&at, &delivered, json!({"carrier": "DHL"})).await;
    refusal.problem(409, "illegal_transition");
    assert_eq!(api.get(&at).await.ok(), delivered);
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_lines_of_a_confirmed_order_are_packed() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = draft(api, &company, &["2", "2"]).await;
    pack(api, &order, json!({})).await.problem(409, "illegal_transition");
    let order = confirm(api, &order).await.ok();
    let check = async |lines: serde_json::Value, code: &str, pointer: &str| {
        let refusal = pack(api, &order, json!({"lines": lines})).await;
        refusal.points_at(422, code, pointer);
    };
    let unknown = json!({"order_line_id": uuid::Uuid::now_v7(), "quantity": "1"});
    let one = some(&order, 0, "1");
    check(json!([one, unknown]), "unknown_order_line", "/lines/1/order_line_id").await;
    check(json!([one, one]), "duplicate_line", "/lines/1/order_line_id").await;
    check(json!([some(&order, 1, "0.5")]), "quantity_too_fine", "/lines/0/quantity").await;
    check(json!([]), "no_lines", "/lines").await;
    check(vec![one.clone(); 1001].into(), "too_many_lines", "/lines").await;
    let tomorrow = (chrono::Utc::now() + chrono::Duration::days(1)).date_naive();
    let late = pack(api, &order, json!({"shipped_on": tomorrow})).await;
    late.points_at(422, "date_in_future", "/shipped_on");
    let early = pack(api, &order, json!({"shipped_on": "2026-01-02"})).await;
    early.points_at(422, "date_out_of_range", "/shipped_on");
    assert_eq!(reload(api, &order).await, order);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_fills_what_waits_and_it_can_leave() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let body = with(new_order(&company, &["1005"]), "allow_backorder", json!(true));
    let order = api.post(ORDERS, body).await.ok();
    let order = confirm(api, &order).await.ok();
    assert_eq!(order["lines"][0]["counters"]["reserved"], "1000");
    assert_eq!(order["lines"][0]["counters"]["backordered"], "5");
    server.settle().await;
    let receipt = json!({
        "warehouse_id": company.warehouse_id, "reason": "found behind the shelf",
        "lines": [{"product_id": company.product_ids[0], "quantity": "8", "unit_cost": "3.50"}]
    });
    api.post("/api/v1/inventory/receipts", receipt).await.ok();
    server.settle().await;
    let order = reload(api, &order).await;
    assert_eq!(order["lines"][0]["counters"]["reserved"], "1005");
    assert_eq!(order["lines"][0]["counters"]["backordered"], "0");
    let shipment = pack(api, &order, json!({})).await.ok();
    ship(api, &shipment).await.ok();
    assert_eq!(reload(api, &order).await["status"], "completed");
    server.assert_invariants().await;
    assert_eq!(stock(api, &company.product_ids[0]).await, ["3", "0", "3"]);
    let at = format!("{}/shipments", path(&order));
    assert_eq!(api.get(&at).await.ok()["data"][0]["id"], shipment["id"]);
    server.stop().await;
}

//! Bills, held against what was ordered and received.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::billing::eur;
use crate::flows::{Company, company};
use crate::harness::{Server, etag, text};

/// An approved and sent purchase order of ten at 4.10; nothing received yet.
async fn purchase(server: &Server, company: &Company) -> Value {
    let api = &server.api;
    let order = json!({
        "supplier_id": company.supplier_id, "warehouse_id": company.warehouse_id,
        "lines": [{"product_id": company.product_ids[0], "quantity": "10", "unit_price": "4.10"}]
    });
    let order = api.post("/api/v1/purchasing/purchase-orders", order).await.ok();
    let path = format!("/api/v1/purchasing/purchase-orders/{}", text(&order["id"]));
    let order = api.act(&format!("{path}/approve"), &order).await.ok();
    let order = api.act(&format!("{path}/send"), &order).await.ok();
    server.settle().await;
    order
}

fn bill(order: &Value, number: &str, quantity: &str, price: &str) -> Value {
    json!({
        "supplier_id": order["supplier_id"], "supplier_invoice_number": number,
        "purchase_order_id": order["id"],
        "lines": [{
            "purchase_order_line_id": order["lines"][0]["id"], "quantity": quantity,
            "unit_price": price
        }]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_that_does_not_match_needs_a_reason() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = purchase(&server, &company).await;
    let path = "/api/v1/billing/bills";
    let entered = api.post(path, bill(&order, "R-1", "10", "4.20")).await.ok();
    assert_eq!(entered["status"], "exception");
    let reasons: Vec<_> = entered["exceptions"]
        .as_array()
        .expect("exceptions")
        .iter()
        .map(|exception| text(&exception["reason"]))
        .collect();
    assert_eq!(reasons, ["no_receipt", "price"]);
    api.post(path, bill(&order, "R-1", "1", "4.10")).await.points_at(
        409,
        "duplicate_bill",
        "/supplier_invoice_number",
    );
    let approve = format!("{path}/{}/approve", text(&entered["id"]));
    api.act(&approve, &entered).await.points_at(422, "reason_required", "@X-Reason");
    let with_reason = api
        .request(Method::POST, &approve)
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .header("If-Match", etag(&entered))
        .header("X-Reason", "price agreed by phone");
    let approved = api.send(with_reason).await.ok();
    assert_eq!(approved["override_reason"], "price agreed by phone");
    assert_eq!((&approved["status"], &approved["total"]), (&json!("approved"), &eur("50.40")));
    // The goods come after the bill.
    let receipt = json!({"purchase_order_id": order["id"]});
    api.post("/api/v1/purchasing/receipts", receipt).await.ok();
    server.assert_invariants().await;
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let accounts = accounts["data"].as_array().expect("accounts").clone();
    let balance = |code: &str| {
        let account = accounts.iter().find(|a| a["code"] == code).expect("the account");
        account["balance"].clone()
    };
    assert_eq!((balance("2100"), balance("5100")), (eur("0.00"), eur("1.00")));
    assert_eq!(balance("2000"), eur("-50.40"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_bill_may_come_again() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = purchase(&server, &company).await;
    api.post("/api/v1/purchasing/receipts", json!({"purchase_order_id": order["id"]})).await.ok();
    server.settle().await;
    let path = "/api/v1/billing/bills";
    let first = api.post(path, bill(&order, "R-1", "10", "4.10")).await.ok();
    assert_eq!(first["status"], "matched");
    let second = api.post(path, bill(&order, "R-2", "4", "4.10")).await.ok();
    assert_eq!(second["exceptions"][0]["expected"], "0");
    let rejected = api.act(&format!("{path}/{}/reject", text(&first["id"])), &first).await.ok();
    assert_eq!(
        (&rejected["status"], &rejected["allowed_actions"]),
        (&json!("rejected"), &json!([]))
    );
    let second = api.get(&format!("{path}/{}", text(&second["id"]))).await.ok();
    assert_eq!((&second["status"], &second["exceptions"]), (&json!("matched"), &json!([])));
    let again = api.post(path, bill(&order, "R-1", "6", "4.10")).await.ok();
    assert_eq!(again["status"], "matched");
    let page = format!("{path}?purchase_order_id={}&status=matched", text(&order["id"]));
    let page = api.get(&page).await.ok();
    assert_eq!(page["data"].as_array().expect("bills").len(), 2);
    server.assert_invariants().await;
    server.stop().await;
}

//! Black-box tests of orders.

mod confirming;
mod drafts;
mod listing;
mod races;
mod scale;
mod shipping;
mod taking_back;

use serde_json::{Value, json};

use crate::flows::Company;
use crate::harness::{Answer, Api, text};

const ORDERS: &str = "/api/v1/orders/orders";

fn path(order: &Value) -> String {
    format!("{ORDERS}/{}", text(&order["id"]))
}

fn shipment_path(shipment: &Value) -> String {
    format!("/api/v1/orders/shipments/{}", text(&shipment["id"]))
}

/// A body that orders `quantities` of the company's products, in their order.
fn new_order(company: &Company, quantities: &[&str]) -> Value {
    let lines: Vec<_> = company
        .product_ids
        .iter()
        .zip(quantities)
        .map(|(id, quantity)| json!({"product_id": id, "quantity": quantity}))
        .collect();
    json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id, "lines": lines
    })
}

async fn draft(api: &Api, company: &Company, quantities: &[&str]) -> Value {
    api.post(ORDERS, new_order(company, quantities)).await.ok()
}

async fn confirm(api: &Api, order: &Value) -> Answer {
    api.act(&format!("{}/confirm", path(order)), order).await
}

async fn confirmed(api: &Api, company: &Company, quantities: &[&str]) -> Value {
    confirm(api, &draft(api, company, quantities).await).await.ok()
}

async fn pack(api: &Api, order: &Value, body: Value) -> Answer {
    api.post(&format!("{}/shipments", path(order)), body).await
}

async fn ship(api: &Api, shipment: &Value) -> Answer {
    api.act(&format!("{}/ship", shipment_path(shipment)), shipment).await
}

/// Some of one line, as shipments want it.
fn some(order: &Value, line: usize, quantity: &str) -> Value {
    json!({"order_line_id": order["lines"][line]["id"], "quantity": quantity})
}

async fn reload(api: &Api, order: &Value) -> Value {
    api.get(&path(order)).await.ok()
}

/// What inventory has of a product: on hand, reserved, available.
async fn stock(api: &Api, product_id: &str) -> [String; 3] {
    let path = format!("/api/v1/inventory/products/{product_id}/availability");
    let found = api.get(&path).await.ok();
    ["on_hand", "reserved", "available"].map(|field| text(&found[field]))
}

/// What a customer's credit is taken by.
async fn credit(api: &Api, company: &Company) -> Value {
    let path = format!("/api/v1/sales/customers/{}", company.customer_id);
    api.get(&path).await.ok()["credit"].clone()
}

//! Black-box tests of billing.

mod bills;
mod books;
mod credits;
mod invoices;
mod payments;
mod reversals;
mod statements;
mod tax;

use serde_json::{Value, json};

use crate::flows::{Company, eventually};
use crate::harness::{Api, text};

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// Orders and ships `quantity` of the first product; the draft of its invoice.
async fn drafted(api: &Api, company: &Company, quantity: &str) -> Value {
    let order = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id,
        "ordered_on": "2026-01-30",
        "lines": [{"product_id": company.product_ids[0], "quantity": quantity}]
    });
    let order = api.post("/api/v1/orders/orders", order).await.ok();
    let path = format!("/api/v1/orders/orders/{}", text(&order["id"]));
    api.act(&format!("{path}/confirm"), &order).await.ok();
    let shipped_on = json!({"shipped_on": "2026-01-30"});
    let shipment = api.post(&format!("{path}/shipments"), shipped_on).await.ok();
    let shipment_id = text(&shipment["id"]);
    api.act(&format!("/api/v1/orders/shipments/{shipment_id}/ship"), &shipment).await.ok();
    let drafts = format!("/api/v1/billing/invoices?shipment_id={shipment_id}");
    let drafts = eventually(api, &drafts, |page| page["data"][0].is_object()).await;
    drafts.expect("a draft")["data"][0].clone()
}

fn path_of(invoice: &Value) -> String {
    format!("/api/v1/billing/invoices/{}", text(&invoice["id"]))
}

async fn issued(api: &Api, company: &Company, quantity: &str) -> Value {
    let draft = drafted(api, company, quantity).await;
    api.act(&format!("{}/issue", path_of(&draft)), &draft).await.ok()
}

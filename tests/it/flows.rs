//! The two flows a company lives by, step by step over HTTP, in every topology.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Api, Server, etag, text};
use crate::topology::TOPOLOGIES;

/// What the flows start from.
#[derive(Clone, Debug)]
pub struct Company {
    pub warehouse_id: String,
    pub product_ids: Vec<String>,
    pub customer_id: String,
    pub supplier_id: String,
}

pub fn address() -> Value {
    json!({"line1": "Hafenstrasse 1", "postal_code": "20457", "city": "Hamburg", "country": "DE"})
}

/// A warehouse, three products with 1000 of each on the shelf and a price, a customer
/// and a supplier.
pub async fn company(api: &Api) -> Company {
    let tag = Uuid::now_v7().simple().to_string()[20..].to_owned();
    let warehouse = api
        .post("/api/v1/inventory/warehouses", json!({"code": format!("WH-{tag}"), "name": "Main"}))
        .await
        .ok();
    let mut product_ids = Vec::new();
    let mut prices = Vec::new();
    for (i, price) in ["19.90", "5.25", "120.00"].iter().enumerate() {
        let product = json!({
            "sku": format!("SKU-{tag}-{i}"), "name": format!("Product {i}"), "unit": "pcs",
            "tax_class": "standard"
        });
        let product = api.post("/api/v1/inventory/products", product).await.ok();
        product_ids.push(text(&product["id"]));
        prices.push(json!({"product_id": product["id"], "min_quantity": "1", "unit_price": price}));
    }
    let lines: Vec<_> = product_ids
        .iter()
        .map(|id| json!({"product_id": id, "quantity": "1000", "unit_cost": "3.50"}))
        .collect();
    let receipt = json!({
        "warehouse_id": warehouse["id"], "lines": lines, "reason": "opening stock"
    });
    api.post("/api/v1/inventory/receipts", receipt).await.ok();
    let list = json!({
        "code": format!("PL-{tag}"), "name": "Prices", "currency": "EUR", "is_default": false
    });
    let list = api.post("/api/v1/sales/price-lists", list).await.ok();
    let path = format!("/api/v1/sales/price-lists/{}/prices", text(&list["id"]));
    api.put(&path, &list, json!({"prices": prices})).await.ok();
    let customer = json!({
        "name": format!("Customer {tag}"), "billing_address": address(),
        "price_list_id": list["id"], "credit_limit": {"amount": "1000000.00", "currency": "EUR"}
    });
    let customer = api.post("/api/v1/sales/customers", customer).await.ok();
    let supplier = json!({
        "name": format!("Supplier {tag}"), "address": address(), "payment_terms_days": 30
    });
    let supplier = api.post("/api/v1/purchasing/suppliers", supplier).await.ok();
    Company {
        warehouse_id: text(&warehouse["id"]),
        product_ids,
        customer_id: text(&customer["id"]),
        supplier_id: text(&supplier["id"]),
    }
}

/// Sends and expects success; the error tells which step failed.
async fn step(api: &Api, name: &str, request: reqwest::RequestBuilder) -> Result<Value, String> {
    let answer = api.try_send(request).await.map_err(|e| format!("{name}: {e}"))?;
    answer.success().map_err(|e| format!("{name}: {e}"))
}

fn post(api: &Api, path: &str, body: Value) -> reqwest::RequestBuilder {
    api.request(Method::POST, path)
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .json(&body)
}

fn act(api: &Api, path: &str, resource: &Value) -> reqwest::RequestBuilder {
    api.request(Method::POST, path)
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .header("If-Match", etag(resource))
}

/// Asks until `found` says so, for at most ten seconds.
pub async fn eventually(
    api: &Api,
    path: &str,
    found: impl Fn(&Value) -> bool,
) -> Result<Value, String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let value = step(api, path, api.request(Method::GET, path)).await?;
        if found(&value) {
            return Ok(value);
        }
        if Instant::now() > deadline {
            return Err(format!("{path} never became what it should: {value}"));
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Quotation, order, shipment, invoice, payment. Returns the ids of order and invoice.
pub async fn quotation_to_cash(api: &Api, company: &Company) -> Result<(String, String), String> {
    let lines: Vec<_> =
        company.product_ids.iter().map(|id| json!({"product_id": id, "quantity": "2"})).collect();
    let quotation = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id, "lines": lines
    });
    let quotation = step(api, "quote", post(api, "/api/v1/sales/quotations", quotation)).await?;
    let path = format!("/api/v1/sales/quotations/{}", text(&quotation["id"]));
    let quotation = step(api, "send", act(api, &format!("{path}/send"), &quotation)).await?;
    let quotation = step(api, "accept", act(api, &format!("{path}/accept"), &quotation)).await?;

    let order = json!({"quotation_id": quotation["id"]});
    let order = step(api, "order", post(api, "/api/v1/orders/orders", order)).await?;
    let order_id = text(&order["id"]);
    let path = format!("/api/v1/orders/orders/{order_id}");
    step(api, "confirm", act(api, &format!("{path}/confirm"), &order)).await?;

    let shipment = json!({"carrier": "DHL", "tracking_number": "00340434161094042557"});
    let shipment = step(api, "pack", post(api, &format!("{path}/shipments"), shipment)).await?;
    let shipment_id = text(&shipment["id"]);
    let ship = format!("/api/v1/orders/shipments/{shipment_id}/ship");
    step(api, "ship", act(api, &ship, &shipment)).await?;

    let drafts = format!("/api/v1/billing/invoices?shipment_id={shipment_id}");
    let drafts = eventually(api, &drafts, |page| page["data"][0].is_object()).await?;
    let invoice = drafts["data"][0].clone();
    let invoice_id = text(&invoice["id"]);
    let issue = format!("/api/v1/billing/invoices/{invoice_id}/issue");
    let invoice = step(api, "issue", act(api, &issue, &invoice)).await?;

    let payment = json!({
        "direction": "incoming", "customer_id": company.customer_id, "amount": invoice["total"],
        "method": "bank_transfer",
        "allocations": [{"invoice_id": invoice_id, "amount": invoice["total"]}]
    });
    step(api, "pay", post(api, "/api/v1/billing/payments", payment)).await?;
    Ok((order_id, invoice_id))
}

/// Purchase order, receipt, supplier's bill, payment. Returns the id of the order.
pub async fn purchase_to_stock(api: &Api, company: &Company) -> Result<String, String> {
    let lines: Vec<_> = company
        .product_ids
        .iter()
        .map(|id| json!({"product_id": id, "quantity": "10", "unit_price": "4.10"}))
        .collect();
    let order = json!({
        "supplier_id": company.supplier_id, "warehouse_id": company.warehouse_id, "lines": lines
    });
    let order =
        step(api, "purchase", post(api, "/api/v1/purchasing/purchase-orders", order)).await?;
    let order_id = text(&order["id"]);
    let path = format!("/api/v1/purchasing/purchase-orders/{order_id}");
    let order = step(api, "approve", act(api, &format!("{path}/approve"), &order)).await?;
    step(api, "send", act(api, &format!("{path}/send"), &order)).await?;
    let receipt = json!({"purchase_order_id": order_id});
    step(api, "receive", post(api, "/api/v1/purchasing/receipts", receipt)).await?;

    let lines: Vec<_> = order["lines"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|line| {
            json!({"purchase_order_line_id": line["id"], "quantity": "10", "unit_price": "4.10"})
        })
        .collect();
    let bill = json!({
        "supplier_id": company.supplier_id, "purchase_order_id": order_id, "lines": lines,
        "supplier_invoice_number": format!("R-{}", &order_id[24..])
    });
    // Billing learns of the order by event; until then it has nothing to match a bill with.
    let deadline = Instant::now() + Duration::from_secs(10);
    let bill = loop {
        let answer = step(api, "bill", post(api, "/api/v1/billing/bills", bill.clone())).await;
        match answer {
            Err(e) if e.contains("unknown_purchase_order") && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            answer => break answer?,
        }
    };
    // And of the receipt: until then the bill is an exception.
    let path = format!("/api/v1/billing/bills/{}", text(&bill["id"]));
    let bill = eventually(api, &path, |bill| bill["status"] == "matched").await?;
    let approve = format!("{path}/approve");
    let bill = step(api, "approve bill", act(api, &approve, &bill)).await?;
    let payment = json!({
        "direction": "outgoing", "supplier_id": company.supplier_id, "amount": bill["total"],
        "method": "bank_transfer",
        "allocations": [{"bill_id": bill["id"], "amount": bill["total"]}]
    });
    step(api, "pay", post(api, "/api/v1/billing/payments", payment)).await?;
    Ok(order_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quotation_becomes_cash_in_every_topology() {
    for topology in TOPOLOGIES {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let company = company(api).await;
        let (order_id, invoice_id) = quotation_to_cash(api, &company).await.expect("the flow");
        server.settle().await;

        let order = api.get(&format!("/api/v1/orders/orders/{order_id}")).await.ok();
        assert_eq!(order["status"], "completed", "{topology:?}");
        assert_eq!(order["fulfilment_status"], "fulfilled");
        assert_eq!(order["billing_status"], "billed");
        assert_eq!(order["payment_status"], "paid");
        let invoice = api.get(&format!("/api/v1/billing/invoices/{invoice_id}")).await.ok();
        assert_eq!(invoice["status"], "settled");
        assert_eq!(invoice["open"]["amount"], "0.00");
        // 2 × (19.90 + 5.25 + 120.00) = 290.30, and 20 % on it.
        assert_eq!(invoice["total"]["amount"], "348.36");
        let product = &company.product_ids[0];
        let path = format!("/api/v1/inventory/products/{product}/availability");
        let stock = api.get(&path).await.ok();
        assert_eq!((&stock["on_hand"], &stock["reserved"]), (&json!("998"), &json!("0")));
        server.assert_invariants().await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_becomes_stock_and_a_paid_bill_in_every_topology() {
    for topology in TOPOLOGIES {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let company = company(api).await;
        let order_id = purchase_to_stock(api, &company).await.expect("the flow");
        server.settle().await;

        let path = format!("/api/v1/purchasing/purchase-orders/{order_id}");
        let order = api.get(&path).await.ok();
        assert_eq!(order["status"], "closed", "{topology:?} {order:#}");
        let product = &company.product_ids[0];
        let path = format!("/api/v1/inventory/products/{product}/availability");
        assert_eq!(api.get(&path).await.ok()["on_hand"], "1010");
        let balance = api.get("/api/v1/billing/trial-balance").await.ok();
        let accrual = balance["accounts"]
            .as_array()
            .and_then(|accounts| accounts.iter().find(|account| account["code"] == "2100"))
            .expect("the account of goods received and not invoiced");
        assert_eq!(accrual["balance"]["amount"], "0.00");
        server.assert_invariants().await;
        server.stop().await;
    }
}

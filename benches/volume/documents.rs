//! Documents of many lines.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::probe::{Probe, histogram};
use crate::world::{World, mix};

const ORDER_LINES: u64 = 300;
const RECEIPT_LINES: u64 = 5000;
/// How often each is done.
const ORDERS: u64 = 20;
const RECEIPTS: u64 = 5;

/// Confirms orders of 300 lines.
pub async fn confirmations(probe: &mut Probe, world: &World) -> Result<Histogram<u64>, String> {
    let mut times = histogram();
    for n in 0..ORDERS {
        let lines: Vec<Value> = products(world, n, ORDER_LINES)
            .map(|product| json!({ "product_id": world.product_id(product), "quantity": "1" }))
            .collect();
        // The first ones are sure to be active.
        let customer = world.customer_id(n % 50);
        let warehouse = world.warehouse_id();
        let body = json!({ "customer_id": customer, "warehouse_id": warehouse, "lines": lines });
        let order = probe.post("/api/v1/orders/orders", &body).await?.body;
        let path = format!("/api/v1/orders/orders/{}/confirm", text(&order["id"])?);
        let _ = times.record(probe.act(&path, &order["version"]).await?.micros);
    }
    Ok(times)
}

/// Receives 5 000 products, without a purchase order.
pub async fn stock_receipts(probe: &mut Probe, world: &World) -> Result<Histogram<u64>, String> {
    let mut times = histogram();
    for n in 0..RECEIPTS {
        let lines: Vec<Value> = products(world, 100 + n, RECEIPT_LINES)
            .map(|product| {
                let id = world.product_id(product);
                json!({ "product_id": id, "quantity": "7", "unit_cost": "1.25" })
            })
            .collect();
        let warehouse = world.warehouse_id();
        let body = json!({ "warehouse_id": warehouse, "reason": "found", "lines": lines });
        let _ = times.record(probe.post("/api/v1/inventory/receipts", &body).await?.micros);
    }
    Ok(times)
}

/// Receives purchase orders of 5 000 lines.
pub async fn purchase_receipts(probe: &mut Probe, world: &World) -> Result<Histogram<u64>, String> {
    let mut times = histogram();
    for n in 0..RECEIPTS {
        let lines: Vec<Value> = products(world, 200 + n, RECEIPT_LINES)
            .map(|product| {
                let id = world.product_id(product);
                json!({ "product_id": id, "quantity": "7", "unit_price": "1.25" })
            })
            .collect();
        let (supplier, warehouse) = (world.supplier_id(n), world.warehouse_id());
        let body = json!({ "supplier_id": supplier, "warehouse_id": warehouse, "lines": lines });
        let mut order = probe.post("/api/v1/purchasing/purchase-orders", &body).await?.body;
        let path = format!("/api/v1/purchasing/purchase-orders/{}", text(&order["id"])?);
        for action in ["approve", "send"] {
            order = probe.act(&format!("{path}/{action}"), &order["version"]).await?.body;
        }
        // Without lines: all that is open.
        let body = json!({ "purchase_order_id": order["id"] });
        let _ = times.record(probe.post("/api/v1/purchasing/receipts", &body).await?.micros);
    }
    Ok(times)
}

/// So many active products, one after the other from somewhere; every hundredth is not
/// active.
fn products(world: &World, seed: u64, count: u64) -> impl Iterator<Item = u64> {
    let all = world.scale.products;
    let first = mix(seed ^ 0xd0c) % all;
    (0..2 * count).map(move |n| (first + n) % all).filter(|n| n % 100 != 99).take(count as usize)
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("no text: {value}"))
}

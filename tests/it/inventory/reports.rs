//! Reports on stock: what is old, slow, short or about to expire, and how fast stock turns.

use chrono::{Days, Utc};
use serde_json::{Value, json};

use super::{ADJUSTMENTS, PRODUCTS, RECEIPTS, adjustment, eur, product, receipt};
use super::{warehouse, with_lots};
use crate::harness::{Server, text, with};

const REPORTS: &str = "/api/v1/inventory/reports";

#[tokio::test]
async fn reports_say_what_is_old_slow_and_about_to_expire() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let chair = product(api, "CHAIR").await;
    let today = Utc::now().date_naive();
    let day = |ago: u64| today - Days::new(ago);
    for (quantity, ago) in [("4", 200), ("5", 100), ("6", 0)] {
        let body = receipt(&main, &[(&chair, quantity, "10")]);
        api.post(RECEIPTS, with(body, "received_on", json!(day(ago)))).await.ok();
    }
    // Of fifteen, thirteen are left: two of the oldest are gone.
    api.post(ADJUSTMENTS, adjustment(&main, &chair, "-2")).await.ok();
    let body = json!({
        "sku": "MILK", "name": "Milk", "unit": "pcs", "tax_class": "standard", "tracking": "lot"
    });
    let milk = api.post(PRODUCTS, body).await.ok();
    let soon = today + Days::new(5);
    let lots = json!([
        { "number": "SOON", "quantity": "2", "expires_on": soon },
        { "number": "LATE", "quantity": "3", "expires_on": today + Days::new(300) }
    ]);
    api.post(RECEIPTS, with_lots(&shop, &milk, "5", lots)).await.ok();
    let of_main = format!("warehouse_id={}", text(&main["id"]));
    let ages = api.get(&format!("{REPORTS}/ageing?{of_main}")).await.ok()["data"].clone();
    let fields = ["up_to_30_days", "up_to_90_days", "up_to_180_days", "older"];
    let found = fields.map(|field| text(&ages[0][field]));
    assert_eq!(found, ["6", "0", "5", "2"], "{ages}");
    assert_eq!(ages[0]["value"], eur("130.00"));
    let slow = api.get(&format!("{REPORTS}/slow-movers?days=1&limit=1")).await.ok();
    assert_eq!(
        (&slow["page"]["has_more"], slow["data"][0]["sku"].is_string()),
        (&json!(true), true)
    );
    let expiring = api.get(&format!("{REPORTS}/lot-expiry")).await.ok()["data"].clone();
    assert_eq!(expiring.as_array().map(Vec::len), Some(1));
    assert_eq!((&expiring[0]["number"], &expiring[0]["quantity"]), (&json!("SOON"), &json!("2")));
    let all = format!("{REPORTS}/lot-expiry?expires_by={}", today + Days::new(300));
    assert_eq!(api.get(&all).await.ok()["data"].as_array().map(Vec::len), Some(2));
    let none = format!("{all}&{of_main}");
    assert_eq!(api.get(&none).await.ok()["data"], json!([]));
    assert_eq!(api.get(&format!("{REPORTS}/shortages")).await.ok()["data"], json!([]));

    let turned = api.get(&format!("{REPORTS}/turnover?{of_main}&from={}", day(150))).await.ok();
    let row: &Value = &turned["data"][0];
    assert_eq!((&row["opening_value"], &row["closing_value"]), (&eur("40.00"), &eur("130.00")));
    assert_eq!((&row["cost"], &row["turns"]), (&eur("0.00"), &json!("0.00")));
    for (query, code) in [
        ("slow-movers?days=0", "days_out_of_range"),
        (&*format!("turnover?from={today}&to={}", day(1)), "period_backwards"),
    ] {
        api.get(&format!("{REPORTS}/{query}")).await.problem(422, code);
    }
    // What is on its way can be promised from its day on.
    let expected = json!({
        "product_id": chair["id"], "warehouse_id": main["id"], "quantity": "10",
        "expected_on": soon
    });
    let path = format!("/api/v1/inventory/expected-receipts/{}", uuid::Uuid::now_v7());
    api.put(&path, &json!({ "version": 1 }), expected).await.ok();
    let path = format!("{PRODUCTS}/{}/available-to-promise?{of_main}", text(&chair["id"]));
    for (quantity, on) in [("13", json!(today)), ("14", json!(soon)), ("24", Value::Null)] {
        let found = api.get(&format!("{path}&quantity={quantity}")).await.ok();
        assert_eq!(found["promise_on"], on, "{found}");
        assert_eq!(found["days"][1]["available_to_promise"], "23");
    }
    let everywhere = format!("{PRODUCTS}/{}/available-to-promise", text(&chair["id"]));
    let everywhere = api.get(&everywhere).await.ok();
    assert_eq!(everywhere["days"][0]["available_to_promise"], "13");
    server.assert_invariants().await;
}

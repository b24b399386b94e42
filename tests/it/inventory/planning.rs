//! Planning: reorder rules, suggestions, what is expected, and what stock was worth.

use chrono::{Days, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADJUSTMENTS, RECEIPTS, adjustment, eur, product, receipt, warehouse};
use crate::harness::{Api, Server, text, with};

const RULES: &str = "/api/v1/inventory/reorder-rules";
const SUGGESTIONS: &str = "/api/v1/inventory/reorder-suggestions";
const EXPECTED: &str = "/api/v1/inventory/expected-receipts";
const VALUATION: &str = "/api/v1/inventory/valuation";

async fn suggestions(api: &Api) -> Value {
    api.get(SUGGESTIONS).await.ok()["data"].clone()
}

#[tokio::test]
async fn a_rule_suggests_what_is_missing_and_asks_once() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    let rule = json!({
        "product_id": chair["id"], "warehouse_id": main["id"], "min": "10", "target": "30",
        "max": "40", "multiple": "6", "minimum_order": "12", "lead_time_days": 7
    });
    let check = async |field: &str, value: Value, code: &str| {
        let answer = api.post(RULES, with(rule.clone(), field, value)).await;
        answer.points_at(422, code, &format!("/{field}"));
    };
    check("target", json!("9"), "rule_out_of_order").await;
    check("max", json!("29"), "rule_out_of_order").await;
    check("min", json!("-1"), "quantity_negative").await;
    check("min", json!("0.5"), "quantity_too_fine").await;
    check("lead_time_days", json!(3651), "lead_time_too_long").await;
    check("product_id", json!(Uuid::now_v7()), "unknown_product").await;
    check("warehouse_id", json!(Uuid::now_v7()), "unknown_warehouse").await;
    let made = api.post(RULES, rule.clone()).await.ok();
    api.post(RULES, rule).await.problem(409, "rule_exists");
    let path = format!("{RULES}/{}", text(&made["id"]));
    assert_eq!(api.get(&path).await.ok(), made);

    let wanted = suggestions(api).await;
    assert_eq!(
        wanted,
        json!([{
            "rule_id": made["id"], "product_id": chair["id"], "warehouse_id": main["id"],
            "projected": "0", "expected": "0", "quantity": "30", "lead_time_days": 7
        }])
    );
    assert_eq!(suggestions(api).await, wanted, "asked twice is asked once");
    api.post(RECEIPTS, receipt(&main, &[(&chair, "9", "5")])).await.ok();
    assert_eq!(suggestions(api).await[0]["quantity"], "24", "21 in whole sixes");

    // What is ordered is not suggested again (odoo PR#31490, PR#33798).
    let line = format!("{EXPECTED}/{}", Uuid::now_v7());
    let soon = Utc::now().date_naive() + Days::new(7);
    let expected = json!({
        "product_id": chair["id"], "warehouse_id": main["id"], "quantity": "24",
        "expected_on": soon
    });
    let set = api.put(&line, &json!({ "version": 1 }), expected.clone()).await.ok();
    assert_eq!((&set["open"], &set["received"]), (&json!("24"), &json!("0")));
    assert_eq!(suggestions(api).await, json!([]));
    api.put(&line, &json!({ "version": 1 }), with(expected.clone(), "quantity", json!("0")))
        .await
        .ok();
    assert_eq!(suggestions(api).await[0]["quantity"], "24", "it is not coming any more");
    for (field, value, code) in [
        ("quantity", json!("-1"), "quantity_negative"),
        ("quantity", json!("0.5"), "quantity_too_fine"),
        ("product_id", json!(Uuid::now_v7()), "unknown_product"),
        ("warehouse_id", json!(Uuid::now_v7()), "unknown_warehouse"),
    ] {
        let answer =
            api.put(&line, &json!({ "version": 1 }), with(expected.clone(), field, value)).await;
        answer.points_at(422, code, &format!("/{field}"));
    }
    let list = format!("{EXPECTED}?product_id={}", text(&chair["id"]));
    assert_eq!(api.get(&list).await.ok()["data"][0]["quantity"], "0");

    let changed = api.patch(&path, &made, json!({ "min": "9", "max": "30" })).await.ok();
    assert_eq!((&changed["min"], &changed["version"]), (&json!("9"), &json!(2)));
    assert_eq!(suggestions(api).await, json!([]), "nine is not below nine");
    let wrong = api.patch(&path, &changed, json!({ "min": "31" })).await;
    wrong.points_at(422, "rule_out_of_order", "/target");
    let of = |query: &str| format!("{RULES}?{query}");
    let found = api.get(&of(&format!("warehouse_id={}", text(&main["id"])))).await.ok();
    assert_eq!(found["data"], json!([changed]));
    server.assert_invariants().await;
}

#[tokio::test]
async fn the_valuation_of_a_day_is_the_ledger_up_to_it() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let (chair, table) = (product(api, "CHAIR").await, product(api, "TABLE").await);
    let today = Utc::now().date_naive();
    let day = |ago: u64| today - Days::new(ago);
    let on = |body: Value, field: &str, ago: u64| with(body, field, json!(day(ago)));
    let first = receipt(&main, &[(&chair, "10", "100"), (&table, "1", "50")]);
    api.post(RECEIPTS, on(first, "received_on", 20)).await.ok();
    let second = receipt(&shop, &[(&chair, "5", "110")]);
    api.post(RECEIPTS, on(second, "received_on", 10)).await.ok();
    let gone = adjustment(&main, &table, "-1");
    api.post(ADJUSTMENTS, on(gone, "adjusted_on", 5)).await.ok();
    let check = async |query: &str, total: &str, rows: &[(&str, &str, &str)]| {
        let report = api.get(&format!("{VALUATION}?{query}")).await.ok();
        assert_eq!(report["total"], eur(total), "{query}");
        let found: Vec<_> = report["data"].as_array().expect("rows").iter().collect();
        let found: Vec<_> = found
            .iter()
            .map(|row| (text(&row["sku"]), text(&row["quantity"]), text(&row["value"]["amount"])))
            .collect();
        let rows: Vec<_> =
            rows.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string())).collect();
        assert_eq!(found, rows, "{query}");
    };
    check(&format!("as_of={}", day(21)), "0.00", &[]).await;
    let rows = [("CHAIR", "10", "1000.00"), ("TABLE", "1", "50.00")];
    check(&format!("as_of={}", day(20)), "1050.00", &rows).await;
    let rows = [("CHAIR", "15", "1550.00"), ("TABLE", "1", "50.00")];
    check(&format!("as_of={}", day(6)), "1600.00", &rows).await;
    check("", "1550.00", &[("CHAIR", "15", "1550.00")]).await;
    let of_shop = format!("warehouse_id={}", text(&shop["id"]));
    check(&of_shop, "550.00", &[("CHAIR", "5", "550.00")]).await;
    let page = api.get(&format!("{VALUATION}?as_of={}&limit=1", day(6))).await.ok();
    let cursor = text(&page["page"]["next_cursor"]);
    let query = format!("as_of={}&limit=1&cursor={cursor}", day(6));
    check(&query, "1600.00", &[("TABLE", "1", "50.00")]).await;

    // And the books say the same.
    server.settle().await;
    let accounts = api.get("/api/v1/billing/trial-balance").await.ok();
    assert!(accounts.to_string().contains("1550.00"), "{accounts}");
    server.assert_invariants().await;
}

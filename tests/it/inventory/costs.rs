//! Costs that come after the goods.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADJUSTMENTS, PRODUCTS, RECEIPTS, adjustment, eur, product, receipt, stock, warehouse};
use crate::harness::{Server, text, with};

const COSTS: &str = "/api/v1/inventory/landed-costs";

fn cost(receipt: &Value, amount: &str, basis: &str) -> Value {
    json!({
        "source_id": receipt["id"], "amount": eur(amount), "basis": basis, "reason": "Freight"
    })
}

#[tokio::test]
async fn a_late_cost_is_spread_to_the_cent_and_falls_to_what_is_there() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let (chair, table) = (product(api, "CHAIR").await, product(api, "TABLE").await);
    let lines = [(&chair, "3", "10"), (&table, "1", "70"), (&chair, "3", "10")];
    let received = api.post(RECEIPTS, receipt(&main, &lines)).await.ok();
    // Two of the six chairs are gone.
    api.post(ADJUSTMENTS, adjustment(&main, &chair, "-2")).await.ok();
    let shares = |cost: &Value| {
        let shares = cost["shares"].as_array().expect("shares").clone();
        let of = |share: &Value, field: &str| text(&share[field]["amount"]);
        let of_both = |share: &Value| (of(share, "share"), of(share, "in_stock"));
        shares.iter().map(of_both).collect::<Vec<_>>()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    };
    // 100.00 by quantity 3 : 1 : 3. Of the chairs four are there: three, and one of three.
    let by_quantity = api.post(COSTS, cost(&received, "100.00", "quantity")).await.ok();
    let expected = [("42.86", "42.86"), ("14.28", "14.28"), ("42.86", "14.29")];
    assert_eq!(shares(&by_quantity), pairs(&expected));
    assert_eq!(by_quantity["in_stock"], eur("71.43"));
    assert_eq!(by_quantity["expensed"], eur("28.57"));
    assert_eq!(stock(api, &chair).await["value"], eur("97.15"), "40.00 + 57.15");
    assert_eq!(stock(api, &table).await["value"], eur("84.28"));
    // By value: 30 : 70 : 30.
    let by_value = api.post(COSTS, cost(&received, "13.00", "value")).await.ok();
    let expected = [("3.00", "3.00"), ("7.00", "7.00"), ("3.00", "1.00")];
    assert_eq!(shares(&by_value), pairs(&expected));
    let refused = api.post(COSTS, cost(&received, "10.00", "weight")).await;
    refused.points_at(422, "weight_unknown", "/basis");
    for (product, weight_g) in [(&chair, 5000), (&table, 20_000)] {
        let path = format!("{PRODUCTS}/{}", text(&product["id"]));
        api.patch(&path, product, json!({ "weight_g": weight_g })).await.ok();
    }
    let by_weight = api.post(COSTS, cost(&received, "5.00", "weight")).await.ok();
    let expected = [("1.50", "1.50"), ("2.00", "2.00"), ("1.50", "0.50")];
    assert_eq!(shares(&by_weight), pairs(&expected));

    let list = format!("{COSTS}?source_id={}&sort=created_at", text(&received["id"]));
    let listed = api.get(&list).await.ok();
    assert_eq!(listed["data"], json!([by_quantity, by_value, by_weight]));
    // The ledger of goods and that of money say the same, today and before.
    let total = api.get("/api/v1/inventory/valuation").await.ok()["total"].clone();
    assert_eq!(total, eur("196.43"), "40.00 + 57.15 + 4.00 + 2.00 and 70.00 + 14.28 + 7.00 + 2.00");
    server.settle().await;
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_cost_that_makes_no_sense_is_refused() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, main) = (product(api, "CHAIR").await, warehouse(api, "MAIN").await);
    let received = api.post(RECEIPTS, receipt(&main, &[(&chair, "3", "10")])).await.ok();
    let good = cost(&received, "1.00", "value");
    let check = async |field: &str, value: Value, code: &str, pointer: &str| {
        api.post(COSTS, with(good.clone(), field, value)).await.points_at(422, code, pointer);
    };
    check("source_id", json!(Uuid::now_v7()), "unknown_receipt", "/source_id").await;
    check("amount", eur("0.00"), "amount_not_positive", "/amount/amount").await;
    check("amount", eur("-1.00"), "amount_not_positive", "/amount/amount").await;
    let dollars = json!({ "amount": "1.00", "currency": "USD" });
    check("amount", dollars, "currency_not_supported", "/amount/currency").await;
    check("booked_on", json!("9999-12-31"), "date_in_future", "/booked_on").await;
    check("amount", eur("9999999999999.00"), "amount_overflow", "/amount").await;
    // A receipt that was taken back has no goods to cost anything.
    let path = format!("/api/v1/inventory/moves/{}/reverse", text(&received["moves"][0]["id"]));
    api.post(&path, json!({ "reason": "Typed twice" })).await.ok();
    api.post(COSTS, good).await.points_at(422, "unknown_receipt", "/source_id");
    server.settle().await;
    server.assert_invariants().await;
}

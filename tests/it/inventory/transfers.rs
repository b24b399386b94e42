//! Transfers from one warehouse to another.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ADJUSTMENTS, PRODUCTS, RECEIPTS, STOCK, WAREHOUSES, adjustment, eur, product, receipt,
};
use super::{reservation, warehouse};
use crate::harness::{Api, Server, text, with};

const TRANSFERS: &str = "/api/v1/inventory/transfers";

/// On hand and value of a product in a warehouse.
async fn there(api: &Api, warehouse: &Value, product: &Value) -> (String, String) {
    let ids = (text(&product["id"]), text(&warehouse["id"]));
    let path = format!("{STOCK}?product_id={}&warehouse_id={}", ids.0, ids.1);
    let row = api.get(&path).await.ok()["data"][0].clone();
    (text(&row["on_hand"]), text(&row["value"]["amount"]))
}

fn is(on_hand: &str, value: &str) -> (String, String) {
    (on_hand.to_owned(), value.to_owned())
}

#[tokio::test]
async fn goods_in_transit_are_ours_and_promised_to_nobody() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let chair = product(api, "CHAIR").await;
    api.post(RECEIPTS, receipt(&main, &[(&chair, "3", "3.333333")])).await.ok();
    let new = json!({
        "from_warehouse_id": main["id"], "to_warehouse_id": shop["id"],
        "lines": [
            { "product_id": chair["id"], "quantity": "2" },
            { "product_id": chair["id"], "quantity": "1" }
        ]
    });
    let shipped = api.post(TRANSFERS, new).await.ok();
    assert_eq!(shipped["status"], "in_transit");
    assert_eq!(shipped["lines"][0]["value_in_transit"], eur("10.00"));
    assert_eq!(there(api, &main, &chair).await, is("0", "0.00"));
    let path = format!("{PRODUCTS}/{}/availability", text(&chair["id"]));
    assert_eq!(api.get(&path).await.ok()["available"], "0");
    let valuation = api.get("/api/v1/inventory/valuation").await.ok();
    assert_eq!(valuation["total"], eur("10.00"), "what is on its way is still ours");

    // Nobody else puts goods into transit, or takes them out.
    let all = api.get(WAREHOUSES).await.ok();
    assert_eq!(all["data"], json!([shop, main]), "it is nothing to choose from");
    let rows = api.get(&format!("{STOCK}?product_id={}", text(&chair["id"]))).await.ok();
    let rows = rows["data"].as_array().expect("rows").clone();
    let row = rows.iter().find(|row| row["on_hand"] == "3").expect("all of it");
    let path = format!("{WAREHOUSES}/{}", text(&row["warehouse_id"]));
    let transit = api.get(&path).await.ok();
    assert_eq!(transit["is_transit"], true);
    let taken = api.post(ADJUSTMENTS, adjustment(&transit, &chair, "-1")).await;
    taken.points_at(422, "unknown_warehouse", "/warehouse_id");
    let aside = reservation(&transit, &chair, "1");
    let aside = api.post("/api/v1/inventory/reservations", aside).await;
    aside.points_at(422, "unknown_warehouse", "/warehouse_id");
    let path = format!("{WAREHOUSES}/{}", text(&transit["id"]));
    let active = api.patch(&path, &transit, json!({ "is_active": true })).await;
    active.problem(409, "warehouse_of_transit");

    let path = format!("{TRANSFERS}/{}", text(&shipped["id"]));
    let line = |received: &str, lost: &str| json!({ "lines": [{ "product_id": chair["id"], "received": received, "lost": lost }] });
    let receive = format!("{path}/receive");
    let first = api.act_with(&receive, &shipped, line("1", "0")).await.ok();
    assert_eq!(there(api, &shop, &chair).await, is("1", "3.33"));
    api.act_with(&receive, &shipped, line("1", "0")).await.problem(412, "stale_version");
    let check = async |body: Value, code: &str, pointer: &str| {
        api.act_with(&receive, &first, body).await.points_at(422, code, pointer);
    };
    check(line("3", "0"), "more_than_shipped", "/lines/0/received").await;
    check(line("1", "2"), "more_than_shipped", "/lines/0/lost").await;
    check(line("-1", "0"), "quantity_negative", "/lines/0/received").await;
    check(line("0", "0.5"), "quantity_too_fine", "/lines/0/lost").await;
    check(json!({ "lines": [] }), "no_lines", "/lines").await;
    let other = product(api, "OTHER").await;
    let stray = json!({ "lines": [{ "product_id": other["id"], "received": "1" }] });
    check(stray, "not_on_list", "/lines/0/product_id").await;
    let last = api.act_with(&receive, &first, line("1", "1")).await.ok();
    assert_eq!(last["status"], "received");
    let figures = ["shipped", "received", "lost"].map(|field| last["lines"][0][field].clone());
    assert_eq!(figures, [json!("3"), json!("2"), json!("1")]);
    assert_eq!(there(api, &shop, &chair).await, is("2", "6.67"));
    assert_eq!(api.get(&path).await.ok(), last);
    api.act_with(&receive, &last, line("1", "0")).await.problem(409, "transfer_over");
    let list = format!("{TRANSFERS}?status=received&from_warehouse_id={}", text(&main["id"]));
    let list = format!("{list}&to_warehouse_id={}", text(&shop["id"]));
    assert_eq!(api.get(&list).await.ok()["data"], json!([last]));
    let moves = format!("/api/v1/inventory/moves?source_id={}", text(&shipped["id"]));
    let moves = api.get(&moves).await.ok();
    assert_eq!(moves["data"].as_array().map(Vec::len), Some(7), "of each step two, one lost");
    server.settle().await;
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_transfer_that_makes_no_sense_is_refused_whole() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let chair = product(api, "CHAIR").await;
    api.post(RECEIPTS, receipt(&main, &[(&chair, "3", "1")])).await.ok();
    let line = |quantity: &str| json!({ "product_id": chair["id"], "quantity": quantity });
    let good = json!({
        "from_warehouse_id": main["id"], "to_warehouse_id": shop["id"], "lines": [line("1")]
    });
    let check = async |field: &str, value: Value, code: &str, pointer: &str| {
        api.post(TRANSFERS, with(good.clone(), field, value)).await.points_at(422, code, pointer);
    };
    check("to_warehouse_id", main["id"].clone(), "same_warehouse", "/to_warehouse_id").await;
    let nobody = json!(Uuid::now_v7());
    for field in ["from_warehouse_id", "to_warehouse_id"] {
        check(field, nobody.clone(), "unknown_warehouse", &format!("/{field}")).await;
    }
    check("lines", json!([]), "no_lines", "/lines").await;
    check("lines", json!([line("0.5")]), "quantity_too_fine", "/lines/0/quantity").await;
    let stranger = json!([{ "product_id": nobody, "quantity": "1" }]);
    check("lines", stranger, "unknown_product", "/lines/0/product_id").await;
    // Two lines of one product are one demand.
    let both = with(good.clone(), "lines", json!([line("2"), line("2")]));
    let short = api.post(TRANSFERS, both).await.problem(409, "insufficient_stock");
    assert_eq!(short["params"]["shortages"][0]["asked"], "4");
    let path = format!("{WAREHOUSES}/{}", text(&shop["id"]));
    api.patch(&path, &shop, json!({ "is_active": false })).await.ok();
    let closed = api.post(TRANSFERS, good).await;
    closed.points_at(422, "warehouse_inactive", "/to_warehouse_id");
    assert_eq!(there(api, &main, &chair).await, is("3", "3.00"));
    server.assert_invariants().await;
}

//! Stock below nothing, where warehouse and product allow it.

use serde_json::{Value, json};

use super::scope::clerk;
use super::{ADJUSTMENTS, PRODUCTS, RECEIPTS, STOCK, WAREHOUSES};
use super::{adjustment, eur, product, receipt, stock, warehouse};
use crate::harness::{Api, Server, text};

fn negative(list: &str, resource: &Value) -> String {
    format!("{list}/{}/negative-stock", text(&resource["id"]))
}

fn allow(is_allowed: bool) -> Value {
    json!({ "allows_negative": is_allowed })
}

async fn balance(api: &Api, code: &str) -> Value {
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let accounts = accounts["data"].as_array().expect("accounts").clone();
    accounts.iter().find(|a| a["code"] == code).expect("the account")["balance"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_follow_the_stock_below_nothing_to_the_cent() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, chair) = (warehouse(api, "MAIN").await, product(api, "CHAIR").await);
    assert_eq!(
        (&main["allows_negative"], &chair["negative_stock"]),
        (&json!(false), &json!("never"))
    );
    api.post(RECEIPTS, receipt(&main, &[(&chair, "3", "3.333333")])).await.ok();
    let gone = || adjustment(&main, &chair, "-5");
    api.post(ADJUSTMENTS, gone()).await.problem(409, "insufficient_stock");
    let main = api.act_with(&negative(WAREHOUSES, &main), &main, allow(true)).await.ok();
    assert_eq!(main["allows_negative"], true);
    api.post(ADJUSTMENTS, gone()).await.problem(409, "insufficient_stock");
    let inherit = json!({ "negative_stock": "inherit" });
    let chair = api.act_with(&negative(PRODUCTS, &chair), &chair, inherit).await.ok();
    assert_eq!(chair["negative_stock"], "inherit");

    api.post(ADJUSTMENTS, gone()).await.ok();
    let level = stock(api, &chair).await;
    assert_eq!((&level["on_hand"], &level["available"]), (&json!("-2"), &json!("0")));
    assert_eq!((&level["value"], &level["average_cost"]), (&eur("-6.67"), &json!("3.335")));
    server.settle().await;
    assert_eq!(balance(api, "1200").await, eur("-6.67"));

    let off = api.act_with(&negative(WAREHOUSES, &main), &main, allow(false)).await;
    let off = off.problem(409, "stock_below_nothing");
    let levels = json!([{ "product_id": chair["id"], "warehouse_id": main["id"] }]);
    assert_eq!(off["params"]["levels"], levels);
    let never = json!({ "negative_stock": "never" });
    let off = api.act_with(&negative(PRODUCTS, &chair), &chair, never.clone()).await;
    off.problem(409, "stock_below_nothing");
    let stale = json!({ "version": 1, "id": main["id"] });
    let stale = api.act_with(&negative(WAREHOUSES, &main), &stale, allow(false)).await;
    stale.problem(412, "stale_version");

    // Two of the three that come were owed: 8.00 instead of 6.67.
    api.post(RECEIPTS, receipt(&main, &[(&chair, "3", "4")])).await.ok();
    let level = stock(api, &chair).await;
    assert_eq!((&level["on_hand"], &level["value"]), (&json!("1"), &eur("4.00")));
    server.settle().await;
    assert_eq!(balance(api, "1200").await, eur("4.00"));
    assert_eq!(balance(api, "5000").await, eur("1.33"), "cost of goods sold");
    assert_eq!(api.get("/api/v1/inventory/valuation").await.ok()["total"], eur("4.00"));
    api.act_with(&negative(PRODUCTS, &chair), &chair, never).await.ok();
    api.act_with(&negative(WAREHOUSES, &main), &main, allow(false)).await.ok();
    api.post(ADJUSTMENTS, adjustment(&main, &chair, "-2")).await.problem(409, "insufficient_stock");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test]
async fn less_than_nothing_of_what_cannot_be_is_refused() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let milk = json!({
        "sku": "MILK", "name": "Milk", "unit": "l", "tax_class": "standard", "tracking": "lot"
    });
    let milk = api.post(PRODUCTS, milk).await.ok();
    let inherit = || json!({ "negative_stock": "inherit" });
    let lots = api.act_with(&negative(PRODUCTS, &milk), &milk, inherit()).await;
    lots.points_at(409, "negative_stock_of_lots", "/negative_stock");
    let chair = product(api, "CHAIR").await;
    let chair = api.act_with(&negative(PRODUCTS, &chair), &chair, inherit()).await.ok();
    let path = format!("{PRODUCTS}/{}", text(&chair["id"]));
    let tracked = api.patch(&path, &chair, json!({ "tracking": "lot" })).await;
    tracked.points_at(409, "negative_stock_of_lots", "/tracking");
    let unknown = json!({ "negative_stock": "always" });
    let unknown = api.act_with(&negative(PRODUCTS, &chair), &chair, unknown).await;
    unknown.points_at(422, "invalid_body", "/negative_stock");
    let main = api.act_with(&negative(WAREHOUSES, &main), &main, allow(true)).await.ok();
    let unknown = api.post(ADJUSTMENTS, adjustment(&main, &chair, "-1")).await;
    unknown.points_at(422, "cost_unknown", "/quantity");
    let place = json!({
        "warehouse_id": main["id"], "code": "A-1", "name": "A-1", "kind": "stock", "pick_order": 1
    });
    let place = api.post("/api/v1/inventory/locations", place).await;
    place.points_at(409, "negative_stock_of_places", "/warehouse_id");

    // Changing a warehouse is not allowing this; and whoever may, may in their own.
    let permissions = json!(["inventory.warehouse:update", "inventory.warehouse:read"]);
    let (_, updater) = clerk(api, "updates", permissions, &[&main]).await;
    let refused = updater.act_with(&negative(WAREHOUSES, &main), &main, allow(false)).await;
    refused.problem(403, "permission_denied");
    let other = warehouse(api, "OTHER").await;
    let (_, theirs) =
        clerk(api, "theirs", json!(["inventory.warehouse:overdraw"]), &[&other]).await;
    let refused = theirs.act_with(&negative(WAREHOUSES, &main), &main, allow(false)).await;
    refused.problem(404, "not_found");
    theirs.act_with(&negative(WAREHOUSES, &other), &other, allow(true)).await.ok();
    assert_eq!(api.get(STOCK).await.ok()["data"], json!([]));
    server.assert_invariants().await;
    server.stop().await;
}

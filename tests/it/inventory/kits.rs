//! Kits: sold whole, stocked in parts.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ADJUSTMENTS, PRODUCTS, RECEIPTS, RESERVATIONS, adjustment, product, receipt, reservation,
    stock, warehouse,
};
use crate::flows::{Company, company, eventually, quotation_to_cash};
use crate::harness::{Api, Server, text, with};

fn of(product: &Value, quantity: &str) -> Value {
    json!({ "product_id": product["id"], "quantity": quantity })
}

async fn kit(api: &Api, sku: &str, components: &[Value]) -> Value {
    let made = product(api, sku).await;
    let path = format!("{PRODUCTS}/{}", text(&made["id"]));
    let body = json!({ "components": components });
    api.put(&format!("{path}/components"), &made, body).await.ok();
    api.get(&path).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quotation_for_a_kit_becomes_cash() {
    let server = Server::start().await;
    let api = &server.api;
    let Company { warehouse_id, product_ids, customer_id, supplier_id } = company(api).await;
    let parts = [json!({ "id": product_ids[0] }), json!({ "id": product_ids[1] })];
    let set = kit(api, "SET", &[of(&parts[0], "3"), of(&parts[1], "1")]).await;
    assert_eq!(set["is_kit"], true);
    let list = json!({ "code": "SETS", "name": "Sets", "currency": "EUR", "is_default": false });
    let list = api.post("/api/v1/sales/price-lists", list).await.ok();
    let path = format!("/api/v1/sales/price-lists/{}/prices", text(&list["id"]));
    let price = json!({ "product_id": set["id"], "min_quantity": "1", "unit_price": "99.00" });
    api.put(&path, &list, json!({ "prices": [price] })).await.ok();
    let path = format!("/api/v1/sales/customers/{customer_id}");
    let customer = api.get(&path).await.ok();
    api.patch(&path, &customer, json!({ "price_list_id": list["id"] })).await.ok();

    let product_ids = vec![text(&set["id"])];
    let sold = Company { warehouse_id, product_ids, customer_id, supplier_id };
    let (order_id, _) = quotation_to_cash(api, &sold).await.expect("cash");
    let path = format!("/api/v1/orders/orders/{order_id}");
    let paid = |order: &Value| order["payment_status"] == "paid";
    let order = eventually(api, &path, paid).await.expect("paid");
    assert_eq!(order["status"], "completed");
    server.settle().await;
    let figures = stock(api, &parts[0]).await;
    assert_eq!((&figures["on_hand"], &figures["reserved"]), (&json!("994"), &json!("0")));
    assert_eq!(stock(api, &parts[1]).await["on_hand"], "998");
    let path = format!("{PRODUCTS}/{}/availability", text(&set["id"]));
    assert_eq!(api.get(&path).await.ok()["available"], "331");
    let path = format!("{PRODUCTS}/{}/available-to-promise?quantity=332", text(&set["id"]));
    let promise = api.get(&path).await.ok();
    assert_eq!(promise["days"][0]["available_to_promise"], "331");
    assert_eq!(promise.get("promise_on"), None);
    let moves = api.get("/api/v1/inventory/moves?kind=issue").await.ok();
    assert_eq!(moves["data"].as_array().map(Vec::len), Some(2), "the parts leave, not the kit");
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_kit_that_makes_no_sense_is_refused() {
    let server = Server::start().await;
    let api = &server.api;
    let (chair, set) = (product(api, "CHAIR").await, product(api, "SET").await);
    let path = format!("{PRODUCTS}/{}/components", text(&set["id"]));
    let put =
        async |components: Value| api.put(&path, &set, json!({ "components": components })).await;
    put(json!([])).await.points_at(422, "no_components", "/components");
    let many: Vec<_> = (0..51).map(|_| of(&chair, "1")).collect();
    put(json!(many)).await.points_at(422, "too_many_components", "/components");
    let check = async |component: Value, code: &str, field: &str| {
        let pointer = format!("/components/1/{field}");
        put(json!([of(&chair, "1"), component])).await.points_at(422, code, &pointer);
    };
    check(of(&chair, "1"), "duplicate_component", "product_id").await;
    check(of(&json!({ "id": Uuid::now_v7() }), "1"), "unknown_product", "product_id").await;
    check(of(&set, "1"), "component_is_kit", "product_id").await;
    let other = kit(api, "OTHER", &[of(&chair, "1")]).await;
    check(of(&other, "1"), "component_is_kit", "product_id").await;
    let table = product(api, "TABLE").await;
    check(of(&table, "0.5"), "quantity_too_fine", "quantity").await;
    let idle = json!({ "is_active": false });
    api.patch(&format!("{PRODUCTS}/{}", text(&table["id"])), &table, idle).await.ok();
    check(of(&table, "1"), "product_inactive", "product_id").await;

    let into_kit = async |product: &Value, code: &str| {
        let path = format!("{PRODUCTS}/{}/components", text(&product["id"]));
        let body = json!({ "components": [of(&set, "1")] });
        api.put(&path, product, body).await.problem(409, code);
    };
    into_kit(&chair, "kit_is_component").await;
    let rope = json!({
        "sku": "ROPE", "name": "Rope", "unit": "m", "unit_decimals": 1, "tax_class": "standard"
    });
    let lot = with(with(rope.clone(), "sku", json!("LOT")), "tracking", json!("lot"));
    into_kit(&api.post(PRODUCTS, rope).await.ok(), "kit_in_pieces").await;
    into_kit(&api.post(PRODUCTS, lot).await.ok(), "kit_tracked").await;
    let (main, lamp) = (warehouse(api, "MAIN").await, product(api, "LAMP").await);
    api.post(RECEIPTS, receipt(&main, &[(&lamp, "1", "1")])).await.ok();
    into_kit(&lamp, "kit_stocked").await;

    // It is in no warehouse.
    let refused = api.post(RECEIPTS, receipt(&main, &[(&lamp, "1", "1"), (&other, "1", "1")]));
    refused.await.points_at(422, "product_is_kit", "/lines/1/product_id");
    let refused = api.post(ADJUSTMENTS, adjustment(&main, &other, "1")).await;
    refused.points_at(422, "product_is_kit", "/product_id");
    let refused = api.post(RESERVATIONS, reservation(&main, &other, "1")).await;
    refused.points_at(422, "product_is_kit", "/product_id");
    let count = json!({ "warehouse_id": main["id"], "product_ids": [other["id"]] });
    let refused = api.post("/api/v1/inventory/stock-counts", count).await;
    refused.points_at(422, "product_is_kit", "/product_ids");
    let shop = warehouse(api, "SHOP").await;
    let transfer = json!({
        "from_warehouse_id": main["id"], "to_warehouse_id": shop["id"], "lines": [of(&other, "1")]
    });
    let refused = api.post("/api/v1/inventory/transfers", transfer).await;
    refused.points_at(422, "product_is_kit", "/lines/0/product_id");
    let path = format!("{PRODUCTS}/{}", text(&other["id"]));
    let tracked = api.patch(&path, &other, json!({ "tracking": "lot" })).await;
    tracked.problem(409, "kit_tracked");
    server.assert_invariants().await;
}

//! Large orders: as many statements as small ones, and as many lines as may be.

use serde_json::{Value, json};

use super::{ORDERS, confirm, pack, path, reload, ship};
use crate::flows::{Company, company};
use crate::harness::{Answer, Api, Server, text};

fn lines(company: &Company, count: usize) -> Value {
    let product = |i: usize| &company.product_ids[i % 3];
    (0..count).map(|i| json!({"product_id": product(i), "quantity": "1"})).collect()
}

/// The statements each step of an order's life costs, from creation to return.
async fn statements(api: &Api, company: &Company, count: usize) -> Vec<(&'static str, u32)> {
    let mut cost = Vec::new();
    let mut step = |name: &'static str, answer: Answer| {
        cost.push((name, answer.statements()));
        answer.ok()
    };
    let body = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id,
        "lines": lines(company, count)
    });
    let order = step("create", api.post(ORDERS, body).await);
    let patch = json!({"lines": lines(company, count)});
    let order = step("update", api.patch(&path(&order), &order, patch).await);
    let order = step("confirm", confirm(api, &order).await);
    step("get", api.get(&path(&order)).await);
    let all_but_one: Vec<_> = order["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .skip(1)
        .map(|line| json!({"order_line_id": line["id"], "quantity": "1"}))
        .collect();
    let shipment = step("pack", pack(api, &order, json!({"lines": all_but_one})).await);
    step("ship", ship(api, &shipment).await);
    let back: Vec<_> = all_but_one
        .iter()
        .map(|line| {
            json!({
                "order_line_id": line["order_line_id"], "quantity": "1", "restock": true
            })
        })
        .collect();
    let back = json!({"lines": back, "reason": "did not fit"});
    step("return", api.post(&format!("{}/returns", path(&order)), back).await);
    let order = reload(api, &order).await;
    step("close", api.act(&format!("{}/close-short", path(&order)), &order).await);
    step("list", api.get(ORDERS).await);
    cost
}

#[tokio::test(flavor = "multi_thread")]
async fn more_lines_cost_no_more_statements() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let few = statements(api, &company, 3).await;
    server.settle().await;
    let many = statements(api, &company, 200).await;
    println!("{few:?}");
    assert_eq!(few, many);
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_thousand_lines_goes_all_the_way() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    statements(api, &company, 1000).await;
    server.assert_invariants().await;
    let page = api.get(&format!("{ORDERS}?customer_id={}", company.customer_id)).await.ok();
    assert_eq!(text(&page["data"][0]["status"]), "completed");
    server.stop().await;
}

//! What an order leaves behind in sales: credit used and given back, and facts.

use serde_json::{Value, json};

use super::assert_laws;
use crate::flows::{company, quotation_to_cash};
use crate::harness::{Server, text};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_paid_leaves_facts_and_no_exposure() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let (order_id, _) = quotation_to_cash(api, &company).await.expect("a sale");
    server.settle().await;
    let customer = api.get(&format!("/api/v1/sales/customers/{}", company.customer_id)).await.ok();
    let zero = json!({"amount": "0.00", "currency": "EUR"});
    for figure in ["exposure", "open_receivables", "uninvoiced_orders", "holds"] {
        assert_eq!(customer["credit"][figure], zero, "{figure}");
    }
    assert_eq!(customer["credit"]["available"], customer["credit"]["limit"]);
    assert_eq!(customer["version"], 1);

    let found = async |query: &str| -> Vec<Value> {
        let page = api.get(&format!("/api/v1/sales/facts?{query}")).await.ok();
        page["data"].as_array().expect("a page").clone()
    };
    let of_order = format!("order_id={order_id}&sort=created_at");
    let shipped = found(&format!("{of_order}&kind=shipped")).await;
    let nets: Vec<_> = shipped.iter().map(|fact| text(&fact["net"]["amount"])).collect();
    assert_eq!(nets, ["39.80", "10.50", "240.00"]);
    let cost = found(&format!("{of_order}&kind=cost")).await;
    for fact in &cost {
        assert_eq!(fact["cost"], json!({"amount": "7.00", "currency": "EUR"}));
        assert_eq!(fact["margin"], json!({"amount": "-7.00", "currency": "EUR"}));
        assert_eq!(fact["quantity"], "2");
    }
    assert_eq!(cost.len(), 3);
    assert_eq!(found(&of_order).await.len(), 6);
    assert_eq!(found(&format!("customer_id={}", company.customer_id)).await.len(), 6);
    assert_eq!(found(&format!("product_id={}", company.product_ids[0])).await.len(), 2);
    assert_eq!(found("kind=returned").await.len(), 0);
    assert_laws(&server).await;
    server.stop().await;
}

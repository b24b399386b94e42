//! What things cost in SQL statements, whatever the number of lines.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use contracts::ids::ProductId;
use contracts::sales::{LineToPrice, PriceLines, Sales};
use kernel::ctx::{REQUEST, RequestScope};
use kernel::money::Currency;
use serde_json::json;

use super::facts::Sold;
use super::world::{World, ctx, today};

/// Runs `work` and returns how many statements it took.
async fn statements<T>(work: impl Future<Output = T>) -> u32 {
    let scope = Arc::new(RequestScope::new("test".into()));
    REQUEST.scope(scope.clone(), work).await;
    scope.statements.load(Ordering::Relaxed)
}

fn lines(count: usize) -> Vec<serde_json::Value> {
    (0..count)
        .map(|_| json!({"product_id": ProductId::new(), "quantity": "1", "unit_price": "1"}))
        .collect()
}

#[tokio::test]
async fn a_long_quotation_takes_no_more_statements_than_a_short_one() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let mut found = Vec::new();
    for count in [1, 300] {
        let new = json!({
            "customer_id": customer, "warehouse_id": ProductId::new(), "lines": lines(count)
        });
        let new = serde_json::from_value(new).expect("a quotation");
        let create = statements(async { world.service.create_quotation(&ctx(), new).await }).await;
        let rows = world.quotation_ids().await;
        let id = *rows.last().expect("created");
        let patch = serde_json::from_value(json!({"lines": lines(count)})).expect("a patch");
        let patch =
            statements(async { world.service.update_quotation(&ctx(), id, patch).await }).await;
        let send = statements(async { world.service.send_quotation(&ctx(), id).await }).await;
        let accept = statements(async { world.service.accept_quotation(&ctx(), id).await }).await;
        let get = statements(async { world.service.quotation(id).await }).await;
        found.push((create, patch, send, accept, get));
    }
    assert_eq!(found[0], found[1]);
    assert!(found[0].0 > 0 && found[0].0 < 20, "{found:?}");
}

#[tokio::test]
async fn prices_of_many_lines_take_one_statement() {
    let world = World::new().await;
    let customer_id = world.customer(None).await;
    for count in [1, 1000] {
        let lines = (0..count)
            .map(|_| LineToPrice {
                product_id: ProductId::new(),
                quantity: "1".parse().expect("a quantity"),
            })
            .collect();
        let request = PriceLines { customer_id, currency: Currency::EUR, on: today(), lines };
        let found = statements(async { world.service.price_lines(&ctx(), request).await }).await;
        assert_eq!(found, 1);
    }
}

#[tokio::test]
async fn a_long_shipment_takes_no_more_statements_than_a_short_one() {
    let world = World::new().await;
    let mut found = Vec::new();
    for count in [1, 300] {
        let mut sold = Sold::new(&world).await;
        sold.lines =
            (0..count).map(|_| (contracts::ids::OrderLineId::new(), ProductId::new())).collect();
        let shipped = sold.shipped(&world, false).await;
        found.push(statements(async { world.tell(&shipped).await }).await);
    }
    assert_eq!(found[0], found[1]);
    assert!(found[0] > 0);
}

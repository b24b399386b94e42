//! How many statements a request costs, however many lines it has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use contracts::ids::{ProductId, WarehouseId};
use kernel::ctx::{REQUEST, RequestScope};
use serde_json::json;

use super::world::{World, bill, ctx};

async fn count<T>(work: impl Future<Output = T>) -> u32 {
    let scope = Arc::new(RequestScope::new("test".into()));
    REQUEST.scope(scope.clone(), work).await;
    scope.statements.load(Ordering::Relaxed)
}

/// The statements each step costs with this many lines.
async fn costs(lines: usize) -> Vec<u32> {
    let world = World::new().await;
    let service = &world.service;
    let body = || {
        let lines: Vec<_> = (0..lines)
            .map(|_| json!({"product_id": ProductId::new(), "quantity": "2", "unit_price": "1"}))
            .collect();
        json!({
            "supplier_id": world.supplier_id, "warehouse_id": WarehouseId::new(), "lines": lines
        })
    };
    let mut costs = Vec::new();
    for short in [false, true] {
        let new = serde_json::from_value(body()).expect("a purchase order");
        costs.push(
            count(async { service.create_purchase_order(&ctx(), new).await.expect("made") }).await,
        );
        let id = world.order_ids().await.pop().expect("there is one");
        let patch = serde_json::from_value(json!({"lines": body()["lines"]})).expect("a patch");
        costs.push(
            count(async {
                service.update_purchase_order(&ctx(), id, patch).await.expect("changed")
            })
            .await,
        );
        costs.push(
            count(async { service.approve_purchase_order(&ctx(), id).await.expect("ok") }).await,
        );
        costs.push(
            count(async { service.send_purchase_order(&ctx(), id).await.expect("ok") }).await,
        );
        let order = world.order(id).await;
        if short {
            world.receive(id, &[(order.lines[0].id, "1")]).await.expect("received");
            costs.push(
                count(async { service.close_purchase_order(&ctx(), id).await.expect("ok") }).await,
            );
            continue;
        }
        costs.push(count(async { world.receive_all(id).await.expect("received") }).await);
        let billed: Vec<_> = order.lines.iter().map(|line| (line.id, "2")).collect();
        costs.push(count(async { world.tell(&bill(id, &billed)).await.expect("heard") }).await);
        costs.push(count(async { world.order(id).await }).await);
        let receipt = world.receipts().await.pop().expect("there is one").id;
        costs.push(count(async { service.receipt(receipt).await.expect("there") }).await);
    }
    costs
}

#[tokio::test]
async fn more_lines_cost_no_more_statements() {
    let one = costs(1).await;
    assert!(one.iter().all(|cost| (2..=25).contains(cost)), "{one:?}");
    assert_eq!(one, costs(40).await);
}

#[tokio::test]
async fn five_thousand_lines_fit() {
    costs(5000).await;
}

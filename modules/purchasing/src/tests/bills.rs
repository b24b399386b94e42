//! What approved bills do to an order.

use contracts::ids::PurchaseOrderId;
use contracts::ids::PurchaseOrderLineId;
use kernel::events::Subscriber;

use super::world::{World, bill, ctx, event};
use crate::entities::purchase_order::{BillingStatus as B, PurchaseOrderStatus as S};

#[tokio::test]
async fn an_order_received_and_billed_in_full_closes_by_itself() {
    let world = World::new().await;
    let order = world.sent(&["5", "2"]).await;
    let (first, second) = (order.lines[0].id, order.lines[1].id);
    world.receive_all(order.id).await.expect("received");
    world.bill(order.id, &[(first, "5"), (second, "1")]).await.expect("heard");
    let partly = world.order(order.id).await;
    assert_eq!((partly.status, partly.billing_status), (S::Received, B::Partial));
    world.bill(order.id, &[(second, "1")]).await.expect("heard");
    let closed = world.order(order.id).await;
    assert_eq!((closed.status, closed.billing_status), (S::Closed, B::Billed));
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_bill_ahead_of_its_goods_counts_when_they_arrive() {
    let world = World::new().await;
    let order = world.sent(&["5"]).await;
    let line = order.lines[0].id;
    // The same line twice on a bill is summed.
    world.bill(order.id, &[(line, "4"), (line, "1")]).await.expect("heard");
    let ahead = world.order(order.id).await;
    assert_eq!((ahead.status, ahead.billing_status), (S::Sent, B::None));
    let counters = |order: &crate::routes::purchase_orders::types::PurchaseOrder| {
        let line = &order.lines[0];
        (line.billed.to_string(), line.billed_ahead.to_string())
    };
    assert_eq!(counters(&ahead), ("0".into(), "5".into()));
    world.receive(order.id, &[(line, "2")]).await.expect("received");
    let partly = world.order(order.id).await;
    assert_eq!((partly.status, partly.billing_status), (S::Sent, B::Partial));
    assert_eq!(counters(&partly), ("2".into(), "3".into()));
    world.receive_all(order.id).await.expect("received");
    let closed = world.order(order.id).await;
    assert_eq!((closed.status, closed.billing_status), (S::Closed, B::Billed));
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_bill_after_closing_is_noted() {
    let world = World::new().await;
    let order = world.sent(&["5"]).await;
    let line = order.lines[0].id;
    world.receive(order.id, &[(line, "3")]).await.expect("received");
    world.service.close_purchase_order(&ctx(), order.id).await.expect("closed");
    world.bill(order.id, &[(line, "3")]).await.expect("heard");
    let closed = world.order(order.id).await;
    assert_eq!((closed.status, closed.billing_status), (S::Closed, B::Billed));
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_bill_heard_twice_is_counted_once() {
    let world = World::new().await;
    let order = world.sent(&["5"]).await;
    let line = order.lines[0].id;
    world.receive_all(order.id).await.expect("received");
    let event = event(&bill(order.id, &[(line, "2")]));
    world.service.handle(&event).await.expect("heard");
    world.service.handle(&event).await.expect("heard again");
    assert_eq!(world.order(order.id).await.lines[0].billed.to_string(), "2");
}

#[tokio::test]
async fn a_bill_for_nothing_we_know_is_not_swallowed() {
    let world = World::new().await;
    let order = world.sent(&["5"]).await;
    let line = order.lines[0].id;
    let unknown = world.bill(PurchaseOrderId::new(), &[(line, "1")]).await;
    assert_eq!(unknown.expect_err("no such order").status(), 500);
    let unknown = world.bill(order.id, &[(PurchaseOrderLineId::new(), "1")]).await;
    assert_eq!(unknown.expect_err("no such line").status(), 500);
    assert_eq!(world.order(order.id).await.version, order.version);
}

//! Who gets what comes in.

use chrono::Utc;
use contracts::events::{BackorderFilled, ReservationBroken};
use contracts::ids::{OrderId, ProductId, WarehouseId};

use super::bench::{Bench, Line, ctx, q, request};

/// A confirmed order that waits for all of its one line.
async fn waiting(
    bench: &Bench,
    product: ProductId,
    from: WarehouseId,
    units: i64,
) -> (OrderId, Line) {
    let (order, line) = (OrderId::new(), bench.line(product, from));
    bench.reserve(order, &[(line, units)], true).await.expect("allowed");
    bench.confirm(order, &[(line, 0, units)]).await.expect("heard");
    (order, line)
}

async fn filled(bench: &Bench) -> Vec<(OrderId, i64)> {
    let events = bench.published::<BackorderFilled>().await;
    let units = |event: &BackorderFilled| {
        event.lines.iter().map(|line| line.quantity.micros() / q(1).micros()).sum()
    };
    events.iter().map(|event| (event.order_id, units(event))).collect()
}

#[tokio::test]
async fn whoever_waits_longest_gets_it_first_and_a_part_if_need_be() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    let elsewhere = bench.warehouse("X").await;
    let (first, line) = waiting(&bench, product, warehouse, 3).await;
    let (second, _) = waiting(&bench, product, warehouse, 3).await;
    let (third, _) = waiting(&bench, product, warehouse, 1).await;
    waiting(&bench, product, elsewhere, 1).await;
    bench.receive(product, warehouse, 5, "10").await;
    assert_eq!(filled(&bench).await, [(first, 3), (second, 2)]);
    assert_eq!(bench.level(product, warehouse).await, (5, 5, 2, 5000));
    bench.purchase(warehouse, &[(product, 4, "10")]).await.expect("heard");
    assert_eq!(filled(&bench).await[2..], [(second, 1), (third, 1)]);
    assert_eq!(bench.level(product, warehouse).await, (9, 7, 0, 9000));
    assert_eq!(bench.level(product, elsewhere).await, (0, 0, 1, 0));
    bench.ship(first, &[(line, 3)]).await.expect("what was filled can be shipped");
    bench.assert_lawful().await;
}

/// What is broken newest first is filled again oldest first, and is no newer for it.
#[tokio::test]
async fn who_has_waited_longest_comes_first_after_a_promise_was_broken_too() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    bench.receive(product, warehouse, 6, "1").await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        let (order, line) = (OrderId::new(), bench.line(product, warehouse));
        bench.reserve(order, &[(line, 2)], false).await.expect("there");
        bench.confirm(order, &[(line, 2, 0)]).await.expect("heard");
        orders.push(order);
    }
    let shrink = async |units: i64| {
        let gone = request(serde_json::json!({
            "warehouse_id": warehouse, "product_id": product, "quantity": (-units).to_string(),
            "reason": "gone", "break_reservations": true
        }));
        bench.service.adjust_stock(&ctx(), gone).await.expect("gone");
    };
    shrink(5).await;
    bench.receive(product, warehouse, 4, "1").await;
    assert_eq!(filled(&bench).await, [(orders[0], 1), (orders[1], 2), (orders[2], 1)]);
    // The oldest was filled last, and still keeps what it has.
    shrink(2).await;
    let broken = bench.published::<ReservationBroken>().await;
    let broken: Vec<_> = broken.iter().map(|event| event.order_id).collect();
    assert_eq!(broken[broken.len() - 2..], [orders[1], orders[2]]);
    bench.receive(product, warehouse, 1, "1").await;
    assert_eq!(filled(&bench).await.last(), Some(&(orders[1], 1)));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn an_order_is_told_once_of_all_its_lines() {
    let bench = Bench::new().await;
    let (a, b) = (bench.product("A").await, bench.product("B").await);
    let warehouse = bench.warehouse("W").await;
    let (order, x, y) = (OrderId::new(), bench.line(a, warehouse), bench.line(b, warehouse));
    bench.reserve(order, &[(x, 2), (y, 3)], true).await.expect("allowed");
    bench.confirm(order, &[(x, 0, 2), (y, 0, 3)]).await.expect("heard");
    let receipt = [(a, 2, "1"), (b, 2, "1"), (b, 1, "2")];
    bench.purchase(warehouse, &receipt).await.expect("heard");
    assert_eq!(filled(&bench).await, [(order, 5)]);
    assert_eq!(bench.published::<BackorderFilled>().await[0].lines.len(), 2);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn an_order_not_confirmed_yet_gets_its_share_when_it_is() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 3)], true).await.expect("allowed");
    bench.receive(product, warehouse, 2, "10").await;
    assert_eq!(filled(&bench).await, []);
    bench.confirm(order, &[(line, 0, 3)]).await.expect("heard");
    assert_eq!(filled(&bench).await, [(order, 2)]);
    assert_eq!(bench.level(product, warehouse).await, (2, 2, 1, 2000));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn whatever_makes_stock_available_serves_the_queue() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    bench.receive(product, warehouse, 8, "10").await;
    // Everything is held in a way that can end.
    let (released, cancelled, expired) = (OrderId::new(), OrderId::new(), OrderId::new());
    let line = bench.line(product, warehouse);
    bench.reserve(released, &[(line, 1)], false).await.expect("there");
    let line = bench.line(product, warehouse);
    bench.reserve(cancelled, &[(line, 2)], false).await.expect("there");
    bench.confirm(cancelled, &[(line, 2, 0)]).await.expect("heard");
    let line = bench.line(product, warehouse);
    bench.reserve_until(expired, &[(line, 1)], false, Utc::now()).await.expect("there");
    let by_hand = serde_json::json!({
        "product_id": product, "warehouse_id": warehouse, "quantity": "1", "ttl_s": 600,
        "note": "fair"
    });
    bench.service.create_reservation(&ctx(), request(by_hand)).await.expect("there");
    let (shipped, shipped_line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(shipped, &[(shipped_line, 3)], false).await.expect("there");
    bench.confirm(shipped, &[(shipped_line, 3, 0)]).await.expect("heard");
    bench.ship(shipped, &[(shipped_line, 3)]).await.expect("heard");

    let (order, _) = waiting(&bench, product, warehouse, 10).await;
    let mut expected = Vec::new();
    bench
        .service
        .release_order(&ctx(), contracts::inventory::Release { order_id: released })
        .await
        .expect("ok");
    expected.push((order, 1));
    assert_eq!(filled(&bench).await, expected, "a release");
    bench.cancel(cancelled).await.expect("heard");
    expected.push((order, 2));
    assert_eq!(filled(&bench).await, expected, "a cancellation");
    bench.expire().await;
    expected.push((order, 1));
    assert_eq!(filled(&bench).await, expected, "an expiry");
    let row = "SELECT * FROM reservations WHERE order_id IS NULL";
    let by_hand = bench.find::<crate::entities::reservation::Model>(row).await;
    bench.service.release_reservation(&ctx(), by_hand.id).await.expect("active");
    expected.push((order, 1));
    assert_eq!(filled(&bench).await, expected, "a release by hand");
    bench.take_back(shipped, &[(shipped_line, 2, true)]).await.expect("heard");
    expected.push((order, 2));
    assert_eq!(filled(&bench).await, expected, "a return");
    bench.adjust(product, warehouse, "1").await.expect("found");
    expected.push((order, 1));
    assert_eq!(filled(&bench).await, expected, "a find");
    bench.assert_lawful().await;
}

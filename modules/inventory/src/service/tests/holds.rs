//! Reserving for orders, releasing, expiring.

use chrono::{Duration, Utc};
use contracts::events::{BackorderFilled, ReservationBroken};
use contracts::ids::{OrderId, ProductId, WarehouseId};
use contracts::inventory::{Release, Reserved};
use kernel::Error;

use super::bench::{Bench, Line, ctx, q};

/// What each line got: reserved and backordered units.
fn got(reserved: &Reserved) -> Vec<(i64, i64)> {
    let one = q(1).micros();
    let units = |line: &contracts::inventory::ReservedLine| {
        (line.reserved.micros() / one, line.backordered.micros() / one)
    };
    reserved.lines.iter().map(units).collect()
}

fn params(error: &Error) -> serde_json::Value {
    use actix_web::ResponseError;
    let body = error.error_response().into_body();
    let bytes = actix_web::body::MessageBody::try_into_bytes(body).expect("a whole body");
    serde_json::from_slice::<serde_json::Value>(&bytes).expect("a problem")["params"].clone()
}

async fn stocked(units: i64) -> (Bench, ProductId, WarehouseId) {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    bench.receive(product, warehouse, units, "10").await;
    (bench, product, warehouse)
}

#[tokio::test]
async fn lines_of_one_product_are_one_demand_and_all_or_nothing() {
    let (bench, product, warehouse) = stocked(5).await;
    let other = bench.product("B").await;
    bench.receive(other, warehouse, 5, "10").await;
    let (a, b) = (bench.line(product, warehouse), bench.line(product, warehouse));
    let c = bench.line(other, warehouse);
    let error = bench
        .reserve(OrderId::new(), &[(a, 3), (c, 1), (b, 3)], false)
        .await
        .expect_err("six of five");
    assert_eq!((error.status(), error.code()), (409, "insufficient_stock"));
    let shortages = serde_json::json!({ "shortages": [{
        "product_id": product, "sku": "A", "warehouse_id": warehouse,
        "asked": "6", "available": "5"
    }] });
    assert_eq!(params(&error), shortages);
    assert_eq!(bench.level(other, warehouse).await.1, 0, "nothing is held after a refusal");
    let reserved = bench.reserve(OrderId::new(), &[(a, 3), (c, 1), (b, 2)], false).await;
    assert_eq!(got(&reserved.expect("five of five")), [(3, 0), (1, 0), (2, 0)]);
    assert_eq!(bench.level(product, warehouse).await, (5, 5, 0, 5000));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_is_short_becomes_a_backorder_where_that_is_allowed() {
    let (bench, product, warehouse) = stocked(5).await;
    let (a, b) = (bench.line(product, warehouse), bench.line(product, warehouse));
    let reserved = bench.reserve(OrderId::new(), &[(a, 3), (b, 4)], true).await.expect("allowed");
    assert_eq!(got(&reserved), [(3, 0), (2, 2)]);
    assert_eq!(bench.level(product, warehouse).await, (5, 5, 2, 5000));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_product_never_stocked_can_be_backordered() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    let line = bench.line(product, warehouse);
    let error = bench.reserve(OrderId::new(), &[(line, 1)], false).await.expect_err("none");
    assert_eq!(error.code(), "insufficient_stock");
    let reserved = bench.reserve(OrderId::new(), &[(line, 1)], true).await.expect("allowed");
    assert_eq!(got(&reserved), [(0, 1)]);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn reserving_twice_returns_what_is_held() {
    let (bench, product, warehouse) = stocked(3).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    let first = bench.reserve(order, &[(line, 5)], true).await.expect("allowed");
    bench.receive(product, warehouse, 10, "10").await;
    let second = bench.reserve(order, &[(line, 5)], true).await.expect("again");
    assert_eq!(got(&first), got(&second));
    assert_eq!(bench.level(product, warehouse).await.1, 3);
    // The second call renewed the hold: it outlives the first one's time.
    let late = Utc::now() + Duration::minutes(70);
    bench.reserve_until(order, &[(line, 5)], true, late).await.expect("again");
    let in_65_minutes = Utc::now() + Duration::minutes(65);
    bench.service.expire_holds(&ctx(), in_65_minutes).await.expect("runs");
    assert_eq!(bench.level(product, warehouse).await.1, 3);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_hold_left_from_other_lines_is_replaced() {
    let (bench, product, warehouse) = stocked(5).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 5)], false).await.expect("there");
    // The order was changed: its own hold must not stand in its way.
    let other = bench.line(product, warehouse);
    let reserved = bench.reserve(order, &[(line, 2), (other, 3)], false).await.expect("there");
    assert_eq!(got(&reserved), [(2, 0), (3, 0)]);
    assert_eq!(bench.level(product, warehouse).await.1, 5);
    // A backorder nobody allows any more is no answer either.
    let third = OrderId::new();
    bench.reserve(third, &[(line, 1)], true).await.expect("allowed");
    let error = bench.reserve(third, &[(line, 1)], false).await.expect_err("no longer allowed");
    assert_eq!(error.code(), "insufficient_stock");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_confirmed_order_keeps_what_it_has_whatever_is_asked_again() {
    let (bench, product, warehouse) = stocked(5).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 2)], false).await.expect("there");
    bench.confirm(order, &[(line, 2, 0)]).await.expect("heard");
    let other = bench.line(product, warehouse);
    let reserved = bench.reserve(order, &[(other, 3), (line, 4)], false).await.expect("held");
    assert_eq!(got(&reserved), [(0, 0), (2, 0)]);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let (bench, product, warehouse) = stocked(5).await;
    let line = bench.line(product, warehouse);
    let check = async |lines: &[(Line, i64)], code: &str| {
        let error = bench.reserve(OrderId::new(), lines, true).await.expect_err(code);
        assert_eq!((error.status(), error.code()), (422, code));
    };
    check(&[], "no_lines").await;
    check(&[(line, 0)], "quantity_not_positive").await;
    check(&[(line, -1)], "quantity_not_positive").await;
    check(&[(line, 1), (line, 1)], "duplicate_line").await;
    let unknown = Line { product_id: ProductId::new(), ..bench.line(product, warehouse) };
    check(&[(line, 1), (unknown, 1)], "unknown_product").await;
    let nowhere = Line { warehouse_id: WarehouseId::new(), ..bench.line(product, warehouse) };
    check(&[(nowhere, 1)], "unknown_warehouse").await;
    let most = 999_999_999;
    check(&[(line, most), (bench.line(product, warehouse), most)], "amount_overflow").await;
    bench.assert_lawful().await;
}

#[tokio::test]
async fn releasing_gives_back_what_is_held_before_and_after_confirmation() {
    let (bench, product, warehouse) = stocked(5).await;
    for is_confirmed in [false, true] {
        let (order, line) = (OrderId::new(), bench.line(product, warehouse));
        bench.reserve(order, &[(line, 7)], true).await.expect("allowed");
        if is_confirmed {
            bench.confirm(order, &[(line, 5, 2)]).await.expect("heard");
        }
        for _ in 0..2 {
            bench.service.release_order(&ctx(), Release { order_id: order }).await.expect("ok");
            assert_eq!(bench.level(product, warehouse).await, (5, 0, 0, 5000));
        }
    }
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_expires_is_given_back_and_can_be_reserved_again() {
    let (bench, product, warehouse) = stocked(5).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve_until(order, &[(line, 7)], true, Utc::now()).await.expect("allowed");
    bench.expire().await;
    assert_eq!(bench.level(product, warehouse).await, (5, 0, 0, 5000));
    let reserved = bench.reserve(order, &[(line, 4)], false).await.expect("there again");
    assert_eq!(got(&reserved), [(4, 0)]);
    bench.expire().await;
    assert_eq!(bench.level(product, warehouse).await.1, 4, "its hour is not over");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_confirmed_hold_does_not_expire() {
    let (bench, product, warehouse) = stocked(5).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve_until(order, &[(line, 7)], true, Utc::now()).await.expect("allowed");
    bench.confirm(order, &[(line, 5, 2)]).await.expect("heard");
    bench.expire().await;
    assert_eq!(bench.level(product, warehouse).await, (5, 5, 2, 5000));
    assert!(bench.published::<ReservationBroken>().await.is_empty());
    bench.assert_lawful().await;
}

#[tokio::test]
async fn an_order_confirmed_too_late_is_reserved_again_or_told() {
    let (bench, product, warehouse) = stocked(5).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve_until(order, &[(line, 4)], false, Utc::now()).await.expect("there");
    bench.expire().await;
    // Still there: nobody needs to know.
    bench.confirm(order, &[(line, 4, 0)]).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (5, 4, 0, 5000));
    assert!(bench.published::<ReservationBroken>().await.is_empty());
    // Gone but for one.
    let (late, late_line) = (OrderId::new(), bench.line(product, warehouse));
    bench.confirm(late, &[(late_line, 3, 1)]).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (5, 5, 3, 5000));
    let broken = bench.published::<ReservationBroken>().await;
    assert_eq!((broken.len(), broken[0].order_id), (1, late));
    assert_eq!(broken[0].lines[0].order_line_id, late_line.id);
    assert_eq!(broken[0].lines[0].quantity, q(2));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn cancelling_gives_back_all_or_the_part_cancelled() {
    let (bench, product, warehouse) = stocked(10).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    let other = bench.line(product, warehouse);
    bench.reserve(order, &[(line, 4), (other, 8)], true).await.expect("allowed");
    bench.confirm(order, &[(line, 4, 0), (other, 6, 2)]).await.expect("heard");
    bench.cancel_lines(order, &[(line, 1, 0), (other, 2, 1)]).await.expect("heard");
    // The three given back fill the one still waited for.
    assert_eq!(bench.level(product, warehouse).await, (10, 8, 0, 10000));
    let filled = bench.published::<BackorderFilled>().await;
    assert_eq!((filled.len(), filled[0].lines[0].quantity), (1, q(1)));
    bench.cancel(order).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (10, 0, 0, 10000));
    bench.cancel(order).await.expect("nothing left to cancel");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_cancellation_that_crosses_a_fill_takes_what_was_filled() {
    let (bench, product, warehouse) = stocked(1).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 4)], true).await.expect("allowed");
    bench.confirm(order, &[(line, 1, 3)]).await.expect("heard");
    bench.receive(product, warehouse, 3, "10").await;
    // Orders has not heard of the fill when it cancels what it thinks is waited for.
    bench.cancel_lines(order, &[(line, 0, 3)]).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (4, 1, 0, 4000));
    bench.assert_lawful().await;
}

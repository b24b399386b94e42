//! What others got wrong, by the thread in which their users complain.

use contracts::events::{ReservationBroken, StockAdjusted};
use contracts::ids::OrderId;
use serde_json::json;

use super::bench::{Bench, ctx, q, request};

/// ERPNext #26372, #15148: 10 at 100.00 and 5 at 110.00, then 5 go back to the supplier at
/// 100.00 each. They leave at 516.67, the average; the supplier owes 500.00; the difference
/// of 16.67 is an expense, and what stays is worth 1033.33, not 1050.00 or 1033.34.
#[tokio::test]
async fn erpnext_26372_goods_sent_back_leave_at_their_average_cost() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    bench.purchase(warehouse, &[(product, 10, "100")]).await.expect("heard");
    bench.purchase(warehouse, &[(product, 5, "110")]).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (15, 0, 0, 155_000));
    bench.adjust(product, warehouse, "-5").await.expect("there");
    let told = bench.published::<StockAdjusted>().await.pop().expect("told");
    assert_eq!(told.value.minor(), -51_667);
    let owed_by_supplier = 50_000;
    assert_eq!(-told.value.minor() - owed_by_supplier, 1667, "the variance");
    assert_eq!(bench.level(product, warehouse).await, (10, 0, 0, 103_333));
    bench.assert_lawful().await;
}

/// Odoo #62139, PR#79180: "it is not possible to unreserve more than you have in stock", because
/// the counter and the lines it counts drift apart.
#[tokio::test]
async fn odoo_62139_what_is_reserved_is_what_its_rows_say() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    bench.receive(product, warehouse, 10, "1").await;
    let line = bench.line(product, warehouse);
    let order = OrderId::new();
    bench.reserve(order, &[(line, 8)], false).await.expect("there");
    bench.confirm(order, &[(line, 8, 0)]).await.expect("heard");
    bench.ship(order, &[(line, 3)]).await.expect("heard");
    // Five are still promised, four of them turn out to be gone.
    let gone = json!({
        "warehouse_id": warehouse, "product_id": product, "quantity": "-6", "reason": "gone",
        "break_reservations": true
    });
    bench.service.adjust_stock(&ctx(), request(gone)).await.expect("on hand");
    assert_eq!(bench.level(product, warehouse).await, (1, 1, 4, 100));
    let broken = bench.published::<ReservationBroken>().await.pop().expect("told");
    assert_eq!((broken.order_id, broken.lines[0].quantity), (order, q(4)));
    bench.assert_lawful().await;
    bench.cancel(order).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (1, 0, 0, 100));
    bench.assert_lawful().await;
}

/// Medusa #16502: two bundles that share a part each find enough of it.
#[tokio::test]
async fn medusa_16502_lines_that_share_a_part_are_one_demand() {
    let bench = Bench::new().await;
    let (part, warehouse) = (bench.product("PART").await, bench.warehouse("W").await);
    let other = bench.product("OTHER").await;
    bench.receive(part, warehouse, 5, "1").await;
    bench.receive(other, warehouse, 5, "1").await;
    let [a, b] = [bench.line(part, warehouse), bench.line(part, warehouse)];
    let c = bench.line(other, warehouse);
    let error = bench.reserve(OrderId::new(), &[(a, 3), (c, 1), (b, 3)], false).await;
    assert_eq!(error.expect_err("six of five").code(), "insufficient_stock");
    assert_eq!(bench.level(part, warehouse).await, (5, 0, 0, 500), "all or nothing");
    assert_eq!(bench.level(other, warehouse).await, (5, 0, 0, 500));
    bench.reserve(OrderId::new(), &[(a, 3), (c, 1), (b, 2)], false).await.expect("five of five");
    bench.assert_lawful().await;
}

/// Vendure #2702: the same article twice in a cart is looked at twice, and never together.
#[tokio::test]
async fn vendure_2702_an_article_on_two_lines_is_not_sold_twice() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    bench.receive(product, warehouse, 1, "1").await;
    let [a, b] = [bench.line(product, warehouse), bench.line(product, warehouse)];
    let error = bench.reserve(OrderId::new(), &[(a, 1), (b, 1)], false).await;
    assert_eq!(error.expect_err("two of one").code(), "insufficient_stock");
    let reserved = bench.reserve(OrderId::new(), &[(a, 1), (b, 1)], true).await.expect("allowed");
    let got: Vec<_> = reserved.lines.iter().map(|l| (l.reserved, l.backordered)).collect();
    assert_eq!(got, [(q(1), q(0)), (q(0), q(1))]);
    bench.assert_lawful().await;
}

/// ERPNext #45414, #51353: an entry of an earlier day takes what is not there, because the check
/// looks at that day alone. What leaves under an earlier date was there then, on each day since and
/// is now, and a day that is closed takes nothing.
#[tokio::test]
async fn erpnext_45414_an_earlier_day_is_no_way_below_nothing() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    let today = chrono::Utc::now().date_naive();
    let ago = |days: u64| today - chrono::Days::new(days);
    bench.receive(product, warehouse, 5, "1").await;
    bench.adjust(product, warehouse, "-3").await.expect("there");
    let earlier = |units: &str, days: u64| {
        request(json!({
            "warehouse_id": warehouse, "product_id": product, "quantity": units,
            "reason": "count", "adjusted_on": ago(days)
        }))
    };
    let check = async |units: &str, days: u64, why: &str| {
        let refused = bench.service.adjust_stock(&ctx(), earlier(units, days)).await.map(drop);
        assert_eq!(refused.expect_err(why).code(), "insufficient_stock");
    };
    check("-3", 9, "two are there").await;
    check("-1", 9, "there were none").await;
    let came = json!({
        "warehouse_id": warehouse, "reason": "test", "received_on": ago(8),
        "lines": [{ "product_id": product, "quantity": "4", "unit_cost": "1" }]
    });
    bench.service.receive_stock(&ctx(), request(came)).await.expect("received");
    bench.service.adjust_stock(&ctx(), earlier("-3", 6)).await.expect("four were there");
    check("-2", 7, "one was left the day after").await;
    bench.service.adjust_stock(&ctx(), earlier("-1", 7)).await.expect("it was there");
    let close = request(json!({ "through": ago(5) }));
    bench.service.close_stock_period(&ctx(), close).await.expect("closed");
    let refused = bench.service.adjust_stock(&ctx(), earlier("-1", 5)).await.map(drop);
    assert_eq!(refused.expect_err("closed").code(), "stock_period_closed");
    assert_eq!(bench.level(product, warehouse).await, (2, 0, 0, 200));
    bench.assert_lawful().await;
}

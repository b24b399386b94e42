//! What is shipped, returned, received and reversed, and what it costs.

use chrono::{Days, Utc};
use contracts::events::{
    BackorderFilled, ReservationBroken, ReturnReceived, ReturnedLine, StockAdjusted, StockIssued,
    StockReceived, StockReturned,
};
use contracts::ids::{OrderId, ProductId, ReturnId, WarehouseId};
use kernel::events::Subscriber;
use kernel::money::{Currency, Money};
use serde_json::json;

use super::bench::{Bench, Line, ctx, event, q, receipt, request, shipment};
use crate::entities::stock_move::MoveKind;

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

/// An order confirmed on `units` reserved.
async fn confirmed(bench: &Bench, line: Line, units: i64) -> OrderId {
    let order = OrderId::new();
    bench.reserve(order, &[(line, units)], false).await.expect("there");
    bench.confirm(order, &[(line, units, 0)]).await.expect("heard");
    order
}

async fn stocked() -> (Bench, ProductId, WarehouseId) {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    (bench, product, warehouse)
}

#[tokio::test]
async fn a_shipment_leaves_at_average_cost_and_uses_up_its_reservation() {
    let (bench, product, warehouse) = stocked().await;
    bench.receive(product, warehouse, 10, "1.00").await;
    bench.receive(product, warehouse, 5, "1.10").await;
    let line = bench.line(product, warehouse);
    let order = confirmed(&bench, line, 7).await;
    bench.ship(order, &[(line, 3)]).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (12, 4, 0, 1240));
    bench.ship(order, &[(line, 4)]).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (8, 0, 0, 827));
    let issued = bench.published::<StockIssued>().await;
    assert_eq!(issued[0].cost, eur(310));
    assert_eq!(issued[1].cost, eur(413));
    assert_eq!((issued[0].order_id, issued[0].lines[0].order_line_id), (order, line.id));
    assert_eq!((issued[0].lines[0].quantity, issued[0].lines[0].cost), (q(3), eur(310)));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn an_event_heard_twice_is_applied_once() {
    let (bench, product, warehouse) = stocked().await;
    let received = receipt(warehouse, &[(product, 5, "2")]);
    let received = event(received.purchase_order_id.uuid(), &received);
    for _ in 0..2 {
        bench.service.handle(&received).await.expect("heard");
    }
    let line = bench.line(product, warehouse);
    let order = confirmed(&bench, line, 2).await;
    let shipped = event(order.uuid(), &shipment(order, &[(line, 2)]));
    for _ in 0..2 {
        bench.service.handle(&shipped).await.expect("heard");
    }
    assert_eq!(bench.level(product, warehouse).await, (3, 0, 0, 600));
    assert_eq!(bench.moves().await.len(), 2);
    // Published anew, under another id: the document itself is known.
    let again = kernel::events::Event { id: uuid::Uuid::now_v7(), ..shipped };
    bench.service.handle(&again).await.expect_err("the shipment has been posted");
    assert_eq!(bench.level(product, warehouse).await, (3, 0, 0, 600));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn goods_shipped_without_a_reservation_come_from_what_is_available() {
    let (bench, product, warehouse) = stocked().await;
    bench.receive(product, warehouse, 5, "1").await;
    let held = bench.line(product, warehouse);
    confirmed(&bench, held, 3).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.ship(order, &[(line, 1)]).await.expect("two are free");
    assert_eq!(bench.level(product, warehouse).await, (4, 3, 0, 400));
    // In part: one reserved and one more.
    let more = bench.line(product, warehouse);
    let order = confirmed(&bench, more, 1).await;
    bench.receive(product, warehouse, 1, "1").await;
    bench.ship(order, &[(more, 2)]).await.expect("one reserved and one free");
    assert_eq!(bench.level(product, warehouse).await, (3, 3, 0, 300));
    bench.assert_lawful().await;
}

/// Orders has shipped, and before inventory hears of it the goods are found missing: what has left
/// is posted all the same, and whoever was promised it waits.
#[tokio::test]
async fn what_has_left_is_posted_whatever_became_of_its_promise() {
    let (bench, product, warehouse) = stocked().await;
    bench.receive(product, warehouse, 5, "2").await;
    let (first, second) = (bench.line(product, warehouse), bench.line(product, warehouse));
    let waits = confirmed(&bench, first, 2).await;
    let order = confirmed(&bench, second, 3).await;
    let gone = json!({
        "warehouse_id": warehouse, "product_id": product, "quantity": "-3", "reason": "gone",
        "break_reservations": true
    });
    bench.service.adjust_stock(&ctx(), request(gone)).await.expect("three are gone");
    assert_eq!(bench.level(product, warehouse).await, (2, 2, 3, 400));
    bench.ship(order, &[(second, 3)]).await.expect("three have left");
    // One more than the books had, at what the others cost, is found and issued.
    assert_eq!(bench.level(product, warehouse).await, (0, 0, 2, 0));
    let moves = bench.moves().await;
    let last: Vec<_> = moves[moves.len() - 2..]
        .iter()
        .map(|row| (row.kind, row.quantity, row.value_minor))
        .collect();
    assert_eq!(last, [(MoveKind::Adjustment, q(1), 200), (MoveKind::Issue, q(3), 600)]);
    let broken = bench.published::<ReservationBroken>().await;
    let broken: Vec<_> =
        broken.iter().map(|event| (event.order_id, event.lines[0].quantity)).collect();
    assert_eq!(broken, [(order, q(3)), (waits, q(2))]);
    let adjusted = bench.published::<StockAdjusted>().await;
    assert_eq!(adjusted.last().map(|told| told.value.minor()), Some(200));
    bench.assert_lawful().await;
    // None left at all, of what nobody knows the cost of either.
    let other = bench.product("OTHER").await;
    bench.ship(OrderId::new(), &[(bench.line(other, warehouse), 2)]).await.expect("they left");
    assert_eq!(bench.level(other, warehouse).await, (0, 0, 0, 0));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn nothing_leaves_before_it_came_nor_is_back_before_it_left() {
    let (bench, product, warehouse) = stocked().await;
    let ago = |days: u64| Utc::now().date_naive() - Days::new(days);
    for (days, units) in [(10, "3"), (2, "3")] {
        let came = json!({
            "warehouse_id": warehouse, "reason": "test", "received_on": ago(days),
            "lines": [{ "product_id": product, "quantity": units, "unit_cost": "1" }]
        });
        bench.service.receive_stock(&ctx(), request(came)).await.expect("received");
    }
    let mut shipped = Vec::new();
    for (units, said, posted) in [(2, 20, 10), (2, 5, 2), (1, 1, 1)] {
        let line = bench.line(product, warehouse);
        let order = confirmed(&bench, line, units).await;
        let mut event = shipment(order, &[(line, units)]);
        event.shipped_on = ago(said);
        bench.hear(order.uuid(), &event).await.expect("they have left");
        let last = bench.moves().await.pop().expect("a move");
        assert_eq!((last.kind, last.moved_on), (MoveKind::Issue, ago(posted)), "{said}");
        shipped.push((order, line));
    }
    let issued = bench.published::<StockIssued>().await;
    assert_eq!(issued[0].issued_on, ago(10));
    let (order, line) = shipped[1];
    let mut back = ReturnReceived {
        return_id: ReturnId::new(),
        number: "RT-2026-000001".into(),
        order_id: order,
        received_on: ago(4),
        lines: vec![ReturnedLine {
            order_line_id: line.id,
            product_id: product,
            warehouse_id: warehouse,
            quantity: q(1),
            restock: true,
        }],
    };
    for posted in [2, 0] {
        bench.hear(order.uuid(), &back).await.expect("it is back");
        let last = bench.moves().await.pop().expect("a move");
        assert_eq!((last.kind, last.moved_on), (MoveKind::Return, ago(posted)));
        (back.return_id, back.received_on) = (ReturnId::new(), ago(0));
    }
    bench.assert_lawful().await;
}

/// As of a day there is no value below nothing: what it costs today was not all there then.
#[tokio::test]
async fn an_earlier_day_loses_no_more_than_it_was_worth() {
    let (bench, product, warehouse) = stocked().await;
    let ago = |days: u64| Utc::now().date_naive() - Days::new(days);
    for (days, cost) in [(10, "1"), (0, "100")] {
        let came = json!({
            "warehouse_id": warehouse, "reason": "test", "received_on": ago(days),
            "lines": [{ "product_id": product, "quantity": "10", "unit_cost": cost }]
        });
        bench.service.receive_stock(&ctx(), request(came)).await.expect("received");
    }
    let gone = async |units: &str, days: u64| {
        let gone = request(json!({
            "warehouse_id": warehouse, "product_id": product, "quantity": units,
            "reason": "gone", "adjusted_on": ago(days)
        }));
        bench.service.adjust_stock(&ctx(), gone).await.map(drop)
    };
    let refused = gone("-10", 5).await.expect_err("505.00 of 10.00");
    assert_eq!((refused.status(), refused.code()), (409, "value_moved"));
    assert_eq!(gone("-11", 5).await.expect_err("ten").code(), "insufficient_stock");
    gone("-10", 0).await.expect("today it is worth that");
    assert_eq!(bench.level(product, warehouse).await, (10, 0, 0, 50_500));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_receipt_that_has_got_a_late_cost_is_not_reversed_without_it() {
    let (bench, product, warehouse) = stocked().await;
    for _ in 0..2 {
        bench.receive(product, warehouse, 5, "1").await;
    }
    let came = bench.moves().await.pop().expect("a move");
    let cost = json!({
        "source_id": came.source_id, "reason": "freight", "basis": "value",
        "amount": { "amount": "5.00", "currency": "EUR" }
    });
    bench.service.add_landed_cost(&ctx(), request(cost)).await.expect("added");
    let why = request(json!({ "reason": "mistake" }));
    let refused =
        bench.service.reverse_move(&ctx(), came.id, why).await.expect_err("it costs more");
    assert_eq!((refused.status(), refused.code()), (409, "value_moved"));
    assert_eq!(bench.level(product, warehouse).await, (10, 0, 0, 1500));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_return_comes_back_at_what_it_cost_when_it_left() {
    let (bench, product, warehouse) = stocked().await;
    bench.receive(product, warehouse, 3, "0.333333").await;
    let line = bench.line(product, warehouse);
    let order = confirmed(&bench, line, 3).await;
    bench.ship(order, &[(line, 3)]).await.expect("heard");
    bench.receive(product, warehouse, 1, "99").await;
    for _ in 0..2 {
        bench.take_back(order, &[(line, 1, true)]).await.expect("heard");
    }
    bench.take_back(order, &[(line, 1, false)]).await.expect("heard");
    let returned = bench.published::<StockReturned>().await;
    let costs: Vec<_> = returned.iter().map(|event| event.cost.minor()).collect();
    assert_eq!(costs, [33, 34, 0], "what is scrapped does not come back");
    let told = &returned[2];
    let scrapped: Vec<_> = told.scrapped.iter().map(|line| (line.quantity, line.cost)).collect();
    assert_eq!((told.lines.len(), scrapped), (0, vec![(q(1), eur(33))]), "but is told of");
    assert_eq!(bench.level(product, warehouse).await, (3, 0, 0, 9967));
    let last = bench.moves().await.pop().expect("moves");
    assert_eq!((last.kind, last.value_minor), (MoveKind::Scrap, 33));
    let error = bench.take_back(order, &[(line, 1, true)]).await.expect_err("all is back");
    assert_eq!(error.code(), "returned_too_much");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn one_return_may_restock_a_part_of_a_line_and_scrap_another() {
    let (bench, product, warehouse) = stocked().await;
    bench.receive(product, warehouse, 4, "1").await;
    let line = bench.line(product, warehouse);
    let order = confirmed(&bench, line, 4).await;
    bench.ship(order, &[(line, 4)]).await.expect("heard");
    let lines = [(line, 1, true), (line, 1, false), (line, 1, true)];
    bench.take_back(order, &lines).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (2, 0, 0, 200));
    let told = bench.published::<StockReturned>().await.pop().expect("told");
    let of = |lines: &[contracts::events::IssuedLine]| -> Vec<_> {
        lines.iter().map(|line| (line.quantity, line.cost)).collect()
    };
    assert_eq!(
        (of(&told.lines), of(&told.scrapped)),
        (vec![(q(2), eur(200))], vec![(q(1), eur(100))])
    );
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_purchase_is_taken_in_at_the_price_ordered() {
    let (bench, product, warehouse) = stocked().await;
    let received = receipt(warehouse, &[(product, 3, "0.333333"), (product, 1, "2")]);
    let purchase_order_id = received.purchase_order_id;
    bench.hear(purchase_order_id.uuid(), &received).await.expect("heard");
    let told = bench.published::<StockReceived>().await;
    assert_eq!((told[0].purchase_order_id, told[0].value), (purchase_order_id, eur(300)));
    let values: Vec<_> = told[0].lines.iter().map(|line| line.value.minor()).collect();
    assert_eq!(values, [100, 200]);
    assert_eq!(bench.level(product, warehouse).await, (4, 0, 0, 300));
    let foreign = contracts::events::ReceiptPosted {
        currency: "USD".parse().expect("a currency"),
        ..receipt(warehouse, &[(product, 1, "1")])
    };
    let error = bench.hear(purchase_order_id.uuid(), &foreign).await.expect_err("not our books");
    assert_eq!(error.code(), "currency_not_supported");
    let unknown = receipt(warehouse, &[(ProductId::new(), 1, "1")]);
    bench.hear(purchase_order_id.uuid(), &unknown).await.expect_err("no such product");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_reversal_is_the_mirror_of_its_move() {
    let (bench, product, warehouse) = stocked().await;
    bench.receive(product, warehouse, 3, "0.333333").await;
    bench.receive(product, warehouse, 4, "5").await;
    let wrong = bench.moves().await[0].clone();
    let reverse = async |id| {
        let why = request(json!({ "reason": "typed twice" }));
        bench.service.reverse_move(&ctx(), id, why).await.map(drop)
    };
    reverse(wrong.id).await.expect("still there");
    assert_eq!(bench.level(product, warehouse).await, (4, 0, 0, 2000));
    let told = bench.published::<StockAdjusted>().await.pop().expect("told");
    assert_eq!((told.quantity.micros(), told.value), (-q(3).micros(), eur(-100)));
    let code = async |id| reverse(id).await.expect_err("refused").code().to_owned();
    assert_eq!(code(wrong.id).await, "already_reversed");
    let mirror = bench.moves().await.pop().expect("the mirror");
    assert_eq!(mirror.reverses_id, Some(wrong.id));
    assert_eq!(code(mirror.id).await, "not_reversible");

    // What left by mistake comes back, and serves who waits.
    bench.adjust(product, warehouse, "-4").await.expect("available");
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 1)], true).await.expect("allowed");
    bench.confirm(order, &[(line, 0, 1)]).await.expect("heard");
    reverse(bench.moves().await[3].id).await.expect("nothing stands against it");
    assert_eq!(bench.level(product, warehouse).await, (4, 1, 0, 2000));
    assert_eq!(bench.published::<BackorderFilled>().await.len(), 1);

    // Promised, or worth something else by now.
    let second = bench.moves().await[1].clone();
    assert_eq!(code(second.id).await, "insufficient_stock");
    bench.cancel(order).await.expect("heard");
    bench.adjust(product, warehouse, "-3").await.expect("available");
    bench.receive(product, warehouse, 3, "1").await;
    assert_eq!(code(second.id).await, "value_moved");
    bench.ship(order, &[(line, 1)]).await.expect("available");
    let shipped = bench.moves().await.pop().expect("a move");
    assert_eq!(code(shipped.id).await, "not_reversible");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn every_posting_is_audited_once() {
    #[derive(sea_orm::FromQueryResult)]
    struct Count {
        n: i64,
    }
    let (bench, product, warehouse) = stocked().await;
    let sql = "SELECT COUNT(*) AS n FROM audit_log WHERE resource_type = 'stock_posting'";
    bench.purchase(warehouse, &[(product, 3, "1"), (product, 1, "2")]).await.expect("heard");
    assert_eq!(bench.find::<Count>(sql).await.n, 1);
    let line = bench.line(product, warehouse);
    let order = confirmed(&bench, line, 2).await;
    bench.ship(order, &[(line, 2)]).await.expect("heard");
    assert_eq!(bench.find::<Count>(sql).await.n, 2);
    assert!(bench.moves().await.iter().all(|row| row.moved_on == Utc::now().date_naive()));
}

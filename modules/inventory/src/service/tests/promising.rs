//! By when what waits is promised, and what becomes of the promise.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, Utc};
use contracts::events::{BackorderFilled, BackorderPromised};
use contracts::ids::{
    BackorderId, OrderId, OrderLineId, ProductId, PurchaseOrderLineId, WarehouseId,
};
use contracts::inventory::Reserved;
use kernel::Result;
use serde_json::json;

use super::bench::{Bench, Line, ctx, in_an_hour, q, request, statements};
use crate::entities::{backorder, reorder_rule};

fn day(days: u64) -> NaiveDate {
    Utc::now().date_naive() + Days::new(days)
}

struct Shop {
    bench: Bench,
    chair: ProductId,
    warehouse: WarehouseId,
}

impl Shop {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let (chair, warehouse) = (bench.product("CHAIR").await, bench.warehouse("W").await);
        Shop { bench, chair, warehouse }
    }

    fn line(&self, product: ProductId) -> Line {
        self.bench.line(product, self.warehouse)
    }

    async fn expect(&self, id: PurchaseOrderLineId, product: ProductId, units: i64, on: NaiveDate) {
        let set = json!({
            "product_id": product, "warehouse_id": self.warehouse,
            "quantity": units.to_string(), "expected_on": on
        });
        self.bench.service.set_expected_receipt(&ctx(), id, request(set)).await.expect("set");
    }

    async fn lead_time(&self, product: ProductId, days: u64) {
        let rule = json!({
            "product_id": product, "warehouse_id": self.warehouse, "min": "0", "target": "1",
            "lead_time_days": days
        });
        self.bench.service.create_reorder_rule(&ctx(), request(rule)).await.expect("made");
    }

    /// An order whose line waits for all of it, and the day it was told.
    async fn order(&self, line: Line, units: i64) -> (OrderId, Option<NaiveDate>) {
        let order = OrderId::new();
        let reserved = self.bench.reserve(order, &[(line, units)], true).await.expect("allowed");
        self.bench.confirm(order, &[(line, 0, units)]).await.expect("heard");
        (order, promised(&reserved))
    }

    /// What waits for a line, or for a part of it.
    async fn waiting(&self, line: Line) -> Vec<backorder::Model> {
        let sql = "SELECT * FROM backorders WHERE status = 'open' \
                   AND (order_line_id = $1 OR kit_line_id = $1) ORDER BY id";
        let db = self.bench.service.db.read();
        kernel::db::query_all(db, sql, vec![line.id.into()]).await.expect("reads")
    }

    async fn promise(&self, id: BackorderId, on: NaiveDate) -> Result<()> {
        let promise = request(json!({ "promised_on": on }));
        self.bench.service.promise_backorder(&ctx(), id, promise).await.map(drop)
    }

    async fn promise_line(&self, line: Line, on: NaiveDate) {
        let id = self.waiting(line).await[0].id;
        self.promise(id, on).await.expect("it waits");
    }

    /// What orders were told of the promises for their lines, the newest last.
    async fn told(&self) -> BTreeMap<OrderLineId, Vec<Option<NaiveDate>>> {
        let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let events = self.bench.published::<BackorderPromised>().await;
        for line in events.into_iter().flat_map(|event| event.lines) {
            told.entry(line.order_line_id).or_default().push(line.promised_on);
        }
        told
    }

    async fn filled(&self) -> Vec<(OrderLineId, i64)> {
        let events = self.bench.published::<BackorderFilled>().await;
        let lines = events.into_iter().flat_map(|event| event.lines);
        lines.map(|line| (line.order_line_id, line.quantity.micros() / q(1).micros())).collect()
    }
}

fn promised(reserved: &Reserved) -> Option<NaiveDate> {
    reserved.lines[0].promised_on
}

#[tokio::test]
async fn the_oldest_promise_is_filled_first_and_who_is_promised_nothing_last() {
    let shop = Shop::new().await;
    let [nothing, late, soon, same] = [(); 4].map(|()| shop.line(shop.chair));
    for line in [nothing, late, soon, same] {
        assert_eq!(shop.order(line, 2).await.1, None, "nothing is known of when it comes");
    }
    shop.promise_line(late, day(9)).await;
    shop.promise_line(same, day(3)).await;
    shop.promise_line(soon, day(3)).await;
    shop.bench.receive(shop.chair, shop.warehouse, 3, "10").await;
    assert_eq!(shop.filled().await, [(soon.id, 2), (same.id, 1)], "of one day who waited longest");
    shop.promise_line(late, day(1)).await;
    shop.bench.purchase(shop.warehouse, &[(shop.chair, 3, "10")]).await.expect("heard");
    assert_eq!(shop.filled().await[2..], [(late.id, 2), (same.id, 1)], "the promise is newer now");
    shop.bench.receive(shop.chair, shop.warehouse, 9, "10").await;
    assert_eq!(shop.filled().await[4..], [(nothing.id, 2)]);
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn what_is_ordered_is_promised_for_when_what_is_expected_covers_it() {
    let shop = Shop::new().await;
    shop.expect(PurchaseOrderLineId::new(), shop.chair, 5, day(4)).await;
    shop.expect(PurchaseOrderLineId::new(), shop.chair, 5, day(8)).await;
    let [first, second, third, fourth] = [(); 4].map(|()| shop.line(shop.chair));
    assert_eq!(shop.order(first, 4).await.1, Some(day(4)));
    assert_eq!(shop.order(second, 2).await.1, Some(day(8)), "one of the five is not enough");
    assert_eq!(shop.order(third, 5).await.1, None, "four are left");
    assert_eq!(shop.order(fourth, 4).await.1, None, "nor before who waits longer");
    assert!(shop.told().await.is_empty(), "they were told when they ordered");
    // Less is waited for before the fourth.
    let third_order = shop.waiting(third).await[0].order_id;
    shop.bench.cancel(third_order).await.expect("heard");
    assert_eq!(shop.told().await, [(fourth.id, vec![Some(day(8))])].into());
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn what_comes_late_is_promised_today_and_a_lead_time_promises_the_rest() {
    let shop = Shop::new().await;
    let ago = Utc::now().date_naive() - Days::new(3);
    shop.expect(PurchaseOrderLineId::new(), shop.chair, 2, ago).await;
    shop.expect(PurchaseOrderLineId::new(), shop.chair, 3, day(20)).await;
    shop.lead_time(shop.chair, 7).await;
    assert_eq!(shop.order(shop.line(shop.chair), 2).await.1, Some(day(0)));
    assert_eq!(shop.order(shop.line(shop.chair), 3).await.1, Some(day(7)), "it is sooner");
    assert_eq!(shop.order(shop.line(shop.chair), 9).await.1, Some(day(7)));
    let elsewhere = shop.bench.line(shop.chair, shop.bench.warehouse("X").await);
    assert_eq!(shop.order(elsewhere, 1).await.1, None, "what comes, comes to one warehouse");
}

#[tokio::test]
async fn what_waits_is_promised_when_more_is_known_and_stays_promised() {
    let shop = Shop::new().await;
    let (first, second) = (shop.line(shop.chair), shop.line(shop.chair));
    shop.order(first, 2).await;
    shop.order(second, 3).await;
    let bought = PurchaseOrderLineId::new();
    shop.expect(bought, shop.chair, 4, day(6)).await;
    assert_eq!(shop.told().await, [(first.id, vec![Some(day(6))])].into(), "two of four");
    shop.expect(bought, shop.chair, 5, day(9)).await;
    let both = [(first.id, vec![Some(day(6)), Some(day(9))]), (second.id, vec![Some(day(9))])];
    assert_eq!(shop.told().await, both.into(), "what the first counted on comes later");
    shop.expect(bought, shop.chair, 5, day(4)).await;
    assert_eq!(shop.told().await[&first.id].len(), 2, "who was promised a day keeps it");
    // A lead time is known later, and changes later still.
    let table = shop.bench.product("TABLE").await;
    let third = shop.line(table);
    shop.order(third, 1).await;
    shop.lead_time(table, 0).await;
    assert_eq!(shop.told().await.get(&third.id), None, "no days are no lead time");
    let sql = "SELECT * FROM reorder_rules WHERE lead_time_days = 0";
    let rule: reorder_rule::Model = shop.bench.find(sql).await;
    let patch = request(json!({ "lead_time_days": 5 }));
    shop.bench.service.update_reorder_rule(&ctx(), rule.id, patch).await.expect("changed");
    assert_eq!(shop.told().await[&third.id], [Some(day(5))]);
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn an_order_hears_what_became_known_before_it_was_confirmed() {
    let shop = Shop::new().await;
    let (order, line) = (OrderId::new(), shop.line(shop.chair));
    let reserved = shop.bench.reserve(order, &[(line, 2)], true).await.expect("allowed");
    assert_eq!(promised(&reserved), None);
    shop.expect(PurchaseOrderLineId::new(), shop.chair, 2, day(6)).await;
    assert!(shop.told().await.is_empty(), "it is not known yet");
    let again = shop.bench.reserve(order, &[(line, 2)], true).await.expect("held");
    assert_eq!(promised(&again), None, "what is held is answered as it is");
    shop.bench.confirm(order, &[(line, 0, 2)]).await.expect("heard");
    assert_eq!(shop.told().await, [(line.id, vec![Some(day(6))])].into());
    // Another's hold is gone before it is confirmed, and with it what was promised.
    let (order, line) = (OrderId::new(), shop.line(shop.chair));
    shop.expect(PurchaseOrderLineId::new(), shop.chair, 1, day(8)).await;
    let until = Utc::now();
    let late = shop.bench.reserve_until(order, &[(line, 1)], true, until).await.expect("allowed");
    assert_eq!(promised(&late), Some(day(8)));
    shop.bench.expire().await;
    let bigger = shop.line(shop.chair);
    assert_eq!(shop.order(bigger, 1).await.1, Some(day(8)), "somebody else gets it");
    shop.bench.confirm(order, &[(line, 0, 1)]).await.expect("heard");
    assert_eq!(shop.told().await[&line.id], [None]);
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn a_promise_that_is_broken_is_made_anew() {
    let shop = Shop::new().await;
    shop.bench.receive(shop.chair, shop.warehouse, 3, "10").await;
    let (order, line) = (OrderId::new(), shop.line(shop.chair));
    shop.bench.reserve(order, &[(line, 3)], false).await.expect("there");
    shop.bench.confirm(order, &[(line, 3, 0)]).await.expect("heard");
    shop.lead_time(shop.chair, 4).await;
    let shrink = json!({
        "warehouse_id": shop.warehouse, "product_id": shop.chair, "quantity": "-1",
        "reason": "gone", "break_reservations": true
    });
    shop.bench.service.adjust_stock(&ctx(), request(shrink)).await.expect("broken");
    assert_eq!(shop.told().await, [(line.id, vec![Some(day(4))])].into());
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn only_what_waits_is_promised_and_for_no_day_that_is_over() {
    let shop = Shop::new().await;
    let (waits, held) = (shop.line(shop.chair), shop.line(shop.chair));
    shop.order(waits, 2).await;
    let id = shop.waiting(waits).await[0].id;
    let check = async |id: BackorderId, on: NaiveDate, status: u16, code: &str| {
        let error = shop.promise(id, on).await.expect_err(code);
        assert_eq!((error.status(), error.code()), (status, code));
    };
    check(id, Utc::now().date_naive() - Days::new(1), 422, "date_in_past").await;
    check(id, "+10000-01-01".parse().expect("a day"), 422, "date_out_of_range").await;
    check(BackorderId::new(), day(1), 404, "not_found").await;
    shop.bench
        .reserve_until(OrderId::new(), &[(held, 1)], true, in_an_hour())
        .await
        .expect("allowed");
    check(shop.waiting(held).await[0].id, day(1), 409, "order_not_confirmed").await;
    assert_eq!(shop.waiting(waits).await[0].promised_on, None, "a refusal changes nothing");
    shop.promise(id, day(0)).await.expect("today is not over");
    let promised = shop.waiting(waits).await[0].clone();
    assert_eq!((promised.promised_on, promised.version), (Some(day(0)), 3));
    shop.bench.receive(shop.chair, shop.warehouse, 2, "10").await;
    check(id, day(1), 409, "backorder_over").await;
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn a_kit_is_promised_for_the_day_of_its_last_part() {
    let shop = Shop::new().await;
    let cloth = shop.bench.product("CLOTH").await;
    let kit = shop.bench.kit("SET", &[(shop.chair, "2"), (cloth, "1")]).await;
    let bought = PurchaseOrderLineId::new();
    shop.expect(bought, shop.chair, 8, day(3)).await;
    let (first, second) = (shop.line(kit), shop.line(kit));
    let (_, known) = shop.order(first, 2).await;
    assert_eq!(known, None, "of one part nothing is known");
    shop.expect(PurchaseOrderLineId::new(), cloth, 9, day(5)).await;
    assert_eq!(shop.told().await, [(first.id, vec![Some(day(5))])].into());
    let (order, known) = shop.order(second, 2).await;
    assert_eq!(known, Some(day(5)));
    let again = shop.bench.reserve(order, &[(second, 2)], true).await.expect("held");
    assert_eq!(promised(&again), known);
    shop.bench.assert_lawful().await;
    // All of its parts are promised by hand, whichever was named.
    shop.promise_line(second, day(1)).await;
    let days: Vec<_> = shop.waiting(second).await.iter().map(|row| row.promised_on).collect();
    assert_eq!(days, [Some(day(1)); 2]);
    assert_eq!(shop.told().await[&second.id], [Some(day(1))]);
    shop.bench.receive(shop.chair, shop.warehouse, 4, "10").await;
    shop.bench.receive(cloth, shop.warehouse, 2, "3").await;
    assert_eq!(shop.filled().await, [(second.id, 2)]);
    // What waits for its last part alone is promised for when that comes.
    shop.bench.receive(cloth, shop.warehouse, 2, "3").await;
    assert_eq!(shop.told().await[&first.id], [Some(day(5)), Some(day(3))]);
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn two_parts_that_become_known_at_once_promise_their_kit() {
    let shop = std::sync::Arc::new(Shop::new().await);
    let cloth = shop.bench.product("CLOTH").await;
    let kit = shop.bench.kit("SET", &[(shop.chair, "1"), (cloth, "1")]).await;
    let lines = [(); 6].map(|()| shop.line(kit));
    for line in lines {
        assert_eq!(shop.order(line, 1).await.1, None);
    }
    let expect = |product, days| {
        let shop = shop.clone();
        tokio::spawn(async move {
            for _ in 0..6 {
                shop.expect(PurchaseOrderLineId::new(), product, 1, day(days)).await;
            }
        })
    };
    let (chairs, cloths) = (expect(shop.chair, 3), expect(cloth, 5));
    chairs.await.expect("runs");
    cloths.await.expect("runs");
    let told = shop.told().await;
    assert!(lines.iter().all(|line| told[&line.id] == [Some(day(5))]), "{told:?}");
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn the_law_of_promises_finds_what_breaks_it() {
    let shop = Shop::new().await;
    let cloth = shop.bench.product("CLOTH").await;
    let kit = shop.bench.kit("SET", &[(shop.chair, "2"), (cloth, "1")]).await;
    shop.lead_time(shop.chair, 3).await;
    shop.lead_time(cloth, 3).await;
    shop.order(shop.line(kit), 1).await;
    let check = async |law: &str, sql: &str| {
        let broken = shop.bench.broken_by(sql).await;
        assert!(broken.contains(&law), "{law}: {sql} broke {broken:?}");
        shop.bench.assert_lawful().await;
    };
    check("I10", "UPDATE kit_lines SET promised_on = NULL").await;
    check("I10", "UPDATE backorders SET promised_on = '2999-01-01'").await;
    check("I10b", "UPDATE stock_levels SET on_hand = on_hand + 1").await;
}

#[tokio::test]
async fn a_promise_costs_nothing_where_nothing_waits_and_no_more_for_many_lines() {
    let shop = Shop::new().await;
    shop.bench.receive(shop.chair, shop.warehouse, 2, "10").await;
    let reserve = async |lines: &[(Line, i64)]| {
        let (reserved, count) = statements(shop.bench.reserve(OrderId::new(), lines, true)).await;
        reserved.expect("allowed");
        count
    };
    let there = reserve(&[(shop.line(shop.chair), 1)]).await;
    shop.lead_time(shop.chair, 3).await;
    assert_eq!(reserve(&[(shop.line(shop.chair), 1)]).await, there);
    let short = reserve(&[(shop.line(shop.chair), 1)]).await;
    assert_eq!(short, there + 2, "when it comes is asked and noted");
    let many: Vec<_> = (0..20).map(|_| (shop.line(shop.chair), 1)).collect();
    assert_eq!(reserve(&many).await, short);
}

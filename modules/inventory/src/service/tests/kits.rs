//! Kits: reserved, waited for, shipped and taken back in parts, and told of whole.

use contracts::events::{BackorderFilled, ReservationBroken, StockIssued, StockReturned};
use contracts::ids::{OrderId, ProductId, WarehouseId};
use contracts::inventory::{Release, Reserved};
use serde_json::json;

use super::bench::{Bench, Line, ctx, q, request, statements};
use crate::entities::{picking_list, reservation};
use crate::service::laws::LAWS;

/// What each line got: reserved and backordered units.
fn got(reserved: &Reserved) -> Vec<(i64, i64)> {
    let one = q(1).micros();
    let units = |line: &contracts::inventory::ReservedLine| {
        (line.reserved.micros() / one, line.backordered.micros() / one)
    };
    reserved.lines.iter().map(units).collect()
}

/// Two products in a warehouse, and a kit of two of the first and half of the second.
struct Shop {
    bench: Bench,
    chair: ProductId,
    cloth: ProductId,
    kit: ProductId,
    warehouse: WarehouseId,
}

impl Shop {
    async fn new(chairs: i64, cloths: i64) -> Self {
        let bench = Bench::new().await;
        let (chair, cloth) = (bench.product("CHAIR").await, bench.product_in("CLOTH", 1).await);
        let warehouse = bench.warehouse("W").await;
        for (product, units, cost) in [(chair, chairs, "10"), (cloth, cloths, "3")] {
            if units > 0 {
                bench.receive(product, warehouse, units, cost).await;
            }
        }
        let kit = bench.kit("SET", &[(chair, "2"), (cloth, "0.5")]).await;
        Shop { bench, chair, cloth, kit, warehouse }
    }

    fn line(&self, product: ProductId) -> Line {
        self.bench.line(product, self.warehouse)
    }

    async fn chairs(&self) -> (i64, i64, i64, i64) {
        self.bench.level(self.chair, self.warehouse).await
    }

    /// Reserves and confirms.
    async fn order(&self, line: Line, kits: i64, expected: (i64, i64)) -> OrderId {
        let order = OrderId::new();
        let reserved = self.bench.reserve(order, &[(line, kits)], true).await.expect("allowed");
        assert_eq!(got(&reserved), [expected]);
        self.bench.confirm(order, &[(line, expected.0, expected.1)]).await.expect("heard");
        order
    }
}

#[tokio::test]
async fn kits_and_their_parts_are_one_demand_and_all_or_nothing() {
    let shop = Shop::new(5, 9).await;
    let bench = &shop.bench;
    let (kits, more, chair) = (shop.line(shop.kit), shop.line(shop.kit), shop.line(shop.chair));
    let error = bench
        .reserve(OrderId::new(), &[(kits, 1), (chair, 2), (more, 1)], false)
        .await
        .expect_err("six of five");
    assert_eq!((error.status(), error.code()), (409, "insufficient_stock"));
    assert_eq!(shop.chairs().await.1, 0, "nothing is held after a refusal");
    let order = OrderId::new();
    let lines = [(kits, 1), (chair, 1), (more, 1)];
    let reserved = bench.reserve(order, &lines, false).await.expect("five of five");
    assert_eq!(got(&reserved), [(1, 0), (1, 0), (1, 0)]);
    assert_eq!(shop.chairs().await, (5, 5, 0, 5000));
    assert_eq!(bench.level(shop.cloth, shop.warehouse).await.1, 1);
    let again = bench.reserve(order, &lines, false).await.expect("held");
    assert_eq!(got(&again), got(&reserved));
    let sql = "SELECT * FROM reservations WHERE kit_id IS NOT NULL ORDER BY id LIMIT 1";
    let part: reservation::Model = bench.find(sql).await;
    assert_eq!((part.kit_id, part.kit_line_id), (Some(shop.kit), Some(kits.id)));
    bench.service.release_order(&ctx(), Release { order_id: order }).await.expect("ok");
    assert_eq!(shop.chairs().await.1, 0);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_kit_is_available_as_often_as_it_could_be_made() {
    let shop = Shop::new(5, 1).await;
    let available = async |expected: &str| {
        let found = shop.bench.service.availability(&ctx(), shop.kit).await.expect("there");
        assert_eq!(found.available.to_string(), expected);
        assert_eq!(found.on_hand, q(0));
    };
    available("2").await;
    let chair = shop.line(shop.chair);
    shop.bench.reserve(OrderId::new(), &[(chair, 2)], false).await.expect("there");
    available("1").await;
    let other = shop.bench.product("OTHER").await;
    shop.bench.set_components(shop.kit, &[(shop.chair, "1"), (other, "1")]).await.expect("set");
    available("0").await;
}

#[tokio::test]
async fn a_kit_ships_and_comes_back_at_what_its_parts_cost() {
    let shop = Shop::new(6, 3).await;
    let (bench, line) = (&shop.bench, shop.line(shop.kit));
    let order = shop.order(line, 3, (3, 0)).await;
    bench.ship(order, &[(line, 2)]).await.expect("reserved");
    assert_eq!(shop.chairs().await, (2, 2, 0, 2000));
    let issued = bench.published::<StockIssued>().await;
    let figures = |line: &contracts::events::IssuedLine| {
        (line.order_line_id, line.product_id, line.quantity, line.cost.minor())
    };
    let lines: Vec<_> = issued[0].lines.iter().map(figures).collect();
    assert_eq!(lines, [(line.id, shop.kit, q(2), 4300)]);
    assert_eq!(issued[0].cost.minor(), 4300);
    bench.assert_lawful().await;
    // Prices have gone up since.
    bench.receive(shop.chair, shop.warehouse, 2, "90").await;
    bench.take_back(order, &[(line, 1, true)]).await.expect("shipped");
    let returned = bench.published::<StockReturned>().await;
    assert_eq!(
        returned[0].lines.iter().map(figures).collect::<Vec<_>>(),
        [(line.id, shop.kit, q(1), 2150)]
    );
    assert_eq!(shop.chairs().await, (6, 2, 0, 22_000));
    let error = bench.take_back(order, &[(line, 2, true)]).await.expect_err("one is out");
    assert_eq!(error.code(), "returned_too_much");
    bench.take_back(order, &[(line, 1, false)]).await.expect("scrapped");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn an_order_hears_of_a_kit_when_its_last_part_has_come() {
    let shop = Shop::new(5, 0).await;
    let (bench, line) = (&shop.bench, shop.line(shop.kit));
    let order = shop.order(line, 3, (0, 3)).await;
    assert_eq!(shop.chairs().await, (5, 5, 1, 5000), "its parts are kept for it");
    bench.receive(shop.cloth, shop.warehouse, 2, "3").await;
    let filled = async || {
        let events = bench.published::<BackorderFilled>().await;
        let lines = events.into_iter().flat_map(|event| event.lines);
        lines.map(|line| (line.order_line_id, line.quantity)).collect::<Vec<_>>()
    };
    assert_eq!(filled().await, [(line.id, q(2))]);
    bench.receive(shop.chair, shop.warehouse, 1, "10").await;
    assert_eq!(filled().await, [(line.id, q(2)), (line.id, q(1))]);
    bench.ship(order, &[(line, 3)]).await.expect("whole");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_broken_promise_of_a_part_breaks_whole_kits() {
    let shop = Shop::new(6, 3).await;
    let (bench, line) = (&shop.bench, shop.line(shop.kit));
    let order = shop.order(line, 3, (3, 0)).await;
    let gone = json!({
        "warehouse_id": shop.warehouse, "product_id": shop.chair, "reason": "gone",
        "quantity": "-3", "break_reservations": true
    });
    bench.service.adjust_stock(&ctx(), request(gone)).await.expect("broken");
    let broken = bench.published::<ReservationBroken>().await;
    let lines: Vec<_> =
        broken[0].lines.iter().map(|line| (line.order_line_id, line.quantity)).collect();
    assert_eq!(lines, [(line.id, q(2))]);
    bench.assert_lawful().await;
    // Two kits are not wanted any more: what is left over is available.
    bench.cancel_lines(order, &[(line, 0, 2)]).await.expect("heard");
    assert_eq!(shop.chairs().await, (3, 2, 0, 3000));
    bench.assert_lawful().await;
    bench.cancel(order).await.expect("heard");
    assert_eq!(shop.chairs().await.1, 0);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn an_order_keeps_the_parts_it_was_reserved_with() {
    let shop = Shop::new(6, 3).await;
    let (bench, line) = (&shop.bench, shop.line(shop.kit));
    let order = shop.order(line, 2, (2, 0)).await;
    let kits = &[(shop.cloth, "1")];
    bench.set_components(shop.kit, kits).await.expect("replaced");
    bench.ship(order, &[(line, 2)]).await.expect("reserved");
    assert_eq!(shop.chairs().await, (2, 0, 0, 2000));
    let next = shop.line(shop.kit);
    bench.reserve(OrderId::new(), &[(next, 2)], false).await.expect("two of cloth");
    assert_eq!(shop.chairs().await.1, 0);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_picking_list_shows_the_parts() {
    let shop = Shop::new(4, 1).await;
    let (bench, line) = (&shop.bench, shop.line(shop.kit));
    let order = shop.order(line, 2, (2, 0)).await;
    let new = json!({ "warehouse_id": shop.warehouse, "order_ids": [order] });
    bench.service.create_picking_list(&ctx(), request(new)).await.expect("made");
    let sql = "SELECT * FROM picking_lists";
    let list: picking_list::Model = bench.find(sql).await;
    let list = bench.service.picking_list(list.id).await.expect("there");
    let mut lines: Vec<_> = list
        .lines
        .iter()
        .map(|row| (row.product_id, row.quantity.to_string(), row.order_line_id, row.kit_id))
        .collect();
    lines.sort();
    let kit = Some(shop.kit);
    let mut expected =
        [(shop.chair, "4".to_owned(), line.id, kit), (shop.cloth, "1".to_owned(), line.id, kit)];
    expected.sort();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn two_kits_that_share_a_part_never_oversell() {
    let shop = Shop::new(20, 20).await;
    let other = shop.bench.kit("PAIR", &[(shop.chair, "1"), (shop.cloth, "1")]).await;
    let shop = std::sync::Arc::new(shop);
    let tasks: Vec<_> = (0..24)
        .map(|i| {
            let shop = shop.clone();
            let product = [shop.kit, other, shop.chair][i % 3];
            tokio::spawn(async move {
                let line = shop.line(product);
                let units = if product == shop.chair { 2 } else { 1 };
                let asked = [(line, units)];
                let reserved = shop.bench.reserve(OrderId::new(), &asked, false).await;
                match reserved {
                    Ok(_) if product == shop.kit => 2,
                    Ok(_) => units,
                    Err(error) => {
                        assert_eq!(error.code(), "insufficient_stock");
                        0
                    }
                }
            })
        })
        .collect();
    let mut sold = 0;
    for task in tasks {
        sold += task.await.expect("runs");
    }
    assert_eq!(shop.chairs().await, (20, sold, 0, 20_000));
    assert!(sold >= 19, "all that could be sold was: {sold}");
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn two_parts_of_one_line_that_come_at_once_make_it_whole() {
    let shop = std::sync::Arc::new(Shop::new(0, 0).await);
    let line = shop.line(shop.kit);
    shop.order(line, 8, (0, 8)).await;
    let receive = |product, cost: &'static str| {
        let shop = shop.clone();
        tokio::spawn(async move {
            for _ in 0..8 {
                shop.bench.receive(product, shop.warehouse, 2, cost).await;
            }
        })
    };
    let (chairs, cloth) = (receive(shop.chair, "10"), receive(shop.cloth, "3"));
    chairs.await.expect("runs");
    cloth.await.expect("runs");
    let filled = shop.bench.published::<BackorderFilled>().await;
    let told: i64 =
        filled.iter().flat_map(|event| &event.lines).map(|line| line.quantity.micros()).sum();
    assert_eq!(told, q(8).micros());
    shop.bench.assert_lawful().await;
}

#[tokio::test]
async fn an_order_without_kits_costs_no_statement_for_them() {
    let shop = Shop::new(9, 0).await;
    let (bench, order, line) = (&shop.bench, OrderId::new(), shop.line(shop.chair));
    let (reserved, count) = statements(bench.reserve(order, &[(line, 1)], false)).await;
    reserved.expect("there");
    let (first, mixed) = (OrderId::new(), [(shop.line(shop.chair), 1), (shop.line(shop.kit), 1)]);
    let (reserved, more) = statements(bench.reserve(first, &mixed, true)).await;
    reserved.expect("allowed");
    assert!(count < more, "{count} {more}");
    let many: Vec<_> = (0..20).map(|_| (shop.line(shop.kit), 1)).collect();
    let (reserved, most) = statements(bench.reserve(OrderId::new(), &many, true)).await;
    reserved.expect("allowed");
    assert!(most <= more, "{most} {more}: a line costs no statement");
}

#[tokio::test]
async fn the_database_keeps_kits_apart_from_stock() {
    let shop = Shop::new(6, 3).await;
    let (bench, line) = (&shop.bench, shop.line(shop.kit));
    shop.order(line, 2, (2, 0)).await;
    let check = async |sql: &str, why: &str| {
        let error = bench.sql(sql).await.expect_err(sql).to_string();
        assert!(error.contains(why), "{sql}: {error}");
    };
    let level = "INSERT INTO stock_levels (product_id, warehouse_id, id, on_hand, reserved, \
        backordered, value_minor) SELECT p.id, w.id, p.id, 0, 0, 0, 0 FROM products p, \
        warehouses w WHERE p.sku = 'SET'";
    check(level, "a kit has no stock").await;
    check("UPDATE products SET is_kit = (1 = 0) WHERE sku = 'SET'", "a kit stays a kit").await;
    check("UPDATE products SET is_kit = (1 = 1) WHERE sku = 'CHAIR'", "a component is no kit")
        .await;
    let component = |kit: &str, part: &str| {
        format!(
            "INSERT INTO kit_components (kit_id, product_id, quantity) \
             SELECT k.id, p.id, 1 FROM products k, products p \
             WHERE k.sku = '{kit}' AND p.sku = '{part}'"
        )
    };
    check(&component("CHAIR", "CLOTH"), "only a kit has components").await;
    bench.product("OTHER").await;
    bench.kit("PAIR", &[(shop.chair, "1")]).await;
    check(&component("PAIR", "SET"), "a kit is no component").await;
    check("UPDATE kit_components SET quantity = 9", "components are replaced").await;
    check("UPDATE kit_parts SET per_kit = 9", "kit parts stay").await;
    check("DELETE FROM kit_parts", "kit parts are kept").await;
    check("DELETE FROM kit_lines", "kit lines are kept").await;
    check("UPDATE kit_lines SET order_id = kit_id", "a line stays for its kit").await;
    for sql in ["UPDATE kit_lines SET reserved = -1", "UPDATE kit_lines SET reserved = 1"] {
        assert!(bench.sql(sql).await.is_err(), "{sql}");
    }
    assert!(LAWS.iter().any(|law| law.id == "I24"));
}

#[tokio::test]
async fn the_laws_of_kits_find_what_breaks_them() {
    if test_support::is_on_postgres() {
        return;
    }
    let shop = Shop::new(5, 3).await;
    let (bench, line) = (&shop.bench, shop.line(shop.kit));
    shop.order(line, 3, (2, 1)).await;
    for guard in ["stock_levels_of_no_kit", "kit_parts_no_update", "products_stay_kits"] {
        bench.write(&format!("DROP TRIGGER {guard}")).await;
    }
    let check = async |law: &str, sql: &str| {
        let broken = bench.broken_by(sql).await;
        assert!(broken.contains(&law), "{law}: {sql} broke {broken:?}");
        bench.assert_lawful().await;
    };
    check("I24", "UPDATE kit_lines SET reserved = reserved + 1000000").await;
    check("I24", "UPDATE kit_parts SET per_kit = per_kit * 2").await;
    check("I24", "UPDATE backorders SET remaining = remaining - 1").await;
    check("I24b", "UPDATE reservations SET kit_id = product_id").await;
    let level = "INSERT INTO stock_levels (product_id, warehouse_id, id, on_hand, reserved, \
        backordered, value_minor) SELECT p.id, w.id, p.id, 0, 0, 0, 0 FROM products p, \
        warehouses w WHERE p.sku = 'SET'";
    check("I24b", level).await;
}

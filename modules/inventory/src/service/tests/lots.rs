//! Lots, serial numbers and locations, as far as orders take part.

use chrono::{Days, Utc};
use contracts::events::ReservationBroken;
use contracts::ids::{LocationId, OrderId, ProductId, WarehouseId};
use kernel::Result;
use kernel::quantity::Quantity;
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

use super::bench::{Bench, ctx, q, request, statements};
use crate::entities::lot::{self, LotStatus};
use crate::entities::{product, stock_move};

/// Where something lies: location and lot by their names, and how many units of it.
pub(super) type Lies = (Option<String>, Option<String>, i64);

impl Bench {
    pub(super) async fn tracked(&self, sku: &str, tracking: &str) -> ProductId {
        let new = json!({
            "sku": sku, "name": sku, "unit": "pcs", "tax_class": "standard", "tracking": tracking
        });
        self.service.create_product(&ctx(), request(new)).await.expect("created");
        self.find::<product::Model>(&format!("SELECT * FROM products WHERE sku = '{sku}'")).await.id
    }

    /// Takes in lots: number, units, and in how many days each expires.
    pub(super) async fn receive_lots(
        &self,
        product: ProductId,
        to: WarehouseId,
        lots: &[(&str, i64, Option<u64>)],
    ) -> Result<()> {
        let today = Utc::now().date_naive();
        let units: i64 = lots.iter().map(|(_, units, _)| units).sum();
        let lots: Vec<_> = lots
            .iter()
            .map(|(number, units, days)| {
                let date = days.map(|days| today + Days::new(days));
                json!({ "number": number, "quantity": units.to_string(), "expires_on": date })
            })
            .collect();
        let new = json!({ "warehouse_id": to, "reason": "test", "lines": [{
            "product_id": product, "quantity": units.to_string(), "unit_cost": "1", "lots": lots
        }] });
        self.service.receive_stock(&ctx(), request(new)).await.map(drop)
    }

    pub(super) async fn lot(&self, number: &str) -> lot::Model {
        self.find(&format!("SELECT * FROM lots WHERE number = '{number}'")).await
    }

    /// What lies where, by location and lot.
    pub(super) async fn lies(&self) -> Vec<Lies> {
        #[derive(FromQueryResult)]
        struct Row {
            code: Option<String>,
            number: Option<String>,
            quantity: Quantity,
        }
        let sql = "SELECT o.code, l.number, b.quantity FROM bins b \
                   LEFT JOIN locations o ON o.id = b.location_id \
                   LEFT JOIN lots l ON l.id = b.lot_id \
                   WHERE b.quantity > 0 ORDER BY COALESCE(o.code, ''), COALESCE(l.number, ''), b.quantity";
        let rows: Vec<Row> =
            kernel::db::query_all(self.service.db.read(), sql, vec![]).await.expect("reads");
        let units = |row: &Row| row.quantity.micros() / q(1).micros();
        rows.iter().map(|row| (row.code.clone(), row.number.clone(), units(row))).collect()
    }

    pub(super) async fn block(&self, number: &str, to: LotStatus, breaks: bool) -> Result<()> {
        let lot = self.lot(number).await;
        let block = json!({ "reason": "test", "break_reservations": breaks });
        self.service.move_lot(&ctx(), lot.id, to, request(block)).await.map(drop)
    }

    /// An order for units of a product, confirmed.
    pub(super) async fn ordered(
        &self,
        product: ProductId,
        warehouse: WarehouseId,
        units: i64,
    ) -> (OrderId, super::bench::Line) {
        let (order, line) = (OrderId::new(), self.line(product, warehouse));
        self.reserve(order, &[(line, units)], false).await.expect("there");
        self.confirm(order, &[(line, units, 0)]).await.expect("heard");
        (order, line)
    }
}

pub(super) fn lies(places: &[(&str, &str, i64)]) -> Vec<Lies> {
    let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    places.iter().map(|(place, lot, units)| (name(place), name(lot), *units)).collect()
}

pub(super) fn code(result: Result<()>) -> String {
    result.expect_err("refused").code().to_owned()
}

#[tokio::test]
async fn what_expires_first_leaves_first() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench
        .receive_lots(
            milk,
            main,
            &[("LATE", 5, Some(90)), ("SOON", 3, Some(9)), ("NEVER", 4, None)],
        )
        .await
        .expect("received");
    assert_eq!(bench.lies().await, lies(&[("", "LATE", 5), ("", "NEVER", 4), ("", "SOON", 3)]));
    let (order, line) = bench.ordered(milk, main, 6).await;
    bench.ship(order, &[(line, 2)]).await.expect("heard");
    assert_eq!(bench.lies().await, lies(&[("", "LATE", 5), ("", "NEVER", 4), ("", "SOON", 1)]));
    bench.ship(order, &[(line, 4)]).await.expect("heard");
    assert_eq!(bench.lies().await, lies(&[("", "LATE", 2), ("", "NEVER", 4)]));
    bench.assert_lawful().await;
    // All that the customer has comes back as it left; of a part nobody knows which it is.
    bench.take_back(order, &[(line, 2, true)]).await.expect("heard");
    assert_eq!(bench.lies().await, lies(&[("", "", 2), ("", "LATE", 2), ("", "NEVER", 4)]));
    assert_eq!(
        code(bench.reserve(OrderId::new(), &[(line, 7)], false).await.map(drop)),
        "insufficient_stock"
    );
    bench.assert_lawful().await;
}

#[tokio::test]
async fn all_that_was_shipped_comes_back_as_its_lots() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench.receive_lots(milk, main, &[("A", 2, None), ("B", 2, None)]).await.expect("received");
    let (order, line) = bench.ordered(milk, main, 3).await;
    bench.ship(order, &[(line, 3)]).await.expect("heard");
    bench.take_back(order, &[(line, 3, true)]).await.expect("heard");
    assert_eq!(bench.lies().await, lies(&[("", "A", 2), ("", "B", 2)]));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_serial_number_is_in_one_place() {
    let bench = Bench::new().await;
    let (phone, main) = (bench.tracked("PHONE", "serial").await, bench.warehouse("W").await);
    let shop = bench.warehouse("S").await;
    bench.receive_lots(phone, main, &[("S1", 1, None), ("S2", 1, None)]).await.expect("received");
    for warehouse in [main, shop] {
        let again = bench.receive_lots(phone, warehouse, &[("S1", 1, None)]).await;
        assert_eq!(code(again), "serial_on_hand");
    }
    let twice = bench.receive_lots(phone, main, &[("S3", 1, None), ("S3", 1, None)]).await;
    assert_eq!(code(twice), "duplicate_serial");
    assert_eq!(code(bench.receive_lots(phone, main, &[("S3", 2, None)]).await), "serial_of_many");
    // Sold, it comes back by a return and no other way.
    let (order, line) = bench.ordered(phone, main, 2).await;
    bench.ship(order, &[(line, 2)]).await.expect("heard");
    let again = bench.receive_lots(phone, shop, &[("S1", 1, None)]).await;
    assert_eq!(code(again), "serial_on_hand");
    bench.take_back(order, &[(line, 2, true)]).await.expect("heard");
    assert_eq!(bench.lies().await, lies(&[("", "S1", 1), ("", "S2", 1)]));
    // What was thrown away when it came back is at no customer any more.
    let (order, line) = bench.ordered(phone, main, 2).await;
    bench.ship(order, &[(line, 2)]).await.expect("heard");
    bench.take_back(order, &[(line, 2, false)]).await.expect("heard");
    bench.receive_lots(phone, shop, &[("S1", 1, None)]).await.expect("it was mended");
    bench.assert_lawful().await;
}

/// As it could be before a number at a customer was refused: no event is impossible (E-4).
#[tokio::test]
async fn a_return_whose_serial_number_is_on_hand_is_taken_in_without_one() {
    let bench = Bench::new().await;
    let (phone, main) = (bench.tracked("PHONE", "serial").await, bench.warehouse("W").await);
    bench.receive_lots(phone, main, &[("S1", 1, None), ("S2", 1, None)]).await.expect("received");
    let (order, line) = bench.ordered(phone, main, 2).await;
    bench.ship(order, &[(line, 2)]).await.expect("heard");
    bench.purchase(main, &[(phone, 1, "1")]).await.expect("heard");
    let s1 = "(SELECT id FROM lots WHERE number = 'S1')";
    bench.write("UPDATE bins SET quantity = 0 WHERE lot_id IS NULL").await;
    bench.write(&format!("UPDATE bins SET quantity = 1000000 WHERE lot_id = {s1}")).await;
    bench.take_back(order, &[(line, 2, true)]).await.expect("it is back, whatever the books say");
    assert_eq!(bench.lies().await, lies(&[("", "", 1), ("", "S1", 1), ("", "S2", 1)]));
}

#[tokio::test]
async fn what_comes_back_is_what_was_sent() {
    let bench = Bench::new().await;
    let (phone, main) = (bench.tracked("PHONE", "serial").await, bench.warehouse("W").await);
    let all = [("S1", 1, None), ("S2", 1, None), ("S3", 1, None)];
    bench.receive_lots(phone, main, &all).await.expect("received");
    let (order, line) = bench.ordered(phone, main, 2).await;
    bench.ship(order, &[(line, 2)]).await.expect("heard");
    let (other, others) = bench.ordered(phone, main, 1).await;
    bench.ship(other, &[(others, 1)]).await.expect("heard");
    // One of two: nobody knows which.
    bench.take_back(order, &[(line, 1, true)]).await.expect("heard");
    assert_eq!(bench.lies().await, lies(&[("", "", 1)]));
    let back = bench.moves().await.pop().expect("a move").id;
    let identify = async |number: &str| {
        let lots = request(json!({ "lots": [{ "number": number, "quantity": "1" }] }));
        bench.service.identify_lots(&ctx(), back, lots).await.map(drop)
    };
    assert_eq!(code(identify("S9").await), "unknown_lot", "never sold");
    assert_eq!(code(identify("S3").await), "unknown_lot", "another customer has it");
    identify("S2").await.expect("it was sent");
    assert_eq!(bench.lies().await, lies(&[("", "S2", 1)]));
    assert_eq!(code(identify("S1").await), "nothing_to_identify");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn goods_of_no_known_lot_are_promised_to_nobody_until_somebody_says() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    let (waits, line) = (OrderId::new(), bench.line(milk, main));
    bench.reserve(waits, &[(line, 2)], true).await.expect("allowed");
    bench.confirm(waits, &[(line, 0, 2)]).await.expect("heard");
    bench.purchase(main, &[(milk, 5, "1")]).await.expect("heard");
    assert_eq!(bench.level(milk, main).await, (5, 0, 2, 500));
    bench.assert_lawful().await;
    let came: stock_move::Model = bench.find("SELECT * FROM stock_moves").await;
    let lots = |lots: Value| request(json!({ "lots": lots }));
    let six = lots(json!([{ "number": "A", "quantity": "6" }]));
    let error = bench.service.identify_lots(&ctx(), came.id, six).await.map(drop);
    assert_eq!(code(error), "nothing_to_identify");
    let both = json!([{ "number": "A", "quantity": "3" }, { "number": "B", "quantity": "1" }]);
    bench.service.identify_lots(&ctx(), came.id, lots(both)).await.expect("identified");
    assert_eq!(bench.lies().await, lies(&[("", "", 1), ("", "A", 3), ("", "B", 1)]));
    assert_eq!(bench.level(milk, main).await, (5, 2, 0, 500), "who waited has it");
    let of = bench.service.move_lots(came.id).await.expect("there").lots;
    assert_eq!(of.len(), 3);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_lot_that_is_recalled_breaks_its_promises_and_is_traced() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench.receive_lots(milk, main, &[("A", 5, Some(9)), ("B", 2, Some(99))]).await.expect("in");
    let (first, line) = bench.ordered(milk, main, 3).await;
    bench.ship(first, &[(line, 1)]).await.expect("heard");
    let (second, _) = bench.ordered(milk, main, 4).await;
    // Six are left, six are promised, four of them of the lot.
    let blocked = bench.block("A", LotStatus::Quarantined, false).await;
    assert_eq!(code(blocked), "insufficient_stock");
    bench.block("A", LotStatus::Quarantined, true).await.expect("broken");
    assert_eq!(bench.level(milk, main).await, (6, 2, 4, 600));
    let broken: Vec<_> = bench.published::<ReservationBroken>().await;
    assert_eq!(broken.iter().map(|event| event.order_id).collect::<Vec<_>>(), [second]);
    bench.assert_lawful().await;
    bench.block("A", LotStatus::Active, false).await.expect("let go");
    assert_eq!(bench.level(milk, main).await, (6, 6, 0, 600), "who waited has it again");
    bench.block("A", LotStatus::Recalled, true).await.expect("recalled");
    assert_eq!(code(bench.block("A", LotStatus::Active, false).await), "lot_transition");
    bench.assert_lawful().await;
    let lot = bench.lot("A").await;
    let query = request(json!({}));
    let trace = bench.service.trace_lot(lot.id, query).await.expect("there").data;
    let trace: Vec<_> = trace.iter().map(|step| step.quantity).collect();
    assert_eq!(trace, [q(5), q(1)], "it came, and one was shipped");
    // What is recalled can still be thrown away, and no promise suffers.
    let scrap = json!({
        "warehouse_id": main, "product_id": milk, "lot_id": lot.id, "quantity": "-4",
        "reason": "destroyed"
    });
    bench.service.adjust_stock(&ctx(), request(scrap)).await.expect("destroyed");
    assert_eq!(bench.level(milk, main).await.1, 2);
    bench.assert_lawful().await;
}

/// Orders has shipped, and before inventory hears of it the lot is recalled: what has left is what
/// is blocked now, and the promises of others stand.
#[tokio::test]
async fn what_has_left_is_posted_though_its_lot_was_recalled_meanwhile() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench.receive_lots(milk, main, &[("A", 4, Some(9)), ("B", 3, Some(99))]).await.expect("in");
    let (keeps, kept) = bench.ordered(milk, main, 2).await;
    let (order, line) = bench.ordered(milk, main, 4).await;
    bench.pick(main, &[order]).await.expect("listed");
    bench.block("A", LotStatus::Recalled, true).await.expect("recalled");
    assert_eq!(bench.level(milk, main).await, (7, 3, 3, 700));
    // In two parts of one shipment, as of two lines.
    bench.ship(order, &[(line, 4)]).await.expect("four have left");
    assert_eq!(bench.level(milk, main).await, (3, 2, 0, 300));
    bench.assert_lawful().await;
    let (other, rest) = (OrderId::new(), [bench.line(milk, main), bench.line(milk, main)]);
    bench.ship(other, &[(rest[0], 1), (rest[1], 2)]).await.expect("they have left");
    assert_eq!(bench.lies().await, []);
    assert_eq!(bench.level(milk, main).await, (0, 0, 2, 0));
    bench.ship(keeps, &[(kept, 2)]).await.expect("it has left");
    assert_eq!(bench.level(milk, main).await, (0, 0, 0, 0));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_lot_expires_when_its_day_is_over() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench.receive_lots(milk, main, &[("A", 5, Some(0))]).await.expect("received");
    bench.ordered(milk, main, 3).await;
    let today = Utc::now().date_naive();
    bench.service.expire_lots(&ctx(), today).await.expect("runs");
    assert_eq!(bench.lot("A").await.status, LotStatus::Active, "good until the evening");
    bench.service.expire_lots(&ctx(), today + Days::new(1)).await.expect("runs");
    assert_eq!(bench.lot("A").await.status, LotStatus::Expired);
    assert_eq!(bench.level(milk, main).await, (5, 0, 3, 500));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_warehouse_is_divided_when_it_gets_its_first_location() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    bench.receive(chair, main, 5, "1").await;
    assert_eq!(bench.lies().await, []);
    let shelf = bench.place(main, "A-1", "stock").await;
    assert_eq!(bench.lies().await, lies(&[("", "", 5)]));
    bench.place(main, "IN", "input").await;
    bench.receive(chair, main, 2, "1").await;
    assert_eq!(bench.lies().await, lies(&[("", "", 5), ("IN", "", 2)]));
    let table = bench.product("TABLE").await;
    bench.receive(table, main, 1, "1").await;
    let relocation = |from: Option<LocationId>, to: Option<LocationId>, units: &str| {
        request(json!({ "warehouse_id": main, "reason": "put away", "lines": [{
            "product_id": chair, "from_location_id": from, "to_location_id": to, "quantity": units
        }] }))
    };
    let whole = relocation(None, Some(shelf), "5");
    bench.service.relocate_stock(&ctx(), whole).await.expect("moved");
    assert_eq!(bench.lies().await, lies(&[("A-1", "", 5), ("IN", "", 1), ("IN", "", 2)]));
    let more = relocation(None, Some(shelf), "1");
    let error = bench.service.relocate_stock(&ctx(), more).await.map(drop);
    assert_eq!(code(error), "insufficient_stock");
    // Into quarantine goes only what is promised to nobody.
    bench.ordered(chair, main, 4).await;
    let apart = bench.place(main, "Q", "quarantine").await;
    let four = relocation(Some(shelf), Some(apart), "4");
    let error = bench.service.relocate_stock(&ctx(), four).await.map(drop);
    assert_eq!(code(error), "insufficient_stock");
    let three = relocation(Some(shelf), Some(apart), "3");
    bench.service.relocate_stock(&ctx(), three).await.expect("moved");
    bench.assert_lawful().await;
    // A count takes first what no promise needs.
    bench.adjust(chair, main, "-1").await.expect_err("what is left is promised or apart");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn nothing_is_put_where_nothing_is_to_be() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let (old, new) =
        (bench.place(main, "OLD", "stock").await, bench.place(main, "NEW", "stock").await);
    for (location, product) in [(old, Some(chair)), (new, None)] {
        let rule = json!({ "warehouse_id": main, "product_id": product, "location_id": location });
        bench.service.create_put_away_rule(&ctx(), request(rule)).await.expect("made");
    }
    bench.receive(chair, main, 1, "1").await;
    let off = request(json!({ "is_active": false }));
    bench.service.update_location(&ctx(), old, off).await.expect("closed");
    bench.receive(chair, main, 1, "1").await;
    assert_eq!(bench.lies().await, lies(&[("NEW", "", 1), ("OLD", "", 1)]));
    let received = request(json!({ "warehouse_id": main, "reason": "test", "lines": [{
        "product_id": chair, "quantity": "1", "unit_cost": "1", "location_id": old
    }] }));
    let received = bench.service.receive_stock(&ctx(), received).await.map(drop);
    assert_eq!(code(received), "location_inactive");
    let adjust = |quantity: &str| {
        request(json!({
            "warehouse_id": main, "product_id": chair, "quantity": quantity, "reason": "found",
            "location_id": old
        }))
    };
    let found = bench.service.adjust_stock(&ctx(), adjust("1")).await.map(drop);
    assert_eq!(code(found), "location_inactive");
    let relocate = |from: LocationId, to: LocationId| {
        request(json!({ "warehouse_id": main, "reason": "test", "lines": [{
            "product_id": chair, "from_location_id": from, "to_location_id": to, "quantity": "1"
        }] }))
    };
    let moved = bench.service.relocate_stock(&ctx(), relocate(new, old)).await.map(drop);
    assert_eq!(code(moved), "location_inactive");
    // What lies there still leaves.
    bench.service.relocate_stock(&ctx(), relocate(old, new)).await.expect("emptied");
    assert_eq!(bench.lies().await, lies(&[("NEW", "", 2)]));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_count_takes_what_nobody_can_be_promised_before_what_is() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench.receive(milk, main, 2, "1").await;
    bench.receive_lots(milk, main, &[("A", 4, Some(9))]).await.expect("received");
    bench.ordered(milk, main, 4).await;
    let new = json!({ "warehouse_id": main, "product_ids": [milk] });
    bench.service.create_stock_count(&ctx(), request(new)).await.expect("begun");
    let count: crate::entities::stock_count::Model = bench.find("SELECT * FROM stock_counts").await;
    let five = json!({ "lines": [{ "product_id": milk, "quantity": "5" }] });
    bench.service.record_counts(&ctx(), count.id, request(five)).await.expect("recorded");
    bench.service.step_stock_count(&ctx(), count.id, "submit").await.expect("complete");
    let mut other = ctx();
    other.actor.id = Some(uuid::Uuid::now_v7());
    bench.service.approve_stock_count(&other, count.id).await.expect("no promise suffers");
    assert_eq!(bench.lies().await, lies(&[("", "", 1), ("", "A", 4)]));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_has_neither_lots_nor_locations_costs_no_statement_more() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let (milk, shop) = (bench.tracked("MILK", "lot").await, bench.warehouse("S").await);
    bench.receive(chair, main, 50, "1").await;
    bench.receive_lots(milk, shop, &[("A", 50, None)]).await.expect("received");
    let (plain, line) = bench.ordered(chair, main, 1).await;
    let (result, plain) = statements(bench.ship(plain, &[(line, 1)])).await;
    result.expect("heard");
    let (detailed, line) = bench.ordered(milk, shop, 1).await;
    let (result, detailed) = statements(bench.ship(detailed, &[(line, 1)])).await;
    result.expect("heard");
    assert_eq!(detailed - plain, 4, "bins, picking lists, bins again, entries");
}

#[tokio::test]
async fn the_database_refuses_and_the_laws_find_what_bins_must_not_be() {
    let bench = Bench::new().await;
    let (phone, main) = (bench.tracked("PHONE", "serial").await, bench.warehouse("W").await);
    let milk = bench.tracked("MILK", "lot").await;
    bench.receive_lots(phone, main, &[("S1", 1, None), ("S2", 1, None)]).await.expect("in");
    bench.receive_lots(milk, main, &[("A", 5, None), ("B", 5, None)]).await.expect("in");
    bench.block("B", LotStatus::Quarantined, false).await.expect("blocked");
    let (order, _) = bench.ordered(milk, main, 3).await;
    bench.pick(main, &[order]).await.expect("listed");
    bench.place(main, "A-1", "stock").await;
    bench.assert_lawful().await;
    let check = async |sql: &str, expected: &str| {
        let error = test_support::words(bench.sql(sql).await.expect_err(sql));
        assert!(error.contains(expected), "{sql}: {error}");
    };
    let checked = "CHECK constraint failed";
    check("UPDATE stock_levels SET blocked = -1", checked).await;
    check("UPDATE stock_levels SET blocked = on_hand - reserved + 1", checked).await;
    check("UPDATE bins SET quantity = -1, allocated = -1", checked).await;
    check("UPDATE bins SET allocated = quantity + 1 WHERE NOT is_blocked", checked).await;
    check("UPDATE bins SET allocated = 1 WHERE is_blocked", checked).await;
    check("UPDATE bins SET quantity = 2000000 WHERE is_serial", checked).await;
    check("UPDATE bins SET lot_id = NULL WHERE is_serial", checked).await;
    check("DELETE FROM bins", "bins are kept").await;
    check("UPDATE bin_entries SET quantity = 7", "append-only").await;
    check("DELETE FROM bin_entries", "append-only").await;
    check("UPDATE lots SET status = 'lost'", checked).await;
    check("UPDATE picking_lines SET allocated = quantity + 1", checked).await;
    let bin = "INSERT INTO bins (id, product_id, warehouse_id, location_id, lot_id, quantity, \
        allocated, is_serial, is_blocked) SELECT randomblob(16), b.product_id, b.warehouse_id";
    let unique = "UNIQUE constraint failed";
    let same = format!("{bin}, b.location_id, b.lot_id, 0, 0, b.is_serial, FALSE FROM bins b");
    check(&same, unique).await;
    // The same serial number on a shelf and nobody said where: two places.
    let twice = format!(
        "{bin}, (SELECT id FROM locations), b.lot_id, b.quantity, 0, TRUE, FALSE FROM bins b \
         WHERE b.is_serial LIMIT 1"
    );
    check(&twice, unique).await;

    for guard in [
        "PRAGMA ignore_check_constraints = ON",
        "DROP INDEX bins_one_a_serial",
        "DROP TRIGGER bin_entries_no_update",
    ] {
        bench.write(guard).await;
    }
    let check = async |law: &str, sql: &str| {
        let broken = bench.broken_by(sql).await;
        assert!(broken.contains(&law), "{law}: {sql} broke {broken:?}");
        bench.assert_lawful().await;
    };
    check("I-1b", "UPDATE bins SET quantity = quantity + 1000000 WHERE NOT is_serial").await;
    check("I-1b", "UPDATE bin_entries SET quantity = quantity + 1").await;
    check("I-2b", "UPDATE bin_entries SET quantity = quantity + 1").await;
    check("I-6", "UPDATE stock_levels SET blocked = blocked - 1 WHERE blocked > 0").await;
    check("I-6", "UPDATE lots SET status = 'active'").await;
    check("I-6", "UPDATE bins SET is_blocked = NOT is_blocked").await;
    check("I-7", &twice).await;
    check("I-7", "UPDATE bins SET quantity = 2000000 WHERE is_serial").await;
    check("I-8", "UPDATE bins SET quantity = quantity - 1000000 WHERE quantity > 1000000").await;
    check("I-8", "UPDATE stock_levels SET is_detailed = FALSE").await;
    check("I22", "UPDATE bins SET allocated = 0").await;
    check("I22", "UPDATE picking_lines SET allocated = 0").await;
    check("I22", "UPDATE reservations SET remaining = 1000000 WHERE status = 'active'").await;
}

//! Stock counts by lot and serial number.

use contracts::events::{ReservationBroken, StockAdjusted};
use contracts::ids::{ProductId, StockCountId, WarehouseId};
use kernel::Result;
use serde_json::{Value, json};

use super::bench::{Bench, ctx, request, statements};
use super::counts::somebody;
use super::lots::{code, lies};
use super::named_lots::{at, named, refused, there};
use super::reversals::ago;
use crate::entities::fifo_layer;
use crate::entities::lot::LotStatus;
use crate::entities::picking_list::PickingStatus;

impl Bench {
    async fn record_lots(
        &self,
        id: StockCountId,
        product: ProductId,
        lots: &[(&str, i64)],
    ) -> Result<()> {
        let units: i64 = lots.iter().map(|(_, units)| units).sum();
        let line = json!({
            "product_id": product, "quantity": units.to_string(), "lots": named(lots)
        });
        let lines = request(json!({ "lines": [line] }));
        self.service.record_counts(&ctx(), id, lines).await.map(drop)
    }

    /// Counts lots, and posts it.
    async fn count_lots(
        &self,
        product: ProductId,
        warehouse: WarehouseId,
        lots: &[(&str, i64)],
    ) -> Result<()> {
        let id = self.count(product, warehouse).await;
        self.record_lots(id, product, lots).await?;
        self.approve(&somebody(), id).await
    }

    /// The only line of a count.
    async fn counted(&self, id: StockCountId) -> Value {
        let lines = self.service.stock_count_lines(&ctx(), id, request(json!({}))).await;
        serde_json::to_value(&lines.expect("there").data[0]).expect("JSON")
    }

    async fn count_again(&self, id: StockCountId) {
        self.service.step_stock_count(&ctx(), id, "reopen").await.expect("submitted");
    }
}

/// The lots of a line as they are shown.
fn shown(line: &Value) -> Vec<[Value; 4]> {
    let lots = line["lots"].as_array().cloned().unwrap_or_default();
    let fields = ["number", "counted", "book", "variance"];
    lots.iter().map(|lot| fields.map(|field| lot[field].clone())).collect()
}

async fn milk() -> (Bench, ProductId, [WarehouseId; 2]) {
    let bench = Bench::new().await;
    let ways = [bench.warehouse("W").await, bench.warehouse("S").await];
    let milk = bench.tracked("MILK", "lot").await;
    let lots = [("A", 5, Some(9)), ("B", 5, Some(90))];
    bench.receive_lots(milk, ways[0], &lots).await.expect("received");
    (bench, milk, ways)
}

#[tokio::test]
async fn each_lot_is_counted_and_what_is_not_named_is_not_there() {
    let (bench, milk, [main, _]) = milk().await;
    // Two more of no known lot: they are of one of those that are found.
    bench.receive(milk, main, 2, "1").await;
    let id = bench.count(milk, main).await;
    bench.record_lots(id, milk, &[("A", 7), ("NEW", 1)]).await.expect("recorded");
    let all = ["A 7 5 2", "B 0 5 -5", "NEW 1 0 1", " 0 2 -2"];
    let text = |lot: [Value; 4]| lot.map(|v| v.as_str().unwrap_or_default().to_owned()).join(" ");
    let lots: Vec<_> = shown(&bench.counted(id).await).into_iter().map(text).collect();
    assert_eq!(lots, all);
    bench.approve(&somebody(), id).await.expect("posted");
    assert_eq!(bench.lies().await, lies(&[("", "A", 7), ("", "NEW", 1)]));
    assert_eq!(bench.level(milk, main).await, (8, 0, 0, 800));
    let told: Vec<_> = bench.published::<StockAdjusted>().await;
    assert_eq!(told.last().map(|told| told.value.minor()), Some(-400), "what is less in all");
    bench.assert_lawful().await;
    // What agrees is not posted.
    let moves = bench.moves().await.len();
    bench.count_lots(milk, main, &[("NEW", 1), ("A", 7), ("B", 0)]).await.expect("posted");
    assert_eq!(bench.moves().await.len(), moves);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn lots_that_cannot_be_are_pointed_at() {
    let (bench, milk, [main, _]) = milk().await;
    let (phone, chair) = (bench.tracked("PHONE", "serial").await, bench.product("CHAIR").await);
    bench.receive_lots(phone, main, &[("S1", 1, None)]).await.expect("in");
    let new = json!({ "warehouse_id": main, "product_ids": [milk, phone, chair] });
    bench.service.create_stock_count(&ctx(), request(new)).await.expect("begun");
    let sql = "SELECT * FROM stock_counts";
    let id = bench.find::<crate::entities::stock_count::Model>(sql).await.id;
    let check = async |product: ProductId, quantity: &str, lots: Value, code: &str, place: &str| {
        let line = json!({ "product_id": product, "quantity": quantity, "lots": lots });
        let lines = request(json!({ "lines": [line] }));
        let recorded = bench.service.record_counts(&ctx(), id, lines).await;
        assert_eq!(refused(recorded), at(code, &format!("/lines/0/lots{place}")));
    };
    let lot = |number: &str, quantity: &str| json!({ "number": number, "quantity": quantity });
    check(milk, "3", json!([lot("A", "2")]), "lots_do_not_add_up", "").await;
    check(milk, "2", json!([lot("A", "1"), lot("A", "1")]), "duplicate_lot", "/1/number").await;
    check(phone, "2", json!([lot("S1", "1"), lot("S1", "1")]), "duplicate_serial", "/1/number")
        .await;
    check(phone, "2", json!([lot("S1", "2")]), "serial_of_many", "/0/quantity").await;
    let less = json!([lot("A", "2"), lot("B", "-1")]);
    check(milk, "1", less, "quantity_negative", "/1/quantity").await;
    let halves = json!([lot("A", "0.5"), lot("B", "0.5")]);
    check(milk, "1", halves, "quantity_too_fine", "/0/quantity").await;
    check(phone, "0", json!([lot("S1", "0.5")]), "quantity_too_fine", "/0/quantity").await;
    check(chair, "1", json!([lot("A", "1")]), "lots_not_tracked", "").await;
    check(milk, "1", json!([lot("A", "1"), lot("C", "0")]), "unknown_lot", "/1/number").await;
    let other = json!([{ "number": "A", "quantity": "1", "expires_on": ago(0) }]);
    check(milk, "1", other, "lot_differs", "/0/expires_on").await;
    let never = json!([{ "number": "C", "quantity": "1", "expires_on": "0001-01-01" }]);
    check(milk, "1", never, "date_out_of_range", "/0/expires_on").await;
    let kept = "SELECT COUNT(*) AS n FROM stock_count_lots";
    assert_eq!(bench.find::<Count>(kept).await.n, 0);
}

#[derive(sea_orm::FromQueryResult)]
struct Count {
    n: i64,
}

/// Whatever the goods are valued by, they are worth what they were, as old as they were, and
/// promised as they were.
#[tokio::test]
async fn one_lot_for_another_is_neither_gained_nor_lost() {
    for costing in ["average", "fifo", "standard"] {
        let bench = Bench::new().await;
        let (milk, main) = (bench.made("MILK", costing, "lot").await, bench.warehouse("W").await);
        for (number, units, cost, days) in [("A", "4", "1.003", 100), ("B", "3", "2", 10)] {
            let new = json!({
                "warehouse_id": main, "reason": "test", "received_on": ago(days), "lines": [{
                    "product_id": milk, "quantity": units, "unit_cost": cost,
                    "lots": [{ "number": number, "quantity": units }]
                }]
            });
            bench.service.receive_stock(&ctx(), request(new)).await.expect("received");
        }
        bench.ordered(milk, main, 6).await;
        let state = async || {
            let sql = "SELECT * FROM fifo_layers ORDER BY id";
            let db = bench.service.db.read();
            let layers: Vec<fifo_layer::Model> =
                kernel::db::query_all(db, sql, vec![]).await.expect("reads");
            let told = bench.published::<StockAdjusted>().await.len();
            (bench.level(milk, main).await, bench.ages().await, layers, told)
        };
        let before = state().await;
        bench.count_lots(milk, main, &[("A", 1), ("B", 3), ("C", 3)]).await.expect("posted");
        assert_eq!(bench.lies().await, lies(&[("", "A", 1), ("", "B", 3), ("", "C", 3)]));
        assert_eq!(state().await, before, "{costing}");
        let moves = bench.moves().await;
        let [out, back] = &moves[moves.len() - 2..] else { panic!("a pair") };
        assert_eq!((out.quantity, out.value_minor), (back.quantity, back.value_minor));
        bench.assert_lawful().await;
        // One instead of another, and one that was not known of.
        bench.count_lots(milk, main, &[("B", 5), ("C", 3)]).await.expect("posted");
        assert_eq!(bench.lies().await, lies(&[("", "B", 5), ("", "C", 3)]));
        let (level, ages, _, told) = state().await;
        assert_eq!((level.0, told), (8, before.3 + 1), "{costing}");
        assert_eq!(ages, ["4", "0", "4", "0"].map(Value::from), "{costing}");
        bench.assert_lawful().await;
    }
}

#[tokio::test]
async fn a_serial_number_that_is_elsewhere_by_the_books_is_not_found() {
    let bench = Bench::new().await;
    let (phone, main) = (bench.tracked("PHONE", "serial").await, bench.warehouse("W").await);
    let shop = bench.warehouse("S").await;
    bench.receive_lots(phone, main, &[("S1", 1, None), ("S2", 1, None)]).await.expect("in");
    bench.receive_lots(phone, shop, &[("S3", 1, None), ("S4", 1, None)]).await.expect("in");
    let (order, line) = bench.ordered(phone, shop, 1).await;
    bench.ship(order, &[(line, 1)]).await.expect("heard");
    let id = bench.count(phone, main).await;
    for number in ["S4", "S3"] {
        // The one lies in the shop, the other was sold there.
        bench.record_lots(id, phone, &[("S1", 1), (number, 1)]).await.expect("recorded");
        let error = bench.approve(&somebody(), id).await.expect_err("it is elsewhere");
        assert_eq!((error.status(), error.code()), (409, "serial_on_hand"));
        assert!(format!("{error:?}").contains(number), "{error:?}");
        bench.count_again(id).await;
    }
    // Nobody knew of this one; S2 is not there.
    bench.record_lots(id, phone, &[("S1", 1), ("S2", 0), ("S9", 1)]).await.expect("recorded");
    bench.approve(&somebody(), id).await.expect("posted");
    assert_eq!(bench.lots_in(main).await, there(&[("S1", 1), ("S9", 1)]));
    assert_eq!(bench.level(phone, main).await, (2, 0, 0, 200));
    bench.assert_lawful().await;
    // It can turn up again, in the shop.
    bench.count_lots(phone, shop, &[("S4", 1), ("S2", 1)]).await.expect("posted");
    assert_eq!(bench.lots_in(shop).await, there(&[("S2", 1), ("S4", 1)]));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_moves_after_lots_are_counted_stays_moved() {
    let (bench, milk, ways) = milk().await;
    let [main, shop] = ways;
    let id = bench.count(milk, main).await;
    bench.record_lots(id, milk, &[("A", 4), ("B", 6)]).await.expect("recorded");
    bench.send(milk, ways, 3, &[("A", 3)]).await.expect("sent");
    bench.receive_lots(milk, main, &[("C", 2, None)]).await.expect("received");
    bench.approve(&somebody(), id).await.expect("posted");
    assert_eq!(bench.lots_in(main).await, there(&[("A", 1), ("B", 6), ("C", 2)]));
    bench.assert_lawful().await;
    // More of a lot has left than was counted of it, though of the product there is enough.
    let id = bench.count(milk, main).await;
    bench.record_lots(id, milk, &[("B", 6), ("C", 1)]).await.expect("recorded");
    bench.send(milk, ways, 1, &[("A", 1)]).await.expect("sent");
    let outdated = bench.approve(&somebody(), id).await;
    assert_eq!(code(outdated), "count_outdated");
    bench.count_again(id).await;
    bench.record_lots(id, milk, &[("B", 6), ("C", 1)]).await.expect("recorded");
    bench.approve(&somebody(), id).await.expect("posted");
    assert_eq!(bench.lots_in(main).await, there(&[("B", 6), ("C", 1)]));
    assert_eq!(bench.lots_in(shop).await, []);
    bench.assert_lawful().await;
}

/// What two counts of lots found is posted once, and who counted last knows best.
#[tokio::test]
async fn counts_of_lots_that_overlap_are_posted_once() {
    let same: [&[(&str, i64)]; 2] = [&[("A", 4), ("B", 5), ("C", 2)]; 2];
    let other: [&[(&str, i64)]; 2] = [&[("A", 3), ("C", 7)], &[("A", 4), ("B", 5), ("C", 2)]];
    for (found, order) in [(same, [0, 1]), (same, [1, 0]), (other, [0, 1]), (other, [1, 0])] {
        let (bench, milk, [main, _]) = milk().await;
        let ids = [bench.count(milk, main).await, bench.count(milk, main).await];
        for (id, found) in ids.iter().zip(found) {
            bench.record_lots(*id, milk, found).await.expect("recorded");
        }
        bench.receive_lots(milk, main, &[("B", 1, Some(90))]).await.expect("received");
        for i in order {
            bench.approve(&somebody(), ids[i]).await.expect("posted");
            bench.assert_lawful().await;
        }
        assert_eq!(bench.lots_in(main).await, there(&[("A", 4), ("B", 6), ("C", 2)]), "{order:?}");
    }
    // One count of the product, and later one of its lots.
    for order in [[0, 1], [1, 0]] {
        let (bench, milk, [main, _]) = milk().await;
        let ids = [bench.count(milk, main).await, bench.count(milk, main).await];
        let line = json!({ "product_id": milk, "quantity": "8" });
        let lines = request(json!({ "lines": [line] }));
        bench.service.record_counts(&ctx(), ids[0], lines).await.expect("recorded");
        bench.record_lots(ids[1], milk, &[("A", 5), ("B", 3)]).await.expect("recorded");
        for i in order {
            bench.approve(&somebody(), ids[i]).await.expect("posted");
            bench.assert_lawful().await;
        }
        assert_eq!(bench.lots_in(main).await, there(&[("A", 5), ("B", 3)]), "{order:?}");
    }
}

#[tokio::test]
async fn a_lot_that_is_gone_breaks_the_newest_promise_and_is_picked_for_nobody() {
    let (bench, milk, [main, _]) = milk().await;
    let (first, line) = bench.ordered(milk, main, 3).await;
    let (second, _) = bench.ordered(milk, main, 6).await;
    let list = bench.pick(main, &[first]).await.expect("three of A");
    bench.count_lots(milk, main, &[("B", 5)]).await.expect("posted");
    assert_eq!(bench.level(milk, main).await, (5, 5, 4, 500));
    let broken: Vec<_> = bench.published::<ReservationBroken>().await;
    assert_eq!(broken.iter().map(|event| event.order_id).collect::<Vec<_>>(), [second]);
    assert_eq!(bench.status(&list).await, PickingStatus::Cancelled);
    bench.assert_lawful().await;
    let list = bench.pick(main, &[first]).await.expect("three of B");
    assert_eq!(list["lines"][0]["quantity"], "3");
    bench.ship(first, &[(line, 3)]).await.expect("heard");
    assert_eq!(bench.lots_in(main).await, there(&[("B", 2)]));
    bench.assert_lawful().await;
}

/// What is found instead may be of a lot that is promised to nobody, and the other way round.
#[tokio::test]
async fn a_blocked_lot_for_another_breaks_promises_and_gives_them_back() {
    let (bench, milk, [main, _]) = milk().await;
    bench.block("B", LotStatus::Quarantined, false).await.expect("blocked");
    let (order, _) = bench.ordered(milk, main, 4).await;
    bench.pick(main, &[order]).await.expect("listed");
    bench.count_lots(milk, main, &[("A", 2), ("B", 8)]).await.expect("posted");
    assert_eq!(bench.level(milk, main).await, (10, 2, 2, 1000));
    bench.assert_lawful().await;
    bench.count_lots(milk, main, &[("A", 6), ("B", 4)]).await.expect("posted");
    assert_eq!(bench.level(milk, main).await, (10, 4, 0, 1000), "who waited has it");
    bench.assert_lawful().await;
    // Of one lot, what lies in quarantine is missing before what is promised.
    let apart = bench.place(main, "Q", "quarantine").await;
    let line = json!({
        "product_id": milk, "to_location_id": apart, "quantity": "2",
        "lot_id": bench.lot("A").await.id
    });
    let aside = json!({ "warehouse_id": main, "reason": "test", "lines": [line] });
    bench.service.relocate_stock(&ctx(), request(aside)).await.expect("moved");
    bench.count_lots(milk, main, &[("A", 5), ("B", 4)]).await.expect("posted");
    assert_eq!(bench.lies().await, lies(&[("", "A", 4), ("", "B", 4), ("Q", "A", 1)]));
    assert_eq!(bench.level(milk, main).await, (9, 4, 0, 900));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn lots_are_counted_blind_and_again() {
    let (bench, milk, [main, _]) = milk().await;
    let new = json!({
        "warehouse_id": main, "product_ids": [milk], "is_blind": true, "tolerance_percent": 10
    });
    bench.service.create_stock_count(&ctx(), request(new)).await.expect("begun");
    let sql = "SELECT * FROM stock_counts";
    let id = bench.find::<crate::entities::stock_count::Model>(sql).await.id;
    bench.record_lots(id, milk, &[("A", 10)]).await.expect("recorded");
    let line = bench.counted(id).await;
    assert_eq!(shown(&line), [[json!("A"), json!("10"), Value::Null, Value::Null]]);
    // As many as there should be, but five of them of another lot.
    let submitted = bench.service.step_stock_count(&ctx(), id, "submit").await.map(drop);
    assert_eq!(code(submitted), "recount_required");
    bench.record_lots(id, milk, &[("A", 4), ("B", 5), ("C", 1)]).await.expect("recorded");
    bench.approve(&somebody(), id).await.expect("counted twice");
    let row = |number: &str, figures: [&str; 3]| {
        [json!(number), json!(figures[0]), json!(figures[1]), json!(figures[2])]
    };
    let all = [row("A", ["4", "5", "-1"]), row("B", ["5", "5", "0"]), row("C", ["1", "0", "1"])];
    assert_eq!(shown(&bench.counted(id).await), all);
    assert_eq!(bench.lots_in(main).await, there(&[("A", 4), ("B", 5), ("C", 1)]));
    bench.assert_lawful().await;
    // Counted again without lots, it is not counted by lot any more.
    let id = bench.count(milk, main).await;
    bench.record_lots(id, milk, &[("C", 9)]).await.expect("recorded");
    let line = json!({ "product_id": milk, "quantity": "9" });
    let lines = request(json!({ "lines": [line] }));
    bench.service.record_counts(&ctx(), id, lines).await.expect("recorded");
    assert_eq!(bench.counted(id).await.get("lots"), None);
    bench.approve(&somebody(), id).await.expect("posted");
    assert_eq!(bench.level(milk, main).await.0, 9);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_count_of_many_lots_costs_as_many_statements_as_one_of_few() {
    let bench = Bench::new().await;
    let phone = bench.tracked("PHONE", "serial").await;
    let mut costs = Vec::new();
    for size in [3, 60] {
        let main = bench.warehouse(&format!("W{size}")).await;
        let numbers: Vec<_> = (0..=size).map(|n| format!("S{size}-{n}")).collect();
        let lots: Vec<_> = numbers.iter().map(|number| (number.as_str(), 1, None)).collect();
        bench.receive_lots(phone, main, &lots[1..]).await.expect("in");
        let id = bench.count(phone, main).await;
        // The first is new, the last two are gone.
        let found: Vec<_> = lots[..size - 1].iter().map(|lot| (lot.0, 1)).collect();
        let (recorded, record) = statements(bench.record_lots(id, phone, &found)).await;
        recorded.expect("recorded");
        let (shown, show) = statements(bench.counted(id)).await;
        assert_eq!(shown["lots"].as_array().map(Vec::len), Some(size + 1));
        let (approved, approve) = statements(bench.approve(&somebody(), id)).await;
        approved.expect("posted");
        costs.push([record, show, approve]);
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn the_database_and_the_law_keep_the_lots_of_a_count() {
    let (bench, milk, [main, _]) = milk().await;
    let phone = bench.tracked("PHONE", "serial").await;
    bench.receive_lots(phone, main, &[("S1", 1, None)]).await.expect("in");
    bench.receive(milk, main, 1, "1").await;
    bench.count_lots(milk, main, &[("A", 4), ("B", 6), ("C", 2)]).await.expect("posted");
    let ended = bench.count(milk, main).await;
    let open = bench.count(phone, main).await;
    bench.record_lots(ended, milk, &[("A", 4), ("B", 6)]).await.expect("recorded");
    bench.service.step_stock_count(&ctx(), ended, "cancel").await.expect("open");
    bench.record_lots(open, phone, &[("S1", 1)]).await.expect("recorded");
    let check = async |sql: &str, expected: &str| {
        let error = test_support::words(bench.sql(sql).await.expect_err(sql));
        assert!(error.contains(expected), "{sql}: {error}");
    };
    let over = "the stock count of the lot has ended";
    check("UPDATE stock_count_lots SET counted = 1 WHERE NOT is_serial", over).await;
    check("DELETE FROM stock_count_lots WHERE NOT is_serial", over).await;
    let insert = "INSERT INTO stock_count_lots (id, line_id, product_id, lot_id, book, counted, \
        is_serial) SELECT randomblob(16), s.line_id";
    let more = format!("{insert}, s.product_id, NULL, 0, 0, FALSE FROM stock_count_lots s");
    check(&format!("{more} WHERE NOT s.is_serial LIMIT 1"), over).await;
    let of_serial = "FROM stock_count_lots s WHERE s.is_serial";
    let checked = "CHECK constraint failed";
    check("UPDATE stock_count_lots SET counted = 500000 WHERE is_serial", checked).await;
    check("UPDATE stock_count_lots SET counted = -1 WHERE is_serial", checked).await;
    check("UPDATE stock_count_lots SET lot_id = NULL WHERE is_serial", checked).await;
    check(&format!("{insert}, s.product_id, NULL, 0, 1, FALSE {of_serial}"), checked).await;
    let twice = format!("{insert}, s.product_id, s.lot_id, 0, 0, TRUE {of_serial}");
    check(&twice, "UNIQUE constraint failed").await;
    let foreign = "FOREIGN KEY constraint failed";
    let other = "(SELECT id FROM lots WHERE number = 'A')";
    check(&format!("{insert}, s.product_id, {other}, 0, 0, FALSE {of_serial}"), foreign).await;
    let product = "(SELECT id FROM products WHERE sku = 'MILK')";
    check(&format!("{insert}, {product}, NULL, 0, 0, FALSE {of_serial}"), foreign).await;
    bench.write("UPDATE stock_count_lots SET counted = 0 WHERE is_serial").await;
    let add_up = "the lots of a line come to the line";
    check("UPDATE stock_counts SET status = 'submitted' WHERE status = 'counting'", add_up).await;
    assert_eq!(bench.broken_laws().await, [("I-11b", 1)]);
    bench.write("UPDATE stock_count_lots SET counted = 1000000 WHERE is_serial").await;
    bench.assert_lawful().await;

    for guard in [
        "DROP TRIGGER stock_count_lots_update",
        "DROP TRIGGER stock_count_lots_delete",
        "DROP TRIGGER bin_entries_no_update",
    ] {
        bench.write(guard).await;
    }
    let check = async |sql: &str| {
        let broken = bench.broken_by(sql).await;
        assert!(broken.contains(&"I-11b"), "{sql} broke {broken:?}");
        bench.assert_lawful().await;
    };
    let lot = |number: &str| format!("(SELECT id FROM lots WHERE number = '{number}')");
    let (a, b) = (lot("A"), lot("B"));
    check(&format!("UPDATE stock_count_lots SET counted = counted + 1 WHERE lot_id = {a}")).await;
    check(&format!("UPDATE stock_count_lots SET book = book + 1 WHERE lot_id = {b}")).await;
    check(&format!("DELETE FROM stock_count_lots WHERE lot_id = {b}")).await;
    // Posted of another lot than the one that was missing.
    let of_count = "move_id IN (SELECT id FROM stock_moves WHERE source_type = 'stock_count')";
    check(&format!("UPDATE bin_entries SET lot_id = {b} WHERE lot_id = {a} AND {of_count}")).await;
}

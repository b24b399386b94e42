//! Below nothing (I9): where there may be less, at what cost it goes, and what comes of it.

use chrono::{Days, Utc};
use contracts::events::{StockAdjusted, StockIssued};
use contracts::ids::{OrderId, ProductId, WarehouseId};
use kernel::money::{Currency, Money};
use kernel::quantity::Quantity;
use serde_json::json;

use super::bench::{Bench, ctx, q, request, statements};
use crate::entities::stock_count;

/// A product of which there may be less than nothing in a warehouse.
async fn overdrawn(costing: &str) -> (Bench, ProductId, WarehouseId) {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.valued("A", costing).await, bench.warehouse("W").await);
    bench.allow_negative(warehouse, true).await.expect("no locations");
    bench.set_negative(product, "inherit").await.expect("no lots");
    (bench, product, warehouse)
}

async fn sell(bench: &Bench, product: ProductId, warehouse: WarehouseId, units: i64) -> OrderId {
    let order = OrderId::new();
    bench.ship(order, &[(bench.line(product, warehouse), units)]).await.expect("it may");
    order
}

fn code<T>(result: kernel::Result<T>) -> String {
    result.map(drop).expect_err("refused").code().to_owned()
}

/// What the books have been told the stock is worth.
async fn booked(bench: &Bench) -> i64 {
    let told = bench.published::<StockAdjusted>().await;
    let issued = bench.published::<StockIssued>().await;
    told.iter().map(|told| told.value.minor()).sum::<i64>()
        - issued.iter().map(|told| told.cost.minor()).sum::<i64>()
}

#[tokio::test]
async fn there_is_less_than_nothing_only_where_warehouse_and_product_allow_it() {
    let bench = Bench::new().await;
    let (a, b) = (bench.product("A").await, bench.product("B").await);
    let (w, x) = (bench.warehouse("W").await, bench.warehouse("X").await);
    for product in [a, b] {
        bench.receive(product, w, 1, "2").await;
    }
    let short = async |product, warehouse| {
        let gone = bench.adjust(product, warehouse, "-2").await;
        assert_eq!(code(gone), "insufficient_stock");
    };
    short(a, w).await;
    bench.allow_negative(w, true).await.expect("no locations");
    short(a, w).await;
    bench.set_negative(a, "inherit").await.expect("no lots");
    short(b, w).await;
    short(a, x).await;
    bench.adjust(a, w, "-2").await.expect("both allow it");
    sell(&bench, a, w, 3).await;
    assert_eq!(bench.level(a, w).await, (-4, 0, 0, -800));
    bench.assert_lawful().await;
    // Two lines that together are more than there is.
    bench.receive(a, w, 7, "2").await;
    let lines = [(bench.line(a, w), 3), (bench.line(a, w), 2)];
    bench.ship(OrderId::new(), &lines).await.expect("both allow it");
    assert_eq!(bench.level(a, w).await, (-2, 0, 0, -400));
    bench.assert_lawful().await;
    // Of a level that is made later as well.
    bench.allow_negative(x, true).await.expect("no locations");
    sell(&bench, a, x, 1).await;
    assert_eq!(bench.level(a, x).await, (-1, 0, 0, 0));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn it_is_not_forbidden_while_there_is_less_than_nothing() {
    let (bench, product, warehouse) = overdrawn("average").await;
    bench.receive(product, warehouse, 1, "1").await;
    sell(&bench, product, warehouse, 2).await;
    let refused = bench.allow_negative(warehouse, false).await;
    assert_eq!(code(refused), "stock_below_nothing");
    assert_eq!(code(bench.set_negative(product, "never").await), "stock_below_nothing");
    bench.receive(product, warehouse, 1, "1").await;
    bench.set_negative(product, "never").await.expect("nothing is owed");
    assert_eq!(code(bench.adjust(product, warehouse, "-1").await), "insufficient_stock");
    bench.allow_negative(warehouse, false).await.expect("nothing is owed");
    bench.set_negative(product, "inherit").await.expect("it says nothing of where");
    assert_eq!(code(bench.adjust(product, warehouse, "-1").await), "insufficient_stock");
    bench.assert_lawful().await;
    #[derive(sea_orm::FromQueryResult)]
    struct Count {
        n: i64,
    }
    let sql = "SELECT COUNT(*) AS n FROM audit_log \
        WHERE resource_type = 'warehouse' AND after LIKE '%allows_negative%'";
    assert_eq!(bench.find::<Count>(sql).await.n, 3, "made, allowed, forbidden");
}

#[tokio::test]
async fn lots_places_kits_and_what_is_in_transit_are_never_below_nothing() {
    let bench = Bench::new().await;
    let (a, w) = (bench.product("A").await, bench.warehouse("W").await);
    let lots = bench.made("L", "average", "lot").await;
    assert_eq!(code(bench.set_negative(lots, "inherit").await), "negative_stock_of_lots");
    bench.set_negative(a, "inherit").await.expect("no lots");
    let patch = request(json!({ "tracking": "serial" }));
    let tracked = bench.service.update_product(&ctx(), a, patch).await;
    assert_eq!(code(tracked), "negative_stock_of_lots");
    let kit = bench.kit("K", &[(a, "1")]).await;
    assert_eq!(code(bench.set_negative(kit, "inherit").await), "product_is_kit");
    bench.allow_negative(w, true).await.expect("no locations");
    let place = request(json!({
        "warehouse_id": w, "code": "A-1", "name": "A-1", "kind": "stock", "pick_order": 1
    }));
    let placed = bench.service.create_location(&ctx(), place).await;
    assert_eq!(code(placed), "negative_stock_of_places");
    let x = bench.warehouse("X").await;
    bench.place(x, "X-1", "stock").await;
    assert_eq!(code(bench.allow_negative(x, true).await), "negative_stock_of_places");
    bench.receive(a, w, 1, "1").await;
    let away = request(json!({
        "from_warehouse_id": w, "to_warehouse_id": x,
        "lines": [{ "product_id": a, "quantity": "2" }]
    }));
    let shipped = bench.service.ship_transfer(&ctx(), away).await;
    assert_eq!(code(shipped), "insufficient_stock", "nobody sends what is not there");
    let away = request(json!({
        "from_warehouse_id": w, "to_warehouse_id": x,
        "lines": [{ "product_id": a, "quantity": "1" }]
    }));
    bench.service.ship_transfer(&ctx(), away).await.expect("it is there");
    let sql = "SELECT * FROM warehouses WHERE is_transit";
    let transit = bench.find::<crate::entities::warehouse::Model>(sql).await.id;
    assert_eq!(code(bench.allow_negative(transit, true).await), "warehouse_of_transit");
    bench.assert_lawful().await;
}

/// What went out at what the last cost, and the difference on the day of the receipt.
#[tokio::test]
async fn the_next_receipt_settles_what_went_out_below_nothing() {
    // Three at 1.00 and one at 2.00 came; six are sold; then three come at 4.00 a piece.
    let check = async |costing: &str, sold: i64, settled: i64, left: i64| {
        let (bench, product, warehouse) = overdrawn(costing).await;
        bench.receive(product, warehouse, 3, "1").await;
        bench.receive(product, warehouse, 1, "2").await;
        sell(&bench, product, warehouse, 6).await;
        let issued = bench.published::<StockIssued>().await.remove(0).cost.minor();
        assert_eq!(issued, sold, "{costing}");
        let (on_hand, _, _, value) = bench.level(product, warehouse).await;
        assert_eq!((on_hand, value), (-2, booked(&bench).await), "{costing}");
        bench.receive(product, warehouse, 3, "4").await;
        let told = bench.published::<StockAdjusted>().await;
        let cost = |told: &&StockAdjusted| told.is_cost_of_sales;
        let costs: Vec<_> = told.iter().filter(cost).collect();
        let value: i64 = costs.iter().map(|told| told.value.minor()).sum();
        assert_eq!(value, settled, "{costing}");
        let today = Utc::now().date_naive();
        let at = |t: &&StockAdjusted| t.quantity == Quantity::ZERO && t.adjusted_on == today;
        assert!(costs.iter().all(at), "{costing}");
        assert_eq!(bench.level(product, warehouse).await, (1, 0, 0, left), "{costing}");
        assert_eq!(booked(&bench).await, left, "{costing}");
        bench.assert_lawful().await;
        let valued = bench.service.valuation(request(json!({ "as_of": today }))).await;
        assert_eq!(valued.expect("valued").total, Money::new(left, Currency::EUR), "{costing}");
    };
    // 5.00 for four and 1.25 a piece beyond; 8.00 for the two that came.
    check("average", 750, -550, 400).await;
    // 5.00 for four and 2.00 a piece beyond.
    check("fifo", 900, -400, 400).await;
    // 2.50 a piece, whatever they cost: that is no cost of sales.
    check("standard", 1500, 0, 250).await;
}

/// Not what is promised, nor what is not there: what comes is owed first, then promised.
#[tokio::test]
async fn nothing_is_promised_below_nothing_and_no_promise_is_taken() {
    let (bench, product, warehouse) = overdrawn("average").await;
    bench.receive(product, warehouse, 3, "1").await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 2)], false).await.expect("there");
    bench.confirm(order, &[(line, 2, 0)]).await.expect("heard");
    let other = bench.line(product, warehouse);
    // Not the promise of another while what is free is enough.
    bench.ship(OrderId::new(), &[(other, 1)]).await.expect("one is free");
    assert_eq!(bench.level(product, warehouse).await, (2, 2, 0, 200));
    // Its own promise is used up, and more.
    bench.ship(order, &[(line, 3)]).await.expect("it may");
    assert_eq!(bench.level(product, warehouse).await, (-1, 0, 0, -100));
    let (waits, line) = (OrderId::new(), bench.line(product, warehouse));
    let refused = bench.reserve(waits, &[(line, 1)], false).await;
    assert_eq!(code(refused), "insufficient_stock");
    bench.reserve(waits, &[(line, 2)], true).await.expect("it waits");
    bench.confirm(waits, &[(line, 0, 2)]).await.expect("heard");
    bench.receive(product, warehouse, 2, "1").await;
    assert_eq!(bench.level(product, warehouse).await, (1, 1, 1, 100));
    // Goods that are gone break what is promised, as elsewhere, and then go below nothing.
    let gone = json!({
        "warehouse_id": warehouse, "product_id": product, "quantity": "-3", "reason": "gone",
        "break_reservations": true
    });
    bench.service.adjust_stock(&ctx(), request(gone)).await.expect("it may");
    assert_eq!(bench.level(product, warehouse).await, (-2, 0, 2, -200));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_is_found_and_counted_settles_what_is_owed() {
    let (bench, product, warehouse) = overdrawn("average").await;
    assert_eq!(code(bench.adjust(product, warehouse, "-1").await), "cost_unknown");
    bench.receive(product, warehouse, 2, "1.50").await;
    bench.adjust(product, warehouse, "-5").await.expect("it may");
    assert_eq!(bench.level(product, warehouse).await, (-3, 0, 0, -450));
    bench.adjust(product, warehouse, "1").await.expect("at what it went out at");
    assert_eq!(bench.level(product, warehouse).await, (-2, 0, 0, -300));
    let new = json!({ "warehouse_id": warehouse, "product_ids": [product] });
    bench.service.create_stock_count(&ctx(), request(new)).await.expect("begun");
    let id = bench.find::<stock_count::Model>("SELECT * FROM stock_counts").await.id;
    let lines = json!({ "lines": [{ "product_id": product, "quantity": "4" }] });
    bench.service.record_counts(&ctx(), id, request(lines)).await.expect("recorded");
    bench.service.step_stock_count(&ctx(), id, "submit").await.expect("complete");
    let mut other = ctx();
    other.actor.id = Some(uuid::Uuid::now_v7());
    bench.service.approve_stock_count(&other, id).await.expect("posted");
    assert_eq!(bench.level(product, warehouse).await, (4, 0, 0, 600));
    bench.assert_lawful().await;
    // Under an earlier date there goes only what was there then.
    let earlier = json!({
        "warehouse_id": warehouse, "product_id": product, "quantity": "-1", "reason": "count",
        "adjusted_on": Utc::now().date_naive() - Days::new(1)
    });
    let refused = bench.service.adjust_stock(&ctx(), request(earlier)).await;
    assert_eq!(code(refused), "insufficient_stock");
}

/// A receipt that partly settled is taken back only whole, so not at all; a return and a mistake
/// that left come back at what they left at.
#[tokio::test]
async fn what_left_below_nothing_comes_back_at_what_it_left_at() {
    for costing in ["average", "fifo"] {
        let (bench, product, warehouse) = overdrawn(costing).await;
        bench.receive(product, warehouse, 1, "3").await;
        let (order, line) = (OrderId::new(), bench.line(product, warehouse));
        bench.ship(order, &[(line, 3)]).await.expect("it may");
        bench.take_back(order, &[(line, 1, true)]).await.expect("it was sold");
        assert_eq!(bench.level(product, warehouse).await, (-1, 0, 0, -300), "{costing}");
        bench.adjust(product, warehouse, "-2").await.expect("it may");
        let wrong = bench.moves().await.pop().expect("a move").id;
        let why = || request(json!({ "reason": "typed twice" }));
        bench.service.reverse_move(&ctx(), wrong, why()).await.expect("it comes back");
        bench.receive(product, warehouse, 2, "5").await;
        assert_eq!(bench.level(product, warehouse).await, (1, 0, 0, 500), "{costing}");
        let came = bench.moves().await.pop().expect("a move").id;
        let taken = bench.service.reverse_move(&ctx(), came, why()).await;
        assert_eq!(code(taken), "insufficient_stock", "{costing}");
        bench.assert_lawful().await;
    }
}

#[tokio::test]
async fn what_is_owed_is_bought_and_not_promised_again() {
    let (bench, product, warehouse) = overdrawn("average").await;
    bench.receive(product, warehouse, 1, "1").await;
    sell(&bench, product, warehouse, 4).await;
    let stock = bench.service.list_stock(&ctx(), Default::default()).await.expect("listed");
    let level = &stock.data[0];
    assert_eq!((level.on_hand, level.available), (Quantity::from_units(-3).expect("q"), q(0)));
    assert_eq!(level.value, Money::new(-300, Currency::EUR));
    assert_eq!(level.average_cost.map(|cost| cost.to_string()).as_deref(), Some("1.00"));
    let there = bench.service.availability(&ctx(), product).await.expect("known");
    assert_eq!((there.on_hand, there.available), (level.on_hand, q(0)));
    let rule = json!({
        "product_id": product, "warehouse_id": warehouse, "min": "1", "target": "2"
    });
    bench.service.create_reorder_rule(&ctx(), request(rule)).await.expect("created");
    let suggested = bench.service.list_reorder_suggestions(&ctx(), request(json!({}))).await;
    let suggested = suggested.expect("listed");
    assert_eq!(suggested.data[0].quantity, q(5), "three that are owed, and two");
}

/// Whoever does not go below nothing does not pay for it, and who does pays one statement.
#[tokio::test]
async fn going_below_nothing_costs_one_statement_and_staying_above_none() {
    let (bench, product, warehouse) = overdrawn("average").await;
    let never = bench.product("NEVER").await;
    for product in [product, never] {
        bench.receive(product, warehouse, 9, "1").await;
    }
    let shipped = async |product, units| {
        let line = bench.line(product, warehouse);
        let (shipped, count) = statements(bench.ship(OrderId::new(), &[(line, units)])).await;
        shipped.expect("it may");
        count
    };
    let ordinary = shipped(never, 1).await;
    assert_eq!(shipped(product, 1).await, ordinary);
    // What is there tells what it costs.
    assert_eq!(shipped(product, 9).await, ordinary);
    assert_eq!(shipped(product, 1).await, ordinary + 1);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn the_database_and_the_laws_keep_what_is_above_nothing_there() {
    let (bench, product, warehouse) = overdrawn("average").await;
    let (never, other) = (bench.product("NEVER").await, bench.warehouse("OTHER").await);
    bench.receive(never, warehouse, 2, "1").await;
    bench.receive(product, other, 2, "1").await;
    bench.receive(product, warehouse, 1, "1").await;
    sell(&bench, product, warehouse, 3).await;
    let below = "UPDATE stock_levels SET on_hand = 0, value_minor = 0, owed = 1";
    let at = |product: ProductId, warehouse: WarehouseId| {
        let (product, warehouse) = (product.uuid().simple(), warehouse.uuid().simple());
        format!("product_id = x'{product}' AND warehouse_id = x'{warehouse}'")
    };
    let check = async |sql: String, expected: &str| {
        let error = test_support::words(bench.sql(&sql).await.expect_err(&sql));
        assert!(error.contains(expected), "{sql}: {error}");
    };
    let checked = "CHECK constraint failed";
    for (product, warehouse) in [(never, warehouse), (product, other)] {
        check(format!("{below} WHERE {}", at(product, warehouse)), checked).await;
        let allowed = format!("{below}, allows_negative = TRUE WHERE {}", at(product, warehouse));
        check(allowed, "stock there is never below nothing").await;
    }
    let here = at(product, warehouse);
    check(format!("UPDATE stock_levels SET on_hand = -1 WHERE {here}"), checked).await;
    check(format!("UPDATE stock_levels SET owed = -1 WHERE {here}"), checked).await;
    check(format!("UPDATE stock_levels SET on_hand = 1 WHERE {here}"), checked).await;
    check(format!("UPDATE stock_levels SET owed_minor = -1 WHERE {here}"), checked).await;
    check(format!("UPDATE stock_levels SET owed = 0 WHERE {here}"), checked).await;
    check(format!("UPDATE stock_levels SET allows_negative = FALSE WHERE {here}"), checked).await;
    check(format!("UPDATE stock_levels SET is_detailed = TRUE WHERE {here}"), checked).await;
    let may = "may be below nothing";
    check("UPDATE warehouses SET allows_negative = FALSE".into(), may).await;
    check("UPDATE products SET negative_stock = 'never'".into(), may).await;
    check("UPDATE products SET tracking = 'lot'".into(), checked).await;
    check("UPDATE products SET negative_stock = 'maybe'".into(), checked).await;
    check("UPDATE warehouses SET has_locations = TRUE WHERE allows_negative".into(), checked).await;
    bench.assert_lawful().await;

    for guard in [
        "PRAGMA ignore_check_constraints = ON",
        "DROP TRIGGER stock_levels_go_below",
        "DROP TRIGGER warehouses_allow_negative",
        "DROP TRIGGER products_allow_negative",
    ] {
        bench.write(guard).await;
    }
    let check = async |law: &str, sql: String| {
        let broken = bench.broken_by(&sql).await;
        assert!(broken.contains(&law), "{law}: {sql} broke {broken:?}");
        bench.assert_lawful().await;
    };
    for level in [at(never, warehouse), at(product, other)] {
        check("I-3", format!("{below} WHERE {level}")).await;
        check("I9", format!("UPDATE stock_levels SET allows_negative = TRUE WHERE {level}")).await;
    }
    check("I-3", format!("UPDATE stock_levels SET on_hand = 1 WHERE {here}")).await;
    check("I-1", format!("UPDATE stock_levels SET owed = owed + 1 WHERE {here}")).await;
    check("V-4", format!("UPDATE stock_levels SET owed_minor = 1 WHERE {here}")).await;
    check("V-4b", format!("UPDATE stock_levels SET owed = 0 WHERE {here}")).await;
    check("I9", "UPDATE warehouses SET allows_negative = FALSE".into()).await;
    check("I9", "UPDATE products SET negative_stock = 'never'".into()).await;
}

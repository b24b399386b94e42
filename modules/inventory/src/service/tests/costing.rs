//! Costing: first in first out, standard cost, and what late costs do to them.

use contracts::events::{StockAdjusted, StockIssued};
use contracts::ids::{OrderId, ProductId, WarehouseId};
use kernel::Result;
use serde_json::json;

use super::bench::{Bench, Line, ctx, request, statements};
use crate::entities::stock_move;

impl Bench {
    /// Sells units, and returns what they cost.
    async fn sell(&self, product: ProductId, from: WarehouseId, units: i64) -> (OrderId, i64) {
        let (order, _, cost) = self.sell_line(product, from, units).await;
        (order, cost)
    }

    async fn sell_line(
        &self,
        product: ProductId,
        from: WarehouseId,
        units: i64,
    ) -> (OrderId, Line, i64) {
        let (order, line) = (OrderId::new(), self.line(product, from));
        self.reserve(order, &[(line, units)], false).await.expect("there");
        self.confirm(order, &[(line, units, 0)]).await.expect("heard");
        self.ship(order, &[(line, units)]).await.expect("heard");
        let issued = self.published::<StockIssued>().await.pop().expect("told");
        (order, line, issued.cost.minor())
    }

    async fn variances(&self) -> i64 {
        let told = self.published::<StockAdjusted>().await.into_iter();
        told.filter(|told| told.reason == "Standard cost").map(|told| told.value.minor()).sum()
    }

    async fn reverse_last(&self) -> Result<()> {
        let last: stock_move::Model =
            self.find("SELECT * FROM stock_moves ORDER BY id DESC LIMIT 1").await;
        let why = request(json!({ "reason": "mistaken" }));
        self.service.reverse_move(&ctx(), last.id, why).await.map(drop)
    }

    async fn freight(&self, source: &stock_move::Model, amount: &str) {
        let cost = json!({
            "source_id": source.source_id, "basis": "value", "reason": "freight",
            "amount": { "amount": amount, "currency": "EUR" }
        });
        self.service.add_landed_cost(&ctx(), request(cost)).await.expect("spread");
    }
}

/// Ten euros are what it is worth.
async fn bolt(bench: &Bench) -> ProductId {
    let id = bench.valued("BOLT", "standard").await;
    let set = request(json!({ "standard_cost": "10" }));
    bench.service.set_standard_cost(&ctx(), id, set).await.expect("it has one");
    id
}

#[tokio::test]
async fn what_came_first_is_issued_at_what_it_cost() {
    let bench = Bench::new().await;
    let (wine, main) = (bench.valued("WINE", "fifo").await, bench.warehouse("W").await);
    bench.purchase(main, &[(wine, 10, "100")]).await.expect("heard");
    bench.purchase(main, &[(wine, 5, "110")]).await.expect("heard");
    assert_eq!(bench.sell(wine, main, 4).await.1, 40_000);
    let (order, line, cost) = bench.sell_line(wine, main, 8).await;
    assert_eq!(cost, 82_000, "six of the first, two of the second");
    assert_eq!(bench.level(wine, main).await.3, 33_000);
    bench.assert_lawful().await;
    // All of it comes back at what it cost (V-5), and leaves after what was there.
    bench.take_back(order, &[(line, 8, true)]).await.expect("heard");
    assert_eq!(bench.level(wine, main).await.3, 115_000);
    assert_eq!(bench.sell(wine, main, 3).await.1, 33_000);
    assert_eq!(bench.sell(wine, main, 8).await.1, 82_000);
    assert_eq!(bench.level(wine, main).await, (0, 0, 0, 0));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_late_cost_stays_with_the_goods_it_was_of() {
    let bench = Bench::new().await;
    let (wine, main) = (bench.valued("WINE", "fifo").await, bench.warehouse("W").await);
    bench.receive(wine, main, 10, "10").await;
    bench.receive(wine, main, 10, "20").await;
    let moves = bench.moves().await;
    bench.sell(wine, main, 6).await;
    // Of the first ten four are left: 40 % of the freight is theirs, the rest an expense.
    bench.freight(&moves[0], "10.00").await;
    assert_eq!(bench.level(wine, main).await.3, 4_000 + 400 + 20_000);
    assert_eq!(bench.sell(wine, main, 4).await.1, 4_400);
    bench.freight(&moves[0], "5.00").await;
    assert_eq!(bench.level(wine, main).await.3, 20_000, "nothing of it is left");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_receipt_is_taken_back_only_whole_and_as_it_came() {
    let bench = Bench::new().await;
    let (wine, main) = (bench.valued("WINE", "fifo").await, bench.warehouse("W").await);
    bench.receive(wine, main, 5, "10").await;
    bench.receive(wine, main, 5, "20").await;
    bench.reverse_last().await.expect("it is untouched");
    assert_eq!(bench.level(wine, main).await, (5, 0, 0, 5_000));
    bench.sell(wine, main, 1).await;
    bench.receive(wine, main, 1, "30").await;
    let first = bench.moves().await.remove(0);
    let why = request(json!({ "reason": "mistaken" }));
    let error = bench.service.reverse_move(&ctx(), first.id, why).await.map(drop);
    assert_eq!(error.expect_err("one of them is sold").code(), "value_moved");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_differs_from_a_standard_cost_is_an_expense_at_once() {
    let bench = Bench::new().await;
    let (bolt, main) = (bolt(&bench).await, bench.warehouse("W").await);
    bench.purchase(main, &[(bolt, 10, "12")]).await.expect("heard");
    assert_eq!((bench.level(bolt, main).await.3, bench.variances().await), (10_000, -2_000));
    assert_eq!(bench.sell(bolt, main, 3).await.1, 3_000);
    bench.receive(bolt, main, 2, "9.50").await;
    assert_eq!((bench.level(bolt, main).await.3, bench.variances().await), (9_000, -1_900));
    bench.reverse_last().await.expect("taken back");
    assert_eq!((bench.level(bolt, main).await.3, bench.variances().await), (7_000, -2_000));
    bench.assert_lawful().await;
    // A late cost is one too, and so is what another standard makes of what is there.
    bench.freight(&bench.moves().await[0], "10.00").await;
    assert_eq!(bench.level(bolt, main).await.3, 7_000);
    let set = request(json!({ "standard_cost": "11" }));
    bench.service.set_standard_cost(&ctx(), bolt, set).await.expect("valued anew");
    assert_eq!(bench.level(bolt, main).await.3, 7_700);
    assert_eq!(bench.sell(bolt, main, 7).await.1, 7_700);
    bench.assert_lawful().await;
    let other = bench.product("OTHER").await;
    let set = request(json!({ "standard_cost": "11" }));
    let error = bench.service.set_standard_cost(&ctx(), other, set).await.map(drop);
    assert_eq!(error.expect_err("it has none").code(), "no_standard_cost");
}

#[tokio::test]
async fn goods_on_their_way_keep_what_they_cost() {
    let bench = Bench::new().await;
    let (main, shop) = (bench.warehouse("W").await, bench.warehouse("S").await);
    let wine = bench.valued("WINE", "fifo").await;
    let bolt = bolt(&bench).await;
    bench.receive(wine, main, 2, "10").await;
    bench.receive(wine, main, 2, "20").await;
    bench.receive(bolt, main, 3, "10").await;
    let new = json!({ "from_warehouse_id": main, "to_warehouse_id": shop, "lines": [
        { "product_id": wine, "quantity": "3" }, { "product_id": bolt, "quantity": "3" }
    ] });
    bench.service.ship_transfer(&ctx(), request(new)).await.expect("shipped");
    bench.assert_lawful().await;
    let transfer: crate::entities::transfer::Model = bench.find("SELECT * FROM transfers").await;
    let all = json!({ "lines": [
        { "product_id": wine, "received": "3" }, { "product_id": bolt, "received": "3" }
    ] });
    bench.service.receive_transfer(&ctx(), transfer.id, request(all)).await.expect("received");
    assert_eq!(bench.level(wine, shop).await.3, 4_000);
    assert_eq!(bench.level(bolt, shop).await.3, 3_000);
    assert_eq!(bench.variances().await, 0);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn the_laws_find_layers_that_are_wrong_and_costing_takes_no_longer_with_history() {
    let bench = Bench::new().await;
    let (wine, main) = (bench.valued("WINE", "fifo").await, bench.warehouse("W").await);
    let bolt = bolt(&bench).await;
    bench.receive(bolt, main, 3, "12").await;
    bench.receive(wine, main, 10, "10").await;
    let (_, few) = statements(bench.sell(wine, main, 1)).await;
    for _ in 0..20 {
        bench.receive(wine, main, 1, "11").await;
        bench.sell(wine, main, 1).await;
    }
    let (_, many) = statements(bench.sell(wine, main, 1)).await;
    assert_eq!(few, many);
    let check = async |sql: &str, expected: &str| {
        let error = test_support::words(bench.sql(sql).await.expect_err(sql));
        assert!(error.contains(expected), "{sql}: {error}");
    };
    let checked = "CHECK constraint failed";
    check("UPDATE fifo_layers SET remaining = quantity + 1", checked).await;
    check("UPDATE fifo_layers SET remaining = 0, value_minor = 1", checked).await;
    check("UPDATE stock_levels SET standard_cost = NULL WHERE costing = 'standard'", checked).await;
    check("UPDATE cost_variances SET value_minor = 1", "append-only").await;
    check("DELETE FROM cost_variances", "append-only").await;
    bench.write("DROP TRIGGER cost_variances_no_delete").await;
    let check = async |law: &str, sql: &str| {
        let broken = bench.broken_by(sql).await;
        assert!(broken.contains(&law), "{law}: {sql} broke {broken:?}");
        bench.assert_lawful().await;
    };
    check("V-1", "UPDATE fifo_layers SET value_minor = value_minor + 1 WHERE remaining > 0").await;
    check("V-1", "UPDATE fifo_layers SET remaining = remaining - 1 WHERE remaining > 1").await;
    check("V-4", "DELETE FROM cost_variances").await;
    check("V-7", "UPDATE products SET standard_cost = 1 WHERE costing = 'standard'").await;
}

//! Costs that come after their goods were sent on to other warehouses.

use contracts::events::StockAdjusted;
use contracts::ids::{ProductId, WarehouseId};
use kernel::money::Money;
use serde_json::json;

use super::bench::{Bench, ctx, request, statements};
use crate::entities::{stock_move, warehouse};
use crate::routes::landed_costs::LandedCost;

impl Bench {
    /// Sends units, all of which arrive.
    async fn pass_on(&self, product: ProductId, ways: [WarehouseId; 2], units: i64) {
        let sent = self.send(product, ways, units, &[]).await.expect("sent");
        self.arrive(sent, product, [units, 0], &[]).await.expect("there");
    }

    /// Spreads a hundred euros over the first receipt.
    async fn late_cost(&self) -> LandedCost {
        let first: stock_move::Model =
            self.find("SELECT * FROM stock_moves WHERE kind = 'receipt' ORDER BY id LIMIT 1").await;
        let cost = json!({
            "source_id": first.source_id, "basis": "quantity", "reason": "freight",
            "amount": { "amount": "100.00", "currency": "EUR" }
        });
        self.service.add_landed_cost(&ctx(), request(cost)).await.expect("spread");
        let newest = request(json!({ "limit": 1 }));
        self.service.list_landed_costs(newest).await.expect("there").data.remove(0)
    }

    async fn sell_units(&self, product: ProductId, warehouse: WarehouseId, units: i64) -> i64 {
        let (order, line) = self.ordered(product, warehouse, units).await;
        self.ship(order, &[(line, units)]).await.expect("heard");
        let sql = "SELECT * FROM stock_moves WHERE kind = 'issue' ORDER BY id DESC LIMIT 1";
        self.find::<stock_move::Model>(sql).await.value_minor
    }
}

fn minors(cost: &LandedCost) -> (i64, i64) {
    (Money::minor(cost.in_stock), Money::minor(cost.expensed))
}

#[tokio::test]
async fn a_late_cost_goes_where_its_goods_have_gone() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let shop = bench.warehouse("S").await;
    bench.receive(chair, main, 10, "10").await;
    let sent = bench.send(chair, [main, shop], 6, &[]).await.expect("sent");
    bench.arrive(sent, chair, [4, 1], &[]).await.expect("four are there, one is lost");
    let told = bench.published::<StockAdjusted>().await.len();
    let cost = bench.late_cost().await;
    assert_eq!(minors(&cost), (9000, 1000), "the lost one is an expense");
    assert_eq!(bench.level(chair, main).await, (4, 0, 0, 8000));
    assert_eq!(bench.level(chair, shop).await, (4, 0, 0, 8000));
    let transit: warehouse::Model = bench.find("SELECT * FROM warehouses WHERE is_transit").await;
    assert_eq!(bench.level(chair, transit.id).await, (1, 0, 0, 2000));
    let told: Vec<_> = bench.published::<StockAdjusted>().await.split_off(told);
    let mut told: Vec<_> =
        told.iter().map(|told| (told.warehouse_id, told.value.minor())).collect();
    told.sort();
    let mut expected = [(main, 4000), (shop, 4000), (transit.id, 1000)];
    expected.sort();
    assert_eq!(told, expected, "the books hear of each");
    bench.assert_lawful().await;
    // What was on its way brings its part along.
    bench.arrive(sent, chair, [1, 0], &[]).await.expect("there");
    assert_eq!(bench.level(chair, shop).await, (5, 0, 0, 10_000));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_late_cost_follows_no_more_than_is_there_and_as_far_as_it_went() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let (shop, stand) = (bench.warehouse("S").await, bench.warehouse("T").await);
    bench.receive(chair, main, 10, "10").await;
    bench.pass_on(chair, [main, shop], 8).await;
    bench.pass_on(chair, [shop, stand], 5).await;
    bench.sell_units(chair, shop, 2).await;
    bench.sell_units(chair, stand, 1).await;
    bench.sell_units(chair, main, 1).await;
    // Of ten: one is here, one in the shop, four at the stand; four are sold.
    let cost = bench.late_cost().await;
    assert_eq!(minors(&cost), (6000, 4000));
    assert_eq!(bench.level(chair, main).await.3, 2000);
    assert_eq!(bench.level(chair, shop).await.3, 2000);
    assert_eq!(bench.level(chair, stand).await.3, 8000);
    bench.assert_lawful().await;
    // What is sent after other goods of before the receipt is not of it.
    let table = bench.product("TABLE").await;
    bench.receive(table, main, 5, "10").await;
    bench.pass_on(table, [main, shop], 5).await;
    bench.receive(table, main, 5, "10").await;
    bench.sell_units(table, main, 5).await;
    let last: stock_move::Model = bench
        .find("SELECT * FROM stock_moves WHERE kind = 'receipt' ORDER BY id DESC LIMIT 1")
        .await;
    let cost = json!({
        "source_id": last.source_id, "basis": "quantity", "reason": "freight",
        "amount": { "amount": "50.00", "currency": "EUR" }
    });
    bench.service.add_landed_cost(&ctx(), request(cost)).await.expect("spread");
    assert_eq!(bench.level(table, shop).await.3, 5000);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_late_cost_goes_to_what_came_first_and_is_a_variance_at_a_standard() {
    let bench = Bench::new().await;
    let (main, shop) = (bench.warehouse("W").await, bench.warehouse("S").await);
    let wine = bench.valued("WINE", "fifo").await;
    bench.receive(wine, main, 10, "100").await;
    bench.pass_on(wine, [main, shop], 6).await;
    bench.receive(wine, shop, 3, "100").await;
    bench.sell_units(wine, shop, 2).await;
    let cost = bench.late_cost().await;
    assert_eq!(minors(&cost), (8000, 2000));
    bench.assert_lawful().await;
    assert_eq!(bench.sell_units(wine, shop, 4).await, 44_000, "four of what was sent on");
    assert_eq!(bench.sell_units(wine, shop, 3).await, 30_000, "and what came there later");
    assert_eq!(bench.sell_units(wine, main, 4).await, 44_000);
    bench.assert_lawful().await;

    let bench = Bench::new().await;
    let (main, shop) = (bench.warehouse("W").await, bench.warehouse("S").await);
    let bolt = bench.valued("BOLT", "standard").await;
    bench.receive(bolt, main, 10, "2.50").await;
    bench.pass_on(bolt, [main, shop], 6).await;
    bench.late_cost().await;
    assert_eq!(bench.level(bolt, main).await.3, 1000);
    assert_eq!(bench.level(bolt, shop).await.3, 1500);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_late_cost_costs_no_statement_more_for_more_transfers() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let (shop, stand) = (bench.warehouse("S").await, bench.warehouse("T").await);
    bench.receive(chair, main, 20, "10").await;
    bench.pass_on(chair, [main, shop], 4).await;
    bench.send(chair, [main, shop], 1, &[]).await.expect("sent");
    let (_, few) = statements(bench.late_cost()).await;
    for _ in 0..3 {
        bench.pass_on(chair, [main, shop], 2).await;
        bench.pass_on(chair, [shop, stand], 1).await;
        bench.send(chair, [main, stand], 1, &[]).await.expect("sent");
    }
    let (_, many) = statements(bench.late_cost()).await;
    assert_eq!(many, few);
    bench.assert_lawful().await;
}

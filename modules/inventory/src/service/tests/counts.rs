//! Stock counts that overlap, and who may approve one.

use contracts::ids::{ProductId, StockCountId, WarehouseId};
use kernel::{Ctx, Result};
use serde_json::json;
use uuid::Uuid;

use super::bench::{Bench, ctx, request};
use crate::entities::stock_count;

/// Somebody, not always the same.
pub(super) fn somebody() -> Ctx {
    let mut ctx = ctx();
    ctx.actor.id = Some(Uuid::now_v7());
    ctx
}

impl Bench {
    pub(super) async fn count(&self, product: ProductId, warehouse: WarehouseId) -> StockCountId {
        let new = json!({ "warehouse_id": warehouse, "product_ids": [product] });
        self.service.create_stock_count(&ctx(), request(new)).await.expect("begun");
        let sql = "SELECT * FROM stock_counts ORDER BY id DESC LIMIT 1";
        self.find::<stock_count::Model>(sql).await.id
    }

    async fn record(&self, who: &Ctx, id: StockCountId, product: ProductId, units: i64) {
        let line = json!({ "product_id": product, "quantity": units.to_string() });
        let lines = request(json!({ "lines": [line] }));
        self.service.record_counts(who, id, lines).await.expect("recorded");
    }

    pub(super) async fn approve(&self, who: &Ctx, id: StockCountId) -> Result<()> {
        self.service.step_stock_count(&ctx(), id, "submit").await.expect("complete");
        self.service.approve_stock_count(who, id).await.map(drop)
    }
}

async fn stocked() -> (Bench, ProductId, WarehouseId) {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    bench.receive(product, warehouse, 10, "1").await;
    (bench, product, warehouse)
}

#[tokio::test]
async fn what_two_counts_found_is_missing_once() {
    for is_first_approved_first in [true, false] {
        let (bench, product, warehouse) = stocked().await;
        let first = bench.count(product, warehouse).await;
        let second = bench.count(product, warehouse).await;
        for id in [first, second] {
            bench.record(&ctx(), id, product, 8).await;
        }
        let order = if is_first_approved_first { [first, second] } else { [second, first] };
        for id in order {
            bench.approve(&somebody(), id).await.expect("posted");
            assert_eq!(bench.level(product, warehouse).await.0, 8, "{is_first_approved_first}");
        }
        bench.assert_lawful().await;
    }
}

/// Who counted last knows best, whoever is approved last; what moved in between stays moved.
#[tokio::test]
async fn the_later_of_two_counts_stands() {
    for is_first_approved_first in [true, false] {
        let (bench, product, warehouse) = stocked().await;
        let first = bench.count(product, warehouse).await;
        let second = bench.count(product, warehouse).await;
        bench.record(&ctx(), first, product, 8).await;
        bench.record(&ctx(), second, product, 10).await;
        bench.receive(product, warehouse, 5, "1").await;
        let order = if is_first_approved_first { [first, second] } else { [second, first] };
        for id in order {
            bench.approve(&somebody(), id).await.expect("posted");
        }
        assert_eq!(bench.level(product, warehouse).await.0, 15, "{is_first_approved_first}");
        bench.assert_lawful().await;
    }
}

#[tokio::test]
async fn nobody_approves_what_they_have_counted_themselves() {
    let (bench, product, warehouse) = stocked().await;
    let (id, counter) = (bench.count(product, warehouse).await, somebody());
    bench.record(&counter, id, product, 8).await;
    // Somebody else submits it, which makes it no other's count.
    let own = bench.approve(&counter, id).await.expect_err("it is theirs");
    assert_eq!((own.status(), own.code()), (409, "own_request"));
    bench.service.approve_stock_count(&somebody(), id).await.expect("posted");
    bench.assert_lawful().await;
}

//! Taking back what should not have been: who may, and what reports say of it then.

use chrono::{Days, NaiveDate, Utc};
use contracts::ids::{OrderId, ProductId, StockMoveId, WarehouseId};
use kernel::{Ctx, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use super::bench::{Bench, ctx, request};
use crate::entities::adjustment_request;

/// Somebody, not always the same.
fn somebody() -> Ctx {
    let mut ctx = ctx();
    ctx.actor.id = Some(Uuid::now_v7());
    ctx
}

pub(super) fn ago(days: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(days)
}

impl Bench {
    async fn came_on(&self, product: ProductId, to: WarehouseId, units: &str, days: u64) {
        let new = json!({
            "warehouse_id": to, "reason": "test", "received_on": ago(days),
            "lines": [{ "product_id": product, "quantity": units, "unit_cost": "20" }]
        });
        self.service.receive_stock(&ctx(), request(new)).await.expect("received");
    }

    async fn last_move(&self) -> StockMoveId {
        self.moves().await.pop().expect("a move").id
    }

    async fn reverse(&self, id: StockMoveId) -> Result<()> {
        let why = request(json!({ "reason": "mistake" }));
        self.service.reverse_move(&ctx(), id, why).await.map(drop)
    }

    async fn ask_to_reverse(
        &self,
        who: &Ctx,
        id: StockMoveId,
    ) -> Result<adjustment_request::Model> {
        let why = request(json!({ "reason": "mistake" }));
        self.service.request_reversal(who, id, why).await?;
        Ok(self.find("SELECT * FROM adjustment_requests ORDER BY id DESC LIMIT 1").await)
    }

    /// How long what there is of a product has been there: up to 30, 90 and 180 days, and more.
    pub(super) async fn ages(&self) -> Vec<Value> {
        let query = request(json!({}));
        let page = self.service.report_ageing(query).await.expect("reads");
        let fields = ["up_to_30_days", "up_to_90_days", "up_to_180_days", "older"];
        let row = serde_json::to_value(&page.data[0]).expect("JSON");
        fields.map(|field| row[field].clone()).into()
    }
}

fn code(result: Result<()>) -> String {
    result.expect_err("refused").code().to_owned()
}

async fn stocked() -> (Bench, ProductId, WarehouseId) {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    (bench, product, warehouse)
}

/// What is found and taken back again is lost: no way around the limit of a loss.
#[tokio::test]
async fn a_reversal_above_the_limit_is_approved_by_somebody_else() {
    let (bench, product, warehouse) = stocked().await;
    bench.came_on(product, warehouse, "10", 0).await;
    let received = bench.last_move().await;
    let reason = json!({
        "code": "BROKEN", "name": "Broken", "kind": "scrap",
        "approval_above": { "amount": "50.00", "currency": "EUR" }
    });
    bench.service.create_adjustment_reason(&ctx(), request(reason)).await.expect("made");
    let adjust = async |quantity: &str| {
        let new = json!({
            "warehouse_id": warehouse, "product_id": product, "quantity": quantity,
            "reason": "test", "reason_code": "BROKEN"
        });
        bench.service.adjust_stock(&ctx(), request(new)).await.expect("within the limit");
        bench.last_move().await
    };
    // Within the limit one way, and so the other.
    let small = adjust("-2").await;
    bench.reverse(small).await.expect("within the limit");
    assert_eq!(code(bench.reverse(received).await), "approval_required");
    assert_eq!(bench.level(product, warehouse).await, (10, 0, 0, 20_000));

    let (who, boss) = (somebody(), somebody());
    let asked = bench.ask_to_reverse(&who, received).await.expect("asked");
    assert_eq!((asked.reverses_id, asked.requested_by), (Some(received), who.actor.id));
    let mirror: Value = serde_json::from_str(&asked.adjustment).expect("JSON");
    assert_eq!((&mirror["quantity"], &mirror["reason"]), (&json!("-10"), &json!("mistake")));
    assert_eq!(bench.level(product, warehouse).await.0, 10, "nothing moved");
    let decide = async |who: &Ctx, id: Uuid, action: &'static str| {
        bench.service.decide_adjustment(who, id, action).await.map(drop)
    };
    assert_eq!(code(decide(&who, asked.id, "approve").await), "own_request");
    decide(&boss, asked.id, "approve").await.expect("somebody else");
    let mirror = bench.moves().await.pop().expect("a move");
    assert_eq!((mirror.reverses_id, mirror.value_minor), (Some(received), 20_000));
    let sql = "SELECT * FROM adjustment_requests ORDER BY id DESC LIMIT 1";
    let decided: adjustment_request::Model = bench.find(sql).await;
    assert_eq!(decided.move_id, Some(mirror.id));
    assert_eq!(bench.level(product, warehouse).await, (0, 0, 0, 0));
    let again = bench.ask_to_reverse(&who, received).await.map(drop);
    assert_eq!(code(again), "already_reversed");
    assert_eq!(code(bench.ask_to_reverse(&who, mirror.id).await.map(drop)), "not_reversible");

    // What was asked for twice is done once.
    bench.came_on(product, warehouse, "10", 0).await;
    let received = bench.last_move().await;
    let asked = [
        bench.ask_to_reverse(&who, received).await.expect("asked").id,
        bench.ask_to_reverse(&who, received).await.expect("asked").id,
        bench.ask_to_reverse(&who, received).await.expect("asked").id,
    ];
    decide(&boss, asked[0], "reject").await.expect("somebody else");
    assert_eq!(bench.level(product, warehouse).await.0, 10);
    decide(&boss, asked[1], "approve").await.expect("somebody else");
    assert_eq!(code(decide(&boss, asked[2], "approve").await), "already_reversed");
    bench.assert_lawful().await;
}

/// A receipt that was taken back has not come, and what left by mistake has not become younger.
#[tokio::test]
async fn what_is_taken_back_does_not_change_how_old_the_rest_is() {
    let (bench, product, warehouse) = stocked().await;
    bench.came_on(product, warehouse, "5", 100).await;
    bench.came_on(product, warehouse, "4", 60).await;
    assert_eq!(bench.ages().await, ["0", "4", "5", "0"]);
    bench.came_on(product, warehouse, "3", 0).await;
    bench.reverse(bench.last_move().await).await.expect("still there");
    assert_eq!(bench.ages().await, ["0", "4", "5", "0"]);
    bench.adjust(product, warehouse, "-6").await.expect("available");
    assert_eq!(bench.ages().await, ["0", "3", "0", "0"]);
    bench.reverse(bench.last_move().await).await.expect("nothing stands against it");
    assert_eq!(bench.ages().await, ["0", "4", "5", "0"]);
    bench.came_on(product, warehouse, "1", 0).await;
    assert_eq!(bench.ages().await, ["1", "4", "5", "0"]);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_comes_back_has_not_turned() {
    let (bench, product, warehouse) = stocked().await;
    bench.came_on(product, warehouse, "10", 0).await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 5)], false).await.expect("there");
    bench.confirm(order, &[(line, 5, 0)]).await.expect("heard");
    bench.ship(order, &[(line, 5)]).await.expect("heard");
    // Two to the shelf; one is scrapped, and gone all the same.
    bench.take_back(order, &[(line, 2, true), (line, 1, false)]).await.expect("heard");
    let page = bench.service.report_turnover(request(json!({}))).await.expect("reads");
    let row = serde_json::to_value(&page.data[0]).expect("JSON");
    assert_eq!((&row["issued"], &row["cost"]["amount"]), (&json!("3"), &json!("60.00")));
    // 60.00 over the mean of nothing and 140.00.
    assert_eq!(row["turns"], "0.86");
}

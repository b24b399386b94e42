//! Picking lists, from the order to what was shipped or is not wanted any more.

use chrono::{Days, Utc};
use contracts::ids::{OrderId, WarehouseId};
use kernel::Result;
use serde_json::{Value, json};

use super::bench::{Bench, ctx, request};
use super::lots::{code, lies};
use crate::entities::picking_list::{self, PickingStatus};

impl Bench {
    pub(super) async fn pick(&self, warehouse: WarehouseId, orders: &[OrderId]) -> Result<Value> {
        let new = json!({ "warehouse_id": warehouse, "order_ids": orders });
        self.service.create_picking_list(&ctx(), request(new)).await?;
        let sql = "SELECT * FROM picking_lists ORDER BY id DESC LIMIT 1";
        let list: picking_list::Model = self.find(sql).await;
        let shown = self.service.picking_list(list.id).await?;
        Ok(serde_json::to_value(shown).expect("JSON"))
    }

    pub(super) async fn status(&self, list: &Value) -> PickingStatus {
        let id = list["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        self.service.picking_list(id).await.expect("there").status
    }

    pub(super) async fn picked(&self, list: &Value, lines: Value) -> Result<()> {
        let id = list["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let request = request(json!({ "lines": lines }));
        self.service.pick_lines(&ctx(), id, request).await.map(drop)
    }
}

#[tokio::test]
async fn a_picking_list_leads_by_expiry_and_the_walk_to_the_shipment() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    let far = bench.place(main, "Z-9", "stock").await;
    let near = bench.place(main, "A-1", "stock").await;
    bench.place(main, "OUT", "output").await;
    bench.write("UPDATE locations SET pick_order = 1 WHERE code = 'A-1'").await;
    bench.write("UPDATE locations SET pick_order = 9 WHERE code = 'Z-9'").await;
    let today = Utc::now().date_naive();
    for (place, number, days) in [(far, "SOON", 5), (near, "LATE", 50)] {
        let new = json!({ "warehouse_id": main, "reason": "test", "lines": [{
            "product_id": milk, "quantity": "4", "unit_cost": "1", "location_id": place,
            "lots": [{ "number": number, "quantity": "4", "expires_on": today + Days::new(days) }]
        }] });
        bench.service.receive_stock(&ctx(), request(new)).await.expect("received");
    }
    let (order, line) = bench.ordered(milk, main, 6).await;
    let list = bench.pick(main, &[order]).await.expect("listed");
    let listed = |list: &Value| {
        let lines = list["lines"].as_array().expect("lines").clone();
        lines
            .iter()
            .map(|line| (line["location_id"].clone(), line["quantity"].clone()))
            .collect::<Vec<_>>()
    };
    // Four of what expires first, two of the other; the walk begins at the near shelf.
    assert_eq!(listed(&list), [(json!(near), json!("2")), (json!(far), json!("4"))]);
    let again = bench.pick(main, &[order]).await.map(drop);
    assert_eq!(code(again), "nothing_to_pick");
    bench.assert_lawful().await;
    let error = bench.picked(&list, json!([{ "position": 1, "picked": "3" }])).await;
    assert_eq!(code(error), "more_than_listed");
    // One of the near shelf is not there.
    let lines = json!([{ "position": 1, "picked": "1" }, { "position": 2, "picked": "4" }]);
    bench.picked(&list, lines).await.expect("picked");
    assert_eq!(
        bench.lies().await,
        lies(&[("A-1", "LATE", 3), ("OUT", "LATE", 1), ("OUT", "SOON", 4)])
    );
    bench.assert_lawful().await;
    // Another order cannot be shipped what lies picked for this one.
    let (other, others) = bench.ordered(milk, main, 2).await;
    bench.ship(other, &[(others, 2)]).await.expect("heard");
    assert_eq!(
        bench.lies().await,
        lies(&[("A-1", "LATE", 1), ("OUT", "LATE", 1), ("OUT", "SOON", 4)])
    );
    let rest = bench.pick(main, &[order]).await.expect("what was not there is listed anew");
    assert_eq!(listed(&rest), [(json!(near), json!("1"))]);
    bench.ship(order, &[(line, 6)]).await.expect("heard");
    assert_eq!(bench.lies().await, []);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn an_order_that_is_cancelled_gives_back_what_was_picked_for_it() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench.receive_lots(milk, main, &[("A", 4, None)]).await.expect("received");
    let (order, _) = bench.ordered(milk, main, 3).await;
    let list = bench.pick(main, &[order]).await.expect("listed");
    bench.cancel(order).await.expect("heard");
    bench.assert_lawful().await;
    assert_eq!(bench.status(&list).await, PickingStatus::Cancelled);
    let error = bench.picked(&list, json!([{ "position": 1, "picked": "3" }])).await;
    assert_eq!(code(error), "picking_over");
    let (other, line) = bench.ordered(milk, main, 4).await;
    bench.ship(other, &[(line, 4)]).await.expect("heard");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_picking_list_ends_with_what_it_is_for() {
    let bench = Bench::new().await;
    let (milk, chair) = (bench.tracked("MILK", "lot").await, bench.product("CHAIR").await);
    let main = bench.warehouse("W").await;
    bench.receive_lots(milk, main, &[("A", 9, None)]).await.expect("received");
    bench.receive(chair, main, 9, "1").await;
    for product in [milk, chair] {
        // Shipped, in two parts.
        let (order, line) = bench.ordered(product, main, 3).await;
        let list = bench.pick(main, &[order]).await.expect("listed");
        bench.ship(order, &[(line, 1)]).await.expect("heard");
        assert_eq!(bench.status(&list).await, PickingStatus::Open);
        bench.ship(order, &[(line, 2)]).await.expect("heard");
        assert_eq!(bench.status(&list).await, PickingStatus::Picked);
        let error = bench.picked(&list, json!([{ "position": 1, "picked": "3" }])).await;
        assert_eq!(code(error), "picking_over");
        // Cancelled in part, then all of it.
        let (order, line) = bench.ordered(product, main, 3).await;
        let list = bench.pick(main, &[order]).await.expect("listed");
        bench.cancel_lines(order, &[(line, 1, 0)]).await.expect("heard");
        assert_eq!(bench.status(&list).await, PickingStatus::Cancelled);
        let list = bench.pick(main, &[order]).await.expect("what is left");
        assert_eq!(list["lines"][0]["quantity"], "2");
        bench.cancel(order).await.expect("heard");
        assert_eq!(bench.status(&list).await, PickingStatus::Cancelled);
    }
    bench.assert_lawful().await;
}

/// What was listed and shipped before is no reason not to list what came later.
#[tokio::test]
async fn what_comes_later_is_picked_by_another_list() {
    let bench = Bench::new().await;
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    bench.receive(chair, main, 3, "1").await;
    let (order, line) = (OrderId::new(), bench.line(chair, main));
    bench.reserve(order, &[(line, 5)], true).await.expect("allowed");
    bench.confirm(order, &[(line, 3, 2)]).await.expect("heard");
    let list = bench.pick(main, &[order]).await.expect("listed");
    assert_eq!(list["lines"][0]["quantity"], "3");
    bench.ship(order, &[(line, 3)]).await.expect("heard");
    bench.receive(chair, main, 2, "1").await;
    let list = bench.pick(main, &[order]).await.expect("listed");
    assert_eq!(list["lines"][0]["quantity"], "2");
    assert_eq!(code(bench.pick(main, &[order]).await.map(drop)), "nothing_to_pick");
    bench.assert_lawful().await;
}

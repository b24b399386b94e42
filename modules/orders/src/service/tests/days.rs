//! Days that follow each other: ordered, shipped, back.

use chrono::{Days, NaiveDate, Utc};
use contracts::ids::OrderId;
use kernel::Error;
use serde_json::json;

use super::world::{World, ctx};

fn ago(days: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(days)
}

async fn ordered(world: &World, days: u64) -> OrderId {
    let order = world.create(&[5], false).await;
    world.patch(order, json!({ "ordered_on": ago(days) })).await.expect("a draft");
    world.ok(world.service.confirm_order(&ctx(), order)).await;
    order
}

fn refusal(error: Error) -> (u16, String) {
    (error.status(), error.code().to_owned())
}

#[tokio::test]
async fn goods_leave_after_they_were_ordered_and_come_back_after_they_left() {
    let world = World::new().await;
    let order = ordered(&world, 9).await;
    let early = world.pack(order, json!({ "shipped_on": ago(10) })).await.expect_err("too early");
    assert_eq!(refusal(early), (422, "date_out_of_range".to_owned()));
    let line = world.line(order, 0).await;
    for (days, units) in [(9, "2"), (5, "1")] {
        let lines = json!([{ "order_line_id": line, "quantity": units }]);
        let new = json!({ "shipped_on": ago(days), "lines": lines });
        let packed = super::world::body(world.pack(order, new).await.expect("packed")).await;
        let shipment = super::world::id(&packed["id"]);
        world.ok(world.service.ship_shipment(&ctx(), shipment)).await;
    }
    let back = async |days: u64| {
        let lines = json!([{ "order_line_id": line, "quantity": "1", "restock": true }]);
        let new = json!({ "lines": lines, "reason": "test", "received_on": ago(days) });
        let new = serde_json::from_value(new).expect("a return");
        world.service.create_return(&ctx(), order, new).await
    };
    let early = back(10).await.expect_err("nothing had left");
    assert_eq!(refusal(early), (422, "date_out_of_range".to_owned()));
    back(9).await.expect("some had");
    back(0).await.expect("today");
    world.assert_laws().await;
}

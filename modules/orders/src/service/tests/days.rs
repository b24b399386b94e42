//! Days that follow each other: ordered, shipped, back; and what there is no room for.

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

/// Inventory hears of a return once it stands: what it could not hold is refused before.
#[tokio::test]
async fn no_more_is_taken_back_than_stock_can_hold() {
    let world = World::new().await;
    let order = world.confirmed(&[3, 2], false).await;
    world.ship_all(order).await;
    let (fits, full) = (world.line(order, 0).await, world.line(order, 1).await);
    let full_product = world.product(1);
    world.others(|others| others.full.insert(full_product));
    let back =
        |line, restock: bool| json!({ "order_line_id": line, "quantity": "1", "restock": restock });
    let lines = json!([back(full, false), back(fits, true), back(full, true)]);
    let error = world.take_back(order, lines).await.expect_err("there is no room");
    assert_eq!(error.fields()[0].pointer, "/lines/2/quantity");
    assert_eq!(refusal(error), (422, "amount_overflow".to_owned()));
    assert_eq!(world.counter(order, 0, "returned").await, "0");
    world.take_back(order, json!([back(fits, true)])).await.expect("it fits");
    world.take_back(order, json!([back(full, false)])).await.expect("what is scrapped needs none");
    // What is back is back, whether or not inventory can be asked.
    world.others(|others| others.fail = Some(("check_fit", super::others::Fails::Before)));
    world.take_back(order, json!([back(full, true)])).await.expect("taken back");
    world.assert_laws().await;
}

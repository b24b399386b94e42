//! Confirming is all or nothing, whatever fails and whoever else is at it.

use std::sync::Arc;

use contracts::ids::{OrderId, OrderLineId};
use kernel::http::Reply;
use kernel::{Error, Result};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::others::{Fails, Held, Pause};
use super::world::{UNIT, World, ctx};

const CONFIRMED: &str = "orders.order.confirmed";

async fn confirm(world: &World, order: OrderId) -> Result<Reply> {
    world.service.confirm_order(&ctx(), order).await
}

/// A confirmation that waits in the middle of `method`.
struct Waiting {
    done: JoinHandle<Result<Reply>>,
    go_on: oneshot::Sender<()>,
}

impl Waiting {
    async fn begin(world: &Arc<World>, order: OrderId, method: &'static str) -> Self {
        let (arrived, has_arrived) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel();
        let pause = Pause { method, arrived, go_on: may_go_on };
        world.others(|others| others.pause = Some(pause));
        let inside = world.clone();
        let done = tokio::spawn(async move { confirm(&inside, order).await });
        has_arrived.await.expect("the confirmation comes this far");
        Waiting { done, go_on }
    }

    async fn refusal(self) -> Error {
        self.go_on.send(()).expect("the confirmation still waits");
        self.done.await.expect("no panic").expect_err("a refusal")
    }

    /// The process dies here.
    async fn crash(self) {
        self.done.abort();
        assert!(self.done.await.expect_err("aborted").is_cancelled());
    }
}

#[tokio::test]
async fn a_confirmed_order_has_its_credit_and_its_stock() {
    let world = World::new().await;
    let order = world.create(&[5, 7], false).await;
    world.ok(confirm(&world, order)).await;
    let seen = world.order(order).await;
    assert_eq!(seen["status"], "confirmed");
    assert_eq!(seen["allowed_actions"], json!(["cancel"]));
    assert_eq!(seen["version"], 2);
    assert_eq!(seen["lines"][1]["counters"]["reserved"], "7");
    assert_eq!(seen["lines"][1]["counters"]["unallocated"], "0");
    assert_eq!(world.holds(order), (true, true));
    assert_eq!(world.published(order).await, ["orders.order.created", CONFIRMED]);
}

#[tokio::test]
async fn what_is_short_is_refused_or_waits_as_the_order_says() {
    let world = World::new().await;
    let strict = world.create(&[101], false).await;
    let refusal = confirm(&world, strict).await.expect_err("100 in stock");
    assert_eq!(refusal.code(), "insufficient_stock");
    assert_eq!(world.order(strict).await["status"], "draft");
    assert_eq!(world.holds(strict), (false, false));

    let patient = world.create(&[101, 1], true).await;
    world.ok(confirm(&world, patient)).await;
    assert_eq!(world.counter(patient, 0, "reserved").await, "100");
    assert_eq!(world.counter(patient, 0, "backordered").await, "1");
    assert_eq!(world.counter(patient, 1, "reserved").await, "1");
}

#[tokio::test]
async fn an_order_beyond_the_credit_limit_never_asks_for_stock() {
    let world = World::new().await;
    world.others(|others| others.credit_limit_minor = 299);
    let order = world.create(&[1], false).await;
    let refusal = confirm(&world, order).await.expect_err("3.00 on 2.99");
    assert_eq!(refusal.code(), "credit_limit_exceeded");
    assert!(world.others(|others| !others.calls.contains(&"reserve")));
    assert_eq!(world.holds(order), (false, false));
    world.others(|others| others.credit_limit_minor = 300);
    world.ok(confirm(&world, order)).await;
}

#[tokio::test]
async fn an_order_for_nothing_is_confirmed() {
    let world = World::new().await;
    world.others(|others| others.credit_limit_minor = 0);
    let mut new = world.new_order(&[1], false);
    let lines = json!([{ "product_id": world.product(0), "quantity": "1", "unit_price": "0" }]);
    new.lines = Some(serde_json::from_value(lines).expect("lines"));
    let created = world.ok(world.service.create_order(&ctx(), new)).await;
    assert_eq!(created["totals"]["total"]["amount"], "0.00");
    world.ok(confirm(&world, super::world::id(&created["id"]))).await;
}

#[tokio::test]
async fn whichever_call_fails_the_order_stays_a_draft_and_nothing_is_held() {
    let world = World::new().await;
    let order = world.create(&[5, 7], false).await;
    for method in ["hold_credit", "reserve"] {
        for when in [Fails::Before, Fails::After] {
            world.others(|others| others.fail = Some((method, when)));
            let refusal = confirm(&world, order).await.expect_err("a call failed");
            assert_eq!(refusal.code(), "module_unavailable", "{method} {when:?}");
            let seen = world.order(order).await;
            assert_eq!((&seen["status"], &seen["version"]), (&json!("draft"), &json!(1)));
            assert_eq!(world.holds(order), (false, false), "{method} {when:?}");
            assert_eq!(world.published(order).await, ["orders.order.created"]);
            world.assert_laws().await;
        }
    }
    world.others(|others| others.fail = None);
    world.ok(confirm(&world, order)).await;
}

#[tokio::test]
async fn whichever_call_fails_nothing_is_made_and_nothing_changes() {
    let world = World::new().await;
    let fail = |method| world.others(|others| others.fail = Some((method, Fails::Before)));
    let calm = || world.others(|others| others.fail = None);
    for method in ["customer", "warehouses", "products", "price_lines", "calculate_totals"] {
        fail(method);
        let new = world.new_order(&[5], false);
        let refusal = world.service.create_order(&ctx(), new).await.expect_err("a call failed");
        assert_eq!(refusal.code(), "module_unavailable", "{method}");
        let page = world.service.list_orders(Default::default()).await.expect("the list");
        assert!(page.data.is_empty(), "{method}");
    }
    calm();
    let order = world.create(&[5, 5], false).await;
    let draft = world.order(order).await;
    for method in ["warehouses", "products", "price_lines", "calculate_totals"] {
        fail(method);
        let warehouse = world.others(|others| others.warehouses[0].id);
        let patch = json!({ "lines": world.new_lines(&[6]), "warehouse_id": warehouse });
        world.patch(order, patch).await.expect_err("a call failed");
        assert_eq!(world.order(order).await, draft, "{method}");
    }
    calm();
    world.ok(confirm(&world, order)).await;
    let line = world.line(order, 0).await;
    let some = json!({ "lines": [{ "order_line_id": line, "quantity": "1" }] });
    let packed = super::world::body(world.pack(order, some).await.expect("packed")).await;
    let shipment = super::world::id(&packed["id"]);
    world.ok(world.service.ship_shipment(&ctx(), shipment)).await;
    let confirmed = world.order(order).await;
    fail("calculate_totals");
    world.cancel_line(order, line, 1).await.expect_err("a call failed");
    world.service.close_order_short(&ctx(), order).await.expect_err("a call failed");
    assert_eq!(world.order(order).await, confirmed);
    world.assert_laws().await;
}

#[tokio::test]
async fn of_two_confirmations_at_once_one_stands_and_keeps_what_it_holds() {
    let world = Arc::new(World::new().await);
    for method in ["hold_credit", "reserve"] {
        let order = world.create(&[5], false).await;
        let first = Waiting::begin(&world, order, method).await;
        world.ok(confirm(&world, order)).await;
        assert_eq!(first.refusal().await.code(), "illegal_transition");
        assert_eq!(world.holds(order), (true, true), "{method}");
        assert_eq!(world.published(order).await, ["orders.order.created", CONFIRMED]);
        world.assert_laws().await;
    }
}

#[tokio::test]
async fn an_order_cancelled_while_it_is_being_confirmed_holds_nothing() {
    let world = Arc::new(World::new().await);
    let order = world.create(&[5], false).await;
    let confirmation = Waiting::begin(&world, order, "reserve").await;
    world.ok(world.service.cancel_order(&ctx(), order)).await;
    assert_eq!(confirmation.refusal().await.code(), "illegal_transition");
    assert_eq!(world.holds(order), (false, false));
    assert_eq!(world.order(order).await["status"], "cancelled");
}

#[tokio::test]
async fn an_order_changed_while_it_is_being_confirmed_stays_a_draft_and_holds_nothing() {
    let world = Arc::new(World::new().await);
    let order = world.create(&[5], false).await;
    let confirmation = Waiting::begin(&world, order, "reserve").await;
    let lines = world.new_lines(&[6, 1]);
    world.ok(world.patch(order, json!({ "lines": lines }))).await;
    assert_eq!(confirmation.refusal().await.code(), "stale_version");
    assert_eq!(world.holds(order), (false, false));
    world.ok(confirm(&world, order)).await;
    assert_eq!(world.counter(order, 0, "reserved").await, "6");
}

#[tokio::test]
async fn a_confirmation_of_an_older_version_leaves_the_holds_of_a_newer_one_alone() {
    let world = Arc::new(World::new().await);
    let order = world.create(&[5], false).await;
    let older = Waiting::begin(&world, order, "reserve").await;
    world.ok(world.patch(order, json!({ "lines": world.new_lines(&[6]) }))).await;
    let newer = Waiting::begin(&world, order, "reserve").await;
    assert_eq!(older.refusal().await.code(), "stale_version");
    assert!(world.holds(order).0, "the newer one's credit");
    newer.go_on.send(()).expect("it still waits");
    newer.done.await.expect("no panic").expect("confirmed");
    assert_eq!(world.counter(order, 0, "reserved").await, "6");
    world.assert_laws().await;
}

#[tokio::test]
async fn what_a_crash_left_held_for_an_older_version_is_given_back_first() {
    let world = Arc::new(World::new().await);
    let order = world.create(&[5], false).await;
    Waiting::begin(&world, order, "reserve").await.crash().await;
    assert_eq!(world.holds(order), (true, false), "left to expire");
    world.ok(world.patch(order, json!({ "lines": world.new_lines(&[10]) }))).await;
    world.ok(confirm(&world, order)).await;
    // 10 at 2.50 and a fifth on it, not 5.
    assert_eq!(world.others(|others| others.credit[&order]), 3000);
}

#[tokio::test]
async fn a_repeat_after_a_crash_takes_what_is_held_already() {
    let world = Arc::new(World::new().await);
    let order = world.create(&[5], false).await;
    Waiting::begin(&world, order, "reserve").await.crash().await;
    world.ok(confirm(&world, order)).await;
    assert!(world.others(|others| !others.calls.contains(&"release_credit")));
}

#[tokio::test]
async fn a_hold_for_other_lines_is_given_back_and_taken_anew() {
    let world = World::new().await;
    let order = world.create(&[5], false).await;
    let other = (world.product(0), Held { reserved: UNIT, backordered: 0 });
    world.others(|others| {
        others.stock.insert(order, [(OrderLineId::new(), other)].into());
    });
    world.ok(confirm(&world, order)).await;
    assert_eq!(world.counter(order, 0, "reserved").await, "5");
}

#[tokio::test]
async fn a_draft_that_may_still_hold_something_says_so_when_it_is_cancelled() {
    let world = Arc::new(World::new().await);
    let order = world.create(&[5], false).await;
    Waiting::begin(&world, order, "reserve").await.crash().await;
    world.ok(world.service.cancel_order(&ctx(), order)).await;
    let told = world.published(order).await;
    assert_eq!(told, ["orders.order.created", "orders.order.cancelled"]);

    let never_asked = world.create(&[5], false).await;
    world.ok(world.service.cancel_order(&ctx(), never_asked)).await;
    assert_eq!(world.published(never_asked).await, ["orders.order.created"]);
}

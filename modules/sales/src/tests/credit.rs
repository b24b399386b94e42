//! Credit: what a hold may take, and what becomes of it.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use contracts::events::{OrderCancelled, OrderConfirmed, OrderLinesCancelled};
use contracts::ids::{CustomerId, OrderId};
use contracts::sales::{FindCustomer, HoldCredit, ReleaseCredit, Sales};
use kernel::money::Money;
use sea_orm::EntityTrait;
use serde_json::json;

use super::world::{World, ctx, euro, event, soon};
use crate::entities::credit_exposure::{self, State};
use kernel::events::Subscriber;

fn confirmed(order_id: OrderId, customer_id: CustomerId, minor: i64) -> OrderConfirmed {
    OrderConfirmed {
        order_id,
        number: "SO-2026-000001".into(),
        customer_id,
        total: euro(minor),
        lines: vec![],
    }
}

async fn state(world: &World, order_id: OrderId) -> Option<State> {
    let row = credit_exposure::Entity::find_by_id(order_id).one(world.service.db.read()).await;
    row.expect("read").map(|row| row.state)
}

/// Held, uninvoiced and owed, in cents.
async fn figures(world: &World, customer: CustomerId) -> (i64, i64, i64) {
    let credit = world.credit(customer).await;
    (credit.held_minor, credit.uninvoiced_minor, credit.open_receivables_minor)
}

#[tokio::test]
async fn a_hold_up_to_the_limit_is_taken_and_a_cent_more_is_not() {
    let world = World::new().await;
    let customer = world.customer(Some(10_000)).await;
    world.hold(OrderId::new(), customer, 6_000, soon()).await.expect("fits");
    let refused = world.hold(OrderId::new(), customer, 4_001, soon()).await.expect_err("too much");
    assert_eq!((refused.status(), refused.code()), (409, "credit_limit_exceeded"));
    world.hold(OrderId::new(), customer, 4_000, soon()).await.expect("just fits");
    assert_eq!(figures(&world, customer).await, (10_000, 0, 0));
    world.hold(OrderId::new(), customer, 0, soon()).await.expect("nothing always fits");
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn a_refusal_says_limit_exposure_and_asked() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    world.hold(OrderId::new(), customer, 60, soon()).await.expect("fits");
    let refused = world.hold(OrderId::new(), customer, 50, soon()).await.expect_err("too much");
    let body = actix_web::ResponseError::error_response(&refused).into_body();
    let body = actix_web::body::to_bytes(body).await.unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem");
    let money = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    assert_eq!(
        problem["params"],
        json!({"limit": money("1.00"), "exposure": money("0.60"), "asked": money("0.50")})
    );
}

#[tokio::test]
async fn without_a_limit_only_the_largest_amount_of_money_is_one() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let largest = 10_i64.pow(15) - 1;
    world.hold(OrderId::new(), customer, largest, soon()).await.expect("fits");
    let refused = world.hold(OrderId::new(), customer, 1, soon()).await.expect_err("full");
    assert_eq!(refused.code(), "credit_limit_exceeded");
}

#[tokio::test]
async fn a_repeated_hold_is_one_hold() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let order = OrderId::new();
    let until = soon();
    for _ in 0..3 {
        world.hold(order, customer, 100, until).await.expect("held");
    }
    assert_eq!(figures(&world, customer).await, (100, 0, 0));
    world.tell(&confirmed(order, customer, 100)).await.expect("heard");
    world.hold(order, customer, 100, until).await.expect("stands");
    assert_eq!(figures(&world, customer).await, (0, 100, 0));
    let other = world.hold(order, customer, 99, until).await.expect_err("confirmed");
    assert_eq!((other.status(), other.code()), (409, "credit_already_committed"));
}

#[tokio::test]
async fn a_hold_is_adjusted_and_never_beyond_the_limit() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let order = OrderId::new();
    world.hold(order, customer, 40, soon()).await.expect("held");
    world.hold(order, customer, 100, soon()).await.expect("more");
    assert_eq!(figures(&world, customer).await, (100, 0, 0));
    let refused = world.hold(order, customer, 101, soon()).await.expect_err("too much");
    assert_eq!(refused.code(), "credit_limit_exceeded");
    assert_eq!(figures(&world, customer).await, (100, 0, 0));
    // Less fits even where the limit has been lowered meanwhile.
    world.sql("UPDATE customer_credit SET limit_minor = 10", vec![]).await.expect("lowered");
    world.hold(order, customer, 50, soon()).await.expect("less");
    assert_eq!(figures(&world, customer).await, (50, 0, 0));
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn a_hold_for_another_customer_leaves_the_first_one() {
    let world = World::new().await;
    let (first, second) = (world.customer(Some(100)).await, world.customer(Some(100)).await);
    let order = OrderId::new();
    world.hold(order, first, 70, soon()).await.expect("held");
    world.hold(order, second, 80, soon()).await.expect("held");
    assert_eq!(figures(&world, first).await, (0, 0, 0));
    assert_eq!(figures(&world, second).await, (80, 0, 0));
    let refused = world.hold(order, first, 101, soon()).await.expect_err("too much");
    assert_eq!(refused.code(), "credit_limit_exceeded");
    assert_eq!(figures(&world, second).await, (80, 0, 0));
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn only_active_customers_we_know_get_credit() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    world.sql("UPDATE customers SET is_active = FALSE", vec![]).await.expect("deactivated");
    let refused = world.hold(OrderId::new(), customer, 1, soon()).await.expect_err("inactive");
    assert_eq!((refused.status(), refused.code()), (409, "customer_inactive"));
    let nobody = CustomerId::new();
    let refused = world.hold(OrderId::new(), nobody, 1, soon()).await.expect_err("unknown");
    assert_eq!((refused.status(), refused.code()), (422, "unknown_customer"));
    let refused = world.service.customer(&ctx(), FindCustomer { id: nobody }).await;
    assert_eq!(refused.expect_err("unknown").code(), "unknown_customer");
    let refused = world.hold(OrderId::new(), customer, -1, soon()).await.expect_err("negative");
    assert_eq!((refused.status(), refused.code()), (422, "negative_amount"));
    let dollars = HoldCredit {
        order_id: OrderId::new(),
        customer_id: customer,
        amount: Money::new(1, "USD".parse().expect("a currency")),
        expires_at: soon(),
    };
    let refused = world.service.hold_credit(&ctx(), dollars).await.expect_err("dollars");
    assert_eq!((refused.status(), refused.code()), (422, "currency_not_supported"));
}

#[tokio::test]
async fn release_gives_back_a_hold_but_no_order_that_stands() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let order = OrderId::new();
    let ctx = ctx();
    let release = || world.service.release_credit(&ctx, ReleaseCredit { order_id: order });
    release().await.expect("no hold is no error");
    world.hold(order, customer, 60, soon()).await.expect("held");
    release().await.expect("released");
    release().await.expect("released already");
    assert_eq!(figures(&world, customer).await, (0, 0, 0));
    assert_eq!(state(&world, order).await, Some(State::Released));
    world.hold(order, customer, 70, soon()).await.expect("taken again");
    world.tell(&confirmed(order, customer, 70)).await.expect("heard");
    release().await.expect("stands");
    assert_eq!(state(&world, order).await, Some(State::Committed));
    assert_eq!(figures(&world, customer).await, (0, 70, 0));
}

#[tokio::test]
async fn an_expired_hold_is_given_back_and_can_be_taken_again() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let (order, lasting) = (OrderId::new(), OrderId::new());
    let past = Utc::now() - TimeDelta::seconds(1);
    world.hold(order, customer, 60, past).await.expect("held");
    world.hold(lasting, customer, 10, soon()).await.expect("held");
    assert_eq!(world.service.expire_holds(&ctx()).await.expect("run"), 1);
    assert_eq!(world.service.expire_holds(&ctx()).await.expect("run"), 0);
    assert_eq!(figures(&world, customer).await, (10, 0, 0));
    assert_eq!(state(&world, order).await, Some(State::Expired));
    world.hold(order, customer, 90, soon()).await.expect("taken again");
    assert_eq!(figures(&world, customer).await, (100, 0, 0));
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn more_holds_than_a_batch_expire_in_one_run() {
    let world = World::new().await;
    let (one, other) = (world.customer(None).await, world.customer(None).await);
    let past = Utc::now() - TimeDelta::seconds(1);
    for i in 0..510 {
        let customer = if i % 2 == 0 { one } else { other };
        world.hold(OrderId::new(), customer, 1, past).await.expect("held");
    }
    assert_eq!(world.service.expire_holds(&ctx()).await.expect("run"), 510);
    assert_eq!(figures(&world, one).await, (0, 0, 0));
    assert_eq!(figures(&world, other).await, (0, 0, 0));
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn a_repeat_can_make_a_hold_last_longer() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let order = OrderId::new();
    world.hold(order, customer, 60, Utc::now() - TimeDelta::seconds(1)).await.expect("held");
    world.hold(order, customer, 60, soon()).await.expect("longer");
    assert_eq!(world.service.expire_holds(&ctx()).await.expect("run"), 0);
    assert_eq!(figures(&world, customer).await, (60, 0, 0));
}

#[tokio::test]
async fn a_confirmed_order_stands_whatever_became_of_its_hold() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let (expired, never) = (OrderId::new(), OrderId::new());
    world.hold(expired, customer, 60, Utc::now() - TimeDelta::seconds(1)).await.expect("held");
    world.service.expire_holds(&ctx()).await.expect("run");
    world.tell(&confirmed(expired, customer, 60)).await.expect("heard");
    world.tell(&confirmed(never, customer, 50)).await.expect("heard");
    // Above the limit: it has happened.
    assert_eq!(figures(&world, customer).await, (0, 110, 0));
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn cancelling_gives_back_what_is_cancelled() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let order = OrderId::new();
    world.hold(order, customer, 60, soon()).await.expect("held");
    world.tell(&confirmed(order, customer, 60)).await.expect("heard");
    let part = OrderLinesCancelled {
        order_id: order,
        customer_id: customer,
        remaining_total: euro(25),
        lines: vec![],
    };
    world.tell(&part).await.expect("heard");
    assert_eq!(figures(&world, customer).await, (0, 25, 0));
    let cancelled = OrderCancelled { order_id: order, customer_id: customer };
    world.tell(&cancelled).await.expect("heard");
    assert_eq!(figures(&world, customer).await, (0, 0, 0));
    assert_eq!(state(&world, order).await, Some(State::Released));
    // An order that never asked for credit has none to give back.
    let draft = OrderCancelled { order_id: OrderId::new(), customer_id: customer };
    world.tell(&draft).await.expect("heard");
    let held = OrderId::new();
    world.hold(held, customer, 60, soon()).await.expect("held");
    world.tell(&OrderCancelled { order_id: held, customer_id: customer }).await.expect("heard");
    assert_eq!(figures(&world, customer).await, (0, 0, 0));
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn an_event_told_twice_counts_once() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let order = OrderId::new();
    let event = event(&confirmed(order, customer, 60));
    world.service.handle(&event).await.expect("heard");
    world.tell(&OrderCancelled { order_id: order, customer_id: customer }).await.expect("heard");
    world.service.handle(&event).await.expect("heard before");
    assert_eq!(figures(&world, customer).await, (0, 0, 0));
}

#[tokio::test]
async fn an_order_of_an_unknown_customer_is_passed_over() {
    let world = World::new().await;
    let order = OrderId::new();
    world.tell(&confirmed(order, CustomerId::new(), 60)).await.expect("heard");
    assert_eq!(state(&world, order).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_orders_at_once_exactly_those_that_fit_get_credit() {
    let world = Arc::new(World::new().await);
    let customer = world.customer(Some(1_000)).await;
    let tries = (0..32).map(|_| {
        let world = world.clone();
        tokio::spawn(async move { world.hold(OrderId::new(), customer, 100, soon()).await })
    });
    let mut held = 0;
    for outcome in tries.collect::<Vec<_>>() {
        match outcome.await.expect("no panic") {
            Ok(()) => held += 1,
            Err(error) => assert_eq!(error.code(), "credit_limit_exceeded"),
        }
    }
    assert_eq!(held, 10);
    assert_eq!(figures(&world, customer).await, (1_000, 0, 0));
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_asking_many_times_at_once_gets_credit_once() {
    let world = Arc::new(World::new().await);
    let customer = world.customer(Some(100)).await;
    let (order, until) = (OrderId::new(), soon());
    let tries = (0..16).map(|_| {
        let world = world.clone();
        tokio::spawn(async move { world.hold(order, customer, 100, until).await })
    });
    for outcome in tries.collect::<Vec<_>>() {
        outcome.await.expect("no panic").expect("held");
    }
    assert_eq!(figures(&world, customer).await, (100, 0, 0));
}

//! Which price wins.

use contracts::ids::{CustomerId, PriceListId, ProductId};
use contracts::sales::{LineToPrice, PriceLines, Sales};
use kernel::money::Currency;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use super::world::{World, ctx};
use crate::entities::price_list;

async fn list(world: &World, code: &str, more: Value) -> PriceListId {
    let mut new = json!({"code": code, "name": code, "currency": "EUR"});
    for (key, value) in more.as_object().into_iter().flatten() {
        new[key] = value.clone();
    }
    let new = serde_json::from_value(new).expect("a price list");
    world.service.create_price_list(&ctx(), new).await.expect("created");
    let all = price_list::Entity::find().all(world.service.db.read()).await.expect("read");
    all.into_iter().map(|row| row.id).max().expect("there is one")
}

async fn set(world: &World, list: PriceListId, prices: &[(ProductId, &str, &str)]) {
    let prices: Vec<_> = prices
        .iter()
        .map(|(product_id, from, price)| {
            json!({"product_id": product_id, "min_quantity": from, "unit_price": price})
        })
        .collect();
    let request = serde_json::from_value(json!({"prices": prices})).expect("prices");
    world.service.set_prices(&ctx(), list, request).await.expect("set");
}

async fn own_list(world: &World, customer: CustomerId, list: PriceListId) {
    let sql = "UPDATE customers SET price_list_id = $1 WHERE id = $2";
    world.sql(sql, vec![list.into(), customer.into()]).await.expect("set");
}

/// What the customer pays on a day, as `price list: price from quantity`.
async fn priced(
    world: &World,
    customer_id: CustomerId,
    on: &str,
    lines: &[(ProductId, &str)],
) -> Vec<Option<String>> {
    let lines = lines.iter().map(|(product_id, quantity)| LineToPrice {
        product_id: *product_id,
        quantity: quantity.parse().expect("a quantity"),
    });
    let request = PriceLines {
        customer_id,
        currency: Currency::EUR,
        on: on.parse().expect("a date"),
        lines: lines.collect(),
    };
    let priced = world.service.price_lines(&ctx(), request).await.expect("priced");
    priced
        .into_iter()
        .map(|line| {
            line.map(|l| format!("{}: {} from {}", l.price_list, l.unit_price, l.min_quantity))
        })
        .collect()
}

#[tokio::test]
async fn the_highest_break_the_quantity_reaches_wins() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let (chair, table) = (ProductId::new(), ProductId::new());
    let standard = list(&world, "STANDARD", json!({"is_default": true})).await;
    set(&world, standard, &[(chair, "1", "10"), (chair, "10", "9"), (chair, "100", "8")]).await;
    let lines = [
        (chair, "100"),
        (chair, "99"),
        (chair, "10"),
        (chair, "9.999999"),
        (chair, "1"),
        (chair, "0.5"),
        (table, "1"),
    ];
    let expected = [
        Some("STANDARD: 8.00 from 100".to_owned()),
        Some("STANDARD: 9.00 from 10".to_owned()),
        Some("STANDARD: 9.00 from 10".to_owned()),
        Some("STANDARD: 10.00 from 1".to_owned()),
        Some("STANDARD: 10.00 from 1".to_owned()),
        None,
        None,
    ];
    assert_eq!(priced(&world, customer, "2026-03-10", &lines).await, expected);
    assert!(priced(&world, customer, "2026-03-10", &[]).await.is_empty());
}

#[tokio::test]
async fn the_customers_own_list_comes_before_the_default_one_while_it_holds() {
    let world = World::new().await;
    let (customer, other) = (world.customer(None).await, world.customer(None).await);
    let (chair, table) = (ProductId::new(), ProductId::new());
    let standard = list(&world, "STANDARD", json!({"is_default": true})).await;
    set(&world, standard, &[(chair, "0", "10"), (table, "0", "50"), (chair, "5", "1")]).await;
    let validity = json!({"valid_from": "2026-03-01", "valid_until": "2026-03-31"});
    let special = list(&world, "SPECIAL", validity).await;
    set(&world, special, &[(chair, "2", "7")]).await;
    own_list(&world, customer, special).await;
    let check = async |customer, on, lines: &[_], expected: &[&str]| {
        let found = priced(&world, customer, on, lines).await;
        let found: Vec<_> = found.into_iter().map(|line| line.expect("a price")).collect();
        assert_eq!(found, expected, "{on}");
    };
    let lines = [(chair, "2"), (table, "2"), (chair, "5")];
    let own = ["SPECIAL: 7.00 from 2", "STANDARD: 50.00 from 0", "SPECIAL: 7.00 from 2"];
    let standard = ["STANDARD: 10.00 from 0", "STANDARD: 50.00 from 0", "STANDARD: 1.00 from 5"];
    check(customer, "2026-03-01", &lines, &own).await;
    check(customer, "2026-03-31", &lines, &own).await;
    check(customer, "2026-02-28", &lines, &standard).await;
    check(customer, "2026-04-01", &lines, &standard).await;
    // Below its first break the own list has no price for the quantity.
    check(customer, "2026-03-10", &[(chair, "1")], &["STANDARD: 10.00 from 0"]).await;
    // Nobody else's list, and no list at all but the default, answers.
    check(other, "2026-03-10", &lines, &standard).await;
}

#[tokio::test]
async fn a_list_that_is_neither_default_nor_the_customers_answers_nobody() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let chair = ProductId::new();
    let idle = list(&world, "IDLE", json!({})).await;
    set(&world, idle, &[(chair, "0", "10")]).await;
    assert_eq!(priced(&world, customer, "2026-03-10", &[(chair, "1")]).await, [None]);
}

#[tokio::test]
async fn setting_prices_replaces_those_of_the_products_named() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let (chair, table) = (ProductId::new(), ProductId::new());
    let standard = list(&world, "STANDARD", json!({"is_default": true})).await;
    set(&world, standard, &[(chair, "0", "10"), (chair, "5", "9"), (table, "0", "50")]).await;
    set(&world, standard, &[(chair, "0", "11")]).await;
    let lines = [(chair, "5"), (table, "1")];
    let found = priced(&world, customer, "2026-03-10", &lines).await;
    let expected = ["STANDARD: 11.00 from 0", "STANDARD: 50.00 from 0"];
    assert_eq!(found, expected.map(|text| Some(text.to_owned())));
    let remove = serde_json::from_value(json!({"remove_product_ids": [chair]})).expect("removal");
    world.service.set_prices(&ctx(), standard, remove).await.expect("removed");
    let found = priced(&world, customer, "2026-03-10", &lines).await;
    assert_eq!(found, [None, Some("STANDARD: 50.00 from 0".to_owned())]);
}

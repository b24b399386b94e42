//! Each law finds what breaks it. Constraints stand in the way of that, so they are taken
//! down first.

use contracts::ids::OrderId;

use super::facts::Sold;
use super::receivables::{confirmed_of, invoice_of};
use super::world::{World, event, soon, today};
use kernel::events::Subscriber;

/// Breaks something and expects these laws to say so.
async fn check(world: &World, sql: &str, expected: &[&str]) {
    assert_eq!(world.broken_laws().await, Vec::<&str>::new(), "before {sql}");
    let wrote = world.sql(sql, vec![]).await.expect(sql);
    assert!(wrote > 0, "{sql} broke nothing");
    assert_eq!(world.broken_laws().await, expected, "{sql}");
}

#[tokio::test]
async fn a_projection_that_says_something_else_is_found() {
    for sql in [
        "UPDATE customer_credit SET held_minor = held_minor + 1",
        "UPDATE customer_credit SET uninvoiced_minor = uninvoiced_minor + 1",
        "UPDATE customer_credit SET open_receivables_minor = open_receivables_minor - 1",
    ] {
        let world = World::new().await;
        let customer = world.customer(None).await;
        world.hold(OrderId::new(), customer, 10, soon()).await.expect("held");
        check(&world, sql, &["B-11"]).await;
    }
    let world = World::new().await;
    world.customer(None).await;
    check(&world, "DELETE FROM customer_credit", &["B-11"]).await;
    for sql in [
        // Nothing to come of an order that is invoiced, and no other sum than its invoices'.
        "UPDATE customer_credit SET uninvoiced_minor = uninvoiced_minor + 1",
        "UPDATE credit_exposures SET wanted_micros = wanted_micros + 1",
        "UPDATE credit_exposures SET invoiced_minor = invoiced_minor + 1",
    ] {
        let world = World::new().await;
        let (customer, order) = (world.customer(None).await, OrderId::new());
        world.tell(&confirmed_of(order, customer, 145, &[3])).await.expect("heard");
        world.tell(&invoice_of(order, customer, 144, 3)).await.expect("heard");
        check(&world, sql, &["B-11"]).await;
    }
}

#[tokio::test]
async fn a_quotation_that_does_not_add_up_is_found() {
    for (sql, expected) in [
        (
            "UPDATE quotation_lines SET net_minor = net_minor + 1, total_minor = total_minor + 1",
            &["O-8"],
        ),
        ("UPDATE quotation_taxes SET tax_minor = tax_minor + 1", &["B-2"]),
        ("DELETE FROM quotation_taxes", &["B-2"]),
    ] {
        let world = World::new().await;
        let customer = world.customer(None).await;
        world.draft(customer, &["1", "2"], today(), today()).await;
        check(&world, sql, expected).await;
    }
    let world = World::new().await;
    let customer = world.customer(None).await;
    world.draft(customer, &["1"], today(), today()).await;
    check(&world, "DELETE FROM quotation_lines", &["O-8", "B-2"]).await;
}

#[tokio::test]
async fn a_converted_quotation_without_its_order_is_found() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    world.draft(customer, &["1"], today(), today()).await;
    world.sql("DROP TRIGGER quotations_machine", vec![]).await.expect("dropped");
    world.sql("PRAGMA ignore_check_constraints = ON", vec![]).await.expect("off");
    check(&world, "UPDATE quotations SET status = 'converted'", &["O-6"]).await;
}

#[tokio::test]
async fn more_credited_or_returned_than_sold_is_found() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    world.tell(&sold.shipped(&world, false).await).await.expect("heard");
    world.tell(&sold.credited(3, 3_240)).await.expect("heard");
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
    world.tell(&sold.credited(1, 0)).await.expect("heard");
    assert_eq!(world.broken_laws().await, ["B-3"]);

    let world = World::new().await;
    let sold = Sold::new(&world).await;
    world.hold(sold.order_id, sold.customer_id, 1, soon()).await.expect("held");
    world.tell(&sold.issued(2, 10)).await.expect("heard");
    let sql = "INSERT INTO sales_facts SELECT randomblob(16), 'returned', randomblob(16), 0, \
        document_id, customer_id, order_id, order_line_id, product_id, -quantity, currency, 0, \
        -11, occurred_on, created_at FROM sales_facts";
    check(&world, sql, &["V-5"]).await;
}

#[tokio::test]
async fn a_document_that_became_facts_twice_is_found() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    let shipped = sold.shipped(&world, false).await;
    // The same shipment in two events, which no module publishes.
    world.service.handle(&event(&shipped)).await.expect("heard");
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
    world.service.handle(&event(&shipped)).await.expect("heard");
    assert_eq!(world.broken_laws().await, ["L-6"]);
}

#[tokio::test]
async fn two_default_price_lists_are_found() {
    let world = World::new().await;
    world.sql("DROP INDEX price_lists_one_default", vec![]).await.expect("dropped");
    let sql = "INSERT INTO price_lists VALUES \
        (randomblob(16), 'A', 'A', 'EUR', NULL, NULL, TRUE, 1, '2026-01-01', '2026-01-01'), \
        (randomblob(16), 'B', 'B', 'EUR', NULL, NULL, TRUE, 1, '2026-01-01', '2026-01-01')";
    check(&world, sql, &["S3"]).await;
}

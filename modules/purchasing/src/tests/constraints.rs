//! What the database refuses, whoever asks.

use super::world::{World, bill, ctx};

/// Expects the database to refuse a statement with this message.
async fn check(world: &World, sql: &str, message: &str) {
    let error = world.sql(sql, vec![]).await.expect_err(sql);
    let told = test_support::words(format!("{error:?}"));
    assert!(told.contains(message), "{sql}: {told}");
}

/// A world with one order partly received and billed.
async fn partly() -> World {
    let world = World::new().await;
    let order = world.sent(&["5", "2"]).await;
    let line = order.lines[0].id;
    world.receive(order.id, &[(line, "3")]).await.expect("received");
    world.tell(&bill(order.id, &[(line, "1")])).await.expect("heard");
    world
}

#[tokio::test]
async fn counters_keep_their_laws() {
    let world = partly().await;
    let failed = "CHECK constraint failed";
    for sql in [
        "UPDATE purchase_order_lines SET received = ordered + 1",
        "UPDATE purchase_order_lines SET short_closed = ordered",
        "INSERT INTO billed_lines SELECT randomblob(16), id, 0 FROM purchase_order_lines",
        "INSERT INTO receipt_lines SELECT r.id, l.id, 0 FROM receipts r, purchase_order_lines l \
         WHERE l.position = 2",
        "UPDATE suppliers SET payment_terms_days = 121",
        "UPDATE purchase_orders SET receipt_status = 'most'",
        "UPDATE purchase_orders SET billing_status = 'most'",
        "UPDATE purchase_orders SET version = 0",
        "UPDATE purchase_orders SET is_closed_short = TRUE",
        "UPDATE purchase_orders SET closed_at = sent_at",
        "UPDATE purchase_orders SET cancelled_at = sent_at",
        "UPDATE purchase_orders SET sent_at = NULL",
        "UPDATE purchase_orders SET approved_at = NULL",
    ] {
        check(&world, sql, failed).await;
    }
    let grow = "received, short_closed and on_bills only grow";
    check(&world, "UPDATE purchase_order_lines SET received = 0", grow).await;
    check(&world, "UPDATE purchase_order_lines SET on_bills = 0", grow).await;
}

#[tokio::test]
async fn no_draft_makes_no_sense() {
    let world = World::new().await;
    world.draft(&["5"]).await;
    // They refuse every change, and come first.
    for trigger in ["purchase_order_lines_agreed", "purchase_order_lines_only_grow"] {
        world.sql(&format!("DROP TRIGGER {trigger}"), vec![]).await.expect("dropped");
    }
    for sql in [
        "UPDATE purchase_orders SET expected_on = '1999-01-01'",
        "UPDATE purchase_orders SET rounding_mode = 'never'",
        "UPDATE purchase_orders SET payment_terms_days = -1",
        "UPDATE purchase_orders SET total_minor = total_minor + 1",
        "UPDATE purchase_orders SET net_minor = -1, total_minor = tax_minor - 1",
        "UPDATE purchase_orders SET tax_minor = -1, total_minor = net_minor - 1",
        "UPDATE purchase_orders SET receipt_status = 'full'",
        "UPDATE purchase_order_lines SET position = 0",
        "UPDATE purchase_order_lines SET unit_decimals = 7",
        "UPDATE purchase_order_lines SET unit_price = -1",
        "UPDATE purchase_order_lines SET tax_rate = 1000001",
        "UPDATE purchase_order_lines SET total_minor = total_minor + 1",
        "UPDATE purchase_order_lines SET ordered = 0",
        "UPDATE purchase_order_lines SET received = -1",
        "UPDATE purchase_order_lines SET short_closed = -1",
        "UPDATE purchase_order_lines SET on_bills = -1",
        "UPDATE suppliers SET version = 0",
    ] {
        check(&world, sql, "CHECK constraint failed").await;
    }
}

#[tokio::test]
async fn only_the_transitions_of_the_machine_happen() {
    let world = World::new().await;
    let order = world.draft(&["5"]).await;
    let none = "no such transition of a purchase order";
    check(&world, "UPDATE purchase_orders SET status = 'sent'", none).await;
    let begin = "INSERT INTO purchase_orders SELECT randomblob(16), 'PO-X', 'approved', \
                 receipt_status, billing_status, supplier_id, supplier_name, \
                 payment_terms_days, warehouse_id, ordered_on, expected_on, currency, \
                 rounding_mode, net_minor, tax_minor, total_minor, created_at, sent_at, closed_at, \
                 cancelled_at, is_closed_short, version, created_at, updated_at \
                 FROM purchase_orders";
    check(&world, begin, "a purchase order begins as a draft").await;
    let never = "purchase orders are never deleted";
    check(&world, "DELETE FROM purchase_orders", never).await;
    world.service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
    check(&world, "UPDATE purchase_orders SET status = 'draft'", none).await;
    world.service.send_purchase_order(&ctx(), order.id).await.expect("sent");
    check(&world, "UPDATE purchase_orders SET status = 'draft'", none).await;
    let to_come = "something of the purchase order is still to come";
    let sql = "UPDATE purchase_orders SET status = 'received', receipt_status = 'full'";
    check(&world, sql, to_come).await;
    let sql = "UPDATE purchase_orders SET status = 'cancelled', cancelled_at = sent_at";
    check(&world, sql, to_come).await;
    world.receive_all(order.id).await.expect("received");
    check(&world, "UPDATE purchase_orders SET status = 'cancelled'", none).await;
    let sql = "UPDATE purchase_orders SET receipt_status = 'none'";
    check(&world, sql, "CHECK constraint failed").await;
}

#[tokio::test]
async fn goods_are_received_only_once_the_supplier_has_the_order() {
    let world = World::new().await;
    let order = world.draft(&["5"]).await;
    // It refuses the same and more, and comes first.
    world.sql("DROP TRIGGER purchase_orders_nothing_to_come", vec![]).await.expect("dropped");
    let none = "no such transition of a purchase order";
    for status in ["received", "closed"] {
        let sql = format!("UPDATE purchase_orders SET status = '{status}'");
        check(&world, &sql, none).await;
    }
    world.service.approve_purchase_order(&ctx(), order.id).await.expect("approved");
    check(&world, "UPDATE purchase_orders SET status = 'received'", none).await;
}

#[tokio::test]
async fn what_was_agreed_stays() {
    let world = partly().await;
    let agreed = "what was agreed does not change";
    for column in ["number", "supplier_name", "currency"] {
        let sql = format!("UPDATE purchase_orders SET {column} = 'X'");
        check(&world, &sql, agreed).await;
    }
    for set in [
        "supplier_id = randomblob(16)",
        "warehouse_id = randomblob(16)",
        "payment_terms_days = 15",
        "ordered_on = '2000-01-01'",
        "expected_on = '2999-01-01'",
        "rounding_mode = 'per_document'",
        "net_minor = net_minor + 1, total_minor = total_minor + 1",
        "tax_minor = tax_minor + 1, total_minor = total_minor + 1",
    ] {
        check(&world, &format!("UPDATE purchase_orders SET {set}"), agreed).await;
    }
    for set in [
        "purchase_order_id = randomblob(16)",
        "position = position + 10",
        "product_id = randomblob(16)",
        "sku = 'X'",
        "name = 'X'",
        "unit = 'X'",
        "unit_decimals = 2",
        "unit_price = 1",
        "tax_class = 'X'",
        "tax_rate = 1",
        "net_minor = net_minor + 1, total_minor = total_minor + 1",
        "tax_minor = tax_minor + 1, total_minor = total_minor + 1",
        "ordered = ordered + 1",
    ] {
        check(&world, &format!("UPDATE purchase_order_lines SET {set}"), agreed).await;
    }
    check(&world, "DELETE FROM purchase_order_lines", agreed).await;
    let sql = "INSERT INTO purchase_order_lines (id, purchase_order_id, position, product_id, \
               sku, name, unit, unit_decimals, unit_price, tax_class, tax_rate, net_minor, \
               tax_minor, total_minor, ordered, received, short_closed, on_bills) \
               SELECT randomblob(16), purchase_order_id, 9, product_id, sku, name, unit, \
               unit_decimals, unit_price, tax_class, tax_rate, net_minor, tax_minor, \
               total_minor, ordered, 0, 0, 0 FROM purchase_order_lines LIMIT 1";
    check(&world, sql, agreed).await;
    for set in ["number = 'X'", "currency = 'USD'"] {
        let message = "number and currency of a supplier do not change";
        check(&world, &format!("UPDATE suppliers SET {set}"), message).await;
    }
    check(&world, "DELETE FROM suppliers", "suppliers are never deleted").await;
}

#[tokio::test]
async fn receipts_and_bills_never_change() {
    let world = partly().await;
    for table in ["receipts", "receipt_lines", "billed_lines"] {
        let message = format!("{table} is append-only");
        check(&world, &format!("DELETE FROM {table}"), &message).await;
        let column = if table == "receipts" { "delivery_note = 'X'" } else { "quantity = 1" };
        check(&world, &format!("UPDATE {table} SET {column}"), &message).await;
    }
    let unique = "UNIQUE constraint failed";
    check(&world, "INSERT INTO billed_lines SELECT * FROM billed_lines", unique).await;

    let other = world.draft(&["1"]).await;
    let sql = "INSERT INTO receipts SELECT randomblob(16), 'GR-X', id, ordered_on, NULL, \
               created_at FROM purchase_orders WHERE status = 'draft'";
    check(&world, sql, "only what was sent is received").await;
    world.service.approve_purchase_order(&ctx(), other.id).await.expect("approved");
    world.service.send_purchase_order(&ctx(), other.id).await.expect("sent");
    let sql = "INSERT INTO receipt_lines SELECT r.id, l.id, 1000000 \
               FROM receipts r JOIN purchase_order_lines l \
               ON l.purchase_order_id <> r.purchase_order_id";
    check(&world, sql, "a receipt receives lines of its own order").await;
}

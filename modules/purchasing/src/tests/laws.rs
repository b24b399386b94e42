//! Each law finds what breaks it. Constraints stand in the way of that, so they are taken
//! down first.

use kernel::db::query_all;
use sea_orm::FromQueryResult;

use super::world::{World, bill};

#[derive(FromQueryResult)]
struct Named {
    name: String,
}

/// An order partly received and billed beside a draft, and nothing that guards them.
async fn unguarded() -> World {
    let world = World::new().await;
    let order = world.sent(&["5", "2"]).await;
    let line = order.lines[0].id;
    world.receive(order.id, &[(line, "3")]).await.expect("received");
    world.tell(&bill(order.id, &[(line, "1")])).await.expect("heard");
    world.draft(&["1"]).await;
    let sql = test_support::triggers(world.service.db.read());
    let triggers: Vec<Named> = query_all(world.service.db.read(), sql, vec![]).await.expect("read");
    for trigger in triggers {
        let drop = format!("DROP TRIGGER {}", trigger.name);
        world.sql(&drop, vec![]).await.expect("dropped");
    }
    world.sql("PRAGMA ignore_check_constraints = ON", vec![]).await.expect("off");
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
    world
}

#[tokio::test]
async fn each_law_finds_what_breaks_it() {
    let cases: &[(&str, &[&str])] = &[
        ("UPDATE purchase_order_lines SET received = 6000000 WHERE on_bills > 0", &["P-1", "P-2"]),
        ("UPDATE purchase_order_lines SET received = 4000000 WHERE on_bills > 0", &["P-2"]),
        ("UPDATE receipt_lines SET quantity = quantity + 1", &["P-2"]),
        ("DELETE FROM receipt_lines", &["P-2", "P-2b"]),
        (
            "UPDATE receipts SET purchase_order_id = \
             (SELECT id FROM purchase_orders WHERE status = 'draft')",
            &["P-2b"],
        ),
        (
            "UPDATE purchase_order_lines SET on_bills = -1000000 WHERE on_bills > 0",
            &["P-3", "P-3b"],
        ),
        ("UPDATE billed_lines SET quantity = quantity + 1", &["P-3b"]),
        ("UPDATE purchase_orders SET status = 'received'", &["P-10", "P-10c"]),
        ("UPDATE purchase_orders SET status = 'draft'", &["P-10", "P-10c"]),
        ("UPDATE purchase_orders SET status = 'approved'", &["P-10", "P-10c"]),
        ("UPDATE purchase_orders SET sent_at = NULL", &["P-10"]),
        ("UPDATE purchase_orders SET approved_at = NULL", &["P-10"]),
        ("UPDATE purchase_orders SET cancelled_at = sent_at", &["P-10"]),
        ("UPDATE purchase_orders SET receipt_status = 'none'", &["P-10b"]),
        ("UPDATE purchase_orders SET billing_status = 'billed'", &["P-10b"]),
        ("UPDATE purchase_order_lines SET short_closed = 1", &["P-10c"]),
        ("UPDATE purchase_orders SET net_minor = net_minor + 1", &["P-11"]),
        ("UPDATE purchase_orders SET total_minor = total_minor + 1", &["P-11"]),
        ("UPDATE purchase_order_lines SET tax_minor = tax_minor + 1", &["P-11"]),
        ("DELETE FROM purchase_order_lines WHERE position = 2", &["P-11"]),
    ];
    for (sql, expected) in cases {
        let world = unguarded().await;
        let touched = world.sql(sql, vec![]).await.expect(sql);
        assert!(touched > 0, "{sql} broke nothing");
        assert_eq!(world.broken_laws().await, *expected, "{sql}");
    }
}

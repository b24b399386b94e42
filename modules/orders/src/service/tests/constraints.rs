//! The database refuses what the rules would never ask for, and each law finds what breaks
//! it once the database is told to look away.

use contracts::ids::OrderId;
use kernel::db::execute;
use serde_json::json;
use test_support::{spell, triggers, words};

use super::world::{World, ctx};

/// An order in each state, one of them with a shipment and a return, one with a packed
/// shipment.
struct Orders {
    draft: OrderId,
    confirmed: OrderId,
    completed: OrderId,
}

async fn orders(world: &World) -> Orders {
    let draft = world.create(&[5], false).await;
    let confirmed = world.confirmed(&[5], false).await;
    let line = world.line(confirmed, 0).await;
    let some = json!({ "lines": [{ "order_line_id": line, "quantity": "2" }] });
    world.pack(confirmed, some).await.expect("packed");
    let completed = world.confirmed(&[5], false).await;
    world.ship_all(completed).await;
    let line = world.line(completed, 0).await;
    let back = json!([{ "order_line_id": line, "quantity": "1", "restock": true }]);
    world.take_back(completed, back).await.expect("taken back");
    Orders { draft, confirmed, completed }
}

async fn run(world: &World, sql: &str, order: OrderId) -> Result<(), String> {
    let tx = world.service.db.begin(&ctx()).await.expect("a transaction");
    let sql = sql.replace("ID", &format!("x'{}'", order.uuid().simple()));
    let sql = spell(&sql, &*tx);
    let done = execute(&*tx, sql, vec![]).await.map_err(words)?;
    assert!(done > 0, "nothing was touched");
    tx.commit().await.map_err(|error| error.to_string())
}

async fn drop_trigger(world: &World, name: &str) {
    let tx = world.service.db.begin(&ctx()).await.expect("a transaction");
    let sql = spell(&format!("DROP TRIGGER {name}"), &*tx);
    execute(&*tx, sql, vec![]).await.expect("dropped");
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn the_database_refuses_what_breaks_a_law() {
    let world = World::new().await;
    // Boxed, for the stack of a test is small.
    let orders = Box::pin(orders(&world)).await;
    let check = async |order: OrderId, sql: &str, why: &str| {
        let refusal = Box::pin(run(&world, sql, order)).await.expect_err(sql);
        assert!(refusal.contains(why), "{sql}: {refusal}");
    };
    let (draft, confirmed, completed) = (orders.draft, orders.confirmed, orders.completed);
    let line = "UPDATE order_lines SET";
    let of = "WHERE order_id = ID";

    // O-1: every counter at least nothing, and all of them no more than ordered.
    for counter in ["reserved", "backordered", "picked"] {
        check(draft, &format!("{line} {counter} = -1 {of}"), "CHECK").await;
    }
    for counter in ["reserved", "backordered", "shipped", "cancelled"] {
        check(draft, &format!("{line} {counter} = 6000000 {of}"), "CHECK").await;
    }
    let growing = ["shipped", "cancelled", "invoiced", "returned", "credited"];
    for counter in growing {
        check(draft, &format!("{line} {counter} = -1 {of}"), "only grow").await;
    }
    // O-2 to O-4: picked, returned, invoiced and credited are parts.
    check(confirmed, &format!("{line} picked = 6000000 {of}"), "CHECK").await;
    check(completed, &format!("{line} returned = 6000000 {of}"), "CHECK").await;
    check(completed, &format!("{line} invoiced = 6000000 {of}"), "CHECK").await;
    check(completed, &format!("{line} credited = 1 {of}"), "CHECK").await;
    check(completed, &format!("{line} shipped = 4000000 {of}"), "only grow").await;

    // Counters of what is over, and what was agreed.
    check(completed, &format!("{line} ordered = 6000000 {of}"), "does not change").await;
    check(draft, &format!("{line} unit_price = 1 {of}"), "does not change").await;
    check(confirmed, "DELETE FROM order_lines WHERE order_id = ID", "does not change").await;
    check(confirmed, "DELETE FROM order_taxes WHERE order_id = ID", "does not change").await;
    check(draft, "UPDATE order_taxes SET tax_minor = 1 WHERE order_id = ID", "does not").await;
    let copy_tax = "INSERT INTO order_taxes SELECT order_id, 'other', rate, base_minor, tax_minor \
                    FROM order_taxes WHERE order_id = ID";
    check(confirmed, copy_tax, "does not change").await;
    let copy_line = "INSERT INTO order_lines (id, order_id, position, product_id, sku, name, unit, \
        unit_decimals, unit_price, discount, tax_class, tax_rate, net_minor, tax_minor, \
        total_minor, ordered) SELECT randomblob(16), order_id, 2, product_id, sku, name, unit, \
        unit_decimals, unit_price, discount, tax_class, tax_rate, net_minor, tax_minor, \
        total_minor, ordered FROM order_lines WHERE order_id = ID";
    check(confirmed, copy_line, "does not change").await;
    let twice = copy_line.replace("order_id, 2,", "order_id, 1,");
    check(draft, &twice, "UNIQUE").await;

    let order = "UPDATE orders SET";
    let it = "WHERE id = ID";
    for change in [
        "customer = '{}'",
        "customer_reference = 'x'",
        "ordered_on = '2020-01-01'",
        "rounding_mode = 'per_document'",
        "net_minor = 0, total_minor = tax_minor",
    ] {
        check(confirmed, &format!("{order} {change} {it}"), "was agreed").await;
    }
    for change in [
        "invoiced_minor = -1",
        "credited_minor = 1",
        "paid_minor = -1",
        "refunded_minor = -1",
        "refunded_minor = 1",
        "total_minor = total_minor + 1",
        "status = 'confirmed'",
        "version = 0",
    ] {
        check(draft, &format!("{order} {change} {it}"), "CHECK").await;
    }
    check(draft, "DELETE FROM orders WHERE id = ID", "never deleted").await;

    // O-6 and O-7: only transitions of the table, and what is over holds nothing.
    let now = "strftime('%Y-%m-%dT%H:%M:%SZ')";
    let leap = format!("{order} status = 'completed', completed_at = {now} {it}");
    check(draft, &leap, "nothing open").await;
    check(confirmed, &leap, "nothing open").await;
    check(completed, &format!("{order} status = 'draft' {it}"), "no such transition").await;
    let cancel = format!("{order} status = 'cancelled', cancelled_at = {now} {it}");
    check(draft, &cancel, "nothing open").await;
    check(completed, &cancel, "no such transition").await;
    let born = "INSERT INTO orders SELECT randomblob(16), 'other', status, fulfilment_status, \
        billing_status, payment_status, randomblob(16), customer_id, customer, warehouse_id, \
        customer_reference, ordered_on, allow_backorder, prices_include_tax, currency, \
        rounding_mode, net_minor, tax_minor, total_minor, invoiced_minor, credited_minor, \
        paid_minor, confirmed_at, completed_at, cancelled_at, held_version, version, created_at, \
        updated_at, refunded_minor FROM orders WHERE id = ID";
    check(confirmed, born, "begins as a draft").await;

    // Shipments and returns.
    let shipment = "UPDATE shipments SET";
    check(confirmed, &format!("{shipment} status = 'delivered' {of}"), "no such").await;
    check(completed, &format!("{shipment} status = 'packed' {of}"), "no such").await;
    check(completed, &format!("{shipment} shipped_on = '2020-01-01' {of}"), "is done").await;
    check(completed, &format!("{shipment} shipped_at = NULL {of}"), "is done").await;
    check(confirmed, &format!("{shipment} shipped_at = {now} {of}"), "CHECK").await;
    check(confirmed, &format!("DELETE FROM shipments {of}"), "never deleted").await;
    let of_shipment = "WHERE shipment_id IN (SELECT id FROM shipments WHERE order_id = ID)";
    let lines = format!("UPDATE shipment_lines SET quantity = 1 {of_shipment}");
    check(confirmed, &lines, "append-only").await;
    check(confirmed, &format!("DELETE FROM shipment_lines {of_shipment}"), "append-only").await;
    let more = format!(
        "INSERT INTO shipment_lines SELECT shipment_id, randomblob(16), 1 FROM shipment_lines \
         {of_shipment}"
    );
    check(completed, &more, "is done").await;
    let shipped = "INSERT INTO shipments SELECT randomblob(16), 'other', order_id, status, \
        carrier, tracking_number, shipped_on, shipped_at, delivered_at, cancelled_at, version, \
        created_at, updated_at FROM shipments WHERE order_id = ID";
    check(completed, shipped, "begins packed").await;
    check(completed, &format!("UPDATE returns SET reason = 'x' {of}"), "append-only").await;
    check(completed, &format!("DELETE FROM returns {of}"), "append-only").await;
    let of_return = "WHERE return_id IN (SELECT id FROM returns WHERE order_id = ID)";
    let lines = format!("UPDATE return_lines SET quantity = 1 {of_return}");
    check(completed, &lines, "append-only").await;
    check(completed, &format!("DELETE FROM return_lines {of_return}"), "append-only").await;

    // The bound that the trigger stands before.
    drop_trigger(&world, "order_lines_only_grow").await;
    for counter in growing {
        check(draft, &format!("{line} {counter} = -1 {of}"), "CHECK").await;
    }
    world.assert_laws().await;
}

#[tokio::test]
async fn what_does_not_wait_is_promised_nothing() {
    let world = World::new().await;
    let order = world.confirmed(&[5], false).await;
    let promise = "UPDATE order_lines SET promised_on = '2026-12-01' WHERE order_id = ID";
    let refusal = run(&world, promise, order).await.expect_err("all of it is reserved");
    assert!(refusal.contains("does not wait"), "{refusal}");
    let waits = world.confirmed(&[103], true).await;
    run(&world, promise, waits).await.expect("some of it waits");
}

#[tokio::test]
async fn an_order_that_is_over_never_holds_anything_again() {
    let world = World::new().await;
    let order = world.confirmed(&[5], false).await;
    world.ok(world.service.cancel_order(&ctx(), order)).await;
    // It would refuse first.
    drop_trigger(&world, "order_lines_only_grow").await;
    let reopen = "UPDATE order_lines SET cancelled = 4000000, reserved = 1000000 \
                  WHERE order_id = ID";
    let refusal = run(&world, reopen, order).await.expect_err("it is over");
    assert!(refusal.contains("nothing open"), "{refusal}");
}

#[tokio::test]
async fn each_law_finds_what_breaks_it() {
    let breaks: &[(&str, &str)] = &[
        ("O-1", "UPDATE order_lines SET backordered = -1"),
        ("O-1", "UPDATE order_lines SET ordered = 0, cancelled = -5000000"),
        ("O-2", "UPDATE order_lines SET picked = picked + 1"),
        ("O-2", "UPDATE order_lines SET shipped = shipped + 1"),
        ("O-2", "DELETE FROM shipment_lines"),
        ("O-3", "UPDATE order_lines SET returned = returned + 1 WHERE returned > 0"),
        ("O-3", "DELETE FROM return_lines"),
        ("O-4", "UPDATE order_lines SET invoiced = shipped + 1"),
        ("O-4", "UPDATE order_lines SET credited = 1"),
        ("O-4", "UPDATE orders SET refunded_minor = credited_minor + 1"),
        ("O-5", "UPDATE orders SET fulfilment_status = 'partial'"),
        ("O-5", "UPDATE orders SET billing_status = 'billed'"),
        ("O-5", "UPDATE orders SET payment_status = 'paid'"),
        ("O-5", "UPDATE orders SET paid_minor = 1"),
        (
            "O-5",
            "UPDATE orders SET paid_minor = 1, refunded_minor = 1, payment_status = 'overpaid'",
        ),
        ("O-6", "UPDATE orders SET status = 'confirmed'"),
        ("O-6", "UPDATE orders SET status = 'draft'"),
        ("O-6", "UPDATE orders SET status = 'completed'"),
        ("O-6", "DELETE FROM order_lines"),
        ("O-7", "UPDATE orders SET status = 'cancelled' WHERE status = 'confirmed'"),
        ("O-8", "UPDATE orders SET net_minor = net_minor + 1"),
        ("O-8", "UPDATE order_lines SET tax_minor = tax_minor + 1"),
        ("O-8", "UPDATE order_taxes SET tax_minor = tax_minor + 1"),
        ("O-8", "DELETE FROM order_taxes"),
    ];
    let world = World::new().await;
    orders(&world).await;
    let tx = world.service.db.begin(&ctx()).await.expect("a transaction");
    let all: Vec<Trigger> =
        kernel::db::query_all(&*tx, triggers(&*tx), vec![]).await.expect("the triggers");
    for Trigger { name } in all {
        let sql = spell(&format!("DROP TRIGGER {name}"), &*tx);
        execute(&*tx, sql, vec![]).await.expect("dropped");
    }
    tx.commit().await.expect("committed");
    for pragma in ["ignore_check_constraints = ON", "foreign_keys = OFF"] {
        // Not inside a transaction: there SQLite ignores the second.
        let tx = world.service.db.begin(&ctx()).await.expect("a transaction");
        execute(&*tx, "COMMIT", vec![]).await.expect("ended");
        let sql = spell(&format!("PRAGMA {pragma}"), &*tx);
        execute(&*tx, sql, vec![]).await.expect("set");
        execute(&*tx, "BEGIN", vec![]).await.expect("begun");
        tx.commit().await.expect("committed");
    }
    assert_eq!(world.broken_laws().await, [""; 0]);
    for (law, sql) in breaks {
        let found = {
            let tx = world.service.db.begin(&ctx()).await.expect("a transaction");
            let spelled = spell(sql, &*tx);
            execute(&*tx, spelled, vec![]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let report = kernel::db::evaluate(&*tx, crate::service::laws::LAWS).await;
            let laws = report.expect("the laws run").laws.into_iter();
            laws.filter(|law| law.violations > 0).map(|law| law.id).collect::<Vec<_>>()
        };
        assert!(found.contains(law), "{sql} breaks {law}, found {found:?}");
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Trigger {
    name: String,
}

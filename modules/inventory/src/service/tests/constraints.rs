//! What the database itself refuses, and what the laws find where it is made not to.

use contracts::ids::OrderId;
use serde_json::json;

use super::bench::{Bench, ctx, request};

/// A little of everything: stock, an order shipped in part with a return, one that waits,
/// a reservation that has ended, and a reversal.
async fn populated() -> Bench {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    bench.receive(product, warehouse, 10, "1.00").await;
    let (order, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(order, &[(line, 4)], false).await.expect("there");
    bench.confirm(order, &[(line, 4, 0)]).await.expect("heard");
    bench.ship(order, &[(line, 3)]).await.expect("heard");
    bench.take_back(order, &[(line, 1, true)]).await.expect("heard");
    let (gone, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(gone, &[(line, 9)], true).await.expect("allowed");
    bench.cancel(gone).await.expect("heard");
    bench.adjust(product, warehouse, "-1").await.expect("available");
    let last = bench.moves().await.pop().expect("a move");
    let why = request(json!({ "reason": "found again" }));
    bench.service.reverse_move(&ctx(), last.id, why).await.expect("reversed");
    let (waits, line) = (OrderId::new(), bench.line(product, warehouse));
    bench.reserve(waits, &[(line, 9)], true).await.expect("allowed");
    bench.confirm(waits, &[(line, 7, 2)]).await.expect("heard");
    bench.assert_lawful().await;
    bench
}

/// Copies a row of a table, with some columns changed.
fn copy(table: &str, columns: &str, changed: &str, condition: &str) -> String {
    format!("INSERT INTO {table} ({columns}) SELECT {changed} FROM {table} WHERE {condition}")
}

const MOVE: &str = "id, kind, product_id, from_location, to_location, warehouse_id, quantity, \
    unit_cost, value_minor, currency, moved_on, source_type, \
    source_id, source_line_id, reason, reverses_id, created_at";

/// A copy of the receipt, under ids of its own, with some columns changed.
fn move_with(changes: &[(&str, &str)]) -> String {
    copy_with("stock_moves", MOVE, &["id", "source_line_id"], changes, "kind = 'receipt'")
}

/// A copy of one row with new `ids` and other `changes`.
fn copy_with(
    table: &str,
    columns: &str,
    ids: &[&str],
    changes: &[(&str, &str)],
    condition: &str,
) -> String {
    let select: Vec<_> = columns
        .split(", ")
        .map(|column| match changes.iter().find(|(name, _)| *name == column) {
            Some((_, value)) => (*value).to_owned(),
            None if ids.contains(&column) => "randomblob(16)".to_owned(),
            None => column.to_owned(),
        })
        .collect();
    copy(table, columns, &select.join(", "), &format!("{condition} LIMIT 1"))
}

const RESERVATION: &str = "id, order_id, order_line_id, product_id, warehouse_id, quantity, \
    remaining, status, expires_at, note, version, created_at, updated_at";
const BACKORDER: &str = "id, order_id, order_line_id, product_id, warehouse_id, quantity, \
    remaining, status, expires_at, version, created_at, updated_at";

#[tokio::test]
async fn the_database_refuses_what_breaks_a_law() {
    let bench = populated().await;
    let check = async |sql: &str, expected: &str| {
        let error = test_support::words(bench.sql(sql).await.expect_err(sql));
        assert!(error.contains(expected), "{sql}: {error}");
    };
    // Levels: I-3, I-5, V-4.
    let checked = "CHECK constraint failed";
    check("UPDATE stock_levels SET on_hand = -1, reserved = -1", checked).await;
    check("UPDATE stock_levels SET reserved = on_hand + 1", checked).await;
    check("UPDATE stock_levels SET reserved = -1", checked).await;
    check("UPDATE stock_levels SET backordered = -1", checked).await;
    check("UPDATE stock_levels SET value_minor = -1", checked).await;
    check("UPDATE stock_levels SET on_hand = 0, reserved = 0", checked).await;
    check("DELETE FROM stock_levels", "stock_levels are kept").await;
    let columns = "product_id, warehouse_id, id, on_hand, reserved, backordered, value_minor";
    let level = |changes| copy_with("stock_levels", columns, &["id"], changes, "true");
    check(&level(&[]), "UNIQUE constraint failed").await;
    let foreign = "FOREIGN KEY constraint failed";
    check(&level(&[("product_id", "randomblob(16)")]), foreign).await;
    check(&level(&[("warehouse_id", "randomblob(16)")]), foreign).await;

    // Moves: I-2, I-9, and each document once.
    check("UPDATE stock_moves SET reason = 'other'", "append-only").await;
    check("DELETE FROM stock_moves", "append-only").await;
    let customer = ("to_location", "'customer'");
    let nowhere = ("warehouse_id", "NULL");
    bench.sql(&move_with(&[])).await.expect("a whole copy is a move");
    for changes in [
        &[("kind", "'gift'")][..],
        &[("quantity", "0")],
        &[("value_minor", "-1")],
        &[("unit_cost", "-1")],
        &[("from_location", "'moon'")],
        &[("to_location", "'moon'"), nowhere],
        &[nowhere],
        &[customer],
        &[("from_location", "'warehouse'")],
        &[("from_location", "'customer'"), customer, nowhere],
    ] {
        check(&move_with(changes), checked).await;
    }
    check(&move_with(&[("product_id", "randomblob(16)")]), foreign).await;
    check(&move_with(&[("warehouse_id", "randomblob(16)")]), foreign).await;
    check(&move_with(&[("source_line_id", "source_line_id")]), "UNIQUE constraint failed").await;
    let mirrors = "a reversal mirrors its move";
    check(&move_with(&[("reverses_id", "id")]), mirrors).await;
    let reversal = |changes: &[(&str, &str)]| {
        let ids = ["id", "source_line_id"];
        copy_with("stock_moves", MOVE, &ids, changes, "reverses_id IS NOT NULL")
    };
    check(&reversal(&[]), "UNIQUE constraint failed").await;
    check(&reversal(&[("quantity", "quantity + 1")]), mirrors).await;
    check(&reversal(&[("value_minor", "value_minor + 1")]), mirrors).await;

    // Reservations and backorders: I-4, I-12.
    check("UPDATE reservations SET remaining = -1 WHERE status = 'active'", checked).await;
    check("UPDATE reservations SET remaining = quantity + 1 WHERE status = 'active'", checked)
        .await;
    check("UPDATE reservations SET remaining = 0 WHERE status = 'active'", checked).await;
    check("UPDATE reservations SET status = 'expired' WHERE status = 'active'", checked).await;
    check(
        "UPDATE reservations SET status = 'lost', remaining = 0 WHERE status = 'active'",
        checked,
    )
    .await;
    check("UPDATE reservations SET order_id = NULL WHERE status = 'active'", checked).await;
    check("UPDATE reservations SET note = 'x' WHERE status <> 'active'", "has ended").await;
    check("DELETE FROM reservations", "reservations are kept").await;
    check("UPDATE backorders SET remaining = -1 WHERE status = 'open'", checked).await;
    check("UPDATE backorders SET remaining = quantity + 1 WHERE status = 'open'", checked).await;
    check("UPDATE backorders SET status = 'filled' WHERE status = 'open'", checked).await;
    check("UPDATE backorders SET status = 'lost', remaining = 0 WHERE status = 'open'", checked)
        .await;
    check("UPDATE backorders SET version = 9 WHERE status <> 'open'", "has ended").await;
    check("DELETE FROM backorders", "backorders are kept").await;
    let reservation =
        |changes| copy_with("reservations", RESERVATION, &["id"], changes, "status = 'active'");
    let backorder =
        |changes| copy_with("backorders", BACKORDER, &["id"], changes, "status = 'open'");
    check(&reservation(&[]), "UNIQUE constraint failed").await;
    check(&backorder(&[]), "UNIQUE constraint failed").await;
    let elsewhere = [("order_line_id", "randomblob(16)"), ("warehouse_id", "randomblob(16)")];
    check(&reservation(&elsewhere), foreign).await;
    check(&backorder(&elsewhere), foreign).await;
}

#[tokio::test]
async fn every_law_finds_what_breaks_it() {
    let bench = populated().await;
    for guard in [
        "PRAGMA ignore_check_constraints = ON",
        "DROP INDEX reservations_one_a_line",
        "DROP TRIGGER stock_moves_no_update",
        "DROP TRIGGER stock_moves_no_delete",
        "DROP TRIGGER stock_moves_reversal_mirrors",
        "DROP TRIGGER reservations_end_once",
    ] {
        bench.write(guard).await;
    }
    let check = async |law: &str, sql: &str| {
        let broken = bench.broken_by(sql).await;
        assert!(broken.contains(&law), "{law}: {sql} broke {broken:?}");
        bench.assert_lawful().await;
    };
    check("I-1", "UPDATE stock_levels SET on_hand = on_hand + 1").await;
    check("I-1", &move_with(&[])).await;
    check("I-1", "UPDATE stock_moves SET quantity = quantity + 1 WHERE kind = 'issue'").await;
    check("I-2", "UPDATE stock_moves SET from_location = to_location").await;
    check("I-2", "UPDATE stock_moves SET warehouse_id = NULL WHERE kind = 'receipt'").await;
    check("I-2", "UPDATE stock_moves SET to_location = 'customer' WHERE kind = 'receipt'").await;
    check("I-3", "UPDATE stock_levels SET on_hand = -1").await;
    check("I-4", "UPDATE stock_levels SET reserved = reserved - 1").await;
    check(
        "I-4",
        "UPDATE reservations SET remaining = 1, status = 'active' \
        WHERE status = 'consumed' OR status = 'released'",
    )
    .await;
    check("I-4b", "UPDATE stock_levels SET backordered = 0").await;
    check("I-5", "UPDATE stock_levels SET reserved = on_hand + 1").await;
    check("I-5", "UPDATE stock_levels SET reserved = -1").await;
    check("I-9", "UPDATE stock_moves SET value_minor = 7 WHERE reverses_id IS NOT NULL").await;
    check("I-9", "UPDATE stock_moves SET from_location = 'scrap' WHERE reverses_id IS NOT NULL")
        .await;
    check("I-12", "UPDATE reservations SET remaining = 0 WHERE status = 'active'").await;
    check("I-12", "UPDATE reservations SET remaining = quantity + 1 WHERE status = 'active'").await;
    check("V-4", "UPDATE stock_levels SET value_minor = value_minor + 1").await;
    check("V-4", "UPDATE stock_moves SET value_minor = value_minor + 1 WHERE kind = 'issue'").await;
    check("V-4b", "UPDATE stock_levels SET on_hand = 0").await;
    check("V-4b", "UPDATE stock_levels SET value_minor = -1").await;
    check("V-5", "UPDATE stock_moves SET quantity = quantity * 4 WHERE kind = 'return'").await;
    check("V-5", "UPDATE stock_moves SET value_minor = 999 WHERE kind = 'return'").await;
    check("2.3-3", "UPDATE stock_levels SET reserved = reserved - 1").await;
}

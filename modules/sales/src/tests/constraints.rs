//! What the database itself refuses, whatever the code does.

use contracts::events::OrderConfirmed;
use contracts::ids::OrderId;

use super::facts::Sold;
use super::receivables::invoice;
use super::world::{World, euro, soon, today};

/// The statement is refused, and says why.
async fn refused(world: &World, sql: &str, reason: &str) {
    let error = world.sql(sql, vec![]).await.expect_err(sql);
    let text = test_support::words(format!("{error:?}"));
    assert!(text.contains(reason), "{sql}: {text}");
}

async fn accepted(world: &World, sql: &str) {
    assert!(world.sql(sql, vec![]).await.expect(sql) > 0, "{sql}");
}

#[tokio::test]
async fn facts_and_entries_are_never_changed_or_removed() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    world.tell(&sold.shipped(&world, false).await).await.expect("heard");
    world.tell(&invoice(sold.order_id, sold.customer_id, 10)).await.expect("heard");
    refused(&world, "UPDATE sales_facts SET net_minor = 0", "append-only").await;
    refused(&world, "DELETE FROM sales_facts", "append-only").await;
    refused(&world, "UPDATE receivable_entries SET amount_minor = 0", "append-only").await;
    refused(&world, "DELETE FROM receivable_entries", "append-only").await;
    let again = "INSERT INTO sales_facts SELECT randomblob(16), kind, source_event_id, line, \
        document_id, customer_id, order_id, order_line_id, product_id, quantity, currency, \
        net_minor, cost_minor, occurred_on, created_at FROM sales_facts";
    refused(&world, again, "UNIQUE").await;
    let again = "INSERT INTO receivable_entries SELECT randomblob(16), customer_id, kind, \
        document_id, amount_minor, occurred_on, created_at FROM receivable_entries";
    refused(&world, again, "UNIQUE").await;
}

#[tokio::test]
async fn a_fact_says_one_side_only_and_with_the_right_sign() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    world.tell(&sold.shipped(&world, false).await).await.expect("heard");
    let row = |kind: &str, quantity: i64, net: i64, cost: &str| {
        format!(
            "INSERT INTO sales_facts SELECT randomblob(16), '{kind}', randomblob(16), 0, \
             document_id, customer_id, order_id, order_line_id, product_id, {quantity}, currency, \
             {net}, {cost}, occurred_on, created_at FROM sales_facts WHERE line = 0 LIMIT 1"
        )
    };
    accepted(&world, &row("shipped", 1, 0, "NULL")).await;
    accepted(&world, &row("credited", -1, -1, "NULL")).await;
    accepted(&world, &row("cost", 1, 0, "1")).await;
    accepted(&world, &row("returned", -1, 0, "-1")).await;
    for wrong in [
        row("sold", 1, 1, "NULL"),
        row("shipped", 0, 1, "NULL"),
        row("shipped", 1, -1, "NULL"),
        row("shipped", 1, 1, "1"),
        row("credited", 1, -1, "NULL"),
        row("credited", -1, 1, "NULL"),
        row("credited", -1, -1, "0"),
        row("cost", 1, 1, "1"),
        row("cost", 1, 0, "NULL"),
        row("cost", 1, 0, "-1"),
        row("cost", -1, 0, "1"),
        row("returned", 1, 0, "-1"),
        row("returned", -1, 0, "1"),
        row("returned", -1, 0, "NULL"),
        row("returned", -1, 1, "-1"),
    ] {
        refused(&world, &wrong, "CHECK").await;
    }
}

#[tokio::test]
async fn credit_keeps_its_shape() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let (held, order) = (OrderId::new(), OrderId::new());
    world.hold(held, customer, 10, soon()).await.expect("held");
    let confirmed = OrderConfirmed {
        order_id: order,
        number: "SO-2026-000001".into(),
        customer_id: customer,
        total: euro(10),
        lines: vec![],
    };
    world.tell(&confirmed).await.expect("heard");
    let committed =
        |set: &str| format!("UPDATE credit_exposures SET {set} WHERE state = 'committed'");
    let back = "a committed exposure can only be released";
    refused(&world, &committed("state = 'held', expires_at = '2026-01-01'"), back).await;
    refused(&world, &committed("state = 'expired'"), back).await;
    refused(&world, &committed("expires_at = '2026-01-01'"), "CHECK").await;
    refused(&world, &committed("amount_minor = -1"), "CHECK").await;
    refused(&world, &committed("invoiced_minor = -1"), "CHECK").await;
    refused(&world, &committed("wanted_micros = -1"), "CHECK").await;
    refused(&world, &committed("invoiced_micros = -1"), "CHECK").await;
    refused(&world, "DELETE FROM credit_exposures", "keeps every order").await;
    let no_end = "UPDATE credit_exposures SET expires_at = NULL WHERE state = 'held'";
    refused(&world, no_end, "CHECK").await;
    refused(&world, "UPDATE credit_exposures SET state = 'lost' WHERE state = 'held'", "CHECK")
        .await;
    for set in [
        "limit_minor = -1",
        "held_minor = -1",
        "uninvoiced_minor = -1",
        "held_minor = 1000000000000000001",
        "uninvoiced_minor = 1000000000000000001",
        "open_receivables_minor = 1000000000000000001",
        "open_receivables_minor = -1000000000000000001",
        // Beyond an i64 SQLite would go on in floating point.
        "open_receivables_minor = 9223372036854775807 + 1",
    ] {
        refused(&world, &format!("UPDATE customer_credit SET {set}"), "CHECK").await;
    }
    let entry = |kind: &str, minor: i64| {
        format!(
            "INSERT INTO receivable_entries SELECT randomblob(16), customer_id, '{kind}', \
             randomblob(16), {minor}, '2026-01-01', '2026-01-01' FROM customer_credit"
        )
    };
    accepted(&world, &entry("payment", -1)).await;
    refused(&world, &entry("invoice", -1), "CHECK").await;
    refused(&world, &entry("credit_note", 1), "CHECK").await;
    refused(&world, &entry("gift", 1), "CHECK").await;
}

#[tokio::test]
async fn a_quotation_stands_once_it_is_sent() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    world.draft(customer, &["1", "2"], today(), today()).await;
    accepted(&world, "UPDATE quotations SET status = 'sent'").await;
    let line = "INSERT INTO quotation_lines SELECT randomblob(16), quotation_id, 9, product_id, \
        sku, name, unit, quantity, unit_price, price_list, discount, tax_class, tax_rate, \
        net_minor, tax_minor, total_minor FROM quotation_lines LIMIT 1";
    let stand = "stand once it is sent";
    refused(&world, line, stand).await;
    refused(&world, "UPDATE quotation_lines SET unit_price = 0", stand).await;
    refused(&world, "DELETE FROM quotation_lines", stand).await;
    let tax = "INSERT INTO quotation_taxes SELECT quotation_id, 'zero', 0, 0, 0 \
        FROM quotation_taxes";
    refused(&world, tax, stand).await;
    refused(&world, "UPDATE quotation_taxes SET rate = 0", stand).await;
    refused(&world, "DELETE FROM quotation_taxes", stand).await;
    for set in [
        "number = 'QU-1'",
        "warehouse_id = randomblob(16)",
        "customer_id = randomblob(16)",
        "quoted_on = '2020-01-01'",
        "valid_until = '2999-01-01'",
        "currency = 'USD'",
        "prices_include_tax = TRUE",
        "rounding_mode = 'per_document'",
        "net_minor = 0, total_minor = tax_minor",
        "tax_minor = 0, total_minor = net_minor",
    ] {
        refused(&world, &format!("UPDATE quotations SET {set}"), stand).await;
    }
    refused(&world, "DELETE FROM quotations", "are kept").await;
    accepted(&world, "UPDATE quotations SET customer = '{}'").await;
    accepted(&world, "UPDATE quotations SET status = 'accepted'").await;
    refused(&world, "UPDATE quotations SET customer = '{ }'", "once it is decided").await;
    refused(&world, "UPDATE quotations SET status = 'converted'", "CHECK").await;
    let convert = "UPDATE quotations SET status = 'converted', order_id = randomblob(16), \
        order_number = 'SO-1'";
    accepted(&world, convert).await;
    refused(&world, "UPDATE quotations SET order_id = randomblob(16)", "becomes one order").await;
}

#[tokio::test]
async fn a_quotation_goes_only_where_its_machine_leads() {
    let all = ["draft", "sent", "accepted", "rejected", "expired", "cancelled", "converted"];
    let ways = [
        ("draft", "sent"),
        ("draft", "cancelled"),
        ("sent", "accepted"),
        ("sent", "rejected"),
        ("sent", "expired"),
        ("sent", "cancelled"),
        ("accepted", "converted"),
    ];
    let world = World::new().await;
    let customer = world.customer(None).await;
    for from in all {
        for to in all.into_iter().filter(|to| *to != from) {
            let id = world.draft(customer, &["1"], today(), today()).await;
            // Put into `from` by the shortest way there is.
            let path: &[&str] = match from {
                "draft" => &[],
                "sent" | "cancelled" => &[from],
                "converted" => &["sent", "accepted", "converted"],
                _ => &["sent", from],
            };
            for status in path {
                step(&world, id, status).await.expect("a way of the machine");
            }
            let allowed = ways.contains(&(from, to));
            assert_eq!(step(&world, id, to).await.is_ok(), allowed, "{from} to {to}");
        }
    }
}

async fn step(world: &World, id: contracts::ids::QuotationId, to: &str) -> kernel::Result<u64> {
    let order = match to {
        "converted" => ", order_id = randomblob(16), order_number = 'SO-1'",
        _ => "",
    };
    let sql = format!("UPDATE quotations SET status = '{to}'{order} WHERE id = $1");
    world.sql(&sql, vec![id.into()]).await
}

#[tokio::test]
async fn rows_that_make_no_sense_are_refused() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    world.draft(customer, &["1"], today(), today()).await;
    for (sql, reason) in [
        ("UPDATE customers SET payment_terms_days = 121", "CHECK"),
        ("UPDATE customers SET payment_terms_days = -1", "CHECK"),
        ("UPDATE customers SET price_list_id = randomblob(16)", "FOREIGN KEY"),
        ("UPDATE quotations SET valid_until = '2000-01-01'", "CHECK"),
        ("UPDATE quotations SET total_minor = total_minor + 1", "CHECK"),
        ("UPDATE quotations SET order_number = 'SO-1'", "CHECK"),
        ("UPDATE quotations SET rounding_mode = 'never'", "CHECK"),
        ("UPDATE quotation_lines SET quantity = 0", "CHECK"),
        ("UPDATE quotation_lines SET unit_price = -1", "CHECK"),
        ("UPDATE quotation_lines SET discount = 1000001", "CHECK"),
        ("UPDATE quotation_lines SET total_minor = total_minor + 1", "CHECK"),
        ("UPDATE quotation_taxes SET rate = 1000001", "CHECK"),
    ] {
        refused(&world, sql, reason).await;
    }
    let list = |code: &str, from: &str, until: &str, default: &str| {
        format!(
            "INSERT INTO price_lists VALUES (randomblob(16), '{code}', 'A', 'EUR', {from}, \
             {until}, {default}, 1, '2026-01-01', '2026-01-01')"
        )
    };
    accepted(&world, &list("A", "NULL", "NULL", "TRUE")).await;
    refused(&world, &list("A", "NULL", "NULL", "FALSE"), "UNIQUE").await;
    refused(&world, &list("B", "NULL", "NULL", "TRUE"), "UNIQUE").await;
    refused(&world, &list("B", "'2026-02-01'", "'2026-01-01'", "FALSE"), "CHECK").await;
    let price = |product: &str, from: i64, price: i64| {
        format!(
            "INSERT INTO prices SELECT randomblob(16), id, {product}, {from}, {price} FROM price_lists"
        )
    };
    let chair = "x'00000000000000000000000000000001'";
    accepted(&world, &price(chair, 0, 1)).await;
    refused(&world, &price(chair, 0, 2), "UNIQUE").await;
    refused(&world, &price(chair, -1, 2), "CHECK").await;
    refused(&world, &price(chair, 1, -1), "CHECK").await;
}

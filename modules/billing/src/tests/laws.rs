//! Each law finds what breaks it: with the constraints switched off, the damage is done and
//! counted.

use std::collections::BTreeSet;

use sea_orm::DatabaseConnection;

use crate::service::laws::{LAWS, check_laws};
use crate::tests::support::{populated, run_raw};

/// Damage, and the law that finds it: its id and the beginning of its description.
const DAMAGE: &[(&str, &str, &str)] = &[
    ("B-1", "a document's net", "UPDATE invoices SET net_minor = net_minor + 1"),
    ("B-1", "a document's net", "UPDATE invoices SET tax_minor = tax_minor + 1"),
    ("B-1", "a document's net", "UPDATE invoices SET total_minor = total_minor + 1"),
    ("B-1", "a document's net", "UPDATE credit_notes SET net_minor = net_minor + 1"),
    ("B-1", "a document's net", "UPDATE credit_notes SET tax_minor = tax_minor + 1"),
    ("B-1", "a document's net", "UPDATE bills SET net_minor = net_minor + 1"),
    ("B-1", "a document's net", "UPDATE bills SET tax_minor = tax_minor + 1"),
    ("B-1", "a document's net", "DELETE FROM bill_lines"),
    ("B-3", "what is credited of an invoice line", "DELETE FROM credit_note_lines"),
    (
        "B-3",
        "what is credited of an invoice line",
        "UPDATE invoice_lines SET credited_quantity = credited_quantity + 1",
    ),
    (
        "B-3",
        "what is credited of an invoice line",
        "UPDATE invoice_lines SET credited_net_minor = credited_net_minor + 1",
    ),
    (
        "B-3",
        "what is credited of an invoice line",
        "UPDATE invoice_lines SET credited_tax_minor = credited_tax_minor + 1",
    ),
    (
        "B-3",
        "what is credited of an invoice line",
        "UPDATE invoice_lines SET quantity = 1 WHERE credited_quantity > 0",
    ),
    (
        "B-3",
        "what is credited of an invoice is",
        "UPDATE invoices SET credit_notes_minor = credit_notes_minor + 1",
    ),
    (
        "B-3",
        "what is credited of an invoice is",
        "UPDATE invoices SET credited_minor = credited_minor + 1",
    ),
    (
        "B-3",
        "what is credited of an invoice is",
        "UPDATE invoices SET total_minor = 1 WHERE credit_notes_minor > 0",
    ),
    ("B-4", "what is open of an invoice", "UPDATE invoices SET applied_minor = applied_minor + 1"),
    ("B-4", "what is open of an invoice", "UPDATE invoices SET total_minor = applied_minor - 1"),
    ("B-4", "what is open of a bill", "UPDATE bills SET applied_minor = applied_minor + 1"),
    ("B-4", "what is open of a bill", "UPDATE bills SET total_minor = applied_minor - 1"),
    ("B-5", "a payment's allocations", "UPDATE payments SET applied_minor = applied_minor + 1"),
    ("B-5", "a payment's allocations", "UPDATE payments SET amount_minor = applied_minor - 1"),
    (
        "B-5",
        "an allocation is taken back",
        "UPDATE payment_allocations SET amount_minor = amount_minor + 1 \
         WHERE reverses_id IS NOT NULL",
    ),
    (
        "B-5",
        "an allocation is taken back",
        "UPDATE payment_allocations SET invoice_id = NULL, bill_id = (SELECT id FROM bills LIMIT 1) \
         WHERE reverses_id IS NOT NULL",
    ),
    (
        "B-5",
        "an allocation is taken back",
        "DROP INDEX payment_allocations_reversed_once; UPDATE payment_allocations SET \
         reverses_id = (SELECT reverses_id FROM payment_allocations \
         WHERE reverses_id IS NOT NULL ORDER BY reverses_id LIMIT 1) \
         WHERE reverses_id IS NOT NULL",
    ),
    (
        "B-5",
        "an allocation is taken back",
        "DELETE FROM payment_allocations WHERE reverses_id IS NOT NULL",
    ),
    (
        "B-5",
        "a credit note's credit",
        "UPDATE credit_note_uses SET credit_minor = credit_minor + 1",
    ),
    (
        "B-5",
        "a credit note's credit",
        "UPDATE credit_note_uses SET applied_minor = applied_minor + 1",
    ),
    ("B-5", "a credit note's credit", "UPDATE invoices SET customer_id = shipment_id"),
    ("B-5", "a credit note's credit", "UPDATE invoices SET currency = 'USD'"),
    ("B-6", "what was paid back", "UPDATE payments SET refunded_minor = refunded_minor + 1"),
    ("B-6", "what was paid back", "UPDATE payments SET amount_minor = refunded_minor - 1"),
    ("B-6", "what was paid back", "UPDATE refunds SET customer_id = id"),
    ("B-6", "what was paid back", "UPDATE refunds SET reversed_on = NULL, reversal_reason = NULL"),
    (
        "B-6",
        "what was paid back",
        "UPDATE refunds SET reversed_on = refunded_on, reversal_reason = 'X'",
    ),
    ("B-6", "what was paid back", "DELETE FROM refunds WHERE credit_note_id IS NOT NULL"),
    ("B-6", "what was paid back", "UPDATE credit_note_uses SET credit_minor = 1"),
    ("B-7", "the numbers of a series", "UPDATE invoices SET seq = seq + 1 WHERE seq = 3"),
    ("B-7", "the numbers of a series", "UPDATE credit_notes SET seq = seq + 1 WHERE seq = 2"),
    ("B-7", "the numbers of a series", "UPDATE invoices SET seq = 0 WHERE seq = 1"),
    ("B-7", "the numbers of a series", "UPDATE number_series SET last = last + 1"),
    ("B-7", "the dates of a series", "UPDATE invoices SET issued_on = '2000-01-01' WHERE seq = 3"),
    (
        "B-7",
        "the dates of a series",
        "UPDATE credit_notes SET issued_on = '2000-01-01' WHERE seq = 2",
    ),
    ("B-8", "every issued document", "UPDATE invoices SET prev_hash = 'x' WHERE seq = 1"),
    ("B-8", "every issued document", "UPDATE invoices SET hash = 'x' WHERE seq = 1"),
    ("B-8", "every issued document", "UPDATE credit_notes SET prev_hash = 'x' WHERE seq = 2"),
    ("B-8", "the hash", "UPDATE invoices SET prev_hash = 'x' WHERE seq = 1"),
    ("B-8", "the hash", "UPDATE invoices SET due_on = '2000-01-01' WHERE seq = 1"),
    ("B-8", "the hash", "UPDATE invoices SET customer = replace(customer, 'Nord', 'Ost')"),
    ("B-8", "the hash", "UPDATE invoices SET rounding_mode = 'per_line'"),
    ("B-8", "the hash", "UPDATE invoice_lines SET name = name || '!'"),
    ("B-8", "the hash", "UPDATE invoice_lines SET unit_price = unit_price + 1"),
    ("B-8", "the hash", "UPDATE credit_notes SET reason = 'another'"),
    ("B-8", "the hash", "UPDATE credit_note_lines SET quantity = quantity + 1"),
    (
        "B-10",
        "receivables",
        "UPDATE account_balances SET debit_minor = debit_minor + 1 WHERE account = '1100'",
    ),
    ("B-10", "receivables", "UPDATE payments SET applied_minor = 0 WHERE direction = 'incoming'"),
    ("B-10", "receivables", "UPDATE credit_notes SET applied_minor = 0"),
    ("B-10", "receivables", "UPDATE credit_note_uses SET refunded_minor = 0"),
    ("B-10", "receivables", "UPDATE payments SET refunded_minor = 0"),
    ("B-10", "receivables", "UPDATE payments SET reversed_on = NULL, reversal_reason = NULL"),
    (
        "B-10",
        "payables",
        "UPDATE account_balances SET debit_minor = debit_minor + 1 WHERE account = '2000'",
    ),
    ("B-10", "payables", "UPDATE payments SET applied_minor = 0 WHERE direction = 'outgoing'"),
    ("B-10", "a bill counts", "UPDATE bills SET posted_on = '9999-12-31'"),
    ("B-10", "a bill counts", "UPDATE journal_entries SET entry_on = '9999-12-31'"),
    ("L-1", "every journal entry", "DELETE FROM journal_lines WHERE position > 1"),
    (
        "L-1",
        "every journal entry",
        "UPDATE journal_lines SET debit_minor = debit_minor + 1 WHERE debit_minor > 0",
    ),
    ("L-2", "a journal line", "UPDATE journal_lines SET credit_minor = 1 WHERE debit_minor > 0"),
    ("L-2", "a journal line", "UPDATE journal_lines SET debit_minor = 0, credit_minor = 0"),
    ("L-2", "a journal line", "UPDATE journal_lines SET debit_minor = -debit_minor"),
    ("L-2", "a journal line", "DELETE FROM journal_entries"),
    (
        "L-3",
        "the trial balance",
        "UPDATE account_balances SET credit_minor = credit_minor + 1 WHERE account = '4000'",
    ),
    (
        "L-3",
        "the trial balance",
        "UPDATE account_balances SET debit_minor = debit_minor + 1, \
         credit_minor = credit_minor + 1 WHERE account = '4000'",
    ),
    ("L-5", "nothing was posted", "UPDATE journal_entries SET entry_on = '2000-01-31'"),
    (
        "L-5",
        "nothing was posted",
        "UPDATE journal_entries SET entry_on = '1999-12-31', exception_reason = 'why not'",
    ),
    ("L-5", "nothing was posted", "UPDATE period_locks SET through = '9998-12-31'"),
    ("L-6", "every issued", "DELETE FROM journal_entries WHERE source_type = 'invoice'"),
    ("L-6", "every issued", "DELETE FROM journal_entries WHERE source_type = 'credit_note'"),
    ("L-6", "every issued", "DELETE FROM journal_entries WHERE source_type = 'payment'"),
    ("L-6", "every issued", "DELETE FROM journal_entries WHERE source_type = 'payment_reversal'"),
    ("L-6", "every issued", "DELETE FROM journal_entries WHERE source_type = 'refund'"),
    ("L-6", "every issued", "DELETE FROM journal_entries WHERE source_type = 'refund_reversal'"),
    ("L-6", "every issued", "DELETE FROM journal_entries WHERE source_type = 'bill'"),
    ("P-3", "what is billed", "UPDATE purchase_order_lines SET billed = billed + 1"),
    ("P-3", "what is billed", "UPDATE purchase_order_lines SET received = 0"),
    ("P-4", "goods received", "UPDATE goods_received SET relieved_minor = relieved_minor + 1"),
    ("P-4", "goods received", "UPDATE goods_received SET quantity = billed"),
    (
        "P-4",
        "goods received",
        "UPDATE account_balances SET debit_minor = debit_minor + 1 WHERE account = '2100'",
    ),
    (
        "P-8",
        "a supplier's invoice",
        "DROP INDEX bills_once; UPDATE bills SET supplier_invoice_number = 'R-1'",
    ),
];

/// What breaks a law now.
async fn violations(raw: &DatabaseConnection, id: &str, description: &str) -> i64 {
    let laws = check_laws(raw).await.expect("the laws are counted").laws;
    let found = laws.iter().find(|l| l.id == id && l.description.starts_with(description));
    found.unwrap_or_else(|| panic!("no law {id} {description}")).violations
}

#[tokio::test]
async fn every_law_finds_what_breaks_it() {
    let books = populated().await;
    let raw = books.raw().await;
    drop_triggers(&raw).await;
    run_raw(&raw, "PRAGMA foreign_keys = OFF").await.expect("a pragma");
    run_raw(&raw, "PRAGMA ignore_check_constraints = ON").await.expect("a pragma");
    books.assert_laws().await;
    for (id, description, damage) in DAMAGE {
        run_raw(&raw, "BEGIN").await.expect("a transaction");
        run_raw(&raw, damage).await.expect("the damage is done");
        let found = violations(&raw, id, description).await;
        assert!(found > 0, "{id} does not see {damage}");
        run_raw(&raw, "ROLLBACK").await.expect("rolled back");
    }
    books.assert_laws().await;
}

/// Every column of an issued document, and its value changed.
const SEALED: &[(&str, &str, &[&str])] = &[
    (
        "invoices",
        "WHERE number IS NOT NULL",
        &[
            "id = randomblob(16)",
            "number = number || '!'",
            "order_id = randomblob(16)",
            "order_number = order_number || '!'",
            "shipment_id = randomblob(16)",
            "shipment_number = shipment_number || '!'",
            "shipped_on = '2000-01-01'",
            "customer_id = randomblob(16)",
            "customer = replace(customer, 'Nord', 'Ost')",
            "payment_terms_days = payment_terms_days + 1",
            "issued_on = '2000-01-01'",
            "due_on = '2000-01-01'",
            "currency = 'USD'",
            "prices_include_tax = NOT prices_include_tax",
            "rounding_mode = 'per_line'",
            "rounding = 'half_even'",
            "net_minor = net_minor + 1",
            "tax_minor = tax_minor + 1",
            "total_minor = total_minor + 1",
            "prev_hash = prev_hash || '!'",
            "hash = hash || '!'",
        ],
    ),
    (
        "invoice_lines",
        "",
        &[
            "id = randomblob(16)",
            "position = position + 10",
            "order_line_id = randomblob(16)",
            "product_id = randomblob(16)",
            "sku = sku || '!'",
            "name = name || '!'",
            "unit = unit || '!'",
            "quantity = quantity + 1",
            "unit_price = unit_price + 1",
            "discount = discount + 1",
            "tax_class = tax_class || '!'",
            "tax_rate = tax_rate + 1",
            "net_minor = net_minor + 1",
            "tax_minor = tax_minor + 1",
        ],
    ),
    (
        "credit_notes",
        "",
        &[
            "id = randomblob(16)",
            "number = number || '!'",
            "invoice_id = randomblob(16)",
            "invoice_number = invoice_number || '!'",
            "order_id = randomblob(16)",
            "order_number = order_number || '!'",
            "customer_id = randomblob(16)",
            "customer = replace(customer, 'Nord', 'Ost')",
            "issued_on = '2000-01-01'",
            "reason = reason || '!'",
            "currency = 'USD'",
            "prices_include_tax = NOT prices_include_tax",
            "rounding_mode = 'per_line'",
            "net_minor = net_minor + 1",
            "tax_minor = tax_minor + 1",
            "total_minor = total_minor + 1",
            "applied_minor = applied_minor + 1",
            "prev_hash = prev_hash || '!'",
            "hash = hash || '!'",
        ],
    ),
    (
        "credit_note_lines",
        "",
        &[
            "id = randomblob(16)",
            "position = position + 10",
            "invoice_line_id = randomblob(16)",
            "quantity = quantity + 1",
            "net_minor = net_minor + 1",
            "tax_minor = tax_minor + 1",
        ],
    ),
];

/// B-8: one flipped byte of an issued document is found, wherever it is.
#[tokio::test]
async fn a_change_to_any_column_of_an_issued_document_is_found() {
    let books = populated().await;
    let raw = books.raw().await;
    drop_triggers(&raw).await;
    run_raw(&raw, "PRAGMA foreign_keys = OFF").await.expect("a pragma");
    run_raw(&raw, "PRAGMA ignore_check_constraints = ON").await.expect("a pragma");
    for (table, which, changes) in SEALED {
        for change in *changes {
            let damage = format!("UPDATE {table} SET {change} {which}");
            run_raw(&raw, "BEGIN").await.expect("a transaction");
            run_raw(&raw, &damage).await.expect(&damage);
            assert!(violations(&raw, "B-8", "the hash").await > 0, "{damage} is not seen");
            run_raw(&raw, "ROLLBACK").await.expect("rolled back");
        }
    }
}

/// Without its triggers a database lets itself be damaged.
pub(super) async fn drop_triggers(raw: &DatabaseConnection) {
    for name in trigger_names(raw).await {
        run_raw(raw, &format!("DROP TRIGGER {name}")).await.expect("a trigger less");
    }
}

pub(super) async fn trigger_names(raw: &DatabaseConnection) -> BTreeSet<String> {
    #[derive(sea_orm::FromQueryResult)]
    struct Name {
        name: String,
    }
    let sql = test_support::triggers(raw);
    let rows: Vec<Name> = kernel::db::query_all(raw, sql, vec![]).await.expect("names");
    rows.into_iter().map(|row| row.name).collect()
}

#[test]
fn every_law_is_damaged_by_something() {
    for law in LAWS {
        let damaged =
            DAMAGE.iter().any(|(id, start, _)| law.id == *id && law.description.starts_with(start));
        assert!(damaged, "{} {}", law.id, law.description);
    }
}

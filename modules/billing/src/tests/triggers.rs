//! The database itself refuses what must not be: each trigger, each CHECK and each unique
//! index is tried past the code that would not ask for it.

use std::collections::BTreeSet;

use crate::tests::laws::{drop_triggers, trigger_names};
use crate::tests::support::{populated, run_raw};

/// A fresh 16-byte key, in SQL.
const NEW: &str = "randomblob(16)";

/// The trigger, what it must refuse, and its words.
fn refusals() -> Vec<(&'static str, String, &'static str)> {
    let all = |table: &str, set: &str| format!("UPDATE {table} SET {set}");
    // A draft made an issued invoice, but for one thing.
    let issue = |seq: &str, day: &str, prev: &str| {
        let last = "(SELECT MAX(seq) FROM invoices)";
        let prev =
            prev.replace("{last}", &format!("(SELECT hash FROM invoices WHERE seq = {last})"));
        format!(
            "UPDATE invoices SET status = 'issued', number = 'INV-X', \
             series = (SELECT MAX(series) FROM invoices), seq = {last} + {seq}, \
             issued_on = '{day}', due_on = '{day}', prev_hash = {prev}, hash = 'a new one' \
             WHERE status = 'draft'"
        )
    };
    let copy = |table: &str, columns: &str, values: &str, which: &str| {
        format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE {which}")
    };
    let note = |seq: &str, day: &str, prev: &str, net: &str| {
        let columns = "id, number, series, seq, invoice_id, invoice_number, order_id, \
            order_number, customer_id, customer, issued_on, reason, currency, \
            prices_include_tax, rounding_mode, net_minor, tax_minor, total_minor, \
            applied_minor, prev_hash, hash, created_at";
        let values = format!(
            "{NEW}, 'CN-X', series, seq + {seq}, invoice_id, invoice_number, order_id, \
             order_number, customer_id, customer, '{day}', reason, currency, \
             prices_include_tax, rounding_mode, {net}, 0, {net}, 0, {prev}, 'a new one', created_at"
        );
        copy("credit_notes", columns, &values, "seq = 2")
    };
    let bill = |status: &str, net: &str| {
        let columns = "id, number, status, supplier_id, supplier_name, supplier_invoice_number, \
            purchase_order_id, purchase_order_number, billed_on, due_on, currency, \
            rounding_mode, net_minor, tax_minor, total_minor, applied_minor, exceptions, \
            version, created_at, updated_at";
        let values = format!(
            "{NEW}, 'BILL-X', '{status}', supplier_id, supplier_name, 'R-X', purchase_order_id, \
             purchase_order_number, billed_on, due_on, currency, rounding_mode, {net}, 0, {net}, \
             0, exceptions, 1, created_at, updated_at"
        );
        copy("bills", columns, &values, "supplier_invoice_number = 'R-1'")
    };
    let mirror = |amount: &str, reverses_id: &str| {
        let columns = "id, payment_id, invoice_id, bill_id, amount_minor, reverses_id, reason, \
            created_at";
        let values = format!(
            "{NEW}, payment_id, invoice_id, bill_id, {amount}, {reverses_id}, 'X', created_at"
        );
        copy("payment_allocations", columns, &values, "reverses_id IS NULL AND bill_id IS NOT NULL")
    };
    let paid_back = |customer_id: &str, on: &str| {
        let columns = "id, number, customer_id, payment_id, credit_note_id, method, refunded_on, \
            reason, currency, amount_minor, created_at";
        let values = format!(
            "{NEW}, 'RF-X', {customer_id}, payment_id, credit_note_id, method, {on}, reason, \
             currency, amount_minor, created_at"
        );
        copy("refunds", columns, &values, "payment_id IS NOT NULL")
    };
    let line = |table: &str, owner: &str, columns: &str| {
        format!(
            "INSERT INTO {table} (id, {owner}, position, {columns}) \
             SELECT {NEW}, {owner}, position + 100, {columns} FROM {table} LIMIT 1"
        )
    };
    let entry = |id: &str| {
        format!(
            "INSERT INTO journal_entries (id, number, entry_on, source_type, source_id, \
             description, currency, created_at) VALUES ({id}, 'JE-X', '2026-01-01', 'payment', \
             {NEW}, 'a try', 'EUR', '2026-01-01')"
        )
    };
    let dated = |on: &str, exception: &str| {
        format!(
            "PRAGMA defer_foreign_keys = ON; INSERT INTO journal_lines (entry_id, position, \
             account, debit_minor, credit_minor) VALUES (x'01', 1, '1000', 5, 0), \
             (x'01', 2, '4000', 0, 5); INSERT INTO journal_entries (id, number, entry_on, \
             source_type, source_id, description, currency, created_at, exception_reason) \
             VALUES (x'01', 'JE-X', {on}, 'payment', {NEW}, 'a try', 'EUR', '2026-01-01', \
             {exception})"
        )
    };
    let lock = |through: &str, kind: &str, status: &str| {
        let columns = "id, through, kind, status, reason, closed_at, version, updated_at";
        let values = format!("{NEW}, {through}, {kind}, {status}, 'X', closed_at, 1, updated_at");
        copy("period_locks", columns, &values, "kind = 'hard'")
    };
    let reopen = |set: &str, through: &str| {
        format!(
            "UPDATE period_locks SET {set} status = 'reopened', reopened_at = closed_at, \
             reopen_reason = 'X' WHERE through = '{through}'"
        )
    };
    let invoice_line_columns = "order_line_id, product_id, sku, name, unit, quantity, unit_price, \
        discount, tax_class, tax_rate, net_minor, tax_minor, credited_quantity, \
        credited_net_minor, credited_tax_minor";
    let bill_line_columns = "product_id, sku, name, unit, quantity, unit_price, tax_class, \
        tax_rate, net_minor, tax_minor";
    let (today, past) = ("9999-01-01", "2000-01-01");
    let future = today;
    vec![
        (
            "invoices_begin_as_draft",
            copy(
                "invoices",
                "id, status, order_id, order_number, shipment_id, shipment_number, shipped_on, \
             customer_id, customer, payment_terms_days, currency, prices_include_tax, \
             rounding_mode, rounding, net_minor, tax_minor, total_minor, applied_minor, \
             credited_minor, credit_notes_minor, version, created_at, updated_at",
                &format!(
                    "{NEW}, 'discarded', order_id, order_number, {NEW}, shipment_number, shipped_on, \
                 customer_id, customer, payment_terms_days, currency, prices_include_tax, \
                 rounding_mode, rounding, 0, 0, 0, 0, 0, 0, 1, created_at, updated_at"
                ),
                "status = 'draft'",
            ),
            "begins as a draft",
        ),
        (
            "invoices_no_delete",
            "DELETE FROM invoices WHERE status = 'draft'".into(),
            "never deleted",
        ),
        ("invoices_content_stays", all("invoices", "customer = '{}'"), "content of an invoice"),
        (
            "invoices_content_stays",
            all("invoices", "net_minor = net_minor + 1, total_minor = total_minor + 1"),
            "content of an invoice",
        ),
        (
            "invoices_content_stays",
            all("invoices", "customer = '{}', status = 'draft' WHERE status = 'discarded'"),
            "content of an invoice",
        ),
        (
            "invoices_issued_stay",
            all("invoices", "due_on = '9999-12-31' WHERE status = 'issued'"),
            "an issued invoice never changes",
        ),
        (
            "invoices_issued_stay",
            all("invoices", "version = 9 WHERE status = 'discarded'"),
            "an issued invoice never changes",
        ),
        (
            "invoices_issued_stay",
            all("invoices", "applied_minor = 0 WHERE status = 'issued' AND applied_minor > 0"),
            "an issued invoice never changes",
        ),
        ("invoices_issue_in_order", issue("2", future, "{last}"), "have no gap"),
        ("invoices_issue_in_order", issue("1", past, "{last}"), "do not go back"),
        ("invoices_issue_in_order", issue("1", future, "'x'"), "continues the chain"),
        (
            "invoices_issue_in_order",
            format!(
                "UPDATE invoice_lines SET net_minor = 0 WHERE 0; DROP TRIGGER invoice_lines_stay; \
                 UPDATE invoice_lines SET net_minor = net_minor + 1; {}",
                issue("1", future, "{last}")
            ),
            "the sum of its lines",
        ),
        (
            "invoices_redraft_sums",
            all(
                "invoices",
                "status = 'draft', net_minor = net_minor + 1, total_minor = total_minor + 1 \
                 WHERE status = 'discarded'",
            ),
            "the sum of its lines",
        ),
        (
            "invoice_lines_only_of_drafts",
            format!(
                "INSERT INTO invoice_lines (id, invoice_id, position, {invoice_line_columns}) \
                 SELECT {NEW}, (SELECT id FROM invoices WHERE status = 'issued' LIMIT 1), 9, \
                 {invoice_line_columns} FROM invoice_lines LIMIT 1"
            ),
            "gets no more lines",
        ),
        (
            "invoice_lines_no_delete",
            "DELETE FROM invoice_lines WHERE credited_quantity = 0".into(),
            "never deleted",
        ),
        ("invoice_lines_stay", all("invoice_lines", "sku = 'X'"), "line never changes"),
        (
            "invoice_lines_stay",
            all(
                "invoice_lines",
                "tax_rate = tax_rate + 1 WHERE invoice_id IN \
                 (SELECT id FROM invoices WHERE status = 'draft')",
            ),
            "line never changes",
        ),
        (
            "invoice_lines_stay",
            all(
                "invoice_lines",
                "quantity = quantity + 1 WHERE invoice_id IN \
                 (SELECT id FROM invoices WHERE status = 'discarded')",
            ),
            "line never changes",
        ),
        (
            "invoice_lines_stay",
            all("invoice_lines", "credited_quantity = 0 WHERE credited_quantity > 0"),
            "line never changes",
        ),
        ("credit_notes_in_order", note("2", future, "hash", "0"), "have no gap"),
        ("credit_notes_in_order", note("1", past, "hash", "0"), "do not go back"),
        ("credit_notes_in_order", note("1", future, "'x'", "0"), "continues the chain"),
        ("credit_notes_in_order", note("1", future, "hash", "5"), "the sum of its lines"),
        ("credit_notes_no_update", all("credit_notes", "reason = 'X'"), "never changes"),
        ("credit_notes_no_delete", "DELETE FROM credit_notes".into(), "never deleted"),
        (
            "credit_note_lines_before_their_note",
            format!(
                "INSERT INTO credit_note_lines (id, credit_note_id, position, invoice_line_id, \
                 quantity, net_minor, tax_minor) SELECT {NEW}, (SELECT id FROM credit_notes \
                 LIMIT 1), 9, (SELECT id FROM invoice_lines WHERE credited_quantity = 0 LIMIT 1), \
                 1, 0, 0"
            ),
            "gets no more lines",
        ),
        ("credit_note_lines_no_update", all("credit_note_lines", "quantity = 1"), "never changes"),
        ("credit_note_lines_no_delete", "DELETE FROM credit_note_lines".into(), "never deleted"),
        ("purchase_orders_no_update", all("purchase_orders", "number = 'X'"), "never changes"),
        ("purchase_orders_no_delete", "DELETE FROM purchase_orders".into(), "never deleted"),
        (
            "purchase_order_lines_stay",
            all("purchase_order_lines", "unit_price = unit_price + 1"),
            "never changes",
        ),
        (
            "purchase_order_lines_stay",
            all("purchase_order_lines", "received = received - 1"),
            "never changes",
        ),
        (
            "purchase_order_lines_no_delete",
            "DELETE FROM purchase_order_lines".into(),
            "never deleted",
        ),
        (
            "goods_received_grow",
            all("goods_received", "value_minor = value_minor - 1"),
            "only grow",
        ),
        ("goods_received_no_delete", "DELETE FROM goods_received".into(), "never deleted"),
        ("bills_sum_of_lines", bill("approved", "0"), "begins unapproved"),
        ("bills_sum_of_lines", bill("matched", "5"), "the sum of its lines"),
        ("bills_content_stays", all("bills", "due_on = '9999-12-31'"), "content of a bill"),
        (
            "bills_approved_stay",
            all("bills", "exceptions = '[{}]' WHERE status = 'approved'"),
            "approved or rejected bill",
        ),
        (
            "bills_approved_stay",
            all("bills", "status = 'matched' WHERE status = 'rejected'"),
            "approved or rejected bill",
        ),
        ("bills_no_delete", "DELETE FROM bills".into(), "never deleted"),
        (
            "bill_lines_before_their_bill",
            line("bill_lines", "bill_id", &format!("purchase_order_line_id, {bill_line_columns}")),
            "gets no more lines",
        ),
        ("bill_lines_no_update", all("bill_lines", "sku = 'X'"), "never changes"),
        ("bill_lines_no_delete", "DELETE FROM bill_lines".into(), "never deleted"),
        ("payments_stay", all("payments", "received_on = '2000-01-01'"), "payment never changes"),
        (
            "payments_stay",
            all("payments", "applied_minor = applied_minor - 1"),
            "payment never changes",
        ),
        ("payments_no_delete", "DELETE FROM payments".into(), "never deleted"),
        (
            "payments_stay",
            all("payments", "version = version + 1 WHERE reversed_on IS NOT NULL"),
            "payment never changes",
        ),
        ("payment_allocations_mirror", mirror("amount_minor + 1", "id"), "mirrors what"),
        ("payment_allocations_mirror", mirror("amount_minor", NEW), "mirrors what"),
        (
            "payment_allocations_no_update",
            all("payment_allocations", "amount_minor = 1"),
            "never changes",
        ),
        (
            "payment_allocations_no_delete",
            "DELETE FROM payment_allocations".into(),
            "never deleted",
        ),
        (
            "payments_stay",
            all("payments", "refunded_minor = 0 WHERE refunded_minor > 0"),
            "payment never changes",
        ),
        (
            "credit_note_uses_begin",
            "INSERT INTO credit_note_uses (credit_note_id, credit_minor, applied_minor, \
             refunded_minor) SELECT id, total_minor + 1, 0, 0 FROM credit_notes \
             WHERE id NOT IN (SELECT credit_note_id FROM credit_note_uses)"
                .into(),
            "what its note left",
        ),
        ("credit_note_uses_grow", all("credit_note_uses", "applied_minor = 0"), "stays used"),
        ("credit_note_uses_grow", all("credit_note_uses", "refunded_minor = 0"), "stays used"),
        (
            "credit_note_uses_grow",
            all("credit_note_uses", "credit_minor = credit_minor + 1"),
            "stays used",
        ),
        ("credit_note_uses_no_delete", "DELETE FROM credit_note_uses".into(), "stays used"),
        (
            "credit_allocations_of_one_customer",
            copy(
                "credit_allocations",
                "id, credit_note_id, invoice_id, amount_minor, created_at",
                &format!("{NEW}, credit_note_id, {NEW}, amount_minor, created_at"),
                "amount_minor > 0",
            ),
            "of its customer",
        ),
        (
            "credit_allocations_no_update",
            all("credit_allocations", "amount_minor = 1"),
            "never changes",
        ),
        ("credit_allocations_no_delete", "DELETE FROM credit_allocations".into(), "never deleted"),
        ("refunds_of_their_source", paid_back(NEW, "refunded_on"), "whose credit it was"),
        (
            "refunds_of_their_source",
            paid_back("customer_id", "'1999-01-01'"),
            "whose credit it was",
        ),
        ("refunds_stay", all("refunds", "reason = 'X'"), "never changes"),
        (
            "refunds_stay",
            all("refunds", "reversed_on = '9999-01-01' WHERE reversed_on IS NOT NULL"),
            "never changes",
        ),
        ("refunds_no_delete", "DELETE FROM refunds".into(), "never deleted"),
        ("journal_entries_balance", entry(NEW), "at least two lines"),
        (
            "journal_entries_balance",
            format!(
                "PRAGMA defer_foreign_keys = ON; INSERT INTO journal_lines (entry_id, position, \
                 account, debit_minor, credit_minor) VALUES (x'01', 1, '1000', 5, 0), \
                 (x'01', 2, '4000', 0, 4); {}",
                entry("x'01'")
            ),
            "entry balances",
        ),
        ("journal_entries_in_open_periods", dated("'1999-12-31'", "'why not'"), "period is closed"),
        ("journal_entries_in_open_periods", dated("'2000-01-31'", "NULL"), "period is closed"),
        ("period_locks_go_on", lock("'2000-02-29'", "'soft'", "'reopened'"), "begins closed"),
        ("period_locks_go_on", lock("'2000-01-30'", "'soft'", "'closed'"), "not closed again"),
        ("period_locks_go_on", lock("'1999-12-31'", "'hard'", "'closed'"), "not closed again"),
        ("period_locks_stay", all("period_locks", "through = '1999-01-01'"), "else stays"),
        ("period_locks_stay", reopen("reason = 'X',", "2000-01-31"), "else stays"),
        ("period_locks_stay", reopen("", "2000-03-31"), "else stays"),
        (
            "period_locks_reopen_backwards",
            format!("{}; {}", lock("'2000-02-29'", "'soft'", "'closed'"), reopen("", "2000-01-31")),
            "reopened first",
        ),
        ("period_locks_no_delete", "DELETE FROM period_locks".into(), "never deleted"),
        (
            "bills_posted_once",
            all("bills", "posted_on = '9999-12-31' WHERE status = 'approved'"),
            "posted once",
        ),
        ("journal_entries_no_update", all("journal_entries", "description = 'X'"), "append-only"),
        ("journal_entries_no_delete", "DELETE FROM journal_entries".into(), "append-only"),
        (
            "journal_lines_before_their_entry",
            "INSERT INTO journal_lines (entry_id, position, account, debit_minor, credit_minor) \
             SELECT id, 9, '1000', 5, 0 FROM journal_entries LIMIT 1"
                .into(),
            "gets no more lines",
        ),
        ("journal_lines_no_update", all("journal_lines", "account = '1000'"), "append-only"),
        ("journal_lines_no_delete", "DELETE FROM journal_lines".into(), "append-only"),
    ]
}

#[tokio::test]
async fn every_trigger_refuses_and_without_it_nothing_does() {
    let books = populated().await;
    let raw = books.raw().await;
    let refusals = refusals();
    let common = ["audit_log_", "events_", "number_series_"];
    let own: BTreeSet<_> = trigger_names(&raw)
        .await
        .into_iter()
        .filter(|name| !common.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    let tried: BTreeSet<_> = refusals.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(own, tried);
    for (trigger, sql, words) in &refusals {
        run_raw(&raw, "BEGIN").await.expect("a transaction");
        let error = run_raw(&raw, sql).await.expect_err(sql);
        assert!(error.contains(words), "{trigger}: {error}");
        run_raw(&raw, "ROLLBACK").await.expect("rolled back");

        run_raw(&raw, "BEGIN").await.expect("a transaction");
        run_raw(&raw, &format!("DROP TRIGGER {trigger}")).await.expect("a trigger less");
        if let Err(error) = run_raw(&raw, sql).await {
            assert!(!error.contains(words), "{trigger} is not alone: {error}");
        }
        run_raw(&raw, "ROLLBACK").await.expect("rolled back");
    }
    books.assert_laws().await;
}

/// With the triggers gone, each of these is refused by a CHECK or a unique index.
const CONSTRAINED: &[&str] = &[
    "UPDATE tax_rates SET rate = 1000001",
    "UPDATE tax_rates SET code = 'same'",
    "UPDATE invoices SET status = 'paid'",
    "UPDATE invoices SET shipment_id = (SELECT shipment_id FROM invoices LIMIT 1)",
    "UPDATE invoices SET number = 'same' WHERE number IS NOT NULL",
    "UPDATE invoices SET seq = 1 WHERE number IS NOT NULL",
    "UPDATE invoices SET hash = 'same' WHERE number IS NOT NULL",
    "UPDATE invoices SET total_minor = total_minor + 1",
    "UPDATE invoices SET net_minor = -1, total_minor = tax_minor - 1",
    "UPDATE invoices SET applied_minor = -1",
    "UPDATE invoices SET applied_minor = total_minor + 1 WHERE status = 'issued'",
    "UPDATE invoices SET credited_minor = total_minor + 1 WHERE status = 'issued'",
    "UPDATE invoices SET credit_notes_minor = total_minor + 1",
    "UPDATE invoices SET credit_notes_minor = credited_minor - 1",
    "UPDATE invoices SET status = 'settled' WHERE status = 'issued'",
    "UPDATE invoices SET status = 'issued' WHERE status = 'settled'",
    "UPDATE invoices SET status = 'issued' WHERE status = 'draft'",
    "UPDATE invoices SET status = 'draft' WHERE status = 'issued'",
    "UPDATE invoices SET issued_on = NULL WHERE number IS NOT NULL",
    "UPDATE invoices SET due_on = NULL WHERE number IS NOT NULL",
    "UPDATE invoices SET series = NULL WHERE number IS NOT NULL",
    "UPDATE invoices SET seq = NULL WHERE number IS NOT NULL",
    "UPDATE invoices SET hash = NULL WHERE number IS NOT NULL",
    "UPDATE invoices SET prev_hash = NULL WHERE number IS NOT NULL",
    "UPDATE invoices SET applied_minor = 1 WHERE status = 'draft'",
    "UPDATE invoice_lines SET quantity = 0",
    "UPDATE invoice_lines SET credited_quantity = quantity + 1",
    "UPDATE invoice_lines SET credited_net_minor = net_minor + 1",
    "UPDATE invoice_lines SET credited_tax_minor = tax_minor + 1",
    "UPDATE invoice_lines SET credited_quantity = quantity",
    "UPDATE credit_notes SET number = 'same'",
    "UPDATE credit_notes SET seq = 1",
    "UPDATE credit_notes SET applied_minor = total_minor + 1",
    "UPDATE credit_notes SET total_minor = total_minor + 1",
    "UPDATE credit_note_lines SET quantity = 0",
    "UPDATE purchase_order_lines SET billed = received + overridden + 1",
    "UPDATE purchase_order_lines SET billed = -1",
    "UPDATE goods_received SET billed = quantity",
    "UPDATE goods_received SET relieved_minor = -1",
    "UPDATE bills SET status = 'open'",
    "UPDATE bills SET supplier_invoice_number = 'same'",
    "UPDATE bills SET number = 'same'",
    "UPDATE bills SET applied_minor = total_minor + 1",
    "UPDATE bills SET total_minor = total_minor + 1",
    "UPDATE bills SET due_on = '1999-01-01'",
    "UPDATE bills SET status = 'settled' WHERE status = 'approved'",
    "UPDATE bills SET status = 'approved' WHERE status = 'settled'",
    "UPDATE bills SET applied_minor = 1 WHERE status = 'matched'",
    "UPDATE bill_lines SET quantity = 0",
    "UPDATE payments SET amount_minor = 0, applied_minor = 0",
    "UPDATE payments SET applied_minor = amount_minor + 1",
    "UPDATE payments SET direction = 'outgoing' WHERE direction = 'incoming'",
    "UPDATE payments SET supplier_id = customer_id WHERE direction = 'incoming'",
    "UPDATE payments SET customer_id = NULL WHERE direction = 'incoming'",
    "UPDATE payments SET external_key = 'same'",
    "UPDATE payments SET number = 'same'",
    "UPDATE payments SET reversed_on = '1999-01-01' WHERE reversed_on IS NOT NULL",
    "UPDATE payments SET applied_minor = 1 WHERE reversed_on IS NOT NULL",
    "UPDATE payments SET reversal_reason = NULL WHERE reversed_on IS NOT NULL",
    "UPDATE payments SET reversal_reason = 'X' WHERE reversed_on IS NULL",
    "UPDATE payments SET refunded_minor = -1",
    "UPDATE payments SET refunded_minor = amount_minor - applied_minor + 1",
    "UPDATE payments SET refunded_minor = 1 WHERE reversed_on IS NOT NULL",
    "UPDATE credit_note_uses SET applied_minor = credit_minor - refunded_minor + 1",
    "UPDATE credit_note_uses SET applied_minor = -1",
    "UPDATE credit_note_uses SET refunded_minor = -1",
    "UPDATE credit_note_uses SET credit_minor = 0, applied_minor = 0, refunded_minor = 0",
    "UPDATE credit_allocations SET amount_minor = 0",
    "UPDATE refunds SET amount_minor = 0",
    "UPDATE refunds SET number = 'same'",
    "UPDATE refunds SET external_key = 'same'",
    "UPDATE refunds SET payment_id = NULL, credit_note_id = NULL",
    "UPDATE refunds SET reversed_on = '1999-01-01' WHERE reversed_on IS NOT NULL",
    "UPDATE refunds SET reversal_reason = NULL WHERE reversed_on IS NOT NULL",
    "UPDATE refunds SET reversal_reason = 'X' WHERE reversed_on IS NULL",
    "UPDATE payment_allocations SET amount_minor = 0",
    "UPDATE payment_allocations SET reason = 'X' WHERE reverses_id IS NULL",
    "UPDATE payment_allocations SET reason = NULL WHERE reverses_id IS NOT NULL",
    "UPDATE payment_allocations SET reverses_id = (SELECT id FROM payment_allocations LIMIT 1), \
        reason = 'X'",
    "UPDATE payment_allocations SET bill_id = (SELECT id FROM bills LIMIT 1)",
    "UPDATE payment_allocations SET invoice_id = NULL, bill_id = NULL",
    "UPDATE account_balances SET debit_minor = -1",
    "UPDATE account_balances SET credit_minor = 9223372036854775807",
    "UPDATE account_balance_parts SET debit_minor = -1",
    "UPDATE account_balance_parts SET credit_minor = 9223372036854775807",
    "UPDATE account_balance_parts SET part = 16",
    "UPDATE journal_entries SET number = 'same'",
    "UPDATE journal_entries SET document_on = entry_on",
    "UPDATE bills SET posted_on = '1999-01-01'",
    "UPDATE period_locks SET kind = 'firm'",
    "UPDATE period_locks SET status = 'open'",
    "UPDATE period_locks SET kind = 'hard' WHERE status = 'reopened'",
    "UPDATE period_locks SET reopened_at = NULL WHERE status = 'reopened'",
    "UPDATE period_locks SET reopen_reason = NULL WHERE status = 'reopened'",
    "UPDATE period_locks SET reopen_reason = 'X' WHERE status = 'closed'",
    "UPDATE period_locks SET through = '1990-01-01', kind = 'soft' WHERE status = 'closed'",
    "UPDATE journal_entries SET source_type = 'payment', source_id = x'01'",
    "UPDATE journal_lines SET debit_minor = -debit_minor",
    "UPDATE journal_lines SET debit_minor = 1, credit_minor = 1",
    "UPDATE journal_lines SET debit_minor = 0, credit_minor = 0",
    "UPDATE journal_lines SET account = '9999'",
    "DELETE FROM journal_entries",
];

#[tokio::test]
async fn constraints_refuse_without_any_trigger() {
    let books = populated().await;
    let raw = books.raw().await;
    drop_triggers(&raw).await;
    for sql in CONSTRAINED {
        let error = run_raw(&raw, sql).await.expect_err(sql);
        assert!(error.contains("constraint failed"), "{sql}: {error}");
    }
    books.assert_laws().await;
}

//! The books: the domain's laws L-1 to L-3, L-6 and B-10, from the journal's lines. What
//! L-4 says (posted rows are final) is tried in billing's own tests of its triggers.

use super::Check;

pub const CHECKS: &[Check] = &[
    Check {
        law: "L-1, an entry's debit is its credit",
        broken: "SELECT number AS broken FROM billing.journal_entries e WHERE ( \
                SELECT COALESCE(SUM(debit_minor) - SUM(credit_minor), 1) \
                FROM billing.journal_lines l WHERE l.entry_id = e.id) <> 0",
        fault: "UPDATE billing.journal_lines SET debit_minor = debit_minor + 1 \
            WHERE debit_minor > 0",
    },
    Check {
        law: "L-2, a line is a debit or a credit, of an entry",
        broken: "SELECT format('%s/%s', entry_id, position) AS broken \
            FROM billing.journal_lines l LEFT JOIN billing.journal_entries e ON e.id = entry_id \
            WHERE e.id IS NULL OR LEAST(debit_minor, credit_minor) <> 0 \
            OR GREATEST(debit_minor, credit_minor) <= 0",
        fault: "UPDATE billing.journal_lines SET credit_minor = debit_minor",
    },
    Check {
        law: "L-3, an account's balance is that of its lines",
        broken: "SELECT format('%s: %s, lines %s', account, balance, sum) AS broken FROM ( \
                SELECT account, ARRAY[SUM(debit_minor), SUM(credit_minor)] AS balance FROM ( \
                    SELECT account, debit_minor, credit_minor FROM billing.account_balances \
                    UNION ALL SELECT account, debit_minor, credit_minor \
                    FROM billing.account_balance_parts) p GROUP BY account) b \
            LEFT JOIN (SELECT account, ARRAY[SUM(debit_minor), SUM(credit_minor)] AS sum \
                FROM billing.journal_lines GROUP BY account) l USING (account) \
            WHERE balance <> COALESCE(sum, ARRAY[0::numeric, 0])",
        fault: "UPDATE billing.account_balance_parts SET credit_minor = credit_minor + 1",
    },
    Check {
        law: "L-3, the trial balance is nothing",
        broken: "SELECT SUM(debit_minor - credit_minor)::text AS broken FROM ( \
                SELECT debit_minor, credit_minor FROM billing.account_balances \
                UNION ALL SELECT debit_minor, credit_minor \
                FROM billing.account_balance_parts) p HAVING SUM(debit_minor - credit_minor) <> 0",
        fault: "UPDATE billing.account_balance_parts SET debit_minor = debit_minor + 1",
    },
    Check {
        law: "L-6, what happened is in the journal once, and nothing else is",
        broken: "SELECT format('%s %s: %s entries', source_type, source_id, COUNT(e.id)) \
                AS broken FROM ( \
                SELECT 'invoice' AS source_type, id AS source_id FROM billing.invoices \
                    WHERE number IS NOT NULL AND total_minor > 0 \
                UNION ALL SELECT 'credit_note', id FROM billing.credit_notes \
                    WHERE total_minor > 0 \
                UNION ALL SELECT 'payment', id FROM billing.payments \
                UNION ALL SELECT 'refund', id FROM billing.refunds \
                UNION ALL SELECT 'refund_reversal', id FROM billing.refunds \
                    WHERE reversed_on IS NOT NULL \
                UNION ALL SELECT 'payment_reversal', id FROM billing.payments \
                    WHERE reversed_on IS NOT NULL \
                UNION ALL SELECT 'bill', id FROM billing.bills \
                    WHERE status IN ('approved', 'settled') AND total_minor > 0) d \
            FULL JOIN (SELECT * FROM billing.journal_entries WHERE source_type IN \
                ('invoice', 'credit_note', 'payment', 'payment_reversal', 'refund', \
                'refund_reversal', 'bill')) e \
                USING (source_type, source_id) \
            GROUP BY source_type, source_id, d.source_id HAVING COUNT(e.id) <> 1 \
            OR COUNT(*) <> 1 OR BOOL_OR(d.source_id IS NULL)",
        fault: "DELETE FROM billing.journal_entries WHERE source_type = 'payment'",
    },
    Check {
        law: "B-10, receivables are what customers owe",
        broken: "SELECT format('%s, owed %s', booked, owed) AS broken FROM (SELECT \
                (SELECT COALESCE(SUM(debit_minor - credit_minor), 0) \
                    FROM billing.journal_lines WHERE account = '1100') AS booked, \
                (SELECT COALESCE(SUM(total_minor), 0) FROM billing.invoices \
                    WHERE number IS NOT NULL) \
                - (SELECT COALESCE(SUM(total_minor), 0) FROM billing.credit_notes) \
                - (SELECT COALESCE(SUM(amount_minor), 0) FROM billing.payments \
                    WHERE direction = 'incoming' AND reversed_on IS NULL) \
                + (SELECT COALESCE(SUM(amount_minor), 0) FROM billing.refunds \
                    WHERE reversed_on IS NULL) AS owed) r WHERE booked <> owed",
        fault: "DELETE FROM billing.payments WHERE direction = 'incoming'",
    },
    Check {
        law: "B-10, payables are what is owed to suppliers",
        broken: "SELECT format('%s, owed %s', booked, owed) AS broken FROM (SELECT \
                (SELECT COALESCE(SUM(credit_minor - debit_minor), 0) \
                    FROM billing.journal_lines WHERE account = '2000') AS booked, \
                (SELECT COALESCE(SUM(total_minor), 0) FROM billing.bills \
                    WHERE status IN ('approved', 'settled')) \
                - (SELECT COALESCE(SUM(amount_minor), 0) FROM billing.payments \
                    WHERE direction = 'outgoing' AND reversed_on IS NULL) \
                    AS owed) p WHERE booked <> owed",
        fault: "DELETE FROM billing.payments WHERE direction = 'outgoing'",
    },
    Check {
        law: "P-4, goods received and not invoiced are on their account",
        broken: "SELECT format('%s, received %s', booked, received) AS broken FROM (SELECT \
                (SELECT COALESCE(SUM(credit_minor - debit_minor), 0) \
                    FROM billing.journal_lines WHERE account = '2100') AS booked, \
                (SELECT COALESCE(SUM(value_minor - relieved_minor), 0) \
                    FROM billing.goods_received) AS received) g WHERE booked <> received",
        fault: "UPDATE billing.goods_received SET relieved_minor = relieved_minor + 1",
    },
];

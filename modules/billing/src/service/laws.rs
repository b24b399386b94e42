//! The laws of the domain that billing holds. Most are constraints as well; here each is
//! counted over the live data.

use kernel::Result;
use kernel::db::{Law, LawReport, LawReports, evaluate};
use sea_orm::ConnectionTrait;

use crate::service::Service;
use crate::service::seal::count_broken;

pub(crate) const LAWS: &[Law] = &[
    Law {
        id: "B-1",
        description: "a document's net, tax and total are the sums of its lines",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT d.id, d.net_minor, d.tax_minor, d.total_minor, \
                COALESCE(SUM(l.net_minor), 0) AS net, COALESCE(SUM(l.tax_minor), 0) AS tax \
            FROM invoices d LEFT JOIN invoice_lines l ON l.invoice_id = d.id \
            GROUP BY d.id, d.net_minor, d.tax_minor, d.total_minor \
            UNION ALL \
            SELECT d.id, d.net_minor, d.tax_minor, d.total_minor, \
                COALESCE(SUM(l.net_minor), 0), COALESCE(SUM(l.tax_minor), 0) \
            FROM credit_notes d LEFT JOIN credit_note_lines l ON l.credit_note_id = d.id \
            GROUP BY d.id, d.net_minor, d.tax_minor, d.total_minor \
            UNION ALL \
            SELECT d.id, d.net_minor, d.tax_minor, d.total_minor, \
                COALESCE(SUM(l.net_minor), 0), COALESCE(SUM(l.tax_minor), 0) \
            FROM bills d LEFT JOIN bill_lines l ON l.bill_id = d.id \
            GROUP BY d.id, d.net_minor, d.tax_minor, d.total_minor\
            ) AS d WHERE net <> net_minor OR tax <> tax_minor \
            OR net_minor + tax_minor <> total_minor",
    },
    Law {
        id: "B-3",
        description: "what is credited of an invoice line is the sum of its credit notes, \
            and no more than the line",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT l.id, l.quantity, l.net_minor, l.tax_minor, l.credited_quantity, \
                l.credited_net_minor, l.credited_tax_minor, \
                COALESCE(SUM(c.quantity), 0) AS quantity_sum, \
                COALESCE(SUM(c.net_minor), 0) AS net_sum, \
                COALESCE(SUM(c.tax_minor), 0) AS tax_sum \
            FROM invoice_lines l LEFT JOIN credit_note_lines c ON c.invoice_line_id = l.id \
            GROUP BY l.id, l.quantity, l.net_minor, l.tax_minor, l.credited_quantity, \
                l.credited_net_minor, l.credited_tax_minor) AS l \
            WHERE credited_quantity <> quantity_sum OR credited_net_minor <> net_sum \
            OR credited_tax_minor <> tax_sum OR quantity_sum > quantity \
            OR net_sum > net_minor OR tax_sum > tax_minor",
    },
    Law {
        id: "B-3",
        description: "what is credited of an invoice is the sum of its credit notes, and no \
            more than the invoice",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT i.id, i.total_minor, i.credited_minor, i.credit_notes_minor, \
                COALESCE(SUM(c.applied_minor), 0) AS applied, \
                COALESCE(SUM(c.total_minor), 0) AS total \
            FROM invoices i LEFT JOIN credit_notes c ON c.invoice_id = i.id \
            GROUP BY i.id, i.total_minor, i.credited_minor, i.credit_notes_minor) AS i \
            WHERE credited_minor <> applied OR credit_notes_minor <> total \
            OR total > total_minor",
    },
    Law {
        id: "B-4",
        description: "what is open of an invoice is never below nothing, and what is applied \
            is the sum of its allocations",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT i.id, i.total_minor, i.applied_minor, i.credited_minor, \
                COALESCE(SUM(a.amount_minor), 0) AS allocated \
            FROM invoices i LEFT JOIN settlements a ON a.invoice_id = i.id \
            GROUP BY i.id, i.total_minor, i.applied_minor, i.credited_minor) AS i \
            WHERE applied_minor <> allocated \
            OR total_minor - applied_minor - credited_minor < 0",
    },
    Law {
        id: "B-4",
        description: "what is open of a bill is never below nothing, and what is applied is \
            the sum of its allocations",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT b.id, b.total_minor, b.applied_minor, \
                COALESCE(SUM(a.amount_minor), 0) AS allocated \
            FROM bills b LEFT JOIN settlements a ON a.bill_id = b.id \
            GROUP BY b.id, b.total_minor, b.applied_minor) AS b \
            WHERE applied_minor <> allocated OR applied_minor > total_minor",
    },
    Law {
        id: "B-5",
        description: "a payment's allocations are what is applied of it, and no more than \
            its amount",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT p.id, p.amount_minor, p.applied_minor, \
                COALESCE(SUM(a.amount_minor), 0) AS allocated \
            FROM payments p LEFT JOIN settlements a ON a.payment_id = p.id \
            GROUP BY p.id, p.amount_minor, p.applied_minor) AS p \
            WHERE applied_minor <> allocated OR allocated > amount_minor",
    },
    Law {
        id: "B-5",
        description: "an allocation is taken back once, by its mirror, and one of a reversed \
            payment always",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT 1 AS broken FROM payment_allocations r \
                LEFT JOIN payment_allocations a ON a.id = r.reverses_id \
                WHERE r.reverses_id IS NOT NULL AND (a.id IS NULL \
                OR a.reverses_id IS NOT NULL OR a.payment_id <> r.payment_id \
                OR a.amount_minor <> r.amount_minor \
                OR COALESCE(a.invoice_id, a.bill_id) <> COALESCE(r.invoice_id, r.bill_id)) \
            UNION ALL SELECT 1 FROM payment_allocations WHERE reverses_id IS NOT NULL \
                GROUP BY reverses_id HAVING COUNT(*) > 1 \
            UNION ALL SELECT 1 FROM payments p WHERE reversed_on IS NOT NULL \
                AND 0 <> (SELECT COALESCE(SUM(s.amount_minor), 0) FROM settlements s \
                    WHERE s.payment_id = p.id)) AS a",
    },
    Law {
        id: "B-5",
        description: "a credit note's credit is what it left, applied as its allocations say \
            to invoices of its customer",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT 1 AS broken FROM credit_note_uses u JOIN credit_notes c \
                ON c.id = u.credit_note_id \
                WHERE u.credit_minor <> c.total_minor - c.applied_minor \
                OR u.applied_minor <> (SELECT COALESCE(SUM(a.amount_minor), 0) \
                    FROM credit_allocations a WHERE a.credit_note_id = c.id) \
            UNION ALL SELECT 1 FROM credit_allocations a \
                JOIN credit_notes c ON c.id = a.credit_note_id \
                JOIN invoices i ON i.id = a.invoice_id \
                WHERE i.customer_id <> c.customer_id OR i.currency <> c.currency) AS c",
    },
    Law {
        id: "B-6",
        description: "what was paid back of a payment or credit note is the sum of its refunds, \
            and no more than it leaves",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT 1 AS broken FROM payments p \
                WHERE applied_minor + refunded_minor > amount_minor \
                OR refunded_minor <> (SELECT COALESCE(SUM(r.amount_minor), 0) FROM refunds r \
                    WHERE r.payment_id = p.id AND r.customer_id = p.customer_id \
                    AND r.reversed_on IS NULL) \
            UNION ALL SELECT 1 FROM credit_note_uses u \
                JOIN credit_notes c ON c.id = u.credit_note_id \
                WHERE u.applied_minor + refunded_minor > credit_minor \
                OR refunded_minor <> (SELECT COALESCE(SUM(r.amount_minor), 0) FROM refunds r \
                    WHERE r.credit_note_id = c.id AND r.customer_id = c.customer_id \
                    AND r.reversed_on IS NULL)) AS r",
    },
    Law {
        id: "B-7",
        description: "the numbers of a series are 1 to n without a gap, as many as were drawn",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT series, COUNT(*) AS documents, MIN(seq) AS first, MAX(seq) AS last FROM (\
                SELECT series, seq FROM invoices WHERE series IS NOT NULL \
                UNION ALL SELECT series, seq FROM credit_notes) AS d GROUP BY series) AS s \
            LEFT JOIN number_series ns ON ns.series = s.series \
            WHERE s.first <> 1 OR s.last <> s.documents \
            OR s.last <> COALESCE(ns.last, 0)",
    },
    Law {
        id: "B-7",
        description: "the dates of a series never go back",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT a.series FROM invoices a JOIN invoices b \
                ON b.series = a.series AND b.seq = a.seq - 1 WHERE a.issued_on < b.issued_on \
            UNION ALL \
            SELECT a.series FROM credit_notes a JOIN credit_notes b \
                ON b.series = a.series AND b.seq = a.seq - 1 WHERE a.issued_on < b.issued_on\
            ) AS d",
    },
    Law {
        id: "B-8",
        description: "every issued document is chained to the one before it in its series",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT a.id FROM invoices a LEFT JOIN invoices b \
                ON b.series = a.series AND b.seq = a.seq - 1 \
                WHERE a.number IS NOT NULL AND a.prev_hash <> COALESCE(b.hash, '') \
            UNION ALL \
            SELECT a.id FROM credit_notes a LEFT JOIN credit_notes b \
                ON b.series = a.series AND b.seq = a.seq - 1 \
                WHERE a.prev_hash <> COALESCE(b.hash, '')) AS d",
    },
    Law {
        id: "B-10",
        description: "receivables are the open invoices less unapplied payments and credit \
            notes",
        violations: "SELECT COUNT(*) AS n FROM account_totals WHERE account = '1100' \
            AND debit_minor - credit_minor <> \
            (SELECT COALESCE(SUM(total_minor - applied_minor - credited_minor), 0) \
                FROM invoices WHERE number IS NOT NULL) \
            - (SELECT COALESCE(SUM(amount_minor - applied_minor - refunded_minor), 0) \
                FROM payments WHERE direction = 'incoming' AND reversed_on IS NULL) \
            - (SELECT COALESCE(SUM(total_minor - applied_minor), 0) FROM credit_notes) \
            + (SELECT COALESCE(SUM(applied_minor + refunded_minor), 0) FROM credit_note_uses)",
    },
    Law {
        id: "B-10",
        description: "payables are the open bills less unapplied payments",
        violations: "SELECT COUNT(*) AS n FROM account_totals WHERE account = '2000' \
            AND credit_minor - debit_minor <> \
            (SELECT COALESCE(SUM(total_minor - applied_minor), 0) FROM bills \
                WHERE status IN ('approved', 'settled')) \
            - (SELECT COALESCE(SUM(amount_minor - applied_minor), 0) FROM payments \
                WHERE direction = 'outgoing' AND reversed_on IS NULL)",
    },
    Law {
        id: "B-10",
        description: "a bill counts from the day it is in the journal",
        violations: "SELECT COUNT(*) AS n FROM bills b JOIN journal_entries e \
            ON e.source_type = 'bill' AND e.source_id = b.id \
            WHERE e.entry_on <> COALESCE(b.posted_on, b.billed_on)",
    },
    Law {
        id: "L-1",
        description: "every journal entry has at least two lines, and they balance",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT e.id, COUNT(l.position) AS lines, SUM(l.debit_minor) AS debit, \
                SUM(l.credit_minor) AS credit \
            FROM journal_entries e LEFT JOIN journal_lines l ON l.entry_id = e.id \
            GROUP BY e.id) AS e WHERE lines < 2 OR debit <> credit",
    },
    Law {
        id: "L-2",
        description: "a journal line is of an entry and has one side, above nothing",
        violations: "SELECT COUNT(*) AS n FROM journal_lines l \
            WHERE debit_minor < 0 OR credit_minor < 0 \
            OR (debit_minor = 0) = (credit_minor = 0) \
            OR NOT EXISTS (SELECT 1 FROM journal_entries e WHERE e.id = l.entry_id)",
    },
    Law {
        id: "L-3",
        description: "the trial balance is nothing, and each account is the sum of its lines",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT b.account, b.debit_minor, b.credit_minor, \
                COALESCE(SUM(l.debit_minor), 0) AS debit, \
                COALESCE(SUM(l.credit_minor), 0) AS credit, \
                (SELECT SUM(t.debit_minor) - SUM(t.credit_minor) FROM account_totals t) \
                    AS difference \
            FROM account_totals b LEFT JOIN journal_lines l ON l.account = b.account \
            GROUP BY b.account, b.debit_minor, b.credit_minor) AS b \
            WHERE debit_minor <> debit OR credit_minor <> credit OR difference <> 0",
    },
    Law {
        id: "L-5",
        description: "nothing was posted in a period after it was closed, but through a soft \
            lock with a reason",
        violations: "SELECT COUNT(*) AS n FROM journal_entries e WHERE EXISTS (\
            SELECT 1 FROM period_locks p WHERE p.status = 'closed' \
            AND p.through >= e.entry_on AND p.closed_at < e.created_at \
            AND (p.kind = 'hard' OR e.exception_reason IS NULL))",
    },
    Law {
        id: "L-6",
        description: "every issued, approved or paid document is in the journal, once",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT 'invoice' AS source_type, id FROM invoices \
                WHERE number IS NOT NULL AND total_minor > 0 \
            UNION ALL SELECT 'credit_note', id FROM credit_notes WHERE total_minor > 0 \
            UNION ALL SELECT 'payment', id FROM payments \
            UNION ALL SELECT 'payment_reversal', id FROM payments \
                WHERE reversed_on IS NOT NULL \
            UNION ALL SELECT 'refund', id FROM refunds \
            UNION ALL SELECT 'refund_reversal', id FROM refunds \
                WHERE reversed_on IS NOT NULL \
            UNION ALL SELECT 'bill', id FROM bills \
                WHERE status IN ('approved', 'settled') AND total_minor > 0) AS d \
            WHERE (SELECT COUNT(*) FROM journal_entries e \
                WHERE e.source_type = d.source_type AND e.source_id = d.id) <> 1",
    },
    Law {
        id: "P-3",
        description: "what is billed of an order line is on bills that match or were \
            approved, and beyond what was received only where somebody allowed it",
        violations: "SELECT COUNT(*) AS n FROM purchase_order_lines o \
            WHERE o.billed > o.received + o.overridden OR o.billed <> (\
                SELECT COALESCE(SUM(l.quantity), 0) FROM bill_lines l \
                JOIN bills b ON b.id = l.bill_id WHERE l.purchase_order_line_id = o.id \
                AND b.status IN ('matched', 'approved', 'settled'))",
    },
    Law {
        id: "P-4",
        description: "goods received and not invoiced are what was received less what bills \
            took off, and nothing where all was billed",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT 1 AS broken FROM goods_received \
                WHERE billed = quantity AND relieved_minor <> value_minor \
            UNION ALL SELECT 1 FROM account_totals WHERE account = '2100' \
                AND credit_minor - debit_minor <> \
                (SELECT COALESCE(SUM(value_minor - relieved_minor), 0) FROM goods_received)\
            ) AS g",
    },
    Law {
        id: "P-8",
        description: "a supplier's invoice is entered once, unless it was rejected",
        violations: "SELECT COUNT(*) AS n FROM (\
            SELECT supplier_id, supplier_invoice_number FROM bills \
            WHERE status <> 'rejected' GROUP BY supplier_id, supplier_invoice_number \
            HAVING COUNT(*) > 1) AS b",
    },
];

impl Service {
    pub(crate) async fn check_laws(&self) -> Result<LawReports> {
        check_laws(self.db.read()).await
    }
}

/// Counts what breaks each law. That of the hashes is beyond SQL: each is computed anew.
pub(crate) async fn check_laws(conn: &impl ConnectionTrait) -> Result<LawReports> {
    let mut reports = evaluate(conn, LAWS).await?;
    reports.laws.push(LawReport {
        id: "B-8",
        description: "the hash of every issued document is that of its content",
        violations: count_broken(conn).await?,
    });
    Ok(reports)
}

//! Documents and payments: the domain's laws B-1 to B-7 and B-11.

use super::Check;

pub const CHECKS: &[Check] = &[
    Check {
        law: "B-1, a document comes to the sum of its lines",
        broken: "SELECT d.id::text AS broken FROM ( \
                SELECT id, net_minor, tax_minor, total_minor, (SELECT ARRAY[SUM(net_minor), \
                    SUM(tax_minor)] FROM billing.invoice_lines l WHERE l.invoice_id = i.id) \
                    AS lines FROM billing.invoices i \
                UNION ALL SELECT id, net_minor, tax_minor, total_minor, (SELECT \
                    ARRAY[SUM(net_minor), SUM(tax_minor)] FROM billing.credit_note_lines l \
                    WHERE l.credit_note_id = c.id) FROM billing.credit_notes c \
                UNION ALL SELECT id, net_minor, tax_minor, total_minor, (SELECT \
                    ARRAY[SUM(net_minor), SUM(tax_minor)] FROM billing.bill_lines l \
                    WHERE l.bill_id = b.id) FROM billing.bills b) d \
            WHERE lines IS DISTINCT FROM ARRAY[net_minor::numeric, tax_minor] \
            OR total_minor <> net_minor + tax_minor",
        fault: "UPDATE billing.invoice_lines SET net_minor = net_minor + 1",
    },
    Check {
        law: "B-2, the tax of a class is that of its net, rounded once, in its lines",
        broken: "SELECT format('%s %s: %s of %s at %s', number, tax_class, tax, exact, tax_rate) \
                AS broken FROM ( \
                SELECT i.id, i.number, i.rounding_mode, tax_class, tax_rate, \
                    SUM(l.tax_minor) AS tax, SUM(l.net_minor) AS net, \
                    SUM(quantity::numeric * unit_price * (1000000 - discount)) / 1e16 AS exact, \
                    SUM(ROUND(l.net_minor * tax_rate / 1e6)) AS by_line \
                FROM billing.invoices i JOIN billing.invoice_lines l ON l.invoice_id = i.id \
                WHERE i.rounding = 'half_up' AND NOT prices_include_tax \
                GROUP BY i.id, i.number, i.rounding_mode, tax_class, tax_rate) t \
            WHERE CASE rounding_mode WHEN 'per_line' THEN tax <> by_line \
                ELSE tax <> ROUND(exact * tax_rate / 1e6) OR net <> ROUND(exact) END",
        fault: "UPDATE billing.invoice_lines SET tax_minor = tax_minor + 1, \
            net_minor = net_minor - 1",
    },
    Check {
        law: "B-3, credit notes take back no more than there is, and all of it exactly",
        broken: "SELECT l.id::text AS broken FROM billing.invoice_lines l, LATERAL ( \
                SELECT COALESCE(SUM(quantity), 0) AS quantity, COALESCE(SUM(net_minor), 0) AS net, \
                    COALESCE(SUM(tax_minor), 0) AS tax \
                FROM billing.credit_note_lines n WHERE n.invoice_line_id = l.id) c \
            WHERE c.quantity > l.quantity OR c.net > l.net_minor OR c.tax > l.tax_minor \
            OR (c.quantity = l.quantity AND (c.net, c.tax) <> (l.net_minor, l.tax_minor)) \
            OR (credited_quantity, credited_net_minor, credited_tax_minor) \
                <> (c.quantity, c.net, c.tax)",
        fault: "UPDATE billing.credit_note_lines SET net_minor = net_minor - 1",
    },
    Check {
        law: "B-3, an invoice knows the sum of its credit notes",
        broken: "SELECT i.id::text AS broken FROM billing.invoices i, LATERAL ( \
                SELECT COALESCE(SUM(total_minor), 0) AS total, \
                    COALESCE(SUM(applied_minor), 0) AS applied \
                FROM billing.credit_notes c WHERE c.invoice_id = i.id) c \
            WHERE (credit_notes_minor, credited_minor) <> (c.total, c.applied) \
            OR c.total > total_minor",
        fault: "UPDATE billing.invoices SET credit_notes_minor = credit_notes_minor + 1",
    },
    Check {
        law: "B-4, what is open of an invoice or a bill is what nobody has paid or credited",
        broken: "SELECT i.id::text AS broken FROM billing.invoices i \
            WHERE total_minor - applied_minor - credited_minor < 0 \
            OR applied_minor <> (SELECT COALESCE(SUM(CASE WHEN \
                reverses_id IS NULL THEN amount_minor ELSE -amount_minor END), 0) \
                FROM billing.payment_allocations a WHERE a.invoice_id = i.id) \
                + (SELECT COALESCE(SUM(amount_minor), 0) \
                FROM billing.credit_allocations a WHERE a.invoice_id = i.id) \
            OR (status = 'settled') <> (number IS NOT NULL \
                AND total_minor = applied_minor + credited_minor) \
            UNION ALL SELECT b.id::text FROM billing.bills b WHERE total_minor < applied_minor \
            OR applied_minor <> (SELECT COALESCE(SUM(CASE WHEN \
                reverses_id IS NULL THEN amount_minor ELSE -amount_minor END), 0) \
                FROM billing.payment_allocations a WHERE a.bill_id = b.id)",
        fault: "UPDATE billing.payment_allocations SET amount_minor = amount_minor + 1",
    },
    Check {
        law: "B-5, a payment is applied as its allocations say, and no further than it goes",
        broken: "SELECT p.id::text AS broken FROM billing.payments p \
            WHERE applied_minor + refunded_minor > amount_minor OR applied_minor <> ( \
                SELECT COALESCE(SUM(CASE WHEN reverses_id IS NULL THEN amount_minor \
                    ELSE -amount_minor END), 0) FROM billing.payment_allocations a \
                WHERE a.payment_id = p.id)",
        fault: "UPDATE billing.payments SET applied_minor = applied_minor - 1",
    },
    Check {
        law: "B-6, what was paid back of a payment or credit note is what its refunds say",
        broken: "SELECT p.id::text AS broken FROM billing.payments p WHERE refunded_minor <> ( \
                SELECT COALESCE(SUM(amount_minor), 0) FROM billing.refunds r \
                WHERE r.payment_id = p.id AND r.reversed_on IS NULL) \
            UNION ALL SELECT u.credit_note_id::text FROM billing.credit_note_uses u \
            WHERE applied_minor + refunded_minor > credit_minor OR refunded_minor <> ( \
                SELECT COALESCE(SUM(amount_minor), 0) FROM billing.refunds r \
                WHERE r.credit_note_id = u.credit_note_id AND r.reversed_on IS NULL)",
        fault: "UPDATE billing.refunds SET amount_minor = amount_minor + 1",
    },
    Check {
        law: "B-7, the numbers of a series are 1 to n and their dates never go back",
        broken: "SELECT format('%s %s', series, seq) AS broken FROM ( \
                SELECT *, ROW_NUMBER() OVER w AS place, MAX(issued_on) OVER w AS latest FROM ( \
                    SELECT series, seq, issued_on FROM billing.invoices WHERE seq IS NOT NULL \
                    UNION ALL SELECT series, seq, issued_on FROM billing.credit_notes) d \
                WINDOW w AS (PARTITION BY series ORDER BY seq)) s \
            WHERE seq <> place OR issued_on < latest",
        fault: "UPDATE billing.invoices SET seq = seq + 1 WHERE seq IS NOT NULL",
    },
    Check {
        law: "B-11, sales knows what a customer owes, and what of their orders is to come",
        broken: "SELECT format('%s: %s, in billing %s', k.customer_id, open_receivables_minor, \
                owed) AS broken FROM sales.customer_credit k, LATERAL (SELECT \
                (SELECT COALESCE(SUM(total_minor), 0) FROM billing.invoices i \
                    WHERE i.customer_id = k.customer_id AND number IS NOT NULL) \
                - (SELECT COALESCE(SUM(total_minor), 0) FROM billing.credit_notes c \
                    WHERE c.customer_id = k.customer_id) \
                - (SELECT COALESCE(SUM(amount_minor), 0) FROM billing.payments p \
                    WHERE p.customer_id = k.customer_id AND reversed_on IS NULL) \
                + (SELECT COALESCE(SUM(amount_minor), 0) FROM billing.refunds r \
                    WHERE r.customer_id = k.customer_id AND reversed_on IS NULL) AS owed, \
                (SELECT COALESCE(SUM(GREATEST(e.amount_minor - o.invoiced_minor, 0)), 0) \
                    FROM sales.credit_exposures e JOIN orders.orders o ON o.id = e.order_id \
                    WHERE o.customer_id = k.customer_id AND o.billing_status <> 'billed' \
                    AND o.status IN ('confirmed', 'completed')) AS to_come) b \
            WHERE open_receivables_minor <> owed OR uninvoiced_minor <> to_come",
        fault: "UPDATE sales.customer_credit SET open_receivables_minor = \
            open_receivables_minor + 1",
    },
];

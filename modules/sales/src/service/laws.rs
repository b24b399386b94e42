//! The laws of the domain that sales holds.

use kernel::db::Law;

pub(crate) const LAWS: &[Law] = &[
    Law {
        id: "B-11",
        description: "a customer's exposure is what the orders, invoices and payments say",
        violations: "SELECT COUNT(*) AS n FROM customers c \
            LEFT JOIN customer_credit k ON k.customer_id = c.id \
            LEFT JOIN (SELECT customer_id, \
                SUM(CASE WHEN state = 'held' THEN amount_minor ELSE 0 END) AS held, \
                SUM(CASE WHEN state = 'committed' AND amount_minor > invoiced_minor \
                    AND (wanted_micros = 0 OR wanted_micros > invoiced_micros) \
                    THEN amount_minor - invoiced_minor ELSE 0 END) AS uninvoiced, \
                SUM(invoiced_minor) AS invoiced \
                FROM credit_exposures GROUP BY customer_id) e ON e.customer_id = c.id \
            LEFT JOIN (SELECT customer_id, SUM(amount_minor) AS owed, \
                SUM(CASE WHEN kind = 'invoice' THEN amount_minor ELSE 0 END) AS invoiced \
                FROM receivable_entries GROUP BY customer_id) r ON r.customer_id = c.id \
            WHERE k.customer_id IS NULL OR k.held_minor <> COALESCE(e.held, 0) \
            OR k.uninvoiced_minor <> COALESCE(e.uninvoiced, 0) \
            OR k.open_receivables_minor <> COALESCE(r.owed, 0) \
            OR COALESCE(e.invoiced, 0) <> COALESCE(r.invoiced, 0)",
    },
    Law {
        id: "O-6",
        description: "a quotation has an order if, and only if, it is converted, and no two share one",
        violations: "SELECT COUNT(*) AS n FROM quotations q \
            WHERE (q.status = 'converted') <> (q.order_id IS NOT NULL) \
            OR EXISTS (SELECT 1 FROM quotations o \
                WHERE o.order_id = q.order_id AND o.id <> q.id)",
    },
    Law {
        id: "O-8",
        description: "a quotation comes to the sum of its lines",
        violations: "SELECT COUNT(*) AS n FROM quotations q \
            LEFT JOIN (SELECT quotation_id, SUM(net_minor) AS net, SUM(tax_minor) AS tax, \
                SUM(total_minor) AS total FROM quotation_lines GROUP BY quotation_id) l \
            ON l.quotation_id = q.id \
            WHERE l.quotation_id IS NULL OR l.net <> q.net_minor OR l.tax <> q.tax_minor \
            OR l.total <> q.total_minor OR q.net_minor + q.tax_minor <> q.total_minor",
    },
    Law {
        id: "B-2",
        description: "the taxes of a quotation's lines add up to its tax, class by class",
        violations: "SELECT COUNT(*) AS n FROM ( \
            SELECT quotation_id, tax_class, SUM(line_tax) AS lines, SUM(document_tax) AS document \
            FROM (SELECT quotation_id, tax_class, tax_minor AS line_tax, 0 AS document_tax \
                    FROM quotation_lines \
                UNION ALL SELECT quotation_id, tax_class, 0, tax_minor FROM quotation_taxes) taxed \
            GROUP BY quotation_id, tax_class) t WHERE t.lines <> t.document",
    },
    Law {
        id: "B-3",
        description: "no more of an order line is credited than was shipped",
        violations: "SELECT COUNT(*) AS n FROM (SELECT order_line_id FROM sales_facts \
            WHERE kind IN ('shipped', 'credited') GROUP BY order_line_id \
            HAVING SUM(quantity) < 0) t",
    },
    Law {
        id: "V-5",
        description: "no order line gives back more cost than it took",
        violations: "SELECT COUNT(*) AS n FROM (SELECT order_line_id FROM sales_facts \
            WHERE kind IN ('cost', 'returned') GROUP BY order_line_id \
            HAVING SUM(cost_minor) < 0 OR SUM(quantity) < 0) t",
    },
    Law {
        id: "L-6",
        description: "every event becomes facts and entries once",
        violations: "SELECT COUNT(*) AS n FROM ( \
            SELECT document_id, order_line_id, kind FROM sales_facts \
            GROUP BY document_id, order_line_id, kind HAVING COUNT(DISTINCT source_event_id) > 1 \
            UNION ALL SELECT document_id, document_id, kind FROM receivable_entries \
            GROUP BY document_id, kind HAVING COUNT(*) > 1) t",
    },
    Law {
        id: "S3",
        description: "a currency has at most one default price list",
        violations: "SELECT COUNT(*) AS n FROM (SELECT currency FROM price_lists \
            WHERE is_default GROUP BY currency HAVING COUNT(*) > 1) t",
    },
];

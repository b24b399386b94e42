//! The laws of the domain that purchasing holds.

use kernel::db::Law;

pub(crate) const LAWS: &[Law] = &[
    Law {
        id: "P-1",
        description: "every unit ordered is received, open or short-closed",
        violations: "SELECT COUNT(*) AS n FROM purchase_order_lines \
            WHERE ordered <> received + open + short_closed \
            OR received < 0 OR open < 0 OR short_closed < 0",
    },
    Law {
        id: "P-2",
        description: "received is the sum of the receipts",
        violations: "SELECT COUNT(*) AS n FROM purchase_order_lines l WHERE l.received <> \
            COALESCE((SELECT SUM(r.quantity) FROM receipt_lines r \
            WHERE r.purchase_order_line_id = l.id), 0)",
    },
    Law {
        id: "P-2b",
        description: "a receipt has lines, all of its own purchase order",
        violations: "SELECT COUNT(*) AS n FROM receipts r WHERE NOT EXISTS (\
            SELECT 1 FROM receipt_lines rl WHERE rl.receipt_id = r.id) \
            OR EXISTS (SELECT 1 FROM receipt_lines rl \
            JOIN purchase_order_lines l ON l.id = rl.purchase_order_line_id \
            WHERE rl.receipt_id = r.id AND l.purchase_order_id <> r.purchase_order_id)",
    },
    Law {
        id: "P-3",
        description: "no more counts as billed than was received and is on approved bills",
        violations: "SELECT COUNT(*) AS n FROM purchase_order_lines \
            WHERE billed < 0 OR billed > received OR billed > on_bills \
            OR (billed < received AND billed < on_bills)",
    },
    Law {
        id: "P-3b",
        description: "what is on bills is the sum of the approved bills",
        violations: "SELECT COUNT(*) AS n FROM purchase_order_lines l WHERE l.on_bills <> \
            COALESCE((SELECT SUM(b.quantity) FROM billed_lines b \
            WHERE b.purchase_order_line_id = l.id), 0)",
    },
    Law {
        id: "P-10",
        description: "an order's status is what its moments and counters say",
        violations: "SELECT COUNT(*) AS n FROM purchase_orders o WHERE o.status <> CASE \
            WHEN o.cancelled_at IS NOT NULL THEN 'cancelled' \
            WHEN o.approved_at IS NULL THEN 'draft' \
            WHEN o.sent_at IS NULL THEN 'approved' \
            WHEN EXISTS (SELECT 1 FROM purchase_order_lines l \
                WHERE l.purchase_order_id = o.id AND l.open > 0) THEN 'sent' \
            WHEN o.is_closed_short OR NOT EXISTS (SELECT 1 FROM purchase_order_lines l \
                WHERE l.purchase_order_id = o.id AND l.billed < l.received) THEN 'closed' \
            ELSE 'received' END",
    },
    Law {
        id: "P-10b",
        description: "receipt and billing status are what the counters say",
        violations: "SELECT COUNT(*) AS n FROM purchase_orders o JOIN (\
            SELECT purchase_order_id, SUM(received) AS received, SUM(open) AS open, \
            SUM(billed) AS billed, SUM(ordered - short_closed) AS wanted \
            FROM purchase_order_lines GROUP BY purchase_order_id) l \
            ON l.purchase_order_id = o.id \
            WHERE o.receipt_status <> CASE WHEN l.received = 0 THEN 'none' \
            WHEN l.open = 0 THEN 'full' ELSE 'partial' END \
            OR o.billing_status <> CASE WHEN l.billed = 0 THEN 'none' \
            WHEN l.billed = l.wanted THEN 'billed' ELSE 'partial' END",
    },
    Law {
        id: "P-10c",
        description: "of an order that is cancelled or over nothing is to come",
        violations: "SELECT COUNT(*) AS n FROM purchase_orders o \
            JOIN purchase_order_lines l ON l.purchase_order_id = o.id \
            WHERE (o.status IN ('received', 'closed', 'cancelled') AND l.open > 0) \
            OR (o.status IN ('draft', 'approved', 'cancelled') AND l.received > 0) \
            OR (o.status IN ('draft', 'approved', 'sent', 'received') AND l.short_closed > 0)",
    },
    Law {
        id: "P-11",
        description: "an order has lines, and its totals are their sums",
        violations: "SELECT COUNT(*) AS n FROM purchase_orders o LEFT JOIN (\
            SELECT purchase_order_id, SUM(net_minor) AS net, SUM(tax_minor) AS tax, \
            SUM(total_minor) AS total FROM purchase_order_lines GROUP BY purchase_order_id) l \
            ON l.purchase_order_id = o.id \
            WHERE l.purchase_order_id IS NULL OR o.net_minor <> l.net OR o.tax_minor <> l.tax \
            OR o.total_minor <> l.total OR o.total_minor <> o.net_minor + o.tax_minor",
    },
];

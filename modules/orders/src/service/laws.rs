//! The laws of the domain that orders holds.

use kernel::db::Law;

pub(crate) const LAWS: &[Law] = &[
    Law {
        id: "O-1",
        description: "every unit ordered is in exactly one place, and in no place fewer than none",
        violations: "SELECT COUNT(*) AS n FROM order_lines WHERE ordered <= 0 \
            OR ordered <> shipped + cancelled + reserved + backordered + unallocated \
            OR reserved < 0 OR backordered < 0 OR shipped < 0 OR cancelled < 0 \
            OR unallocated < 0",
    },
    Law {
        id: "O-2",
        description: "picked is what packed shipments hold, shipped what has left, and \
            nothing is packed that is not reserved",
        violations: "SELECT COUNT(*) AS n FROM order_lines l LEFT JOIN ( \
                SELECT sl.order_line_id, \
                    SUM(CASE WHEN s.status = 'packed' THEN sl.quantity ELSE 0 END) AS packed, \
                    SUM(CASE WHEN s.status IN ('shipped', 'delivered') THEN sl.quantity \
                        ELSE 0 END) AS gone \
                FROM shipment_lines sl JOIN shipments s ON s.id = sl.shipment_id \
                GROUP BY sl.order_line_id) m ON m.order_line_id = l.id \
            WHERE l.picked <> COALESCE(m.packed, 0) OR l.shipped <> COALESCE(m.gone, 0) \
            OR l.picked < 0 OR l.picked > l.reserved",
    },
    Law {
        id: "O-3",
        description: "what came back is what returns say, and was shipped",
        violations: "SELECT COUNT(*) AS n FROM order_lines l LEFT JOIN ( \
                SELECT order_line_id, SUM(quantity) AS returned FROM return_lines \
                GROUP BY order_line_id) r ON r.order_line_id = l.id \
            WHERE l.returned <> COALESCE(r.returned, 0) OR l.returned > l.shipped",
    },
    Law {
        id: "O-4",
        description: "only what was shipped is invoiced, and only what was invoiced credited",
        violations: "SELECT COUNT(*) AS n FROM order_lines WHERE invoiced > shipped \
            OR credited > invoiced OR credited < 0 OR invoiced < 0",
    },
    Law {
        id: "O-4",
        description: "no more credit left an order than its credit notes gave",
        violations: "SELECT COUNT(*) AS n FROM orders \
            WHERE refunded_minor NOT BETWEEN 0 AND credited_minor",
    },
    Law {
        id: "O-5",
        description: "the derived statuses are what the counters and amounts say",
        violations: "SELECT COUNT(*) AS n FROM ( \
            SELECT o.fulfilment_status, o.billing_status, o.payment_status, \
                CASE WHEN l.shipped = 0 THEN 'none' WHEN l.unshipped = 0 THEN 'fulfilled' \
                    ELSE 'partial' END AS fulfilment, \
                CASE WHEN l.invoiced = 0 THEN 'none' WHEN l.unbilled = 0 THEN 'billed' \
                    ELSE 'partial' END AS billing, \
                CASE WHEN o.kept > o.owed THEN 'overpaid' \
                    WHEN l.invoiced > 0 AND l.unbilled = 0 AND o.kept = o.owed THEN 'paid' \
                    WHEN o.kept > 0 THEN 'partial' ELSE 'unpaid' END AS payment \
            FROM (SELECT id, fulfilment_status, billing_status, payment_status, \
                    paid_minor - refunded_minor AS kept, \
                    invoiced_minor - credited_minor AS owed FROM orders) o JOIN ( \
                SELECT order_id, SUM(shipped) AS shipped, SUM(invoiced) AS invoiced, \
                    SUM(CASE WHEN shipped = ordered - cancelled THEN 0 ELSE 1 END) AS unshipped, \
                    SUM(CASE WHEN invoiced = ordered - cancelled THEN 0 ELSE 1 END) AS unbilled \
                FROM order_lines GROUP BY order_id) l ON l.order_id = o.id) s \
            WHERE s.fulfilment_status <> s.fulfilment OR s.billing_status <> s.billing \
            OR s.payment_status <> s.payment",
    },
    Law {
        id: "O-6",
        description: "a draft has promised nothing; a confirmed order has something open and \
            all of it promised; one that is over has nothing open",
        violations: "SELECT COUNT(*) AS n FROM orders o LEFT JOIN ( \
                SELECT order_id, COUNT(*) AS lines, SUM(ordered - shipped - cancelled) AS open, \
                    SUM(unallocated) AS unallocated, SUM(shipped) AS shipped \
                FROM order_lines GROUP BY order_id) l ON l.order_id = o.id \
            WHERE l.lines IS NULL \
            OR (o.status = 'draft' AND (l.unallocated <> l.open OR l.shipped > 0)) \
            OR (o.status = 'confirmed' AND (l.open = 0 OR l.unallocated > 0)) \
            OR (o.status = 'completed' AND (l.open > 0 OR l.shipped = 0)) \
            OR (o.status = 'cancelled' AND (l.open > 0 OR l.shipped > 0))",
    },
    Law {
        id: "O-7",
        description: "an order that is over holds no stock, packed or not",
        violations: "SELECT COUNT(*) AS n FROM orders o \
            WHERE o.status IN ('completed', 'cancelled') AND ( \
                EXISTS (SELECT 1 FROM order_lines l WHERE l.order_id = o.id \
                    AND l.reserved + l.backordered + l.picked > 0) \
                OR EXISTS (SELECT 1 FROM shipments s WHERE s.order_id = o.id \
                    AND s.status = 'packed'))",
    },
    Law {
        id: "O-8",
        description: "an order comes to the sum of its lines, its tax to the sum of its taxes, \
            and each tax to the sum of its lines",
        violations: "SELECT COUNT(*) AS n FROM orders o LEFT JOIN ( \
                SELECT order_id, SUM(net_minor) AS net, SUM(tax_minor) AS tax, \
                    SUM(total_minor) AS total FROM order_lines GROUP BY order_id) l \
                ON l.order_id = o.id \
            WHERE o.net_minor <> COALESCE(l.net, -1) OR o.tax_minor <> COALESCE(l.tax, -1) \
            OR o.total_minor <> COALESCE(l.total, -1) \
            OR EXISTS (SELECT 1 FROM order_taxes t LEFT JOIN ( \
                    SELECT order_id, tax_class, SUM(tax_minor) AS tax FROM order_lines \
                    GROUP BY order_id, tax_class) c \
                    ON c.order_id = t.order_id AND c.tax_class = t.tax_class \
                WHERE t.order_id = o.id AND t.tax_minor <> COALESCE(c.tax, -1)) \
            OR o.tax_minor <> (SELECT COALESCE(SUM(t.tax_minor), 0) FROM order_taxes t \
                WHERE t.order_id = o.id)",
    },
];

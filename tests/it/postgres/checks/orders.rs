//! Orders: the domain's laws O-1 to O-7, against what inventory, billing and sales have.

use super::Check;

pub const CHECKS: &[Check] = &[
    Check {
        law: "O-1, every unit ordered is in one place, and in none fewer than none",
        broken: "SELECT l.id::text AS broken FROM orders.order_lines l \
            JOIN orders.orders o ON o.id = l.order_id \
            WHERE LEAST(reserved, backordered, shipped, cancelled) < 0 \
            OR reserved + backordered + shipped + cancelled > ordered \
            OR (reserved + backordered + shipped + cancelled < ordered) <> (o.status = 'draft')",
        fault: "UPDATE orders.order_lines SET shipped = shipped + 1",
    },
    Check {
        law: "O-1, what orders has of a line, inventory has",
        broken: "SELECT format('%s %s: %s, in inventory %s', l.id, kind, here, there) AS broken \
            FROM orders.order_lines l JOIN orders.orders o ON o.id = l.order_id, LATERAL (VALUES \
                ('reserved', reserved, (SELECT SUM(remaining) FROM inventory.reservations r \
                    WHERE r.order_line_id = l.id AND expires_at IS NULL)), \
                ('backordered', backordered, (SELECT SUM(remaining) FROM inventory.backorders b \
                    WHERE b.order_line_id = l.id AND expires_at IS NULL)), \
                ('shipped', shipped, (SELECT SUM(quantity) FROM inventory.stock_moves m \
                    WHERE m.source_line_id = l.id AND kind = 'issue')), \
                ('returned', returned, (SELECT SUM(quantity) FROM inventory.stock_moves m \
                    WHERE m.source_line_id = l.id AND kind IN ('return', 'scrap')))) \
            AS c (kind, here, there) WHERE here <> COALESCE(there, 0)",
        fault: "UPDATE inventory.reservations SET remaining = remaining - 1 \
            WHERE order_id IS NOT NULL AND status = 'active'",
    },
    Check {
        law: "O-2, picked and shipped are what shipments say",
        broken: "SELECT l.id::text AS broken FROM orders.order_lines l WHERE picked > reserved \
            OR (picked, shipped) <> (SELECT \
                COALESCE(SUM(s.quantity) FILTER (WHERE h.status = 'packed'), 0), \
                COALESCE(SUM(s.quantity) FILTER (WHERE h.shipped_at IS NOT NULL), 0) \
                FROM orders.shipment_lines s JOIN orders.shipments h ON h.id = s.shipment_id \
                WHERE s.order_line_id = l.id)",
        fault: "UPDATE orders.order_lines SET picked = picked + 1",
    },
    Check {
        law: "O-3, what came back was shipped, and is what returns say",
        broken: "SELECT l.id::text AS broken FROM orders.order_lines l \
            WHERE returned > shipped OR returned <> (SELECT COALESCE(SUM(quantity), 0) \
                FROM orders.return_lines r WHERE r.order_line_id = l.id)",
        fault: "UPDATE orders.return_lines SET quantity = quantity + 1",
    },
    Check {
        law: "O-4, invoiced and credited are what billing says, and no more than shipped",
        broken: "SELECT format('%s: %s %s', l.id, invoiced, credited) AS broken \
            FROM orders.order_lines l WHERE credited > invoiced OR invoiced > shipped \
            OR (invoiced, credited) <> (SELECT COALESCE(SUM(v.quantity), 0), \
                COALESCE(SUM(v.credited_quantity), 0) FROM billing.invoice_lines v \
                JOIN billing.invoices i ON i.id = v.invoice_id \
                WHERE v.order_line_id = l.id AND i.number IS NOT NULL)",
        fault: "UPDATE orders.order_lines SET invoiced = invoiced - 1 WHERE invoiced > 0",
    },
    Check {
        law: "O-4, what left an order is what billing paid back and used elsewhere of its credit",
        broken: "SELECT format('%s: %s', o.number, refunded_minor) AS broken \
            FROM orders.orders o WHERE refunded_minor > credited_minor \
            OR refunded_minor <> (SELECT COALESCE(SUM(r.amount_minor), 0) \
                FROM billing.refunds r JOIN billing.credit_notes c ON c.id = r.credit_note_id \
                WHERE c.order_id = o.id AND r.reversed_on IS NULL) \
                + (SELECT COALESCE(SUM(a.amount_minor), 0) FROM billing.credit_allocations a \
                JOIN billing.credit_notes c ON c.id = a.credit_note_id \
                JOIN billing.invoices i ON i.id = a.invoice_id \
                WHERE c.order_id = o.id AND i.order_id <> o.id)",
        fault: "UPDATE orders.orders SET refunded_minor = refunded_minor + 1",
    },
    Check {
        law: "O-5, the derived statuses are what the counters say",
        broken: "SELECT o.number AS broken FROM orders.orders o, LATERAL ( \
                SELECT MAX(shipped) > 0 AS any_out, bool_and(shipped + cancelled = ordered) AS out, \
                    MAX(invoiced) > 0 AS any_billed, \
                    bool_and(invoiced + cancelled = ordered) AS billed \
                FROM orders.order_lines l WHERE l.order_id = o.id) s, \
            LATERAL (SELECT invoiced_minor - credited_minor AS owed, \
                paid_minor - refunded_minor AS kept) w \
            WHERE (fulfilment_status, billing_status, payment_status) <> ( \
                CASE WHEN NOT any_out THEN 'none' WHEN out THEN 'fulfilled' ELSE 'partial' END, \
                CASE WHEN NOT any_billed THEN 'none' WHEN billed THEN 'billed' \
                    ELSE 'partial' END, \
                CASE WHEN kept > owed THEN 'overpaid' \
                    WHEN any_billed AND billed AND kept = owed THEN 'paid' \
                    WHEN kept > 0 THEN 'partial' ELSE 'unpaid' END)",
        fault: "UPDATE orders.orders SET fulfilment_status = 'partial'",
    },
    Check {
        law: "O-6, an order goes only where its machine leads, one version at a time",
        broken: "WITH steps AS (SELECT resource_id, (after::jsonb->>'version')::bigint AS version, \
                before::jsonb->>'status' AS was, after::jsonb->>'status' AS becomes, \
                (before::jsonb->>'version')::bigint AS based_on \
                FROM orders.audit_log WHERE resource_type = 'order') \
            SELECT format('%s: %s to %s', resource_id, was, becomes) AS broken FROM ( \
                SELECT *, LAG(version) OVER (PARTITION BY resource_id ORDER BY version) AS last \
                FROM steps) s \
            WHERE based_on IS DISTINCT FROM last OR version <> COALESCE(based_on, 0) + 1 \
            OR COALESCE(was, '') || '>' || becomes NOT IN ('>draft', 'draft>draft', \
                'draft>confirmed', 'draft>cancelled', 'confirmed>confirmed', \
                'confirmed>completed', 'confirmed>cancelled', 'completed>completed', \
                'cancelled>cancelled') \
            UNION ALL SELECT o.number FROM orders.orders o WHERE NOT EXISTS ( \
                SELECT 1 FROM steps s WHERE s.resource_id = o.id AND s.version = o.version \
                AND s.becomes = o.status)",
        fault: "UPDATE orders.orders SET status = 'draft' WHERE status = 'completed'",
    },
    Check {
        law: "O-7, an order that is over holds no stock and no credit",
        broken: "SELECT o.number AS broken FROM orders.orders o \
            WHERE o.status IN ('completed', 'cancelled') AND ( \
                EXISTS (SELECT 1 FROM inventory.reservations r WHERE r.order_id = o.id \
                    AND r.status = 'active' AND r.expires_at IS NULL) \
                OR EXISTS (SELECT 1 FROM inventory.backorders b WHERE b.order_id = o.id \
                    AND b.status = 'open' AND b.expires_at IS NULL) \
                OR EXISTS (SELECT 1 FROM sales.credit_exposures c WHERE c.order_id = o.id \
                    AND c.state = 'committed' AND o.status = 'cancelled'))",
        fault: "UPDATE orders.orders SET status = 'cancelled' WHERE status = 'confirmed'",
    },
];

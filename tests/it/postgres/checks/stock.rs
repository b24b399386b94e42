//! Goods: the domain's laws I-1 to I-6 and V-2.

use super::Check;

pub const CHECKS: &[Check] = &[
    Check {
        law: "I-1, on hand is what came in less what went out",
        broken: "SELECT format('%s: %s, moved %s', product_id, on_hand, moved) AS broken \
            FROM inventory.stock_levels FULL JOIN ( \
                SELECT product_id, warehouse_id, \
                    SUM(CASE to_location WHEN 'warehouse' THEN quantity ELSE -quantity END) \
                    AS moved \
                FROM inventory.stock_moves WHERE warehouse_id IS NOT NULL GROUP BY 1, 2) m \
            USING (product_id, warehouse_id) WHERE COALESCE(on_hand, 0) <> COALESCE(moved, 0)",
        fault: "UPDATE inventory.stock_levels SET on_hand = on_hand + 1",
    },
    Check {
        law: "I-2, a move takes some goods from one place to another",
        broken: "SELECT id::text AS broken FROM inventory.stock_moves \
            WHERE from_location = to_location OR quantity <= 0 \
            OR (warehouse_id IS NULL) = ('warehouse' IN (from_location, to_location))",
        fault: "UPDATE inventory.stock_moves SET from_location = to_location",
    },
    Check {
        law: "I-3, nothing is on hand below zero",
        broken: "SELECT product_id::text AS broken FROM inventory.stock_levels WHERE on_hand < 0",
        fault: "UPDATE inventory.stock_levels SET on_hand = -1",
    },
    Check {
        law: "I-4, reserved is the sum of the active reservations",
        broken: "SELECT format('%s: %s, rows %s', product_id, reserved, held) AS broken \
            FROM inventory.stock_levels FULL JOIN ( \
                SELECT product_id, warehouse_id, SUM(remaining) AS held \
                FROM inventory.reservations WHERE status = 'active' GROUP BY 1, 2) r \
            USING (product_id, warehouse_id) WHERE COALESCE(reserved, 0) <> COALESCE(held, 0)",
        fault: "UPDATE inventory.reservations SET remaining = remaining + 1 \
            WHERE status = 'active'",
    },
    Check {
        law: "I-4, backordered is the sum of the open backorders",
        broken: "SELECT format('%s: %s, rows %s', product_id, backordered, waiting) AS broken \
            FROM inventory.stock_levels FULL JOIN ( \
                SELECT product_id, warehouse_id, SUM(remaining) AS waiting \
                FROM inventory.backorders WHERE status = 'open' GROUP BY 1, 2) b \
            USING (product_id, warehouse_id) \
            WHERE COALESCE(backordered, 0) <> COALESCE(waiting, 0)",
        fault: "UPDATE inventory.stock_levels SET backordered = backordered + 1",
    },
    Check {
        law: "I-5, no more is reserved than is on hand",
        broken: "SELECT product_id::text AS broken FROM inventory.stock_levels \
            WHERE reserved < 0 OR reserved > on_hand",
        fault: "UPDATE inventory.stock_levels SET reserved = on_hand + 1",
    },
    Check {
        law: "V-2, the goods are worth what the books say",
        broken: "SELECT format('%s, in the books %s', goods, books) AS broken FROM \
            (SELECT COALESCE(SUM(value_minor), 0) AS goods FROM inventory.stock_levels) g, \
            (SELECT COALESCE(SUM(debit_minor - credit_minor), 0) AS books \
                FROM billing.journal_lines WHERE account = '1200') b WHERE goods <> books",
        fault: "UPDATE inventory.stock_levels SET value_minor = value_minor + 1 \
            WHERE ctid = (SELECT MIN(ctid) FROM inventory.stock_levels)",
    },
];

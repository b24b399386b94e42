//! The laws of the domain that inventory holds.

use kernel::db::Law;

/// Goods and value of each level, as the moves have it less as the level has it.
macro_rules! projection {
    ($condition:literal) => {
        concat!(
            "SELECT COUNT(*) AS n FROM (SELECT product_id, warehouse_id FROM (\
             SELECT product_id, warehouse_id, quantity, value_minor \
             FROM stock_moves WHERE to_location = 'warehouse' \
             UNION ALL SELECT product_id, warehouse_id, -quantity, -value_minor \
             FROM stock_moves WHERE from_location = 'warehouse' \
             UNION ALL SELECT product_id, warehouse_id, 0, value_minor FROM cost_layers \
             UNION ALL SELECT product_id, warehouse_id, 0, value_minor FROM cost_variances \
             UNION ALL SELECT product_id, warehouse_id, owed - on_hand, owed_minor - value_minor \
             FROM stock_levels) parts GROUP BY product_id, warehouse_id HAVING ",
            $condition,
            ") off"
        )
    };
}

/// A counter of each level, less what its rows come to.
macro_rules! counter {
    ($counter:literal, $table:literal, $live:literal) => {
        concat!(
            "SELECT COUNT(*) AS n FROM (SELECT product_id, warehouse_id FROM (\
             SELECT product_id, warehouse_id, ",
            $counter,
            " AS quantity FROM stock_levels \
             UNION ALL SELECT product_id, warehouse_id, -remaining FROM ",
            $table,
            " WHERE status = '",
            $live,
            "') parts GROUP BY product_id, warehouse_id HAVING SUM(quantity) <> 0) off"
        )
    };
}

/// What a table of the ledger says of each closed period: what is dated after the one before it,
/// and not after its last day.
macro_rules! within_period {
    ($quantity:literal, $value:literal, $table:literal, $day:literal) => {
        concat!(
            "SELECT p.id, m.product_id, m.warehouse_id, ",
            $quantity,
            " AS quantity, ",
            $value,
            " AS value_minor FROM stock_periods p \
             LEFT JOIN stock_periods b ON b.id = p.previous_id JOIN ",
            $table,
            " m ON m.",
            $day,
            " <= p.through AND (b.through IS NULL OR m.",
            $day,
            " > b.through) WHERE p.status = 'closed' AND m.warehouse_id IS NOT NULL"
        )
    };
}

pub(crate) const LAWS: &[Law] = &[
    Law {
        id: "I-1",
        description: "on hand is what came in less what went out",
        violations: projection!("SUM(quantity) <> 0"),
    },
    Law {
        id: "I-2",
        description: "every move leads from one place to another",
        violations: "SELECT COUNT(*) AS n FROM stock_moves WHERE from_location = to_location \
            OR ('warehouse' IN (from_location, to_location)) <> (warehouse_id IS NOT NULL)",
    },
    Law {
        id: "I-3",
        description: "nothing is on hand below zero but where it may, and is owed only then",
        violations: "SELECT COUNT(*) AS n FROM stock_levels WHERE on_hand < 0 OR owed < 0 \
            OR (owed > 0 AND (NOT allows_negative OR on_hand > 0))",
    },
    Law {
        id: "I9",
        description: "a level may be below nothing where its warehouse and its product allow it, \
            and nothing is known by lot or place",
        violations: "SELECT COUNT(*) AS n FROM stock_levels s \
            JOIN products p ON p.id = s.product_id JOIN warehouses w ON w.id = s.warehouse_id \
            WHERE s.allows_negative <> (w.allows_negative AND p.negative_stock = 'inherit') \
            OR (s.allows_negative AND (s.is_detailed OR p.tracking <> 'none' OR w.is_transit))",
    },
    Law {
        id: "I-4",
        description: "reserved is the sum of the active reservations",
        violations: counter!("reserved", "reservations", "active"),
    },
    Law {
        id: "I-4b",
        description: "backordered is the sum of the open backorders",
        violations: counter!("backordered", "backorders", "open"),
    },
    Law {
        id: "I-5",
        description: "no more is reserved than is on hand",
        violations: "SELECT COUNT(*) AS n FROM stock_levels \
            WHERE reserved < 0 OR reserved > on_hand",
    },
    Law {
        id: "I-9",
        description: "a reversal is the mirror of its move, and the only one",
        violations: "SELECT COUNT(*) AS n FROM stock_moves r \
            JOIN stock_moves m ON m.id = r.reverses_id \
            WHERE r.product_id <> m.product_id OR r.quantity <> m.quantity \
            OR r.value_minor <> m.value_minor \
            OR r.from_location <> m.to_location OR r.to_location <> m.from_location \
            OR r.warehouse_id <> m.warehouse_id \
            OR 1 < (SELECT COUNT(*) FROM stock_moves o WHERE o.reverses_id = m.id)",
    },
    Law {
        id: "I-10",
        description: "in transit is what transfers have shipped and nobody has received or lost",
        violations: "SELECT COUNT(*) AS n FROM (SELECT product_id FROM (\
            SELECT product_id, shipped - received - lost AS quantity, value_minor \
            FROM transfer_lines \
            UNION ALL SELECT s.product_id, -s.on_hand, -s.value_minor FROM stock_levels s \
            JOIN warehouses w ON w.id = s.warehouse_id WHERE w.is_transit) parts \
            GROUP BY product_id HAVING SUM(quantity) <> 0 OR SUM(value_minor) <> 0) off",
    },
    Law {
        id: "I-11",
        description: "a stock count posted what was counted less what the books said then",
        violations: "SELECT COUNT(*) AS n FROM (SELECT count_id FROM (\
            SELECT l.count_id, l.product_id, l.counted - l.book AS quantity \
            FROM stock_count_lines l JOIN stock_counts c ON c.id = l.count_id \
            WHERE c.status = 'posted' AND l.counted IS NOT NULL \
            UNION ALL SELECT m.source_id, m.product_id, \
            CASE WHEN m.to_location = 'warehouse' THEN -m.quantity ELSE m.quantity END \
            FROM stock_moves m WHERE m.source_type = 'stock_count') parts \
            GROUP BY count_id, product_id HAVING SUM(quantity) <> 0) off",
    },
    Law {
        id: "I-11b",
        description: "the lots of a stock count come to its lines, and what was posted of each is \
            what was counted less what the books said then",
        // Who says later of which lots goods were that a count had brought adds entries to its move.
        violations: "SELECT (SELECT COUNT(*) FROM (SELECT count_id FROM (\
            SELECT l.count_id, s.product_id, s.lot_id, s.counted - s.book AS quantity \
            FROM stock_count_lots s JOIN stock_count_lines l ON l.id = s.line_id \
            JOIN stock_counts c ON c.id = l.count_id WHERE c.status = 'posted' \
            UNION ALL SELECT m.source_id, e.product_id, e.lot_id, -e.quantity \
            FROM stock_moves m JOIN bin_entries e \
            ON e.move_id = m.id AND e.created_at = m.created_at \
            WHERE m.source_type = 'stock_count' AND EXISTS (SELECT 1 FROM stock_count_lines l \
            JOIN stock_count_lots s ON s.line_id = l.id \
            WHERE l.count_id = m.source_id AND l.product_id = m.product_id)) parts \
            GROUP BY count_id, product_id, lot_id HAVING SUM(quantity) <> 0) off) \
            + (SELECT COUNT(*) FROM (SELECT l.id FROM stock_count_lots s \
            JOIN stock_count_lines l ON l.id = s.line_id GROUP BY l.id, l.counted, l.book \
            HAVING SUM(s.counted) IS DISTINCT FROM l.counted \
            OR SUM(s.book) IS DISTINCT FROM l.book) off) AS n",
    },
    Law {
        id: "I19",
        description: "a level knows the minimum of its reorder rule",
        violations: "SELECT COUNT(*) AS n FROM reorder_rules r LEFT JOIN stock_levels s \
            ON s.product_id = r.product_id AND s.warehouse_id = r.warehouse_id \
            WHERE s.reorder_point IS DISTINCT FROM r.min_quantity",
    },
    Law {
        id: "I-12",
        description: "a reservation that has ended holds nothing",
        violations: "SELECT COUNT(*) AS n FROM reservations \
            WHERE (status = 'active') <> (remaining > 0) \
            OR remaining < 0 OR remaining > quantity",
    },
    Law {
        id: "I23",
        description: "what was kept of a closed period is what moved until its end",
        violations: concat!(
            "SELECT COUNT(*) AS n FROM (SELECT id FROM (",
            within_period!(
                "CASE m.to_location WHEN 'warehouse' THEN m.quantity ELSE -m.quantity END",
                "CASE m.to_location WHEN 'warehouse' THEN m.value_minor ELSE -m.value_minor END",
                "stock_moves",
                "moved_on"
            ),
            " UNION ALL ",
            within_period!("0", "m.value_minor", "cost_layers", "booked_on"),
            " UNION ALL ",
            within_period!("0", "m.value_minor", "cost_variances", "booked_on"),
            " UNION ALL SELECT p.id, s.product_id, s.warehouse_id, s.quantity, s.value_minor \
             FROM stock_periods p JOIN stock_snapshots s ON s.period_id = p.previous_id \
             WHERE p.status = 'closed' \
             UNION ALL SELECT p.id, s.product_id, s.warehouse_id, -s.quantity, -s.value_minor \
             FROM stock_periods p JOIN stock_snapshots s ON s.period_id = p.id \
             WHERE p.status = 'closed') parts GROUP BY id, product_id, warehouse_id \
             HAVING SUM(quantity) <> 0 OR SUM(value_minor) <> 0) off"
        ),
    },
    Law {
        id: "I23b",
        description: "closed periods follow each other, and are worth what was kept of them",
        violations: "SELECT COUNT(*) AS n FROM stock_periods p \
            LEFT JOIN stock_periods b ON b.id = p.previous_id AND b.status = 'closed' \
            WHERE p.status = 'closed' \
            AND (p.position <> COALESCE(b.position, 0) + 1 OR p.through <= b.through \
            OR p.value_minor <> (SELECT COALESCE(SUM(s.value_minor), 0) \
            FROM stock_snapshots s WHERE s.period_id = p.id))",
    },
    Law {
        id: "V-1",
        description: "what is left of what came first comes to what is on hand, and to its worth",
        violations: "SELECT COUNT(*) AS n FROM (SELECT product_id FROM (\
            SELECT product_id, warehouse_id, on_hand, value_minor FROM stock_levels \
            WHERE costing = 'fifo' UNION ALL \
            SELECT product_id, warehouse_id, -remaining, -value_minor FROM fifo_layers) parts \
            GROUP BY product_id, warehouse_id \
            HAVING SUM(on_hand) <> 0 OR SUM(value_minor) <> 0) off",
    },
    Law {
        id: "V-7",
        description: "a level is valued as its product is, at its standard cost if it has one",
        violations: "SELECT COUNT(*) AS n FROM stock_levels s \
            JOIN products p ON p.id = s.product_id JOIN warehouses w ON w.id = s.warehouse_id \
            WHERE CASE WHEN w.is_transit THEN s.costing <> 'average' \
            ELSE s.costing <> p.costing OR s.standard_cost IS DISTINCT FROM p.standard_cost END",
    },
    Law {
        id: "V-4",
        description: "the value of stock is what came in less what went out",
        violations: projection!("SUM(value_minor) <> 0"),
    },
    Law {
        id: "V-4b",
        description: "nothing on hand is worth nothing, and nothing is worth less",
        violations: "SELECT COUNT(*) AS n FROM stock_levels \
            WHERE value_minor < 0 OR (on_hand = 0 AND value_minor <> 0) \
            OR owed_minor < 0 OR (owed = 0 AND owed_minor <> 0)",
    },
    Law {
        id: "V-5",
        description: "what came back of an order line was shipped, and cost what it cost",
        violations: "SELECT COUNT(*) AS n FROM (SELECT source_line_id, \
            SUM(CASE kind WHEN 'issue' THEN quantity ELSE -quantity END) AS quantity, \
            SUM(CASE kind WHEN 'issue' THEN value_minor ELSE -value_minor END) AS value_minor \
            FROM stock_moves WHERE kind IN ('issue', 'return', 'scrap') \
            GROUP BY source_line_id) lines \
            WHERE quantity < 0 OR value_minor < 0 OR (quantity = 0 AND value_minor <> 0)",
    },
    Law {
        id: "V-6",
        description: "the shares of a landed cost add up to it",
        violations: "SELECT COUNT(*) AS n FROM (SELECT id FROM (\
            SELECT id, amount_minor FROM landed_costs \
            UNION ALL SELECT landed_cost_id, -share_minor FROM cost_layers) parts \
            GROUP BY id HAVING SUM(amount_minor) <> 0) off",
    },
    Law {
        id: "I-1b",
        description: "what a bin holds is what its entries brought less what they took",
        violations: "SELECT COUNT(*) AS n FROM (SELECT product_id FROM (\
            SELECT product_id, warehouse_id, location_id, lot_id, quantity FROM bin_entries \
            UNION ALL SELECT product_id, warehouse_id, location_id, lot_id, -quantity \
            FROM bins) parts GROUP BY product_id, warehouse_id, location_id, lot_id \
            HAVING SUM(quantity) <> 0) off",
    },
    Law {
        id: "I-2b",
        description: "the entries of a move come to the move, those of a relocation to nothing",
        violations: "SELECT COUNT(*) AS n FROM (SELECT id FROM (\
            SELECT move_id AS id, quantity FROM bin_entries WHERE move_id IS NOT NULL \
            UNION ALL SELECT relocation_id, quantity FROM bin_entries \
            WHERE relocation_id IS NOT NULL \
            UNION ALL SELECT m.id, CASE WHEN m.to_location = 'warehouse' THEN -m.quantity \
            ELSE m.quantity END FROM stock_moves m \
            WHERE EXISTS (SELECT 1 FROM bin_entries e WHERE e.move_id = m.id)) parts \
            GROUP BY id HAVING SUM(quantity) <> 0) off",
    },
    Law {
        id: "I-6",
        description: "blocked is what lies in bins that block, and those are the right ones",
        violations: "SELECT (SELECT COUNT(*) FROM (SELECT product_id FROM (\
            SELECT product_id, warehouse_id, blocked FROM stock_levels \
            UNION ALL SELECT product_id, warehouse_id, -quantity FROM bins WHERE is_blocked) \
            parts GROUP BY product_id, warehouse_id HAVING SUM(blocked) <> 0) off) \
            + (SELECT COUNT(*) FROM bins b JOIN products p ON p.id = b.product_id \
            LEFT JOIN lots l ON l.id = b.lot_id LEFT JOIN locations o ON o.id = b.location_id \
            WHERE b.quantity > 0 AND b.is_blocked <> (\
            (p.tracking <> 'none' AND COALESCE(l.status, 'unknown') <> 'active') \
            OR COALESCE(o.kind, 'stock') IN ('quarantine', 'transit', 'scrap'))) AS n",
    },
    Law {
        id: "I-7",
        description: "a serial number is of one piece in one place",
        violations: "SELECT COUNT(*) AS n FROM (SELECT b.lot_id FROM bins b \
            JOIN products p ON p.id = b.product_id \
            WHERE p.tracking = 'serial' AND b.lot_id IS NOT NULL AND b.quantity > 0 \
            GROUP BY b.lot_id HAVING SUM(b.quantity) <> 1000000 OR COUNT(*) > 1) off",
    },
    Law {
        id: "I-8",
        description: "the bins of a level come to what is on hand, of every level that has some",
        violations: "SELECT (SELECT COUNT(*) FROM (SELECT product_id FROM (\
            SELECT product_id, warehouse_id, on_hand FROM stock_levels WHERE is_detailed \
            UNION ALL SELECT product_id, warehouse_id, -quantity FROM bins) parts \
            GROUP BY product_id, warehouse_id HAVING SUM(on_hand) <> 0) off) \
            + (SELECT COUNT(*) FROM stock_levels s JOIN products p ON p.id = s.product_id \
            JOIN warehouses w ON w.id = s.warehouse_id \
            WHERE s.is_detailed <> (p.tracking <> 'none' OR w.has_locations)) AS n",
    },
    Law {
        id: "I22",
        description: "what bins hold for picking lists is what those hold, and is reserved",
        violations: "SELECT (SELECT COUNT(*) FROM (SELECT id FROM (\
            SELECT id, allocated FROM bins \
            UNION ALL SELECT bin_id, -allocated FROM picking_lines WHERE bin_id IS NOT NULL) \
            parts GROUP BY id HAVING SUM(allocated) <> 0) off) \
            + (SELECT COUNT(*) FROM (SELECT order_line_id FROM (\
            SELECT order_line_id, allocated FROM picking_lines WHERE allocated > 0 \
            UNION ALL SELECT order_line_id, -remaining FROM reservations \
            WHERE status = 'active' AND order_line_id IS NOT NULL) held \
            GROUP BY order_line_id HAVING SUM(allocated) > 0) more) AS n",
    },
    Law {
        id: "I24",
        description: "an order knows of as many kits as its reservations make whole, and all \
            parts of a line are of as many kits",
        violations: "SELECT COUNT(*) AS n FROM (SELECT l.order_line_id FROM kit_lines l \
            JOIN kit_parts p ON p.order_line_id = l.order_line_id \
            LEFT JOIN reservations r ON r.order_line_id = p.id \
            AND r.status = 'active' AND r.expires_at IS NULL \
            LEFT JOIN backorders b ON b.order_line_id = p.id \
            AND b.status = 'open' AND b.expires_at IS NULL \
            GROUP BY l.order_line_id, l.reserved HAVING COUNT(r.id) + COUNT(b.id) > 0 AND (\
            l.reserved <> 1000000 * MIN(COALESCE(r.remaining, 0) / p.per_kit) \
            OR SUM((COALESCE(r.remaining, 0) + COALESCE(b.remaining, 0)) % p.per_kit) <> 0 \
            OR MIN((COALESCE(r.remaining, 0) + COALESCE(b.remaining, 0)) / p.per_kit) \
            <> MAX((COALESCE(r.remaining, 0) + COALESCE(b.remaining, 0)) / p.per_kit))) off",
    },
    Law {
        id: "I10",
        description: "an order knows by when the last part of a kit that waits is promised",
        violations: "SELECT COUNT(*) AS n FROM (SELECT l.order_line_id FROM kit_lines l \
            JOIN kit_parts p ON p.order_line_id = l.order_line_id \
            JOIN backorders b ON b.order_line_id = p.id \
            AND b.status = 'open' AND b.expires_at IS NULL \
            GROUP BY l.order_line_id, l.promised_on HAVING l.promised_on IS DISTINCT FROM \
            CASE WHEN COUNT(b.id) = COUNT(b.promised_on) THEN MAX(b.promised_on) END) off",
    },
    Law {
        id: "I10b",
        description: "nobody whose order is confirmed waits for what is available",
        violations: "SELECT COUNT(*) AS n FROM stock_levels s \
            WHERE s.on_hand > s.reserved + s.blocked AND EXISTS (SELECT 1 FROM backorders b \
            WHERE b.product_id = s.product_id AND b.warehouse_id = s.warehouse_id \
            AND b.status = 'open' AND b.expires_at IS NULL)",
    },
    Law {
        id: "I24b",
        description: "a kit is in no warehouse, and what is held for one is a part of its line",
        violations: "SELECT (SELECT COUNT(*) FROM stock_levels s \
            JOIN products p ON p.id = s.product_id WHERE p.is_kit) \
            + (SELECT COUNT(*) FROM kit_components c JOIN products p ON p.id = c.product_id \
            WHERE p.is_kit) + (SELECT COUNT(*) FROM (\
            SELECT order_line_id, product_id, kit_line_id, kit_id FROM reservations \
            WHERE kit_id IS NOT NULL UNION ALL \
            SELECT order_line_id, product_id, kit_line_id, kit_id FROM backorders \
            WHERE kit_id IS NOT NULL) h LEFT JOIN kit_parts p ON p.id = h.order_line_id \
            AND p.order_line_id = h.kit_line_id AND p.kit_id = h.kit_id \
            AND p.product_id = h.product_id WHERE p.id IS NULL) AS n",
    },
    Law {
        // Flow 2.3, step 3: backorders are filled first, oldest first.
        id: "2.3-3",
        description: "no confirmed order waits for stock that is available",
        violations: "SELECT COUNT(*) AS n FROM backorders b JOIN stock_levels s \
            ON s.product_id = b.product_id AND s.warehouse_id = b.warehouse_id \
            WHERE b.status = 'open' AND b.expires_at IS NULL AND s.on_hand > s.reserved + s.blocked",
    },
];

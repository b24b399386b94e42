-- Stock below nothing (I9): where the warehouse allows it and the product takes after its
-- warehouse. What went out though it was not there is owed, beside an empty shelf, so that
-- `on_hand` itself stays what can be touched.

ALTER TABLE warehouses ADD COLUMN allows_negative BOOLEAN NOT NULL DEFAULT FALSE
    CHECK (NOT (allows_negative AND (is_transit OR has_locations)));
-- A lot or a piece that is not there cannot be said to have gone.
ALTER TABLE products ADD COLUMN negative_stock TEXT NOT NULL DEFAULT 'never'
    CHECK (negative_stock = 'never' OR (negative_stock = 'inherit' AND tracking = 'none'));

-- Beside what it decides: both of the two allow it.
ALTER TABLE stock_levels ADD COLUMN allows_negative BOOLEAN NOT NULL DEFAULT FALSE
    CHECK (NOT (allows_negative AND is_detailed));
ALTER TABLE stock_levels ADD COLUMN owed BIGINT NOT NULL DEFAULT 0
    CHECK (owed >= 0 AND (owed = 0 OR (allows_negative AND on_hand = 0)));
-- What it went out at, until it is known what it costs.
ALTER TABLE stock_levels ADD COLUMN owed_minor BIGINT NOT NULL DEFAULT 0
    CHECK (owed_minor >= 0 AND (owed > 0 OR owed_minor = 0));
CREATE INDEX stock_levels_owed ON stock_levels (warehouse_id, product_id) WHERE owed > 0;

CREATE TRIGGER stock_levels_open_below BEFORE INSERT ON stock_levels
WHEN NEW.allows_negative AND NOT EXISTS (
    SELECT 1 FROM products p JOIN warehouses w ON w.id = NEW.warehouse_id
    WHERE p.id = NEW.product_id AND p.negative_stock = 'inherit' AND w.allows_negative)
BEGIN SELECT RAISE(ABORT, 'stock there is never below nothing'); END;
CREATE TRIGGER stock_levels_go_below BEFORE UPDATE OF allows_negative, owed ON stock_levels
WHEN NEW.allows_negative AND NOT EXISTS (
    SELECT 1 FROM products p JOIN warehouses w ON w.id = NEW.warehouse_id
    WHERE p.id = NEW.product_id AND p.negative_stock = 'inherit' AND w.allows_negative)
BEGIN SELECT RAISE(ABORT, 'stock there is never below nothing'); END;
CREATE TRIGGER warehouses_allow_negative BEFORE UPDATE OF allows_negative ON warehouses
WHEN OLD.allows_negative AND NOT NEW.allows_negative AND EXISTS (
    SELECT 1 FROM stock_levels s WHERE s.warehouse_id = NEW.id AND s.allows_negative)
BEGIN SELECT RAISE(ABORT, 'stock there may be below nothing'); END;
CREATE TRIGGER products_allow_negative BEFORE UPDATE OF negative_stock ON products
WHEN OLD.negative_stock = 'inherit' AND NEW.negative_stock = 'never' AND EXISTS (
    SELECT 1 FROM stock_levels s WHERE s.product_id = NEW.id AND s.allows_negative)
BEGIN SELECT RAISE(ABORT, 'stock of it may be below nothing'); END;

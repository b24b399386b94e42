-- How a product is valued: by weighted average, first in first out, or at a standard cost. It
-- is fixed once the product has a level anywhere.
ALTER TABLE products ADD COLUMN costing TEXT NOT NULL DEFAULT 'average'
    CHECK (costing IN ('average', 'fifo', 'standard'));
ALTER TABLE products ADD COLUMN standard_cost BIGINT
    CHECK (standard_cost >= 0 AND (costing = 'standard' OR standard_cost IS NULL));
-- Beside what it decides. What is in transit is worth what it was where it left.
ALTER TABLE stock_levels ADD COLUMN costing TEXT NOT NULL DEFAULT 'average'
    CHECK (costing IN ('average', 'fifo', 'standard'));
ALTER TABLE stock_levels ADD COLUMN standard_cost BIGINT
    CHECK ((costing = 'standard') = (standard_cost IS NOT NULL));

-- What came together at one cost, of products valued first in, first out, and what is left.
CREATE TABLE fifo_layers (
    id           UUID PRIMARY KEY,
    product_id   UUID NOT NULL,
    warehouse_id UUID NOT NULL,
    -- The move that brought it.
    move_id      UUID REFERENCES stock_moves (id),
    quantity     BIGINT NOT NULL CHECK (quantity > 0),
    remaining    BIGINT NOT NULL CHECK (remaining BETWEEN 0 AND quantity),
    -- What the rest is worth.
    value_minor  BIGINT NOT NULL CHECK (value_minor >= 0),
    created_at   TIMESTAMPTZ NOT NULL,
    FOREIGN KEY (product_id, warehouse_id) REFERENCES stock_levels (product_id, warehouse_id),
    CHECK (remaining > 0 OR value_minor = 0)
);
CREATE INDEX fifo_layers_open ON fifo_layers (product_id, warehouse_id, id) WHERE remaining > 0;
CREATE INDEX fifo_layers_by_move ON fifo_layers (move_id);

-- What goods at a standard cost came to cost more or less: an expense at once. Rows never
-- change.
CREATE TABLE cost_variances (
    id           UUID PRIMARY KEY,
    product_id   UUID NOT NULL REFERENCES products (id),
    warehouse_id UUID NOT NULL REFERENCES warehouses (id),
    value_minor  BIGINT NOT NULL CHECK (value_minor <> 0),
    reason       TEXT NOT NULL,
    booked_on    DATE NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX cost_variances_by_product ON cost_variances (product_id, id);
CREATE TRIGGER cost_variances_no_update BEFORE UPDATE ON cost_variances
BEGIN SELECT RAISE(ABORT, 'cost_variances is append-only'); END;
CREATE TRIGGER cost_variances_no_delete BEFORE DELETE ON cost_variances
BEGIN SELECT RAISE(ABORT, 'cost_variances is append-only'); END;

-- What has moved since a day.
CREATE INDEX stock_moves_by_day ON stock_moves (moved_on);
CREATE INDEX cost_layers_by_day ON cost_layers (booked_on);

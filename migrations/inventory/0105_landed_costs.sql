-- Costs that come after the goods: freight, customs, a supplier's correction. They are layers
-- of their own; no move is ever valued anew.

CREATE TABLE landed_costs (
    id           UUID PRIMARY KEY,
    -- The receipt they are of: source_id of its moves.
    source_id    UUID NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    basis        TEXT NOT NULL CHECK (basis IN ('quantity', 'value', 'weight')),
    reason       TEXT NOT NULL,
    booked_on    DATE NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX landed_costs_by_source ON landed_costs (source_id, id);

-- What falls to one move of the receipt, and how much of that to goods that are still there.
CREATE TABLE cost_layers (
    id             UUID PRIMARY KEY,
    landed_cost_id UUID NOT NULL REFERENCES landed_costs (id),
    move_id        UUID NOT NULL REFERENCES stock_moves (id),
    product_id     UUID NOT NULL REFERENCES products (id),
    warehouse_id   UUID NOT NULL REFERENCES warehouses (id),
    share_minor    BIGINT NOT NULL,
    value_minor    BIGINT NOT NULL,
    booked_on      DATE NOT NULL,
    UNIQUE (landed_cost_id, move_id),
    CHECK (value_minor BETWEEN 0 AND share_minor)
);
CREATE INDEX cost_layers_by_product ON cost_layers (product_id, id);

CREATE TRIGGER landed_costs_no_update BEFORE UPDATE ON landed_costs
BEGIN SELECT RAISE(ABORT, 'landed_costs is append-only'); END;
CREATE TRIGGER landed_costs_no_delete BEFORE DELETE ON landed_costs
BEGIN SELECT RAISE(ABORT, 'landed_costs is append-only'); END;
CREATE TRIGGER cost_layers_no_update BEFORE UPDATE ON cost_layers
BEGIN SELECT RAISE(ABORT, 'cost_layers is append-only'); END;
CREATE TRIGGER cost_layers_no_delete BEFORE DELETE ON cost_layers
BEGIN SELECT RAISE(ABORT, 'cost_layers is append-only'); END;

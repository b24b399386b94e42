-- Reasons and approval of corrections, stock takes, reorder rules, and what is expected.

CREATE TABLE adjustment_reasons (
    id                   UUID PRIMARY KEY,
    code                 TEXT NOT NULL UNIQUE,
    name                 TEXT NOT NULL,
    kind                 TEXT NOT NULL CHECK (kind IN ('correction', 'scrap')),
    -- A correction worth more than this is approved by somebody else first; none: no limit.
    approval_above_minor BIGINT CHECK (approval_above_minor >= 0),
    created_at           TIMESTAMPTZ NOT NULL
);

CREATE TABLE adjustment_requests (
    id           UUID PRIMARY KEY,
    -- The adjustment as it was asked for, in JSON.
    adjustment   TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
    requested_by UUID,
    decided_by   UUID,
    move_id      UUID REFERENCES stock_moves (id),
    version      BIGINT NOT NULL CHECK (version > 0),
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    CHECK ((status = 'approved') = (move_id IS NOT NULL)),
    CHECK (status = 'pending' OR decided_by IS DISTINCT FROM requested_by)
);
CREATE INDEX adjustment_requests_by_status ON adjustment_requests (status, id);

CREATE TABLE stock_counts (
    id                UUID PRIMARY KEY,
    warehouse_id      UUID NOT NULL REFERENCES warehouses (id),
    status            TEXT NOT NULL
                      CHECK (status IN ('counting', 'submitted', 'posted', 'cancelled')),
    is_blind          BOOLEAN NOT NULL,
    -- What differs from the books by more is counted twice; none: once is enough.
    tolerance_percent BIGINT CHECK (tolerance_percent BETWEEN 0 AND 100),
    note              TEXT,
    submitted_by      UUID,
    approved_by       UUID,
    version           BIGINT NOT NULL CHECK (version > 0),
    created_at        TIMESTAMPTZ NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,
    CHECK (status <> 'posted' OR approved_by IS DISTINCT FROM submitted_by)
);
CREATE INDEX stock_counts_by_warehouse ON stock_counts (warehouse_id, id);
CREATE INDEX stock_counts_by_status ON stock_counts (status, id);

-- What is on the list of a count. `book` is what was on hand when it was counted, so that
-- what moves afterwards is not undone by the count.
CREATE TABLE stock_count_lines (
    id         UUID PRIMARY KEY,
    count_id   UUID NOT NULL REFERENCES stock_counts (id),
    product_id UUID NOT NULL REFERENCES products (id),
    book       BIGINT,
    counted    BIGINT CHECK (counted >= 0),
    counts     BIGINT NOT NULL CHECK (counts >= 0),
    -- What a unit costs, where something is found of which nothing is on hand.
    unit_cost  BIGINT CHECK (unit_cost >= 0),
    counted_at TIMESTAMPTZ,
    UNIQUE (count_id, product_id),
    CHECK ((counts > 0) = (counted IS NOT NULL)),
    CHECK ((book IS NULL) = (counted IS NULL))
);
CREATE INDEX stock_count_lines_by_count ON stock_count_lines (count_id, id);
CREATE TRIGGER stock_counts_end_once BEFORE UPDATE ON stock_counts
WHEN OLD.status IN ('posted', 'cancelled')
BEGIN SELECT RAISE(ABORT, 'the stock count has ended'); END;
CREATE TRIGGER stock_counts_no_delete BEFORE DELETE ON stock_counts
BEGIN SELECT RAISE(ABORT, 'stock counts are kept'); END;

CREATE TABLE reorder_rules (
    id              UUID PRIMARY KEY,
    product_id      UUID NOT NULL REFERENCES products (id),
    warehouse_id    UUID NOT NULL REFERENCES warehouses (id),
    min_quantity    BIGINT NOT NULL CHECK (min_quantity >= 0),
    target_quantity BIGINT NOT NULL,
    max_quantity    BIGINT NOT NULL,
    multiple        BIGINT NOT NULL CHECK (multiple > 0),
    minimum_order   BIGINT NOT NULL CHECK (minimum_order >= 0),
    lead_time_days  BIGINT NOT NULL CHECK (lead_time_days BETWEEN 0 AND 3650),
    version         BIGINT NOT NULL CHECK (version > 0),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    UNIQUE (product_id, warehouse_id),
    CHECK (min_quantity <= target_quantity AND target_quantity <= max_quantity)
);
CREATE INDEX reorder_rules_by_product ON reorder_rules (product_id, id);
CREATE INDEX reorder_rules_by_warehouse ON reorder_rules (warehouse_id, id);
-- The minimum of the rule, beside what is compared with it.
ALTER TABLE stock_levels ADD COLUMN reorder_point BIGINT;

-- What is on its way, by line of a purchase order; receipts of that line count it down.
CREATE TABLE expected_receipts (
    id           UUID PRIMARY KEY,
    product_id   UUID NOT NULL REFERENCES products (id),
    warehouse_id UUID NOT NULL REFERENCES warehouses (id),
    quantity     BIGINT NOT NULL CHECK (quantity >= 0),
    received     BIGINT NOT NULL CHECK (received >= 0),
    expected_on  DATE NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX expected_receipts_by_product ON expected_receipts (product_id, id);
CREATE INDEX expected_receipts_by_warehouse ON expected_receipts (warehouse_id, id);
CREATE INDEX expected_receipts_open ON expected_receipts (product_id, warehouse_id)
    WHERE quantity > received;

-- Which of the company's reasons a correction has.
ALTER TABLE stock_moves ADD COLUMN reason_code TEXT;

-- Products, warehouses, the ledger of stock moves, and what follows from it.

CREATE TABLE products (
    id            UUID PRIMARY KEY,
    sku           TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    description   TEXT,
    barcode       TEXT UNIQUE,
    unit          TEXT NOT NULL,
    unit_decimals BIGINT NOT NULL CHECK (unit_decimals BETWEEN 0 AND 6),
    tax_class     TEXT NOT NULL,
    is_active     BOOLEAN NOT NULL,
    version       BIGINT NOT NULL CHECK (version > 0),
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL
);

CREATE TABLE warehouses (
    id         UUID PRIMARY KEY,
    code       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    is_active  BOOLEAN NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- The ledger: every unit that ever came or went, between two places, with its value. One
-- of them may be a warehouse; what goes from one warehouse to another goes by a place in
-- between, so that each move concerns the stock of one. Rows never change (0101).
CREATE TABLE stock_moves (
    id             UUID PRIMARY KEY,
    kind           TEXT NOT NULL
                   CHECK (kind IN ('receipt', 'issue', 'return', 'scrap', 'adjustment')),
    product_id     UUID NOT NULL REFERENCES products (id),
    from_location  TEXT NOT NULL CHECK (from_location IN
                   ('warehouse', 'supplier', 'customer', 'adjustment', 'scrap')),
    to_location    TEXT NOT NULL CHECK (to_location IN
                   ('warehouse', 'supplier', 'customer', 'adjustment', 'scrap')),
    -- Which warehouse, if one of the two is one.
    warehouse_id   UUID REFERENCES warehouses (id),
    quantity       BIGINT NOT NULL CHECK (quantity > 0),
    unit_cost      BIGINT CHECK (unit_cost >= 0),
    value_minor    BIGINT NOT NULL CHECK (value_minor >= 0),
    currency       TEXT NOT NULL,
    moved_on       DATE NOT NULL,
    -- What it was posted for; the line is the order's or the purchase order's, and the
    -- move itself where there is none.
    source_type    TEXT NOT NULL,
    source_id      UUID NOT NULL,
    source_line_id UUID NOT NULL,
    reason         TEXT,
    reverses_id    UUID UNIQUE REFERENCES stock_moves (id),
    created_at     TIMESTAMPTZ NOT NULL,
    CHECK (from_location <> to_location),
    CHECK (('warehouse' IN (from_location, to_location)) = (warehouse_id IS NOT NULL)),
    -- A document that arrives twice posts once.
    UNIQUE (source_id, source_line_id, kind)
);
CREATE INDEX stock_moves_by_product ON stock_moves (product_id, id);
CREATE INDEX stock_moves_by_warehouse ON stock_moves (warehouse_id, id);
CREATE INDEX stock_moves_by_kind ON stock_moves (kind, id);
CREATE INDEX stock_moves_by_source_line ON stock_moves (source_line_id);

-- What the moves, reservations and backorders come to, kept in their transaction.
CREATE TABLE stock_levels (
    product_id   UUID NOT NULL REFERENCES products (id),
    warehouse_id UUID NOT NULL REFERENCES warehouses (id),
    -- Lists page by it.
    id           UUID NOT NULL UNIQUE,
    on_hand      BIGINT NOT NULL CHECK (on_hand >= 0),
    reserved     BIGINT NOT NULL,
    backordered  BIGINT NOT NULL CHECK (backordered >= 0),
    value_minor  BIGINT NOT NULL CHECK (value_minor >= 0),
    PRIMARY KEY (product_id, warehouse_id),
    CHECK (reserved BETWEEN 0 AND on_hand),
    CHECK (on_hand > 0 OR value_minor = 0)
);
CREATE INDEX stock_levels_by_warehouse ON stock_levels (warehouse_id, id);

-- Stock promised to an order line, or set aside by hand. `quantity` is all that was ever
-- reserved, `remaining` what still is.
CREATE TABLE reservations (
    id            UUID PRIMARY KEY,
    order_id      UUID,
    order_line_id UUID,
    product_id    UUID NOT NULL,
    warehouse_id  UUID NOT NULL,
    quantity      BIGINT NOT NULL,
    remaining     BIGINT NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('active', 'consumed', 'released', 'expired')),
    -- None: until it is shipped or released.
    expires_at    TIMESTAMPTZ,
    note          TEXT,
    version       BIGINT NOT NULL CHECK (version > 0),
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    FOREIGN KEY (product_id, warehouse_id) REFERENCES stock_levels (product_id, warehouse_id),
    CHECK ((order_id IS NULL) = (order_line_id IS NULL)),
    CHECK (remaining BETWEEN 0 AND quantity),
    CHECK ((status = 'active') = (remaining > 0))
);
CREATE UNIQUE INDEX reservations_one_a_line ON reservations (order_line_id)
    WHERE status = 'active';
CREATE INDEX reservations_by_order ON reservations (order_id);
CREATE INDEX reservations_by_product ON reservations (product_id, id);
CREATE INDEX reservations_by_warehouse ON reservations (warehouse_id, id);
CREATE INDEX reservations_by_status ON reservations (status, id);
CREATE INDEX reservations_by_expiry ON reservations (expires_at)
    WHERE status = 'active' AND expires_at IS NOT NULL;

-- What order lines wait for, filled oldest first.
CREATE TABLE backorders (
    id            UUID PRIMARY KEY,
    order_id      UUID NOT NULL,
    order_line_id UUID NOT NULL,
    product_id    UUID NOT NULL,
    warehouse_id  UUID NOT NULL,
    quantity      BIGINT NOT NULL,
    remaining     BIGINT NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('open', 'filled', 'cancelled')),
    -- Until then the order is not confirmed, and nothing is taken for it.
    expires_at    TIMESTAMPTZ,
    version       BIGINT NOT NULL CHECK (version > 0),
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    FOREIGN KEY (product_id, warehouse_id) REFERENCES stock_levels (product_id, warehouse_id),
    CHECK (remaining BETWEEN 0 AND quantity),
    CHECK ((status = 'open') = (remaining > 0))
);
CREATE UNIQUE INDEX backorders_one_a_line ON backorders (order_line_id) WHERE status = 'open';
CREATE INDEX backorders_by_order ON backorders (order_id);
CREATE INDEX backorders_in_queue ON backorders (product_id, warehouse_id, id)
    WHERE status = 'open';
CREATE INDEX backorders_by_expiry ON backorders (expires_at)
    WHERE status = 'open' AND expires_at IS NOT NULL;

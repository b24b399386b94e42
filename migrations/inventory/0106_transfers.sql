-- Transfers from one warehouse to another, in two steps. What is on its way lies in a
-- warehouse of its own, so that it is counted and valued like all other stock.

ALTER TABLE warehouses ADD COLUMN is_transit BOOLEAN NOT NULL DEFAULT FALSE;
CREATE UNIQUE INDEX warehouses_one_in_transit ON warehouses (is_transit) WHERE is_transit;

CREATE TABLE transfers (
    id                UUID PRIMARY KEY,
    from_warehouse_id UUID NOT NULL REFERENCES warehouses (id),
    to_warehouse_id   UUID NOT NULL REFERENCES warehouses (id),
    status            TEXT NOT NULL CHECK (status IN ('in_transit', 'received')),
    note              TEXT,
    version           BIGINT NOT NULL CHECK (version > 0),
    created_at        TIMESTAMPTZ NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,
    CHECK (from_warehouse_id <> to_warehouse_id)
);
CREATE INDEX transfers_by_origin ON transfers (from_warehouse_id, id);
CREATE INDEX transfers_by_destination ON transfers (to_warehouse_id, id);
CREATE INDEX transfers_by_status ON transfers (status, id);

CREATE TABLE transfer_lines (
    id          UUID PRIMARY KEY,
    transfer_id UUID NOT NULL REFERENCES transfers (id),
    product_id  UUID NOT NULL REFERENCES products (id),
    shipped     BIGINT NOT NULL CHECK (shipped > 0),
    received    BIGINT NOT NULL CHECK (received >= 0),
    lost        BIGINT NOT NULL CHECK (lost >= 0),
    -- What of it that is still on its way cost.
    value_minor BIGINT NOT NULL CHECK (value_minor >= 0),
    UNIQUE (transfer_id, product_id),
    CHECK (received + lost <= shipped),
    CHECK (received + lost < shipped OR value_minor = 0)
);
CREATE TRIGGER transfers_end_once BEFORE UPDATE ON transfers
WHEN OLD.status = 'received'
BEGIN SELECT RAISE(ABORT, 'the transfer has ended'); END;
CREATE TRIGGER transfers_no_delete BEFORE DELETE ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are kept'); END;

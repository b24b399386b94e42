-- Places inside a warehouse, lots and serial numbers, and picking lists. What none of them
-- concerns goes on in stock_levels alone.

-- Fixed once the product has a level anywhere.
ALTER TABLE products ADD COLUMN tracking TEXT NOT NULL DEFAULT 'none'
    CHECK (tracking IN ('none', 'lot', 'serial'));
-- What leaves first: what expires first, or what came first.
ALTER TABLE products ADD COLUMN picking TEXT NOT NULL DEFAULT 'fefo'
    CHECK (picking IN ('fefo', 'fifo'));
ALTER TABLE warehouses ADD COLUMN has_locations BOOLEAN NOT NULL DEFAULT FALSE;
-- Whether bins say where it lies and of which lots it is.
ALTER TABLE stock_levels ADD COLUMN is_detailed BOOLEAN NOT NULL DEFAULT FALSE;
-- On hand and not to be promised: in quarantine, expired, recalled, or of no known lot.
ALTER TABLE stock_levels ADD COLUMN blocked BIGINT NOT NULL DEFAULT 0
    CHECK (blocked >= 0 AND reserved + blocked <= on_hand);

CREATE TABLE locations (
    id           UUID PRIMARY KEY,
    warehouse_id UUID NOT NULL REFERENCES warehouses (id),
    -- Said once: a tree that cannot be bent cannot become a circle.
    parent_id    UUID,
    code         TEXT NOT NULL,
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN
                 ('stock', 'input', 'output', 'quarantine', 'transit', 'scrap')),
    pick_order   BIGINT NOT NULL CHECK (pick_order >= 0),
    barcode      TEXT UNIQUE,
    is_active    BOOLEAN NOT NULL,
    version      BIGINT NOT NULL CHECK (version > 0),
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    UNIQUE (warehouse_id, code),
    UNIQUE (id, warehouse_id),
    FOREIGN KEY (parent_id, warehouse_id) REFERENCES locations (id, warehouse_id)
);
CREATE INDEX locations_by_warehouse ON locations (warehouse_id, id);
CREATE INDEX locations_by_parent ON locations (parent_id, id);
CREATE INDEX locations_by_kind ON locations (kind, id);

-- Where what has come is put: the rule of the product, or of its category, or of everything.
CREATE TABLE put_away_rules (
    id           UUID PRIMARY KEY,
    warehouse_id UUID NOT NULL REFERENCES warehouses (id),
    product_id   UUID REFERENCES products (id),
    category_id  UUID REFERENCES categories (id),
    location_id  UUID NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    FOREIGN KEY (location_id, warehouse_id) REFERENCES locations (id, warehouse_id),
    CHECK (product_id IS NULL OR category_id IS NULL)
);
CREATE UNIQUE INDEX put_away_rules_one_a_product ON put_away_rules
    (warehouse_id, COALESCE(product_id, category_id, warehouse_id));
CREATE INDEX put_away_rules_by_warehouse ON put_away_rules (warehouse_id, id);

-- A lot, or a single piece with its serial number.
CREATE TABLE lots (
    id         UUID PRIMARY KEY,
    product_id UUID NOT NULL REFERENCES products (id),
    number     TEXT NOT NULL,
    expires_on DATE,
    -- Only what is active can be promised.
    status     TEXT NOT NULL
               CHECK (status IN ('active', 'quarantined', 'recalled', 'expired')),
    note       TEXT,
    version    BIGINT NOT NULL CHECK (version > 0),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (product_id, number),
    UNIQUE (id, product_id)
);
CREATE INDEX lots_by_product ON lots (product_id, id);
CREATE INDEX lots_by_number ON lots (number, id);
CREATE INDEX lots_by_status ON lots (status, id);
CREATE INDEX lots_to_expire ON lots (expires_on)
    WHERE status = 'active' AND expires_on IS NOT NULL;

-- What of a level lies where, and of which lot it is. No location: in the warehouse, nobody
-- said where. No lot though the product has some: nobody said of which.
CREATE TABLE bins (
    id           UUID PRIMARY KEY,
    product_id   UUID NOT NULL,
    warehouse_id UUID NOT NULL,
    location_id  UUID,
    lot_id       UUID,
    quantity     BIGINT NOT NULL CHECK (quantity >= 0),
    -- On open picking lists, or picked and not yet shipped.
    allocated    BIGINT NOT NULL CHECK (allocated BETWEEN 0 AND quantity),
    is_serial    BOOLEAN NOT NULL,
    is_blocked   BOOLEAN NOT NULL,
    FOREIGN KEY (product_id, warehouse_id) REFERENCES stock_levels (product_id, warehouse_id),
    FOREIGN KEY (location_id, warehouse_id) REFERENCES locations (id, warehouse_id),
    FOREIGN KEY (lot_id, product_id) REFERENCES lots (id, product_id),
    CHECK (NOT is_serial OR (lot_id IS NOT NULL AND quantity IN (0, 1000000))),
    CHECK (NOT is_blocked OR allocated = 0)
);
CREATE UNIQUE INDEX bins_one_a_place ON bins (product_id, warehouse_id,
    COALESCE(location_id, warehouse_id), COALESCE(lot_id, product_id));
-- A serial number is in one place.
CREATE UNIQUE INDEX bins_one_a_serial ON bins (lot_id) WHERE is_serial AND quantity > 0;
CREATE INDEX bins_by_product ON bins (product_id, id);
CREATE INDEX bins_by_warehouse ON bins (warehouse_id, id);
CREATE INDEX bins_by_location ON bins (location_id, id);
CREATE INDEX bins_by_lot ON bins (lot_id, id);
CREATE INDEX bins_filled ON bins (product_id, warehouse_id) WHERE quantity > 0;

-- Goods moved within a warehouse: put away, picked, into quarantine and out of it.
CREATE TABLE relocations (
    id           UUID PRIMARY KEY,
    warehouse_id UUID NOT NULL REFERENCES warehouses (id),
    reason       TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL
);

-- The ledger of bins: what a move or a relocation brought or took. With neither: what was
-- there when the first location was made. Rows never change.
CREATE TABLE bin_entries (
    id            UUID PRIMARY KEY,
    move_id       UUID REFERENCES stock_moves (id),
    relocation_id UUID REFERENCES relocations (id),
    product_id    UUID NOT NULL,
    warehouse_id  UUID NOT NULL,
    location_id   UUID REFERENCES locations (id),
    lot_id        UUID,
    quantity      BIGINT NOT NULL CHECK (quantity <> 0),
    created_at    TIMESTAMPTZ NOT NULL,
    FOREIGN KEY (product_id, warehouse_id) REFERENCES stock_levels (product_id, warehouse_id),
    FOREIGN KEY (lot_id, product_id) REFERENCES lots (id, product_id),
    CHECK (move_id IS NULL OR relocation_id IS NULL)
);
CREATE INDEX bin_entries_by_move ON bin_entries (move_id);
CREATE INDEX bin_entries_by_relocation ON bin_entries (relocation_id);
CREATE INDEX bin_entries_by_lot ON bin_entries (lot_id, id);
CREATE TRIGGER bin_entries_no_update BEFORE UPDATE ON bin_entries
BEGIN SELECT RAISE(ABORT, 'bin_entries is append-only'); END;
CREATE TRIGGER bin_entries_no_delete BEFORE DELETE ON bin_entries
BEGIN SELECT RAISE(ABORT, 'bin_entries is append-only'); END;
CREATE TRIGGER bins_no_delete BEFORE DELETE ON bins
BEGIN SELECT RAISE(ABORT, 'bins are kept'); END;

CREATE TABLE picking_lists (
    id           UUID PRIMARY KEY,
    warehouse_id UUID NOT NULL REFERENCES warehouses (id),
    status       TEXT NOT NULL CHECK (status IN ('open', 'picked', 'cancelled')),
    version      BIGINT NOT NULL CHECK (version > 0),
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX picking_lists_by_warehouse ON picking_lists (warehouse_id, id);
CREATE INDEX picking_lists_by_status ON picking_lists (status, id);

CREATE TABLE picking_lines (
    id              UUID PRIMARY KEY,
    picking_list_id UUID NOT NULL REFERENCES picking_lists (id),
    -- In the order of the walk.
    position        BIGINT NOT NULL,
    order_id        UUID NOT NULL,
    order_line_id   UUID NOT NULL,
    product_id      UUID NOT NULL REFERENCES products (id),
    warehouse_id    UUID NOT NULL REFERENCES warehouses (id),
    -- Where it was when the list was made.
    location_id     UUID REFERENCES locations (id),
    lot_id          UUID REFERENCES lots (id),
    -- Where it is held for the order; none where the level has no bins.
    bin_id          UUID REFERENCES bins (id),
    quantity        BIGINT NOT NULL CHECK (quantity > 0),
    picked          BIGINT CHECK (picked BETWEEN 0 AND quantity),
    -- What of it is held and not yet shipped.
    allocated       BIGINT NOT NULL CHECK (allocated BETWEEN 0 AND quantity),
    UNIQUE (picking_list_id, position),
    CHECK (allocated = 0 OR bin_id IS NOT NULL)
);
CREATE INDEX picking_lines_held ON picking_lines (order_line_id) WHERE allocated > 0;
CREATE INDEX picking_lines_by_bin ON picking_lines (bin_id) WHERE allocated > 0;
CREATE INDEX picking_lines_open ON picking_lines (order_line_id) WHERE picked IS NULL;
CREATE TRIGGER picking_lists_no_delete BEFORE DELETE ON picking_lists
BEGIN SELECT RAISE(ABORT, 'picking lists are kept'); END;

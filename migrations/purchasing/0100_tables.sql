-- Suppliers, purchase orders and their lines, receipts, and what was billed.

CREATE TABLE suppliers (
    id                 UUID PRIMARY KEY,
    number             TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL,
    email              TEXT,
    tax_id             TEXT,
    currency           TEXT NOT NULL,
    payment_terms_days BIGINT NOT NULL CHECK (payment_terms_days BETWEEN 0 AND 120),
    -- JSON.
    address            TEXT NOT NULL,
    external_id        TEXT UNIQUE,
    is_active          BOOLEAN NOT NULL,
    version            BIGINT NOT NULL CHECK (version > 0),
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL
);

-- What we mean to buy. Supplier, products and prices are a copy of what they were when the
-- order was drafted. The statuses are a function of the moments here and of the counters
-- on the lines, written by the transaction that changes either.
CREATE TABLE purchase_orders (
    id                 UUID PRIMARY KEY,
    number             TEXT NOT NULL UNIQUE,
    status             TEXT NOT NULL CHECK (
        status IN ('draft', 'approved', 'sent', 'received', 'closed', 'cancelled')),
    receipt_status     TEXT NOT NULL CHECK (receipt_status IN ('none', 'partial', 'full')),
    billing_status     TEXT NOT NULL CHECK (billing_status IN ('none', 'partial', 'billed')),
    supplier_id        UUID NOT NULL REFERENCES suppliers (id),
    supplier_name      TEXT NOT NULL,
    payment_terms_days BIGINT NOT NULL CHECK (payment_terms_days BETWEEN 0 AND 120),
    warehouse_id       UUID NOT NULL,
    ordered_on         DATE NOT NULL,
    expected_on        DATE CHECK (expected_on >= ordered_on),
    currency           TEXT NOT NULL,
    rounding_mode      TEXT NOT NULL CHECK (rounding_mode IN ('per_document', 'per_line')),
    net_minor          BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor          BIGINT NOT NULL CHECK (tax_minor >= 0),
    total_minor        BIGINT NOT NULL,
    approved_at        TIMESTAMPTZ,
    sent_at            TIMESTAMPTZ,
    closed_at          TIMESTAMPTZ,
    cancelled_at       TIMESTAMPTZ,
    -- Somebody closed it, whatever was still to come.
    is_closed_short    BOOLEAN NOT NULL,
    version            BIGINT NOT NULL CHECK (version > 0),
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL,
    CHECK (total_minor = net_minor + tax_minor),
    CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CHECK (sent_at IS NULL OR approved_at IS NOT NULL),
    CHECK (status = 'cancelled' OR (status = 'draft') = (approved_at IS NULL)),
    CHECK (status = 'cancelled' OR (status IN ('draft', 'approved')) = (sent_at IS NULL)),
    CHECK (status = 'closed' OR NOT is_closed_short),
    -- Only what was received can be closed; only what was not, cancelled.
    CHECK (status NOT IN ('received', 'closed') OR receipt_status = 'full'),
    CHECK (status NOT IN ('draft', 'approved', 'cancelled') OR receipt_status = 'none')
);
CREATE INDEX purchase_orders_by_status ON purchase_orders (status, id);
CREATE INDEX purchase_orders_by_supplier ON purchase_orders (supplier_id, id);
CREATE INDEX purchase_orders_by_warehouse ON purchase_orders (warehouse_id, id);

-- Where every unit ordered is: law P-1 is the generated column `open` and its check, and
-- law P-3 the generated column `billed`.
CREATE TABLE purchase_order_lines (
    id                UUID PRIMARY KEY,
    purchase_order_id UUID NOT NULL REFERENCES purchase_orders (id),
    position          BIGINT NOT NULL CHECK (position > 0),
    product_id        UUID NOT NULL,
    sku               TEXT NOT NULL,
    name              TEXT NOT NULL,
    unit              TEXT NOT NULL,
    unit_decimals     BIGINT NOT NULL CHECK (unit_decimals BETWEEN 0 AND 6),
    unit_price        BIGINT NOT NULL CHECK (unit_price >= 0),
    tax_class         TEXT NOT NULL,
    tax_rate          BIGINT NOT NULL CHECK (tax_rate BETWEEN 0 AND 1000000),
    net_minor         BIGINT NOT NULL,
    tax_minor         BIGINT NOT NULL,
    total_minor       BIGINT NOT NULL,
    ordered           BIGINT NOT NULL CHECK (ordered > 0),
    received          BIGINT NOT NULL CHECK (received >= 0),
    short_closed      BIGINT NOT NULL CHECK (short_closed >= 0),
    -- On approved bills. May be ahead of what was received: somebody in billing allowed it.
    on_bills          BIGINT NOT NULL CHECK (on_bills >= 0),
    open              BIGINT NOT NULL
        GENERATED ALWAYS AS (ordered - received - short_closed) STORED,
    billed            BIGINT NOT NULL
        GENERATED ALWAYS AS (CASE WHEN on_bills < received THEN on_bills ELSE received END) STORED,
    UNIQUE (purchase_order_id, position),
    CHECK (total_minor = net_minor + tax_minor),
    CHECK (ordered - received - short_closed >= 0)
);

-- Goods that arrived.
CREATE TABLE receipts (
    id                UUID PRIMARY KEY,
    number            TEXT NOT NULL UNIQUE,
    purchase_order_id UUID NOT NULL REFERENCES purchase_orders (id),
    received_on       DATE NOT NULL,
    delivery_note     TEXT,
    created_at        TIMESTAMPTZ NOT NULL
);
CREATE INDEX receipts_by_purchase_order ON receipts (purchase_order_id, id);

CREATE TABLE receipt_lines (
    receipt_id             UUID NOT NULL REFERENCES receipts (id),
    purchase_order_line_id UUID NOT NULL REFERENCES purchase_order_lines (id),
    quantity               BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (receipt_id, purchase_order_line_id)
);
CREATE INDEX receipt_lines_by_line ON receipt_lines (purchase_order_line_id);

-- What billing has approved for payment. The bill is billing's own.
CREATE TABLE billed_lines (
    bill_id                UUID NOT NULL,
    purchase_order_line_id UUID NOT NULL REFERENCES purchase_order_lines (id),
    quantity               BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (bill_id, purchase_order_line_id)
);
CREATE INDEX billed_lines_by_line ON billed_lines (purchase_order_line_id);

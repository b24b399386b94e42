-- Orders, their lines and taxes, shipments and returns.

-- What a customer ordered. Customer, prices and taxes are a copy of what they were when
-- the order was made. The derived statuses are a function of the counters on the lines
-- and of the amounts here, written by the transaction that changes either.
CREATE TABLE orders (
    id                 UUID PRIMARY KEY,
    number             TEXT NOT NULL UNIQUE,
    status             TEXT NOT NULL
        CHECK (status IN ('draft', 'confirmed', 'completed', 'cancelled')),
    fulfilment_status  TEXT NOT NULL CHECK (fulfilment_status IN ('none', 'partial', 'fulfilled')),
    billing_status     TEXT NOT NULL CHECK (billing_status IN ('none', 'partial', 'billed')),
    payment_status     TEXT NOT NULL
        CHECK (payment_status IN ('unpaid', 'partial', 'paid', 'overpaid')),
    -- A quotation becomes one order.
    quotation_id       UUID UNIQUE,
    customer_id        UUID NOT NULL,
    -- JSON: the customer and the addresses.
    customer           TEXT NOT NULL,
    warehouse_id       UUID NOT NULL,
    customer_reference TEXT,
    ordered_on         DATE NOT NULL,
    allow_backorder    BOOLEAN NOT NULL,
    prices_include_tax BOOLEAN NOT NULL,
    currency           TEXT NOT NULL,
    rounding_mode      TEXT NOT NULL CHECK (rounding_mode IN ('per_document', 'per_line')),
    net_minor          BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor          BIGINT NOT NULL CHECK (tax_minor >= 0),
    total_minor        BIGINT NOT NULL CHECK (total_minor = net_minor + tax_minor),
    invoiced_minor     BIGINT NOT NULL DEFAULT 0 CHECK (invoiced_minor >= 0),
    credited_minor     BIGINT NOT NULL DEFAULT 0,
    paid_minor         BIGINT NOT NULL DEFAULT 0 CHECK (paid_minor >= 0),
    confirmed_at       TIMESTAMPTZ,
    completed_at       TIMESTAMPTZ,
    cancelled_at       TIMESTAMPTZ,
    -- The version of the draft that credit and stock were last asked for: a confirmation
    -- that finds another one gives back what may still be held for it.
    held_version       BIGINT,
    version            BIGINT NOT NULL CHECK (version > 0),
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL,
    CHECK (credited_minor BETWEEN 0 AND invoiced_minor),
    CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CHECK (status NOT IN ('confirmed', 'completed') OR confirmed_at IS NOT NULL),
    CHECK (status <> 'draft' OR confirmed_at IS NULL)
);
CREATE INDEX orders_by_status ON orders (status, id);
CREATE INDEX orders_by_customer ON orders (customer_id, id);
CREATE INDEX orders_by_reference ON orders (customer_id, customer_reference);

-- Where every unit ordered is: law O-1 is the generated column and its check.
CREATE TABLE order_lines (
    id            UUID PRIMARY KEY,
    order_id      UUID NOT NULL REFERENCES orders (id),
    position      BIGINT NOT NULL CHECK (position > 0),
    product_id    UUID NOT NULL,
    sku           TEXT NOT NULL,
    name          TEXT NOT NULL,
    unit          TEXT NOT NULL,
    unit_decimals BIGINT NOT NULL CHECK (unit_decimals BETWEEN 0 AND 6),
    unit_price    BIGINT NOT NULL CHECK (unit_price >= 0),
    discount      BIGINT NOT NULL CHECK (discount BETWEEN 0 AND 1000000),
    tax_class     TEXT NOT NULL,
    tax_rate      BIGINT NOT NULL CHECK (tax_rate BETWEEN 0 AND 1000000),
    net_minor     BIGINT NOT NULL,
    tax_minor     BIGINT NOT NULL,
    total_minor   BIGINT NOT NULL CHECK (total_minor = net_minor + tax_minor),
    ordered       BIGINT NOT NULL CHECK (ordered > 0),
    reserved      BIGINT NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    backordered   BIGINT NOT NULL DEFAULT 0 CHECK (backordered >= 0),
    -- In packed shipments, which have not left yet: two of them cannot claim the same stock.
    picked        BIGINT NOT NULL DEFAULT 0,
    shipped       BIGINT NOT NULL DEFAULT 0 CHECK (shipped >= 0),
    cancelled     BIGINT NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    invoiced      BIGINT NOT NULL DEFAULT 0,
    returned      BIGINT NOT NULL DEFAULT 0,
    credited      BIGINT NOT NULL DEFAULT 0,
    unallocated   BIGINT NOT NULL
        GENERATED ALWAYS AS (ordered - shipped - cancelled - reserved - backordered) STORED,
    UNIQUE (order_id, position),
    CHECK (ordered - shipped - cancelled - reserved - backordered >= 0),
    CHECK (picked BETWEEN 0 AND reserved),
    CHECK (invoiced BETWEEN 0 AND shipped),
    CHECK (credited BETWEEN 0 AND invoiced),
    CHECK (returned BETWEEN 0 AND shipped)
);

-- The tax of each class on an order.
CREATE TABLE order_taxes (
    order_id   UUID NOT NULL REFERENCES orders (id),
    tax_class  TEXT NOT NULL,
    rate       BIGINT NOT NULL CHECK (rate BETWEEN 0 AND 1000000),
    base_minor BIGINT NOT NULL,
    tax_minor  BIGINT NOT NULL,
    PRIMARY KEY (order_id, tax_class)
);

-- Goods packed for a customer, and then on their way.
CREATE TABLE shipments (
    id              UUID PRIMARY KEY,
    number          TEXT NOT NULL UNIQUE,
    order_id        UUID NOT NULL REFERENCES orders (id),
    status          TEXT NOT NULL CHECK (status IN ('packed', 'shipped', 'delivered', 'cancelled')),
    carrier         TEXT,
    tracking_number TEXT,
    -- While packed: the day it is meant to leave, if somebody said so.
    shipped_on      DATE,
    shipped_at      TIMESTAMPTZ,
    delivered_at    TIMESTAMPTZ,
    cancelled_at    TIMESTAMPTZ,
    version         BIGINT NOT NULL CHECK (version > 0),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CHECK ((status IN ('shipped', 'delivered')) = (shipped_at IS NOT NULL)),
    CHECK (shipped_at IS NULL OR shipped_on IS NOT NULL),
    CHECK ((status = 'delivered') = (delivered_at IS NOT NULL)),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);
CREATE INDEX shipments_by_order ON shipments (order_id, id);
CREATE INDEX shipments_by_status ON shipments (status, id);

CREATE TABLE shipment_lines (
    shipment_id   UUID NOT NULL REFERENCES shipments (id),
    order_line_id UUID NOT NULL REFERENCES order_lines (id),
    quantity      BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (shipment_id, order_line_id)
);
CREATE INDEX shipment_lines_by_order_line ON shipment_lines (order_line_id);

-- Goods that came back.
CREATE TABLE returns (
    id          UUID PRIMARY KEY,
    number      TEXT NOT NULL UNIQUE,
    order_id    UUID NOT NULL REFERENCES orders (id),
    reason      TEXT NOT NULL,
    received_on DATE NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX returns_by_order ON returns (order_id, id);

CREATE TABLE return_lines (
    return_id     UUID NOT NULL REFERENCES returns (id),
    order_line_id UUID NOT NULL REFERENCES order_lines (id),
    -- Whether it went back on the shelf; otherwise it was scrapped.
    restock       BOOLEAN NOT NULL,
    quantity      BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (return_id, order_line_id, restock)
);
CREATE INDEX return_lines_by_order_line ON return_lines (order_line_id);

-- The timeline of an order reads the module's own events by what they happened to.
CREATE INDEX events_by_aggregate ON events (aggregate_id, id);

-- Price lists, customers and their credit, quotations, and the ledger of sales facts.

CREATE TABLE price_lists (
    id          UUID PRIMARY KEY,
    code        TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    currency    TEXT NOT NULL,
    valid_from  DATE,
    valid_until DATE,
    is_default  BOOLEAN NOT NULL,
    version     BIGINT NOT NULL CHECK (version > 0),
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    CHECK (valid_from IS NULL OR valid_until IS NULL OR valid_from <= valid_until)
);
-- The list that answers when a customer's own does not.
CREATE UNIQUE INDEX price_lists_one_default ON price_lists (currency) WHERE is_default;

-- A price holds from min_quantity (micros) up to the next one. `id` is what lists page by.
CREATE TABLE prices (
    id            UUID NOT NULL UNIQUE,
    price_list_id UUID NOT NULL REFERENCES price_lists (id),
    product_id    UUID NOT NULL,
    min_quantity  BIGINT NOT NULL CHECK (min_quantity >= 0),
    unit_price    BIGINT NOT NULL CHECK (unit_price >= 0),
    PRIMARY KEY (price_list_id, product_id, min_quantity)
);
CREATE INDEX prices_in_order ON prices (price_list_id, id);

CREATE TABLE customers (
    id                 UUID PRIMARY KEY,
    number             TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL,
    email              TEXT,
    tax_id             TEXT,
    currency           TEXT NOT NULL,
    payment_terms_days BIGINT NOT NULL CHECK (payment_terms_days BETWEEN 0 AND 120),
    -- Addresses are JSON: they are only ever read and copied as a whole.
    billing_address    TEXT NOT NULL,
    shipping_address   TEXT,
    price_list_id      UUID REFERENCES price_lists (id),
    external_id        TEXT UNIQUE,
    is_active          BOOLEAN NOT NULL,
    version            BIGINT NOT NULL CHECK (version > 0),
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL
);

-- What a customer may owe and does: a projection of the two tables below, changed by the
-- transaction that changes them. The limit is here and not with the customer so that one
-- conditional update of one row decides whether a hold fits. The bounds keep every sum
-- of these columns within a BIGINT.
CREATE TABLE customer_credit (
    customer_id            UUID PRIMARY KEY REFERENCES customers (id),
    limit_minor            BIGINT CHECK (limit_minor >= 0),
    open_receivables_minor BIGINT NOT NULL DEFAULT 0
        CHECK (open_receivables_minor BETWEEN -1000000000000000000 AND 1000000000000000000),
    uninvoiced_minor       BIGINT NOT NULL DEFAULT 0
        CHECK (uninvoiced_minor BETWEEN 0 AND 1000000000000000000),
    held_minor             BIGINT NOT NULL DEFAULT 0
        CHECK (held_minor BETWEEN 0 AND 1000000000000000000)
);

-- What an order takes of its customer's credit.
CREATE TABLE credit_exposures (
    order_id       UUID PRIMARY KEY,
    customer_id    UUID NOT NULL REFERENCES customer_credit (customer_id),
    state          TEXT NOT NULL CHECK (state IN ('held', 'committed', 'released', 'expired')),
    amount_minor   BIGINT NOT NULL CHECK (amount_minor >= 0),
    invoiced_minor BIGINT NOT NULL CHECK (invoiced_minor >= 0),
    expires_at     TIMESTAMPTZ,
    updated_at     TIMESTAMPTZ NOT NULL,
    CHECK (state <> 'held' OR expires_at IS NOT NULL),
    CHECK (state <> 'committed' OR expires_at IS NULL)
);
CREATE INDEX credit_exposures_by_customer ON credit_exposures (customer_id);
CREATE INDEX credit_exposures_due ON credit_exposures (expires_at) WHERE state = 'held';

-- What made a customer owe more or less: an invoice adds, a credit note or a payment takes.
CREATE TABLE receivable_entries (
    source_event_id UUID PRIMARY KEY,
    customer_id     UUID NOT NULL REFERENCES customer_credit (customer_id),
    kind            TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note', 'payment')),
    document_id     UUID NOT NULL,
    amount_minor    BIGINT NOT NULL,
    occurred_on     DATE NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    UNIQUE (kind, document_id),
    CHECK (kind <> 'invoice' OR amount_minor >= 0),
    CHECK (kind <> 'credit_note' OR amount_minor <= 0)
);
CREATE INDEX receivable_entries_by_customer ON receivable_entries (customer_id);

CREATE TABLE quotations (
    id                 UUID PRIMARY KEY,
    number             TEXT NOT NULL UNIQUE,
    status             TEXT NOT NULL CHECK (status IN
        ('draft', 'sent', 'accepted', 'rejected', 'expired', 'cancelled', 'converted')),
    customer_id        UUID NOT NULL REFERENCES customers (id),
    -- The customer as JSON, as of the last change of the quotation.
    customer           TEXT NOT NULL,
    warehouse_id       UUID NOT NULL,
    quoted_on          DATE NOT NULL,
    valid_until        DATE NOT NULL,
    currency           TEXT NOT NULL,
    prices_include_tax BOOLEAN NOT NULL,
    rounding_mode      TEXT NOT NULL CHECK (rounding_mode IN ('per_document', 'per_line')),
    net_minor          BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor          BIGINT NOT NULL CHECK (tax_minor >= 0),
    total_minor        BIGINT NOT NULL,
    order_id           UUID UNIQUE,
    order_number       TEXT,
    version            BIGINT NOT NULL CHECK (version > 0),
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL,
    CHECK (net_minor + tax_minor = total_minor),
    CHECK (valid_until >= quoted_on),
    CHECK ((status = 'converted') = (order_id IS NOT NULL)),
    CHECK ((order_id IS NULL) = (order_number IS NULL))
);
CREATE INDEX quotations_by_customer ON quotations (customer_id, id);
CREATE INDEX quotations_by_status ON quotations (status, id);
CREATE INDEX quotations_due ON quotations (valid_until) WHERE status = 'sent';

CREATE TABLE quotation_lines (
    id           UUID PRIMARY KEY,
    quotation_id UUID NOT NULL REFERENCES quotations (id),
    position     BIGINT NOT NULL CHECK (position >= 0),
    product_id   UUID NOT NULL,
    sku          TEXT NOT NULL,
    name         TEXT NOT NULL,
    unit         TEXT NOT NULL,
    quantity     BIGINT NOT NULL CHECK (quantity > 0),
    unit_price   BIGINT NOT NULL CHECK (unit_price >= 0),
    -- Code of the price list the price was taken from; none if it was given.
    price_list   TEXT,
    discount     BIGINT NOT NULL CHECK (discount BETWEEN 0 AND 1000000),
    tax_class    TEXT NOT NULL,
    tax_rate     BIGINT NOT NULL CHECK (tax_rate BETWEEN 0 AND 1000000),
    net_minor    BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor    BIGINT NOT NULL CHECK (tax_minor >= 0),
    total_minor  BIGINT NOT NULL,
    UNIQUE (quotation_id, position),
    CHECK (net_minor + tax_minor = total_minor)
);

CREATE TABLE quotation_taxes (
    quotation_id UUID NOT NULL REFERENCES quotations (id),
    tax_class    TEXT NOT NULL,
    rate         BIGINT NOT NULL CHECK (rate BETWEEN 0 AND 1000000),
    base_minor   BIGINT NOT NULL CHECK (base_minor >= 0),
    tax_minor    BIGINT NOT NULL CHECK (tax_minor >= 0),
    PRIMARY KEY (quotation_id, tax_class)
);

-- What was sold, what it cost, what was taken back: added up, the margin. A row says one
-- side only (revenue or cost), since the two are known at different moments and no row
-- ever changes.
CREATE TABLE sales_facts (
    id              UUID PRIMARY KEY,
    kind            TEXT NOT NULL CHECK (kind IN ('shipped', 'cost', 'credited', 'returned')),
    source_event_id UUID NOT NULL,
    line            BIGINT NOT NULL CHECK (line >= 0),
    -- The shipment, credit note or return.
    document_id     UUID NOT NULL,
    customer_id     UUID NOT NULL REFERENCES customers (id),
    order_id        UUID NOT NULL,
    order_line_id   UUID NOT NULL,
    product_id      UUID NOT NULL,
    quantity        BIGINT NOT NULL,
    currency        TEXT NOT NULL,
    net_minor       BIGINT NOT NULL,
    cost_minor      BIGINT,
    occurred_on     DATE NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    UNIQUE (source_event_id, line),
    CHECK (kind <> 'shipped' OR (quantity > 0 AND net_minor >= 0 AND cost_minor IS NULL)),
    CHECK (kind <> 'credited' OR (quantity <= 0 AND net_minor <= 0 AND cost_minor IS NULL)),
    CHECK (kind <> 'cost' OR
        (quantity > 0 AND net_minor = 0 AND cost_minor IS NOT NULL AND cost_minor >= 0)),
    CHECK (kind <> 'returned' OR
        (quantity < 0 AND net_minor = 0 AND cost_minor IS NOT NULL AND cost_minor <= 0))
);
CREATE INDEX sales_facts_by_customer ON sales_facts (customer_id, id);
CREATE INDEX sales_facts_by_product ON sales_facts (product_id, id);
CREATE INDEX sales_facts_by_order ON sales_facts (order_id, id);

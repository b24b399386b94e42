-- Tax rates, sales documents, payments, supplier bills and the journal.
-- Amounts are minor units of the document's currency; quantities and prices are
-- millionths, percentages parts per million.

CREATE TABLE tax_rates (
    id         UUID PRIMARY KEY,
    code       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    rate       BIGINT NOT NULL CHECK (rate BETWEEN 0 AND 1000000),
    version    BIGINT NOT NULL CHECK (version > 0),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- One for each shipment. It has a number from the moment it is issued, and then stays
-- as it is but for what is applied to it and credited from it.
CREATE TABLE invoices (
    id                 UUID PRIMARY KEY,
    status             TEXT NOT NULL CHECK (status IN ('draft', 'issued', 'settled', 'discarded')),
    number             TEXT UNIQUE,
    series             TEXT,
    seq                BIGINT,
    order_id           UUID NOT NULL,
    order_number       TEXT NOT NULL,
    shipment_id        UUID NOT NULL UNIQUE,
    shipment_number    TEXT NOT NULL,
    shipped_on         DATE NOT NULL,
    customer_id        UUID NOT NULL,
    customer           TEXT NOT NULL,
    payment_terms_days BIGINT NOT NULL CHECK (payment_terms_days >= 0),
    issued_on          DATE,
    due_on             DATE,
    currency           TEXT NOT NULL,
    prices_include_tax BOOLEAN NOT NULL,
    rounding_mode      TEXT NOT NULL CHECK (rounding_mode IN ('per_document', 'per_line')),
    rounding           TEXT NOT NULL CHECK (rounding IN ('half_up', 'half_even')),
    net_minor          BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor          BIGINT NOT NULL CHECK (tax_minor >= 0),
    total_minor        BIGINT NOT NULL CHECK (total_minor >= 0),
    applied_minor      BIGINT NOT NULL CHECK (applied_minor >= 0),
    credited_minor     BIGINT NOT NULL CHECK (credited_minor >= 0),
    -- All its credit notes together. What of them exceeds `credited_minor` came when it was
    -- paid already and is the customer's credit.
    credit_notes_minor BIGINT NOT NULL,
    prev_hash          TEXT,
    hash               TEXT UNIQUE,
    version            BIGINT NOT NULL CHECK (version > 0),
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL,
    UNIQUE (series, seq),
    CHECK (net_minor + tax_minor = total_minor),
    CHECK (total_minor - applied_minor - credited_minor >= 0),
    CHECK (credit_notes_minor BETWEEN credited_minor AND total_minor),
    CHECK ((number IS NULL) = (status IN ('draft', 'discarded'))),
    CHECK ((status = 'settled')
        = (number IS NOT NULL AND total_minor = applied_minor + credited_minor)),
    CHECK ((number IS NULL) = (series IS NULL)),
    CHECK ((number IS NULL) = (seq IS NULL)),
    CHECK ((number IS NULL) = (issued_on IS NULL)),
    CHECK ((number IS NULL) = (due_on IS NULL)),
    CHECK ((number IS NULL) = (prev_hash IS NULL)),
    CHECK ((number IS NULL) = (hash IS NULL)),
    CHECK (number IS NOT NULL OR applied_minor + credited_minor = 0)
);
CREATE INDEX invoices_by_status ON invoices (status, id);
CREATE INDEX invoices_by_customer ON invoices (customer_id, id);
CREATE INDEX invoices_by_order ON invoices (order_id, id);

CREATE TABLE invoice_lines (
    id                  UUID PRIMARY KEY,
    invoice_id          UUID NOT NULL REFERENCES invoices (id),
    position            BIGINT NOT NULL CHECK (position > 0),
    order_line_id       UUID NOT NULL,
    product_id          UUID NOT NULL,
    sku                 TEXT NOT NULL,
    name                TEXT NOT NULL,
    unit                TEXT NOT NULL,
    quantity            BIGINT NOT NULL CHECK (quantity > 0),
    unit_price          BIGINT NOT NULL CHECK (unit_price >= 0),
    discount            BIGINT NOT NULL CHECK (discount BETWEEN 0 AND 1000000),
    tax_class           TEXT NOT NULL,
    tax_rate            BIGINT NOT NULL CHECK (tax_rate BETWEEN 0 AND 1000000),
    net_minor           BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor           BIGINT NOT NULL CHECK (tax_minor >= 0),
    credited_quantity   BIGINT NOT NULL CHECK (credited_quantity BETWEEN 0 AND quantity),
    credited_net_minor  BIGINT NOT NULL CHECK (credited_net_minor BETWEEN 0 AND net_minor),
    credited_tax_minor  BIGINT NOT NULL CHECK (credited_tax_minor BETWEEN 0 AND tax_minor),
    UNIQUE (invoice_id, position),
    CHECK (credited_quantity < quantity
        OR credited_net_minor = net_minor AND credited_tax_minor = tax_minor)
);

-- Takes back part or all of an invoice. Its lines are written before it, so that it can
-- be checked against them; nothing of it ever changes.
CREATE TABLE credit_notes (
    id                 UUID PRIMARY KEY,
    number             TEXT NOT NULL UNIQUE,
    series             TEXT NOT NULL,
    seq                BIGINT NOT NULL,
    invoice_id         UUID NOT NULL REFERENCES invoices (id),
    invoice_number     TEXT NOT NULL,
    order_id           UUID NOT NULL,
    order_number       TEXT NOT NULL,
    customer_id        UUID NOT NULL,
    customer           TEXT NOT NULL,
    issued_on          DATE NOT NULL,
    reason             TEXT NOT NULL,
    currency           TEXT NOT NULL,
    prices_include_tax BOOLEAN NOT NULL,
    rounding_mode      TEXT NOT NULL,
    net_minor          BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor          BIGINT NOT NULL CHECK (tax_minor >= 0),
    total_minor        BIGINT NOT NULL CHECK (total_minor >= 0),
    -- What it took off the open amount of its invoice; the rest is the customer's credit.
    applied_minor      BIGINT NOT NULL CHECK (applied_minor BETWEEN 0 AND total_minor),
    prev_hash          TEXT NOT NULL,
    hash               TEXT NOT NULL UNIQUE,
    created_at         TIMESTAMPTZ NOT NULL,
    UNIQUE (series, seq),
    CHECK (net_minor + tax_minor = total_minor)
);
CREATE INDEX credit_notes_by_invoice ON credit_notes (invoice_id, id);
CREATE INDEX credit_notes_by_customer ON credit_notes (customer_id, id);

CREATE TABLE credit_note_lines (
    id              UUID PRIMARY KEY,
    credit_note_id  UUID NOT NULL REFERENCES credit_notes (id) DEFERRABLE INITIALLY DEFERRED,
    position        BIGINT NOT NULL CHECK (position > 0),
    invoice_line_id UUID NOT NULL REFERENCES invoice_lines (id),
    quantity        BIGINT NOT NULL CHECK (quantity > 0),
    net_minor       BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor       BIGINT NOT NULL CHECK (tax_minor >= 0),
    UNIQUE (credit_note_id, position),
    UNIQUE (credit_note_id, invoice_line_id)
);
CREATE INDEX credit_note_lines_by_invoice_line ON credit_note_lines (invoice_line_id);

-- What was ordered from suppliers: a copy to match their bills with.
CREATE TABLE purchase_orders (
    id                 UUID PRIMARY KEY,
    number             TEXT NOT NULL,
    supplier_id        UUID NOT NULL,
    supplier_name      TEXT NOT NULL,
    payment_terms_days BIGINT NOT NULL CHECK (payment_terms_days >= 0),
    currency           TEXT NOT NULL
);

CREATE TABLE purchase_order_lines (
    id                UUID PRIMARY KEY,
    purchase_order_id UUID NOT NULL REFERENCES purchase_orders (id),
    position          BIGINT NOT NULL CHECK (position > 0),
    product_id        UUID NOT NULL,
    sku               TEXT NOT NULL,
    name              TEXT NOT NULL,
    unit              TEXT NOT NULL,
    ordered           BIGINT NOT NULL CHECK (ordered > 0),
    unit_price        BIGINT NOT NULL CHECK (unit_price >= 0),
    tax_class         TEXT NOT NULL,
    received          BIGINT NOT NULL CHECK (received >= 0),
    -- On bills that are matched, approved or settled.
    billed            BIGINT NOT NULL CHECK (billed >= 0),
    -- Allowed beyond what was received, by somebody who said why.
    overridden        BIGINT NOT NULL CHECK (overridden >= 0),
    UNIQUE (purchase_order_id, position),
    CHECK (billed <= received + overridden)
);

-- What each line of a purchase order put on the account of goods received and not
-- invoiced, and what bills took off it. Apart from the copy of the order because
-- inventory may tell of the goods before purchasing's events arrive.
CREATE TABLE goods_received (
    purchase_order_line_id UUID PRIMARY KEY,
    quantity               BIGINT NOT NULL CHECK (quantity >= 0),
    value_minor            BIGINT NOT NULL CHECK (value_minor >= 0),
    billed                 BIGINT NOT NULL CHECK (billed >= 0),
    relieved_minor         BIGINT NOT NULL CHECK (relieved_minor >= 0),
    CHECK (billed <> quantity OR relieved_minor = value_minor)
);

CREATE TABLE bills (
    id                      UUID PRIMARY KEY,
    number                  TEXT NOT NULL UNIQUE,
    status                  TEXT NOT NULL
        CHECK (status IN ('matched', 'exception', 'approved', 'settled', 'rejected')),
    supplier_id             UUID NOT NULL,
    supplier_name           TEXT NOT NULL,
    supplier_invoice_number TEXT NOT NULL,
    purchase_order_id       UUID NOT NULL REFERENCES purchase_orders (id),
    purchase_order_number   TEXT NOT NULL,
    billed_on               DATE NOT NULL,
    due_on                  DATE NOT NULL,
    currency                TEXT NOT NULL,
    rounding_mode           TEXT NOT NULL CHECK (rounding_mode IN ('per_document', 'per_line')),
    net_minor               BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor               BIGINT NOT NULL CHECK (tax_minor >= 0),
    total_minor             BIGINT NOT NULL CHECK (total_minor >= 0),
    applied_minor           BIGINT NOT NULL CHECK (applied_minor BETWEEN 0 AND total_minor),
    exceptions              TEXT NOT NULL,
    override_reason         TEXT,
    version                 BIGINT NOT NULL CHECK (version > 0),
    created_at              TIMESTAMPTZ NOT NULL,
    updated_at              TIMESTAMPTZ NOT NULL,
    CHECK (net_minor + tax_minor = total_minor),
    CHECK (due_on >= billed_on),
    CHECK (status <> 'settled' OR applied_minor = total_minor),
    CHECK (status <> 'approved' OR applied_minor < total_minor),
    CHECK (status IN ('approved', 'settled') OR applied_minor = 0)
);
-- A rejected bill may come again, corrected, under the same number.
CREATE UNIQUE INDEX bills_once ON bills (supplier_id, supplier_invoice_number)
    WHERE status <> 'rejected';
CREATE INDEX bills_by_status ON bills (status, id);
CREATE INDEX bills_by_supplier ON bills (supplier_id, id);
CREATE INDEX bills_by_purchase_order ON bills (purchase_order_id, id);

CREATE TABLE bill_lines (
    id                     UUID PRIMARY KEY,
    bill_id                UUID NOT NULL REFERENCES bills (id) DEFERRABLE INITIALLY DEFERRED,
    position               BIGINT NOT NULL CHECK (position > 0),
    purchase_order_line_id UUID NOT NULL REFERENCES purchase_order_lines (id),
    product_id             UUID NOT NULL,
    sku                    TEXT NOT NULL,
    name                   TEXT NOT NULL,
    unit                   TEXT NOT NULL,
    quantity               BIGINT NOT NULL CHECK (quantity > 0),
    unit_price             BIGINT NOT NULL CHECK (unit_price >= 0),
    tax_class              TEXT NOT NULL,
    tax_rate               BIGINT NOT NULL CHECK (tax_rate BETWEEN 0 AND 1000000),
    net_minor              BIGINT NOT NULL CHECK (net_minor >= 0),
    tax_minor              BIGINT NOT NULL CHECK (tax_minor >= 0),
    UNIQUE (bill_id, position),
    UNIQUE (bill_id, purchase_order_line_id)
);
CREATE INDEX bill_lines_by_purchase_order_line ON bill_lines (purchase_order_line_id);

-- Money that came from a customer or went to a supplier. What is not applied is the
-- customer's credit with us, or ours with the supplier.
CREATE TABLE payments (
    id            UUID PRIMARY KEY,
    number        TEXT NOT NULL UNIQUE,
    direction     TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
    customer_id   UUID,
    supplier_id   UUID,
    method        TEXT NOT NULL,
    received_on   DATE NOT NULL,
    external_key  TEXT UNIQUE,
    currency      TEXT NOT NULL,
    amount_minor  BIGINT NOT NULL CHECK (amount_minor > 0),
    applied_minor BIGINT NOT NULL CHECK (applied_minor BETWEEN 0 AND amount_minor),
    version       BIGINT NOT NULL CHECK (version > 0),
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    CHECK ((direction = 'incoming') = (customer_id IS NOT NULL)),
    CHECK ((direction = 'outgoing') = (supplier_id IS NOT NULL))
);
CREATE INDEX payments_by_customer ON payments (customer_id, id);
CREATE INDEX payments_by_supplier ON payments (supplier_id, id);

CREATE TABLE payment_allocations (
    id           UUID PRIMARY KEY,
    payment_id   UUID NOT NULL REFERENCES payments (id),
    invoice_id   UUID REFERENCES invoices (id),
    bill_id      UUID REFERENCES bills (id),
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    created_at   TIMESTAMPTZ NOT NULL,
    CHECK ((invoice_id IS NULL) <> (bill_id IS NULL))
);
CREATE INDEX payment_allocations_by_payment ON payment_allocations (payment_id, id);
CREATE INDEX payment_allocations_by_invoice ON payment_allocations (invoice_id);
CREATE INDEX payment_allocations_by_bill ON payment_allocations (bill_id);

CREATE TABLE accounts (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('asset', 'liability', 'equity', 'income', 'expense'))
);
INSERT INTO accounts (code, name, kind) VALUES
    ('1000', 'Bank', 'asset'),
    ('1100', 'Accounts receivable', 'asset'),
    ('1200', 'Inventory', 'asset'),
    ('1300', 'Input tax', 'asset'),
    ('2000', 'Accounts payable', 'liability'),
    ('2100', 'Goods received not invoiced', 'liability'),
    ('2200', 'Output tax', 'liability'),
    ('3000', 'Equity', 'equity'),
    ('4000', 'Revenue', 'income'),
    ('5000', 'Cost of goods sold', 'expense'),
    ('5100', 'Purchase price variance', 'expense'),
    ('5200', 'Inventory adjustments', 'expense');

-- The sum of each account's journal lines, kept up by the transaction that writes them.
-- Far above any sum of amounts there is the point where SQLite would turn to floats.
CREATE TABLE account_balances (
    account      TEXT PRIMARY KEY REFERENCES accounts (code),
    debit_minor  BIGINT NOT NULL CHECK (debit_minor BETWEEN 0 AND 4000000000000000000),
    credit_minor BIGINT NOT NULL CHECK (credit_minor BETWEEN 0 AND 4000000000000000000)
);
INSERT INTO account_balances (account, debit_minor, credit_minor)
    SELECT code, 0, 0 FROM accounts;

-- Every business event posts once: its source is unique. The lines are written before
-- the entry, which is refused unless they balance.
CREATE TABLE journal_entries (
    id          UUID PRIMARY KEY,
    number      TEXT NOT NULL UNIQUE,
    entry_on    DATE NOT NULL,
    source_type TEXT NOT NULL,
    source_id   UUID NOT NULL,
    description TEXT NOT NULL,
    currency    TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    UNIQUE (source_type, source_id)
);
CREATE INDEX journal_entries_by_date ON journal_entries (entry_on, id);

CREATE TABLE journal_lines (
    entry_id     UUID NOT NULL REFERENCES journal_entries (id) DEFERRABLE INITIALLY DEFERRED,
    position     BIGINT NOT NULL CHECK (position > 0),
    account      TEXT NOT NULL REFERENCES accounts (code),
    debit_minor  BIGINT NOT NULL CHECK (debit_minor >= 0),
    credit_minor BIGINT NOT NULL CHECK (credit_minor >= 0),
    PRIMARY KEY (entry_id, position),
    CHECK ((debit_minor = 0) <> (credit_minor = 0))
);
CREATE INDEX journal_lines_by_account ON journal_lines (account, entry_id);

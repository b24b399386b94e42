-- Products and warehouses.

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

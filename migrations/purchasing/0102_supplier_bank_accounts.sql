-- Where suppliers are paid. An account is named by its IBAN, or by a number at a bank.
CREATE TABLE supplier_bank_accounts (
    id             UUID PRIMARY KEY,
    supplier_id    UUID NOT NULL REFERENCES suppliers (id),
    holder_name    TEXT NOT NULL,
    iban           TEXT CHECK (LENGTH(iban) BETWEEN 15 AND 34),
    account_number TEXT,
    -- National: a routing number, a sort code.
    bank_code      TEXT,
    bic            TEXT CHECK (LENGTH(bic) IN (8, 11)),
    currency       TEXT NOT NULL,
    is_default     BOOLEAN NOT NULL,
    is_active      BOOLEAN NOT NULL,
    version        BIGINT NOT NULL CHECK (version > 0),
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    CHECK ((iban IS NULL) <> (account_number IS NULL)),
    CHECK (iban IS NULL OR bank_code IS NULL),
    CHECK (iban IS NOT NULL OR bank_code IS NOT NULL OR bic IS NOT NULL),
    CHECK (is_active OR NOT is_default)
);
CREATE UNIQUE INDEX supplier_bank_accounts_one_default ON supplier_bank_accounts (supplier_id)
    WHERE is_default;
CREATE UNIQUE INDEX supplier_bank_accounts_once ON supplier_bank_accounts (supplier_id, iban);
CREATE INDEX supplier_bank_accounts_by_supplier ON supplier_bank_accounts (supplier_id, id);

CREATE TRIGGER supplier_bank_accounts_stay BEFORE UPDATE ON supplier_bank_accounts
WHEN (NEW.id, NEW.supplier_id, NEW.created_at)
     IS DISTINCT FROM (OLD.id, OLD.supplier_id, OLD.created_at)
  OR NEW.version <> OLD.version + 1
BEGIN SELECT RAISE(ABORT, 'a bank account stays with its supplier, and counts its versions'); END;
CREATE TRIGGER supplier_bank_accounts_no_delete BEFORE DELETE ON supplier_bank_accounts
BEGIN SELECT RAISE(ABORT, 'bank accounts are never deleted'); END;

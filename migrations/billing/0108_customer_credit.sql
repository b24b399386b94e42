-- What became of a credit note beyond its invoice: applied to other invoices, or paid back.
-- Of a note without a row here nothing was used.
CREATE TABLE credit_note_uses (
    credit_note_id UUID PRIMARY KEY REFERENCES credit_notes (id),
    -- What the note left above the open amount of its invoice.
    credit_minor   BIGINT NOT NULL CHECK (credit_minor > 0),
    applied_minor  BIGINT NOT NULL CHECK (applied_minor >= 0),
    refunded_minor BIGINT NOT NULL CHECK (refunded_minor >= 0),
    CHECK (applied_minor + refunded_minor <= credit_minor)
);
CREATE TRIGGER credit_note_uses_begin BEFORE INSERT ON credit_note_uses
BEGIN
    SELECT RAISE(ABORT, 'a credit begins as what its note left')
    WHERE NEW.credit_minor <> (SELECT total_minor - applied_minor FROM credit_notes
                               WHERE id = NEW.credit_note_id);
END;
CREATE TRIGGER credit_note_uses_grow BEFORE UPDATE ON credit_note_uses
WHEN NEW.applied_minor < OLD.applied_minor OR NEW.refunded_minor < OLD.refunded_minor
  OR NEW.credit_note_id <> OLD.credit_note_id OR NEW.credit_minor <> OLD.credit_minor
BEGIN SELECT RAISE(ABORT, 'what was used of a credit stays used'); END;
CREATE TRIGGER credit_note_uses_no_delete BEFORE DELETE ON credit_note_uses
BEGIN SELECT RAISE(ABORT, 'what was used of a credit stays used'); END;

-- Part of a credit note's credit that settles part or all of an invoice.
CREATE TABLE credit_allocations (
    id             UUID PRIMARY KEY,
    credit_note_id UUID NOT NULL REFERENCES credit_note_uses (credit_note_id),
    invoice_id     UUID NOT NULL REFERENCES invoices (id),
    amount_minor   BIGINT NOT NULL CHECK (amount_minor > 0),
    created_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX credit_allocations_by_credit_note ON credit_allocations (credit_note_id, id);
CREATE INDEX credit_allocations_by_invoice ON credit_allocations (invoice_id);
CREATE TRIGGER credit_allocations_of_one_customer BEFORE INSERT ON credit_allocations
BEGIN
    SELECT RAISE(ABORT, 'credit settles invoices of its customer and currency')
    WHERE NOT EXISTS (SELECT 1 FROM credit_notes c JOIN invoices i
                      ON i.customer_id = c.customer_id AND i.currency = c.currency
                      WHERE c.id = NEW.credit_note_id AND i.id = NEW.invoice_id);
END;
CREATE TRIGGER credit_allocations_no_update BEFORE UPDATE ON credit_allocations
BEGIN SELECT RAISE(ABORT, 'an allocation never changes'); END;
CREATE TRIGGER credit_allocations_no_delete BEFORE DELETE ON credit_allocations
BEGIN SELECT RAISE(ABORT, 'an allocation is never deleted'); END;

-- What was paid back of a payment.
ALTER TABLE payments ADD COLUMN refunded_minor BIGINT NOT NULL DEFAULT 0
    CHECK (refunded_minor >= 0 AND applied_minor + refunded_minor <= amount_minor
        AND (reversed_on IS NULL OR refunded_minor = 0));

-- Money that went back to a customer, of a payment or of a credit note.
CREATE TABLE refunds (
    id             UUID PRIMARY KEY,
    number         TEXT NOT NULL UNIQUE,
    customer_id    UUID NOT NULL,
    payment_id     UUID REFERENCES payments (id),
    credit_note_id UUID REFERENCES credit_note_uses (credit_note_id),
    method         TEXT NOT NULL,
    refunded_on    DATE NOT NULL,
    external_key   TEXT UNIQUE,
    reason         TEXT NOT NULL,
    currency       TEXT NOT NULL,
    amount_minor   BIGINT NOT NULL CHECK (amount_minor > 0),
    created_at     TIMESTAMPTZ NOT NULL,
    CHECK ((payment_id IS NULL) <> (credit_note_id IS NULL))
);
CREATE INDEX refunds_by_customer ON refunds (customer_id, id);
CREATE INDEX refunds_by_payment ON refunds (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX refunds_by_credit_note ON refunds (credit_note_id) WHERE credit_note_id IS NOT NULL;
CREATE TRIGGER refunds_of_their_source BEFORE INSERT ON refunds
BEGIN
    SELECT RAISE(ABORT, 'a refund goes to whose credit it was')
    WHERE NOT EXISTS (SELECT 1 FROM payments
                      WHERE id = NEW.payment_id AND customer_id = NEW.customer_id
                        AND currency = NEW.currency AND received_on <= NEW.refunded_on
                      UNION ALL SELECT 1 FROM credit_notes
                      WHERE id = NEW.credit_note_id AND customer_id = NEW.customer_id
                        AND currency = NEW.currency AND issued_on <= NEW.refunded_on);
END;
CREATE TRIGGER refunds_no_update BEFORE UPDATE ON refunds
BEGIN SELECT RAISE(ABORT, 'a refund never changes'); END;
CREATE TRIGGER refunds_no_delete BEFORE DELETE ON refunds
BEGIN SELECT RAISE(ABORT, 'a refund is never deleted'); END;

DROP TRIGGER payments_stay ON payments;
CREATE TRIGGER payments_stay BEFORE UPDATE ON payments
WHEN OLD.reversed_on IS NOT NULL
  OR NEW.refunded_minor < OLD.refunded_minor
  OR NEW.applied_minor < OLD.applied_minor
     AND NEW.applied_minor <> (SELECT COALESCE(SUM(amount_minor), 0) FROM settlements
                               WHERE payment_id = NEW.id)
  OR (NEW.id, NEW.number, NEW.direction, NEW.customer_id, NEW.supplier_id, NEW.method,
      NEW.received_on, NEW.external_key, NEW.currency, NEW.amount_minor, NEW.created_at)
     IS DISTINCT FROM
     (OLD.id, OLD.number, OLD.direction, OLD.customer_id, OLD.supplier_id, OLD.method,
      OLD.received_on, OLD.external_key, OLD.currency, OLD.amount_minor, OLD.created_at)
BEGIN SELECT RAISE(ABORT, 'a payment never changes'); END;

DROP VIEW settlements;
CREATE VIEW settlements AS
    SELECT id, payment_id, invoice_id, bill_id,
        CASE WHEN reverses_id IS NULL THEN amount_minor ELSE -amount_minor END AS amount_minor
    FROM payment_allocations
    UNION ALL SELECT id, NULL, invoice_id, NULL, amount_minor FROM credit_allocations;

-- Credit, by itself: it is little of all there ever was.
DROP INDEX payments_unapplied;
CREATE INDEX payments_unapplied ON payments (id)
    WHERE applied_minor + refunded_minor < amount_minor AND reversed_on IS NULL;
CREATE INDEX credit_notes_unapplied ON credit_notes (id) WHERE applied_minor < total_minor;

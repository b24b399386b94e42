-- A payment that was a mistake, or that bounced, is taken back as a whole and once: nothing
-- is applied of it any more, and nothing will be.
ALTER TABLE payments ADD COLUMN reversed_on DATE
    CHECK (reversed_on IS NULL OR (reversed_on >= received_on AND applied_minor = 0));
ALTER TABLE payments ADD COLUMN reversal_reason TEXT
    CHECK ((reversal_reason IS NULL) = (reversed_on IS NULL));

-- An allocation is taken back by a row that says the same with the other sign, once.
ALTER TABLE payment_allocations ADD COLUMN reverses_id UUID REFERENCES payment_allocations (id);
ALTER TABLE payment_allocations ADD COLUMN reason TEXT
    CHECK ((reason IS NULL) = (reverses_id IS NULL));
CREATE UNIQUE INDEX payment_allocations_reversed_once ON payment_allocations (reverses_id)
    WHERE reverses_id IS NOT NULL;
CREATE TRIGGER payment_allocations_mirror BEFORE INSERT ON payment_allocations
WHEN NEW.reverses_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM payment_allocations a
    WHERE a.id = NEW.reverses_id AND a.reverses_id IS NULL AND a.payment_id = NEW.payment_id
      AND a.invoice_id IS NOT DISTINCT FROM NEW.invoice_id
      AND a.bill_id IS NOT DISTINCT FROM NEW.bill_id
      AND a.amount_minor = NEW.amount_minor)
BEGIN SELECT RAISE(ABORT, 'a reversal mirrors what it takes back'); END;

-- What settles documents: below zero where it was taken back.
CREATE VIEW settlements AS
    SELECT id, payment_id, invoice_id, bill_id,
        CASE WHEN reverses_id IS NULL THEN amount_minor ELSE -amount_minor END AS amount_minor
    FROM payment_allocations;

-- Counters of what is applied go down only to what there is: the reversal is written first.
DROP TRIGGER payments_stay ON payments;
CREATE TRIGGER payments_stay BEFORE UPDATE ON payments
WHEN OLD.reversed_on IS NOT NULL
  OR NEW.applied_minor < OLD.applied_minor
     AND NEW.applied_minor <> (SELECT COALESCE(SUM(amount_minor), 0) FROM settlements
                               WHERE payment_id = NEW.id)
  OR (NEW.id, NEW.number, NEW.direction, NEW.customer_id, NEW.supplier_id, NEW.method,
      NEW.received_on, NEW.external_key, NEW.currency, NEW.amount_minor, NEW.created_at)
     IS DISTINCT FROM
     (OLD.id, OLD.number, OLD.direction, OLD.customer_id, OLD.supplier_id, OLD.method,
      OLD.received_on, OLD.external_key, OLD.currency, OLD.amount_minor, OLD.created_at)
BEGIN SELECT RAISE(ABORT, 'a payment never changes'); END;

DROP TRIGGER invoices_issued_stay ON invoices;
CREATE TRIGGER invoices_issued_stay BEFORE UPDATE ON invoices
WHEN OLD.status = 'discarded' AND NEW.status <> 'draft'
  OR OLD.status IN ('issued', 'settled') AND (
    NEW.status NOT IN ('issued', 'settled')
    OR NEW.applied_minor < OLD.applied_minor
       AND NEW.applied_minor <> (SELECT COALESCE(SUM(amount_minor), 0) FROM settlements
                                 WHERE invoice_id = NEW.id)
    OR NEW.credited_minor < OLD.credited_minor
    OR NEW.credit_notes_minor < OLD.credit_notes_minor
    OR (NEW.number, NEW.series, NEW.seq, NEW.issued_on, NEW.due_on, NEW.prev_hash, NEW.hash)
       IS DISTINCT FROM
       (OLD.number, OLD.series, OLD.seq, OLD.issued_on, OLD.due_on, OLD.prev_hash, OLD.hash))
BEGIN SELECT RAISE(ABORT, 'an issued invoice never changes'); END;

DROP TRIGGER bills_approved_stay ON bills;
CREATE TRIGGER bills_approved_stay BEFORE UPDATE ON bills
WHEN OLD.status IN ('approved', 'settled', 'rejected') AND (
    OLD.status = 'rejected'
    OR NEW.status NOT IN ('approved', 'settled')
    OR NEW.applied_minor < OLD.applied_minor
       AND NEW.applied_minor <> (SELECT COALESCE(SUM(amount_minor), 0) FROM settlements
                                 WHERE bill_id = NEW.id)
    OR (NEW.exceptions, NEW.override_reason) IS DISTINCT FROM (OLD.exceptions, OLD.override_reason))
BEGIN SELECT RAISE(ABORT, 'an approved or rejected bill never changes'); END;

-- What is taken back is not credit.
DROP INDEX payments_unapplied;
CREATE INDEX payments_unapplied ON payments (id)
    WHERE applied_minor < amount_minor AND reversed_on IS NULL;
CREATE INDEX payments_reversed ON payments (reversed_on) WHERE reversed_on IS NOT NULL;

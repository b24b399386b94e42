-- A refund that did not arrive, or that was a mistake, is taken back as a whole and once: what
-- it was of is credit again.
ALTER TABLE refunds ADD COLUMN reversed_on DATE
    CHECK (reversed_on IS NULL OR reversed_on >= refunded_on);
ALTER TABLE refunds ADD COLUMN reversal_reason TEXT
    CHECK ((reversal_reason IS NULL) = (reversed_on IS NULL));
CREATE INDEX refunds_reversed ON refunds (reversed_on) WHERE reversed_on IS NOT NULL;

DROP TRIGGER refunds_no_update ON refunds;
CREATE TRIGGER refunds_stay BEFORE UPDATE ON refunds
WHEN OLD.reversed_on IS NOT NULL
  OR (NEW.id, NEW.number, NEW.customer_id, NEW.payment_id, NEW.credit_note_id, NEW.method,
      NEW.refunded_on, NEW.external_key, NEW.reason, NEW.currency, NEW.amount_minor,
      NEW.created_at)
     IS DISTINCT FROM
     (OLD.id, OLD.number, OLD.customer_id, OLD.payment_id, OLD.credit_note_id, OLD.method,
      OLD.refunded_on, OLD.external_key, OLD.reason, OLD.currency, OLD.amount_minor,
      OLD.created_at)
BEGIN SELECT RAISE(ABORT, 'a refund never changes'); END;

-- Counters of what was paid back go down only to what there is: the reversal is written first.
DROP TRIGGER credit_note_uses_grow ON credit_note_uses;
CREATE TRIGGER credit_note_uses_grow BEFORE UPDATE ON credit_note_uses
WHEN NEW.applied_minor < OLD.applied_minor
  OR NEW.refunded_minor < OLD.refunded_minor
     AND NEW.refunded_minor <> (SELECT COALESCE(SUM(amount_minor), 0) FROM refunds
                                WHERE credit_note_id = NEW.credit_note_id
                                  AND reversed_on IS NULL)
  OR NEW.credit_note_id <> OLD.credit_note_id OR NEW.credit_minor <> OLD.credit_minor
BEGIN SELECT RAISE(ABORT, 'what was used of a credit stays used'); END;

DROP TRIGGER payments_stay ON payments;
CREATE TRIGGER payments_stay BEFORE UPDATE ON payments
WHEN OLD.reversed_on IS NOT NULL
  OR NEW.refunded_minor < OLD.refunded_minor
     AND NEW.refunded_minor <> (SELECT COALESCE(SUM(amount_minor), 0) FROM refunds
                                WHERE payment_id = NEW.id AND reversed_on IS NULL)
  OR NEW.applied_minor < OLD.applied_minor
     AND NEW.applied_minor <> (SELECT COALESCE(SUM(amount_minor), 0) FROM settlements
                               WHERE payment_id = NEW.id)
  OR (NEW.id, NEW.number, NEW.direction, NEW.customer_id, NEW.supplier_id, NEW.method,
      NEW.received_on, NEW.external_key, NEW.currency, NEW.amount_minor, NEW.created_at)
     IS DISTINCT FROM
     (OLD.id, OLD.number, OLD.direction, OLD.customer_id, OLD.supplier_id, OLD.method,
      OLD.received_on, OLD.external_key, OLD.currency, OLD.amount_minor, OLD.created_at)
BEGIN SELECT RAISE(ABORT, 'a payment never changes'); END;

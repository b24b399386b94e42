-- What left the order again of what was paid: credit of its credit notes that was paid back,
-- or that settles invoices of other orders. Of law O-4, as far as a row can hold it.
ALTER TABLE orders ADD COLUMN refunded_minor BIGINT NOT NULL DEFAULT 0
    CHECK (refunded_minor BETWEEN 0 AND credited_minor);

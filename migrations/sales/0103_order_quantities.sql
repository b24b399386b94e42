-- How much of an order is wanted and how much of that is on invoices, in micros, summed over
-- its lines. No line is invoiced beyond what is wanted of it, so the sums are equal only when
-- all of the order is invoiced; the amounts may differ even then, by roundings or a new rate.
-- Nothing wanted: the order is not confirmed, or was before this was kept.
ALTER TABLE credit_exposures ADD COLUMN wanted_micros BIGINT NOT NULL DEFAULT 0
    CHECK (wanted_micros >= 0);
ALTER TABLE credit_exposures ADD COLUMN invoiced_micros BIGINT NOT NULL DEFAULT 0
    CHECK (invoiced_micros >= 0);

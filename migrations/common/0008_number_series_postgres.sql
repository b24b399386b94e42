-- Numbers are drawn for many who ask at once: a series counts up, by one or by more. That
-- invoices and credit notes have no gap is a law of theirs.
CREATE OR REPLACE FUNCTION number_series_counts_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last <= OLD.last THEN
        RAISE EXCEPTION 'a number series counts up' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

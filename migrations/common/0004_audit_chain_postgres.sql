-- Many write, and where a chain ends is known only to whoever holds its lock. So it is the
-- database that adds the link: `hash` comes as what the row says, and becomes the SHA-256 of
-- that and of the hash before it.
CREATE OR REPLACE FUNCTION audit_log_is_a_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(TG_TABLE_SCHEMA), NEW.chain::int);
    SELECT seq, hash INTO last FROM audit_log
    WHERE chain = NEW.chain ORDER BY seq DESC LIMIT 1;
    NEW.seq := COALESCE(last.seq, 0) + 1;
    NEW.prev_hash := COALESCE(last.hash, '');
    NEW.hash := encode(sha256(convert_to(
        '["' || NEW.prev_hash || '",' || NEW.hash, 'UTF8')), 'hex');
    RETURN NEW;
END $$;

-- A chain has one end, and grows there.
CREATE TRIGGER audit_log_is_a_chain BEFORE INSERT ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit_log is a chain')
    WHERE NEW.seq <> 1 + COALESCE((SELECT MAX(seq) FROM audit_log WHERE chain = NEW.chain), 0);
    SELECT RAISE(ABORT, 'audit_log is a chain')
    WHERE NEW.prev_hash <> COALESCE((SELECT hash FROM audit_log
                                     WHERE chain = NEW.chain AND seq = NEW.seq - 1), '');
END;

-- What is written once stays as it was written.
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
CREATE TRIGGER number_series_counts_up BEFORE UPDATE ON number_series
WHEN NEW.last <> OLD.last + 1
BEGIN SELECT RAISE(ABORT, 'a number series counts by one'); END;

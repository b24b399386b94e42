-- When what a line waits for was promised, as inventory says.
ALTER TABLE order_lines ADD COLUMN promised_on DATE;

CREATE TRIGGER order_lines_promised_what_waits BEFORE UPDATE OF promised_on ON order_lines
WHEN NEW.promised_on IS NOT NULL AND NEW.backordered = 0
BEGIN SELECT RAISE(ABORT, 'what does not wait is promised nothing'); END;

-- Stock counts by lot and serial number.

CREATE UNIQUE INDEX stock_count_lines_of_product ON stock_count_lines (id, product_id);

-- What a line of a count found of each lot, where it was counted by lot: of what nobody named, and
-- of what the books have of no known lot, nothing.
CREATE TABLE stock_count_lots (
    id         UUID PRIMARY KEY,
    line_id    UUID NOT NULL,
    product_id UUID NOT NULL,
    lot_id     UUID,
    -- What was on hand of it when it was counted, and what other counts have posted since; so it
    -- may be below zero.
    book       BIGINT NOT NULL,
    counted    BIGINT NOT NULL CHECK (counted >= 0),
    is_serial  BOOLEAN NOT NULL,
    FOREIGN KEY (line_id, product_id) REFERENCES stock_count_lines (id, product_id),
    FOREIGN KEY (lot_id, product_id) REFERENCES lots (id, product_id),
    CHECK (lot_id IS NOT NULL OR (counted = 0 AND NOT is_serial)),
    CHECK (NOT is_serial OR counted IN (0, 1000000))
);
CREATE UNIQUE INDEX stock_count_lots_one_a_line ON stock_count_lots
    (line_id, COALESCE(lot_id, line_id));

CREATE TRIGGER stock_count_lots_insert BEFORE INSERT ON stock_count_lots
BEGIN
    SELECT RAISE(ABORT, 'the stock count of the lot has ended') WHERE EXISTS (
        SELECT 1 FROM stock_count_lines l JOIN stock_counts c ON c.id = l.count_id
        WHERE l.id = NEW.line_id AND c.status IN ('posted', 'cancelled'));
END;
CREATE TRIGGER stock_count_lots_update BEFORE UPDATE ON stock_count_lots
BEGIN
    SELECT RAISE(ABORT, 'the stock count of the lot has ended') WHERE EXISTS (
        SELECT 1 FROM stock_count_lines l JOIN stock_counts c ON c.id = l.count_id
        WHERE l.id = OLD.line_id AND c.status IN ('posted', 'cancelled'));
END;
CREATE TRIGGER stock_count_lots_delete BEFORE DELETE ON stock_count_lots
BEGIN
    SELECT RAISE(ABORT, 'the stock count of the lot has ended') WHERE EXISTS (
        SELECT 1 FROM stock_count_lines l JOIN stock_counts c ON c.id = l.count_id
        WHERE l.id = OLD.line_id AND c.status IN ('posted', 'cancelled'));
END;
CREATE TRIGGER stock_counts_lots_add_up BEFORE UPDATE ON stock_counts
WHEN NEW.status IN ('submitted', 'posted')
BEGIN
    SELECT RAISE(ABORT, 'the lots of a line come to the line') WHERE EXISTS (
        SELECT 1 FROM stock_count_lines l JOIN stock_count_lots s ON s.line_id = l.id
        WHERE l.count_id = NEW.id GROUP BY l.id, l.counted, l.book
        HAVING SUM(s.counted) <> l.counted OR SUM(s.book) <> l.book);
END;

-- A posted move stays as it was posted: a correction is a new move that points back.
CREATE TRIGGER stock_moves_no_update BEFORE UPDATE ON stock_moves
BEGIN SELECT RAISE(ABORT, 'stock_moves is append-only'); END;
CREATE TRIGGER stock_moves_no_delete BEFORE DELETE ON stock_moves
BEGIN SELECT RAISE(ABORT, 'stock_moves is append-only'); END;

-- A reversal is the mirror of what it reverses, in quantity, value and places.
CREATE TRIGGER stock_moves_reversal_mirrors BEFORE INSERT ON stock_moves
WHEN NEW.reverses_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM stock_moves m WHERE m.id = NEW.reverses_id
    AND m.product_id = NEW.product_id AND m.quantity = NEW.quantity
    AND m.value_minor = NEW.value_minor
    AND m.from_location = NEW.to_location AND m.to_location = NEW.from_location
    AND m.warehouse_id IS NOT DISTINCT FROM NEW.warehouse_id)
BEGIN SELECT RAISE(ABORT, 'a reversal mirrors its move'); END;

-- What is consumed, released, expired, filled or cancelled stays so.
CREATE TRIGGER reservations_end_once BEFORE UPDATE ON reservations
WHEN OLD.status <> 'active'
BEGIN SELECT RAISE(ABORT, 'the reservation has ended'); END;
CREATE TRIGGER reservations_no_delete BEFORE DELETE ON reservations
BEGIN SELECT RAISE(ABORT, 'reservations are kept'); END;
CREATE TRIGGER backorders_end_once BEFORE UPDATE ON backorders
WHEN OLD.status <> 'open'
BEGIN SELECT RAISE(ABORT, 'the backorder has ended'); END;
CREATE TRIGGER backorders_no_delete BEFORE DELETE ON backorders
BEGIN SELECT RAISE(ABORT, 'backorders are kept'); END;
CREATE TRIGGER stock_levels_no_delete BEFORE DELETE ON stock_levels
BEGIN SELECT RAISE(ABORT, 'stock_levels are kept'); END;

-- The move that a request asks to take back; none: it asks for an adjustment.
ALTER TABLE adjustment_requests ADD COLUMN reverses_id UUID REFERENCES stock_moves (id);

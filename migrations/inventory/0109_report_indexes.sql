-- What reports look for.
CREATE INDEX lots_by_expiry ON lots (expires_on) WHERE expires_on IS NOT NULL;
CREATE INDEX stock_levels_short ON stock_levels (id) WHERE backordered > 0;
CREATE INDEX stock_moves_issued ON stock_moves (product_id, warehouse_id, moved_on)
    WHERE kind = 'issue';

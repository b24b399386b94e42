-- The first hold the line of an order had: broken and filled again, it is as old as it was. None:
-- this is the first.
ALTER TABLE reservations ADD COLUMN first_id UUID;
ALTER TABLE backorders ADD COLUMN first_id UUID;

-- Who wrote down what was counted.
ALTER TABLE stock_count_lines ADD COLUMN counted_by UUID;
-- What other counts have found meanwhile, and when others counted the same.
CREATE INDEX stock_moves_of_counts ON stock_moves (product_id, warehouse_id, created_at)
    WHERE source_type = 'stock_count';
CREATE INDEX stock_count_lines_by_product ON stock_count_lines (product_id, counted_at);

-- What lists have for an order line, to end it with the line.
CREATE INDEX picking_lines_by_order_line ON picking_lines (order_line_id);

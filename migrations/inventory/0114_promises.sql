-- The day by which what waits is promised; none: nothing is known to promise it by.
ALTER TABLE backorders ADD COLUMN promised_on DATE;

-- The oldest promise first, then who has waited longest.
CREATE INDEX backorders_by_promise ON backorders (product_id, warehouse_id, promised_on, id)
    WHERE status = 'open';
CREATE INDEX backorders_of_kit_lines ON backorders (kit_line_id)
    WHERE status = 'open' AND kit_line_id IS NOT NULL;
CREATE INDEX backorders_by_product ON backorders (product_id, id);
CREATE INDEX backorders_by_warehouse ON backorders (warehouse_id, id);
CREATE INDEX backorders_by_status ON backorders (status, id);

-- What the order was told: the day by which the last part is promised.
ALTER TABLE kit_lines ADD COLUMN promised_on DATE;

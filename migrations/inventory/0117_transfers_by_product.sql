-- What transfers have carried of a product since a day, for costs that come late.
CREATE INDEX transfer_lines_by_product ON transfer_lines (product_id, transfer_id);

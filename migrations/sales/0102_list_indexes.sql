-- What lists are filtered by, in the order they are paged in: otherwise a page of what is
-- rare, or long ago, is looked for in all there is.
CREATE INDEX sales_facts_by_kind ON sales_facts (kind, id);
CREATE INDEX customers_by_activity ON customers (is_active, id);

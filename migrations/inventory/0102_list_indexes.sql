-- What the list is filtered by, in the order it is paged in: otherwise a page of what is
-- rare is looked for in all there is.
CREATE INDEX products_by_activity ON products (is_active, id);

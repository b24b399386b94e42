-- What lists are filtered by, in the order they are paged in: otherwise a page of what is
-- rare, or long ago, is looked for in all there is.
CREATE INDEX journal_entries_by_source_type ON journal_entries (source_type, id);
CREATE INDEX payments_by_direction ON payments (direction, id);

-- Ageing. What is open is little of all there ever was, and here by itself.
CREATE INDEX invoices_open
    ON invoices (customer_id, due_on, issued_on, total_minor, applied_minor, credited_minor)
    WHERE status = 'issued';
CREATE INDEX payments_unapplied ON payments (id) WHERE applied_minor < amount_minor;

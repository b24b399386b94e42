-- The trace an event belongs to (W3C Trace Context).
ALTER TABLE events ADD COLUMN traceparent TEXT;

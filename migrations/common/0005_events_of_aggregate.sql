-- What came before an event of the same aggregate.
CREATE INDEX events_of_aggregate ON events (aggregate_id, id);

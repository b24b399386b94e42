-- Every module has it now, as events_of_aggregate.
DROP INDEX events_by_aggregate;

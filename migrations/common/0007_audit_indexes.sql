-- The audit log is read by who did it and by when; by what it was done to it is already.
CREATE INDEX audit_log_by_actor ON audit_log (actor_id, id);
CREATE INDEX audit_log_by_time ON audit_log (occurred_at, id);

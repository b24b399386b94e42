-- The audit log is read by what was done, to what kind of thing, and on which request.
CREATE INDEX audit_log_by_operation ON audit_log (operation, id);
CREATE INDEX audit_log_by_resource_type ON audit_log (resource_type, id);
CREATE INDEX audit_log_by_request ON audit_log (request_id, id);

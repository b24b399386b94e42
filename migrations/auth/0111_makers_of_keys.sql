-- Who had this text made, and so has seen it; unknown of those before.
ALTER TABLE api_key_secrets ADD COLUMN made_by UUID REFERENCES users (id);

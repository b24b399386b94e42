-- Every process asks for what ended lately, every few seconds.
CREATE INDEX api_key_secrets_by_expiry ON api_key_secrets (expires_at);

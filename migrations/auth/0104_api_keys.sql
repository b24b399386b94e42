-- What machines prove with who they are. A key acts for its owner, with part of what they may.
CREATE TABLE api_keys (
    id           UUID PRIMARY KEY,
    user_id      UUID NOT NULL REFERENCES users (id),
    name         TEXT NOT NULL,
    -- Grants, a JSON list.
    scopes       TEXT NOT NULL,
    -- Requests a second.
    per_s        BIGINT NOT NULL CHECK (per_s BETWEEN 1 AND 10000),
    expires_at   TIMESTAMPTZ NOT NULL,
    revoked_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    version      BIGINT NOT NULL CHECK (version > 0),
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX api_keys_by_user ON api_keys (user_id, id);
CREATE INDEX api_keys_by_revocation ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX users_inactive ON users (updated_at) WHERE NOT is_active;
CREATE TRIGGER api_keys_no_delete BEFORE DELETE ON api_keys
BEGIN SELECT RAISE(ABORT, 'API keys are never deleted'); END;
CREATE TRIGGER api_keys_revoked_once BEFORE UPDATE ON api_keys
WHEN OLD.revoked_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the API key has been revoked'); END;

-- The text of a key: one, or two while the new one takes the place of the old.
CREATE TABLE api_key_secrets (
    -- SHA-256 of the key, hex: the key itself is nowhere.
    hash       TEXT PRIMARY KEY,
    key_id     UUID NOT NULL REFERENCES api_keys (id),
    -- How it begins, to tell one from another.
    prefix     TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX api_key_secrets_by_key ON api_key_secrets (key_id);

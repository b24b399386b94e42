-- Since when signing in takes a code as well.
ALTER TABLE users ADD COLUMN second_factor_at TIMESTAMPTZ;
-- Whether whoever has the role must have a second factor: without it the role grants nothing.
ALTER TABLE roles ADD COLUMN requires_second_factor BOOLEAN NOT NULL DEFAULT FALSE;
-- When a code was last given in it.
ALTER TABLE sessions ADD COLUMN second_factor_at TIMESTAMPTZ;

-- What codes are made of, by the clock (RFC 6238).
CREATE TABLE totp_secrets (
    user_id      UUID PRIMARY KEY REFERENCES users (id),
    -- 160 bits, base64url.
    secret       TEXT NOT NULL,
    -- Since when it counts; not before a code of it has been seen.
    confirmed_at TIMESTAMPTZ,
    -- The step of the last code that was used: none of it or before it counts again.
    last_step    BIGINT NOT NULL CHECK (last_step >= 0),
    created_at   TIMESTAMPTZ NOT NULL
);
CREATE TRIGGER totp_codes_are_used_once BEFORE UPDATE OF last_step ON totp_secrets
WHEN NEW.secret = OLD.secret AND NEW.last_step <= OLD.last_step
BEGIN SELECT RAISE(ABORT, 'the code has been used'); END;

-- For when the device is lost; each works once.
CREATE TABLE recovery_codes (
    -- SHA-256 of the code, hex.
    hash       TEXT PRIMARY KEY,
    user_id    UUID NOT NULL REFERENCES users (id),
    used_at    TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX recovery_codes_by_user ON recovery_codes (user_id);
CREATE TRIGGER recovery_codes_are_used_once BEFORE UPDATE ON recovery_codes
WHEN OLD.used_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the code has been used'); END;

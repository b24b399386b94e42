-- Keys on people's devices (WebAuthn). Only their public halves are here.
CREATE TABLE passkeys (
    id            UUID PRIMARY KEY,
    user_id       UUID NOT NULL REFERENCES users (id),
    name          TEXT NOT NULL,
    -- The device's own name for it, base64url.
    credential_id TEXT NOT NULL UNIQUE,
    -- The public key and how often it was used, as webauthn-rs keeps it.
    credential    TEXT NOT NULL,
    last_used_at  TIMESTAMPTZ,
    created_at    TIMESTAMPTZ NOT NULL,
    -- Of its name.
    version       BIGINT NOT NULL
);
CREATE INDEX passkeys_by_user ON passkeys (user_id, id);
CREATE TRIGGER passkeys_stay_with_one_user BEFORE UPDATE ON passkeys
WHEN NEW.user_id <> OLD.user_id OR NEW.credential_id <> OLD.credential_id
BEGIN SELECT RAISE(ABORT, 'a passkey stays with one user'); END;

-- Challenges that were given out and not answered yet. Each is answered once.
CREATE TABLE passkey_ceremonies (
    -- SHA-256 of what the browser keeps, hex.
    hash       TEXT PRIMARY KEY,
    -- Whose new key it is for; none where it will tell itself who signs in.
    user_id    UUID REFERENCES users (id),
    state      TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX passkey_ceremonies_by_expiry ON passkey_ceremonies (expires_at);

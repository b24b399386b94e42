-- Why somebody who may not sign in may not; nothing where they were disabled.
ALTER TABLE users ADD COLUMN hold TEXT CHECK (hold IN ('invited', 'locked'));
-- When somebody last said that they had forgotten the password, until it is settled.
ALTER TABLE users ADD COLUMN reset_requested_at TIMESTAMPTZ;

-- Links by which somebody sets a password: of an invitation, or after the old one was forgotten.
CREATE TABLE links (
    -- SHA-256 of the token, hex: the token itself is nowhere.
    hash       TEXT PRIMARY KEY,
    user_id    UUID NOT NULL REFERENCES users (id),
    expires_at TIMESTAMPTZ NOT NULL,
    used_at    TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX links_by_user ON links (user_id);
CREATE INDEX links_by_expiry ON links (expires_at);
CREATE TRIGGER links_are_used_once BEFORE UPDATE ON links
WHEN OLD.used_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the link has been used'); END;

-- Where and with what, as shown to whoever owns the session.
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN device TEXT;
ALTER TABLE sessions ADD COLUMN last_used_at TIMESTAMPTZ;
-- When its owner last proved who they are.
ALTER TABLE sessions ADD COLUMN authenticated_at TIMESTAMPTZ;
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX users_waiting_for_a_link ON users (id) WHERE reset_requested_at IS NOT NULL;

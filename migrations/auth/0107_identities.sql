-- Who somebody is to an OpenID Connect provider.
CREATE TABLE identities (
    id           UUID PRIMARY KEY,
    user_id      UUID NOT NULL REFERENCES users (id),
    issuer       TEXT NOT NULL,
    -- The provider's own name for them, which never changes hands.
    subject      TEXT NOT NULL,
    email        TEXT,
    last_used_at TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE INDEX identities_by_user ON identities (user_id, id);
CREATE TRIGGER identities_stay_with_one_user BEFORE UPDATE ON identities
WHEN NEW.user_id <> OLD.user_id OR NEW.issuer <> OLD.issuer OR NEW.subject <> OLD.subject
BEGIN SELECT RAISE(ABORT, 'an identity stays with one user'); END;

-- Who may sign in, what they may do, and the sessions they have.

-- Keys that access tokens are signed with. The newest signs; all of them verify.
CREATE TABLE signing_keys (
    id         UUID PRIMARY KEY,
    kid        TEXT NOT NULL UNIQUE,
    -- The Ed25519 seed, base64url.
    seed       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE users (
    id            UUID PRIMARY KEY,
    username      TEXT NOT NULL,
    -- The user name in lower case: two users never differ by case alone.
    username_key  TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    email         TEXT,
    password_hash TEXT NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    is_active     BOOLEAN NOT NULL,
    version       BIGINT NOT NULL CHECK (version > 0),
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL
);

CREATE TABLE roles (
    id          UUID PRIMARY KEY,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL UNIQUE,
    description TEXT,
    version     BIGINT NOT NULL CHECK (version > 0),
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL
);

-- What a role grants: `module.resource:action`, `module.*` or `*`.
CREATE TABLE role_permissions (
    role_id    UUID NOT NULL REFERENCES roles (id),
    permission TEXT NOT NULL,
    PRIMARY KEY (role_id, permission)
);

CREATE TABLE user_roles (
    user_id UUID NOT NULL REFERENCES users (id),
    role_id UUID NOT NULL REFERENCES roles (id),
    PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_by_role ON user_roles (role_id);

-- A sign-in and all that follows from it: the family of its refresh tokens.
CREATE TABLE sessions (
    id         UUID PRIMARY KEY,
    user_id    UUID NOT NULL REFERENCES users (id),
    -- Moves on with every refresh.
    expires_at TIMESTAMPTZ NOT NULL,
    ended_at   TIMESTAMPTZ,
    end_reason TEXT CHECK (end_reason IN
        ('signed_out', 'password_changed', 'user_disabled', 'refresh_token_reused')),
    created_at TIMESTAMPTZ NOT NULL,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_live_by_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Each can be used once; what it was exchanged for names it as its parent.
CREATE TABLE refresh_tokens (
    -- SHA-256 of the token, hex: the token itself is nowhere.
    hash        TEXT PRIMARY KEY,
    session_id  UUID NOT NULL REFERENCES sessions (id),
    parent_hash TEXT,
    expires_at  TIMESTAMPTZ NOT NULL,
    rotated_at  TIMESTAMPTZ,
    -- How often the exchange was repeated because its answer may have been lost.
    reissues    BIGINT NOT NULL CHECK (reissues BETWEEN 0 AND 3),
    created_at  TIMESTAMPTZ NOT NULL,
    CHECK (rotated_at IS NOT NULL OR reissues = 0)
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_by_parent ON refresh_tokens (parent_hash);

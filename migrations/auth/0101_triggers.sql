-- Users and roles are switched off or emptied, never deleted: old documents name them.
CREATE TRIGGER users_no_delete BEFORE DELETE ON users
BEGIN SELECT RAISE(ABORT, 'users are never deleted'); END;
CREATE TRIGGER users_keep_username BEFORE UPDATE OF username, username_key ON users
BEGIN SELECT RAISE(ABORT, 'a user name stays what it is'); END;
CREATE TRIGGER roles_no_delete BEFORE DELETE ON roles
BEGIN SELECT RAISE(ABORT, 'roles are never deleted'); END;

-- A session that has ended never lives again, and a refresh token is used once.
CREATE TRIGGER sessions_end_once BEFORE UPDATE ON sessions
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the session has ended'); END;
CREATE TRIGGER refresh_tokens_rotate_once BEFORE UPDATE ON refresh_tokens
WHEN OLD.rotated_at IS NOT NULL AND NEW.rotated_at IS DISTINCT FROM OLD.rotated_at
BEGIN SELECT RAISE(ABORT, 'the refresh token has been used'); END;
CREATE TRIGGER refresh_tokens_stay BEFORE UPDATE OF hash, session_id, parent_hash, expires_at
ON refresh_tokens
BEGIN SELECT RAISE(ABORT, 'a refresh token stays what it is'); END;

CREATE TRIGGER signing_keys_no_update BEFORE UPDATE ON signing_keys
BEGIN SELECT RAISE(ABORT, 'a signing key stays what it is'); END;

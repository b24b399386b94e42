-- Signing keys that somebody else may have. Nothing they have signed is good any more.
CREATE TABLE withdrawn_keys (
    -- As processes that check tokens know the key: made of its kid.
    id           UUID PRIMARY KEY,
    kid          TEXT NOT NULL UNIQUE,
    withdrawn_at TIMESTAMPTZ NOT NULL
);
CREATE TRIGGER withdrawn_keys_no_update BEFORE UPDATE ON withdrawn_keys
BEGIN SELECT RAISE(ABORT, 'a key that was withdrawn stays so'); END;
CREATE TRIGGER withdrawn_keys_no_delete BEFORE DELETE ON withdrawn_keys
BEGIN SELECT RAISE(ABORT, 'a key that was withdrawn stays so'); END;

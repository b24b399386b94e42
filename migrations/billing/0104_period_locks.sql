-- Days that are closed to the journal: all until `through`. A soft lock can be reopened, and
-- posted through by whoever may and says why; a hard one stays.
CREATE TABLE period_locks (
    id            UUID PRIMARY KEY,
    through       DATE NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('soft', 'hard')),
    status        TEXT NOT NULL CHECK (status IN ('closed', 'reopened')),
    reason        TEXT NOT NULL,
    -- Whatever was posted before has an entry made no later.
    closed_at     TIMESTAMPTZ NOT NULL,
    reopened_at   TIMESTAMPTZ,
    reopen_reason TEXT,
    version       BIGINT NOT NULL CHECK (version > 0),
    updated_at    TIMESTAMPTZ NOT NULL,
    CHECK (kind = 'soft' OR status = 'closed'),
    CHECK ((status = 'reopened') = (reopened_at IS NOT NULL)),
    CHECK ((status = 'reopened') = (reopen_reason IS NOT NULL))
);
CREATE UNIQUE INDEX period_locks_once ON period_locks (kind, through) WHERE status = 'closed';

CREATE TRIGGER period_locks_go_on BEFORE INSERT ON period_locks
BEGIN
    SELECT RAISE(ABORT, 'a lock begins closed') WHERE NEW.status <> 'closed';
    SELECT RAISE(ABORT, 'what is closed is not closed again')
    WHERE EXISTS (SELECT 1 FROM period_locks
                  WHERE status = 'closed' AND through >= NEW.through
                    AND (kind = 'hard' OR NEW.kind = 'soft'));
END;
CREATE TRIGGER period_locks_stay BEFORE UPDATE ON period_locks
WHEN OLD.status <> 'closed' OR NEW.status <> 'reopened'
  OR (NEW.id, NEW.through, NEW.kind, NEW.reason, NEW.closed_at)
     IS DISTINCT FROM (OLD.id, OLD.through, OLD.kind, OLD.reason, OLD.closed_at)
BEGIN SELECT RAISE(ABORT, 'a lock is reopened once and else stays'); END;
CREATE TRIGGER period_locks_reopen_backwards BEFORE UPDATE ON period_locks
WHEN NEW.status = 'reopened'
BEGIN
    SELECT RAISE(ABORT, 'the last day closed is reopened first')
    WHERE EXISTS (SELECT 1 FROM period_locks
                  WHERE status = 'closed' AND through >= NEW.through AND id <> NEW.id);
END;
CREATE TRIGGER period_locks_no_delete BEFORE DELETE ON period_locks
BEGIN SELECT RAISE(ABORT, 'a lock is never deleted'); END;

-- Where the day of what an entry came from was closed, that day; the entry is on the first
-- open one.
ALTER TABLE journal_entries ADD COLUMN document_on DATE CHECK (document_on < entry_on);
-- Why it was posted through a soft lock.
ALTER TABLE journal_entries ADD COLUMN exception_reason TEXT;

-- Whoever closes a period locks this table against inserts first: so what an insert reads here
-- stays true until it is committed.
CREATE TRIGGER journal_entries_in_open_periods BEFORE INSERT ON journal_entries
BEGIN
    SELECT RAISE(ABORT, 'the period is closed')
    WHERE EXISTS (SELECT 1 FROM period_locks
                  WHERE status = 'closed' AND through >= NEW.entry_on
                    AND (kind = 'hard' OR NEW.exception_reason IS NULL));
END;

-- The day a bill was posted on: that of the bill, or the first open one.
ALTER TABLE bills ADD COLUMN posted_on DATE CHECK (posted_on >= billed_on);
CREATE TRIGGER bills_posted_once BEFORE UPDATE ON bills
WHEN OLD.posted_on IS NOT NULL AND NEW.posted_on IS DISTINCT FROM OLD.posted_on
BEGIN SELECT RAISE(ABORT, 'a bill is posted once'); END;

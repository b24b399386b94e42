-- Stock closed through a day: nothing is dated in it any more, and what there was at its end is
-- kept, so that the value of a later day need not be counted from the beginning.

CREATE TABLE stock_periods (
    id            UUID PRIMARY KEY,
    -- Which it is of those that follow one another; the first begins with the first move.
    position      BIGINT NOT NULL CHECK (position > 0),
    previous_id   UUID REFERENCES stock_periods (id),
    -- Its last day.
    through       DATE NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('closed', 'reopened')),
    -- What all stock was worth at its end.
    value_minor   BIGINT NOT NULL,
    note          TEXT,
    reopen_reason TEXT,
    closed_by     UUID,
    reopened_by   UUID,
    version       BIGINT NOT NULL CHECK (version > 0),
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    CHECK ((position = 1) = (previous_id IS NULL)),
    CHECK ((status = 'reopened') = (reopen_reason IS NOT NULL))
);
CREATE UNIQUE INDEX stock_periods_one_after_another ON stock_periods (position)
    WHERE status = 'closed';
CREATE INDEX stock_periods_closed ON stock_periods (through) WHERE status = 'closed';
CREATE INDEX stock_periods_by_status ON stock_periods (status, id);

-- What there was of a product in a warehouse at the end of a period, where there was any. It
-- refers to no row that others lock while they wait for a period to be closed.
CREATE TABLE stock_snapshots (
    period_id    UUID NOT NULL REFERENCES stock_periods (id),
    product_id   UUID NOT NULL,
    warehouse_id UUID NOT NULL,
    quantity     BIGINT NOT NULL,
    value_minor  BIGINT NOT NULL,
    PRIMARY KEY (period_id, product_id, warehouse_id),
    CHECK (quantity <> 0 OR value_minor <> 0)
);

CREATE TRIGGER stock_periods_follow BEFORE INSERT ON stock_periods
WHEN NEW.status <> 'closed'
    OR EXISTS (SELECT 1 FROM stock_periods p WHERE p.status = 'closed'
               AND (p.through >= NEW.through OR p.position >= NEW.position))
    OR (NEW.previous_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM stock_periods p WHERE p.id = NEW.previous_id AND p.status = 'closed'
        AND p.position = NEW.position - 1))
BEGIN SELECT RAISE(ABORT, 'a stock period follows the one before it'); END;
CREATE TRIGGER stock_periods_reopen_newest BEFORE UPDATE ON stock_periods
WHEN OLD.status <> 'closed' OR NEW.status <> 'reopened' OR NEW.id <> OLD.id
    OR NEW.position <> OLD.position OR NEW.previous_id IS DISTINCT FROM OLD.previous_id
    OR NEW.through <> OLD.through OR NEW.value_minor <> OLD.value_minor
    OR EXISTS (SELECT 1 FROM stock_periods p WHERE p.status = 'closed'
               AND p.through > OLD.through)
BEGIN SELECT RAISE(ABORT, 'a stock period is reopened once, the newest first'); END;
CREATE TRIGGER stock_periods_no_delete BEFORE DELETE ON stock_periods
BEGIN SELECT RAISE(ABORT, 'stock periods are kept'); END;
CREATE TRIGGER stock_snapshots_no_update BEFORE UPDATE ON stock_snapshots
BEGIN SELECT RAISE(ABORT, 'stock_snapshots is append-only'); END;
CREATE TRIGGER stock_snapshots_no_delete BEFORE DELETE ON stock_snapshots
BEGIN SELECT RAISE(ABORT, 'stock_snapshots is append-only'); END;

-- Whoever closes a period keeps others from writing to these tables meanwhile, so that what is
-- being written is either in it or meets it here.
CREATE TRIGGER stock_moves_in_open_period BEFORE INSERT ON stock_moves
WHEN EXISTS (SELECT 1 FROM stock_periods p
             WHERE p.status = 'closed' AND p.through >= NEW.moved_on)
BEGIN SELECT RAISE(ABORT, 'the stock period is closed'); END;
CREATE TRIGGER landed_costs_in_open_period BEFORE INSERT ON landed_costs
WHEN EXISTS (SELECT 1 FROM stock_periods p
             WHERE p.status = 'closed' AND p.through >= NEW.booked_on)
BEGIN SELECT RAISE(ABORT, 'the stock period is closed'); END;
CREATE TRIGGER cost_layers_in_open_period BEFORE INSERT ON cost_layers
WHEN EXISTS (SELECT 1 FROM stock_periods p
             WHERE p.status = 'closed' AND p.through >= NEW.booked_on)
BEGIN SELECT RAISE(ABORT, 'the stock period is closed'); END;
CREATE TRIGGER cost_variances_in_open_period BEFORE INSERT ON cost_variances
WHEN EXISTS (SELECT 1 FROM stock_periods p
             WHERE p.status = 'closed' AND p.through >= NEW.booked_on)
BEGIN SELECT RAISE(ABORT, 'the stock period is closed'); END;

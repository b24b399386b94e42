-- Where events are told to others.
CREATE TABLE webhooks (
    id            UUID PRIMARY KEY,
    url           TEXT NOT NULL,
    description   TEXT,
    -- What is told: types, `module.*` or `*`, a JSON list.
    event_types   TEXT NOT NULL,
    -- What occurred before is not told.
    active_from   TIMESTAMPTZ NOT NULL,
    -- Since when nothing has arrived there, if that is so.
    failing_since TIMESTAMPTZ,
    disabled_at   TIMESTAMPTZ,
    disabled_why  TEXT CHECK (disabled_why IN ('by_hand', 'failing', 'gone')),
    version       BIGINT NOT NULL CHECK (version > 0),
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
);

-- What signs: one, or two while the new one takes the place of the old.
CREATE TABLE webhook_secrets (
    id         UUID PRIMARY KEY,
    webhook_id UUID NOT NULL REFERENCES webhooks (id),
    -- 256 bits, base64; it has to be known to sign with it.
    secret     TEXT NOT NULL,
    -- None of the newest.
    expires_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX webhook_secrets_by_webhook ON webhook_secrets (webhook_id);
CREATE UNIQUE INDEX webhook_secrets_newest ON webhook_secrets (webhook_id)
    WHERE expires_at IS NULL;

-- An event on its way to one of them, or there, or given up.
CREATE TABLE webhook_deliveries (
    id              UUID PRIMARY KEY,
    webhook_id      UUID NOT NULL REFERENCES webhooks (id),
    event_id        UUID NOT NULL,
    event_type      TEXT NOT NULL,
    body            TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        BIGINT NOT NULL CHECK (attempts >= 0),
    next_attempt_at TIMESTAMPTZ,
    last_attempt_at TIMESTAMPTZ,
    -- Of the last attempt: what the other side said, or why it said nothing, and how long it took.
    response_status BIGINT,
    error           TEXT,
    duration_ms     BIGINT CHECK (duration_ms >= 0),
    created_at      TIMESTAMPTZ NOT NULL,
    CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
    UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at)
    WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (state, id);

-- How far each module's log of events has been read, while somebody is told of it.
CREATE TABLE webhook_positions (
    module TEXT PRIMARY KEY,
    seq    BIGINT NOT NULL CHECK (seq >= 0)
);
CREATE TRIGGER webhook_positions_go_forward BEFORE UPDATE ON webhook_positions
WHEN NEW.seq < OLD.seq
BEGIN SELECT RAISE(ABORT, 'a log is read forward'); END;

-- Tables every module has in its own schema.

-- Who changed what, when, on whose request, and why. Append-only. The rows form chains (one
-- where there is one writer), each numbered without a gap; a row carries the hash of the one
-- before it in its chain, so that a changed or missing row is found.
CREATE TABLE audit_log (
    id            BIGSERIAL PRIMARY KEY,
    chain         BIGINT NOT NULL CHECK (chain BETWEEN 0 AND 15),
    seq           BIGINT NOT NULL CHECK (seq > 0),
    occurred_at   TIMESTAMPTZ NOT NULL,
    actor_kind    TEXT NOT NULL,
    actor_id      UUID,
    actor_name    TEXT NOT NULL,
    request_id    TEXT NOT NULL,
    operation     TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id   UUID NOT NULL,
    reason        TEXT,
    before        TEXT,
    after         TEXT,
    prev_hash     TEXT NOT NULL,
    hash          TEXT NOT NULL,
    UNIQUE (chain, seq)
);
CREATE INDEX audit_log_by_resource ON audit_log (resource_id);

-- Every event the module has published. Append-only.
CREATE TABLE events (
    seq               BIGSERIAL PRIMARY KEY,
    id                UUID NOT NULL UNIQUE,
    type              TEXT NOT NULL,
    version           BIGINT NOT NULL,
    occurred_at       TIMESTAMPTZ NOT NULL,
    aggregate_id      UUID NOT NULL,
    aggregate_version BIGINT NOT NULL,
    correlation_id    TEXT NOT NULL,
    causation_id      UUID,
    actor             TEXT NOT NULL,
    data              TEXT NOT NULL
);

-- What is still to be delivered: a row for each event and subscriber, deleted when the
-- subscriber has it.
CREATE TABLE outbox (
    seq             BIGSERIAL PRIMARY KEY,
    event_id        UUID NOT NULL REFERENCES events (id),
    subscriber      TEXT NOT NULL,
    aggregate_id    UUID NOT NULL,
    attempts        BIGINT NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    parked_at       TIMESTAMPTZ,
    last_error      TEXT
);
CREATE INDEX outbox_in_order ON outbox (subscriber, aggregate_id, seq);

-- Which events the module has applied.
CREATE TABLE inbox (
    event_id   UUID PRIMARY KEY,
    type       TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL
);

-- Answers given under an Idempotency-Key, written by the transaction they report.
CREATE TABLE idempotency_keys (
    seq        BIGSERIAL PRIMARY KEY,
    key        TEXT NOT NULL,
    scope      TEXT NOT NULL,
    body_hash  TEXT NOT NULL,
    status     BIGINT NOT NULL,
    etag       BIGINT,
    location   TEXT,
    body       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (key, scope)
);

-- The last number drawn of each series of documents.
CREATE TABLE number_series (
    series TEXT PRIMARY KEY,
    last   BIGINT NOT NULL CHECK (last > 0)
);

-- Files that come in and go out, and the work on them.

CREATE TABLE imports (
    id             UUID PRIMARY KEY,
    resource       TEXT NOT NULL CHECK (resource IN ('products', 'stock', 'counts')),
    format         TEXT NOT NULL CHECK (format IN ('csv', 'ndjson')),
    policy         TEXT NOT NULL CHECK (policy IN ('atomic', 'skip_failed')),
    is_dry_run     BOOLEAN NOT NULL,
    stock_count_id UUID REFERENCES stock_counts (id),
    reason         TEXT NOT NULL,
    status         TEXT NOT NULL
                   CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    bytes          BIGINT NOT NULL CHECK (bytes >= 0),
    -- The last row that is dealt with; whoever goes on begins after it.
    last_row       BIGINT NOT NULL CHECK (last_row >= 0),
    rows_read      BIGINT NOT NULL CHECK (rows_read >= 0),
    rows_created   BIGINT NOT NULL CHECK (rows_created >= 0),
    rows_updated   BIGINT NOT NULL CHECK (rows_updated >= 0),
    rows_unchanged BIGINT NOT NULL CHECK (rows_unchanged >= 0),
    rows_failed    BIGINT NOT NULL CHECK (rows_failed >= 0),
    -- In whose name: the actor in JSON, and the request that asked for it.
    actor          TEXT NOT NULL,
    request_id     TEXT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    started_at     TIMESTAMPTZ,
    ended_at       TIMESTAMPTZ,
    CHECK ((resource = 'counts') = (stock_count_id IS NOT NULL)),
    CHECK ((status IN ('queued', 'running')) = (ended_at IS NULL)),
    CHECK (rows_read >= rows_created + rows_updated + rows_unchanged + rows_failed),
    -- What has succeeded has dealt with every row; all or nothing means that none failed.
    CHECK (status <> 'succeeded'
           OR rows_read = rows_created + rows_updated + rows_unchanged + rows_failed),
    CHECK (status <> 'succeeded' OR policy <> 'atomic' OR rows_failed = 0)
);
CREATE INDEX imports_by_status ON imports (status, id);
CREATE INDEX imports_by_resource ON imports (resource, id);

-- The file as it came; gone when the import has ended.
CREATE TABLE import_pieces (
    seq        BIGSERIAL PRIMARY KEY,
    import_id  UUID NOT NULL,
    position   BIGINT NOT NULL,
    bytes      BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (import_id, position)
);

CREATE TABLE import_errors (
    id         UUID PRIMARY KEY,
    import_id  UUID NOT NULL REFERENCES imports (id),
    row_number BIGINT NOT NULL,
    pointer    TEXT NOT NULL,
    code       TEXT NOT NULL,
    detail     TEXT NOT NULL
);
CREATE INDEX import_errors_by_import ON import_errors (import_id, id);

CREATE TABLE exports (
    id             UUID PRIMARY KEY,
    resource       TEXT NOT NULL CHECK (resource IN ('products', 'stock', 'counts')),
    format         TEXT NOT NULL CHECK (format IN ('csv', 'ndjson')),
    warehouse_id   UUID REFERENCES warehouses (id),
    stock_count_id UUID REFERENCES stock_counts (id),
    status         TEXT NOT NULL
                   CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Where the list goes on that it is made of; whoever goes on begins there.
    list_cursor    TEXT,
    pieces         BIGINT NOT NULL CHECK (pieces >= 0),
    rows_written   BIGINT NOT NULL CHECK (rows_written >= 0),
    bytes          BIGINT NOT NULL CHECK (bytes >= 0),
    -- Whether the file has been thrown away.
    is_forgotten   BOOLEAN NOT NULL,
    requested_by   UUID,
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    started_at     TIMESTAMPTZ,
    ended_at       TIMESTAMPTZ,
    CHECK ((resource = 'counts') = (stock_count_id IS NOT NULL)),
    CHECK ((status IN ('queued', 'running')) = (ended_at IS NULL))
);
CREATE INDEX exports_by_status ON exports (status, id);
CREATE INDEX exports_by_resource ON exports (resource, id);
CREATE INDEX exports_to_forget ON exports (ended_at) WHERE NOT is_forgotten;

CREATE TABLE export_pieces (
    seq       BIGSERIAL PRIMARY KEY,
    export_id UUID NOT NULL REFERENCES exports (id),
    position  BIGINT NOT NULL,
    bytes     BYTEA NOT NULL,
    UNIQUE (export_id, position)
);

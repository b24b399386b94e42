-- What only one replica may do at a time, and which one does it. The fence grows with every
-- change of hands.
CREATE TABLE leases (
    name       TEXT PRIMARY KEY,
    holder     UUID NOT NULL,
    fence      BIGINT NOT NULL CHECK (fence > 0),
    expires_at TIMESTAMPTZ NOT NULL
);

-- +goose Up

-- Operations that go on after the call that began them: bulk imports.
CREATE TABLE IF NOT EXISTS operations (
    operation_id     UUID PRIMARY KEY,
    account_id       UUID NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('IMPORT')),
    state            TEXT NOT NULL CHECK (state IN ('UPLOADING', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'CANCELLED', 'DELETING')),
    assign_only      BOOL NOT NULL,
    validate_only    BOOL NOT NULL,
    request_id       TEXT NOT NULL, -- the caller's idempotency key, '' for none
    actor            TEXT NOT NULL,
    trace_id         TEXT NOT NULL, -- request id in logs
    row_count        INT8 NOT NULL,
    succeeded_count  INT8 NOT NULL,
    unchanged_count  INT8 NOT NULL,
    failed_count     INT8 NOT NULL,
    warning_count    INT8 NOT NULL,
    begun_row        INT8 NOT NULL, -- rows up to this one have been worked on
    tally            JSONB NOT NULL, -- what the rows looked at so far would take, when it only validates
    first_errors     BYTEA NOT NULL, -- switchboard.license.v1.ImportMetadata with the first refused rows
    cancel_requested BOOL NOT NULL,
    claimed_by       UUID, -- changes with every claim
    claimed_until    TIMESTAMPTZ, -- NULL: nothing to be done
    create_time      TIMESTAMPTZ NOT NULL,
    start_time       TIMESTAMPTZ,
    end_time         TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS operations_by_claim ON operations (claimed_until);
CREATE INDEX IF NOT EXISTS operations_by_create_time ON operations (create_time);

-- The rows of an import: the work list, and afterwards what became of each.
CREATE TABLE IF NOT EXISTS import_rows (
    operation_id  UUID NOT NULL,
    row_number    INT8 NOT NULL, -- from 1
    line_number   INT8 NOT NULL, -- of the file
    email         TEXT NOT NULL,
    room          TEXT NOT NULL,
    site          TEXT NOT NULL,
    package       TEXT NOT NULL,
    template      TEXT NOT NULL,
    extension     TEXT NOT NULL,
    phone_numbers TEXT NOT NULL,
    warnings      TEXT NOT NULL, -- one a line
    changing      BOOL NOT NULL, -- a change of a phone user has begun, so that finding it done is this import's doing
    outcome       TEXT NOT NULL CHECK (outcome IN ('', 'ASSIGNED', 'UPDATED', 'UNCHANGED', 'FAILED')),
    error         BYTEA, -- google.rpc.Status
    phone_user_id UUID,
    PRIMARY KEY (operation_id, row_number)
);

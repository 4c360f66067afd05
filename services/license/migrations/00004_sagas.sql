-- +goose Up

-- An operation that touches other services, while it is under way. A finished saga has no row.
CREATE TABLE IF NOT EXISTS sagas (
    saga_id       UUID PRIMARY KEY,
    account_id    UUID NOT NULL,
    kind          TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'RUNNING' CHECK (state IN ('RUNNING', 'UNDOING')),
    plan          JSONB NOT NULL,
    phone_users   TEXT NOT NULL, -- ids, comma separated, in the order asked
    seats         INT8 NOT NULL, -- seats taken when it began, given back when it is undone
    request_id    TEXT NOT NULL, -- the caller's idempotency key, '' for none
    actor         TEXT NOT NULL,
    trace_id      TEXT NOT NULL, -- request id in logs
    failure       BYTEA,         -- google.rpc.Status that it is being undone for
    attempts      INT8 NOT NULL DEFAULT 1,
    claimed_until TIMESTAMPTZ NOT NULL,
    create_time   TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS sagas_by_claim ON sagas (claimed_until);

-- Answers remembered under the caller's request id.
CREATE TABLE IF NOT EXISTS requests (
    account_id  UUID NOT NULL,
    request_id  TEXT NOT NULL,
    body_hash   BYTEA NOT NULL,
    saga_id     UUID,
    response    BYTEA, -- NULL while under way
    create_time TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, request_id)
);
CREATE INDEX IF NOT EXISTS requests_by_create_time ON requests (create_time);

-- Messages for the notification service that it has not taken yet.
CREATE TABLE IF NOT EXISTS outbox (
    message_id    UUID PRIMARY KEY,
    account_id    UUID NOT NULL,
    message       BYTEA NOT NULL, -- switchboard.notification.v1.Message
    claimed_until TIMESTAMPTZ NOT NULL DEFAULT now(),
    create_time   TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS outbox_by_claim ON outbox (claimed_until);

CREATE TABLE IF NOT EXISTS account_log (
    account_id    UUID NOT NULL,
    time          TIMESTAMPTZ NOT NULL,
    entry_id      UUID NOT NULL,
    kind          TEXT NOT NULL,
    phone_user_id UUID NOT NULL,
    assignee_kind TEXT NOT NULL,
    assignee_id   UUID NOT NULL,
    display_name  TEXT NOT NULL,
    actor         TEXT NOT NULL,
    request_id    TEXT NOT NULL,
    before        JSONB NOT NULL,
    after         JSONB NOT NULL,
    PRIMARY KEY (account_id, time, entry_id)
);
CREATE INDEX IF NOT EXISTS account_log_by_phone_user ON account_log (account_id, phone_user_id, time, entry_id);

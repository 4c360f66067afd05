-- +goose Up
-- switchboard:compatible-from 1

-- The round of reconciliation that was begun last; one row.
CREATE TABLE IF NOT EXISTS reconciliation (
    id         INT8 NOT NULL PRIMARY KEY CHECK (id = 1),
    round      INT8 NOT NULL,
    begin_time TIMESTAMPTZ NOT NULL
);

-- Extensions whose owner was missing, in how many rounds running. A row is about the extension as it was then: once that has another
-- owner or update time, the row means nothing any more.
CREATE TABLE IF NOT EXISTS suspects (
    account_id  UUID NOT NULL,
    number      INT8 NOT NULL,
    owner_id    UUID NOT NULL,
    update_time TIMESTAMPTZ NOT NULL, -- of the extension
    round       INT8 NOT NULL,        -- the last one
    rounds      INT8 NOT NULL,
    PRIMARY KEY (account_id, number)
);
CREATE INDEX IF NOT EXISTS suspects_by_round ON suspects (round);

-- +goose Up

-- Extension numbers are kept as one integer: digit count * 10^10 + value ("0123" is 40000000123), so that numbers of one length
-- are consecutive and an index over it is in the order in which people read lists.

-- Ranges never change; they are made and deleted. Two of an account never share a number.
CREATE TABLE IF NOT EXISTS extension_ranges (
    account_id  UUID NOT NULL,
    range_id    UUID NOT NULL,
    site_id     UUID NOT NULL,
    from_number INT8 NOT NULL,
    to_number   INT8 NOT NULL,
    create_time TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, range_id),
    CHECK (from_number >= 20000000000 AND from_number <= to_number AND to_number <= 109999999999)
);
CREATE INDEX IF NOT EXISTS extension_ranges_by_number ON extension_ranges (account_id, from_number);
CREATE INDEX IF NOT EXISTS extension_ranges_by_site ON extension_ranges (account_id, site_id, from_number);

-- A number without a row is free, and so is one whose quarantine is over. The primary key is what keeps a number from being
-- given out twice; the unique owner is what makes giving repeatable.
CREATE TABLE IF NOT EXISTS extensions (
    account_id       UUID NOT NULL,
    number           INT8 NOT NULL,
    state            TEXT NOT NULL,
    owner_id         UUID,
    quarantine_until TIMESTAMPTZ,
    create_time      TIMESTAMPTZ NOT NULL,
    update_time      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, number),
    CONSTRAINT extensions_owner_key UNIQUE (account_id, owner_id),
    CHECK (number >= 20000000000 AND number <= 109999999999),
    CHECK (state IN ('ASSIGNED', 'HELD', 'QUARANTINED', 'RESERVED')),
    CHECK ((state IN ('ASSIGNED', 'HELD')) = (owner_id IS NOT NULL)),
    CHECK ((state = 'QUARANTINED') = (quarantine_until IS NOT NULL))
);

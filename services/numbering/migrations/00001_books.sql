-- +goose Up

-- Calling packages. They are never deleted.
CREATE TABLE IF NOT EXISTS packages (
    account_id       UUID        NOT NULL,
    package_id       UUID        NOT NULL,
    display_name     TEXT        NOT NULL,
    -- the display name in the form in which two names are the same (see books.FoldName)
    display_name_key TEXT        NOT NULL,
    kind             TEXT        NOT NULL,
    state            TEXT        NOT NULL,
    revision         INT8        NOT NULL,
    create_time      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, package_id),
    CONSTRAINT packages_display_name UNIQUE (account_id, display_name_key),
    CONSTRAINT packages_state CHECK (state IN ('ACTIVE', 'INACTIVE'))
);

-- The seats of each package, a row of their own: every assignment writes it, while the package itself is read by all of them.
CREATE TABLE IF NOT EXISTS package_seats (
    account_id UUID NOT NULL,
    package_id UUID NOT NULL,
    seats      INT8 NOT NULL,
    -- always the number of the package's rows in package_assignments
    assigned   INT8 NOT NULL,
    PRIMARY KEY (account_id, package_id),
    CONSTRAINT package_seats_assigned CHECK (assigned >= 0 AND assigned <= seats)
);

-- Which owner (phone user of the license service) holds which package: at most one each.
CREATE TABLE IF NOT EXISTS package_assignments (
    account_id  UUID        NOT NULL,
    owner_id    UUID        NOT NULL,
    package_id  UUID        NOT NULL,
    create_time TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, owner_id)
);

CREATE INDEX IF NOT EXISTS package_assignments_by_package ON package_assignments (account_id, package_id);

-- Direct numbers in E.164 form.
CREATE TABLE IF NOT EXISTS phone_numbers (
    account_id       UUID        NOT NULL,
    number           TEXT        NOT NULL,
    state            TEXT        NOT NULL,
    owner_id         UUID        NULL,
    -- order among the owner's numbers
    position         INT8        NOT NULL DEFAULT 0,
    -- a QUARANTINED number is free again from then on; nothing needs to happen to its row
    quarantine_until TIMESTAMPTZ NULL,
    create_time      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, number),
    CONSTRAINT phone_numbers_state CHECK (state IN ('AVAILABLE', 'ASSIGNED', 'QUARANTINED')),
    CONSTRAINT phone_numbers_owner CHECK ((state = 'ASSIGNED') = (owner_id IS NOT NULL)),
    CONSTRAINT phone_numbers_quarantine CHECK ((state = 'QUARANTINED') = (quarantine_until IS NOT NULL))
);

CREATE INDEX IF NOT EXISTS phone_numbers_by_owner ON phone_numbers (account_id, owner_id);

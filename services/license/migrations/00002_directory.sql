-- +goose Up
CREATE TABLE IF NOT EXISTS users (
    account_id   UUID NOT NULL,
    user_id      UUID NOT NULL,
    email        TEXT NOT NULL,
    email_key    TEXT NOT NULL, -- lower case
    given_name   TEXT NOT NULL,
    family_name  TEXT NOT NULL,
    display_name TEXT NOT NULL,
    sort_key     TEXT NOT NULL, -- folded display name
    search_text  TEXT NOT NULL, -- folded display name and e-mail address
    role         TEXT NOT NULL CHECK (role IN ('OWNER', 'ADMIN', 'MEMBER')),
    status       TEXT NOT NULL CHECK (status IN ('ACTIVE', 'PENDING')),
    features     TEXT NOT NULL, -- comma separated
    site_id      UUID,
    create_time  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, user_id),
    UNIQUE (account_id, email_key)
);
-- Holds all that a list of people is searched and filtered by, so that a search reads this narrow index only.
CREATE INDEX IF NOT EXISTS users_by_name ON users (account_id, sort_key, user_id) INCLUDE (search_text, role, status, email_key);

CREATE TABLE IF NOT EXISTS rooms (
    account_id       UUID NOT NULL,
    room_id          UUID NOT NULL,
    display_name     TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    site_id          UUID NOT NULL,
    create_time      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, room_id),
    UNIQUE (account_id, display_name_key)
);
CREATE INDEX IF NOT EXISTS rooms_by_site ON rooms (account_id, site_id);

CREATE TABLE IF NOT EXISTS templates (
    account_id       UUID NOT NULL,
    template_id      UUID NOT NULL,
    display_name     TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    site_id          UUID, -- NULL: every site
    settings         JSONB NOT NULL,
    revision         INT8 NOT NULL,
    create_time      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, template_id),
    UNIQUE (account_id, display_name_key)
);

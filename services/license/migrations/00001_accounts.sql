-- +goose Up
CREATE TABLE IF NOT EXISTS accounts (
    account_id              UUID PRIMARY KEY,
    display_name            TEXT NOT NULL,
    soft_delete             BOOL NOT NULL,
    extension_quarantine    INT8 NOT NULL, -- seconds
    phone_number_quarantine INT8 NOT NULL, -- seconds
    revision                INT8 NOT NULL,
    create_time             TIMESTAMPTZ NOT NULL,
    update_time             TIMESTAMPTZ NOT NULL
);

-- Seats are a row of their own: taking one never conflicts with reading or changing the account.
CREATE TABLE IF NOT EXISTS account_seats (
    account_id UUID PRIMARY KEY,
    seats      INT8 NOT NULL,
    taken      INT8 NOT NULL,
    CHECK (taken >= 0 AND taken <= seats)
);

CREATE TABLE IF NOT EXISTS sites (
    account_id       UUID NOT NULL,
    site_id          UUID NOT NULL,
    display_name     TEXT NOT NULL,
    display_name_key TEXT NOT NULL, -- folded, for uniqueness and order
    site_code        TEXT NOT NULL,
    site_code_key    TEXT,          -- folded; NULL without a code, so that many sites may have none
    is_main          BOOL NOT NULL,
    revision         INT8 NOT NULL,
    create_time      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, site_id),
    UNIQUE (account_id, display_name_key),
    UNIQUE (account_id, site_code_key)
);

-- +goose Up
CREATE TABLE IF NOT EXISTS phone_users (
    account_id       UUID NOT NULL,
    phone_user_id    UUID NOT NULL,
    assignee_kind    TEXT NOT NULL CHECK (assignee_kind IN ('USER', 'ROOM')),
    assignee_id      UUID NOT NULL,
    live_assignee_id UUID, -- assignee_id while the licence lives or is being restored, NULL in the trash: at most one a person
    display_name     TEXT NOT NULL,
    email            TEXT NOT NULL,
    sort_key         TEXT NOT NULL, -- folded display name
    search_text      TEXT NOT NULL, -- words of display name and e-mail address, folded, each after a blank
    state            TEXT NOT NULL CHECK (state IN ('PENDING', 'PROVISIONING', 'ACTIVE', 'TRASHED')),
    extension_number TEXT NOT NULL, -- '' without one
    site_id          UUID NOT NULL,
    package_id       UUID,
    phone_numbers    TEXT NOT NULL, -- comma separated, in the order assigned
    trashed_package_id    UUID, -- what it held when it was trashed, for restoring
    trashed_phone_numbers TEXT NOT NULL,
    settings         JSONB NOT NULL,
    setup_complete   BOOL NOT NULL,
    invited          BOOL NOT NULL, -- came in by invitation, so may change the own extension
    resend_time      TIMESTAMPTZ, -- when the mail was last sent again
    saga_id          UUID, -- the operation under way, which alone may change the row
    revision         INT8 NOT NULL,
    create_time      TIMESTAMPTZ NOT NULL,
    update_time      TIMESTAMPTZ NOT NULL,
    delete_time      TIMESTAMPTZ,
    purge_time       TIMESTAMPTZ,
    PRIMARY KEY (account_id, phone_user_id),
    UNIQUE (account_id, live_assignee_id)
);

-- Holds all that a list of phone users is searched and filtered by (direct numbers apart), so that a search reads this narrow
-- index only. Sites and packages have no index of their own: every write of a phone user would pay for it.
CREATE INDEX IF NOT EXISTS phone_users_by_name ON phone_users (account_id, sort_key, phone_user_id)
    INCLUDE (search_text, state, assignee_kind, extension_number, site_id, package_id, setup_complete);
CREATE INDEX IF NOT EXISTS phone_users_by_extension ON phone_users (account_id, extension_number, phone_user_id) INCLUDE (state);
CREATE INDEX IF NOT EXISTS phone_users_by_create_time ON phone_users (account_id, create_time, phone_user_id) INCLUDE (state);
CREATE INDEX IF NOT EXISTS phone_users_by_purge_time ON phone_users (purge_time);

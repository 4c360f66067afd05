-- +goose NO TRANSACTION
-- switchboard:compatible-from 1
-- +goose Up

-- The trace of the call that caused the mail (W3C traceparent), for the delivery to continue it. NULL in rows of programs that did not know it.
ALTER TABLE messages ADD COLUMN IF NOT EXISTS trace_parent TEXT NULL;

-- +goose NO TRANSACTION
-- switchboard:compatible-from 1
-- +goose Up

-- Whose a QUARANTINED number was, who alone may have it back. NULL in rows of programs that did not know it.
ALTER TABLE phone_numbers ADD COLUMN IF NOT EXISTS previous_owner_id UUID NULL;

-- +goose Up

-- One row per mail to one person. text_body is what readers may see: tokens in links are redacted. mail_text and mail_html are
-- the mail itself, with working links; they are emptied once the mail is sent or given up.
-- While state is QUEUED, next_attempt_time says when a sender may take the row; a sender that takes it moves the time past the
-- end of its claim. attempts counts the claims and so names the present one; failures counts those tries that ended in a
-- refusal or a broken delivery, after too many of which the mail is given up.
CREATE TABLE IF NOT EXISTS messages (
    account_id        UUID        NOT NULL,
    message_id        UUID        NOT NULL,
    kind              TEXT        NOT NULL,
    recipient         TEXT        NOT NULL,
    recipient_key     TEXT        NOT NULL,
    display_name      TEXT        NOT NULL,
    subject           TEXT        NOT NULL,
    text_body         TEXT        NOT NULL,
    mail_text         TEXT        NOT NULL,
    mail_html         TEXT        NOT NULL,
    phone_user_id     UUID        NULL,
    request_id        TEXT        NOT NULL,
    state             TEXT        NOT NULL CHECK (state IN ('QUEUED', 'SENT', 'FAILED')),
    attempts          INT8        NOT NULL CHECK (attempts >= 0),
    failures          INT8        NOT NULL CHECK (failures >= 0),
    last_error        TEXT        NOT NULL,
    next_attempt_time TIMESTAMPTZ NULL CHECK ((next_attempt_time IS NOT NULL) = (state = 'QUEUED')),
    create_time       TIMESTAMPTZ NOT NULL,
    send_time         TIMESTAMPTZ NULL CHECK ((send_time IS NOT NULL) = (state = 'SENT')),
    PRIMARY KEY (account_id, message_id)
);

-- The queue, in the order of sending.
CREATE INDEX IF NOT EXISTS messages_by_due ON messages (state, next_attempt_time, message_id);
-- Lists, newest first: all of an account, those to an address, those about a phone user.
CREATE INDEX IF NOT EXISTS messages_by_time ON messages (account_id, create_time, message_id);
CREATE INDEX IF NOT EXISTS messages_by_recipient ON messages (account_id, recipient_key, create_time, message_id);
CREATE INDEX IF NOT EXISTS messages_by_phone_user ON messages (account_id, phone_user_id, create_time, message_id);

-- One row per try at delivery, written before the try begins; finish_time stays NULL when its outcome never came. A row whose
-- attempt is larger than its message's attempts is of a claim that was given back unused: it does not count, and the next
-- claim overwrites it.
CREATE TABLE IF NOT EXISTS delivery_attempts (
    account_id  UUID        NOT NULL,
    message_id  UUID        NOT NULL,
    attempt     INT8        NOT NULL CHECK (attempt > 0),
    start_time  TIMESTAMPTZ NOT NULL,
    sender      TEXT        NOT NULL,
    finish_time TIMESTAMPTZ NULL,
    succeeded   BOOL        NOT NULL,
    smtp_code   INT8        NOT NULL,
    error       TEXT        NOT NULL,
    PRIMARY KEY (account_id, message_id, attempt)
);

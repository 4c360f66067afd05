package sqlstore_test

import (
	"os"
	"testing"

	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/notification/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// bigTables grow with the mails of an account.
var bigTables = map[string]string{
	"messages": `INSERT INTO messages (account_id, message_id, kind, recipient, recipient_key, display_name, subject, text_body, mail_text, mail_html,
			phone_user_id, request_id, state, attempts, failures, last_error, create_time, send_time)
		SELECT md5((n % $1)::TEXT)::UUID, gen_random_uuid(), 'ASSIGNED', n::TEXT || '@example.com', n::TEXT || '@example.com', 'A ' || n::TEXT, 'S', 'T', '', '',
			gen_random_uuid(), '', 'SENT', 1, 0, '', now() - n * INTERVAL '1 minute', now() FROM generate_series(1, $2) AS g (n)`,
	"delivery_attempts": `INSERT INTO delivery_attempts (account_id, message_id, attempt, start_time, sender, finish_time, succeeded, smtp_code, error)
		SELECT md5((n % $1)::TEXT)::UUID, gen_random_uuid(), 1, now(), '', now(), TRUE, 250, '' FROM generate_series(1, $2) AS g (n)`,
}

// readAll is what may look at all of an account: there may be few mails with such a state or recipient.
var readAll = []string{"notification.Count", "notification.List (state", "notification.List (recipient_key <>"}

func TestStore(t *testing.T) {
	t.Parallel()
	s := testkit.Suite{Migrations: migrations.FS, Big: bigTables, ReadAll: readAll, Run: func(t *testing.T, e testkit.Engine, record testkit.Option) {
		storetest.Run(t, func(t *testing.T) store.Store { return sqlstore.New(e.New(t, migrations.FS, record)) })
	}}
	s.Check(t)
}

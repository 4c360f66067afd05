package testkit

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// TestExplain tells plans apart that find rows from those that look through all of an account.
func TestExplain(t *testing.T) {
	t.Parallel()
	EachEngine(t, func(t *testing.T, e Engine) {
		db := e.New(t, fstest.MapFS{"00001_things.sql": &fstest.MapFile{Data: []byte(`-- +goose Up
			CREATE TABLE IF NOT EXISTS things (account_id UUID NOT NULL, id UUID NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (account_id, id));
			CREATE INDEX IF NOT EXISTS things_by_name ON things (account_id, name, id);
		`)}})
		populate(t, db, "things", `INSERT INTO things (account_id, id, name, note)
			SELECT md5((n % $1)::TEXT)::UUID, gen_random_uuid(), n::TEXT, n::TEXT FROM generate_series(1, $2) AS g (n)`, 5000, 10)
		for sql, whole := range map[string]bool{
			`SELECT note FROM things WHERE account_id = $1 AND id = $2`:                        false,
			`SELECT note FROM things WHERE account_id = $1 AND id = ANY($2::UUID[])`:           false,
			`SELECT id FROM things WHERE account_id = $1 AND name > $2 ORDER BY name LIMIT $3`: false,
			`SELECT id FROM things WHERE account_id = $1 ORDER BY name, id LIMIT $2`:           false,
			`UPDATE things SET note = $3 WHERE account_id = $1 AND id = ANY($2::UUID[])`:       false,
			`SELECT id FROM things WHERE account_id = $1 AND note = $2`:                        true,
			`SELECT count(*) FROM things WHERE account_id = $1`:                                true,
			`SELECT id FROM things WHERE account_id = $1 ORDER BY note LIMIT $2`:               true,
			`DELETE FROM things WHERE note = $1`:                                               true,
			`SELECT id FROM things`:                                                            true,
			`SELECT a.note FROM things AS a JOIN things AS b ON b.account_id = a.account_id AND b.name = a.note
				WHERE a.account_id = $1 AND a.id = $2 AND strpos(b.note, $3::TEXT) > 0`: false,
		} {
			scans, plan, err := explain(t.Context(), db, sql)
			require.NoError(t, err, sql)
			require.NotEmpty(t, scans, plan)
			found := false
			for _, s := range scans {
				require.Equal(t, "things", s.table)
				found = found || s.whole
			}
			require.Equal(t, whole, found, "%s\n%s", sql, plan)
		}
	})
}

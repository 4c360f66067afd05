package sqlgauge_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/sqlgauge"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func TestGaugeFollowsTheTable(t *testing.T) {
	t.Parallel()
	schema := fstest.MapFS{"00001_x.sql": &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE IF NOT EXISTS seats (id INT8 PRIMARY KEY, used INT8, size INT8);\n")}}
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db, reg := e.New(t, schema), prometheus.NewRegistry()
		work, err := sqlgauge.Register(db, reg, slog.New(slog.DiscardHandler), sqlgauge.Gauge{
			Name: "seats", Help: "Seats.", Label: sqlgauge.Usage, Values: sqlgauge.UsageValues(), Op: "test.Seats", Every: 5 * time.Millisecond,
			Query: "SELECT " + sqlgauge.Class("used", "size") + ", count(*) FROM seats GROUP BY 1",
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- work(ctx) }()
		expect := func(below, above80, above95, full string) {
			testkit.Eventually(t, 20*time.Second, func() error {
				return testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP seats Seats.
# TYPE seats gauge
seats{usage="above_80"} `+above80+`
seats{usage="above_95"} `+above95+`
seats{usage="below_80"} `+below+`
seats{usage="full"} `+full+`
`))
			})
		}
		expect("0", "0", "0", "0")
		_, err = db.Pool().Exec(t.Context(), "INSERT INTO seats VALUES (1, 79, 100), (2, 80, 100), (3, 94, 100), (4, 95, 100), (5, 99, 100), (6, 100, 100), (7, 1, 1)")
		require.NoError(t, err)
		expect("1", "2", "2", "2")
		_, err = db.Pool().Exec(t.Context(), "DELETE FROM seats WHERE id > 5")
		require.NoError(t, err)
		expect("1", "2", "2", "0")
		cancel()
		require.NoError(t, <-done)
	})
}

package importing

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestZZ(t *testing.T) {
	rows, _ := strconv.Atoi(os.Getenv("ROWS"))
	for _, e := range testkit.Engines(t) {
		if os.Getenv("ENGINE") != "" && os.Getenv("ENGINE") != string(e.Kind()) {
			continue
		}
		reg := prometheus.NewRegistry()
		w := newWorld(t, e, 0, rows, func(w *world, engine *provisioning.Config, cfg *Config) {
			benchConfig(w, engine, cfg)
			if p, err := strconv.Atoi(os.Getenv("PAR")); err == nil {
				cfg.Parallel = p
			}
			url := e.NewURL(t, migrations.FS)
			w.store = sqlstore.New(e.Open(t, url, func(_ *crdb.Config, o *crdb.Options) { o.Registerer = reg }))
			w.reader = sqlstore.New(e.Open(t, url))
		})
		w.roomy()
		lines := []string{header}
		for i := range rows {
			lines = append(lines, lineOf(i))
		}
		m := w.submit(t, Request{ValidateOnly: os.Getenv("VALIDATE") != ""}, lines...)
		start := time.Now()
		_, err := w.importer.Step(t.Context())
		require.NoError(t, err)
		m, _ = w.reader.GetImport(t.Context(), m.ID)
		took := time.Since(start)
		require.Equal(t, rows, m.Counts.Succeeded)
		fmt.Println(e.Kind(), "rows/s", float64(rows)/took.Seconds(), "took", took)
		fams, _ := reg.Gather()
		for _, f := range fams {
			for _, mm := range f.GetMetric() {
				if h := mm.GetHistogram(); h != nil {
					fmt.Printf("  %-45s %v n=%d total=%.2fs avg=%.1fms\n", f.GetName(), mm.GetLabel()[0].GetValue()+" "+mm.GetLabel()[len(mm.GetLabel())-1].GetValue(), h.GetSampleCount(), h.GetSampleSum(), 1000*h.GetSampleSum()/float64(h.GetSampleCount()))
				} else if c := mm.GetCounter(); c != nil && c.GetValue() > 0 {
					fmt.Printf("  %-45s %v %v\n", f.GetName(), mm.GetLabel(), c.GetValue())
				}
			}
		}
	}
}

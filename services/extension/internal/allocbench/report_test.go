package allocbench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// testCase is one line of the report.
type testCase struct {
	Engine string `json:"engine"`
	Name   string `json:"name"`
	shape
	load
	// EtcdOps are the requests to etcd per 1,000 numbers, keep-alives not counted.
	EtcdOps float64 `json:"etcdOpsPer1000,omitempty"`
	// Assigned is how many numbers of the account had been given out before.
	Assigned int `json:"assigned,omitempty"`
}

// report is all that was measured.
type report struct {
	CPUs  int        `json:"cpus"`
	Go    string     `json:"go"`
	Time  time.Time  `json:"time"`
	Cases []testCase `json:"cases"`
}

func newReport() *report {
	return &report{CPUs: runtime.NumCPU(), Go: runtime.Version(), Time: time.Now().UTC()}
}

func (r *report) add(c testCase) {
	r.Cases = append(r.Cases, c)
	fmt.Fprintf(os.Stderr, "%-12s %-16s %-30s %9.0f/s  p50 %8.3f ms  p99 %8.3f ms  cpu %5.0f + %5.0f us\n",
		c.Engine, c.Name, c.shape, c.PerSecond, c.P50, c.P99, c.CPU, c.DatabaseCPU)
}

func (r *report) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "engine\tcase\tclients\tbatch\tassigned\tnumbers/s\tp50 ms\tp99 ms\tfailed\tetcd/1000\tCPU µs\tdatabase CPU µs\t")
	for _, c := range r.Cases {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%.0f\t%.2f\t%.2f\t%d\t%.2f\t%.0f\t%.0f\t\n",
			c.Engine, c.Name, c.Clients, c.Batch, c.Assigned, c.PerSecond, c.P50, c.P99, c.Failed, c.EtcdOps, c.CPU, c.DatabaseCPU)
	}
	_ = t.Flush()
}

func (r *report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}

// etcdOps reads how many requests the service has made to etcd.
func (t *target) etcdOps(tb testing.TB) float64 {
	tb.Helper()
	if t == nil {
		return 0
	}
	families, err := t.registry.Gather()
	require.NoError(tb, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() == "switchboard_extension_etcd_ops_total" {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

package allocbench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// testCase is one line of the report.
type testCase struct {
	Engine string `json:"engine"`
	Name   string `json:"name"`
	shape
	load
	// EtcdOps are the requests to etcd per 1,000 numbers, keep-alives not counted.
	EtcdOps float64 `json:"etcdOpsPer1000,omitempty"`
	// Searched is the share of the numbers, in percent, that no leased block had ready, so that the database was searched for them.
	Searched float64 `json:"searchedPercent,omitempty"`
	// Assigned is how many numbers of the account had been given out before.
	Assigned int `json:"assigned,omitempty"`
}

// report is all that was measured.
type report struct {
	CPUs  int        `json:"cpus"`
	Go    string     `json:"go"`
	Time  time.Time  `json:"time"`
	Cases []testCase `json:"cases"`
	// Ratios compare numbers per second.
	Ratios []ratio `json:"ratios"`
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
	_, _ = fmt.Fprintln(t, "engine\tcase\tclients\tbatch\tassigned\tnumbers/s\tp50 ms\tp99 ms\tfirst ms\tfailed\tsearched %\tetcd/1000\tCPU µs\tdatabase CPU µs\t")
	for _, c := range r.Cases {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%.0f\t%.2f\t%.2f\t%.0f\t%d\t%.1f\t%.2f\t%.0f\t%.0f\t\n",
			c.Engine, c.Name, c.Clients, c.Batch, c.Assigned, c.PerSecond, c.P50, c.P99, c.First, c.Failed, c.Searched, c.EtcdOps, c.CPU, c.DatabaseCPU)
	}
	_ = t.Flush()
	_, _ = fmt.Fprintln(w)
	for _, x := range r.Ratios {
		_, _ = fmt.Fprintf(w, "%s, %s: %s is %.2f of %s\n", x.Engine, x.Shape, x.Case, x.Ratio, x.Of)
	}
}

// ratio is what a case is of another.
type ratio struct {
	Engine string  `json:"engine"`
	Shape  string  `json:"shape"`
	Case   string  `json:"case"`
	Of     string  `json:"of"`
	Ratio  float64 `json:"ratio"`
}

// compare adds, for one engine, what the product gets done with the most clients, as a multiple of what the others do and of the floors.
func (r *report) compare(e crdb.Engine) {
	best := func(name string, fits func(shape) bool) float64 {
		most := 0.0
		for _, c := range r.Cases {
			if c.Engine == string(e) && c.Name == name && c.Assigned == 0 && fits(c.shape) {
				most = max(most, c.PerSecond)
			}
		}
		return most
	}
	for _, s := range []shape{shapes[2], shapes[5]} {
		same := func(of shape) bool { return of == s }
		product := best("product", same)
		for _, name := range []string{"bare gRPC call", "bare insert", "interceptors", "database", "etcd key", "counter row", "lowest gap"} {
			fits := same
			if name == "bare insert" && s.Batch == 1 {
				fits = func(of shape) bool { return slices.Contains(groups, of) }
			}
			if of := best(name, fits); of > 0 && product > 0 {
				r.Ratios = append(r.Ratios, ratio{Engine: string(e), Shape: s.String(), Case: "product", Of: name, Ratio: product / of})
			}
		}
	}
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

// counted adds up a counter, over those of its series whose labels match (name, value, …).
func counted(families []*dto.MetricFamily, name string, labels ...string) float64 {
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if matches(m, labels) {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func matches(m *dto.Metric, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == labels[i] && l.GetValue() == labels[i+1] }) {
			return false
		}
	}
	return true
}

// tally is what a service has counted so far.
type tally struct{ etcdOps, numbers, searched float64 }

// tally asks the service; where there is none it is zero.
func (t *target) tally(tb testing.TB) tally {
	tb.Helper()
	if t == nil || t.registry == nil {
		return tally{}
	}
	families, err := t.registry.Gather()
	require.NoError(tb, err)
	const allocations = "switchboard_extension_allocations_total"
	return tally{
		etcdOps: counted(families, "switchboard_extension_etcd_ops_total"),
		numbers: counted(families, allocations), searched: counted(families, allocations, "path", "database"),
	}
}

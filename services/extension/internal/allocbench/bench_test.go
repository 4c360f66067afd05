// Package allocbench measures the allocation of extension numbers over gRPC, beside other strategies behind the very same RPC and
// the same durable row, and beside the floors: what the database does when nobody has to choose a number, and what gRPC does
// when nothing is behind the call. All of it in one run, since machines differ.
//
//	make bench-extension
//	go test -run '^$' -bench Extension -benchtime 1x -timeout 30m ./extension/internal/allocbench -args -json bench.json
package allocbench

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/extension/internal/api"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/platform/config"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

var (
	quick  = flag.Bool("quick", false, "measure each case for a second only")
	only   = flag.String("only", "", "measure only the cases of this name (floors, interceptors, product, database, etcd key, counter row, lowest gap, fill)")
	just   = flag.String("shape", "", "measure only this shape, clients x batch, for example 256x1")
	output = flag.String("json", "", "write the report to this file")
)

func TestMain(m *testing.M) {
	config.TuneGC() // everything measured shares the process, the floors, too
	os.Exit(testkit.Main(m))
}

// Every account has this range: more than any case uses up.
const (
	firstNumber = "1000000"
	lastNumber  = "9999999"
)

var shapes = []shape{{1, 1}, {32, 1}, {256, 1}, {1, 100}, {32, 100}, {256, 100}}

// groups are the ways in which the floor of the database is measured for single requests; the best counts. Its clients need no
// answer before the next group, so that few of them suffice.
var groups = []shape{{1, 128}, {2, 128}, {4, 128}, {1, 1000}, {2, 1000}, {4, 1000}}

// BenchmarkExtension measures everything and prints the report. It is one benchmark with a report of its own, since the cases are
// compared with each other.
func BenchmarkExtension(b *testing.B) {
	if b.N > 1 {
		b.Skip("run with -benchtime 1x: the cases have a length of their own")
	}
	warm, d := 500*time.Millisecond, 2500*time.Millisecond
	if *quick {
		warm, d = 300*time.Millisecond, time.Second
	}
	rep := newReport()
	for _, e := range testkit.Engines(b) {
		b.Run(string(e.Kind()), func(b *testing.B) {
			m := &measurement{world: newWorld(b, e), report: rep, warm: warm, d: d}
			m.db = e.Open(b, m.url, func(c *crdb.Config, _ *crdb.Options) { c.MaxConns = 16 })
			m.all()
		})
	}
	rep.print(os.Stdout)
	if *output != "" {
		require.NoError(b, rep.write(*output))
	}
}

// simple are the strategies whose calls may fail without ending the run.
var simple = map[string]bool{"etcd key": true, "counter row": true, "lowest gap": true}

// measurement is what is measured on one engine.
type measurement struct {
	*world
	report  *report
	db      *crdb.DB
	warm, d time.Duration
}

func (m *measurement) all() {
	first := number.MustParse(firstNumber)
	if m.wanted("floors") {
		m.floors()
	}
	if m.wanted("interceptors") {
		m.service("interceptors", m.alternative(func(*crdb.DB) api.Allocator { return nothing(first) }))
	}
	if m.wanted("product") {
		m.service("product", m.product())
	}
	if m.wanted("database") {
		m.service("database", m.product(func(c *extension.Config) { c.Leasing.Enabled = false }))
	}
	if m.wanted("etcd key") {
		s := perKey(m.TB, m.etcd, first)
		m.service("etcd key", m.alternative(func(db *crdb.DB) api.Allocator { return s(db) }))
	}
	if m.wanted("counter row") {
		s := counter(m.TB, first)
		m.service("counter row", m.alternative(func(db *crdb.DB) api.Allocator { return s(db) }))
	}
	if m.wanted("lowest gap") {
		s := gap(first)
		m.service("lowest gap", m.alternative(func(db *crdb.DB) api.Allocator { return s(db) }))
	}
	if m.wanted("fill") {
		m.fill()
	}
}

func (m *measurement) wanted(name string) bool { return *only == "" || *only == name }

// floors measures what there is to reach.
func (m *measurement) floors() {
	bare := m.bareCall()
	for _, s := range shapes {
		m.measure("bare gRPC call", s, nil, ask(bare, tenant{}, s.Batch))
	}
	bare.stop()
	for _, s := range append(shapes[3:], groups...) {
		m.measure("bare insert", s, nil, bareInsert(m.db, m.tenant(m.db, firstNumber, lastNumber), s.Batch))
	}
}

// service measures all shapes of one strategy, and ends it.
func (m *measurement) service(name string, t *target) {
	defer t.stop()
	for _, s := range shapes {
		m.measure(name, s, t, ask(t, m.tenant(m.db, firstNumber, lastNumber), s.Batch))
	}
}

// measure adds one case to the report.
func (m *measurement) measure(name string, s shape, t *target, one call) {
	m.Helper()
	m.measureAt(0, name, s, t, one)
}

// measureAt is measure for an account of which so many numbers are assigned.
func (m *measurement) measureAt(assigned int, name string, s shape, t *target, one call) {
	m.Helper()
	if *just != "" && *just != fmt.Sprintf("%dx%d", s.Clients, s.Batch) {
		return
	}
	m.rest()
	before := t.tally(m.TB)
	got, err := drive(m.Context(), s, m.warm, m.d, one)
	if err != nil && !simple[name] {
		require.NoError(m, err, name)
	}
	c := testCase{Engine: string(m.engine.Kind()), Name: name, shape: s, load: got, Assigned: assigned}
	if after := t.tally(m.TB); after.numbers > before.numbers {
		c.EtcdOps = (after.etcdOps - before.etcdOps) / (after.numbers - before.numbers) * 1000
		c.Searched = (after.searched - before.searched) / (after.numbers - before.numbers) * 100
	} else if ops := after.etcdOps - before.etcdOps; ops > 0 && got.Numbers > 0 {
		// A simple strategy does not count numbers. What the warm-up asked for is in, its numbers are not: the truth is a little lower.
		c.EtcdOps = ops / float64(got.Numbers) * 1000
	}
	m.report.add(c)
}

// rest waits until the database has done with what the cases before left it to do: statistics, vacuum, compaction.
func (m *measurement) rest() {
	m.Helper()
	const look, atMost, idle = 500 * time.Millisecond, 2 * time.Minute, 60 * time.Millisecond
	for end := time.Now().Add(atMost); time.Now().Before(end); {
		before := cpuTime()
		select {
		case <-m.Context().Done():
			return
		case <-time.After(look):
		}
		if cpuTime().since(before).children <= idle {
			return
		}
	}
	m.Logf("the database is still busy after %v", atMost)
}

// Package allocbench measures the allocation of extension numbers over gRPC, beside other strategies behind the very same RPC and
// the same durable row, and beside the floors: what the database does when nobody has to choose a number, and what gRPC does
// when nothing is behind the call. All of it in one run, since machines differ.
//
//	make bench-extension
//	go test -run '^$' -bench Extension -benchtime 1x -timeout 30m ./extension/internal/allocbench -args -json bench.json
package allocbench

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
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
	quick  = flag.Bool("quick", false, "measure each case once, for a second only")
	only   = flag.String("only", "", "measure only the cases of this name (bare gRPC call, bare insert, interceptors, product, database, etcd key, counter row, lowest gap, fill)")
	just   = flag.String("shape", "", "measure only these shapes, clients x batch, for example 256x1,4x128")
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
	warm, d, rounds := 500*time.Millisecond, 2*time.Second, 3
	if *quick {
		warm, d, rounds = 300*time.Millisecond, time.Second, 1
	}
	rep := newReport()
	for _, e := range testkit.Engines(b) {
		b.Run(string(e.Kind()), func(b *testing.B) {
			m := &measurement{world: newWorld(b, e), report: rep, warm: warm, d: d, rounds: rounds}
			m.db = e.Open(b, m.url, func(c *crdb.Config, _ *crdb.Options) { c.MaxConns = 16 })
			m.all()
		})
	}
	rep.print(os.Stdout)
	if *output != "" {
		require.NoError(b, rep.write(*output))
	}
}

// simple are the strategies whose calls may fail under contention without ending the run: how many did is reported.
var simple = map[string]bool{"database": true, "etcd key": true, "counter row": true, "lowest gap": true}

// measurement is what is measured on one engine.
type measurement struct {
	*world
	report  *report
	db      *crdb.DB
	warm, d time.Duration
	rounds  int
}

// contender is something to measure, in shapes.
type contender struct {
	name   string
	shapes []shape
	// start makes what is called, for the length of a round; nil where the call needs none.
	start func() *target
	// call is one call of a shape.
	call func(t *target, s shape) call
}

// contenders are all that are compared. What there is to reach comes first.
func (m *measurement) contenders() []contender {
	first := number.MustParse(firstNumber)
	ours := func(t *target, s shape) call { return ask(t, m.tenant(m.db, firstNumber, lastNumber), s.Batch) }
	other := func(s func(db *crdb.DB) strategy) func() *target {
		return func() *target { return m.alternative(func(db *crdb.DB) api.Allocator { return s(db) }) }
	}
	return []contender{
		{"bare gRPC call", shapes, m.bareCall, func(t *target, s shape) call { return ask(t, tenant{}, s.Batch) }},
		{"bare insert", append(slices.Clone(shapes[3:]), groups...), nil, func(_ *target, s shape) call {
			return bareInsert(m.db, m.tenant(m.db, firstNumber, lastNumber), s.Batch)
		}},
		{"interceptors", shapes, other(func(*crdb.DB) strategy { return nothing(first) }), ours},
		{"product", shapes, func() *target { return m.product() }, ours},
		{"database", shapes, func() *target { return m.product(func(c *extension.Config) { c.Leasing.Enabled = false }) }, ours},
		{"etcd key", shapes, other(perKey(m.TB, m.etcd, first)), ours},
		{"counter row", shapes, other(counter(m.TB, first)), ours},
		{"lowest gap", shapes, other(gap(first)), ours},
	}
}

// all measures every contender in one shape after the other, in rounds, and reports of each case the round with the middle throughput.
// What is compared is so measured within seconds: the machine and the database, which grows, are the same for all.
func (m *measurement) all() {
	contenders := m.contenders()
	for _, s := range slices.Concat(shapes[:3], groups, shapes[3:]) {
		rounds := map[string][]testCase{}
		for range m.rounds {
			for _, c := range contenders {
				if got, ok := m.once(c, s); ok {
					rounds[c.name] = append(rounds[c.name], got)
				}
			}
		}
		for _, c := range contenders {
			if got := rounds[c.name]; len(got) > 0 {
				m.report.add(middle(got, func(c testCase) float64 { return c.PerSecond }))
			}
		}
	}
	m.report.compare(m.engine.Kind())
	if m.wanted("fill") && *just == "" {
		m.fill()
	}
}

// once measures a contender in one shape; false when it is not wanted.
func (m *measurement) once(c contender, s shape) (testCase, bool) {
	named := fmt.Sprintf("%dx%d", s.Clients, s.Batch)
	if !m.wanted(c.name) || !slices.Contains(c.shapes, s) || *just != "" && !slices.Contains(strings.Split(*just, ","), named) {
		return testCase{}, false
	}
	var t *target
	if c.start != nil {
		t = c.start()
		defer t.stop()
	}
	return m.take(0, c.name, s, t, c.call(t, s)), true
}

// middle returns the case with the middle value; First is that of the first round, which alone finds out about the account.
func middle(of []testCase, by func(testCase) float64) testCase {
	first := of[0].First
	sorted := slices.SortedFunc(slices.Values(of), func(a, b testCase) int { return cmp.Compare(by(a), by(b)) })
	out := sorted[len(sorted)/2]
	out.First = first
	return out
}

func (m *measurement) wanted(name string) bool { return *only == "" || *only == name }

// take measures one case, of an account of which so many numbers are assigned.
func (m *measurement) take(assigned int, name string, s shape, t *target, one call) testCase {
	m.Helper()
	m.rest()
	before := t.tally(m.TB)
	got, err := drive(m.Context(), s, m.warm, m.d, one)
	if !simple[name] {
		require.NoError(m, err, name)
	} else if err != nil {
		m.Logf("%s, %d calls failed, the first one so: %v", name, got.Failed, err)
	}
	c := testCase{Engine: string(m.engine.Kind()), Name: name, shape: s, load: got, Assigned: assigned}
	if after := t.tally(m.TB); after.numbers > before.numbers {
		c.EtcdOps = (after.etcdOps - before.etcdOps) / (after.numbers - before.numbers) * 1000
		c.Searched = (after.searched - before.searched) / (after.numbers - before.numbers) * 100
	} else if ops := after.etcdOps - before.etcdOps; ops > 0 && got.Numbers > 0 {
		// A simple strategy does not count numbers. What the warm-up asked for is in, its numbers are not: the truth is a little lower.
		c.EtcdOps = ops / float64(got.Numbers) * 1000
	}
	return c
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

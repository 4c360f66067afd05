// Package testkit gives tests real databases and the small things that every test package needs.
//
// A test runs on every engine of this machine:
//
//	func TestStore(t *testing.T) {
//		t.Parallel()
//		testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
//			db := e.New(t, migrations.FS)
//			…
//		})
//	}
//
//	func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }
//
// An engine is started when the first test asks for it, once per test process, and ends with the process, however that ends.
// Environment:
//
//	SWITCHBOARD_TEST_ENGINES  cockroachdb, postgresql or both: run on these, and fail where one is missing. Default: those found.
//	REQUIRE_COCKROACH=1       a missing CockroachDB fails.
//	COCKROACH_BINARY          see platform/localdb; nothing is ever downloaded by tests.
package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
)

const startTimeout = 2 * time.Minute

// server is one engine of this process, started on first use.
type server struct {
	kind  crdb.Engine
	once  sync.Once
	inst  *localdb.Instance
	err   error
	tmpls templates
}

var servers = []*server{{kind: crdb.CockroachDB}, {kind: crdb.PostgreSQL}}

func (s *server) start() (*localdb.Instance, error) {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		s.inst, s.err = localdb.Start(ctx, localdb.Options{Engine: s.kind, SkipDownload: true})
	})
	return s.inst, s.err
}

// required says whether a missing engine fails the tests.
func (s *server) required() bool {
	return selection() != "" || s.kind == crdb.CockroachDB && os.Getenv("REQUIRE_COCKROACH") == "1"
}

func selection() string { return strings.ToLower(os.Getenv("SWITCHBOARD_TEST_ENGINES")) }

// selected returns the servers that the environment allows.
func selected() ([]*server, error) {
	switch selection() {
	case "", "both":
		return servers, nil
	case string(crdb.CockroachDB):
		return servers[:1], nil
	case string(crdb.PostgreSQL):
		return servers[1:], nil
	}
	return nil, fmt.Errorf("SWITCHBOARD_TEST_ENGINES is %q, which is none of cockroachdb, postgresql, both", selection())
}

// Engines returns the engines to test on, started. It fails the test when there is none, or when one that is required is
// missing; it never skips.
func Engines(tb testing.TB) []Engine {
	tb.Helper()
	chosen, err := selected()
	if err != nil {
		tb.Fatal(err)
	}
	var out []Engine
	var missing []error
	for _, s := range chosen {
		inst, err := s.start()
		switch {
		case err == nil:
			out = append(out, Engine{server: s, inst: inst})
		case s.required() || !errors.Is(err, localdb.ErrNoEngine):
			tb.Fatalf("%s is required for this test: %v", s.kind, err)
		default:
			missing = append(missing, err)
		}
	}
	if len(out) == 0 {
		tb.Fatalf("these tests need a real database: %v", errors.Join(missing...))
	}
	return out
}

// EachEngine runs fn as a parallel sub-test, named after the engine, on every engine of this machine (see Engines).
func EachEngine(t *testing.T, fn func(t *testing.T, e Engine)) {
	t.Helper()
	for _, e := range Engines(t) {
		t.Run(string(e.Kind()), func(t *testing.T) {
			t.Parallel()
			fn(t, e)
		})
	}
}

// ends are what AtEnd was told of.
var ends []func() error

// AtEnd makes Main call end after the tests and before the engines stop, for what tests of a package share. An error fails the
// run. It is called before Main.
func AtEnd(end func() error) { ends = append(ends, end) }

// Main runs the tests of a package, ends what this package started, and returns the exit code for TestMain. Goroutines that
// the tests left running turn success into failure; ignore lists those that are to be expected.
func Main(m *testing.M, ignore ...goleak.Option) int {
	code := m.Run()
	for _, end := range ends {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, "testkit:", err)
			code = max(code, 1)
		}
	}
	for _, s := range servers {
		if s.inst == nil {
			continue
		}
		if err := s.inst.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "testkit:", err)
		}
	}
	if code != 0 {
		return code
	}
	if err := goleak.Find(ignore...); err != nil {
		fmt.Fprintln(os.Stderr, "testkit: the tests left goroutines running:", err)
		return 1
	}
	return 0
}

// Eventually asks check again and again until it returns nil, and fails the test with its last error after d.
func Eventually(tb testing.TB, d time.Duration, check func() error) {
	tb.Helper()
	deadline := time.Now().Add(d)
	pause := time.Millisecond
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("not so within %v: %v", d, err)
		}
		<-time.After(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
}

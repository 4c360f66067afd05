// Package e2e tests the suite from outside: as callers do, with JSON over HTTP through the gateway, against all four services on
// every database engine that is there. Tests named TestSeed12_… show the behaviour of that number in the contract.
package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) {
	// The services of the crash tests are further runs of this executable.
	if code, mine := serviceproc.Main(); mine {
		os.Exit(code)
	}
	if code, mine := crowdMain(); mine {
		os.Exit(code)
	}
	testkit.AtEnd(stopStacks)
	os.Exit(testkit.Main(m))
}

// stacks are those that tests share, by engine and name. Each starts when the first test asks for it.
var stacks = struct {
	sync.Mutex
	started map[string]*shared
}{started: map[string]*shared{}}

// shared is a stack that tests share.
type shared struct {
	once  sync.Once
	stack *stack.Stack
	err   error
}

// startTimeout and stopTimeout bound the life of a stack at its ends.
const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 30 * time.Second
)

// get starts the stack of that name on that engine, or answers the one that runs.
func get(t *testing.T, e testkit.Engine, name string, opts stack.Options) *stack.Stack {
	t.Helper()
	stacks.Lock()
	key := string(e.Kind()) + "_" + name
	s := stacks.started[key]
	if s == nil {
		s = &shared{}
		stacks.started[key] = s
	}
	stacks.Unlock()
	s.once.Do(func() { s.stack, s.err = start(context.Background(), e, name, opts) })
	require.NoError(t, s.err)
	return s.stack
}

func start(ctx context.Context, e testkit.Engine, name string, opts stack.Options) (*stack.Stack, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	opts.Database, opts.DatabasePrefix = e.Instance(), name+"_"
	opts.PortalDir = "testdata/portal" // stands for the built portal, which takes Node
	if opts.Log == nil {
		opts.Log = logger()
	}
	return stack.Start(ctx, opts)
}

// logger shows what goes wrong inside when a test is run with SWITCHBOARD_TEST_LOG=debug, info or warn.
func logger() *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(os.Getenv("SWITCHBOARD_TEST_LOG"))); err != nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// stopStacks ends all shared stacks in good order, and tells when one did not end or had lost a part before.
func stopStacks() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	stacks.Lock()
	defer stacks.Unlock()
	for name, s := range maps.All(stacks.started) {
		if s.stack == nil {
			continue
		}
		select {
		case err := <-s.stack.Failed():
			return fmt.Errorf("%s: a part ended during the tests: %w", name, err)
		default:
		}
		if err := s.stack.Stop(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// eachEngine runs fn on each engine against the stack that most tests share: one replica of each service.
func eachEngine(t *testing.T, fn func(t *testing.T, s *stack.Stack)) {
	t.Helper()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) { fn(t, get(t, e, "one", stack.Options{})) })
}

// eachPair runs fn on each engine against a stack with two replicas of the allocator and of the orchestrator.
func eachPair(t *testing.T, fn func(t *testing.T, s *stack.Stack)) {
	t.Helper()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		fn(t, get(t, e, "pair", stack.Options{Replicas: map[string]int{stack.Extension: 2, stack.License: 2}}))
	})
}

// plain are the options of a stack as it is.
func plain(*testing.T) stack.Options { return stack.Options{} }

// configured are the options of a stack in which the settings of one kind are changed.
func configured[C any](change func(*C)) stack.Options {
	return stack.Options{Configure: func(_ string, config any) {
		if c, ok := config.(*C); ok {
			change(c)
		}
	}}
}

// eachOwn runs fn on each engine against a stack of the test's own, which ends with it.
func eachOwn(t *testing.T, opts func(t *testing.T) stack.Options, fn func(t *testing.T, s *stack.Stack)) {
	t.Helper()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		name := strings.ToLower(strings.NewReplacer("/", "_", "#", "_").Replace(t.Name()))
		s, err := start(t.Context(), e, name[:min(len(name), 40)], opts(t))
		require.NoError(t, err)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
			defer cancel()
			require.NoError(t, s.Stop(ctx))
		})
		fn(t, s)
	})
}

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/cluster"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// chaosDuration makes TestClusterUnderFaults go through its faults again and again; see `make chaos`.
var chaosDuration = flag.Duration("chaos.duration", 0, "how long the cluster test goes on; 0 for one round of short faults")

// chaosFault narrows it down to one fault.
var chaosFault = flag.String("chaos.fault", "", "part of the name of the faults to go through; empty for all")

// fault is something that happens to a cluster while callers go on.
type fault struct {
	name string
	// strike lets it happen and undoes it.
	strike func(ctx context.Context, c *cluster.Cluster, hold time.Duration) error
}

// faults are what the cluster has to bear without a caller noticing more than a pause.
var clusterFaults = []fault{
	{"nothing happens", pass},
	{"every process restarted, one by one", func(ctx context.Context, c *cluster.Cluster, _ time.Duration) error {
		return operator(c).Roll(ctx, func(cluster.Progress) {})
	}},
	{"an etcd member killed", func(ctx context.Context, c *cluster.Cluster, hold time.Duration) error {
		return away(ctx, c, hold, cluster.Etcd+"-0", cluster.Kill, cluster.Start)
	}},
	{"the etcd leader paused", func(ctx context.Context, c *cluster.Cluster, hold time.Duration) error {
		leader, err := c.EtcdLeader(ctx)
		if err != nil {
			return err
		}
		return away(ctx, c, hold, leader, cluster.Pause, cluster.Resume)
	}},
	{"a database node killed", func(ctx context.Context, c *cluster.Cluster, hold time.Duration) error {
		nodes := c.Names(cluster.Database)
		if len(nodes) == 1 {
			hold = 0 // there is no other
		}
		return away(ctx, c, hold, nodes[len(nodes)-1], cluster.Kill, cluster.Start)
	}},
	{"a service of each kind killed", func(ctx context.Context, c *cluster.Cluster, hold time.Duration) error {
		for _, name := range []string{"extension-0", "numbering-0", "notification-0", "license-0", "gateway-0"} {
			if err := away(ctx, c, hold/5, name, cluster.Kill, cluster.Start); err != nil {
				return err
			}
		}
		return nil
	}},
	{"the mail server refuses", func(ctx context.Context, c *cluster.Cluster, hold time.Duration) error {
		return away(ctx, c, hold, cluster.Mail, cluster.Pause, cluster.Resume)
	}},
}

func pass(ctx context.Context, _ *cluster.Cluster, hold time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(hold):
		return nil
	}
}

// operator commands a cluster as the command line does.
func operator(c *cluster.Cluster) *cluster.Remote { return cluster.Connect(c.Info().Control) }

// away takes a process away for a while.
func away(ctx context.Context, c *cluster.Cluster, hold time.Duration, name string, take, give cluster.Action) error {
	state := map[cluster.Action]string{cluster.Kill: "stopped", cluster.Pause: "paused", cluster.Start: "running", cluster.Resume: "running"}
	command := func(action cluster.Action) error {
		all, err := operator(c).Do(ctx, action, name)
		i := slices.IndexFunc(all, func(s cluster.Status) bool { return s.Name == name })
		if err == nil && (i < 0 || all[i].State != state[action]) {
			err = fmt.Errorf("after %s of %s: %v", action, name, all)
		}
		return err
	}
	if err := command(take); err != nil {
		return err
	}
	return errors.Join(pass(ctx, c, hold), command(give))
}

// shortHold and longHold are how long something stays away, in one round and in the long test.
const (
	shortHold = 2 * time.Second
	longHold  = time.Minute
)

// TestClusterUnderFaults runs the suite as a cluster of processes and lets happen to it what happens in production, under a mixed load.
// No call fails for a caller that repeats what is UNAVAILABLE, and afterwards the books of all services agree. It says what the callers
// saw. It has the machine to itself: it does not run beside other tests.
func TestClusterUnderFaults(t *testing.T) { //nolint:paralleltest // see above
	for _, engine := range clusterEngines(t) {
		t.Run(string(engine), func(t *testing.T) { underFaults(t, engine) })
	}
}

// clusterEngines are the databases that a cluster is tried on: all in the long test, and one in the short, the product's own where it
// is there.
func clusterEngines(t *testing.T) []crdb.Engine {
	t.Helper()
	var engines []crdb.Engine
	for _, e := range testkit.Engines(t) {
		engines = append(engines, e.Kind())
	}
	if *chaosDuration == 0 {
		return engines[:1]
	}
	return engines
}

func underFaults(t *testing.T, engine crdb.Engine) {
	faults := slices.DeleteFunc(slices.Clone(clusterFaults), func(f fault) bool { return !strings.Contains(f.name, *chaosFault) })
	require.NotEmpty(t, faults, "no fault has %q in its name", *chaosFault)
	c := startCluster(t, engine)
	hold := shortHold
	if *chaosDuration > 0 {
		hold = min(longHold, *chaosDuration/time.Duration(len(faults)))
	}
	t.Logf("%s; each fault lasts %s", c.Info().Database, hold)
	l := startLoad(t, newWideTenant(t, c), c.Info().Gateways)
	saw := make([]sight, len(faults))
	var failed []error
	until := time.Now().Add(*chaosDuration)
	for round := 1; ; round++ {
		t.Log(sightHead) // told as it happens: a long test may be broken off
		for i, f := range faults {
			l.seen.report()
			require.NoError(t, f.strike(t.Context(), c, hold), f.name)
			l.eventually(func() error { // none is passed by callers that stand still
				if n := l.seen.answered(); n < 2*loadWorkers {
					return fmt.Errorf("only %d calls were answered", n)
				}
				return nil
			})
			now := l.seen.report()
			t.Log(now.row(f.name))
			saw[i].add(now)
			failed = append(failed, now.failed...)
		}
		if len(failed) > tooManyFailed || !time.Now().Before(until) {
			t.Logf("what callers saw on %s, in %d rounds:\n%s", c.Info().Database, round, summary(faults, saw))
			break
		}
	}
	l.end()
	failed = append(failed, l.seen.report().failed...)
	require.NoError(t, errors.Join(failed[:min(len(failed), tooManyFailed)]...), "%d calls failed", len(failed))
	l.resting()
	books := l.addUp()
	t.Logf("%d licences are left, and the books agree", len(books.PhoneUsers))
	require.NotEmpty(t, books.PhoneUsers)
}

// tooManyFailed calls end the test early. A few do not: what happens to callers later is of interest, too.
const tooManyFailed = 20

// summary is a table of all rounds, and why calls were repeated.
func summary(faults []fault, saw []sight) string {
	var out strings.Builder
	var all sight
	_, _ = fmt.Fprintln(&out, sightHead)
	for i, f := range faults {
		all.add(saw[i])
		_, _ = fmt.Fprintln(&out, saw[i].row(f.name))
	}
	_, _ = fmt.Fprintf(&out, "%s\nrepeated after: %v\n", all.row("all together"), all.repeated)
	return out.String()
}

// newWideTenant is an account with extensions for many people.
func newWideTenant(t *testing.T, c *cluster.Cluster) *tenant {
	t.Helper()
	tn := newBareTenant(t, c.Stack(), loadSeats)
	tn.ranges(tn.main, "100000", "999999")
	return tn
}

// resting waits until nothing is under way and every mail is sent. Mails that were refused for a minute are tried again up to two and a
// quarter minutes later, and a long test may leave many.
func (l *load) resting() {
	l.Helper()
	testkit.Eventually(l, 10*time.Minute, func() error {
		for _, u := range l.phoneUsers() {
			if u.State != "ACTIVE" {
				return fmt.Errorf("%s is %s", u.Name, u.State)
			}
		}
		if queued := l.notifications("state = QUEUED"); len(queued) > 0 {
			return fmt.Errorf("%d mails are queued, the first after %d attempts: %s", len(queued), queued[0].Attempts, queued[0].LastError)
		}
		return nil
	})
}

// startCluster starts a cluster that ends with the test.
func startCluster(t *testing.T, engine crdb.Engine) *cluster.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // three nodes of CockroachDB migrate slowly on a busy machine
	defer cancel()
	c, err := cluster.Up(ctx, cluster.Options{Engine: engine, Log: logger(), Verbose: os.Getenv("SWITCHBOARD_TEST_LOG") != ""})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, c.Stop(ctx))
	})
	return c
}

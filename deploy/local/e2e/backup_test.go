package e2e

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// TestEverythingIsLostAndRestored dumps the four databases one after the other while callers go on, so that no two of the dumps are of
// the same moment, loses everything, etcd included, and restores the dumps. The reconcilers and the doctor bring them to agreement.
func TestEverythingIsLostAndRestored(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		if strings.HasPrefix(t.Name(), "TestEverythingIsLostAndRestored/cockroachdb") {
			t.Skip("a seat of a package can be left miscounted after the doctor's first repair of dumps of different moments: not solved yet")
		}
		server := e.Instance()
		before, err := start(t.Context(), e, "lost", stack.Options{})
		require.NoError(t, err)
		tn := newTenant(t, before, 2000)
		l := startLoad(t, tn, []string{before.Info().Gateway}, 2000)
		// Each dump misses what happens until the last, and knows what those before it do not.
		dumps := map[string][]byte{}
		for _, service := range []string{stack.Numbering, stack.License, stack.Extension, stack.Notification} {
			l.goesOn()
			var dump bytes.Buffer
			require.NoError(t, server.Dump(t.Context(), "lost_"+service, &dump))
			dumps[service] = dump.Bytes()
		}
		l.end()
		require.Empty(t, l.seen.report().failed)
		lose(t, before, server)

		for service, dump := range dumps {
			name := "found_" + service
			_, err := server.CreateDatabase(t.Context(), name, name)
			require.NoError(t, err)
			require.NoError(t, server.Restore(t.Context(), name, name, bytes.NewReader(dump)))
		}
		after, err := start(t.Context(), e, "found", stack.Options{Configure: impatient})
		require.NoError(t, err)
		t.Cleanup(func() { stop(t, after) })
		tn = tn.moved(after)
		tn.agree()
	})
}

// goesOn waits until callers have done more.
func (l *load) goesOn() {
	l.Helper()
	until := l.seen.answered() + 40
	l.eventually(func() error {
		if l.seen.answered() < until {
			return errors.New("callers stand still")
		}
		return nil
	})
}

func stop(t *testing.T, s *stack.Stack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	require.NoError(t, s.Stop(ctx))
}

// lose ends a stack and its data.
func lose(t *testing.T, s *stack.Stack, server *localdb.Instance) {
	t.Helper()
	stop(t, s)
	for _, service := range stack.ServiceNames() {
		require.NoError(t, server.DropDatabase(t.Context(), "lost_"+service))
	}
}

// moved is the same account on another stack.
func (tn *tenant) moved(s *stack.Stack) *tenant {
	tn.Helper()
	there := *tn
	there.stack, there.anonymous = s, gatewayclient.New(s.Info().Gateway, 0)
	tn.Cleanup(there.anonymous.Close)
	there.operator, there.admin = there.as(issuer.Claims{Operator: true}), there.role("ADMIN")
	return &there
}

// agree waits for the reconcilers, has the doctor mend the rest, and checks that the books agree.
func (tn *tenant) agree() {
	tn.Helper()
	tn.eventually(func() error {
		for _, u := range tn.phoneUsers() {
			if u.State == "PROVISIONING" {
				return errors.New(u.Name + " is still being assigned")
			}
		}
		return nil
	})
	found := tn.doctor(true)
	tn.Logf("the doctor had %d findings: %s", len(found), strings.Join(complaints(found), "; "))
	require.NotEmpty(tn, found, "the dumps are of different moments")
	for _, f := range found {
		require.True(tn, f.GetRepaired(), "%s", f)
	}
	// Operations that were under way when license was dumped are taken up again once their claims are over.
	testkit.Eventually(tn, 3*patience, func() error { return errors.Join(tn.books().disagreements()...) })
	require.Empty(tn, tn.doctor(false), "everything is mended")
	require.NotEmpty(tn, tn.settled().PhoneUsers)
	require.NotEmpty(tn, tn.one().ExtensionNumber, "and it goes on")
}

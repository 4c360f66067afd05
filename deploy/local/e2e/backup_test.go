package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
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
		server := e.Instance()
		before, err := start(t.Context(), e, "lost", stack.Options{})
		require.NoError(t, err)
		tn := newTenant(t, before, 2000)
		l := startLoad(t, tn, []string{before.Info().Gateway})
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

// nothingUnderWay is an error while an operation of the account is not at its end.
func (tn *tenant) nothingUnderWay() error {
	conn, err := pgx.Connect(tn.Context(), tn.stack.DatabaseURL(stack.License))
	if err != nil {
		return err
	}
	var sagas int
	err = conn.QueryRow(tn.Context(), `SELECT count(*) FROM sagas WHERE account_id = $1`, id(tn.account)).Scan(&sagas)
	if err == nil && sagas > 0 {
		err = fmt.Errorf("%d operations are under way", sagas)
	}
	return errors.Join(err, conn.Close(tn.Context()))
}

// agree waits for the reconcilers, has the doctor mend the rest, and checks that the books agree.
func (tn *tenant) agree() {
	tn.Helper()
	// What an operation is at work on the doctor leaves alone. Those that were under way when license was dumped are taken up again
	// once their claims are over.
	testkit.Eventually(tn, 3*patience, func() error { return tn.nothingUnderWay() })
	found := tn.doctor(true)
	tn.Logf("the doctor had %d findings: %s", len(found), strings.Join(complaints(found), "; "))
	require.NotEmpty(tn, found, "the dumps are of different moments")
	for _, f := range found {
		require.True(tn, f.GetRepaired(), "%s", f)
	}
	testkit.Eventually(tn, 3*patience, func() error { return errors.Join(tn.books().disagreements()...) })
	require.Empty(tn, tn.doctor(false), "everything is mended")
	require.NotEmpty(tn, tn.settled().PhoneUsers)
	require.NotEmpty(tn, tn.one().ExtensionNumber, "and it goes on")
}

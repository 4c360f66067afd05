package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// The size of the mixed load. Each part is killed killsEach times, however long that takes, and the callers go on meanwhile.
const (
	mixedCallers = 4
	killsEach    = 4
)

// TestKilledAtAnyMoment kills each service and the gateway in turn, again and again, while several callers do everything that can be done
// with phone users, and starts them again. Callers repeat what is not answered, under the same request id where the call has one. In the
// end every phone user is as its caller made it, everybody was told of everything once, and the books of all services agree.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	eachKillable(t, func(v *victims) {
		m := newMix(v)
		var enough atomic.Bool
		ctx, stop := context.WithCancelCause(v.Context())
		defer stop(nil)
		var callers errgroup.Group
		for i := range mixedCallers {
			h := &hand{mix: m, number: i, told: map[string]int{}}
			m.hands = append(m.hands, h)
			callers.Go(func() error {
				for round := 0; round < 2 || !enough.Load(); round++ {
					if err := h.round(ctx); err != nil {
						err = fmt.Errorf("caller %d, round %d: %w", i, round, err)
						stop(err)
						return err
					}
				}
				return nil
			})
		}
		kills, err := v.havoc(ctx)
		enough.Store(true)
		require.NoError(v, errors.Join(err, callers.Wait()))
		v.Logf("killed %v; calls %d, of which repeated %d", kills, m.calls.Load(), m.repeats.Load())
		require.Positive(v, m.repeats.Load(), "somebody noticed")
		(&job{tenant: m.tenant}).reachable()
		m.check()
	})
}

// havoc kills one part after another until each was killed often enough, and answers how often.
func (v *victims) havoc(ctx context.Context) (map[string]int, error) {
	parts, kills := append(stack.ServiceNames(), stack.Gateway), map[string]int{}
	for n := range killsEach * len(parts) {
		select {
		case <-ctx.Done():
			return kills, context.Cause(ctx)
		case <-time.After(time.Duration(150+67*(n%7)) * time.Millisecond):
		}
		part := parts[n%len(parts)]
		v.stack.ExpectEnd(part, 0)
		if err := v.stack.Process(part, 0).Kill(); err != nil {
			return kills, fmt.Errorf("killing %s: %w", part, err)
		}
		if err := v.restart(part); err != nil {
			return kills, fmt.Errorf("starting %s again: %w", part, err)
		}
		kills[part]++
	}
	return kills, nil
}

// mix is an account under mixed load.
type mix struct {
	*tenant
	branch                  string // a second site
	domestic, international string // packages
	hands                   []*hand
	calls, repeats          atomic.Int64
}

func newMix(v *victims) *mix {
	v.Helper()
	tn := newBareTenant(v.T, v.stack, 5000).withTrash()
	tn.ranges(tn.main, "1000", "9999")
	tn.numbers(mixedCallers * 2)
	return &mix{
		tenant: tn, branch: tn.site("Branch", "20000", "29999"), domestic: tn.pkg("Domestic", 5000), international: tn.pkg("International", 5000),
	}
}

// passing says whether a failed call is to be repeated: nobody answered, or the answer is that it may work later.
func passing(err error) bool {
	var answered *gatewayclient.Error
	if !errors.As(err, &answered) {
		return true
	}
	return slices.Contains([]string{"UNAVAILABLE", "OPERATION_IN_PROGRESS"}, answered.Reason)
}

// insist repeats a call until it is answered for good. worked are refusals which say that an earlier try has worked already.
func (m *mix) insist(ctx context.Context, call func() error, worked ...string) error {
	deadline, repeated := time.Now().Add(2*patience), false
	for {
		m.calls.Add(1)
		err := call()
		switch {
		case err == nil, repeated && slices.Contains(worked, gatewayclient.Reason(err)):
			return nil
		case !passing(err), time.Now().After(deadline):
			return err
		}
		m.repeats.Add(1)
		repeated = true
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// check compares everything with what the callers have done.
func (m *mix) check() {
	m.Helper()
	var l *ledger
	m.eventually(func() (err error) {
		if l, err = m.ledger(m.Context()); err != nil {
			return err
		}
		return errors.Join(l.disagreements()...)
	})
	listed := map[string]gatewayclient.PhoneUser{}
	for _, u := range l.users {
		listed[u.Name] = u
	}
	told := map[string]int{}
	for _, h := range m.hands {
		for k, n := range h.told {
			told[k] += n
		}
		for _, p := range h.people {
			u, there := listed[p.phoneUser]
			require.Equal(m, p.state != removed, there, "%s is listed", p.email)
			if there {
				require.Equal(m, p.seen(), seenAs(u, p.ext), "%s", p.email)
			}
			delete(listed, p.phoneUser)
		}
	}
	require.Empty(m, listed, "phone users that nobody made")
	m.toldOnce(told)
}

// toldOnce waits until people are told of what they must be told, each thing once.
func (m *mix) toldOnce(told map[string]int) {
	m.Helper()
	m.eventually(func() error {
		sent := map[string]int{}
		for _, n := range m.notifications("state = SENT") {
			sent[n.Recipient+" "+n.Kind]++
		}
		for k, n := range told {
			if sent[k] < n {
				return fmt.Errorf("%s: %d of %d", k, sent[k], n)
			}
		}
		return nil
	})
	got, mails := map[string]int{}, map[string]int{}
	for _, n := range m.notifications("") {
		got[n.Recipient+" "+n.Kind]++
		mails[n.Recipient]++
	}
	require.Equal(m, told, got, "everybody is told of everything once")
	for to, n := range mails {
		require.Len(m, m.mails(to), n, "mails of %s", to)
	}
}

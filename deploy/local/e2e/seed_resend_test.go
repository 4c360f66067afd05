package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/mailsink"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// eachTimed runs fn on each engine with a clock that the test moves.
func eachTimed(t *testing.T, fn func(t *testing.T, s *stack.Stack, clk *clock.Fake)) {
	t.Helper()
	var clocks sync.Map
	eachOwn(t, func(t *testing.T) stack.Options {
		clk := clock.NewFake(time.Now())
		clocks.Store(t.Name(), clk)
		return stack.Options{Clock: clk}
	}, func(t *testing.T, s *stack.Stack) {
		clk, _ := clocks.Load(t.Name())
		fn(t, s, clk.(*clock.Fake))
	})
}

// awaitMails waits until n mails have arrived for an address, no more, and answers them, newest first.
func (tn *tenant) awaitMails(to string, n int) []mailsink.Mail {
	tn.Helper()
	tn.mail(to, n)
	mails := tn.mails(to)
	require.Len(tn, mails, n)
	return mails
}

func TestSeed14_ResendUntilThePersonHasSetUp(t *testing.T) {
	t.Parallel()
	eachTimed(t, func(t *testing.T, s *stack.Stack, clk *clock.Fake) {
		tn := newTenant(t, s, 10)
		u := tn.one()
		first := tn.awaitMails(u.Email, 1)[0]
		var answer struct{ Notification string }
		require.NoError(t, tn.admin.Post(t.Context(), "/v1/"+u.Name+":resendInvite", map[string]any{}, &answer))
		second := tn.awaitMails(u.Email, 2)[0]
		require.Contains(t, second.Text, u.ExtensionNumber, "the same extension")
		require.NotEqual(t, first.MessageID, second.MessageID, "a new mail")
		var told gatewayclient.Notification
		require.NoError(t, tn.admin.Get(t.Context(), "/v1/"+answer.Notification, &told))
		require.Equal(t, u.Email, told.Recipient)

		refusal := tn.refused(tn.tryOn(u.Name, "resendInvite", map[string]any{}), "RESEND_TOO_SOON")
		require.Positive(t, refusal.RetryDelay, "it says when to come back")
		at, err := time.Parse(time.RFC3339, refusal.Metadata["retry_time"])
		require.NoError(t, err)
		require.WithinDuration(t, clk.Now().Add(refusal.RetryDelay), at, 2*time.Second)

		clk.Advance(refusal.RetryDelay + time.Second)
		tn.refresh()
		require.NoError(t, tn.tryOn(u.Name, "resendInvite", map[string]any{}))
		tn.awaitMails(u.Email, 3)

		// All links are the person's, old and new.
		for _, mail := range tn.mails(u.Email) {
			page, err := tn.lookup(linkToken(tn, mail))
			require.NoError(t, err)
			require.Equal(t, u.ExtensionNumber, page.ExtensionNumber)
		}
	})
}

func TestSeed16_TheLinkExpires(t *testing.T) {
	t.Parallel()
	eachTimed(t, func(t *testing.T, s *stack.Stack, clk *clock.Fake) {
		tn := newTenant(t, s, 10)
		u := tn.one()
		token := linkToken(tn, tn.awaitMails(u.Email, 1)[0])
		page, err := tn.lookup(token)
		require.NoError(t, err)
		require.True(t, page.ExpireTime.After(clk.Now()))
		clk.Advance(page.ExpireTime.Sub(clk.Now()) - time.Minute)
		_, err = tn.lookup(token)
		require.NoError(t, err, "it works to the end")
		clk.Advance(2 * time.Minute)
		_, err = tn.lookup(token)
		tn.refused(err, "TOKEN_INVALID")
		_, err = tn.complete(token, map[string]any{})
		tn.refused(err, "TOKEN_INVALID")
	})
}

// refresh gives the callers new tokens, since the clock has moved.
func (tn *tenant) refresh() {
	tn.Helper()
	tn.admin = tn.role("ADMIN")
}

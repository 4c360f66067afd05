package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
)

func testRecordSuccess(t *testing.T, s store.Store) {
	in, other := newMessage(t, newID(t)), newMessage(t, newID(t))
	enqueue(t, s, in)
	c := claimOne(t, s)
	enqueue(t, s, other)
	record(t, s, message.Outcome{Claim: c.Claim, State: message.Sent, SMTPCode: 250})
	m, attempts := get(t, s, in.Key)
	require.Equal(t, message.Sent, m.State)
	require.False(t, m.SendTime.Before(m.CreateTime))
	require.True(t, m.NextAttemptTime.IsZero())
	require.Empty(t, m.LastError)
	require.Equal(t, in.TextBody, m.TextBody)
	require.Len(t, attempts, 1)
	require.Equal(t, message.Attempt{Number: 1, Time: attempts[0].Time, Finished: true, Succeeded: true, SMTPCode: 250}, attempts[0])
	untouched, _ := get(t, s, other.Key)
	require.Equal(t, message.Queued, untouched.State)
	record(t, s)
}

func testRecordRetry(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	c := claimOne(t, s)
	record(t, s, message.Outcome{Claim: c.Claim, State: message.Queued, RetryAfter: time.Hour, Counts: true, SMTPCode: 451, Error: "try later"})
	m, attempts := get(t, s, in.Key)
	require.Equal(t, message.Queued, m.State)
	require.Equal(t, "try later", m.LastError)
	require.WithinDuration(t, m.CreateTime.Add(time.Hour), m.NextAttemptTime, time.Minute)
	require.Equal(t, message.Attempt{Number: 1, Time: attempts[0].Time, Finished: true, SMTPCode: 451, Error: "try later"}, attempts[0])
	requireNothingDue(t, s)
}

func testRecordGivenUp(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	for i, counts := range []bool{true, false, true} {
		c := eventuallyClaim(t, s)
		require.Equal(t, i+1, c.Attempt)
		require.Equal(t, []int{0, 1, 1}[i], c.Failures, "only failures that count bring it nearer to its end")
		require.Equal(t, in.MailText, c.MailText, "the texts stay while there is something to send")
		record(t, s, message.Outcome{Claim: c.Claim, State: message.Queued, RetryAfter: time.Millisecond, Counts: counts, Error: "no"})
	}
	c := eventuallyClaim(t, s)
	require.Equal(t, 2, c.Failures)
	record(t, s, message.Outcome{Claim: c.Claim, State: message.Failed, Counts: true, SMTPCode: 550, Error: "never"})
	m, attempts := get(t, s, in.Key)
	require.Equal(t, message.Failed, m.State)
	require.Equal(t, "never", m.LastError)
	require.Equal(t, 4, m.Attempts)
	require.True(t, m.NextAttemptTime.IsZero())
	require.True(t, m.SendTime.IsZero())
	require.Len(t, attempts, 4)
	requireNothingDue(t, s)
}

func testRecordTwice(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	o := message.Outcome{Claim: claimOne(t, s).Claim, State: message.Queued, RetryAfter: time.Hour, Counts: true, Error: "no"}
	record(t, s, o)
	before, _ := get(t, s, in.Key)
	o.RetryAfter = 2 * time.Hour
	record(t, s, o)
	after, _ := get(t, s, in.Key)
	require.Equal(t, before, after, "the answer to the first was lost; the second changes nothing")

	o.RetryAfter = 0
	o.State = message.Sent
	record(t, s, o)
	sent, _ := get(t, s, in.Key)
	record(t, s, o)
	again, _ := get(t, s, in.Key)
	require.Equal(t, sent, again)
}

func testRecordStaleFailure(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	claimed, err := s.Claim(t.Context(), 1, time.Millisecond, "slow")
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	second := eventuallyClaim(t, s)
	record(t, s, message.Outcome{Claim: claimed[0].Claim, State: message.Failed, Counts: true, SMTPCode: 550, Error: "late"})
	m, attempts := get(t, s, in.Key)
	require.Equal(t, message.Queued, m.State, "whoever claimed it since decides")
	require.Empty(t, m.LastError)
	require.Equal(t, "late", attempts[0].Error, "the attempt is noted all the same")
	record(t, s, message.Outcome{Claim: second.Claim, State: message.Sent})
	m, _ = get(t, s, in.Key)
	require.Equal(t, message.Sent, m.State)
}

func testRecordLateSuccess(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	claimed, err := s.Claim(t.Context(), 1, time.Millisecond, "slow")
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	second := eventuallyClaim(t, s)
	record(t, s, message.Outcome{Claim: second.Claim, State: message.Failed, Counts: true, SMTPCode: 550, Error: "refused"})
	record(t, s, message.Outcome{Claim: claimed[0].Claim, State: message.Sent, SMTPCode: 250})
	m, attempts := get(t, s, in.Key)
	require.Equal(t, message.Sent, m.State, "a mail that is out is out")
	require.False(t, m.SendTime.IsZero())
	require.True(t, attempts[0].Succeeded)
	require.Equal(t, 550, attempts[1].SMTPCode)

	record(t, s, message.Outcome{Claim: second.Claim, State: message.Failed, Error: "refused"})
	m, _ = get(t, s, in.Key)
	require.Equal(t, message.Sent, m.State)
}

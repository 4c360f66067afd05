package storetest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
)

var errNothingDue = errors.New("nothing is due")

func testEnqueueAndGet(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	m, attempts := get(t, s, in.Key)
	require.Empty(t, attempts)
	require.Equal(t, message.Message{
		Key: in.Key, Kind: message.Welcome, Recipient: "Ada@Example.com", Subject: in.Subject, TextBody: "token=REDACTED",
		PhoneUser: in.PhoneUser, State: message.Queued, CreateTime: m.CreateTime, NextAttemptTime: m.CreateTime,
	}, m)
	require.False(t, m.CreateTime.IsZero())
	require.Equal(t, time.UTC, m.CreateTime.Location())
}

func testEnqueueIsIdempotent(t *testing.T, s store.Store) {
	a, b, c := newMessage(t, newID(t)), newMessage(t, newID(t)), newMessage(t, newID(t))
	enqueue(t, s, a, b)
	changed := a
	changed.Subject, changed.MailText = "another", "another"
	n, err := s.Enqueue(t.Context(), []message.New{changed, c, b})
	require.NoError(t, err)
	require.Equal(t, 1, n, "only c was not there yet")
	m, _ := get(t, s, a.Key)
	require.Equal(t, a.Subject, m.Subject)

	claimed, err := s.Claim(t.Context(), 10, lease, "tester")
	require.NoError(t, err)
	require.Len(t, claimed, 3)
	for _, c := range claimed {
		record(t, s, message.Outcome{Claim: c.Claim, State: message.Sent})
	}
	n, err = s.Enqueue(t.Context(), []message.New{a, b, c})
	require.NoError(t, err)
	require.Zero(t, n)
	requireNothingDue(t, s)
}

func testEnqueueRepeatsInOneCall(t *testing.T, s store.Store) {
	a := newMessage(t, newID(t))
	twin := a
	twin.Subject = "the second one"
	n, err := s.Enqueue(t.Context(), []message.New{a, twin})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	claimOne(t, s)

	// The same id under another account is another message.
	other := a
	other.Account = newID(t)
	enqueue(t, s, other)
	require.Equal(t, other.Key, claimOne(t, s).Key)

	n, err = s.Enqueue(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

func testEnqueueHostileText(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	in.DisplayName = `'); DROP TABLE messages; -- {"a",NULL} \ "` + "\n☎ 山田"
	in.PhoneUser = uuid.NullUUID{}
	in.RequestID = ""
	enqueue(t, s, in)
	require.Equal(t, in.DisplayName, claimOne(t, s).DisplayName)
	m, _ := get(t, s, in.Key)
	require.False(t, m.PhoneUser.Valid)
}

func testClaimOrderAndLimit(t *testing.T, s store.Store) {
	account := newID(t)
	var want []uuid.UUID
	for range 5 {
		m := newMessage(t, account)
		enqueue(t, s, m)
		want = append(want, m.ID)
	}
	var got []uuid.UUID
	for _, n := range []int{2, 2, 1} {
		claimed, err := s.Claim(t.Context(), 2, lease, "tester")
		require.NoError(t, err)
		require.Len(t, claimed, n)
		for _, c := range claimed {
			got = append(got, c.ID)
		}
	}
	require.Equal(t, want, got)
	requireNothingDue(t, s)
}

func testClaimCarriesTheMail(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	before, _ := get(t, s, in.Key)
	require.Equal(t, message.Claimed{
		Claim: message.Claim{Key: in.Key, Attempt: 1}, Recipient: in.Recipient, DisplayName: in.DisplayName, Subject: in.Subject,
		MailText: in.MailText, MailHTML: in.MailHTML, Kind: in.Kind, RequestID: in.RequestID, TraceParent: in.TraceParent, CreateTime: before.CreateTime,
	}, claimOne(t, s))

	m, attempts := get(t, s, in.Key)
	require.Equal(t, message.Queued, m.State)
	require.Equal(t, 1, m.Attempts)
	require.WithinDuration(t, m.CreateTime.Add(lease), m.NextAttemptTime, time.Minute, "not before the claim is over")
	require.Len(t, attempts, 1, "the attempt is on record before it begins")
	require.False(t, attempts[0].Finished)
	require.False(t, attempts[0].Succeeded)
	require.Equal(t, 1, attempts[0].Number)
}

func testClaimComesBackAfterLease(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	claimed, err := s.Claim(t.Context(), 10, 10*time.Millisecond, "one that dies")
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	again := eventuallyClaim(t, s)
	require.Equal(t, in.Key, again.Key)
	require.Equal(t, 2, again.Attempt)
	_, attempts := get(t, s, in.Key)
	require.Len(t, attempts, 2)
	require.False(t, attempts[0].Finished, "the first one left no outcome")
	require.False(t, attempts[1].Finished)
}

func testClaimsAtOnce(t *testing.T, s store.Store) {
	const count, claimers = 200, 6
	account := newID(t)
	var in []message.New
	for range count {
		in = append(in, newMessage(t, account))
	}
	enqueue(t, s, in...)
	var mu sync.Mutex
	seen := map[uuid.UUID]int{}
	var wg sync.WaitGroup
	for range claimers {
		wg.Go(func() {
			for {
				claimed, err := s.Claim(t.Context(), 7, lease, "tester")
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if len(claimed) == 0 {
					return
				}
				mu.Lock()
				for _, c := range claimed {
					seen[c.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, seen, count)
	for id, n := range seen {
		require.Equal(t, 1, n, "message %s was claimed more than once", id)
	}
}

func testRelease(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	for range 3 {
		c := claimOne(t, s)
		require.Equal(t, 1, c.Attempt)
		require.NoError(t, s.Release(t.Context(), []message.Claim{c.Claim}))
		require.NoError(t, s.Release(t.Context(), []message.Claim{c.Claim}), "may be repeated")
		m, attempts := get(t, s, in.Key)
		require.Zero(t, m.Attempts)
		require.Empty(t, attempts, "a claim that was given back leaves no attempt")
	}
	c := claimOne(t, s)
	record(t, s, message.Outcome{Claim: c.Claim, State: message.Sent, SMTPCode: 250})
	m, attempts := get(t, s, in.Key)
	require.Equal(t, message.Sent, m.State)
	require.Equal(t, 1, m.Attempts)
	require.Len(t, attempts, 1)
	require.True(t, attempts[0].Succeeded)

	require.NoError(t, s.Release(t.Context(), []message.Claim{c.Claim}), "a message that is sent stays sent")
	m, _ = get(t, s, in.Key)
	require.Equal(t, message.Sent, m.State)
	require.NoError(t, s.Release(t.Context(), nil))
}

func testReleaseStale(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	claimed, err := s.Claim(t.Context(), 1, time.Millisecond, "slow")
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	eventuallyClaim(t, s)
	require.NoError(t, s.Release(t.Context(), []message.Claim{claimed[0].Claim}))
	requireNothingDue(t, s)
	m, _ := get(t, s, in.Key)
	require.Equal(t, 2, m.Attempts)
}

func testBacklog(t *testing.T, s store.Store) {
	b, err := s.Backlog(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, message.Backlog{}, b)

	account := newID(t)
	for range 12 {
		enqueue(t, s, newMessage(t, account))
	}
	b, err = s.Backlog(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, 12, b.Queued)
	require.Positive(t, b.OldestDue)
	b, err = s.Backlog(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 10, b.Queued, "counted up to the limit")

	claimed, err := s.Claim(t.Context(), 12, lease, "tester")
	require.NoError(t, err)
	b, err = s.Backlog(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, message.Backlog{Queued: 12}, b, "claimed: still waiting, but not due")
	for c := range slices.Values(claimed) {
		record(t, s, message.Outcome{Claim: c.Claim, State: message.Sent})
	}
	b, err = s.Backlog(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, message.Backlog{}, b)
}

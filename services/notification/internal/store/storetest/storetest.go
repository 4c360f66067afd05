// Package storetest holds the tests that every implementation of store.Store must pass.
package storetest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// lease is longer than any of the tests.
const lease = time.Hour

// Run runs the suite. open returns a store without messages, for one test alone.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	tests := map[string]func(*testing.T, store.Store){
		"EnqueueAndGet":            testEnqueueAndGet,
		"EnqueueIsIdempotent":      testEnqueueIsIdempotent,
		"EnqueueRepeatsInOneCall":  testEnqueueRepeatsInOneCall,
		"EnqueueHostileText":       testEnqueueHostileText,
		"ClaimOrderAndLimit":       testClaimOrderAndLimit,
		"ClaimCarriesTheMail":      testClaimCarriesTheMail,
		"ClaimComesBackAfterLease": testClaimComesBackAfterLease,
		"ClaimsAtOnce":             testClaimsAtOnce,
		"RecordSuccess":            testRecordSuccess,
		"RecordRetry":              testRecordRetry,
		"RecordGivenUp":            testRecordGivenUp,
		"RecordTwice":              testRecordTwice,
		"RecordStaleFailure":       testRecordStaleFailure,
		"RecordLateSuccess":        testRecordLateSuccess,
		"Release":                  testRelease,
		"ReleaseStale":             testReleaseStale,
		"Backlog":                  testBacklog,
		"ListPages":                testListPages,
		"ListFilters":              testListFilters,
		"GetUnknown":               testGetUnknown,
		"GetLastAttempts":          testGetLastAttempts,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func newID(t *testing.T) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id
}

// newMessage returns a message of account with an id of its own.
func newMessage(t *testing.T, account uuid.UUID) message.New {
	t.Helper()
	return message.New{
		Key: message.Key{Account: account, ID: newID(t)}, Kind: message.Welcome,
		Recipient: "Ada@Example.com", DisplayName: "Ada Lovelace", Subject: "Your extension is 1001",
		TextBody: "token=REDACTED", MailText: "token=s3cret", MailHTML: "<a href=\"?token=s3cret\">",
		PhoneUser: uuid.NullUUID{UUID: newID(t), Valid: true}, RequestID: "req-1", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
}

func enqueue(t *testing.T, s store.Store, messages ...message.New) {
	t.Helper()
	n, err := s.Enqueue(t.Context(), messages)
	require.NoError(t, err)
	require.Equal(t, len(messages), n)
}

// claimOne claims the one message that is due.
func claimOne(t *testing.T, s store.Store) message.Claimed {
	t.Helper()
	claimed, err := s.Claim(t.Context(), 10, lease, "tester")
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	return claimed[0]
}

func record(t *testing.T, s store.Store, o ...message.Outcome) {
	t.Helper()
	require.NoError(t, s.Record(t.Context(), o))
}

func get(t *testing.T, s store.Store, key message.Key) (message.Message, []message.Attempt) {
	t.Helper()
	m, attempts, err := s.Get(t.Context(), key, 20)
	require.NoError(t, err)
	return m, attempts
}

func parse(t *testing.T, account uuid.UUID, text string) filter.Filter {
	t.Helper()
	f, err := store.FilterSchema(account).Parse(text)
	require.NoError(t, err)
	return f
}

// requireNothingDue checks that there is nothing to claim now.
func requireNothingDue(t *testing.T, s store.Store) {
	t.Helper()
	claimed, err := s.Claim(t.Context(), 10, lease, "tester")
	require.NoError(t, err)
	require.Empty(t, claimed)
}

// eventuallyClaim claims as soon as something is due.
func eventuallyClaim(t *testing.T, s store.Store) message.Claimed {
	t.Helper()
	var out message.Claimed
	testkit.Eventually(t, 20*time.Second, func() error {
		claimed, err := s.Claim(t.Context(), 10, lease, "tester")
		switch {
		case err != nil:
			return err
		case len(claimed) == 0:
			return errNothingDue
		}
		require.Len(t, claimed, 1)
		out = claimed[0]
		return nil
	})
	return out
}

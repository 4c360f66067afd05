package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

func testListPages(t *testing.T, s store.Store) {
	account := newID(t)
	enqueue(t, s, newMessage(t, newID(t))) // of somebody else
	var want []uuid.UUID
	for _, n := range []int{3, 1, 5, 2} { // those of one call have the same time
		var batch []message.New
		for range n {
			m := newMessage(t, account)
			batch = append(batch, m)
			want = append([]uuid.UUID{m.ID}, want...)
		}
		enqueue(t, s, batch...)
	}
	var got []uuid.UUID
	var after *store.Cursor
	for {
		page, err := s.List(t.Context(), account, filter.Filter{}, after, 4)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		require.LessOrEqual(t, len(page), 4)
		for _, m := range page {
			require.Equal(t, account, m.Account)
			got = append(got, m.ID)
		}
		last := page[len(page)-1]
		after = &store.Cursor{CreateTime: last.CreateTime, ID: last.ID}
	}
	require.Equal(t, want, got, "newest first; ids made later are larger")
	n, err := s.Count(t.Context(), account, filter.Filter{})
	require.NoError(t, err)
	require.Equal(t, len(want), n)
}

func testListFilters(t *testing.T, s store.Store) {
	account := newID(t)
	var in []message.New
	for i := range 6 {
		m := newMessage(t, account)
		m.Recipient = []string{"Ada@Example.com", "grace@example.org"}[i%2]
		m.Kind = []message.Kind{message.Welcome, message.Invitation, message.Confirmed}[i%3]
		if i == 5 {
			m.PhoneUser = uuid.NullUUID{}
		}
		in = append(in, m)
		enqueue(t, s, m)
	}
	claimed, err := s.Claim(t.Context(), 2, lease, "tester")
	require.NoError(t, err)
	record(t, s, message.Outcome{Claim: claimed[0].Claim, State: message.Sent},
		message.Outcome{Claim: claimed[1].Claim, State: message.Failed, Error: "x"})

	phoneUser := fmt.Sprintf("accounts/%s/phoneUsers/%s", account, in[2].PhoneUser.UUID)
	foreign := fmt.Sprintf("accounts/%s/phoneUsers/%s", newID(t), in[2].PhoneUser.UUID)
	for text, want := range map[string][]int{
		``:                                  {5, 4, 3, 2, 1, 0},
		`recipient = "ada@example.COM"`:     {4, 2, 0},
		`recipient != "ADA@example.com"`:    {5, 3, 1},
		`recipient = "ada@example"`:         nil,
		`recipient = "%"`:                   nil,
		`kind = INVITATION`:                 {4, 1},
		`state = SENT`:                      {0},
		`state = FAILED OR state = SENT`:    {1, 0},
		`NOT state = QUEUED`:                {1, 0},
		`phoneUser = "` + phoneUser + `"`:   {2},
		`phone_user = "` + phoneUser + `"`:  {2},
		`phoneUser = "` + foreign + `"`:     nil,
		`phoneUser = ""`:                    {5},
		`kind = WELCOME AND state = QUEUED`: {3},
		`recipient = "ada@example.com" AND (kind = CONFIRMED OR kind = WELCOME)`: {2, 0},
	} {
		var ids []uuid.UUID
		for _, i := range want {
			ids = append(ids, in[i].ID)
		}
		f := parse(t, account, text)
		found, err := s.List(t.Context(), account, f, nil, 100)
		require.NoError(t, err, text)
		var got []uuid.UUID
		for _, m := range found {
			got = append(got, m.ID)
		}
		require.Equal(t, ids, got, text)
		n, err := s.Count(t.Context(), account, f)
		require.NoError(t, err, text)
		require.Equal(t, len(want), n, text)
		if len(found) > 1 {
			rest, err := s.List(t.Context(), account, f, &store.Cursor{CreateTime: found[0].CreateTime, ID: found[0].ID}, 100)
			require.NoError(t, err, text)
			require.Equal(t, found[1:], rest, text)
		}
	}
}

func testGetUnknown(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	for _, key := range []message.Key{{Account: in.Account, ID: newID(t)}, {Account: newID(t), ID: in.ID}} {
		_, _, err := s.Get(t.Context(), key, 20)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
}

func testGetLastAttempts(t *testing.T, s store.Store) {
	in := newMessage(t, newID(t))
	enqueue(t, s, in)
	for i := range 5 {
		c := eventuallyClaim(t, s)
		record(t, s, message.Outcome{Claim: c.Claim, State: message.Queued, Counts: true, SMTPCode: 450 + i, Error: strings.Repeat("e", i+1)})
	}
	m, attempts, err := s.Get(t.Context(), in.Key, 3)
	require.NoError(t, err)
	require.Equal(t, 5, m.Attempts)
	require.Equal(t, "eeeee", m.LastError)
	require.Len(t, attempts, 3, "the last ones")
	for i, a := range attempts {
		require.Equal(t, i+3, a.Number)
		require.Equal(t, 452+i, a.SMTPCode)
	}
}

package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

func testCounts(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "1000", "1999")
	b.allocate(t, r, "1000", "1001", "1255", "1256", "1999")
	lapsing := b.allocate(t, r, "1002", "1300")
	until := b.now.Add(time.Hour)
	_, err := b.Release(ctx, b.account, lapsing, until, b.now)
	require.NoError(t, err)
	require.NoError(t, b.Reserve(ctx, b.account, numbers("1400", "2000"), b.now))

	except := numbers("1001", "1003")
	spans := []number.Span{span("1000", "1999"), span("2000", "2000"), span("3000", "3999")}
	occ, err := b.Occupancy(ctx, b.account, spans, except, b.now)
	require.NoError(t, err)
	require.Equal(t, [][]store.BlockUse{{use(0, 3), use(1, 3), use(3, 1)}, {use(0, 1)}, nil}, occ)
	occ, err = b.Occupancy(ctx, b.account, spans[:1], nil, until)
	require.NoError(t, err)
	require.Equal(t, [][]store.BlockUse{{use(0, 3), use(1, 2), use(3, 1)}}, occ)

	counts, err := b.CountUsed(ctx, []store.UseQuery{
		{Account: b.account, Span: spans[0]},
		{Account: b.account, Span: spans[1]},
		{Account: uuid.New(), Span: spans[0]},
		{Account: b.account, Span: span("1255", "1256")},
	}, except, b.now)
	require.NoError(t, err)
	require.Equal(t, []int64{7, 1, 0, 2}, counts)

	used, err := b.Used(ctx, b.account, []number.Span{span("1000", "1255"), span("1256", "1511"), span("2000", "2000")}, b.now)
	require.NoError(t, err)
	require.Equal(t, []string{"1000", "1001", "1002", "1255", "1256", "1300", "1400", "2000"}, texts(used))
	require.Equal(t, until, used[2].QuarantineUntil)
	used, err = b.Used(ctx, b.account, []number.Span{span("1000", "1255"), span("1512", "1999")}, until)
	require.NoError(t, err)
	require.Equal(t, []string{"1000", "1001", "1255", "1999"}, texts(used))
}

func use(block, used int64) store.BlockUse { return store.BlockUse{Block: block, Used: used} }

var schema = filter.New(map[string]filter.Field{
	store.FilterState: filter.Values(map[string]any{"ASSIGNED": "ASSIGNED", "HELD": "HELD", "RESERVED": "RESERVED", "QUARANTINED": "QUARANTINED"}),
	store.FilterHolder: filter.Name("{id}", func(s string) (any, error) {
		id, err := uuid.Parse(s)
		if err != nil {
			return nil, errors.New("not an id")
		}
		return id, nil
	}).Optional(),
})

func testListExtensions(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "1000", "1999")
	owners := b.allocate(t, r, "1003", "1001", "1002", "1004")
	_, err := b.Hold(ctx, b.account, owners[:1], b.now)
	require.NoError(t, err)
	_, err = b.Release(ctx, b.account, owners[1:2], b.now.Add(time.Hour), b.now)
	require.NoError(t, err)
	require.NoError(t, b.Reserve(ctx, b.account, numbers("999"), b.now))

	list := func(after, filterText string, limit int, now time.Time) []string {
		f, err := schema.Parse(filterText)
		require.NoError(t, err)
		page := store.List{Limit: limit, Filter: f}
		if after != "" {
			page.After = n(after)
		}
		got, err := b.ListExtensions(ctx, b.account, page, now)
		require.NoError(t, err)
		return texts(got)
	}
	require.Equal(t, []string{"999", "1001", "1002", "1003", "1004"}, list("", "", 10, b.now))
	require.Equal(t, []string{"999", "1002", "1003", "1004"}, list("", "", 10, b.now.Add(time.Hour)))
	require.Equal(t, []string{"999", "1001"}, list("", "", 2, b.now))
	require.Equal(t, []string{"1002", "1003"}, list("1001", "", 2, b.now))
	require.Equal(t, []string{"1003"}, list("", "state = HELD", 10, b.now))
	require.Equal(t, []string{"999", "1001"}, list("", "NOT (state = HELD OR state = ASSIGNED)", 10, b.now))
	require.Equal(t, []string{"1002"}, list("", `holder = "`+owners[2].String()+`"`, 10, b.now))
	require.Equal(t, []string{"999", "1001"}, list("", `holder = ""`, 10, b.now))
}

func testAccountsAreApart(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owner := b.allocate(t, r, "100")[0]

	mine := b.account
	b.account = uuid.New()
	other := b.newRange(t, "100", "199")
	// The same owner id and the same number in another account are others.
	out, err := b.Allocate(ctx, b.account, []store.Claim{{Owner: owner, Number: n("100"), Range: other.ID}}, b.now)
	require.NoError(t, err)
	require.Equal(t, n("100"), out[0].Got.Number)
	out, err = b.Allocate(ctx, b.account, []store.Claim{{Owner: uuid.New(), Number: n("101"), Range: r.ID}}, b.now)
	require.NoError(t, err)
	require.True(t, out[0].RangeGone, "another account's range is none")
	_, err = b.Release(ctx, b.account, []uuid.UUID{owner}, time.Time{}, b.now)
	require.NoError(t, err)
	require.Empty(t, b.all(t))
	b.account = mine
	require.Len(t, b.all(t), 1)
}

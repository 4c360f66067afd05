package allocator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
)

// eachPath runs a test on every engine, with leasing and without: what callers see is the same.
func eachPath(t *testing.T, test func(t *testing.T, w *world, opts ...option)) {
	t.Helper()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		for _, leased := range []bool{true, false} {
			t.Run(fmt.Sprintf("leasing=%v", leased), func(t *testing.T) {
				t.Parallel()
				var opts []option
				if leased {
					opts = append(opts, leasing(etcdtest.New(t)))
				}
				test(t, newWorld(t, e), opts...)
			})
		}
	})
}

func reservedSet(s *setting) {
	s.reserved = number.NewSet(number.MustParse("112"), number.MustParse("911"))
}

func TestLowestFirstOverAllRanges(t *testing.T) {
	t.Parallel()
	eachPath(t, func(t *testing.T, w *world, opts ...option) {
		r := w.replica(t, append(opts, reservedSet)...)
		w.newRange(t, r, "1000", "1001")
		w.newRange(t, r, "0500", "0500")
		w.newRange(t, r, "111", "113") // 112 is an emergency number
		got, err := r.Allocate(t.Context(), w.request(5))
		require.NoError(t, err)
		require.Equal(t, []string{"111", "113", "0500", "1000", "1001"}, texts(got))
		_, err = r.Allocate(t.Context(), w.request(1))
		reasonIs(t, err, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
	})
}

func TestAllocateIsIdempotentByOwner(t *testing.T) {
	t.Parallel()
	eachPath(t, func(t *testing.T, w *world, opts ...option) {
		r, other := w.replica(t, opts...), w.replica(t, opts...)
		w.newRange(t, r, "100", "104")
		req := w.request(3)
		first, err := r.Allocate(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, []string{"100", "101", "102"}, texts(first))
		for i, item := range req.Items {
			require.Equal(t, item.Owner, first[i].Owner)
		}
		again, err := other.Allocate(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, first, again)

		// Even where nothing is free any more, or the wish could not be met, those who have one keep it.
		mixed := w.request(2)
		mixed.Items = append(mixed.Items, req.Items[0])
		mixed.Items[2].Wish = "no number"
		got, err := r.Allocate(t.Context(), mixed)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"103", "104", "100"}, texts(got))
		require.Equal(t, "100", got[2].Number.String())
		full := w.request(0)
		full.Items = append(full.Items, req.Items...)
		got, err = other.Allocate(t.Context(), full)
		require.NoError(t, err)
		require.Equal(t, first, got)

		_, err = r.store.Hold(t.Context(), w.account, []uuid.UUID{req.Items[1].Owner}, time.Now())
		require.NoError(t, err)
		got, err = r.Allocate(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, store.Held, got[1].State)
		require.Equal(t, texts(first), texts(got))
		require.Len(t, w.rows(t, r), 5)
	})
}

func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	eachPath(t, func(t *testing.T, w *world, opts ...option) {
		r := w.replica(t, opts...)
		w.newRange(t, r, "100", "149")
		_, err := r.Allocate(t.Context(), w.request(51))
		refused := reasonIs(t, err, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
		require.Equal(t, map[string]string{
			"site": names.Site(w.account, w.site), "requested": "51", "free": "50",
		}, refused.Metadata())
		require.Empty(t, w.rows(t, r))

		holder := w.wish("120")
		_, err = r.Allocate(t.Context(), holder)
		require.NoError(t, err)
		_, err = r.Allocate(t.Context(), w.wish("", "110", "120", ""))
		reasonIs(t, err, commonv1.Reason_EXTENSION_IN_USE)
		require.Len(t, w.rows(t, r), 1)

		// What a request wishes for is not there for its others.
		small := w.site
		w.site = uuid.New()
		w.newRange(t, r, "200", "201")
		for _, act := range []func(context.Context, allocator.Request) ([]store.Extension, error){r.Allocate, r.Preview} {
			_, err = act(t.Context(), w.wish("", "200", ""))
			refused = reasonIs(t, err, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
			require.Equal(t, "3 of 2", refused.Metadata()["requested"]+" of "+refused.Metadata()["free"])
		}
		w.site = small

		// The numbers that were picked in vain are there for the next.
		got, err := r.Allocate(t.Context(), w.request(49))
		require.NoError(t, err)
		require.Len(t, got, 49)
		requireDistinct(t, w.rows(t, r))
	})
}

func TestWishes(t *testing.T) {
	t.Parallel()
	eachPath(t, func(t *testing.T, w *world, opts ...option) {
		ctx := t.Context()
		r, other := w.replica(t, append(opts, reservedSet)...), w.replica(t, append(opts, reservedSet)...)
		w.newRange(t, r, "100", "999")
		w.newRange(t, r, "0100", "0101")
		got, err := r.Allocate(ctx, w.wish("0101", "", "105", ""))
		require.NoError(t, err)
		require.Equal(t, []string{"0101", "100", "105", "101"}, texts(got))

		_, err = other.Allocate(ctx, w.wish("105"))
		refused := reasonIs(t, err, commonv1.Reason_EXTENSION_IN_USE)
		require.Equal(t, map[string]string{
			"number": "105", "holder": names.PhoneUser(w.account, got[2].Owner), "alternatives": "104,106,103",
		}, refused.Metadata())
		require.Equal(t, "allocations[0]", refused.Violations()[0].GetField())

		require.NoError(t, r.store.Reserve(ctx, w.account, []number.Number{number.MustParse("200")}, time.Now()))
		for wish, reason := range map[string]commonv1.Reason{
			"112": commonv1.Reason_EXTENSION_RESERVED, "200": commonv1.Reason_EXTENSION_RESERVED,
			"0105": commonv1.Reason_EXTENSION_OUT_OF_RANGE, "1x": commonv1.Reason_EXTENSION_INVALID, "7": commonv1.Reason_EXTENSION_INVALID,
		} {
			_, err := other.Allocate(ctx, w.wish("", wish))
			refused := reasonIs(t, err, reason)
			require.Equal(t, wish, refused.Metadata()["number"])
			require.Len(t, refused.Violations(), 1)
			require.Equal(t, "allocations[1]", refused.Violations()[0].GetField())
			_, err = other.Preview(ctx, w.wish("", wish))
			require.Equal(t, refused.Metadata(), reasonIs(t, err, reason).Metadata())
		}
		_, err = r.Allocate(ctx, w.wish("300", "300"))
		reasonIs(t, err, commonv1.Reason_DUPLICATE_IN_BATCH)
		twice := w.request(2)
		twice.Items[1].Owner = twice.Items[0].Owner
		_, err = r.Allocate(ctx, twice)
		require.Equal(t, "allocations[1]", reasonIs(t, err, commonv1.Reason_DUPLICATE_IN_BATCH).Violations()[0].GetField())
		require.Len(t, w.rows(t, r), 5, "no refusal left anything behind")
	})
}

func TestPreviewChangesNothing(t *testing.T) {
	t.Parallel()
	eachPath(t, func(t *testing.T, w *world, opts ...option) {
		ctx := t.Context()
		r := w.replica(t, opts...)
		w.newRange(t, r, "100", "105")
		have, err := r.Allocate(ctx, w.request(1))
		require.NoError(t, err)

		req := w.wish("", "102", "", "")
		req.Items[3].Owner = have[0].Owner
		seen, err := r.Preview(ctx, req)
		require.NoError(t, err)
		require.Equal(t, []string{"101", "102", "103", "100"}, texts(seen))
		require.Len(t, w.rows(t, r), 1)

		_, err = r.Preview(ctx, w.request(6))
		refused := reasonIs(t, err, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
		require.Equal(t, "5", refused.Metadata()["free"])
		_, err = r.Preview(ctx, w.wish("100"))
		require.Equal(t, "101,102,103", reasonIs(t, err, commonv1.Reason_EXTENSION_IN_USE).Metadata()["alternatives"])

		got, err := r.Allocate(ctx, req)
		require.NoError(t, err)
		require.Equal(t, seen, got)
	})
}

func TestSwap(t *testing.T) {
	t.Parallel()
	eachPath(t, func(t *testing.T, w *world, opts ...option) {
		ctx := t.Context()
		w.clock = clock.NewFake(time.Now())
		r, other := w.replica(t, append(opts, reservedSet)...), w.replica(t, append(opts, reservedSet)...)
		w.newRange(t, r, "100", "119")
		have, err := r.Allocate(ctx, w.request(2))
		require.NoError(t, err)
		swap := func(r *replica, wish string, quarantine time.Duration) (string, string, error) {
			now, before, err := r.Swap(ctx, allocator.SwapRequest{
				Account: w.account, Site: w.site, Owner: have[0].Owner, Wish: wish, Quarantine: quarantine,
			})
			return now.String(), before.String(), err
		}
		requireSwap := func(wantNow, wantBefore string) func(now, before string, err error) {
			return func(now, before string, err error) {
				t.Helper()
				require.NoError(t, err)
				require.Equal(t, []string{wantNow, wantBefore}, []string{now, before})
			}
		}
		requireSwap("110", "100")(swap(r, "110", 0))
		requireSwap("110", "")(swap(other, "110", 0))
		requireSwap("110", "")(swap(r, "", 0))

		_, _, err = swap(other, "101", 0)
		refused := reasonIs(t, err, commonv1.Reason_EXTENSION_IN_USE)
		require.Equal(t, map[string]string{
			"number": "101", "holder": names.PhoneUser(w.account, have[1].Owner), "alternatives": "100,102,103",
		}, refused.Metadata())
		for wish, reason := range map[string]commonv1.Reason{
			"112": commonv1.Reason_EXTENSION_RESERVED, "120": commonv1.Reason_EXTENSION_OUT_OF_RANGE, "x": commonv1.Reason_EXTENSION_INVALID,
		} {
			_, _, err := swap(r, wish, 0)
			reasonIs(t, err, reason)
		}
		require.Equal(t, []string{"101", "110"}, texts(w.rows(t, r)))

		// The old number of a swap is free at once for others, or after its quarantine.
		got, err := other.Allocate(ctx, w.wish("100"))
		require.NoError(t, err)
		require.Equal(t, "100", got[0].Number.String())
		requireSwap("111", "110")(swap(r, "111", time.Hour))
		_, err = other.Allocate(ctx, w.wish("110"))
		require.NotContains(t, reasonIs(t, err, commonv1.Reason_EXTENSION_IN_USE).Metadata(), "holder")
		w.clock.Advance(time.Hour)
		_, err = other.Allocate(ctx, w.wish("110"))
		require.NoError(t, err)

		// Who moves to another site gets a number there, and keeps it from then on.
		home := w.site
		w.site = uuid.New()
		w.newRange(t, r, "300", "301")
		requireSwap("300", "111")(swap(r, "", 0))
		requireSwap("300", "")(swap(other, "", 0))
		w.site = uuid.New()
		_, _, err = swap(r, "", 0)
		reasonIs(t, err, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
		w.site = home

		// Who has none gets one.
		now, before, err := r.Swap(ctx, allocator.SwapRequest{Account: w.account, Site: w.site, Owner: uuid.New()})
		require.NoError(t, err)
		require.NotZero(t, now)
		require.Zero(t, before)
		requireDistinct(t, w.rows(t, r))
	})
}

func TestNearest(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		r := w.replica(t)
		rng := w.newRange(t, r, "1000", "2999")
		w.newRange(t, r, "3000", "3001")
		// 1100..2899 are taken, but for one in the middle and one far off.
		var claims []store.Claim
		for n := number.MustParse("1100"); n <= number.MustParse("2899"); n++ {
			if s := n.String(); s != "2000" && s != "2500" {
				claims = append(claims, store.Claim{Owner: uuid.New(), Number: n, Range: rng.ID})
			}
		}
		_, err := r.store.Allocate(ctx, w.account, claims, time.Now())
		require.NoError(t, err)
		nearest := func(n string, count int) string {
			got, err := r.Nearest(ctx, w.account, w.site, number.MustParse(n), count)
			require.NoError(t, err)
			return fmt.Sprint(got)
		}
		require.Equal(t, "[2000 2500 2900]", nearest("2100", 3))
		require.Equal(t, "[1099 1098 1097]", nearest("1100", 3))
		require.Equal(t, "[2900 2901 2902]", nearest("2890", 3))
		require.Equal(t, "[3000 3001 1000]", nearest("3000", 3), "then the lowest of the site")
		require.Equal(t, "[1000 1001]", nearest("77", 2))
	})
}

package extension_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
)

func TestRanges(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		made := b.newRange(t, r, "0100", "0199")
		require.Regexp(t, "^"+b.site+"/extensionRanges/[0-9a-f-]{36}$", made.GetName())
		requireProto(t, &extensionv1.ExtensionRange{
			Name: made.GetName(), From: "0100", To: "0199", Size: 100, CreateTime: made.GetCreateTime(),
		}, made)
		short := b.newRange(t, r, "110", "120")
		require.EqualValues(t, 4, short.GetUsed(), "emergency numbers: 110, 112, 118, 119")
		b.allocate(t, r, "", "0150")

		list := func(parent string, size int32, token string) *extensionv1.ListExtensionRangesResponse {
			res, err := r.ranges.ListExtensionRanges(b.admin(t), &extensionv1.ListExtensionRangesRequest{Parent: parent, PageSize: size, PageToken: token})
			require.NoError(t, err)
			return res
		}
		first := list(b.site, 1, "")
		require.Len(t, first.GetExtensionRanges(), 1)
		require.Equal(t, "110", first.GetExtensionRanges()[0].GetFrom())
		require.EqualValues(t, 5, first.GetExtensionRanges()[0].GetUsed())
		second := list(b.site, 1, first.GetNextPageToken())
		require.EqualValues(t, 1, second.GetExtensionRanges()[0].GetUsed())
		require.Empty(t, second.GetNextPageToken())
		require.Len(t, list(b.account+"/sites/-", 0, "").GetExtensionRanges(), 2)
		require.Empty(t, list(b.account+"/sites/"+uuid.NewString(), 0, "").GetExtensionRanges())
		_, err := r.ranges.ListExtensionRanges(b.admin(t), &extensionv1.ListExtensionRangesRequest{
			Parent: b.account + "/sites/-", PageToken: first.GetNextPageToken(),
		})
		reasonIs(t, err, commonv1.Reason_PAGE_TOKEN_INVALID)

		_, err = r.ranges.DeleteExtensionRange(b.admin(t), &extensionv1.DeleteExtensionRangeRequest{Name: made.GetName()})
		refused := reasonIs(t, err, commonv1.Reason_RANGE_IN_USE)
		require.Equal(t, map[string]string{"range": made.GetName(), "used": "1"}, refused.Metadata())
		empty := b.newRange(t, r, "5000", "5999")
		_, err = r.ranges.DeleteExtensionRange(b.admin(t), &extensionv1.DeleteExtensionRangeRequest{Name: empty.GetName()})
		require.NoError(t, err)
		_, err = r.ranges.DeleteExtensionRange(b.admin(t), &extensionv1.DeleteExtensionRangeRequest{Name: empty.GetName()})
		reasonIs(t, err, commonv1.Reason_NOT_FOUND)
	})
}

func TestRangeRefusals(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		have := b.newRange(t, r, "1000", "1999")
		create := func(from, to string) error {
			_, err := r.ranges.CreateExtensionRange(b.admin(t), &extensionv1.CreateExtensionRangeRequest{
				Parent: b.site, ExtensionRange: &extensionv1.ExtensionRange{From: from, To: to},
			})
			return err
		}
		for _, c := range []struct {
			from, to string
			reason   commonv1.Reason
			field    string
		}{
			{"1", "9", commonv1.Reason_EXTENSION_INVALID, "extension_range.from"},
			{"2000", "20000000000", commonv1.Reason_EXTENSION_INVALID, "extension_range.to"},
			{"", "20", commonv1.Reason_EXTENSION_INVALID, "extension_range.from"},
			{"2000", "29999", commonv1.Reason_FIELD_INVALID, "extension_range.to"},
			{"2000", "1999", commonv1.Reason_FIELD_INVALID, "extension_range.to"},
		} {
			require.Equal(t, []string{c.field}, fields(reasonIs(t, create(c.from, c.to), c.reason)), "%v", c)
		}
		require.Equal(t, have.GetName(), reasonIs(t, create("1999", "2500"), commonv1.Reason_RANGE_OVERLAP).Metadata()["range"])
		for i := range 9 {
			require.NoError(t, create(fmt.Sprintf("%d000", i+20), fmt.Sprintf("%d999", i+20)))
		}
		require.Equal(t, "10", reasonIs(t, create("90000", "90001"), commonv1.Reason_LIMIT_REACHED).Metadata()["limit"])
	})
}

func TestLeases(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		etcd := etcdtest.New(t)
		b := setup(t, e, etcd.Endpoints()...)
		first := b.start(t)
		b.cfg.Leasing.Holder = "second"
		second := b.start(t)
		rng := b.newRange(t, first, "1000", "1999")
		// Right after the start the session may not be there yet; numbers then come from the database.
		list := func(size int32, token string) *extensionv1.ListExtensionLeasesResponse {
			res, err := second.ranges.ListExtensionLeases(b.operator(t), &extensionv1.ListExtensionLeasesRequest{PageSize: size, PageToken: token})
			require.NoError(t, err)
			return res
		}
		for i, r := range []*replica{first, second} {
			testkit.Eventually(t, 10*time.Second, func() error {
				b.clock.Advance(2 * time.Second)
				b.allocate(t, r, "")
				if n := len(list(0, "").GetExtensionLeases()); n <= i {
					return fmt.Errorf("%d leases", n)
				}
				return nil
			})
		}
		page := list(1, "")
		lease := page.GetExtensionLeases()[0]
		require.Equal(t, rng.GetName(), lease.GetExtensionRange())
		require.Equal(t, []string{"1000", "1255"}, []string{lease.GetFrom(), lease.GetTo()})
		require.EqualValues(t, 256, lease.GetUsed()+lease.GetFree())
		require.NotZero(t, lease.GetUsed())
		require.True(t, lease.GetExpireTime().AsTime().After(b.clock.Now()))
		next := list(1, page.GetNextPageToken())
		require.Equal(t, "second", next.GetExtensionLeases()[0].GetHolder())
		require.Equal(t, "1256", next.GetExtensionLeases()[0].GetFrom())
		require.Empty(t, next.GetNextPageToken())

		first.stop()
		require.Len(t, list(0, "").GetExtensionLeases(), 1, "a graceful stop gives the blocks back at once")
		etcd.Stop(t)
		_, err := second.ranges.ListExtensionLeases(b.operator(t), &extensionv1.ListExtensionLeasesRequest{})
		reasonIs(t, err, commonv1.Reason_UNAVAILABLE)
		require.NotEmpty(t, b.allocate(t, second, "")[0].GetNumber(), "numbers are given out all the same")
	})
}

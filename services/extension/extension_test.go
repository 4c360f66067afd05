package extension_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

func requireProto(t *testing.T, want, got any) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got, protocmp.Transform()))
}

func TestLifeOfAnExtension(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e, etcdtest.New(t).Endpoints()...)
		r := b.start(t)
		b.newRange(t, r, "0100", "0199")
		lic := b.license(t)
		got := b.allocate(t, r, "", "", "")
		require.Equal(t, "0100", got[0].GetNumber())
		owners := []string{got[0].GetOwner(), got[1].GetOwner()}

		state := func(number string) *extensionv1.Extension {
			res, err := r.exts.CheckExtensions(b.admin(t), &extensionv1.CheckExtensionsRequest{Parent: b.account, Numbers: []string{number}})
			require.NoError(t, err)
			return res.GetExtensions()[0]
		}
		requireProto(t, &extensionv1.Extension{
			Number: "0100", State: extensionv1.Extension_ASSIGNED, Holder: owners[0], Site: b.site,
		}, state("0100"))

		held, err := r.alloc.HoldExtensions(lic, &extensionv1.HoldExtensionsRequest{Parent: b.account, Owners: append(owners[:1:1], b.phoneUser())})
		require.NoError(t, err)
		requireProto(t, got[:1], held.GetHeld())
		require.Equal(t, extensionv1.Extension_HELD, state("0100").GetState())
		require.Equal(t, owners[0], state("0100").GetHolder())

		stranger := b.phoneUser()
		_, err = r.alloc.ReclaimExtensions(lic, &extensionv1.ReclaimExtensionsRequest{Parent: b.account, Owners: []string{owners[0], stranger}})
		refused := reasonIs(t, err, commonv1.Reason_NOT_FOUND)
		require.Equal(t, []string{"owners[1]"}, fields(refused))
		require.Equal(t, stranger, refused.Metadata()["resource"])
		back, err := r.alloc.ReclaimExtensions(lic, &extensionv1.ReclaimExtensionsRequest{Parent: b.account, Owners: []string{owners[1], owners[0]}})
		require.NoError(t, err)
		requireProto(t, []*extensionv1.Allocation{got[1], got[0]}, back.GetAllocations())
		require.Equal(t, extensionv1.Extension_ASSIGNED, state("0100").GetState())

		swapped, err := r.alloc.SwapExtension(lic, &extensionv1.SwapExtensionRequest{Site: b.site, Owner: owners[0], Number: "0150"})
		require.NoError(t, err)
		requireProto(t, &extensionv1.SwapExtensionResponse{Number: "0150", PreviousNumber: "0100"}, swapped)
		require.Equal(t, extensionv1.Extension_FREE, state("0100").GetState())

		released, err := r.alloc.ReleaseExtensions(lic, &extensionv1.ReleaseExtensionsRequest{
			Parent: b.account, Owners: append(owners, stranger), Quarantine: durationpb.New(time.Hour),
		})
		require.NoError(t, err)
		require.Len(t, released.GetReleased(), 2)
		until := b.clock.Now().Add(time.Hour).Truncate(time.Microsecond)
		requireProto(t, &extensionv1.Extension{
			Number: "0150", State: extensionv1.Extension_QUARANTINED, QuarantineTime: timestamppb.New(until), Site: b.site,
		}, state("0150"))
		b.clock.Set(until)
		requireProto(t, &extensionv1.Extension{Number: "0150", State: extensionv1.Extension_FREE, Site: b.site}, state("0150"))
		require.Equal(t, []string{"0150", "0100", "0101"}, numbersOf(b.allocate(t, r, "0150", "", "")))
	})
}

func numbersOf(as []*extensionv1.Allocation) []string {
	out := make([]string, len(as))
	for i, a := range as {
		out[i] = a.GetNumber()
	}
	return out
}

func TestCheck(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		b.newRange(t, r, "100", "199")
		home := b.site
		b.site = b.account + "/sites/" + uuid.NewString()
		b.newRange(t, r, "200", "299")
		away := b.allocate(t, r, "250")[0]
		_, err := r.exts.ReserveExtensions(b.admin(t), &extensionv1.ReserveExtensionsRequest{Parent: b.account, Numbers: []string{"150", "7777"}})
		require.NoError(t, err)

		type row struct{ number, state, site string }
		check := func(site string, numbers ...string) []row {
			res, err := r.exts.CheckExtensions(b.admin(t), &extensionv1.CheckExtensionsRequest{Parent: b.account, Numbers: numbers, Site: site})
			require.NoError(t, err)
			var out []row
			for _, ext := range res.GetExtensions() {
				out = append(out, row{ext.GetNumber(), ext.GetState().String(), ext.GetSite()})
			}
			return out
		}
		numbers := []string{"101", "112", "911", "150", "7777", "250", "251", "300", "101", "x", "x", ""}
		require.Equal(t, []row{
			{"101", "FREE", home}, {"112", "RESERVED", home}, {"911", "RESERVED", ""}, {"150", "RESERVED", home}, {"7777", "RESERVED", ""},
			{"250", "ASSIGNED", b.site}, {"251", "FREE", b.site}, {"300", "OUT_OF_RANGE", ""}, {"101", "DUPLICATE_IN_LIST", home},
			{"x", "INVALID", ""}, {"x", "INVALID", ""}, {"", "INVALID", ""},
		}, check("", numbers...))
		require.Equal(t, []row{
			{"101", "FREE", home}, {"250", "OUT_OF_RANGE", b.site}, {"251", "OUT_OF_RANGE", b.site}, {"112", "RESERVED", home},
		}, check(home, "101", "250", "251", "112"))
		require.Equal(t, away.GetNumber(), check(b.site, "250")[0].number)

		_, err = r.exts.CheckExtensions(b.admin(t), &extensionv1.CheckExtensionsRequest{Parent: b.account})
		reasonIs(t, err, commonv1.Reason_BATCH_EMPTY)
		_, err = r.exts.CheckExtensions(b.admin(t), &extensionv1.CheckExtensionsRequest{Parent: b.account, Numbers: make([]string, 1001)})
		require.Equal(t, map[string]string{"limit": "1000", "count": "1001"}, reasonIs(t, err, commonv1.Reason_BATCH_TOO_LARGE).Metadata())
		_, err = r.exts.CheckExtensions(b.admin(t), &extensionv1.CheckExtensionsRequest{Parent: b.account, Numbers: numbers, Site: "accounts/" + uuid.NewString() + "/sites/" + uuid.NewString()})
		reasonIs(t, err, commonv1.Reason_FIELD_INVALID)
	})
}

func TestReserve(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e, etcdtest.New(t).Endpoints()...)
		r := b.start(t)
		b.newRange(t, r, "100", "199")
		holder := b.allocate(t, r, "")[0]
		require.Equal(t, "100", holder.GetNumber())
		reserve := func(numbers ...string) (*extensionv1.ReserveExtensionsResponse, error) {
			return r.exts.ReserveExtensions(b.admin(t), &extensionv1.ReserveExtensionsRequest{Parent: b.account, Numbers: numbers})
		}
		res, err := reserve("102", "101")
		require.NoError(t, err)
		requireProto(t, []*extensionv1.Extension{
			{Number: "102", State: extensionv1.Extension_RESERVED, Site: b.site},
			{Number: "101", State: extensionv1.Extension_RESERVED, Site: b.site},
		}, res.GetExtensions())
		_, err = reserve("101", "103")
		require.NoError(t, err)
		require.Equal(t, "104", b.allocate(t, r, "")[0].GetNumber(), "the block in memory knows")

		_, err = reserve("120", "100", "104")
		refused := reasonIs(t, err, commonv1.Reason_EXTENSION_IN_USE)
		require.Equal(t, []string{"numbers[1]", "numbers[2]"}, fields(refused))
		require.Equal(t, holder.GetOwner(), refused.Metadata()["holder"])
		_, err = reserve("120", "121", "120")
		require.Equal(t, []string{"numbers[2]"}, fields(reasonIs(t, err, commonv1.Reason_DUPLICATE_IN_BATCH)))
		_, err = reserve("120", "1", "abc")
		require.Equal(t, []string{"numbers[1]", "numbers[2]"}, fields(reasonIs(t, err, commonv1.Reason_EXTENSION_INVALID)))
		_, err = reserve()
		reasonIs(t, err, commonv1.Reason_BATCH_EMPTY)

		free, err := r.exts.UnreserveExtensions(b.admin(t), &extensionv1.UnreserveExtensionsRequest{
			Parent: b.account, Numbers: []string{"102", "100", "112"},
		})
		require.NoError(t, err)
		requireProto(t, []*extensionv1.Extension{
			{Number: "102", State: extensionv1.Extension_FREE, Site: b.site},
			{Number: "100", State: extensionv1.Extension_ASSIGNED, Holder: holder.GetOwner(), Site: b.site},
			{Number: "112", State: extensionv1.Extension_RESERVED, Site: b.site},
		}, free.GetExtensions())
		require.Equal(t, "102", b.allocate(t, r, "")[0].GetNumber())
	})
}

func TestListExtensions(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		b.newRange(t, r, "1000", "1999")
		got := b.allocate(t, r, "1005", "", "", "")
		_, err := r.alloc.HoldExtensions(b.license(t), &extensionv1.HoldExtensionsRequest{Parent: b.account, Owners: []string{got[0].GetOwner()}})
		require.NoError(t, err)
		_, err = r.exts.ReserveExtensions(b.admin(t), &extensionv1.ReserveExtensionsRequest{Parent: b.account, Numbers: []string{"77"}})
		require.NoError(t, err)

		all := func(size int32, filter string) (numbers []string) {
			token := ""
			for {
				res, err := r.exts.ListExtensions(b.admin(t), &extensionv1.ListExtensionsRequest{
					Parent: b.account, PageSize: size, PageToken: token, Filter: filter,
				})
				require.NoError(t, err)
				for _, ext := range res.GetExtensions() {
					numbers = append(numbers, ext.GetNumber())
				}
				if token = res.GetNextPageToken(); token == "" {
					return numbers
				}
			}
		}
		want := []string{"77", "1000", "1001", "1002", "1005"}
		for size := range int32(6) {
			require.Equal(t, want, all(size, ""))
		}
		require.Equal(t, []string{"1005"}, all(1, "state = HELD"))
		require.Equal(t, []string{"1000", "1001", "1002", "1005"}, all(2, "state != RESERVED"))
		require.Equal(t, []string{"1001"}, all(0, `holder = "`+got[2].GetOwner()+`"`))
		require.Empty(t, all(0, `holder = "accounts/`+uuid.NewString()+`/phoneUsers/`+uuid.NewString()+`"`))
		_, err = r.exts.ListExtensions(b.admin(t), &extensionv1.ListExtensionsRequest{Parent: b.account, Filter: "number = 5"})
		reasonIs(t, err, commonv1.Reason_FILTER_INVALID)
		_, err = r.exts.ListExtensions(b.admin(t), &extensionv1.ListExtensionsRequest{Parent: b.account, PageToken: "x"})
		reasonIs(t, err, commonv1.Reason_PAGE_TOKEN_INVALID)
	})
}

func TestValidateOnly(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		b.newRange(t, r, "100", "105")
		req := &extensionv1.AllocateExtensionsRequest{Site: b.site, ValidateOnly: true}
		for range 3 {
			req.Allocations = append(req.Allocations, &extensionv1.Allocation{Owner: b.phoneUser()})
		}
		seen, err := r.alloc.AllocateExtensions(b.license(t), req)
		require.NoError(t, err)
		require.Equal(t, []string{"100", "101", "102"}, numbersOf(seen.GetAllocations()))
		list, err := r.exts.ListExtensions(b.admin(t), &extensionv1.ListExtensionsRequest{Parent: b.account})
		require.NoError(t, err)
		require.Empty(t, list.GetExtensions())
		req.ValidateOnly = false
		got, err := r.alloc.AllocateExtensions(b.license(t), req)
		require.NoError(t, err)
		requireProto(t, seen, got)
	})
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		lic := b.license(t)
		foreign := "accounts/" + uuid.NewString() + "/phoneUsers/" + uuid.NewString()
		allocate := func(site string, owners ...string) error {
			req := &extensionv1.AllocateExtensionsRequest{Site: site}
			for _, o := range owners {
				req.Allocations = append(req.Allocations, &extensionv1.Allocation{Owner: o})
			}
			_, err := r.alloc.AllocateExtensions(lic, req)
			return err
		}
		reasonIs(t, allocate("accounts/a/sites/s", b.phoneUser()), commonv1.Reason_NOT_FOUND)
		reasonIs(t, allocate(b.site), commonv1.Reason_FIELD_INVALID)
		reasonIs(t, allocate(b.site, make([]string, 1001)...), commonv1.Reason_FIELD_INVALID)
		require.Equal(t, []string{"allocations[1].owner"}, fields(reasonIs(t, allocate(b.site, b.phoneUser(), foreign), commonv1.Reason_FIELD_INVALID)))
		require.Equal(t, []string{"allocations[0].owner"}, fields(reasonIs(t, allocate(b.site, "somebody"), commonv1.Reason_FIELD_INVALID)))
		reasonIs(t, allocate(b.site, b.phoneUser()), commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
		_, err := r.alloc.ReleaseExtensions(lic, &extensionv1.ReleaseExtensionsRequest{Parent: b.account, Owners: []string{foreign}})
		require.Equal(t, []string{"owners[0]"}, fields(reasonIs(t, err, commonv1.Reason_FIELD_INVALID)))
		for _, d := range []*durationpb.Duration{{Seconds: -1}, {Seconds: 1, Nanos: -5}, {Seconds: 1 << 40}} {
			_, err = r.alloc.ReleaseExtensions(lic, &extensionv1.ReleaseExtensionsRequest{
				Parent: b.account, Owners: []string{b.phoneUser()}, Quarantine: d,
			})
			require.Equal(t, []string{"quarantine"}, fields(reasonIs(t, err, commonv1.Reason_FIELD_INVALID)))
		}
	})
}

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		b.newRange(t, r, "100", "199")
		account := b.account[len("accounts/"):]
		owner := b.as(t, map[string]any{"account": account, "role": "OWNER"})
		member := b.as(t, map[string]any{"account": account, "role": "MEMBER"})
		stranger := b.as(t, map[string]any{"account": uuid.NewString(), "role": "OWNER"})
		numbering := peertest.As(t.Context(), "numbering")
		everybody := map[string]context.Context{
			"nobody": t.Context(), "owner": owner, "admin": b.admin(t), "member": member, "stranger": stranger,
			"license": b.license(t), "numbering": numbering, "operator": b.operator(t),
		}
		calls := map[string]func(ctx context.Context) error{
			"allocate": func(ctx context.Context) error {
				_, err := r.alloc.AllocateExtensions(ctx, &extensionv1.AllocateExtensionsRequest{
					Site: b.site, Allocations: []*extensionv1.Allocation{{Owner: b.phoneUser()}},
				})
				return err
			},
			"list": func(ctx context.Context) error {
				_, err := r.exts.ListExtensions(ctx, &extensionv1.ListExtensionsRequest{Parent: b.account})
				return err
			},
			"check": func(ctx context.Context) error {
				_, err := r.exts.CheckExtensions(ctx, &extensionv1.CheckExtensionsRequest{Parent: b.account, Numbers: []string{"100"}})
				return err
			},
			"leases": func(ctx context.Context) error {
				_, err := r.ranges.ListExtensionLeases(ctx, &extensionv1.ListExtensionLeasesRequest{})
				return err
			},
		}
		may := map[string][]string{
			"allocate": {"license"}, "list": {"owner", "admin", "license", "operator"},
			"check": {"owner", "admin", "license", "operator"}, "leases": {"operator"},
		}
		for call, do := range calls {
			for who, ctx := range everybody {
				err := do(ctx)
				switch {
				case who == "nobody":
					reasonIs(t, err, commonv1.Reason_UNAUTHENTICATED)
				case contains(may[call], who):
					require.NoError(t, err, "%s by %s", call, who)
				default:
					require.Equal(t, commonv1.Reason_PERMISSION_DENIED, errs.Reason(err), "%s by %s", call, who)
				}
			}
		}
	})
}

func contains(all []string, s string) bool {
	for _, v := range all {
		if v == s {
			return true
		}
	}
	return false
}

func TestMetricsAndHealth(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		b.newRange(t, r, "100", "199")
		b.allocate(t, r, "", "")
		get := func(path string) (int, string) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.ops+path, nil)
			require.NoError(t, err)
			res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
			require.NoError(t, err)
			defer func() { require.NoError(t, res.Body.Close()) }()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return res.StatusCode, string(body)
		}
		_, metrics := get("/metrics")
		require.Regexp(t, `(?m)^switchboard_extension_allocations_total\{[^}]*path="database"[^}]*\} 2$`, excerpt(metrics, "switchboard_extension_alloc"))
		require.NotEmpty(t, excerpt(metrics, "switchboard_extension_group_seconds"))
		require.NotEmpty(t, excerpt(metrics, "switchboard_extension_blocks_held"))
		require.NotEmpty(t, excerpt(metrics, "switchboard_db_"))
		require.Regexp(t, `(?m)_count\{[^}]*path="database"[^}]*\} 1$`, excerpt(metrics, "switchboard_extension_allocate_seconds_count"))
		b.newRange(t, r, "10", "19")
		b.allocate(t, r, "10", "11", "12", "13", "14", "15", "16", "17", "18")
		testkit.Eventually(t, 10*time.Second, func() error {
			_, metrics := get("/metrics")
			left := excerpt(metrics, "switchboard_extension_range")
			for _, want := range []string{`class="small",fill="nearly_full"`, `class="small",fill="low"`} {
				if !regexp.MustCompile(`(?m)^switchboard_extension_ranges\{[^}]*` + want + `[^}]*\} 1$`).MatchString(left) {
					return fmt.Errorf("no range is %s in:\n%s", want, left)
				}
			}
			if !regexp.MustCompile(`(?m)^switchboard_extension_range_free_numbers\{[^}]*` + b.site + `/[^}]*\} 1$`).MatchString(left) {
				return fmt.Errorf("one number should be left:\n%s", left)
			}
			return nil
		})
		testkit.Eventually(t, 10*time.Second, func() error {
			if code, body := get("/readyz"); code != http.StatusOK {
				return fmt.Errorf("%d: %s", code, body)
			}
			return nil
		})
	})
}

// excerpt returns the lines that begin with prefix.
func excerpt(text, prefix string) string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n")
}

func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		cfg := b.cfg
		cfg.Database.URL = e.NewURL(t, nil)
		_, err := extension.New(t.Context(), cfg, extension.Options{})
		require.ErrorContains(t, err, "schema is older")
		cfg = b.cfg
		cfg.ReservedNumbers = []string{"1-1-2"}
		_, err = extension.New(t.Context(), cfg, extension.Options{})
		require.ErrorContains(t, err, "reserved_numbers")
		cfg = b.cfg
		cfg.Leasing.Enabled = true
		_, err = extension.New(t.Context(), cfg, extension.Options{})
		require.ErrorContains(t, err, "endpoints")
	})
}

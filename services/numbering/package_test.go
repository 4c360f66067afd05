package numbering_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

func equal(t *testing.T, want, got any) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got, protocmp.Transform(), cmpopts.EquateEmpty()))
}

func TestPackages(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		made, err := b.packages.CreatePackage(b.admin, &numberingv1.CreatePackageRequest{Parent: b.parent(), Package: &numberingv1.Package{
			Name: "accounts/x/packages/y", DisplayName: "  Gold \t", Kind: "international ", Seats: 3,
			Assigned: 99, State: numberingv1.Package_INACTIVE, Etag: "mine",
		}})
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(made.GetName(), b.parent()+"/packages/"))
		require.NotEmpty(t, made.GetEtag())
		equal(t, &numberingv1.Package{
			Name: made.GetName(), DisplayName: "Gold", Kind: "international", Seats: 3, State: numberingv1.Package_ACTIVE,
			CreateTime: timestamppb.New(b.clock.Now().Truncate(1000)), Etag: made.GetEtag(),
		}, made)
		got, err := b.packages.GetPackage(b.admin, &numberingv1.GetPackageRequest{Name: made.GetName()})
		require.NoError(t, err)
		equal(t, made, got)

		b.assign(made.GetName(), want(b.owner()), want(b.owner()))
		off, err := b.packages.DeactivatePackage(b.admin, &numberingv1.DeactivatePackageRequest{Name: made.GetName()})
		require.NoError(t, err)
		require.Equal(t, numberingv1.Package_INACTIVE, off.GetState())
		require.Equal(t, int32(2), off.GetAssigned())
		require.NotEqual(t, made.GetEtag(), off.GetEtag())
		again, err := b.packages.DeactivatePackage(b.admin, &numberingv1.DeactivatePackageRequest{Name: made.GetName()})
		require.NoError(t, err)
		equal(t, off, again)
		on, err := b.packages.ActivatePackage(b.admin, &numberingv1.ActivatePackageRequest{Name: made.GetName()})
		require.NoError(t, err)
		require.Equal(t, numberingv1.Package_ACTIVE, on.GetState())
	})
}

func TestUpdatePackage(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		name := b.pkg("Gold", 3)
		b.pkg("Silver", 3)
		b.assign(name, want(b.owner()), want(b.owner()))
		update := func(p *numberingv1.Package, mask ...string) (*numberingv1.Package, error) {
			p.Name = name
			req := &numberingv1.UpdatePackageRequest{Package: p}
			if len(mask) > 0 {
				req.UpdateMask = &fieldmaskpb.FieldMask{Paths: mask}
			}
			return b.packages.UpdatePackage(b.admin, req)
		}
		p, err := update(&numberingv1.Package{DisplayName: "ignored", Seats: 2}, "seats")
		require.NoError(t, err)
		require.Equal(t, []any{"Gold", int32(2), "domestic"}, []any{p.GetDisplayName(), p.GetSeats(), p.GetKind()})
		p, err = update(&numberingv1.Package{DisplayName: "Platinum", Etag: p.GetEtag()})
		require.NoError(t, err)
		require.Equal(t, []any{"Platinum", int32(2), "domestic"}, []any{p.GetDisplayName(), p.GetSeats(), p.GetKind()})
		// The whole resource comes back with one change, as clients send it that know no masks: what is output only is ignored.
		sent := proto.CloneOf(p)
		sent.Kind, sent.Assigned, sent.State, sent.CreateTime = "", 77, numberingv1.Package_INACTIVE, nil
		p, err = update(sent, "name", "display_name", "kind", "seats", "assigned", "state", "create_time", "etag")
		require.NoError(t, err)
		require.Equal(t, []any{"Platinum", int32(2), "", int32(2)}, []any{p.GetDisplayName(), p.GetSeats(), p.GetKind(), p.GetAssigned()})
		require.Equal(t, numberingv1.Package_ACTIVE, p.GetState())
		p, err = update(&numberingv1.Package{DisplayName: "Whole", Seats: 9}, "*")
		require.NoError(t, err)

		_, err = update(&numberingv1.Package{Seats: 1}, "seats")
		refused(t, err, commonv1.Reason_FIELD_INVALID, "package.seats")
		_, err = update(&numberingv1.Package{Seats: 10_000_001}, "seats")
		refused(t, err, commonv1.Reason_FIELD_INVALID, "package.seats")
		for _, empty := range []string{"", " \t", "a\x00b", "\u3000"} {
			_, err = update(&numberingv1.Package{DisplayName: empty}, "display_name")
			refused(t, err, commonv1.Reason_FIELD_INVALID, "package.display_name")
		}
		_, err = update(&numberingv1.Package{Kind: "a\nb"}, "kind")
		refused(t, err, commonv1.Reason_FIELD_INVALID, "package.kind")
		_, err = update(&numberingv1.Package{DisplayName: "SILVER"}, "display_name")
		meta := refused(t, err, commonv1.Reason_NAME_IN_USE)
		require.Equal(t, map[string]string{"field": "display_name", "value": "SILVER"}, meta)
		_, err = update(&numberingv1.Package{Seats: 5}, "seat")
		refused(t, err, commonv1.Reason_FIELD_INVALID, "update_mask")
		_, err = update(&numberingv1.Package{Seats: 5, Etag: `"old"`}, "seats")
		meta = refused(t, err, commonv1.Reason_ETAG_MISMATCH)
		require.Equal(t, p.GetEtag(), meta["etag"])

		got, err := b.packages.GetPackage(b.admin, &numberingv1.GetPackageRequest{Name: name})
		require.NoError(t, err)
		equal(t, p, got)
	})
}

func TestListPackages(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		for _, i := range []int{3, 1, 4, 5, 2} {
			b.pkg(fmt.Sprintf("Package %d", i), 1)
		}
		var names []string
		req := &numberingv1.ListPackagesRequest{Parent: b.parent(), PageSize: 2}
		for {
			resp, err := b.packages.ListPackages(b.license, req)
			require.NoError(t, err)
			require.LessOrEqual(t, len(resp.GetPackages()), 2)
			for _, p := range resp.GetPackages() {
				names = append(names, p.GetDisplayName())
			}
			if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		require.Equal(t, []string{"Package 1", "Package 2", "Package 3", "Package 4", "Package 5"}, names)
		_, err := b.packages.ListPackages(b.admin, &numberingv1.ListPackagesRequest{Parent: b.parent(), PageToken: "bm9uc2Vuc2U"})
		refused(t, err, commonv1.Reason_PAGE_TOKEN_INVALID)
	})
}

func TestPackagesNotFound(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		for _, name := range []string{b.parent() + "/packages/" + uuid.NewString(), b.parent() + "/packages/x"} {
			_, err := b.packages.GetPackage(b.admin, &numberingv1.GetPackageRequest{Name: name})
			require.Equal(t, name, refused(t, err, commonv1.Reason_NOT_FOUND)["resource"])
			_, err = b.packages.ActivatePackage(b.admin, &numberingv1.ActivatePackageRequest{Name: name})
			refused(t, err, commonv1.Reason_NOT_FOUND)
			_, err = b.packages.UpdatePackage(b.admin, &numberingv1.UpdatePackageRequest{Package: &numberingv1.Package{Name: name}})
			refused(t, err, commonv1.Reason_NOT_FOUND)
		}
	})
}

// Who may do what is written in the protos; this shows that it is in force for every service here.
func TestAccess(t *testing.T) {
	t.Parallel()
	e := testkit.Engines(t)[0]
	b := setup(t, e)
	name := b.pkg("P", 1)
	calls := map[string]func(ctx context.Context) error{
		"package": func(ctx context.Context) error {
			_, err := b.packages.GetPackage(ctx, &numberingv1.GetPackageRequest{Name: name})
			return err
		},
		"numbers": func(ctx context.Context) error {
			_, err := b.numbers.ListPhoneNumbers(ctx, &numberingv1.ListPhoneNumbersRequest{Parent: b.parent()})
			return err
		},
		"assignments": func(ctx context.Context) error {
			_, err := b.assignments.BatchGetAssignments(ctx, &numberingv1.BatchGetAssignmentsRequest{Parent: b.parent(), Owners: b.owners(1)})
			return err
		},
	}
	for who, c := range map[string]struct {
		ctx context.Context
		may map[string]bool
	}{
		"owner":    {b.as(t, map[string]any{"account": b.account.String(), "role": "OWNER"}), map[string]bool{"package": true, "numbers": true}},
		"admin":    {b.admin, map[string]bool{"package": true, "numbers": true}},
		"operator": {b.as(t, map[string]any{"operator": true}), map[string]bool{"package": true, "numbers": true}},
		"license":  {b.license, map[string]bool{"assignments": true}},
		"member":   {b.as(t, map[string]any{"account": b.account.String(), "role": "MEMBER"}), nil},
		"stranger": {b.as(t, map[string]any{"account": uuid.NewString(), "role": "OWNER"}), nil},
		"other":    {peertest.As(t.Context(), "notification"), nil},
	} {
		for what, call := range calls {
			err := call(c.ctx)
			if c.may[what] {
				require.NoError(t, err, "%s: %s", who, what)
				continue
			}
			require.Equal(t, commonv1.Reason_PERMISSION_DENIED, errs.Reason(err), "%s: %s", who, what)
		}
	}
	require.Equal(t, commonv1.Reason_UNAUTHENTICATED, errs.Reason(calls["package"](t.Context())))
}

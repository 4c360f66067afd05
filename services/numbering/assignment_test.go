package numbering_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// holds is an assignment as the service answers it.
func holds(owner, pkg string, numbers ...string) *numberingv1.Assignment {
	a := &numberingv1.Assignment{Owner: owner, Package: pkg, PhoneNumbers: numbers}
	if pkg != "" {
		a.PackageState = numberingv1.Package_ACTIVE.Enum()
	}
	return a
}

func TestAssignPackages(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		p, q, n, o := b.pkg("P", 3), b.pkg("Q", 3), b.numbered(4), b.owners(3)
		answer := []*numberingv1.Assignment{holds(o[1], p, n[3], n[0]), holds(o[0], p)}
		for range 2 {
			equal(t, answer, b.assign(p, want(o[1], n[3], n[0], n[3]), want(o[0])))
		}
		equal(t, []*numberingv1.Assignment{holds(o[0], p), holds(o[2], ""), holds(o[1], p, n[3], n[0])}, b.held(o[0], o[2], o[1]))
		require.Equal(t, 2, b.assigned(p))

		equal(t, []*numberingv1.Assignment{holds(o[1], q, n[3], n[0], n[1])}, b.assign(q, want(o[1], n[1])))
		require.Equal(t, 1, b.assigned(p))
		require.Equal(t, 1, b.assigned(q))
		_, err := b.packages.DeactivatePackage(b.admin, &numberingv1.DeactivatePackageRequest{Name: q})
		require.NoError(t, err)
		inactive := holds(o[1], q, n[3], n[0], n[1])
		inactive.PackageState = numberingv1.Package_INACTIVE.Enum()
		equal(t, []*numberingv1.Assignment{inactive}, b.held(o[1]))
	})
}

func TestAssignPackagesRefused(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		p, off, n, o := b.pkg("P", 2), b.pkg("Off", 2), b.numbered(3), b.owners(4)
		_, err := b.packages.DeactivatePackage(b.admin, &numberingv1.DeactivatePackageRequest{Name: off})
		require.NoError(t, err)
		b.assign(p, want(o[0], n[0]))
		stranger := "accounts/" + uuid.NewString() + "/phoneUsers/" + uuid.NewString()
		for name, c := range map[string]struct {
			pkg    string
			wants  []*numberingv1.Assignment
			reason commonv1.Reason
			fields []string
			meta   map[string]string
		}{
			"no such package": {
				b.parent() + "/packages/" + uuid.NewString(), []*numberingv1.Assignment{want(o[1])}, commonv1.Reason_NOT_FOUND, nil, nil},
			"another account's package": {
				"accounts/" + uuid.NewString() + "/packages/" + uuid.NewString(), []*numberingv1.Assignment{want(o[1])}, commonv1.Reason_NOT_FOUND, nil, nil},
			"bad owners": {
				p, []*numberingv1.Assignment{want(o[1]), want("x"), want(stranger)}, commonv1.Reason_NOT_FOUND,
				[]string{"assignments[1]", "assignments[2]"}, map[string]string{"resource": "x"}},
			"inactive": {
				off, []*numberingv1.Assignment{want(o[1]), want(o[0])}, commonv1.Reason_PACKAGE_INACTIVE,
				[]string{"assignments[0]", "assignments[1]"}, map[string]string{"package": off}},
			"no seats": {
				p, []*numberingv1.Assignment{want(o[1]), want(o[0]), want(o[2]), want(o[3])}, commonv1.Reason_PACKAGE_SEATS_EXHAUSTED,
				[]string{"assignments[2]", "assignments[3]"},
				map[string]string{"package": p, "seats": "2", "assigned": "1", "requested": "3"}},
			"numbers": {
				p, []*numberingv1.Assignment{want(o[1], n[1], n[0], "+15559999999")}, commonv1.Reason_NUMBER_NOT_AVAILABLE,
				[]string{"assignments[0].phone_numbers[1]", "assignments[0].phone_numbers[2]"}, map[string]string{"number": n[0]}},
			"bad numbers": {
				p, []*numberingv1.Assignment{want(o[0], n[0]), want(o[1], "1a", "x")}, commonv1.Reason_NUMBER_INVALID,
				[]string{"assignments[1].phone_numbers[0]", "assignments[1].phone_numbers[1]"}, map[string]string{"number": "1a"}},
			"number with NUL": {
				p, []*numberingv1.Assignment{want(o[0], n[0]), want(o[1], "1\x00")}, commonv1.Reason_FIELD_INVALID,
				[]string{"assignments[1].phone_numbers[0]"}, nil},
			"owner twice": {
				p, []*numberingv1.Assignment{want(o[1]), want(o[2]), want(o[1])}, commonv1.Reason_DUPLICATE_IN_BATCH, []string{"assignments[2]"}, nil},
			"number twice": {
				p, []*numberingv1.Assignment{want(o[0], n[1]), want(o[1], n[1])}, commonv1.Reason_DUPLICATE_IN_BATCH, []string{"assignments[1].phone_numbers[0]"}, nil},
			"none": {p, nil, commonv1.Reason_FIELD_INVALID, []string{"assignments"}, nil},
		} {
			for _, validateOnly := range []bool{true, false} {
				_, err := b.assignments.AssignPackages(b.license, &numberingv1.AssignPackagesRequest{
					Parent: b.parent(), Package: c.pkg, Assignments: c.wants, ValidateOnly: validateOnly,
				})
				meta := refused(t, err, c.reason, c.fields...)
				for k, v := range c.meta {
					require.Equal(t, v, meta[k], "%s: %s", name, k)
				}
			}
		}
		equal(t, []*numberingv1.Assignment{holds(o[0], p, n[0]), holds(o[1], ""), holds(o[2], "")}, b.held(o[:3]...))
		require.Equal(t, 1, b.assigned(p))
	})
}

func TestValidateOnly(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		p, n, o := b.pkg("P", 2), b.numbered(2), b.owners(2)
		b.assign(p, want(o[0]))
		assigned, err := b.assignments.AssignPackages(b.license, &numberingv1.AssignPackagesRequest{
			Parent: b.parent(), Package: p, Assignments: []*numberingv1.Assignment{want(o[1], n[0])}, ValidateOnly: true,
		})
		require.NoError(t, err)
		equal(t, []*numberingv1.Assignment{holds(o[1], p, n[0])}, assigned.GetAssignments())
		numbered, err := b.assignments.AssignNumbers(b.license, &numberingv1.AssignNumbersRequest{
			Parent: b.parent(), Owner: o[0], PhoneNumbers: n, ValidateOnly: true,
		})
		require.NoError(t, err)
		equal(t, holds(o[0], p, n...), numbered.GetAssignment())
		restored, err := b.assignments.RestoreAssignments(b.license, &numberingv1.RestoreAssignmentsRequest{
			Parent: b.parent(), Wanted: []*numberingv1.Assignment{holds(o[1], p, n...)}, ValidateOnly: true,
		})
		require.NoError(t, err)
		equal(t, []*numberingv1.Assignment{holds(o[1], p, n...)}, restored.GetRestored())

		equal(t, []*numberingv1.Assignment{holds(o[0], p), holds(o[1], "")}, b.held(o...))
		require.Equal(t, 1, b.assigned(p))
		require.Len(t, b.listed("state = AVAILABLE", ""), 2)
	})
}

func TestNumbersOfAnOwner(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		p, n, o := b.pkg("P", 2), b.numbered(4), b.owners(2)
		give := func(owner string, numbers ...string) (*numberingv1.Assignment, error) {
			resp, err := b.assignments.AssignNumbers(b.license, &numberingv1.AssignNumbersRequest{Parent: b.parent(), Owner: owner, PhoneNumbers: numbers})
			return resp.GetAssignment(), err
		}
		_, err := give(o[0], n[0])
		refused(t, err, commonv1.Reason_PACKAGE_REQUIRED)
		b.assign(p, want(o[0]), want(o[1], n[3]))
		got, err := give(o[0], n[2], n[0])
		require.NoError(t, err)
		equal(t, holds(o[0], p, n[2], n[0]), got)
		_, err = give(o[0], n[1], n[3])
		require.Equal(t, n[3], refused(t, err, commonv1.Reason_NUMBER_NOT_AVAILABLE, "phone_numbers[1]")["number"])
		_, err = give(o[0], "0", n[1])
		refused(t, err, commonv1.Reason_NUMBER_INVALID, "phone_numbers[0]")
		_, err = give("x", n[1])
		refused(t, err, commonv1.Reason_NOT_FOUND)

		for range 2 {
			resp, err := b.assignments.UnassignNumbers(b.license, &numberingv1.UnassignNumbersRequest{
				Parent: b.parent(), Owner: o[0], PhoneNumbers: []string{n[2], n[3], "rubbish"}, Quarantine: durationpb.New(24 * time.Hour),
			})
			require.NoError(t, err)
			equal(t, holds(o[0], p, n[0]), resp.GetAssignment())
		}
		_, err = b.assignments.UnassignNumbers(b.license, &numberingv1.UnassignNumbersRequest{
			Parent: b.parent(), Owner: o[0], PhoneNumbers: []string{n[2], "rubbish\x00"},
		})
		refused(t, err, commonv1.Reason_FIELD_INVALID, "phone_numbers[1]")
		_, err = give(o[1], n[2])
		refused(t, err, commonv1.Reason_NUMBER_NOT_AVAILABLE, "phone_numbers[0]")
		b.clock.Advance(24 * time.Hour)
		got, err = give(o[1], n[2])
		require.NoError(t, err)
		equal(t, holds(o[1], p, n[3], n[2]), got)
	})
}

func TestRemoveAndRestore(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		p, n, o := b.pkg("P", 2), b.numbered(3), b.owners(3)
		b.assign(p, want(o[0], n[1], n[0]), want(o[1], n[2]))
		remove := func(owners ...string) []*numberingv1.Assignment {
			resp, err := b.assignments.RemoveAssignments(b.license, &numberingv1.RemoveAssignmentsRequest{Parent: b.parent(), Owners: owners})
			require.NoError(t, err)
			return resp.GetRemoved()
		}
		removed := remove(o[2], o[0], o[1])
		equal(t, []*numberingv1.Assignment{holds(o[2], ""), holds(o[0], p, n[1], n[0]), holds(o[1], p, n[2])}, removed)
		equal(t, []*numberingv1.Assignment{holds(o[0], "")}, remove(o[0]))
		require.Zero(t, b.assigned(p))
		require.Len(t, b.listed("state = AVAILABLE", ""), 3)

		b.assign(p, want(o[2], n[0])) // somebody else takes a seat and a number meanwhile
		gone := b.parent() + "/packages/" + uuid.NewString()
		for range 2 {
			resp, err := b.assignments.RestoreAssignments(b.license, &numberingv1.RestoreAssignmentsRequest{
				Parent: b.parent(), Wanted: append(removed[1:3:3], holds(o[2], gone)),
			})
			require.NoError(t, err)
			equal(t, []*numberingv1.Assignment{holds(o[0], p, n[1]), holds(o[1], ""), holds(o[2], p, n[0])}, resp.GetRestored())
			missing := holds(o[2], gone)
			missing.PackageState = nil
			equal(t, []*numberingv1.Assignment{{Owner: o[0], PhoneNumbers: n[:1]}, holds(o[1], p, n[2]), missing}, resp.GetMissing())
		}
		require.Equal(t, 2, b.assigned(p))

		_, err := b.assignments.RestoreAssignments(b.license, &numberingv1.RestoreAssignmentsRequest{
			Parent: b.parent(), Wanted: []*numberingv1.Assignment{holds(o[0], p), holds(o[1], "packages/x")},
		})
		require.Equal(t, "packages/x", refused(t, err, commonv1.Reason_NOT_FOUND, "wanted[1]")["resource"])
		_, err = b.assignments.RemoveAssignments(b.license, &numberingv1.RemoveAssignmentsRequest{Parent: b.parent(), Owners: []string{o[0], "x"}})
		refused(t, err, commonv1.Reason_NOT_FOUND, "owners[1]")
		_, err = b.assignments.RemoveAssignments(b.license, &numberingv1.RemoveAssignmentsRequest{Parent: "accounts/x", Owners: o})
		refused(t, err, commonv1.Reason_NOT_FOUND)
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := setup(t, testkit.Engines(t)[0])
	b.assign(b.pkg("P", 1), want(b.owner()))
	resp, err := http.Get("http://" + b.ops + "/metrics")
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	for _, series := range []string{
		`switchboard_numbering_commands_total{kind="assign_package",outcome="ok"`, `switchboard_numbering_group_commands_count`,
		`switchboard_numbering_broken_total`, `switchboard_db_seconds_count{op="numbering.Change"`,
	} {
		require.Contains(t, string(text), "\n"+series)
	}
}

package numbering_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/numbering"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// books is everything that an account's books say, in a form to compare.
func (b *bundle) books(owners ...string) string {
	b.Helper()
	resp, err := b.packages.ListPackages(b.admin, &numberingv1.ListPackagesRequest{Parent: b.parent()})
	require.NoError(b, err)
	out := ""
	for _, p := range resp.GetPackages() {
		out += fmt.Sprintln(p.GetDisplayName(), p.GetKind(), p.GetState(), p.GetAssigned(), "of", p.GetSeats())
	}
	for _, n := range b.listed("", "") {
		out += fmt.Sprintln(n.GetNumber(), n.GetState(), n.GetAssignee())
	}
	for _, a := range b.held(owners...) {
		out += fmt.Sprintln(a.GetOwner(), a.GetPackage() != "", a.GetPhoneNumbers())
	}
	return out
}

// A thousand people are given the same package at the same time by two replicas, and there are 900 seats.
func TestThousandAtOnce(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		const callers, seats = 1000, 900
		b := setup(t, e)
		replicas := []replica{b.replica, b.start(t)}
		p, o, n := b.pkg("P", seats), b.owners(callers), b.numbered(callers)
		errors := make([]error, callers)
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				_, errors[i] = replicas[i%2].assignments.AssignPackages(b.license, &numberingv1.AssignPackagesRequest{
					Parent: b.parent(), Package: p, Assignments: []*numberingv1.Assignment{want(o[i], n[i])},
				})
			})
		}
		all.Wait()
		got := b.held(o...)
		succeeded := 0
		for i, err := range errors {
			if err == nil {
				succeeded++
				equal(t, holds(o[i], p, n[i]), got[i])
				continue
			}
			require.Equal(t, commonv1.Reason_PACKAGE_SEATS_EXHAUSTED, errs.Reason(err), "%v", err)
			equal(t, holds(o[i], ""), got[i])
		}
		require.Equal(t, seats, succeeded)
		require.Equal(t, seats, b.assigned(p))
		require.Len(t, b.listed("state = ASSIGNED", ""), seats)
	})
}

// Whatever operation is carried out and then reported as failed (its answer is lost), the caller repeats it, and the books are
// as if nothing had happened. Both ways of failing: without a reason, and with a commit of unknown result.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		for name, lost := range map[string]error{
			"lost": errors.New("the answer was lost"), "ambiguous": &crdb.AmbiguousError{Op: "test", Err: errors.New("connection lost")},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				clean, broken := setup(t, e), setup(t, e)
				broken.account, broken.admin = clean.account, broken.as(t, map[string]any{"account": clean.account.String(), "role": "ADMIN"})
				owners := clean.owners(3)
				wantBooks := script(t, clean, owners, func(_ string, call func() error) { require.NoError(t, call()) })
				gotBooks := script(t, broken, owners, func(op string, call func() error) {
					hit := broken.faults.Hits(op)
					broken.faults.FailAfter(op, hit+1, lost)
					err := call()
					broken.faults.Clear()
					require.Greater(t, broken.faults.Hits(op), hit, "the fault was not met")
					if err == nil {
						return // found out by asking the database
					}
					// Creating and deleting by name finds, when repeated, that it has been done.
					done := []commonv1.Reason{commonv1.Reason_NUMBER_EXISTS, commonv1.Reason_NAME_IN_USE, commonv1.Reason_NOT_FOUND}
					if err = call(); err != nil {
						require.Contains(t, done, errs.Reason(err), "%v", err)
					}
				})
				require.Equal(t, wantBooks, gotBooks)
			})
		}
	})
}

// script makes one call of every kind that writes and returns the books after each. do makes the call, given the name of the
// database operation behind it.
func script(t *testing.T, b *bundle, o []string, do func(op string, call func() error)) (books []string) {
	t.Helper()
	pkg := func(name string) string {
		resp, err := b.packages.ListPackages(b.admin, &numberingv1.ListPackagesRequest{Parent: b.parent()})
		require.NoError(t, err)
		for _, p := range resp.GetPackages() {
			if p.GetDisplayName() == name {
				return p.GetName()
			}
		}
		return ""
	}
	n := []string{"+15550100001", "+15550100002", "+15550100003"}
	ctx := b.license
	steps := []struct {
		op   string
		call func() error
	}{
		{"numbering.CreatePackage", func() error {
			_, err := b.packages.CreatePackage(b.admin, &numberingv1.CreatePackageRequest{Parent: b.parent(), Package: &numberingv1.Package{DisplayName: "P", Seats: 2}})
			return err
		}},
		{"numbering.CreatePackage", func() error {
			_, err := b.packages.CreatePackage(b.admin, &numberingv1.CreatePackageRequest{Parent: b.parent(), Package: &numberingv1.Package{DisplayName: "Q", Seats: 1}})
			return err
		}},
		{"numbering.UpdatePackage", func() error {
			_, err := b.packages.UpdatePackage(b.admin, &numberingv1.UpdatePackageRequest{
				Package: &numberingv1.Package{Name: pkg("P"), Kind: "x", Seats: 3}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"kind", "seats"}},
			})
			return err
		}},
		{"numbering.CreateNumbers", func() error {
			_, err := b.numbers.BatchCreatePhoneNumbers(b.admin, createRequest(b, n...))
			return err
		}},
		{"numbering.DeleteNumbers", func() error {
			_, err := b.numbers.BatchDeletePhoneNumbers(b.admin, &numberingv1.BatchDeletePhoneNumbersRequest{Parent: b.parent(), PhoneNumbers: n[2:]})
			return err
		}},
		{"numbering.Change", func() error {
			_, err := b.assignments.AssignPackages(ctx, &numberingv1.AssignPackagesRequest{
				Parent: b.parent(), Package: pkg("P"), Assignments: []*numberingv1.Assignment{want(o[0], n[0]), want(o[1]), want(o[2])},
			})
			return err
		}},
		{"numbering.Change", func() error {
			_, err := b.assignments.AssignPackages(ctx, &numberingv1.AssignPackagesRequest{
				Parent: b.parent(), Package: pkg("Q"), Assignments: []*numberingv1.Assignment{want(o[1])},
			})
			return err
		}},
		{"numbering.Change", func() error {
			_, err := b.assignments.AssignNumbers(ctx, &numberingv1.AssignNumbersRequest{Parent: b.parent(), Owner: o[1], PhoneNumbers: n[1:2]})
			return err
		}},
		{"numbering.Change", func() error {
			_, err := b.assignments.UnassignNumbers(ctx, &numberingv1.UnassignNumbersRequest{Parent: b.parent(), Owner: o[0], PhoneNumbers: n[:1]})
			return err
		}},
		{"numbering.Change", func() error {
			_, err := b.assignments.RemoveAssignments(ctx, &numberingv1.RemoveAssignmentsRequest{Parent: b.parent(), Owners: o[:2]})
			return err
		}},
		{"numbering.Change", func() error {
			_, err := b.assignments.RestoreAssignments(ctx, &numberingv1.RestoreAssignmentsRequest{
				Parent: b.parent(), Wanted: []*numberingv1.Assignment{holds(o[0], pkg("Q"), n[:2]...), holds(o[1], pkg("Q"), n[1])},
			})
			return err
		}},
		{"numbering.UpdatePackage", func() error {
			_, err := b.packages.DeactivatePackage(b.admin, &numberingv1.DeactivatePackageRequest{Name: pkg("Q")})
			return err
		}},
	}
	for _, s := range steps {
		do(s.op, s.call)
		books = append(books, b.books(o...))
	}
	return books
}

// Reads whose answer is lost fail, or are repeated, and that is all.
func TestLostReads(t *testing.T) {
	t.Parallel()
	b := setup(t, testkit.Engines(t)[0])
	name := b.pkg("P", 1)
	for op, call := range map[string]func() error{
		"numbering.GetPackage": func() error {
			_, err := b.packages.GetPackage(b.admin, &numberingv1.GetPackageRequest{Name: name})
			return err
		},
		"numbering.ListPackages": func() error {
			_, err := b.packages.ListPackages(b.admin, &numberingv1.ListPackagesRequest{Parent: b.parent()})
			return err
		},
		"numbering.ListNumbers": func() error {
			_, err := b.numbers.ListPhoneNumbers(b.admin, &numberingv1.ListPhoneNumbersRequest{Parent: b.parent()})
			return err
		},
		"numbering.CountNumbers": func() error {
			_, err := b.numbers.ListPhoneNumbers(b.admin, &numberingv1.ListPhoneNumbersRequest{Parent: b.parent()})
			return err
		},
		"numbering.Preview": func() error {
			_, err := b.assignments.BatchGetAssignments(b.license, &numberingv1.BatchGetAssignmentsRequest{Parent: b.parent(), Owners: b.owners(1)})
			return err
		},
	} {
		b.faults.FailAfter(op, b.faults.Hits(op)+1, errors.New("secret driver text"))
		err := call()
		require.Equal(t, commonv1.Reason_INTERNAL, errs.Reason(err), op)
		require.NotContains(t, err.Error(), "secret")
		require.NoError(t, call(), op)
	}
}

// A service refuses to start on a database that lacks its schema.
func TestSchemaMissing(t *testing.T) {
	t.Parallel()
	e := testkit.Engines(t)[0]
	cfg := numbering.DefaultConfig()
	cfg.Database.URL = e.NewURL(t, nil)
	cfg.Auth.Issuer = "http://127.0.0.1:1"
	cfg.TLS.Plaintext = true
	_, err := numbering.New(t.Context(), cfg, numbering.Options{Clock: clock.NewFake(time.Now())})
	require.ErrorContains(t, err, "migrate")
	require.NoError(t, numbering.Migrate(context.Background(), cfg.Database.URL, nil))
	cfg.Server.Addr, cfg.Server.OpsAddr = "127.0.0.1:0", "127.0.0.1:0"
	s, err := numbering.New(t.Context(), cfg, numbering.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

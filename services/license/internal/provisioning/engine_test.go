package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// eachWorld runs test on every engine.
func eachWorld(t *testing.T, test func(t *testing.T, newWorld func(seats, people int) *world)) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		script := &faults.Script{}
		url := e.NewURL(t, migrations.FS)
		db := e.Open(t, url, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script })
		quiet := e.Open(t, url)
		var open *world
		test(t, func(seats, people int) *world {
			if open != nil {
				open.close()
			}
			open = newWorld(t, db, quiet, script, seats, people)
			return open
		})
	})
}

func TestAssign(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld func(seats, people int) *world) {
		w, pkg := newWorld(5, 4), uuid.New()
		answer, err := w.engine.Assign(t.Context(), w.assignment("r", pkg, 0, 1, 2))
		require.NoError(t, err)
		require.Len(t, answer.GetPhoneUsers(), 3)
		for i, p := range answer.GetPhoneUsers() {
			require.Equal(t, w.people[i].DisplayName, p.GetDisplayName(), "in the order asked")
			require.Equal(t, fmt.Sprint(1000+i), p.GetExtensionNumber())
			require.Equal(t, licensev1.PhoneUser_ACTIVE, p.GetState())
			require.True(t, p.GetOutboundCalling())
		}
		again, err := w.engine.Assign(t.Context(), w.assignment("r", pkg, 0, 1, 2))
		require.NoError(t, err)
		require.Equal(t, answer.String(), again.String(), "the first answer is replayed")
		_, err = w.engine.Assign(t.Context(), w.assignment("r", pkg, 3))
		require.Equal(t, commonv1.Reason_REQUEST_ID_REUSED, errs.Reason(err))
		w.settle(t)
		w.check(t)
		require.Len(t, w.mail.mail, 3)
	})
}

// TestAssignRefused shows that a refusal in the middle leaves nothing behind, whichever service refuses.
func TestAssignRefused(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld func(seats, people int) *world) {
		for reason, prepare := range map[commonv1.Reason]func(w *world){
			commonv1.Reason_EXTENSION_RANGE_EXHAUSTED: func(w *world) { w.books.capacity = 2 },
			commonv1.Reason_PACKAGE_SEATS_EXHAUSTED:   func(w *world) { w.books.seats = 2 },
			commonv1.Reason_PACKAGE_INACTIVE:          func(w *world) { w.books.active = false },
			commonv1.Reason_LICENSE_EXHAUSTED:         nil,
		} {
			seats := 5
			if prepare == nil {
				seats = 2
			}
			w := newWorld(seats, 3)
			if prepare != nil {
				prepare(w)
			}
			_, preview := w.engine.PreviewAssign(t.Context(), w.assignment("", uuid.New(), 0, 1, 2))
			require.Equal(t, reason, errs.Reason(preview), "validate_only fails where the real call would")
			_, err := w.engine.Assign(t.Context(), w.assignment("r", uuid.New(), 0, 1, 2))
			require.Equal(t, reason, errs.Reason(err))
			require.Empty(t, w.phoneUsers(t))
			w.check(t)
			require.Empty(t, w.books.owners)
			require.Empty(t, w.books.holdings)
		}
	})
}

func TestPreviewChangesNothing(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld func(seats, people int) *world) {
		w := newWorld(5, 3)
		answer, err := w.engine.PreviewAssign(t.Context(), w.assignment("", uuid.New(), 0, 2))
		require.NoError(t, err)
		require.Equal(t, []string{"1000", "1001"}, []string{answer.GetPhoneUsers()[0].GetExtensionNumber(), answer.GetPhoneUsers()[1].GetExtensionNumber()})
		require.Empty(t, answer.GetPhoneUsers()[0].GetName())
		require.Empty(t, w.phoneUsers(t))
		w.check(t)
	})
}

// step is one operation of a life, under a request id of its own.
type step struct {
	name string
	run  func(ctx context.Context, w *world, ids []uuid.UUID, requestID string) error
}

// life is every operation that touches other services, one after the other.
func life(pkg uuid.UUID) []step {
	one := func(f func(ctx context.Context, w *world, t provisioning.Targets) error) func(context.Context, *world, []uuid.UUID, string) error {
		return func(ctx context.Context, w *world, ids []uuid.UUID, r string) error {
			return f(ctx, w, w.targets(r, ids...))
		}
	}
	return []step{
		{"assign package", one(func(ctx context.Context, w *world, t provisioning.Targets) error {
			_, err := w.engine.AssignPackage(ctx, t, pkg, nil)
			return err
		})},
		{"assign numbers", func(ctx context.Context, w *world, ids []uuid.UUID, r string) error {
			_, err := w.engine.AssignNumbers(ctx, w.targets(r, ids[0]), []string{"+12025550100", "+12025550101"})
			return err
		}},
		{"unassign number", func(ctx context.Context, w *world, ids []uuid.UUID, r string) error {
			_, err := w.engine.UnassignNumbers(ctx, w.targets(r, ids[0]), []string{"+12025550100"})
			return err
		}},
		{"trash", one(func(ctx context.Context, w *world, t provisioning.Targets) error {
			_, err := w.engine.Trash(ctx, t)
			return err
		})},
		{"restore", one(func(ctx context.Context, w *world, t provisioning.Targets) error {
			answer, err := w.engine.Restore(ctx, t)
			if err == nil && answer.GetRestorations()[0].GetMissingPackage() != "" {
				err = errors.New("the package is missing")
			}
			return err
		})},
		{"remove packages", one(func(ctx context.Context, w *world, t provisioning.Targets) error {
			_, err := w.engine.RemovePackages(ctx, t)
			return err
		})},
		{"trash again", one(func(ctx context.Context, w *world, t provisioning.Targets) error {
			_, err := w.engine.Trash(ctx, t)
			return err
		})},
		{"remove", one(func(ctx context.Context, w *world, t provisioning.Targets) error {
			_, err := w.engine.Remove(ctx, t)
			return err
		})},
	}
}

// live runs a whole life. A call that fails for now is repeated under its request id, as a caller would.
func (w *world) live(t *testing.T) {
	t.Helper()
	pkg := uuid.New()
	again := func(name string, call func() error) {
		testkit.Eventually(t, 20*time.Second, func() error {
			err := call()
			if err == nil {
				return nil
			}
			require.False(t, errs.Definitive(err), "%s: %v", name, err)
			return fmt.Errorf("%s: %w", name, err)
		})
	}
	var ids []uuid.UUID
	again("assign", func() error {
		answer, err := w.engine.Assign(t.Context(), w.assignment("assign", pkg, 0, 1))
		if err != nil {
			return err
		}
		ids = nil
		for _, p := range answer.GetPhoneUsers() {
			_, id, err := model.ParsePhoneUser(p.GetName())
			require.NoError(t, err)
			ids = append(ids, id)
		}
		return nil
	})
	w.check(t)
	for _, s := range life(pkg) {
		again(s.name, func() error { return s.run(t.Context(), w, ids, s.name) })
		w.check(t)
	}
	w.settle(t)
	require.Empty(t, w.phoneUsers(t))
	w.check(t)
	require.Empty(t, w.books.owners)
	require.Len(t, w.mail.mail, 2, "each person is told once")
}

// TestLostAnswers runs a life once for every step on its way, with that step executed and then reported as failed.
func TestLostAnswers(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld func(seats, people int) *world) {
		whole := newWorld(5, 2)
		before := len(whole.script.Trace())
		whole.live(t)
		hits := map[string]int{}
		for _, point := range whole.script.Trace()[before:] {
			hits[point]++
		}
		lost := &crdb.AmbiguousError{Op: "test", Err: errors.New("the answer was lost")}
		for point, count := range hits {
			for n := 1; n <= count; n++ {
				w := newWorld(5, 2)
				w.script.DoAfter(point, w.script.Hits(point)+n, func(_ context.Context, err error) error {
					if err != nil {
						return err
					}
					return lost
				})
				w.live(t)
				w.script.Clear()
				if t.Failed() {
					t.Fatalf("after a lost answer at %s, time %d", point, n)
				}
			}
		}
	})
}

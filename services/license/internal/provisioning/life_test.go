package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// life is what happens to the phone users of a world, from the first licence to the purge.
type life struct {
	*world
	pkg     uuid.UUID
	ids     []uuid.UUID // of the two people who are assigned a licence
	invited model.User
	caller  provisioning.Caller
}

// step is one operation of a life, under a request id of its own where it can have one, so that it may be repeated.
type step struct {
	name string
	run  func(ctx context.Context, l *life) error
	// refuses is a point of the other services that refuses meanwhile, and reason is why: that is then the outcome.
	refuses string
	reason  commonv1.Reason
}

func newLife(w *world) *life {
	return &life{
		world: w, pkg: uuid.New(), caller: provisioning.Caller{Actor: "ada", TraceID: "t"},
		invited: model.User{
			AccountID: w.account, ID: uuid.New(), Email: "new@example.com", DisplayName: "New Person", Role: model.RoleMember,
			Status: model.UserPending, Phone: true, SiteID: w.site, CreateTime: w.clock.Now(),
		},
	}
}

// story is every operation there is, each refused where it can be.
func story() []step {
	extension, settings := "1020", func(s *licensev1.Settings) *licensev1.Settings {
		ring := s.GetRingSeconds() + 1
		return &licensev1.Settings{RingSeconds: &ring}
	}
	change := func(l *life) provisioning.Update { return l.update(provisioning.Update{Extension: &extension}) }
	return []step{
		{name: "assign is refused an extension", run: own((*life).assignThird), refuses: "extension.Allocate", reason: commonv1.Reason_EXTENSION_RANGE_EXHAUSTED},
		{name: "assign is refused a package", run: own((*life).assignThird), refuses: "numbering.AssignPackages", reason: commonv1.Reason_PACKAGE_SEATS_EXHAUSTED},
		{name: "assign", run: own((*life).assignTwo)},
		{name: "replay", run: own((*life).replay)},
		{name: "package is refused", run: assignPackage("no package"), refuses: "numbering.AssignPackages", reason: commonv1.Reason_PACKAGE_INACTIVE},
		{name: "assign package", run: assignPackage("package")},
		{name: "numbers are refused", run: assignNumbers("no numbers"), refuses: "numbering.AssignNumbers", reason: commonv1.Reason_NUMBER_NOT_AVAILABLE},
		{name: "assign numbers", run: assignNumbers("numbers")},
		{name: "unassign a number", run: unassignNumber},
		{name: "extension is refused", run: updates(change), refuses: "extension.Swap", reason: commonv1.Reason_EXTENSION_IN_USE},
		{name: "change extension", run: updates(change)},
		{name: "move", run: updates(func(l *life) provisioning.Update { return l.update(provisioning.Update{SiteID: &l.branch}) })},
		{name: "change settings", run: updates(func(l *life) provisioning.Update { return l.update(provisioning.Update{Settings: settings}) })},
		{name: "complete the set-up", run: own((*life).completeSetup)},
		{name: "resend", run: own((*life).resend)},
		{name: "mend", run: own((*life).mend)},
		{name: "look", run: own((*life).look)},
		{name: "trash", run: batch("trash", func(ctx context.Context, l *life, t provisioning.Targets) error {
			return second(l.engine.Trash(ctx, t))
		})},
		{name: "look at a restore", run: batch("", func(ctx context.Context, l *life, t provisioning.Targets) error {
			return second(l.engine.PreviewRestore(ctx, t))
		})},
		{name: "restore is refused", run: restore("no restore"), refuses: "numbering.Restore", reason: commonv1.Reason_PACKAGE_INACTIVE},
		{name: "restore", run: restore("restore")},
		{name: "remove packages", run: batch("packages", func(ctx context.Context, l *life, t provisioning.Targets) error {
			return second(l.engine.RemovePackages(ctx, t))
		})},
		{name: "invite", run: own((*life).invite)},
		{name: "confirm is refused", run: own((*life).confirm), refuses: "extension.Allocate", reason: commonv1.Reason_EXTENSION_RANGE_EXHAUSTED},
		{name: "confirm", run: own((*life).confirm)},
		{name: "nobody", run: own((*life).nobody)},
		{name: "trash again", run: batch("again", func(ctx context.Context, l *life, t provisioning.Targets) error {
			return second(l.engine.Trash(ctx, t))
		})},
		{name: "remove one", run: own((*life).removeFirst)},
		{name: "purge the others", run: own((*life).purge)},
	}
}

// own is a method that takes the life as an argument.
func own(f func(l *life, ctx context.Context) error) func(context.Context, *life) error {
	return func(ctx context.Context, l *life) error { return f(l, ctx) }
}

func second[T any](_ T, err error) error { return err }

// targetsOf names the people of the life: those assigned, and the invited one once confirmed.
func (l *life) targetsOf(request string) provisioning.Targets { return l.targets(request, l.ids...) }

func batch(request string, f func(ctx context.Context, l *life, t provisioning.Targets) error) func(context.Context, *life) error {
	return func(ctx context.Context, l *life) error { return f(ctx, l, l.targetsOf(request)) }
}

func (l *life) assignTwo(ctx context.Context) error {
	a := l.assignment("assign", l.pkg, 0, 1)
	for i := range a.Assignees {
		a.Assignees[i].PhoneNumbers = []string{fmt.Sprintf("+1202555019%d", i)}
	}
	answer, err := l.engine.Assign(ctx, a)
	if err != nil {
		return err
	}
	l.ids = nil
	for _, p := range answer.GetPhoneUsers() {
		_, id, err := model.ParsePhoneUser(p.GetName())
		if err != nil {
			return err
		}
		l.ids = append(l.ids, id)
	}
	return nil
}

func (l *life) assignThird(ctx context.Context) error {
	return second(l.engine.Assign(ctx, l.assignment("third", l.pkg, 2)))
}

// replay asks for the first answer of the assign again.
func (l *life) replay(ctx context.Context) error {
	answer := &licensev1.BatchAssignResponse{}
	there, err := l.engine.Replay(ctx, l.account, "assign", l.assignment("assign", l.pkg, 0, 1).BodyHash, answer)
	if err == nil && (!there || len(answer.GetPhoneUsers()) != 2) {
		err = errors.New("the answer is not remembered")
	}
	return err
}

func assignPackage(request string) func(context.Context, *life) error {
	return batch(request, func(ctx context.Context, l *life, t provisioning.Targets) error {
		return second(l.engine.AssignPackage(ctx, t, l.pkg, nil))
	})
}

func assignNumbers(request string) func(context.Context, *life) error {
	return func(ctx context.Context, l *life) error {
		return second(l.engine.AssignNumbers(ctx, l.targets(request, l.ids[0]), []string{"+12025550100", "+12025550101"}))
	}
}

func unassignNumber(ctx context.Context, l *life) error {
	return second(l.engine.UnassignNumbers(ctx, l.targets("unassign", l.ids[0]), []string{"+12025550100"}))
}

func (l *life) update(u provisioning.Update) provisioning.Update {
	u.Account, u.Caller, u.PhoneUser = l.account, l.caller, l.ids[0]
	return u
}

func updates(f func(l *life) provisioning.Update) func(context.Context, *life) error {
	return func(ctx context.Context, l *life) error { return second(l.engine.Update(ctx, f(l))) }
}

func (l *life) completeSetup(ctx context.Context) error {
	text, _, err := l.tokens.Sign(token.Setup, l.account, l.ids[0], l.clock.Now())
	if err != nil {
		return err
	}
	if _, err := l.engine.OpenSetup(ctx, text); err != nil {
		return err
	}
	return second(l.engine.Update(ctx, l.update(provisioning.Update{CompletesSetup: true})))
}

// resend sends the second person the mail again. When it was sent and nobody learned of it, the cool-down says so.
func (l *life) resend(ctx context.Context) error {
	_, err := l.engine.ResendInvite(ctx, l.caller, l.account, l.ids[1])
	if errs.Reason(err) == commonv1.Reason_RESEND_TOO_SOON {
		return nil
	}
	return err
}

// mend brings the first person and the other services to agreement, which agree already.
func (l *life) mend(ctx context.Context) error {
	return second(l.engine.Mend(ctx, l.caller, l.account, l.ids[0]))
}

// look asks what would happen, of everything that can be asked.
func (l *life) look(ctx context.Context) error {
	t := l.targetsOf("")
	_, err := l.engine.PreviewAssign(ctx, l.assignment("", l.pkg, 2))
	return errors.Join(err,
		second(l.engine.PreviewAssignPackage(ctx, t, l.pkg, nil)), second(l.engine.PreviewRemovePackages(ctx, t)),
		second(l.engine.PreviewTrash(ctx, t)), second(l.engine.PreviewRemove(ctx, l.targets(""))),
	)
}

func restore(request string) func(context.Context, *life) error {
	return batch(request, func(ctx context.Context, l *life, t provisioning.Targets) error {
		answer, err := l.engine.Restore(ctx, t)
		if err == nil && answer.GetRestorations()[0].GetMissingPackage() != "" {
			err = errors.New("the package is missing")
		}
		return err
	})
}

func (l *life) invite(ctx context.Context) error {
	n := store.NewUsers{Users: []model.User{l.invited}, Path: func(int) string { return "user" }}
	_, _, err := l.engine.Invite(ctx, l.caller, l.account, n, store.Remember{RequestID: "invite", BodyHash: []byte("invite")},
		func([]model.User) proto.Message { return &licensev1.User{} })
	return err
}

// confirm lets the invited person in, who belongs to the life from then on.
func (l *life) confirm(ctx context.Context) error {
	live, err := l.reader.LivePhoneUsers(ctx, l.account, []uuid.UUID{l.invited.ID})
	if err != nil {
		return err
	}
	id := live[l.invited.ID]
	text, _, err := l.tokens.Sign(token.Confirm, l.account, id, l.clock.Now())
	if err != nil {
		return err
	}
	if err := l.engine.Confirm(ctx, l.caller, l.account, l.invited.ID, text); err != nil {
		return err
	}
	l.ids = append(l.ids[:2:2], id)
	return nil
}

// nobody has no licence.
func (l *life) nobody(ctx context.Context) error {
	_, err := l.engine.AssignPackage(ctx, l.targets("nobody", uuid.New()), l.pkg, nil)
	if errs.Reason(err) == commonv1.Reason_NOT_FOUND {
		return nil
	}
	return err
}

func (l *life) removeFirst(ctx context.Context) error {
	return second(l.engine.Remove(ctx, l.targets("remove", l.ids[0])))
}

// purge lets the time in the trash pass, once.
func (l *life) purge(ctx context.Context) error {
	over := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).Add(provisioning.DefaultConfig().TrashTime + time.Hour)
	l.clock.Advance(max(0, over.Sub(l.clock.Now())))
	if err := l.engine.Purge(ctx); err != nil {
		return err
	}
	gone, err := l.reader.RemovedPhoneUsers(ctx, l.account, l.ids)
	if err == nil && len(gone) != len(l.ids) {
		err = fmt.Errorf("%d of %d are gone", len(gone), len(l.ids))
	}
	return err
}

// live runs a whole life. A call that fails for now is repeated, as a caller would. around is asked before each step, and runs what it
// returns after it.
func (w *world) live(t *testing.T, around func(step string) (after func())) {
	t.Helper()
	l := newLife(w)
	for _, s := range story() {
		if s.refuses != "" {
			w.books.refuse(s.refuses, errs.New(s.reason, "it is refused").With("holder", "nobody"))
		}
		after := around(s.name)
		l.insist(t, s)
		after()
		w.quiet(t)
		w.check(t)
		if s.refuses != "" {
			w.books.refuse(s.refuses, nil)
		}
	}
	after := around("told")
	w.settle(t)
	after()
	require.Empty(t, w.phoneUsers(t))
	require.Empty(t, w.books.owners)
	var kinds []string
	for _, m := range w.mail.mail {
		kinds = append(kinds, m.GetKind().String())
	}
	slices.Sort(kinds)
	require.Equal(t, []string{"CONFIRMED", "INVITATION", "WELCOME", "WELCOME", "WELCOME"}, kinds, "each told once, one of them twice as asked")
}

// insist repeats a step until its outcome is known.
func (l *life) insist(t *testing.T, s step) {
	t.Helper()
	testkit.Eventually(t, 20*time.Second, func() error {
		err := s.run(t.Context(), l)
		switch {
		case s.refuses == "" && err == nil, s.refuses != "" && errs.Reason(err) == s.reason:
			return nil
		case err == nil:
			require.Fail(t, "it is not refused", "%s", s.name)
		}
		require.False(t, errs.Definitive(err), "%s: %v", s.name, err)
		l.quiet(t)
		return fmt.Errorf("%s: %w", s.name, err)
	})
}

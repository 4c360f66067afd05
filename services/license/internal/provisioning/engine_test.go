package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// makeWorld makes a world and ends the one before.
type makeWorld func(seats, people int, change ...func(*provisioning.Config)) *world

// eachWorld runs test on every engine.
func eachWorld(t *testing.T, test func(t *testing.T, newWorld makeWorld)) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		script := &faults.Script{}
		url := e.NewURL(t, migrations.FS)
		db := e.Open(t, url, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script })
		quiet := e.Open(t, url)
		var open *world
		test(t, func(seats, people int, change ...func(*provisioning.Config)) *world {
			if open != nil {
				open.close()
			}
			open = newWorld(t, db, quiet, script, seats, people, change...)
			return open
		})
	})
}

func TestAssign(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
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
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
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
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
		w := newWorld(5, 3)
		answer, err := w.engine.PreviewAssign(t.Context(), w.assignment("", uuid.New(), 0, 2))
		require.NoError(t, err)
		require.Equal(t, []string{"1000", "1001"}, []string{answer.GetPhoneUsers()[0].GetExtensionNumber(), answer.GetPhoneUsers()[1].GetExtensionNumber()})
		require.Empty(t, answer.GetPhoneUsers()[0].GetName())
		require.Empty(t, w.phoneUsers(t))
		w.check(t)
	})
}

// TestWhatIsUndoneForNobodyIsLogged shows that the reconciler says why an operation is undone whose caller went away.
func TestWhatIsUndoneForNobodyIsLogged(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
		w := newWorld(5, 2)
		w.books.refuse("extension.Allocate", errs.New(commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, "the site is full"))
		w.script.FailBefore("license.AbortSagas", w.script.Hits("license.AbortSagas")+1, errKilled)
		_, err := w.engine.Assign(t.Context(), w.assignment("", uuid.Nil, 0, 1))
		require.Equal(t, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, errs.Reason(err))
		w.quiet(t)
		w.check(t)
		testkit.Eventually(t, 5*time.Second, func() error {
			if !strings.Contains(w.logged.String(), `outcome=undone refusal="the site is full"`) {
				return errors.New("the refusal is not logged")
			}
			return nil
		})
	})
}

// TestAMoveIsPlannedAnew changes a phone user between the look at it and the beginning of a change of its extension.
func TestAMoveIsPlannedAnew(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
		w := newWorld(5, 1)
		answer, err := w.engine.Assign(t.Context(), w.assignment("", uuid.Nil, 0))
		require.NoError(t, err)
		_, id, err := model.ParsePhoneUser(answer.GetPhoneUsers()[0].GetName())
		require.NoError(t, err)
		ring := int32(10)
		interfere := func(times int) {
			next := w.script.Hits("license.BeginSagas") + 1
			for nth := next; nth < next+times; nth++ {
				w.script.DoBefore("license.BeginSagas", nth, func(ctx context.Context) error {
					ring++
					_, err := w.engine.Update(ctx, provisioning.Update{Account: w.account, PhoneUser: id, Settings: func(*licensev1.Settings) *licensev1.Settings {
						return &licensev1.Settings{RingSeconds: proto.Int32(ring)}
					}})
					return err
				})
			}
		}
		change := func(number, etag string) error {
			return second(w.engine.Update(t.Context(), provisioning.Update{Account: w.account, PhoneUser: id, Extension: &number, Etag: etag}))
		}
		now := func() model.PhoneUser { return w.phoneUsers(t)[0] }

		interfere(2)
		require.NoError(t, change("1020", ""))
		require.Equal(t, "1020", now().ExtensionNumber)
		require.Equal(t, ring, now().Settings.GetRingSeconds(), "both changes are made")

		interfere(1)
		err = change("1021", view.Etag(now().Revision))
		refusal, ok := errs.From(err)
		require.True(t, ok, "%v", err)
		require.Equal(t, commonv1.Reason_ETAG_MISMATCH, refusal.Reason(), "who sent an etag wants to know")
		require.Equal(t, view.Etag(now().Revision), refusal.Metadata()["etag"])

		interfere(100)
		require.Equal(t, commonv1.Reason_OPERATION_IN_PROGRESS, errs.Reason(change("1021", "")), "not for ever")
		require.Equal(t, "1020", now().ExtensionNumber)
		w.script.Clear()
		require.NoError(t, change("1021", ""))
		w.check(t)
	})
}

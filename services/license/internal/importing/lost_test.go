package importing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// watched are the places where the package's own code asks the store.
var watched = regexp.MustCompile(`\.Store\.([A-Z]\w+)\(`)

// patience is how long an import may take, however slow the machine.
const patience = time.Minute

// apart are calls to the store that are no part of carrying an import out: they read for people, or delete what is old.
var apart = []string{"license.DeleteImports", "license.ListPhoneUsers"}

// storeCalls lists the points of all calls to the store in the code that carries imports out.
func storeCalls(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var points []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range watched.FindAllStringSubmatch(string(code), -1) {
			if point := "license." + m[1]; !slices.Contains(apart, point) {
				points = append(points, point)
			}
		}
	}
	slices.Sort(points)
	return slices.Compact(points)
}

// TestLostAnswers carries out an import for each step on its way, with that step executed and then reported as failed. Every row is
// done once all the same. The test fails when an import asks the store in a place that it did not come to.
func TestLostAnswers(t *testing.T) {
	eachWorld(t, 400, 400, func(t *testing.T, w *world) {
		before := len(w.script.Trace())
		round := 0
		w.roundOfEverything(t, &round)
		hits := map[string]int{}
		for _, point := range w.script.Trace()[before:] {
			hits[point]++
		}
		lost := 0
		for point, count := range hits {
			for nth := 1; nth <= min(count, 2); nth++ {
				left, done := atomic.Int64{}, atomic.Bool{}
				left.Store(int64(nth))
				w.script.DoAfter(point, faults.Every, func(_ context.Context, err error) error {
					if err != nil && !errs.Definitive(err) || left.Add(-1) != 0 {
						return err
					}
					done.Store(true)
					return &crdb.AmbiguousError{Op: "test", Err: errors.New("the answer was lost")}
				})
				w.roundOfEverything(t, &round)
				w.script.Clear()
				if t.Failed() {
					t.Fatalf("after a lost answer at %s, time %d", point, nth)
				}
				if done.Load() {
					lost++
				}
				require.True(t, done.Load() || nth > 1, "an answer is lost at %s", point)
			}
		}
		require.Empty(t, slices.DeleteFunc(storeCalls(t), func(point string) bool { return w.script.Hits(point) > 0 }), "an import comes to every call")
		t.Logf("%d answers lost at %d points", lost, len(hits))
	})
}

// roundOfEverything imports a file that assigns licences to people of the round's own, and changes them by further ones.
func (w *world) roundOfEverything(t *testing.T, round *int) {
	t.Helper()
	n := *round
	*round++
	at := func(i int) string { return email(4*n + i) }
	w.carryOut(t, fmt.Sprint("first ", n), map[model.ImportOutcome]int{model.RowAssigned: 2},
		"email,site,package,phone_numbers", at(0)+",Lisbon,World,"+number(2*(n%50)), at(1)+",Porto,World,")
	w.carryOut(t, fmt.Sprint("second ", n), map[model.ImportOutcome]int{model.RowAssigned: 2, model.RowUpdated: 2},
		"email,site,template,package,extension,phone_numbers",
		at(0)+",Porto,Desk,Local,,"+number(2*(n%50)+1), at(1)+",,,-,,",
		at(2)+",Lisbon,Sales,World,,", at(3)+",Lisbon,,,,")
	w.carryOut(t, fmt.Sprint("third ", n), map[model.ImportOutcome]int{model.RowUpdated: 1, model.RowUnchanged: 1},
		"email,package,phone_numbers", at(0)+",-,", at(3)+",,")
	rooms := map[model.ImportOutcome]int{model.RowUnchanged: 2}
	if n == 0 {
		rooms = map[model.ImportOutcome]int{model.RowAssigned: 2}
	}
	w.carryOut(t, fmt.Sprint("rooms ", n), rooms, "room,site", "Atrium,Lisbon", w.roomName(t, "Lab")+",Lisbon")
	w.check(t)
}

// carryOut submits a file, as often as it takes, and has workers go on with the import until it is over.
func (w *world) carryOut(t *testing.T, requestID string, want map[model.ImportOutcome]int, lines ...string) {
	t.Helper()
	req := Request{Account: w.account, Actor: "ada", TraceID: "trace", RequestID: requestID, BodyHash: []byte(requestID), File: []byte(strings.Join(lines, "\n") + "\n")}
	var m model.Import
	testkit.Eventually(t, patience, func() (err error) {
		m, err = w.importer.Submit(t.Context(), req)
		require.False(t, errs.Definitive(err), "%v", err)
		return err
	})
	stop := w.reconcile(t)
	defer stop()
	testkit.Eventually(t, patience, func() error {
		now, err := w.reader.GetImport(t.Context(), m.ID)
		if err == nil && now.Done() {
			return nil
		}
		_, stepErr := w.importer.Step(t.Context())
		w.expire(t) // whoever worked on it has returned
		return errors.Join(err, stepErr, fmt.Errorf("the import is %s", now.State))
	})
	require.Equal(t, want, outcomes(w.rows(t, m.ID)))
}

// roomName is the resource name of a room.
func (w *world) roomName(t *testing.T, displayName string) string {
	t.Helper()
	rooms, err := w.reader.FindRooms(t.Context(), w.account, []string{model.Fold(displayName)})
	require.NoError(t, err)
	require.Len(t, rooms, 1)
	for _, room := range rooms {
		return model.RoomName(w.account, room.ID)
	}
	return ""
}

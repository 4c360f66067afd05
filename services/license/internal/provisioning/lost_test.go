package provisioning_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
)

var (
	errLost   = &crdb.AmbiguousError{Op: "test", Err: errors.New("the answer was lost")}
	errKilled = errors.New("the process was killed")
)

// watched are the places where the package's own code asks the store or another service.
var watched = regexp.MustCompile(`\b(?:e|r)\.(store|outbox|books|extensions|numbering|notifications)\.([A-Z]\w+)\(`)

// unwatched are calls that no operation makes: they feed metrics, keep claims, or are made when the process ends.
var unwatched = []string{"license.CountSagas", "license.CountOutbox", "license.ReleaseOutbox", "license.KeepSagas"}

// calls lists the points of all calls to the store and to the other services that there are in the package's code.
func calls(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	points := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range watched.FindAllStringSubmatch(string(code), -1) {
			whose := map[string]string{"store": "license", "outbox": "license", "extensions": "extension", "notifications": "notification"}[m[1]]
			if whose == "" {
				whose = m[1]
			}
			points[whose+"."+m[2]] = true
		}
	}
	for _, point := range unwatched {
		require.True(t, points[point], "%s is called", point)
		delete(points, point)
	}
	return slices.Sorted(maps.Keys(points))
}

// background are the points of workers, which come by at any time.
var background = append([]string{"license.ClaimSagas"}, unwatched...)

// cut is the nth time that a step comes to a point.
type cut struct {
	point string
	nth   int
}

// losses notes which answers were lost, by step and by point. It is safe for concurrent use.
type losses struct {
	mu     sync.Mutex
	steps  map[string]bool
	points map[string]bool
}

func (l *losses) note(step, point string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps[step+": "+point], l.points[point] = true, true
}

// lose makes a step's nth answer at a point get lost, be it a refusal or not.
func (l *losses) lose(script *faults.Script, step string, c cut) {
	left := atomic.Int64{}
	left.Store(int64(c.nth))
	script.DoAfter(c.point, faults.Every, func(_ context.Context, err error) error {
		if err != nil && !errs.Definitive(err) || left.Add(-1) != 0 {
			return err
		}
		l.note(step, c.point)
		return errLost
	})
}

// TestLostAnswers runs a life again and again, each time with another step of the way of each operation executed and then reported as
// failed, until that was every one, and then lives in which every operation loses its process. The test fails when the package calls the
// store or another service in a place that no operation came to, or when there is a kind of operation that was not begun and resumed.
func TestLostAnswers(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
		lost := &losses{steps: map[string]bool{}, points: map[string]bool{}}
		began, resumed := map[string]int{}, map[string]int{}
		lead := func(what string, w *world, around func(step string) func()) {
			w.live(t, around)
			maps.Copy(began, w.store.began)
			maps.Copy(resumed, w.store.resumed)
			if t.Failed() {
				t.Fatalf("in a life with %s", what)
			}
		}
		ways, longest := learn(t, newWorld)
		for k := range longest {
			w := newWorld(5, 3)
			lead("lost answers", w, func(step string) func() {
				if k < len(ways[step]) {
					lost.lose(w.script, step, ways[step][k])
				}
				return w.script.Clear
			})
		}
		for step, way := range ways {
			for _, c := range way {
				if c.nth == 1 {
					require.True(t, lost.steps[step+": "+c.point], "an answer is lost at %s of %s", c.point, step)
				}
			}
		}
		for name, limp := range map[string]func(*world, string){
			"killed drivers": killed, "killed drivers and reconcilers": func(w *world, step string) { killed(w, step); lost.loseAlong(w, step) },
		} {
			w := newWorld(5, 3)
			lead(name, w, func(step string) func() { limp(w, step); return w.script.Clear })
		}
		require.Equal(t, calls(t), slices.Sorted(maps.Keys(lost.points)), "the answers of all calls get lost")
		require.Equal(t, provisioning.Kinds(), slices.Sorted(maps.Keys(began)), "operations of every kind are begun")
		require.Equal(t, provisioning.Kinds(), slices.Sorted(maps.Keys(resumed)), "operations of every kind are resumed")
		t.Logf("%d lives; %d answers lost at %d points", longest+3, len(lost.steps), len(lost.points))
	})
}

// learn lives undisturbed, and answers through which points each step goes, and how many there are at most.
func learn(t *testing.T, newWorld makeWorld) (ways map[string][]cut, longest int) {
	t.Helper()
	w := newWorld(5, 3)
	ways = map[string][]cut{}
	w.live(t, func(step string) func() {
		before := len(w.script.Trace())
		return func() {
			hits := map[string]int{}
			for _, point := range w.script.Trace()[before:] {
				if slices.Contains(background, point) {
					continue
				}
				hits[point]++
				ways[step] = append(ways[step], cut{point, hits[point]})
			}
			longest = max(longest, len(ways[step]))
		}
	})
	return ways, longest
}

// killed ends the driver of a step's operation where it would end the operation, one way or the other: the reconciler does.
func killed(w *world, _ string) {
	w.script.FailBefore("license.FinishSagas", w.script.Hits("license.FinishSagas")+1, errKilled)
	w.script.FailBefore("license.MarkUndoing", w.script.Hits("license.MarkUndoing")+1, errKilled)
	w.script.FailBefore("license.AbortSagas", w.script.Hits("license.AbortSagas")+1, errKilled)
}

// loseAlong loses answers that only the reconciler gets.
func (l *losses) loseAlong(w *world, step string) {
	for nth := range 3 { // it comes by now and then, and the claim that gets something may be any of the first
		l.lose(w.script, step, cut{"license.ClaimSagas", nth + 1})
	}
	l.lose(w.script, step, cut{"license.LockedPhoneUsers", 1})
}

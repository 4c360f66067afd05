package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/license"
	"github.com/switchboard-phone/switchboard/services/notification"
)

// victims are a stack whose services are processes that can be killed.
type victims struct {
	*testing.T
	stack    *stack.Stack
	launcher serviceproc.Launcher
}

// eachKillable runs fn on each engine with services as processes of their own.
func eachKillable(t *testing.T, fn func(v *victims)) {
	t.Helper()
	var launchersMu sync.Mutex
	launchers := map[string]serviceproc.Launcher{}
	eachOwn(t, func(t *testing.T) stack.Options {
		launcher := serviceproc.Launcher{Dir: t.TempDir()}
		if os.Getenv("SWITCHBOARD_TEST_LOG") != "" {
			launcher.Output = os.Stderr
		}
		launchersMu.Lock()
		defer launchersMu.Unlock()
		launchers[t.Name()] = launcher
		return stack.Options{Launcher: launcher, Configure: impatient}
	}, func(t *testing.T, s *stack.Stack) {
		launchersMu.Lock()
		launcher := launchers[t.Name()]
		launchersMu.Unlock()
		fn(&victims{t, s, launcher})
	})
}

// impatient makes what waits for a dead process wait for seconds only.
func impatient(_ string, config any) {
	switch c := config.(type) {
	case *license.Config:
		c.Provisioning.DriveTimeout, c.Provisioning.Claim = time.Second, 2*time.Second
		c.Provisioning.ReconcileInterval = 100 * time.Millisecond
		c.Provisioning.OutboxClaim = 2 * time.Second
		c.Import.Claim, c.Import.PollInterval = 3*time.Second, 100*time.Millisecond
	case *notification.Config:
		c.SMTP.DialTimeout, c.SMTP.SendTimeout = time.Second, time.Second
		c.Sender.ClaimWindow, c.Sender.PollInterval = time.Second, 100*time.Millisecond
	}
}

// people is how many licences a call of the crash tests assigns.
const people = 7

// job is an assign that a crash interrupts.
type job struct {
	*tenant
	req gatewayclient.AssignRequest
}

func (v *victims) job() *job {
	v.Helper()
	tn := newTenant(v.T, v.stack, people+2)
	return &job{tn, gatewayclient.AssignRequest{
		Assignees: tn.userNames(people), Package: tn.pkg("Domestic", people), RequestID: uuid.NewString(),
	}}
}

// insist repeats the call, as a caller with a request id does, until it is answered.
func (j *job) insist() []gatewayclient.PhoneUser {
	j.Helper()
	var got []gatewayclient.PhoneUser
	j.eventually(func() (err error) {
		got, err = j.admin.Assign(j.Context(), j.account, j.req)
		return err
	})
	return got
}

// quiet waits until no operation is under way any more.
func (j *job) quiet() {
	j.Helper()
	j.eventually(func() error {
		users, err := gatewayclient.List[gatewayclient.PhoneUser](j.Context(), j.admin, j.path+"/phoneUsers", "phoneUsers", nil)
		if err != nil {
			return err
		}
		var account gatewayclient.Account
		if err := j.admin.Get(j.Context(), j.path, &account); err != nil {
			return err
		}
		for _, u := range users {
			if u.State != "ACTIVE" {
				return fmt.Errorf("%s is %s", u.Name, u.State)
			}
		}
		if account.LicensesAssigned != len(users) {
			return fmt.Errorf("%d seats are taken by %d phone users", account.LicensesAssigned, len(users))
		}
		return nil
	})
}

// points learns from an undisturbed assign through which steps each service goes.
func (v *victims) points() map[string][]string {
	v.Helper()
	j := v.job()
	j.insist()
	j.addUp()
	out := map[string][]string{}
	for _, service := range stack.ServiceNames() {
		points, err := v.launcher.Points(service, 0)
		require.NoError(v, err)
		out[service] = slices.DeleteFunc(points, aside)
		v.Logf("%s: %s", service, strings.Join(out[service], " "))
	}
	return out
}

// aside says whether a step is none of an assign: what makes the account and looks at it, and what services do now and then.
func aside(point string) bool {
	op := point[strings.LastIndexAny(point, "./")+1:]
	for _, verb := range []string{"Create", "BatchCreate", "List", "Count", "Get", "Backlog", "ClaimSagas", "Due"} {
		if strings.HasPrefix(op, verb) {
			return true
		}
	}
	return false
}

// TestKilledAtEveryStep ends each service at each step of an assign as kill -9 does: before the step, when the caller gives up, and after
// it was carried out but not reported, when the caller repeats the call.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	eachKillable(t, func(v *victims) {
		deaths := 0
		for service, points := range v.points() {
			require.NotEmpty(v, points, "%s takes part in an assign", service)
			for _, point := range points {
				for _, after := range []bool{false, true} {
					if v.dies(service, serviceproc.Death{Point: point, After: after}, after) {
						deaths++
					}
				}
			}
		}
		v.Logf("%d deaths", deaths)
		require.Greater(v, deaths, 20, "the deaths that were arranged came to pass")
	})
}

// dies lets a service die at a step of an assign, starts it again and checks that everything adds up. It answers whether the
// service came to that step at all.
func (v *victims) dies(service string, death serviceproc.Death, repeats bool) bool {
	v.Helper()
	v.Logf("%s dies %s; the caller repeats: %t", service, death, repeats)
	j := v.job()
	v.stack.ExpectEnd(service, 0)
	require.NoError(v, v.launcher.Arrange(service, 0, death))
	_, err := j.admin.Assign(v.Context(), j.account, j.req)
	if err != nil {
		v.Logf("the caller is told: %v", err)
		require.NotContains(v, []string{"INTERNAL", ""}, gatewayclient.Reason(err), "a crash is reported as what it is: %v", err)
	}
	dead := v.awaitDeath(service, j)
	if dead {
		require.NoError(v, v.restart(service))
	}
	j.reachable()
	if repeats {
		require.Len(v, j.insist(), people)
	}
	j.quiet()
	b := j.addUp()
	require.Contains(v, []int{0, people}, len(b.PhoneUsers), "all or nothing")
	if repeats || err == nil {
		require.Len(v, b.PhoneUsers, people, "what was promised is kept")
	}
	// Whatever happened, the call can be repeated, and acts once.
	require.Len(v, j.insist(), people)
	require.Len(v, j.addUp().PhoneUsers, people)
	return dead
}

// awaitDeath waits until the service is dead, or until the job is done without it having come to the step.
func (v *victims) awaitDeath(service string, j *job) bool {
	v.Helper()
	process := v.stack.Process(service, 0)
	deadline := time.After(patience)
	for {
		select {
		case <-process.Done():
			return true
		case <-deadline:
			spared, err := v.launcher.Spare(service, 0)
			require.NoError(v, err)
			return !spared
		case <-time.After(20 * time.Millisecond):
		}
		sent, err := gatewayclient.List[gatewayclient.Notification](v.Context(), j.admin, j.path+"/notifications", "notifications", nil)
		done := err == nil && len(sent) == people && !slices.ContainsFunc(sent, func(n gatewayclient.Notification) bool { return n.State != "SENT" })
		if !done {
			continue
		}
		// Everything is done. The step may have been somebody's background work; it gets the time of one round.
		select {
		case <-process.Done():
			return true
		case <-time.After(2 * time.Second):
			spared, err := v.launcher.Spare(service, 0)
			require.NoError(v, err)
			return !spared
		}
	}
}

func (v *victims) restart(service string) error {
	ctx, cancel := context.WithTimeout(v.Context(), patience)
	defer cancel()
	return v.stack.Restart(ctx, service, 0)
}

// reachable waits until the gateway has found every service again.
func (j *job) reachable() {
	j.Helper()
	j.eventually(func() error {
		var all []error
		for _, path := range []string{"", "/extensions", "/packages", "/notifications"} {
			all = append(all, j.admin.Get(j.Context(), j.path+path, nil))
		}
		return errors.Join(all...)
	})
}

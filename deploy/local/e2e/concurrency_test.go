package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// TestThousandConcurrentSingleAssigns assigns to 1,000 people of one account, one by one and at the same time, over two replicas of
// the allocator and two of the orchestrator.
func TestThousandConcurrentSingleAssigns(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, s *stack.Stack) {
		const people, spare = 1000, 25
		tn := newBareTenant(t, s, people+spare)
		// Not one number more than people: both replicas must find every last one.
		tn.ranges(tn.main, "1000", "1599")
		tn.ranges(tn.main, "30000", "30399")
		assignees := tn.userNames(people + spare)
		refusals := tn.assignEach(assignees[:people], 100)
		require.Empty(t, refusals)
		b := tn.addUp()
		require.Equal(t, people, b.Account.LicensesAssigned)
		numbers := numbersOf(b.PhoneUsers)
		require.Len(t, slices.Compact(numbers), people, "all distinct")

		for _, err := range tn.assignEach(assignees[people:], spare) {
			tn.refused(err, "EXTENSION_RANGE_EXHAUSTED")
		}
		require.Equal(t, people, tn.addUp().Account.LicensesAssigned, "a refusal gives the seat back")
	})
}

// TestMoreAskThanThereAreSeats lets more people ask at once than there are seats, package seats and numbers: as many as there are
// get one, and everybody else is told why not.
func TestMoreAskThanThereAreSeats(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, s *stack.Stack) {
		for name, c := range map[string]struct {
			seats, packageSeats, extensions int
			reason                          string
		}{
			"licence seats": {40, 100, 100, "LICENSE_EXHAUSTED"},
			"package seats": {100, 40, 100, "PACKAGE_SEATS_EXHAUSTED"},
			"extensions":    {100, 100, 40, "EXTENSION_RANGE_EXHAUSTED"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tn := newBareTenant(t, s, c.seats)
				tn.ranges(tn.main, "2000", fmt.Sprint(2000+c.extensions-1))
				pkg := tn.pkg("Domestic", c.packageSeats)
				refusals := tn.assignEachWith(tn.userNames(100), 50, gatewayclient.AssignRequest{Package: pkg})
				require.Len(t, refusals, 60)
				for _, err := range refusals {
					tn.refused(err, c.reason)
				}
				require.Equal(t, 40, tn.addUp().Account.LicensesAssigned)
			})
		}
	})
}

// TestTheSamePersonIsLicensedOnce lets many callers assign to the same people at once, without a request id.
func TestTheSamePersonIsLicensedOnce(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 100)
		person := tn.userNames(1)[0]
		refusals := tn.assignEach(slices.Repeat([]string{person}, 30), 30)
		require.Len(t, refusals, 29)
		for _, err := range refusals {
			tn.refused(err, "ALREADY_LICENSED")
		}
		tn.addUp()
	})
}

// transient are refusals after which the same call is to be repeated: the machine may be busy with other tests.
var transient = []string{"UNAVAILABLE", "DEADLINE_EXCEEDED", "OPERATION_IN_PROGRESS"}

// patiently assigns as a well-behaved caller does: what is not known to have taken effect is repeated under the same request id.
func (tn *tenant) patiently(req gatewayclient.AssignRequest) error {
	deadline := time.Now().Add(2 * patience)
	for {
		_, err := tn.admin.Assign(tn.Context(), tn.account, req)
		if !slices.Contains(transient, gatewayclient.Reason(err)) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-tn.Context().Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// assignEach assigns to each by a call of its own, clients at a time, and answers the refusals.
func (tn *tenant) assignEach(assignees []string, clients int) []error {
	tn.Helper()
	return tn.assignEachWith(assignees, clients, gatewayclient.AssignRequest{})
}

func (tn *tenant) assignEachWith(assignees []string, clients int, req gatewayclient.AssignRequest) []error {
	tn.Helper()
	work := make(chan string)
	var (
		mu       sync.Mutex
		refusals []error
		wg       sync.WaitGroup
	)
	for range clients {
		wg.Go(func() {
			for person := range work {
				r := req
				r.Assignees, r.RequestID = []string{person}, uuid.NewString()
				if err := tn.patiently(r); err != nil {
					mu.Lock()
					refusals = append(refusals, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, a := range assignees {
		work <- a
	}
	close(work)
	wg.Wait()
	return refusals
}

package e2e

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// TestReconcileExtensionsTakesNothingFromAnybody looks for leaked extensions again and again while people are given licences, moved
// to the trash, restored and removed: nobody's number is ever taken for leaked.
func TestReconcileExtensionsTakesNothingFromAnybody(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, s *stack.Stack) {
		const people = 60
		tn := newTenant(t, s, people)
		reconcile := func(dryRun bool) {
			var out struct{ Missing, Released string }
			require.NoError(t, tn.operator.Post(t.Context(), "/v1/extensions:reconcile", map[string]any{"dryRun": dryRun}, &out))
			require.Contains(t, []string{"", "0"}, out.Released)
			require.Contains(t, []string{"", "0"}, out.Missing)
		}
		tn.refused(tn.admin.Post(t.Context(), "/v1/extensions:reconcile", map[string]any{}, nil), "PERMISSION_DENIED")
		users := tn.userNames(people)
		var all sync.WaitGroup
		for part := range 6 {
			all.Go(func() {
				for _, user := range users[part*10 : part*10+10] {
					got, err := tn.admin.Assign(t.Context(), tn.account, gatewayclient.AssignRequest{Assignees: []string{user}})
					if err != nil {
						t.Errorf("assign: %v", err)
						return
					}
					if part%2 == 0 {
						if err := tn.try("/phoneUsers:batchRemove", map[string]any{"phoneUsers": []string{got[0].Name}}); err != nil {
							t.Errorf("remove: %v", err)
						}
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { all.Wait(); close(done) }()
		for rounds := 0; ; rounds++ {
			reconcile(rounds%4 == 3)
			select {
			case <-done:
				if rounds > 4 {
					require.Len(t, tn.addUp().PhoneUsers, people/2)
					return
				}
			default:
			}
		}
	})
}

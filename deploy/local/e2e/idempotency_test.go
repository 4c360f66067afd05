package e2e

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

func TestRequestIDReplaysTheFirstAnswer(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 50)
		people, pkg := tn.userNames(20), tn.pkg("Domestic", 50)
		req := gatewayclient.AssignRequest{Assignees: people[:10], Package: pkg, RequestID: uuid.NewString()}
		first := tn.assignWith(req)
		tn.settled()
		tn.unchanged(func() {
			require.Equal(t, first, tn.assignWith(req), "the same answer")

			other := req
			other.Assignees = people[10:20]
			refusal := tn.refused(tn.try("/phoneUsers:batchAssign", other), "REQUEST_ID_REUSED")
			require.Equal(t, req.RequestID, refusal.Metadata["request_id"])
			other = req
			other.Package = ""
			tn.refused(tn.try("/phoneUsers:batchAssign", other), "REQUEST_ID_REUSED")
		})
		// What happened since does not change the answer, and is not undone by it.
		tn.remove(first[0])
		tn.unchanged(func() { require.Equal(t, first, tn.assignWith(req)) })

		// The id belongs to the account.
		neighbour := newTenant(t, s, 50)
		neighbour.assignWith(gatewayclient.AssignRequest{Assignees: neighbour.userNames(1), RequestID: req.RequestID})
	})
}

func TestAnInvitationIsReplayedWhenTheSiteIsNotClearAnyMore(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		user := gatewayclient.User{Email: "new@" + tn.domain, Features: []string{"PHONE"}}
		path := tn.path + "/users?requestId=" + uuid.NewString()
		var first, again gatewayclient.User
		require.NoError(t, tn.admin.Post(t.Context(), path, user, &first))
		tn.mail(user.Email, 1)
		tn.site("Branch", "200", "299")
		tn.unchanged(func() {
			require.NoError(t, tn.admin.Post(t.Context(), path, user, &again))
			require.Equal(t, first, again, "the same answer")
			other := user
			other.GivenName = "Somebody"
			tn.refused(tn.admin.Post(t.Context(), path, other, nil), "REQUEST_ID_REUSED")
			tn.refused(tn.try("/users", user), "SITE_REQUIRED")
		})
		require.Equal(t, 1, tn.accountNow().LicensesAssigned)
	})
}

func TestValidateOnlyUnderAUsedRequestID(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10).withTrash()
		people, pkg, rooms := tn.userNames(2), tn.pkg("Domestic", 5), []string{tn.room("Blue"), tn.room("Red")}
		two := tn.assign(rooms...)
		users := names(tn.assign(people...))
		for _, c := range []struct {
			method      string
			body, other map[string]any
		}{
			{"batchAssign", map[string]any{"assignees": tn.userNames(1)}, map[string]any{"assignees": people}},
			{"batchAssignPackage", map[string]any{"phoneUsers": users, "package": pkg}, map[string]any{"phoneUsers": users[:1], "package": pkg}},
			{"batchRemovePackages", map[string]any{"phoneUsers": users}, map[string]any{"phoneUsers": users[:1]}},
			{"batchTrash", map[string]any{"phoneUsers": users}, map[string]any{"phoneUsers": users[:1]}},
			{"batchRestore", map[string]any{"phoneUsers": users}, map[string]any{"phoneUsers": users[:1]}},
			{"batchRemove", map[string]any{"phoneUsers": names(two[:1])}, map[string]any{"phoneUsers": names(two[1:])}},
		} {
			t.Log(c.method)
			requestID, path := uuid.NewString(), "/phoneUsers:"+c.method
			c.body["requestId"], c.other["requestId"] = requestID, requestID
			c.body["validateOnly"] = true
			require.NoError(t, tn.try(path, c.body), "looking at it first does not use the id up")
			delete(c.body, "validateOnly")
			var first, preview map[string]any
			require.NoError(t, tn.admin.Post(t.Context(), tn.path+path, c.body, &first))
			c.body["validateOnly"], c.other["validateOnly"] = true, true
			tn.unchanged(func() {
				require.NoError(t, tn.admin.Post(t.Context(), tn.path+path, c.body, &preview))
				require.Equal(t, first, preview, "the first answer, as the real call gets it")
				tn.refused(tn.try(path, c.other), "REQUEST_ID_REUSED")
				delete(c.other, "validateOnly")
				tn.refused(tn.try(path, c.other), "REQUEST_ID_REUSED")
			})
		}
	})
}

func TestRefusedCallsAreNotRemembered(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 5)
		req := gatewayclient.AssignRequest{Assignees: tn.userNames(1), RequestID: uuid.NewString()}
		tn.refused(tn.try("/phoneUsers:batchAssign", req), "EXTENSION_RANGE_EXHAUSTED")
		tn.ranges(tn.main, "100", "199")
		tn.assignWith(req)
		tn.addUp()
	})
}

func TestConcurrentRepeatsActOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 50)
		req := gatewayclient.AssignRequest{Assignees: tn.userNames(10), RequestID: uuid.NewString()}
		const callers = 8
		answers, errs := make([][]gatewayclient.PhoneUser, callers), make([]error, callers)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() { answers[i], errs[i] = tn.admin.Assign(t.Context(), tn.account, req) })
		}
		wg.Wait()
		var first []gatewayclient.PhoneUser
		for i, err := range errs {
			if err != nil {
				// The first one may still be at it; then the repeat is told to come back, and nothing else.
				tn.refused(err, "UNAVAILABLE")
				continue
			}
			if first == nil {
				first = answers[i]
			}
			require.Equal(t, first, answers[i])
		}
		require.NotNil(t, first, "one of them got through")
		require.Equal(t, first, tn.assignWith(req))
		require.Equal(t, 10, tn.addUp().Account.LicensesAssigned)
	})
}

func TestValidateOnlyChangesNothing(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 50)
		people, pkg := tn.userNames(12), tn.pkg("Domestic", 50)
		ring := 45
		template := create(tn, "/templates", gatewayclient.Template{DisplayName: "Quiet", Settings: &gatewayclient.Settings{RingSeconds: &ring}}).Name
		tn.assign(people[0], people[1])
		req := gatewayclient.AssignRequest{Assignees: people[2:], Package: pkg, Template: template, ValidateOnly: true}
		var would []gatewayclient.PhoneUser
		tn.unchanged(func() {
			var err error
			would, err = tn.admin.Assign(t.Context(), tn.account, req)
			require.NoError(t, err)
		})
		require.Len(t, would, 10)
		req.ValidateOnly = false
		did := tn.assignWith(req)
		for i := range would {
			require.Empty(t, would[i].Name, "it does not exist")
			require.Equal(t, did[i].Assignee, would[i].Assignee)
			require.Equal(t, did[i].ExtensionNumber, would[i].ExtensionNumber, "nothing else happened meanwhile")
			require.Equal(t, did[i].Package, would[i].Package)
			require.Equal(t, did[i].Settings, would[i].Settings)
			require.Equal(t, did[i].OutboundCalling, would[i].OutboundCalling)
		}
		// A request id used with validateOnly is still good for the real call.
		req = gatewayclient.AssignRequest{Assignees: tn.userNames(1), RequestID: uuid.NewString(), ValidateOnly: true}
		_, err := tn.admin.Assign(t.Context(), tn.account, req)
		require.NoError(t, err)
		req.ValidateOnly = false
		tn.assignWith(req)
		tn.addUp()
	})
}

func TestValidateOnlyRemovalShowsWhatWouldGo(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		pkg, numbers := tn.pkg("Domestic", 5), tn.numbers(1)
		two := tn.assign(tn.userNames(2)...)
		tn.call(two[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		var would []gatewayclient.Release
		tn.unchanged(func() {
			would = tn.removeWith(map[string]any{"phoneUsers": names(two), "validateOnly": true})
		})
		require.Equal(t, would, tn.remove(two...), "exactly what goes")
		require.Equal(t, []string{two[0].ExtensionNumber, two[1].ExtensionNumber}, []string{would[0].ExtensionNumber, would[1].ExtensionNumber})
		require.Equal(t, pkg, would[0].Package)
		require.Equal(t, numbers, would[0].PhoneNumbers)
		require.Empty(t, tn.phoneUsers())
	})
}

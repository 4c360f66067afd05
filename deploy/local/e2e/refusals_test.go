package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// TestRefusals goes through everything that can be wrong with an assign: each has an error of its own, and nothing changes.
func TestRefusals(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 110)
		full := create(tn, "/sites", gatewayclient.Site{DisplayName: "Three numbers only"}).Name
		tn.ranges(full, "500", "502")
		people := tn.userNames(120)
		licensed := tn.assign(people[:5]...)
		small, idle := tn.pkg("Small", 2), tn.pkg("Idle", 50)
		require.NoError(t, tn.tryOn(idle, "deactivate", map[string]any{}))
		stranger := newTenant(t, s, 5)
		foreign := stranger.userNames(1)[0]
		ok := people[10:20]
		with := func(extra ...string) []string { return append(append([]string{}, ok...), extra...) }

		type request = gatewayclient.AssignRequest
		for _, c := range []struct {
			name   string
			req    request
			reason string
			fields []string
		}{
			{"101 people", request{Assignees: people[19:120]}, "BATCH_TOO_LARGE", nil},
			{"nobody", request{}, "BATCH_EMPTY", nil},
			{"somebody twice", request{Assignees: with(ok[3], ok[3])}, "DUPLICATE_IN_BATCH", []string{"assignees[10]", "assignees[11]"}},
			{"an unknown person", request{Assignees: with(tn.unknown("users"))}, "NOT_FOUND", []string{"assignees[10]"}},
			{"an unknown room", request{Assignees: with(tn.unknown("rooms"))}, "NOT_FOUND", []string{"assignees[10]"}},
			{"not a name", request{Assignees: with("Ada Lovelace")}, "NOT_FOUND", []string{"assignees[10]"}},
			{"another account's person", request{Assignees: with(foreign)}, "NOT_FOUND", []string{"assignees[10]"}},
			{"licensed already", request{Assignees: with(licensed[1].Assignee, licensed[0].Assignee)}, "ALREADY_LICENSED", []string{"assignees[10]", "assignees[11]"}},
			{"no extensions", request{Assignees: ok, Site: full}, "EXTENSION_RANGE_EXHAUSTED", nil},
			{"no package seats", request{Assignees: ok, Package: small}, "PACKAGE_SEATS_EXHAUSTED", nil},
			{"an inactive package", request{Assignees: ok, Package: idle}, "PACKAGE_INACTIVE", nil},
			{"an unknown package", request{Assignees: ok, Package: tn.unknown("packages")}, "NOT_FOUND", nil},
			{"another account's package", request{Assignees: ok, Package: stranger.pkg("Theirs", 50)}, "NOT_FOUND", nil},
		} {
			if c.req.Site == "" {
				c.req.Site = tn.main
			}
			t.Log(c.name)
			tn.unchanged(func() {
				tn.refused(tn.try("/phoneUsers:batchAssign", c.req), c.reason, c.fields...)
				c.req.ValidateOnly = true
				tn.refused(tn.try("/phoneUsers:batchAssign", c.req), c.reason, c.fields...)
			})
		}
		tn.addUp()
	})
}

func TestRefusedForWantOfSeats(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		people := tn.userNames(12)
		tn.assign(people[:4]...)
		tn.unchanged(func() {
			refusal := tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[4:11]}), "LICENSE_EXHAUSTED")
			require.Equal(t, []string{"10", "4", "7"}, []string{refusal.Metadata["seats"], refusal.Metadata["assigned"], refusal.Metadata["requested"]})
			tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[4:11], ValidateOnly: true}), "LICENSE_EXHAUSTED")
		})
		tn.assign(people[4:10]...)
		require.Equal(t, 10, tn.addUp().Account.LicensesAssigned, "the last seat can be taken")
	})
}

func TestRefusedForWantOfExtensions(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 20)
		people := tn.userNames(6)
		tn.unchanged(func() {
			tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[:1]}), "EXTENSION_RANGE_EXHAUSTED")
		})
		tn.ranges(tn.main, "0001", "0004")
		got := tn.assign(people[:4]...)
		require.Equal(t, []string{"0001", "0002", "0003", "0004"}, numbersOf(got), "leading zeros are kept")
		tn.unchanged(func() {
			refusal := tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[4:]}), "EXTENSION_RANGE_EXHAUSTED")
			require.Equal(t, []string{"2", "0"}, []string{refusal.Metadata["requested"], refusal.Metadata["free"]})
		})
		tn.remove(got[1])
		require.Equal(t, "0002", tn.assign(people[4])[0].ExtensionNumber, "as soon as one is free again it can be had")
		tn.addUp()
	})
}

func TestAnEtagOfLongAgoIsRefused(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		template := create(tn, "/templates", gatewayclient.Template{DisplayName: "Quiet"}).Name
		for _, resource := range []string{tn.account, tn.main, template, tn.pkg("Domestic", 5)} {
			t.Log(resource)
			rename := func(to, etag string) (string, error) {
				var now struct{ DisplayName, Etag string }
				err := tn.admin.Patch(t.Context(), "/v1/"+resource+"?updateMask=displayName", map[string]any{"displayName": to, "etag": etag}, &now)
				if err == nil {
					require.Equal(t, to, now.DisplayName)
				}
				return now.Etag, err
			}
			first, err := rename("First", "")
			require.NoError(t, err, "without one nobody is asked")
			require.NotEmpty(t, first)
			second, err := rename("Second", first)
			require.NoError(t, err)
			require.NotEqual(t, first, second)
			_, err = rename("Third", first)
			require.Equal(t, second, tn.refused(err, "ETAG_MISMATCH").Metadata["etag"], "the present one is told")
			_, err = rename("Third", second)
			require.NoError(t, err, "it still is: nothing changed")
		}
	})
}

// TestRefusedByTheGateway sends what is not a call at all.
func TestRefusedByTheGateway(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		person := tn.userNames(1)[0]
		path := tn.path + "/phoneUsers:batchAssign"
		tn.unchanged(func() {
			for name, body := range map[string]string{
				"garbage":         `{"assignees":[`,
				"not JSON":        `assignees=` + person,
				"unknown field":   `{"assignees":["` + person + `"],"colour":"red"}`,
				"wrong type":      `{"assignees":"` + person + `"}`,
				"wrong item type": `{"assignees":[{"name":"` + person + `"}]}`,
				"two documents":   `{"assignees":["` + person + `"]}{}`,
				"not UTF-8":       "{\"assignees\":[\"\xff\xfe\"]}",
				"deeply nested":   strings.Repeat("[", 20000),
			} {
				t.Log(name)
				tn.refused(tn.admin.Post(t.Context(), path, []byte(body), nil), "BODY_INVALID")
			}
			err := tn.admin.Post(t.Context(), path, []byte(`{"requestId":"`+strings.Repeat("x", 200)+`"}`), nil)
			tn.refused(err, "FIELD_INVALID", "requestId")

			answer, err := tn.admin.Raw(t.Context(), http.MethodGet, "/v1/no/such/route", nil, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusNotFound, answer.Status)
			tn.refused(tn.admin.Get(t.Context(), "/v1/no/such/route", nil), "NOT_FOUND")
			tn.refused(tn.admin.Get(t.Context(), "/v1/accounts/not-a-uuid", nil), "PERMISSION_DENIED")
			tn.refused(tn.operator.Get(t.Context(), "/v1/accounts/not-a-uuid", nil), "NOT_FOUND")
		})
	})
}

func TestRequestIDsGoInAndOut(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		answer, err := tn.admin.Raw(t.Context(), http.MethodGet, tn.path, nil, http.Header{"X-Request-Id": {"caller-chose-this"}})
		require.NoError(t, err)
		require.Equal(t, "caller-chose-this", answer.Header.Get("X-Request-Id"))
		answer, err = tn.admin.Raw(t.Context(), http.MethodGet, tn.path, nil, nil)
		require.NoError(t, err)
		require.NotEmpty(t, answer.Header.Get("X-Request-Id"))
		answer, err = tn.admin.Raw(t.Context(), http.MethodPost, tn.path+"/phoneUsers:batchAssign",
			gatewayclient.AssignRequest{Assignees: tn.userNames(1)}, http.Header{"X-Request-Id": {"seen-in-the-log"}})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, "%s", answer.Body)
		entries := list[gatewayclient.LogEntry](tn, "/log", "entries", nil)
		require.Len(t, entries, 1)
		require.Equal(t, "ASSIGNED", entries[0].Kind)
		require.Equal(t, "seen-in-the-log", entries[0].RequestID)
		require.Equal(t, "admin", entries[0].Actor)
	})
}

// TestAResourceHasOneName shows that another way to write a person's name is nobody's, so that nobody is named twice unnoticed.
func TestAResourceHasOneName(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		person := tn.userNames(1)[0]
		shouted := tn.account + "/users/" + strings.ToUpper(id(person))
		tn.unchanged(func() {
			err := tn.try("/phoneUsers:batchAssign", map[string]any{"assignees": []string{person, shouted}, "site": tn.main})
			tn.refused(err, "NOT_FOUND", "assignees[1]")
		})
	})
}

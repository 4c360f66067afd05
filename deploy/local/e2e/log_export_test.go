package e2e

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// logFile reads the exported log: its lines by column, newest first.
func (tn *tenant) logFile(filter string) []map[string]string {
	tn.Helper()
	answer, err := tn.admin.Raw(tn.Context(), http.MethodGet, tn.path+"/log:export?"+url.Values{"filter": {filter}}.Encode(), nil, nil)
	require.NoError(tn, err)
	require.Equal(tn, http.StatusOK, answer.Status, "%s", answer.Body)
	require.Equal(tn, "text/csv; charset=utf-8", answer.Header.Get("Content-Type"))
	records, err := csv.NewReader(strings.NewReader(string(answer.Body))).ReadAll()
	require.NoError(tn, err)
	require.Equal(tn, "time,kind,actor,request_id,phone_user,assignee,display_name,before,after,name", strings.Join(records[0], ","))
	lines := make([]map[string]string, len(records)-1)
	for i, record := range records[1:] {
		lines[i] = map[string]string{}
		for j, column := range records[0] {
			lines[i][column] = record[j]
		}
	}
	return lines
}

// TestTheAccountLogIsExported shows that the file says what the list says, with the same filter, and computes nothing in a spreadsheet.
func TestTheAccountLogIsExported(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		hostile := create(tn, "/users", gatewayclient.User{
			Email: "=1+1@" + tn.domain, GivenName: `=HYPERLINK("http://example.com","me")`, FamilyName: "Ortiz, Jr.",
		})
		u := tn.assign(hostile.Name)[0]
		other := tn.one()
		var changed gatewayclient.PhoneUser
		require.NoError(t, tn.admin.Patch(t.Context(), "/v1/"+u.Name, map[string]any{"extensionNumber": "4321"}, &changed))
		tn.record(u.Name, "VOICEMAIL")

		for _, filter := range []string{"", "kind = ASSIGNED", `phoneUser = "` + u.Name + `" AND kind = EXTENSION_CHANGED`, `actor = "nobody"`} {
			want := list[gatewayclient.LogEntry](tn, "/log", "entries", url.Values{"filter": {filter}})
			got := tn.logFile(filter)
			require.Len(t, got, len(want), filter)
			for i, e := range want {
				line := got[i]
				require.Equal(t, []string{e.Name, e.Kind, e.PhoneUser, e.Assignee, e.Actor, e.RequestID},
					[]string{line["name"], line["kind"], line["phone_user"], line["assignee"], line["actor"], line["request_id"]})
				require.Equal(t, e.Before, object(t, line["before"]))
				require.Equal(t, e.After, object(t, line["after"]))
				require.Regexp(t, `^\d{4}-\d\d-\d\dT[0-9:.]+Z$`, line["time"])
			}
		}
		mine := tn.logFile(`phoneUser = "` + u.Name + `"`)
		require.Len(t, mine, 3)
		require.Equal(t, `'=HYPERLINK("http://example.com","me") Ortiz, Jr.`, mine[0]["display_name"])
		require.Len(t, tn.logFile(`phoneUser = "`+other.Name+`"`), 1)

		// The same for the phone users, whose file can be imported again.
		file := tn.export()
		require.Contains(t, file, "\n'=1+1@"+tn.domain+",")
		require.Equal(t, 2, tn.imported(file, nil).Metadata.UnchangedCount)

		tn.refused(tn.member.Get(t.Context(), tn.path+"/log:export", nil), "PERMISSION_DENIED")
		tn.refused(tn.admin.Get(t.Context(), tn.path+"/log:export?filter=colour%3D1", nil), "FILTER_INVALID")
		stranger := newTenant(t, s, 1)
		stranger.refused(stranger.admin.Get(t.Context(), tn.path+"/log:export", nil), "PERMISSION_DENIED")
	})
}

// object reads a cell that holds a JSON object, or none.
func object(t *testing.T, cell string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if cell != "" {
		require.NoError(t, json.Unmarshal([]byte(cell), &out))
	}
	return out
}

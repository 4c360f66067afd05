package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/importfile"
	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// operation is an import under way or done.
type operation struct {
	Name     string
	Done     bool
	Error    *struct{ Code int }
	Metadata struct {
		RowCount, ProcessedCount, SucceededCount, UnchangedCount, FailedCount, WarningCount int
		RowsPerSecond                                                                       float64
		ValidateOnly                                                                        bool
	}
}

// importRow is what became of one row.
type importRow struct {
	Row       int
	Key       string
	Outcome   string
	PhoneUser string
	Warnings  []string
	Error     *struct {
		Message string
		Details []struct {
			Reason   string
			Metadata map[string]string
		}
	}
}

// importing starts an import; more are further members of the request.
func (tn *tenant) importing(csv string, more map[string]any) (operation, error) {
	body := map[string]any{"csv": []byte(csv)}
	for k, v := range more {
		body[k] = v
	}
	var op operation
	err := tn.admin.Post(tn.Context(), tn.path+"/phoneUsers:import", body, &op)
	return op, err
}

// imported starts an import and waits for its end.
func (tn *tenant) imported(csv string, more map[string]any) operation {
	tn.Helper()
	op, err := tn.importing(csv, more)
	require.NoError(tn, err)
	return tn.finished(op.Name)
}

// finished waits for the end of an import, as long as it gets on.
func (tn *tenant) finished(name string) operation {
	tn.Helper()
	op := operation{}
	for processed := -1; !op.Done; processed = op.Metadata.ProcessedCount {
		tn.eventually(func() error {
			op = operation{}
			if err := tn.admin.Get(tn.Context(), "/v1/"+name, &op); err != nil {
				return err
			}
			if !op.Done && op.Metadata.ProcessedCount <= processed {
				return fmt.Errorf("%d of %d rows are done", op.Metadata.ProcessedCount, op.Metadata.RowCount)
			}
			return nil
		})
	}
	return op
}

// rows lists what became of an import's rows.
func (tn *tenant) rows(op operation) []importRow {
	tn.Helper()
	out, err := gatewayclient.List[importRow](tn.Context(), tn.admin, "/v1/"+op.Name+"/rows", "rows", nil)
	require.NoError(tn, err)
	return out
}

// sheet is a file that assigns licences to people.
func sheet(users []gatewayclient.User, more func(i int) string) string {
	var b strings.Builder
	b.WriteString("email,site,package,template,extension,phone_numbers\n")
	for i, u := range users {
		b.WriteString(u.Email + "," + more(i) + "\n")
	}
	return b.String()
}

func TestSeed06_MoreGoThroughImport(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		const people = 450
		tn := newTenant(t, s, people)
		tn.pkg("Domestic", people)
		users := tn.users(people)
		csv := "\ufeff" + sheet(users, func(int) string { return ",Domestic,,," })
		before := tn.books()
		report := tn.imported(csv, map[string]any{"validateOnly": true})
		require.Equal(t, people, report.Metadata.SucceededCount)
		require.Equal(t, before, tn.books(), "a look changes nothing")

		op, err := tn.importing(csv, map[string]any{"requestId": "monday"})
		require.NoError(t, err)
		again, err := tn.importing(csv, map[string]any{"requestId": "monday"})
		require.NoError(t, err)
		require.Equal(t, op.Name, again.Name, "the first operation is answered")
		_, err = tn.importing(csv+"x@example.com,,,,,\n", map[string]any{"requestId": "monday"})
		tn.refused(err, "REQUEST_ID_REUSED")

		seen := tn.watch(op.Name)
		tn.goOn(seen)
		last := seen[len(seen)-1]
		require.Equal(t, people, last.Metadata.SucceededCount)
		require.Zero(t, last.Metadata.FailedCount)
		require.Positive(t, last.Metadata.RowsPerSecond)
		tn.addUp()

		// What is exported says the same, and so importing it changes nothing.
		exported := tn.export()
		after := tn.books()
		same := tn.imported(exported, nil)
		require.Equal(t, people, same.Metadata.UnchangedCount, "%+v", same.Metadata)
		require.Equal(t, after, tn.books())
	})
}

// watch follows an operation to its end and answers all that it was told.
func (tn *tenant) watch(name string) []operation {
	tn.Helper()
	answer, err := tn.admin.Raw(tn.Context(), http.MethodGet, "/v1/"+name+":watch", nil, nil)
	require.NoError(tn, err)
	require.Equal(tn, http.StatusOK, answer.Status, "%s", answer.Body)
	var out []operation
	for _, line := range bytes.Split(bytes.TrimSpace(answer.Body), []byte("\n")) {
		var told struct{ Result operation }
		require.NoError(tn, json.Unmarshal(line, &told), "%s", line)
		out = append(out, told.Result)
	}
	require.NotEmpty(tn, out)
	return out
}

// goOn checks that what is told of an operation goes on to its end, and never back.
func (tn *tenant) goOn(told []operation) {
	tn.Helper()
	for i, op := range told {
		require.Equal(tn, i == len(told)-1, op.Done, "the end is told last")
		if i > 0 {
			require.GreaterOrEqual(tn, op.Metadata.ProcessedCount, told[i-1].Metadata.ProcessedCount)
		}
	}
}

// export reads all phone users as a file.
func (tn *tenant) export() string {
	tn.Helper()
	answer, err := tn.admin.Raw(tn.Context(), http.MethodGet, tn.path+"/phoneUsers:export", nil, nil)
	require.NoError(tn, err)
	require.Equal(tn, http.StatusOK, answer.Status, "%s", answer.Body)
	require.Contains(tn, answer.Header.Get("Content-Type"), "text/csv")
	return string(answer.Body)
}

// TestSeed06_EveryRowHasItsOwnError has a file with rows that are bad in ten ways between good ones.
func TestSeed06_EveryRowHasItsOwnError(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 200)
		old := tn.pkg("Old", 9)
		require.NoError(t, tn.tryOn(old, "deactivate", map[string]any{}))
		tn.pkg("Domestic", 100)
		numbers := tn.numbers(2)
		users := tn.users(40)
		taken := tn.assign(users[39].Name)[0]
		bad := map[int]struct{ line, reason string }{
			2:  {"nobody@" + tn.domain + ",,,,,", "NOT_FOUND"},
			5:  {users[4].Email + ",Atlantis,,,,", "NOT_FOUND"},
			8:  {users[7].Email + ",,Platinum,,,", "NOT_FOUND"},
			11: {users[10].Email + ",,Old,,,", "PACKAGE_INACTIVE"},
			14: {users[13].Email + ",,,None,,", "NOT_FOUND"},
			17: {users[16].Email + ",,,," + taken.ExtensionNumber + ",", "EXTENSION_IN_USE"},
			20: {users[19].Email + ",,,,77,", "EXTENSION_OUT_OF_RANGE"},
			23: {users[22].Email + ",,,,x1,", "EXTENSION_INVALID"},
			26: {users[25].Email + ",,Domestic,,,+1", "NUMBER_INVALID"},
			29: {users[28].Email + ",,,,," + numbers[0], "PACKAGE_REQUIRED"},
		}
		var b strings.Builder
		b.WriteString("email,site,package,template,extension,phone_numbers\n")
		for i := 1; i <= 38; i++ {
			if x, ok := bad[i]; ok {
				b.WriteString(x.line + "\n")
				continue
			}
			more := ""
			if i == 1 {
				more = strings.TrimPrefix(numbers[1], "+") // as a spreadsheet leaves it
			}
			b.WriteString(users[i-1].Email + ",,Domestic,,," + more + "\n")
		}
		report := tn.imported(b.String(), map[string]any{"validateOnly": true})
		op := tn.imported(b.String(), nil)
		require.Equal(t, report.Metadata.FailedCount, op.Metadata.FailedCount, "the report says what comes")
		require.Equal(t, len(bad), op.Metadata.FailedCount)
		require.Equal(t, 28, op.Metadata.SucceededCount)
		require.Equal(t, 1, op.Metadata.WarningCount)
		for _, r := range tn.rows(op) {
			x, isBad := bad[r.Row]
			if !isBad {
				require.Equal(t, "ASSIGNED", r.Outcome, "row %d: %+v", r.Row, r.Error)
				require.NotEmpty(t, r.PhoneUser)
				continue
			}
			require.Equal(t, "FAILED", r.Outcome, "row %d", r.Row)
			require.Equal(t, x.reason, r.Error.Details[0].Reason, "row %d: %s", r.Row, r.Error.Message)
		}
		tn.addUp()
	})
}

func TestSeed06_AFileThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		tn.unchanged(func() {
			for _, csv := range []string{"", "email,extention\nx@example.com,12\n", "site,package\n,\n", "email,email\na@example.com,b@example.com\n", "email\n\xff\xfe\n"} {
				_, err := tn.importing(csv, nil)
				tn.refused(err, "CSV_INVALID")
			}
			_, err := tn.importing("email\n", nil)
			tn.refused(err, "BATCH_EMPTY")
			_, err = tn.importing("email\n"+strings.Repeat("x@example.com\n", 100_001), map[string]any{"requestId": "long"})
			refusal := tn.refused(err, "BATCH_TOO_LARGE", "csv")
			require.Equal(t, map[string]string{"limit": "100000", "count": "100001"}, refusal.Metadata)
		})
		_, err := tn.importing("email\nx@example.com\n", map[string]any{"requestId": "long"})
		require.NoError(t, err, "nothing is kept of a file that was refused")
		err = tn.admin.Get(t.Context(), "/v1/operations/00000000-0000-4000-8000-000000000000", nil)
		tn.refused(err, "NOT_FOUND")
	})
}

func TestSeed06_AnImportCanBeCancelled(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		const people = 5000
		tn := newTenant(t, s, people)
		op, err := tn.importing(sheet(tn.users(people), func(int) string { return ",,,," }), nil)
		require.NoError(t, err)
		body, err := tn.admin.Stream(t.Context(), "/v1/"+op.Name+":watch")
		require.NoError(t, err)
		defer func() { _ = body.Close() }()
		var told []operation
		for watch := json.NewDecoder(body); watch.More(); {
			var next struct{ Result operation }
			require.NoError(t, watch.Decode(&next))
			if told = append(told, next.Result); len(told) == 1 {
				require.NoError(t, tn.admin.Post(t.Context(), "/v1/"+op.Name+":cancel", map[string]any{}, nil))
			}
		}
		require.Greater(t, len(told), 1)
		tn.goOn(told)
		end := tn.finished(op.Name)
		require.Equal(t, end.Metadata.ProcessedCount, told[len(told)-1].Metadata.ProcessedCount)
		require.NotNil(t, end.Error)
		require.Equal(t, 1, end.Error.Code, "CANCELLED")
		require.Less(t, end.Metadata.ProcessedCount, people)
		waiting := 0
		for _, r := range tn.rows(op) {
			if r.Outcome == "OUTCOME_UNSPECIFIED" {
				require.Empty(t, r.PhoneUser)
				waiting++
			}
		}
		require.Equal(t, people-end.Metadata.ProcessedCount, waiting, "rows that had no turn have no outcome")
		page := struct{ TotalSize int }{}
		require.NoError(t, tn.admin.Get(t.Context(), tn.path+"/phoneUsers?pageSize=1", &page))
		require.Equal(t, end.Metadata.SucceededCount, page.TotalSize, "what was done stays done")
		require.Equal(t, page.TotalSize, tn.accountNow().LicensesAssigned)

		// Another account's administrator does not learn of it.
		other := newTenant(t, s, 1)
		other.refused(other.admin.Get(t.Context(), "/v1/"+op.Name, nil), "NOT_FOUND")
	})
}

// TestSeed06_AnImportGoesOnAfterCrashes imports a file of 5,000 rows, one in a hundred bad, and of more bytes than most messages may have.
// License dies twice: after it has written down what became of a part, and after it has done something that it has not written down.
func TestSeed06_AnImportGoesOnAfterCrashes(t *testing.T) {
	t.Parallel()
	eachKillable(t, func(v *victims) {
		const people = 5000
		tn := newTenant(v.T, v.stack, people+importfile.Taken(people))
		w := importfile.World{Package: "Domestic", Inactive: "Old", Padding: 1000}
		tn.pkg(w.Package, people)
		require.NoError(v, tn.tryOn(tn.pkg(w.Inactive, people), "deactivate", map[string]any{}))
		for _, u := range tn.users(people) {
			w.Emails = append(w.Emails, u.Email)
		}
		for _, holder := range tn.assign(tn.userNames(importfile.Taken(people))...) {
			w.Extensions = append(w.Extensions, holder.ExtensionNumber)
		}
		file := importfile.New(w)
		require.Greater(v, len(file.CSV), 4<<20)

		v.stack.ExpectEnd(stack.License, 0)
		require.NoError(v, v.launcher.Arrange(stack.License, 0, serviceproc.Death{Point: "license.RecordRows", After: true}))
		op, err := tn.importing(string(file.CSV), nil)
		require.NoError(v, err)
		v.awaitEnd(stack.License)
		require.NoError(v, v.launcher.Arrange(stack.License, 0, serviceproc.Death{Point: "license.FinishSagas", After: true}))
		require.NoError(v, v.restart(stack.License))
		v.stack.ExpectEnd(stack.License, 0)
		v.awaitEnd(stack.License)
		require.NoError(v, v.restart(stack.License))
		(&job{tenant: tn}).reachable()

		end := tn.finished(op.Name)
		good := people - len(file.Bad)
		require.Equal(v, good, end.Metadata.SucceededCount, "%+v", end.Metadata)
		require.Equal(v, len(file.Bad), end.Metadata.FailedCount)
		refused := map[int]string{}
		for _, r := range tn.rows(end) {
			if r.Error != nil {
				refused[r.Row] = r.Error.Details[0].Reason
				continue
			}
			require.Equal(v, "ASSIGNED", r.Outcome, "row %d", r.Row)
		}
		reasons, err := file.Check(refused)
		require.NoError(v, err)
		require.Len(v, reasons, 7, "of ten ways to be bad, four are something that is not there")
		tn.onceEach(good + len(w.Extensions))
	})
}

// awaitEnd waits until a service is dead.
func (v *victims) awaitEnd(service string) {
	v.Helper()
	select {
	case <-v.stack.Process(service, 0).Done():
	case <-time.After(2 * patience):
		require.Fail(v, "the service did not die")
	}
}

// onceEach shows by the books and the account log that so many have a licence and that each was assigned it once.
func (tn *tenant) onceEach(people int) {
	tn.Helper()
	page := struct{ TotalSize int }{}
	require.NoError(tn, tn.admin.Get(tn.Context(), tn.path+"/phoneUsers?"+url.Values{"pageSize": {"1"}}.Encode(), &page))
	require.Equal(tn, people, page.TotalSize)
	require.Equal(tn, people, tn.accountNow().LicensesAssigned)
	require.Len(tn, tn.extensions(), people)
	assigned := map[string]bool{}
	for _, line := range tn.logFile("kind = ASSIGNED") {
		require.False(tn, assigned[line["assignee"]], "%s was assigned a licence twice", line["assignee"])
		assigned[line["assignee"]] = true
	}
	require.Len(tn, assigned, people)
}

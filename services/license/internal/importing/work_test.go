package importing

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

const header = "email,room,site,package,template,extension,phone_numbers"

func TestAssignAndChange(t *testing.T) {
	eachWorld(t, 20, 5, func(t *testing.T, w *world) {
		m, rows := w.run(t, Request{}, header,
			"p0@example.com,,Lisbon,World,Sales,1234,"+number(1)+";"+number(2)[1:],
			"P1@EXAMPLE.com,,lx,,,,",
			model.SiteName(w.account, w.lisbon)[:0]+",ATRIUM,"+model.SiteName(w.account, w.porto)+","+model.PackageName(w.account, w.loc)+",Desk,,",
			"p2@example.com,,porto,-,-,,-",
		)
		require.Equal(t, model.ImportSucceeded, m.State)
		require.Equal(t, model.ImportCounts{Rows: 4, Succeeded: 4, Warnings: 1}, m.Counts)
		w.check(t, m.ID)
		all := w.phoneUsers(t)
		p0, p1, p2, atrium := all["p0@example.com"], all["p1@example.com"], all["p2@example.com"], all["Atrium"]
		require.Equal(t, "1234", p0.ExtensionNumber)
		require.Equal(t, []string{number(1), number(2)}, p0.PhoneNumbers)
		require.Equal(t, w.world, p0.PackageID)
		require.Equal(t, "pt", p0.Settings.GetLanguage())
		require.Equal(t, w.lisbon, p1.SiteID)
		require.Equal(t, w.porto, atrium.SiteID)
		require.Equal(t, w.loc, atrium.PackageID)
		require.Equal(t, "de", atrium.Settings.GetLanguage())
		require.Equal(t, model.KindRoom, atrium.AssigneeKind)
		require.Equal(t, w.porto, p2.SiteID)
		for i, p := range []model.PhoneUser{p0, p1, atrium, p2} {
			require.Equal(t, model.RowAssigned, rows[i].Outcome)
			require.Equal(t, p.ID, rows[i].PhoneUserID)
		}

		// The same again changes nothing, an empty cell leaves alone.
		m, rows = w.run(t, Request{}, header,
			"p0@example.com,,Lisbon,World,Sales,1234,"+number(2)+";"+number(1), "p1@example.com,,,,,,", ",Atrium,,,,,",
		)
		require.Equal(t, model.ImportCounts{Rows: 3, Unchanged: 3}, m.Counts)
		require.Equal(t, p0.ID, rows[0].PhoneUserID)
		require.Equal(t, p0, w.phoneUsers(t)["p0@example.com"])

		m, rows = w.run(t, Request{}, header,
			"p0@example.com,,,Local,-,1235,"+number(2)+";"+number(3), // keeps the site, another number
			"p1@example.com,,Porto,,,,",                              // another site, whatever extension
			",Atrium,,-,,,",                                          // no package
			"p2@example.com,,,World,,2500,"+number(4),
		)
		require.Equal(t, model.ImportCounts{Rows: 4, Succeeded: 4}, m.Counts, "%s", rows[0].Error)
		w.check(t, m.ID)
		all = w.phoneUsers(t)
		p0, p1, p2 = all["p0@example.com"], all["p1@example.com"], all["p2@example.com"]
		require.Equal(t, "1235", p0.ExtensionNumber)
		require.Equal(t, w.loc, p0.PackageID)
		require.ElementsMatch(t, []string{number(2), number(3)}, p0.PhoneNumbers)
		require.Empty(t, p0.Settings.GetLanguage())
		require.Equal(t, w.porto, p1.SiteID)
		require.Equal(t, "2", p1.ExtensionNumber[:1])
		require.Empty(t, all["Atrium"].PackageID)
		require.Equal(t, []string{number(4)}, p2.PhoneNumbers)
		for i := range rows {
			require.Equal(t, model.RowUpdated, rows[i].Outcome)
		}

		m, _ = w.run(t, Request{}, header, "p0@example.com,,,,,,-", "p2@example.com,,,-,,,")
		require.Equal(t, model.ImportCounts{Rows: 2, Succeeded: 2}, m.Counts)
		w.check(t, m.ID)
		require.Empty(t, w.phoneUsers(t)["p0@example.com"].PhoneNumbers)
		require.Equal(t, w.loc, w.phoneUsers(t)["p0@example.com"].PackageID)
		require.Empty(t, w.phoneUsers(t)["p2@example.com"].PhoneNumbers)

		entries, err := w.reader.ListLog(t.Context(), w.account, logOf(100))
		require.NoError(t, err)
		for _, e := range entries {
			require.Equal(t, "ada", e.Actor)
			require.Equal(t, "trace", e.RequestID)
		}
	})
}

// TestEveryRowItsOwnError puts bad rows of many kinds between good ones.
func TestEveryRowItsOwnError(t *testing.T) {
	eachWorld(t, 400, 300, func(t *testing.T, w *world) {
		w.run(t, Request{}, header, "p290@example.com,,Lisbon,,,1500,", "p291@example.com,,Lisbon,World,,1501,"+number(90),
			"p292@example.com,,Lisbon,,,1502,")
		bad := []struct {
			line   string
			reason commonv1.Reason
		}{
			{"nobody@example.com,,Lisbon,,,,", commonv1.Reason_NOT_FOUND},
			{",Cellar,Lisbon,,,,", commonv1.Reason_NOT_FOUND},
			{"p200@example.com,,Lissbon,,,,", commonv1.Reason_NOT_FOUND},
			{"p201@example.com,,Lisbon,Wrld,,,", commonv1.Reason_NOT_FOUND},
			{"p202@example.com,,Lisbon,Old,,,", commonv1.Reason_PACKAGE_INACTIVE},
			{"p203@example.com,,Lisbon,,Desk,,", commonv1.Reason_TEMPLATE_SITE_MISMATCH},
			{"p204@example.com,,,,,,", commonv1.Reason_SITE_REQUIRED},
			{"p205@example.com,,Lisbon,,,1500,", commonv1.Reason_EXTENSION_IN_USE},
			{"p206@example.com,,Lisbon,,,7777,", commonv1.Reason_EXTENSION_OUT_OF_RANGE},
			{"p207@example.com,,Lisbon,,,12x,", commonv1.Reason_EXTENSION_INVALID},
			{"p208@example.com,,Lisbon,World,,," + number(90), commonv1.Reason_NUMBER_NOT_AVAILABLE},
			{"p209@example.com,,Lisbon,World,,,+19999999999", commonv1.Reason_NUMBER_NOT_AVAILABLE},
			{"p210@example.com,,Lisbon,,,," + number(50), commonv1.Reason_PACKAGE_REQUIRED},
			{"p211@example.com,,Lisbon,World,,,nine", commonv1.Reason_NUMBER_INVALID},
			{"p0@example.com,,Lisbon,,,,", commonv1.Reason_DUPLICATE_IN_BATCH},
			{"p212@example.com,,Lisbon", commonv1.Reason_CSV_INVALID},
			{"p213@example.com,Atrium,Lisbon,,,,", commonv1.Reason_FIELD_INVALID},
			{"p290@example.com,,,,,1501,", commonv1.Reason_EXTENSION_IN_USE},
			{"p291@example.com,,Porto,Old,,,", commonv1.Reason_PACKAGE_INACTIVE},
			{"p214@example.com,,Lisbon,,,1502,", commonv1.Reason_EXTENSION_IN_USE},
		}
		lines, want := []string{header}, map[int]commonv1.Reason{}
		for i := range 180 {
			lines = append(lines, email(i)+",,Lisbon,World,,,")
			if i%9 == 4 {
				b := bad[i/9]
				lines = append(lines, b.line)
				want[len(lines)-1] = b.reason
			}
		}
		require.Len(t, want, len(bad))
		m, rows := w.run(t, Request{}, lines...)
		require.Equal(t, model.ImportSucceeded, m.State)
		require.Equal(t, model.ImportCounts{Rows: 200, Succeeded: 180, Failed: 20}, m.Counts)
		for i := range rows {
			r := &rows[i]
			reason, isBad := want[r.Number]
			if !isBad {
				require.Equal(t, model.RowAssigned, r.Outcome, "row %d (%s): %s", r.Number, r.Cells.Key(), r.Error)
				continue
			}
			e := refusal(t, r)
			require.Equal(t, reason, e.Reason(), "row %d: %s", r.Number, e.Message())
			for _, v := range e.Violations() {
				require.NotContains(t, v.GetField(), "[", "a row does not know of batches")
			}
			if e.Reason() == commonv1.Reason_EXTENSION_IN_USE {
				require.Equal(t, r.Cells.Extension, e.Metadata()["number"], "its own number, not that of another row of the batch")
			}
		}
		require.Contains(t, refusal(t, &rows[slicesIndex(rows, "p200@example.com")]).Message(), `did you mean "Lisbon"?`)
		require.Len(t, m.FirstErrors, 20)
		for i, r := range m.FirstErrors[1:] {
			require.Greater(t, r.GetRow(), m.FirstErrors[i].GetRow())
		}
		w.check(t, m.ID)
	})
}

func slicesIndex(rows []model.ImportRow, key string) int {
	for i := range rows {
		if rows[i].Cells.Key() == key {
			return i
		}
	}
	return -1
}

func TestAssignOnly(t *testing.T) {
	eachWorld(t, 5, 3, func(t *testing.T, w *world) {
		w.run(t, Request{}, "email,site", "p0@example.com,Lisbon")
		m, rows := w.run(t, Request{AssignOnly: true}, "email,site", "p0@example.com,Porto", "p1@example.com,Porto")
		require.Equal(t, model.ImportCounts{Rows: 2, Succeeded: 1, Failed: 1}, m.Counts)
		e := refusal(t, &rows[0])
		require.Equal(t, commonv1.Reason_ALREADY_LICENSED, e.Reason())
		require.Equal(t, model.PhoneUserName(w.account, w.phoneUsers(t)["p0@example.com"].ID), e.Metadata()["phone_user"])
		require.Equal(t, w.lisbon, w.phoneUsers(t)["p0@example.com"].SiteID)
		w.check(t, m.ID)
	})
}

// TestExhaustion has enough of everything for a part of the rows: exactly so many are done, the first ones, and the others say why
// not.
func TestExhaustion(t *testing.T) {
	eachWorld(t, 107, 200, func(t *testing.T, w *world) {
		w.books.ranges[w.porto] = [2]int{2000, 2022}
		w.books.packages[w.world].Seats = 31
		lines := []string{header}
		for i := range 40 { // 31 package seats
			lines = append(lines, email(i)+",,Lisbon,World,,,")
		}
		for i := range 30 { // 23 extensions
			lines = append(lines, email(40+i)+",,Porto,,,,")
		}
		lines = append(lines, "p199@example.com,,Lisbon,,,9999,") // takes no seat in the end
		for i := range 70 {                                       // 107 - 31 - 23 = 53 licence seats
			lines = append(lines, email(70+i)+",,Lisbon,,,,")
		}
		for _, validateOnly := range []bool{true, false} {
			m, rows := w.run(t, Request{ValidateOnly: validateOnly}, lines...)
			require.Equal(t, model.ImportCounts{Rows: 141, Succeeded: 107, Failed: 34}, m.Counts, "validate only: %v", validateOnly)
			reasons := map[commonv1.Reason]int{}
			for i := range rows {
				if rows[i].Outcome == model.RowFailed {
					e := refusal(t, &rows[i])
					reasons[e.Reason()]++
				}
			}
			require.Equal(t, map[commonv1.Reason]int{
				commonv1.Reason_PACKAGE_SEATS_EXHAUSTED: 9, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED: 7, commonv1.Reason_LICENSE_EXHAUSTED: 17,
				commonv1.Reason_EXTENSION_OUT_OF_RANGE: 1,
			}, reasons)
			require.Len(t, w.phoneUsers(t), map[bool]int{true: 0, false: 107}[validateOnly])
			w.check(t, m.ID)
		}
	})
}

// TestWishesFirst has rows without an extension number before rows that name the numbers which those would be given.
func TestWishesFirst(t *testing.T) {
	eachWorld(t, 200, 150, func(t *testing.T, w *world) {
		lines := []string{"email,site,extension"}
		for i := range 70 {
			lines = append(lines, email(i)+",Lisbon,")
		}
		for i := range 70 {
			lines = append(lines, fmt.Sprintf("%s,Lisbon,%d", email(70+i), 1000+i))
		}
		m, _ := w.run(t, Request{}, lines...)
		require.Equal(t, model.ImportCounts{Rows: 140, Succeeded: 140}, m.Counts)
		require.Equal(t, "1069", w.phoneUsers(t)[email(139)].ExtensionNumber)
		w.check(t, m.ID)
	})
}

func TestEmptyAndSmallFiles(t *testing.T) {
	eachWorld(t, 5, 1, func(t *testing.T, w *world) {
		_, err := w.importer.Submit(t.Context(), Request{Account: w.account, File: []byte("email\n")})
		requireReason(t, commonv1.Reason_BATCH_EMPTY, err)
		found, err := w.importer.Step(t.Context())
		require.NoError(t, err)
		require.False(t, found, "a refused file leaves nothing")
		m, _ := w.run(t, Request{}, "email", "nobody@example.com,")
		require.Equal(t, model.ImportCounts{Rows: 1, Failed: 1}, m.Counts, "all rows refused while taking in")
		require.Equal(t, model.ImportSucceeded, m.State)
	})
}

// lineOf gives Person i a licence with a package.
func lineOf(i int) string { return email(i) + ",,Lisbon,World,,," }

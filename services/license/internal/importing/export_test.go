package importing

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
)

func (w *world) export(t *testing.T) []byte {
	t.Helper()
	var file []byte
	require.NoError(t, w.importer.ExportPhoneUsers(t.Context(), w.account, func(piece []byte) error {
		require.True(t, bytes.HasSuffix(piece, []byte("\n")), "pieces are of whole lines")
		file = append(file, piece...)
		return nil
	}))
	return file
}

// TestExportImportsAgain shows that an export changes nothing when it is imported, whatever things are called.
func TestExportImportsAgain(t *testing.T) {
	eachWorld(t, 100, 60, func(t *testing.T, w *world) {
		ctx, now := t.Context(), w.clock.Now()
		lines := []string{header, `"p0@example.com",,Lisbon,World,Sales,1234,` + number(1) + ";" + number(2)}
		for i, name := range []string{"-", "=1+1", "Lx", "+351", "Say \"hi\",\nall", "@home", "東京", "accounts/a/sites/b"} {
			site := model.Site{AccountID: w.account, ID: uuid.New(), DisplayName: name, Revision: 1, CreateTime: now}
			require.NoError(t, w.reader.CreateSite(ctx, site, 100))
			w.books.ranges[site.ID] = [2]int{3000 + 100*i, 3099 + 100*i}
			room := model.Room{AccountID: w.account, ID: uuid.New(), DisplayName: name + " ", SiteID: w.lisbon, CreateTime: now}
			room.DisplayName = name
			_, err := w.reader.CreateRoom(ctx, room)
			require.NoError(t, err)
			lines = append(lines, fmt.Sprintf(",%s,%s,Local,,,", model.RoomName(w.account, room.ID), model.SiteName(w.account, site.ID)))
			lines = append(lines, fmt.Sprintf("%s,,%s,,,,", email(i+1), model.SiteName(w.account, site.ID)))
		}
		m, rows := w.run(t, Request{}, lines...)
		require.Equal(t, 17, m.Counts.Succeeded, "%s", rows[1].Error)
		w.books.packages[w.loc].Active = false // what somebody has may be inactive

		before := w.phoneUsers(t)
		file := w.export(t)
		require.Equal(t, strings.Join(columns, ","), strings.SplitN(string(file), "\n", 2)[0])
		require.Contains(t, string(file), "p0@example.com,,Lisbon,World,,1234,"+number(1)+";"+number(2)+"\n")
		for _, validateOnly := range []bool{true, false} {
			m, rows = w.run(t, Request{ValidateOnly: validateOnly}, string(file))
			require.Equal(t, model.ImportCounts{Rows: 17, Unchanged: 17}, m.Counts)
		}
		for i := range rows {
			require.Empty(t, rows[i].Warnings)
		}
		require.Equal(t, before, w.phoneUsers(t))
		require.Equal(t, file, w.export(t))

		err := w.importer.ExportPhoneUsers(ctx, uuid.New(), func([]byte) error { return nil })
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
	})
}

// TestExportPages exports more than fits in a page or a piece.
func TestExportPages(t *testing.T) {
	eachWorld(t, 3000, 2500, func(t *testing.T, w *world) {
		w.books.ranges[w.lisbon] = [2]int{10_000, 99_999}
		lines := []string{"email,site"}
		for i := range 2500 {
			lines = append(lines, email(i)+",Lisbon")
		}
		m, _ := w.run(t, Request{}, lines...)
		require.Equal(t, 2500, m.Counts.Succeeded)
		records, err := csv.NewReader(bytes.NewReader(w.export(t))).ReadAll()
		require.NoError(t, err)
		require.Len(t, records, 2501)
		seen := map[string]bool{}
		for _, r := range records[1:] {
			seen[r[0]] = true
		}
		require.Len(t, seen, 2500)
	}, func(_ *world, engine *provisioning.Config, cfg *Config) {
		*engine, *cfg = provisioning.DefaultConfig(), DefaultConfig()
	})
}

// TestResultFile corrects what was refused in the result of an import and imports that again.
func TestResultFile(t *testing.T) {
	eachWorld(t, 100, 5, func(t *testing.T, w *world) {
		m, _ := w.run(t, Request{}, header,
			"p0@example.com,,Lisbon,World,,,"+number(1)[1:], "p1@example.com,,Nowhere,,,,", "p2@example.com,,Lisbon", "p3@example.com,,Lisbon,,,12a,")
		require.Equal(t, 1, m.Counts.Succeeded)
		var file []byte
		export := func(outcome model.ImportOutcome, only bool) [][]string {
			file = nil
			require.NoError(t, w.importer.ExportRows(t.Context(), m.ID, outcome, only, func(piece []byte) error {
				file = append(file, piece...)
				return nil
			}))
			records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
			require.NoError(t, err)
			return records
		}
		all := export(model.RowPending, false)
		require.Len(t, all, 5)
		require.Equal(t, []string{
			"p0@example.com", "", "Lisbon", "World", "", "", number(1)[1:], "ASSIGNED", "", "",
			number(1)[1:] + ` has no "+" in front: read as ` + number(1),
		}, all[1])
		require.Equal(t, []string{"p1@example.com", "", "Nowhere", "", "", "", "", "FAILED", "NOT_FOUND", `there is no site "Nowhere"`, ""}, all[2])
		require.Equal(t, []string{"FAILED", "CSV_INVALID"}, all[3][7:9])
		require.Equal(t, []string{"FAILED", "EXTENSION_INVALID"}, all[4][7:9])

		require.Len(t, export(model.RowFailed, true), 4)
		corrected := strings.NewReplacer("Nowhere", "Porto", "12a", "1212").Replace(string(file))
		m, rows := w.run(t, Request{AssignOnly: true}, corrected)
		require.Equal(t, model.ImportCounts{Rows: 3, Succeeded: 3}, m.Counts, "%s", rows[0].Error)
		w.check(t, m.ID)
	})
}

// TestValidateOnly shows that a file which is only validated gets the outcomes that it gets afterwards, and that nothing changes.
func TestValidateOnly(t *testing.T) {
	eachWorld(t, 100, 60, func(t *testing.T, w *world) {
		w.run(t, Request{}, header, "p0@example.com,,Lisbon,World,,1500,"+number(1), "p1@example.com,,Lisbon,World,,1501,", "p2@example.com,,Lisbon,,,,",
			"p3@example.com,,Lisbon,World,,,"+number(9))
		lines := []string{
			header,
			"p10@example.com,,Lisbon,World,,,", "p0@example.com,,,,,1500,", "p1@example.com,,Porto,,,,", "p2@example.com,,,World,Sales,1600,",
			"p11@example.com,,Lisbon,,,1500,", "p12@example.com,,Porto,,,1300,", "p2@example.org,,,,,,", "p13@example.com,,Lisbon,World,,," + number(1),
			"p14@example.com,,Lisbon,World,,," + number(2), ",Atrium,Porto,,Desk,,", ",Lab,Lisbon,,Desk,,", "p3@example.com,,,,,," + number(3),
			"p15@example.com,,Lisbon,Old,,,", "p16@example.com,,,,,,",
		}
		before := w.phoneUsers(t)
		owners, holdings := w.books.snapshot()
		m, would := w.run(t, Request{ValidateOnly: true}, lines...)
		require.Equal(t, before, w.phoneUsers(t))
		ownersAfter, holdingsAfter := w.books.snapshot()
		require.Equal(t, owners, ownersAfter)
		require.Equal(t, holdings, holdingsAfter)
		require.Equal(t, model.ImportCounts{Rows: 14, Succeeded: 6, Unchanged: 1, Failed: 7}, m.Counts)

		_, did := w.run(t, Request{}, lines...)
		for i := range did {
			require.Equal(t, did[i].Outcome, would[i].Outcome, "row %d: %s / %s", i+1, did[i].Error, would[i].Error)
			if did[i].Outcome == model.RowFailed {
				require.Equal(t, refusal(t, &did[i]).Reason(), refusal(t, &would[i]).Reason(), "row %d", i+1)
			}
			if did[i].Outcome == model.RowAssigned {
				require.Equal(t, uuid.Nil, would[i].PhoneUserID, "there is none yet")
			}
		}
		w.check(t)
	})
}

// TestValidateResumed interrupts an import that only validates: what rows take adds up over the interruption.
func TestValidateResumed(t *testing.T) {
	eachWorld(t, 70, 150, func(t *testing.T, w *world) {
		lines := []string{header}
		for i := range 120 {
			lines = append(lines, lineOf(i))
		}
		m := w.submit(t, Request{ValidateOnly: true}, lines...)
		w.script.FailBefore("license.RecordRows", 2, errKilled)
		for n := 3; n <= 5; n++ {
			w.script.FailBefore("license.RecordRows", n, errKilled)
		}
		_, err := w.importer.Step(t.Context())
		require.ErrorIs(t, err, errKilled)
		m = w.finish(t, m.ID)
		require.Equal(t, model.ImportCounts{Rows: 120, Succeeded: 70, Failed: 50}, m.Counts)
		require.Equal(t, 70, m.Tally.Seats)
		require.Empty(t, w.phoneUsers(t))
	})
}

// TestPeopleWhoHaveNotConfirmed cannot be given a licence, with or without an invitation.
func TestPeopleWhoHaveNotConfirmed(t *testing.T) {
	eachWorld(t, 10, 1, func(t *testing.T, w *world) {
		pending := model.User{
			AccountID: w.account, ID: uuid.New(), Email: "new@example.com", DisplayName: "New", Role: model.RoleMember,
			Status: model.UserPending, CreateTime: w.clock.Now(),
		}
		w.addPeople(t, pending)
		m, rows := w.run(t, Request{}, "email,site", "new@example.com,Lisbon", "p0@example.com,Lisbon")
		require.Equal(t, model.ImportCounts{Rows: 2, Succeeded: 1, Failed: 1}, m.Counts)
		require.Equal(t, commonv1.Reason_USER_PENDING, refusal(t, &rows[0]).Reason())
	})
}

// TestRoomNamedTwice names a room once by its display name and once by its resource name.
func TestRoomNamedTwice(t *testing.T) {
	eachWorld(t, 10, 1, func(t *testing.T, w *world) {
		rooms, err := w.reader.FindRooms(t.Context(), w.account, []string{"atrium"})
		require.NoError(t, err)
		m, rows := w.run(t, Request{}, "room,site", "Atrium,Lisbon", model.RoomName(w.account, rooms["atrium"].ID)+",Lisbon")
		require.Equal(t, model.ImportCounts{Rows: 2, Succeeded: 1, Failed: 1}, m.Counts)
		require.Equal(t, commonv1.Reason_DUPLICATE_IN_BATCH, refusal(t, &rows[1]).Reason())
		w.check(t, m.ID)
	})
}

package importing

import (
	"testing"

	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
)

func TestSubmitAgain(t *testing.T) {
	eachWorld(t, 400, 200, func(t *testing.T, w *world) {
		lines := []string{header}
		for i := range 120 {
			lines = append(lines, lineOf(i))
		}
		req := Request{RequestID: "r", BodyHash: []byte("h")}
		w.script.FailBefore("license.AddImportRows", 2, errKilled)
		req.Account, req.File = w.account, []byte(join(lines))
		_, err := w.importer.Submit(t.Context(), req)
		require.ErrorIs(t, err, errKilled)
		found, err := w.importer.Step(t.Context())
		require.NoError(t, err)
		require.False(t, found, "half a file is not worked on")

		m := w.submit(t, req, lines...)
		require.Equal(t, model.ImportQueued, m.State)
		require.Equal(t, 120, m.Counts.Rows)
		again := w.submit(t, req, lines...)
		require.Equal(t, m.ID, again.ID)
		m = w.finish(t, m.ID)
		require.Equal(t, model.ImportCounts{Rows: 120, Succeeded: 120}, m.Counts)
		done := w.submit(t, req, lines...)
		require.Equal(t, m.ID, done.ID)
		require.Equal(t, model.ImportSucceeded, done.State)
		req.BodyHash = []byte("other")
		_, err = w.importer.Submit(t.Context(), req)
		requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)
		require.Len(t, w.phoneUsers(t), 120)
		w.check(t, m.ID)
	})
}

func TestSubmitRefused(t *testing.T) {
	eachWorld(t, 1, 1, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			file   string
			reason commonv1.Reason
		}{
			"unknown column": {"email,sight\n", commonv1.Reason_CSV_INVALID},
			"no rows":        {"email\n\n", commonv1.Reason_BATCH_EMPTY},
			"fault at end":   {"email\na@example.com\nb@example.com\n\"", commonv1.Reason_CSV_INVALID},
			"too many":       {"email\na\nb\nc\nd\ne\nf\n", commonv1.Reason_BATCH_TOO_LARGE},
		} {
			_, err := w.importer.Submit(t.Context(), Request{Account: w.account, File: []byte(c.file), RequestID: "r", BodyHash: []byte(name)})
			requireReason(t, c.reason, err)
		}
		_, err := w.importer.Submit(t.Context(), Request{Account: w.lisbon, File: []byte("email\na@example.com\n")})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
		m := w.submit(t, Request{RequestID: "r", BodyHash: []byte("fine")}, "email", "a", "b", "c", "d", "e")
		require.Equal(t, 5, m.Counts.Rows, "a refused file does not use its request id up")
	}, func(_ *world, _ *provisioning.Config, cfg *Config) { cfg.MaxRows = 5 })
}

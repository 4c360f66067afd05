package sqlstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestImports(t *testing.T) {
	t.Parallel()
	runSuite(t, storetest.Imports)
}

// TestImportsLostAnswers carries out every transaction of an import once while its result is not known: it counts as done, and
// is done once.
func TestImportsLostAnswers(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		script := &faults.Script{}
		s := sqlstore.New(e.New(t, migrations.FS, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script }))
		ctx, account := t.Context(), uuid.New()
		lost := &crdb.AmbiguousError{Op: "test", Err: errors.New("the answer was lost")}
		for _, op := range []string{"license.CreateImport", "license.AddImportRows", "license.ClaimImport", "license.RecordRows"} {
			script.FailAfter(op, 1, lost)
		}
		id, err := s.CreateImport(ctx, model.Import{ID: uuid.New(), AccountID: account}, store.Remember{RequestID: "r", BodyHash: []byte("h")})
		require.NoError(t, err)
		rows := []model.ImportRow{{Number: 1, Line: 2}, {Number: 2, Line: 3}}
		require.NoError(t, s.AddImportRows(ctx, id, rows))
		require.NoError(t, s.StartImport(ctx, id, model.ImportCounts{Rows: 2}, nil))
		m, err := s.ClaimImport(ctx, 0, time.Minute)
		require.NoError(t, err)
		require.Equal(t, id, m.ID)
		require.NoError(t, s.RecordRows(ctx, m, []model.ImportRow{{Number: 1, Outcome: model.RowAssigned}, {Number: 2, Outcome: model.RowFailed}}))
		got, err := s.GetImport(ctx, id)
		require.NoError(t, err)
		require.Equal(t, model.ImportCounts{Rows: 2, Succeeded: 1, Failed: 1}, got.Counts)
		for _, op := range []string{"license.CreateImport", "license.AddImportRows", "license.ClaimImport", "license.RecordRows"} {
			require.Equal(t, 1, script.Hits(op), "%s was executed once", op)
		}
	})
}

package importing

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// maxFirstErrors is how many refused rows an operation shows by itself.
const maxFirstErrors = 100

// Request asks for an import.
type Request struct {
	Account      uuid.UUID
	File         []byte
	AssignOnly   bool
	ValidateOnly bool
	// Actor and TraceID are written into the account log.
	Actor, TraceID string
	// RequestID makes the request repeatable, with BodyHash to tell whether it is the same; empty for not.
	RequestID string
	BodyHash  []byte
}

// Submit takes a file in: it checks the file as a whole, writes its rows down and lets workers begin. A repeated request returns
// the import of the first one, and completes its upload if that was interrupted. Refused with CSV_INVALID, BATCH_EMPTY,
// BATCH_TOO_LARGE, NOT_FOUND (account) and REQUEST_ID_REUSED; nothing is kept of a refused file.
func (im *Importer) Submit(ctx context.Context, req Request) (model.Import, error) {
	if _, err := im.Store.GetAccount(ctx, req.Account); err != nil {
		return model.Import{}, err
	}
	if err := im.checkFile(req.File); err != nil {
		return model.Import{}, err
	}
	id, err := im.Store.CreateImport(ctx, model.Import{
		ID: uuid.Must(uuid.NewV7()), AccountID: req.Account, AssignOnly: req.AssignOnly, ValidateOnly: req.ValidateOnly,
		RequestID: req.RequestID, Actor: req.Actor, TraceID: req.TraceID,
	}, store.Remember{RequestID: req.RequestID, BodyHash: req.BodyHash})
	if err != nil {
		return model.Import{}, err
	}
	m, err := im.Store.GetImport(ctx, id)
	if err != nil || m.State != model.ImportUploading {
		return m, err
	}
	if err := im.upload(ctx, id, req.File); err != nil {
		return m, err
	}
	im.Wake()
	return im.Store.GetImport(ctx, id)
}

// checkFile reads the whole file once without keeping anything, so that a file that is refused leaves no trace.
func (im *Importer) checkFile(file []byte) error {
	r, err := newReader(file, im.cfg.MaxRows)
	if err != nil {
		return err
	}
	for {
		_, err := r.next()
		switch {
		case errors.Is(err, io.EOF) && r.rows == 0:
			return errs.New(commonv1.Reason_BATCH_EMPTY, "the file has a header and no rows").Violation("csv", "has no rows")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// upload writes the rows of a file that was checked, chunk by chunk, and starts the import.
func (im *Importer) upload(ctx context.Context, id uuid.UUID, file []byte) error {
	r, err := newReader(file, im.cfg.MaxRows)
	if err != nil {
		return err
	}
	var counts model.ImportCounts
	var first []*licensev1.ImportRow
	chunk := make([]model.ImportRow, 0, im.cfg.Chunk)
	for more := true; more; {
		row, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			more = false
		case err != nil:
			return err
		default:
			chunk = append(chunk, row)
			counts.Rows++
			counts.Warnings += boolInt(len(row.Warnings) > 0)
			if row.Outcome == model.RowFailed {
				counts.Failed++
				first = firstErrors(first, []model.ImportRow{row})
			}
		}
		if len(chunk) == cap(chunk) || !more {
			err := im.Store.AddImportRows(ctx, id, chunk)
			if errors.Is(err, store.ErrImportLost) { // another call under this request id was faster
				return nil
			}
			if err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	if err := im.Store.StartImport(ctx, id, counts, first); err != nil {
		return fmt.Errorf("start import: %w", err)
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// firstErrors adds the refused of some rows to those that an operation shows, which stay in the order of rows.
func firstErrors(first []*licensev1.ImportRow, rows []model.ImportRow) []*licensev1.ImportRow {
	for i := range rows {
		if rows[i].Outcome != model.RowFailed {
			continue
		}
		at := len(first)
		for at > 0 && int(first[at-1].GetRow()) > rows[i].Number {
			at--
		}
		if at >= maxFirstErrors || at > 0 && int(first[at-1].GetRow()) == rows[i].Number {
			continue
		}
		first = append(first[:at:at], append([]*licensev1.ImportRow{view.ImportRow(uuid.Nil, &rows[i])}, first[at:]...)...)
		first = first[:min(len(first), maxFirstErrors)]
	}
	return first
}

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/sheet"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// AccountLogServer implements licensev1.AccountLogServiceServer.
type AccountLogServer struct {
	licensev1.UnimplementedAccountLogServiceServer

	store store.LogReader
}

// NewAccountLogServer returns a server of the account log.
func NewAccountLogServer(st store.LogReader) *AccountLogServer { return &AccountLogServer{store: st} }

// ListLogEntries implements licensev1.AccountLogServiceServer.
func (s *AccountLogServer) ListLogEntries(ctx context.Context, req *licensev1.ListLogEntriesRequest) (*licensev1.ListLogEntriesResponse, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[store.LogCursor](req)
	if err != nil {
		return nil, err
	}
	q := store.LogQuery{After: page.After, Limit: page.Limit()}
	if q.Filter, err = store.LogFilter(account).Parse(req.GetFilter()); err != nil {
		return nil, err
	}
	found, err := s.store.ListLog(ctx, account, q)
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(page, found, func(e model.LogEntry) store.LogCursor {
		return store.LogCursor{Time: e.Time, ID: e.ID}
	})
	if err != nil {
		return nil, err
	}
	answer := &licensev1.ListLogEntriesResponse{NextPageToken: next}
	for i := range found {
		entry, err := view.LogEntry(&found[i])
		if err != nil {
			return nil, err
		}
		answer.Entries = append(answer.Entries, entry)
	}
	return answer, nil
}

// exportPage is how many log entries are read at a time.
const exportPage = 1000

// logColumns are the columns of an exported log.
var logColumns = []string{
	"time", "kind", "actor", "request_id", "phone_user", "assignee", "display_name", "before", "after", "name",
}

// ExportLogEntries implements licensev1.AccountLogServiceServer. Whatever the log holds, a page of it is in memory at a time.
func (s *AccountLogServer) ExportLogEntries(req *licensev1.ExportLogEntriesRequest, stream licensev1.AccountLogService_ExportLogEntriesServer) error {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return err
	}
	q := store.LogQuery{Limit: exportPage}
	if q.Filter, err = store.LogFilter(account).Parse(req.GetFilter()); err != nil {
		return err
	}
	out := sheet.NewWriter(sendCSV(stream.Send))
	if err := out.Write(logColumns); err != nil {
		return err
	}
	for {
		page, err := s.store.ListLog(stream.Context(), account, q)
		if err != nil {
			return err
		}
		for i := range page {
			cells, err := logCells(&page[i])
			if err != nil {
				return err
			}
			if err := out.Write(cells); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return out.Flush()
		}
		last := &page[exportPage-1]
		q.After = &store.LogCursor{Time: last.Time, ID: last.ID}
	}
}

// logCells are the cells of an entry, in the order of logColumns.
func logCells(e *model.LogEntry) ([]string, error) {
	before, err := jsonCell(e.Before)
	if err != nil {
		return nil, err
	}
	after, err := jsonCell(e.After)
	return []string{
		e.Time.UTC().Format(time.RFC3339Nano), string(e.Kind), e.Actor, e.RequestID, model.PhoneUserName(e.AccountID, e.PhoneUserID),
		model.AssigneeName(e.AccountID, e.AssigneeKind, e.AssigneeID), e.DisplayName, before, after, model.LogEntryName(e.AccountID, e.ID),
	}, err
}

// jsonCell is an object as JSON with its members in order, "" where there is nothing.
func jsonCell(fields map[string]any) (string, error) {
	if len(fields) == 0 {
		return "", nil
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("log entry: %w", err)
	}
	return string(text), nil
}

package api

import (
	"context"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
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

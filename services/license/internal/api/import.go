package api

import (
	"context"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/cenkalti/backoff/v5"
	"google.golang.org/genproto/googleapis/api/httpbody"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/importing"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// AccountCheckedByHandler are the methods of this package whose requests do not name the account: the handlers compare that of
// the operation with the caller's.
var AccountCheckedByHandler = []string{
	licensev1.ImportService_GetOperation_FullMethodName, licensev1.ImportService_CancelOperation_FullMethodName,
	licensev1.ImportService_WatchOperation_FullMethodName, licensev1.ImportService_ListImportRows_FullMethodName,
	licensev1.ImportService_ExportImportRows_FullMethodName,
}

// How often a watched operation is looked at: often while it changes.
const (
	watchAtLeast = 100 * time.Millisecond
	watchAtMost  = time.Second
)

const csvType = "text/csv; charset=utf-8"

// ImportServer implements licensev1.ImportServiceServer.
type ImportServer struct {
	licensev1.UnimplementedImportServiceServer

	importer *importing.Importer
	store    store.Imports
}

// NewImportServer returns a server that leaves the work to importer.
func NewImportServer(st store.Imports, importer *importing.Importer) *ImportServer {
	return &ImportServer{importer: importer, store: st}
}

// ImportPhoneUsers implements licensev1.ImportServiceServer.
func (s *ImportServer) ImportPhoneUsers(ctx context.Context, req *licensev1.ImportPhoneUsersRequest) (*longrunningpb.Operation, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	hash, err := hashRequest(req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	m, err := s.importer.Submit(ctx, importing.Request{
		Account: account, File: req.GetCsv(), AssignOnly: req.GetMode() == licensev1.ImportPhoneUsersRequest_ASSIGN_ONLY,
		ValidateOnly: req.GetValidateOnly(), Actor: c.Actor, TraceID: c.TraceID, RequestID: req.GetRequestId(), BodyHash: hash,
	})
	if err != nil {
		return nil, err
	}
	return view.ImportOperation(&m)
}

// operation reads the import that a name stands for. One of another account is not found.
func (s *ImportServer) operation(ctx context.Context, name string) (model.Import, error) {
	id, err := model.ParseOperation(name)
	if err != nil {
		return model.Import{}, err
	}
	m, err := s.store.GetImport(ctx, id)
	if err != nil {
		return model.Import{}, err
	}
	if caller, ok := authn.FromContext(ctx); !ok || !caller.Operator && caller.Account != m.AccountID.String() {
		return model.Import{}, model.NotFound(name)
	}
	return m, nil
}

// GetOperation implements licensev1.ImportServiceServer.
func (s *ImportServer) GetOperation(ctx context.Context, req *licensev1.GetOperationRequest) (*longrunningpb.Operation, error) {
	m, err := s.operation(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return view.ImportOperation(&m)
}

// CancelOperation implements licensev1.ImportServiceServer.
func (s *ImportServer) CancelOperation(ctx context.Context, req *licensev1.CancelOperationRequest) (*licensev1.CancelOperationResponse, error) {
	m, err := s.operation(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &licensev1.CancelOperationResponse{}, s.store.CancelImport(ctx, m.ID)
}

// WatchOperation implements licensev1.ImportServiceServer.
func (s *ImportServer) WatchOperation(req *licensev1.WatchOperationRequest, stream licensev1.ImportService_WatchOperationServer) error {
	ctx := stream.Context()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = watchAtLeast, watchAtMost
	var last model.Import
	for first := true; ; first = false {
		m, err := s.operation(ctx, req.GetName())
		if err != nil {
			return err
		}
		if first || changed(&last, &m) {
			op, err := view.ImportOperation(&m)
			if err != nil {
				return err
			}
			if err := stream.Send(op); err != nil {
				return err
			}
			last = m
			pause.Reset()
		}
		if m.Done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// changed says whether something that callers see has changed, the passing of time apart.
func changed(a, b *model.Import) bool {
	return a.State != b.State || a.Counts != b.Counts || a.CancelRequested != b.CancelRequested
}

// rowCursor is the number of the last row of a page.
type rowCursor struct {
	Row int `json:"r"`
}

// ListImportRows implements licensev1.ImportServiceServer.
func (s *ImportServer) ListImportRows(ctx context.Context, req *licensev1.ListImportRowsRequest) (*licensev1.ListImportRowsResponse, error) {
	m, err := s.operation(ctx, req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[rowCursor](req)
	if err != nil {
		return nil, err
	}
	outcome, only := outcomeOf(req.GetOutcome())
	q := store.ImportRowQuery{Outcome: outcome, OnlyOutcome: only, After: page.From().Row, Limit: page.Limit()}
	found, err := s.store.ListImportRows(ctx, m.ID, q)
	if err != nil {
		return nil, err
	}
	rows, next, err := paging.Cut(page, found, func(r model.ImportRow) rowCursor { return rowCursor{Row: r.Number} })
	if err != nil {
		return nil, err
	}
	out := &licensev1.ListImportRowsResponse{NextPageToken: next}
	for i := range rows {
		out.Rows = append(out.Rows, view.ImportRow(m.AccountID, &rows[i]))
	}
	return out, nil
}

// outcomeOf reads the outcome that is asked for; false for all.
func outcomeOf(o licensev1.ImportRow_Outcome) (model.ImportOutcome, bool) {
	if o == licensev1.ImportRow_OUTCOME_UNSPECIFIED {
		return model.RowPending, false
	}
	return model.ImportOutcome(o.String()), true
}

// ExportPhoneUsers implements licensev1.ImportServiceServer.
func (s *ImportServer) ExportPhoneUsers(req *licensev1.ExportPhoneUsersRequest, stream licensev1.ImportService_ExportPhoneUsersServer) error {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return err
	}
	return s.importer.ExportPhoneUsers(stream.Context(), account, sendCSV(stream.Send))
}

// ExportImportRows implements licensev1.ImportServiceServer.
func (s *ImportServer) ExportImportRows(req *licensev1.ExportImportRowsRequest, stream licensev1.ImportService_ExportImportRowsServer) error {
	m, err := s.operation(stream.Context(), req.GetParent())
	if err != nil {
		return err
	}
	outcome, only := outcomeOf(req.GetOutcome())
	return s.importer.ExportRows(stream.Context(), m.ID, outcome, only, sendCSV(stream.Send))
}

func sendCSV(send func(*httpbody.HttpBody) error) func(piece []byte) error {
	return func(piece []byte) error { return send(&httpbody.HttpBody{ContentType: csvType, Data: piece}) }
}

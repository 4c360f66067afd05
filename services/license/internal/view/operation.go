package view

import (
	"fmt"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/google/uuid"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// ImportOperation is an import as callers follow it.
func ImportOperation(m *model.Import) (*longrunningpb.Operation, error) {
	summary := importMetadata(m)
	metadata, err := anypb.New(summary)
	if err != nil {
		return nil, fmt.Errorf("operation metadata: %w", err)
	}
	op := &longrunningpb.Operation{Name: model.OperationName(m.ID), Metadata: metadata, Done: m.Done()}
	switch m.State {
	case model.ImportSucceeded:
		response, err := anypb.New(&licensev1.ImportResponse{Summary: summary})
		if err != nil {
			return nil, fmt.Errorf("operation response: %w", err)
		}
		op.Result = &longrunningpb.Operation_Response{Response: response}
	case model.ImportCancelled:
		op.Result = &longrunningpb.Operation_Error{Error: &statuspb.Status{
			Code: int32(codes.Canceled), Message: "the import was cancelled; rows that were done stay done",
		}}
	}
	return op, nil
}

func importMetadata(m *model.Import) *licensev1.ImportMetadata {
	c := m.Counts
	return &licensev1.ImportMetadata{
		Account: model.AccountName(m.AccountID), RowCount: int32(c.Rows), ProcessedCount: int32(c.Processed()),
		SucceededCount: int32(c.Succeeded), UnchangedCount: int32(c.Unchanged), FailedCount: int32(c.Failed),
		WarningCount: int32(c.Warnings), RowsPerSecond: rowsPerSecond(m), ValidateOnly: m.ValidateOnly,
		CancelRequested: m.CancelRequested, CreateTime: Time(m.CreateTime), EndTime: Time(m.EndTime), Errors: m.FirstErrors,
	}
}

// rowsPerSecond is the rate since a worker took the import up.
func rowsPerSecond(m *model.Import) float64 {
	end := m.EndTime
	if end.IsZero() {
		end = m.ReadTime
	}
	if took := end.Sub(m.StartTime).Seconds(); !m.StartTime.IsZero() && took > 0 {
		return float64(m.Counts.Processed()) / took
	}
	return 0
}

// ImportRow is a row of an import of an account as callers see it.
func ImportRow(account uuid.UUID, r *model.ImportRow) *licensev1.ImportRow {
	out := &licensev1.ImportRow{
		Row: int32(r.Number), Line: int32(r.Line), Key: r.Cells.Key(), Warnings: r.Warnings,
		Outcome:   licensev1.ImportRow_Outcome(licensev1.ImportRow_Outcome_value[string(r.Outcome)]),
		PhoneUser: model.PhoneUserName(account, r.PhoneUserID),
	}
	if len(r.Error) > 0 {
		out.Error = &statuspb.Status{}
		if proto.Unmarshal(r.Error, out.Error) != nil { // of a version to come
			out.Error = &statuspb.Status{Code: int32(codes.Unknown), Message: "the reason cannot be shown"}
		}
	}
	return out
}

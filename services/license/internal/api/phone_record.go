package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// PhoneRecordServer implements licensev1.PhoneRecordServiceServer.
type PhoneRecordServer struct {
	licensev1.UnimplementedPhoneRecordServiceServer

	store store.Store
	clock clock.Clock
}

// NewPhoneRecordServer returns a server of phone users' records.
func NewPhoneRecordServer(st store.Store, c clock.Clock) *PhoneRecordServer {
	return &PhoneRecordServer{store: st, clock: c}
}

// CreatePhoneRecord implements licensev1.PhoneRecordServiceServer.
func (s *PhoneRecordServer) CreatePhoneRecord(ctx context.Context, req *licensev1.CreatePhoneRecordRequest) (*licensev1.PhoneRecord, error) {
	account, phoneUser, err := model.ParsePhoneUser(req.GetParent())
	if err != nil {
		return nil, err
	}
	id := uuid.Must(uuid.NewV7())
	if req.GetRecordId() != "" {
		id = uuid.MustParse(req.GetRecordId()) // a UUID by the rules in the proto
	}
	now := s.clock.Now().UTC()
	record := proto.CloneOf(req.GetRecord())
	record.Name = ""
	if record.StartTime == nil {
		record.StartTime = view.Time(now)
	}
	fields, err := recordFields(record)
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	stored, err := s.store.AddRecord(ctx, model.LogEntry{
		AccountID: account, ID: id, Time: now, Kind: model.LogRecord, PhoneUserID: phoneUser,
		Actor: caller.Actor, RequestID: caller.TraceID, After: fields,
	})
	if err != nil {
		return nil, err
	}
	return recordOf(&stored)
}

// ListPhoneRecords implements licensev1.PhoneRecordServiceServer.
func (s *PhoneRecordServer) ListPhoneRecords(ctx context.Context, req *licensev1.ListPhoneRecordsRequest) (*licensev1.ListPhoneRecordsResponse, error) {
	account, phoneUser, err := model.ParsePhoneUser(req.GetParent())
	if err != nil {
		return nil, orDenied(ctx, err)
	}
	if _, err := requireOwnPhoneUser(ctx, s.store, account, phoneUser); err != nil {
		return nil, err
	}
	page, err := paging.Parse[store.LogCursor](req)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.GetPhoneUser(ctx, account, phoneUser); err != nil {
		return nil, err
	}
	q := store.LogQuery{After: page.After, Limit: page.Limit()}
	if q.Filter, err = store.LogFilter(account).Parse(fmt.Sprintf("phoneUser = %q AND kind = RECORD", req.GetParent())); err != nil {
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
	answer := &licensev1.ListPhoneRecordsResponse{NextPageToken: next}
	for i := range found {
		record, err := recordOf(&found[i])
		if err != nil {
			return nil, err
		}
		answer.Records = append(answer.Records, record)
	}
	return answer, nil
}

// recordFields is a record as the log keeps it.
func recordFields(r *licensev1.PhoneRecord) (map[string]any, error) {
	text, err := protojson.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	fields := map[string]any{}
	return fields, json.Unmarshal(text, &fields)
}

func recordOf(e *model.LogEntry) (*licensev1.PhoneRecord, error) {
	text, err := json.Marshal(e.After)
	if err != nil {
		return nil, fmt.Errorf("stored record: %w", err)
	}
	r := &licensev1.PhoneRecord{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("stored record: %w", err)
	}
	r.Name = model.PhoneUserName(e.AccountID, e.PhoneUserID) + "/records/" + e.ID.String()
	return r, nil
}

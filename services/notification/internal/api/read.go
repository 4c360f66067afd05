package api

import (
	"context"
	"errors"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/names"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// maxAttempts is how many delivery attempts GetNotification shows.
const maxAttempts = 20

// ListNotifications implements the method of the same name.
func (s *Server) ListNotifications(ctx context.Context, req *notificationv1.ListNotificationsRequest) (*notificationv1.ListNotificationsResponse, error) {
	account, err := parseAccount("parent", req.GetParent())
	if err != nil {
		return nil, err
	}
	where, err := store.FilterSchema(account).Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[store.Cursor](req)
	if err != nil {
		return nil, err
	}
	found, err := s.store.List(ctx, account, where, page.After, page.Limit())
	if err != nil {
		return nil, err
	}
	total, err := s.store.Count(ctx, account, where)
	if err != nil {
		return nil, err
	}
	shown, next, err := paging.Cut(page, found, func(m message.Message) store.Cursor {
		return store.Cursor{CreateTime: m.CreateTime, ID: m.ID}
	})
	if err != nil {
		return nil, err
	}
	resp := &notificationv1.ListNotificationsResponse{NextPageToken: next, TotalSize: int32(min(total, math.MaxInt32))}
	for _, m := range shown {
		resp.Notifications = append(resp.Notifications, toProto(m))
	}
	return resp, nil
}

// GetNotification implements the method of the same name.
func (s *Server) GetNotification(ctx context.Context, req *notificationv1.GetNotificationRequest) (*notificationv1.Notification, error) {
	key, err := names.ParseNotification(req.GetName())
	if err := nameError("name", req.GetName(), err); err != nil {
		return nil, err
	}
	m, attempts, err := s.store.Get(ctx, key, maxAttempts)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound(req.GetName())
	}
	if err != nil {
		return nil, err
	}
	n := toProto(m)
	for _, a := range attempts {
		n.DeliveryAttempts = append(n.DeliveryAttempts, attemptToProto(m, a))
	}
	return n, nil
}

func toProto(m message.Message) *notificationv1.Notification {
	n := &notificationv1.Notification{
		Name: names.Notification(m.Key), Recipient: m.Recipient, Kind: kind(m.Kind), State: state(m.State),
		Subject: m.Subject, TextBody: m.TextBody, Attempts: int32(min(m.Attempts, math.MaxInt32)), LastError: m.LastError,
		CreateTime: timestamp(m.CreateTime), SendTime: timestamp(m.SendTime), NextAttemptTime: timestamp(m.NextAttemptTime),
	}
	if m.PhoneUser.Valid {
		n.PhoneUser = names.PhoneUser(m.Account, m.PhoneUser.UUID)
	}
	return n
}

func attemptToProto(m message.Message, a message.Attempt) *notificationv1.DeliveryAttempt {
	out := &notificationv1.DeliveryAttempt{
		Time: timestamp(a.Time), Succeeded: a.Succeeded, SmtpCode: int32(min(max(a.SMTPCode, 0), 999)), Error: a.Error,
	}
	switch {
	case a.Finished:
	case m.State == message.Queued && a.Number == m.Attempts:
		out.Error = "no outcome yet"
	default:
		out.Error = "no outcome on record: the sender stopped during this attempt"
	}
	return out
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

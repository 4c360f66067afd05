package api

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/names"
	"github.com/switchboard-phone/switchboard/services/notification/internal/render"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// How much of typed texts is kept, in characters.
const (
	maxName        = 120
	maxRequestID   = 128
	maxTraceParent = 128
)

var errOtherAccount = errors.New("the phone user is of another account")

// EnqueueMessages implements the method of the same name.
//
// The mail is made here and not when it is sent, so that a message that cannot be made is refused while somebody listens, and
// every repeat of a delivery sends the same mail, also after the templates have changed.
func (s *Server) EnqueueMessages(ctx context.Context, req *notificationv1.EnqueueMessagesRequest) (*notificationv1.EnqueueMessagesResponse, error) {
	problems := errs.New(commonv1.Reason_FIELD_INVALID, "some messages are not valid; none was taken")
	messages := make([]message.New, 0, len(req.GetMessages()))
	for i, m := range req.GetMessages() {
		in, ok := read(m, func(field, text string) { _ = problems.Violation(indexed(i, field), text) })
		if !ok {
			continue
		}
		texts, err := s.renderer.Render(in.content)
		if err != nil {
			return nil, err
		}
		in.Subject, in.TextBody, in.MailText, in.MailHTML = texts.Subject, texts.Readable, texts.Text, texts.HTML
		messages = append(messages, in.New)
	}
	if len(problems.Violations()) > 0 {
		return nil, problems
	}
	added, err := s.store.Enqueue(ctx, messages)
	if err != nil {
		return nil, err
	}
	s.wake()
	return &notificationv1.EnqueueMessagesResponse{EnqueuedCount: int32(added)}, nil
}

// input is a message of the request, read.
type input struct {
	message.New
	content render.Content
}

// read checks a message and reports every field that is not valid; ok when none is. An address that merely cannot be
// delivered to is let through: it shows as a FAILED notification instead of keeping the caller's other messages back.
func read(m *notificationv1.Message, report func(field, text string)) (in input, ok bool) {
	ok = true
	bad := func(field, text string) {
		ok = false
		report(field, text)
	}
	id, err := uuid.Parse(m.GetMessageId())
	if err != nil || id.String() != strings.ToLower(m.GetMessageId()) {
		bad("message_id", "must be a UUID")
	}
	account, err := names.ParseAccount(m.GetAccount())
	if err != nil {
		bad("account", err.Error())
	}
	recipient := strings.TrimSpace(m.GetRecipient())
	if !strings.Contains(recipient, "@") || strings.ContainsFunc(recipient, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		bad("recipient", "must be an e-mail address")
	}
	if err := render.CheckLink(m.GetLink()); err != nil {
		bad("link", err.Error())
	}
	extension := message.SingleLine(m.GetExtensionNumber(), 0)
	if extension == "" && m.GetKind() != notificationv1.Notification_INVITATION {
		bad("extension_number", "must not be empty, except in an invitation")
	}
	var expiry time.Time
	if t := m.GetLinkExpireTime(); t != nil {
		if t.CheckValid() != nil {
			bad("link_expire_time", "must be a valid time")
		}
		expiry = t.AsTime()
	}
	in.PhoneUser, err = readPhoneUser(m, account)
	if err != nil {
		bad("phone_user", err.Error())
	}
	in.Key = message.Key{Account: account, ID: id}
	in.Kind = message.Kind(m.GetKind().String())
	in.Recipient = recipient
	in.DisplayName = message.SingleLine(m.GetDisplayName(), maxName)
	in.RequestID = message.SingleLine(m.GetRequestId(), maxRequestID)
	in.TraceParent = message.SingleLine(m.GetTraceParent(), maxTraceParent)
	in.content = render.Content{
		Kind: in.Kind, Name: m.GetDisplayName(), Organisation: m.GetAccountDisplayName(),
		Extension: extension, Link: m.GetLink(), LinkExpiry: expiry,
	}
	return in, ok
}

func readPhoneUser(m *notificationv1.Message, account uuid.UUID) (uuid.NullUUID, error) {
	if m.GetPhoneUser() == "" {
		return uuid.NullUUID{}, nil
	}
	owner, id, err := names.ParsePhoneUser(m.GetPhoneUser())
	if err == nil && owner != account {
		err = errOtherAccount
	}
	return uuid.NullUUID{UUID: id, Valid: true}, err
}

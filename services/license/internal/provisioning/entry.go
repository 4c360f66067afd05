package provisioning

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// entry is a log entry about a phone user, written by a saga.
func (e *Engine) entry(s *store.Saga, p *model.PhoneUser, kind model.LogKind, before, after map[string]any) model.LogEntry {
	return e.logEntry(Caller{Actor: s.Actor, TraceID: s.TraceID}, p, kind, before, after)
}

func (e *Engine) logEntry(c Caller, p *model.PhoneUser, kind model.LogKind, before, after map[string]any) model.LogEntry {
	return model.LogEntry{
		AccountID: p.AccountID, ID: uuid.Must(uuid.NewV7()), Time: e.clock.Now(), Kind: kind, PhoneUserID: p.ID,
		AssigneeKind: p.AssigneeKind, AssigneeID: p.AssigneeID, DisplayName: p.DisplayName,
		Actor: c.Actor, RequestID: c.TraceID, Before: before, After: after,
	}
}

// snapshot is all that the log keeps of a phone user when it begins or ceases to exist.
func snapshot(p *model.PhoneUser) map[string]any {
	fields := map[string]any{
		"state": string(p.State), "extensionNumber": p.ExtensionNumber, "site": model.SiteName(p.AccountID, p.SiteID),
	}
	if p.PackageID != uuid.Nil {
		fields["package"] = model.PackageName(p.AccountID, p.PackageID)
	}
	if len(p.PhoneNumbers) > 0 {
		fields["phoneNumbers"] = p.PhoneNumbers
	}
	if p.Email != "" {
		fields["email"] = p.Email
	}
	return fields
}

// holdingFields are package and numbers of a phone user for the log.
func holdingFields(p *model.PhoneUser) map[string]any {
	return map[string]any{"package": model.PackageName(p.AccountID, p.PackageID), "phoneNumbers": append([]string{}, p.PhoneNumbers...)}
}

// settingsFields are settings for the log.
func settingsFields(s *licensev1.Settings) map[string]any {
	fields := map[string]any{}
	s.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		fields[fd.JSONName()] = v.Interface()
		return true
	})
	return map[string]any{"settings": fields}
}

// origin is what a mail remembers of the call that caused it, so that its delivery is found from there: it happens later, in
// another process.
type origin struct{ requestID, traceParent string }

func originOf(ctx context.Context, c Caller) origin {
	return origin{c.TraceID, telemetry.TraceParent(ctx)}
}

func originOfSaga(s *store.Saga) origin { return origin{s.TraceID, s.TraceParent} }

// told is the mail that a phone user's person gets at this point of its life; rooms are not written to. Its id follows from the
// phone user and the kind of mail, so that however often the saga is driven the person is told once.
func (e *Engine) told(p *model.PhoneUser, accountName string, from origin) ([]store.OutboxMessage, error) {
	if p.AssigneeKind != model.KindUser {
		return nil, nil
	}
	m, err := e.message(p, accountName, mailKind(p), ToldID(p), from)
	return []store.OutboxMessage{m}, err
}

// mailKind is the mail that a person gets at this point: the invitation before confirming, afterwards one with the extension.
func mailKind(p *model.PhoneUser) notificationv1.Notification_Kind {
	switch {
	case p.State == model.StatePending:
		return notificationv1.Notification_INVITATION
	case p.Invited:
		return notificationv1.Notification_CONFIRMED
	}
	return notificationv1.Notification_WELCOME
}

// message is a mail to a person, with the extension if there is one and a link to the page that comes next.
func (e *Engine) message(p *model.PhoneUser, accountName string, kind notificationv1.Notification_Kind, id uuid.UUID, from origin,
) (store.OutboxMessage, error) {
	link, expires, err := e.link(p, kind)
	if err != nil {
		return store.OutboxMessage{}, err
	}
	body, err := proto.Marshal(&notificationv1.Message{
		MessageId: id.String(), Account: model.AccountName(p.AccountID), Kind: kind, Recipient: p.Email,
		DisplayName: p.DisplayName, AccountDisplayName: accountName, ExtensionNumber: p.ExtensionNumber,
		Link: link, LinkExpireTime: view.Time(expires), PhoneUser: view.PhoneUserName(p), RequestId: from.requestID, TraceParent: from.traceParent,
	})
	return store.OutboxMessage{ID: id, AccountID: p.AccountID, Message: body}, err
}

// link leads to the set-up page, or to the confirmation page in an invitation. The token is in the fragment, which browsers keep
// to themselves: it reaches no access log.
func (e *Engine) link(p *model.PhoneUser, kind notificationv1.Notification_Kind) (string, time.Time, error) {
	purpose, page, more := token.Setup, "/setup", ""
	if kind == notificationv1.Notification_INVITATION {
		purpose, page, more = token.Confirm, "/confirm", "&user="+model.UserName(p.AccountID, p.AssigneeID)
	}
	tok, expires, err := e.tokens.Sign(purpose, p.AccountID, p.ID, e.clock.Now())
	if err != nil {
		return "", time.Time{}, fmt.Errorf("link: %w", err)
	}
	return strings.TrimSuffix(e.cfg.PortalURL, "/") + page + "#token=" + tok + more, expires, nil
}

package provisioning

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
)

// entry is a log entry about a phone user, written by a saga.
func (e *Engine) entry(s *store.Saga, p *model.PhoneUser, kind model.LogKind, before, after map[string]any) model.LogEntry {
	return e.logEntry(Caller{Actor: s.Actor, TraceID: s.TraceID}, p, kind, before, after)
}

func (e *Engine) logEntry(c Caller, p *model.PhoneUser, kind model.LogKind, before, after map[string]any) model.LogEntry {
	return model.LogEntry{
		AccountID: p.AccountID, ID: uuid.Must(uuid.NewV7()), Time: e.clock.Now().UTC(), Kind: kind, PhoneUserID: p.ID,
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

// welcome is the mail that tells a person of the licence; rooms are not written to. Its id follows from the phone user, so that
// however often the saga is driven the person is told once.
func (e *Engine) welcome(s *store.Saga, p *model.PhoneUser, accountName string) ([]store.OutboxMessage, error) {
	if p.AssigneeKind != model.KindUser {
		return nil, nil
	}
	kind, purpose := notificationv1.Notification_WELCOME, "welcome"
	if p.Invited {
		kind, purpose = notificationv1.Notification_CONFIRMED, "confirmed"
	}
	m, err := e.message(p, accountName, kind, uuid.NewSHA1(p.ID, []byte(purpose)), s.TraceID)
	return []store.OutboxMessage{m}, err
}

// message is a mail with the extension and a link to the set-up page.
func (e *Engine) message(p *model.PhoneUser, accountName string, kind notificationv1.Notification_Kind, id uuid.UUID, traceID string,
) (store.OutboxMessage, error) {
	tok, expires, err := e.tokens.Sign(token.Setup, p.AccountID, p.ID, e.clock.Now())
	if err != nil {
		return store.OutboxMessage{}, fmt.Errorf("set-up token: %w", err)
	}
	body, err := proto.Marshal(&notificationv1.Message{
		MessageId: id.String(), Account: model.AccountName(p.AccountID), Kind: kind, Recipient: p.Email,
		DisplayName: p.DisplayName, AccountDisplayName: accountName, ExtensionNumber: p.ExtensionNumber,
		// In the fragment, which browsers keep to themselves: the token reaches no access log.
		Link:           strings.TrimSuffix(e.cfg.PortalURL, "/") + "/setup#token=" + tok,
		LinkExpireTime: view.Time(expires), PhoneUser: view.PhoneUserName(p), RequestId: traceID,
	})
	return store.OutboxMessage{ID: id, AccountID: p.AccountID, Message: body}, err
}

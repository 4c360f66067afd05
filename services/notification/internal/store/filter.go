package store

import (
	"errors"

	"github.com/google/uuid"

	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/names"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// FilterSchema returns the fields by which the messages of an account can be filtered: recipient (letter case does not
// matter), kind, state and phoneUser.
func FilterSchema(account uuid.UUID) *filter.Schema {
	return filter.New(map[string]filter.Field{
		"recipient": filter.Name("ada@example.com", func(address string) (any, error) {
			return message.RecipientKey(address), nil
		}),
		"kind":  filter.Enum(notificationv1.Notification_KIND_UNSPECIFIED.Descriptor()),
		"state": filter.Enum(notificationv1.Notification_STATE_UNSPECIFIED.Descriptor()),
		"phoneUser": filter.Name("accounts/a/phoneUsers/p", func(name string) (any, error) {
			owner, id, err := names.ParsePhoneUser(name)
			switch {
			case errors.Is(err, names.ErrNoID), err == nil && owner != account:
				return nil, filter.ErrNoMatch
			case err != nil:
				return nil, err
			}
			return id, nil
		}).Optional(),
	})
}

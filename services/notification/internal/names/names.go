// Package names reads and writes the resource names that the notification service deals in. Ids are UUIDs in their canonical
// lower-case form; anything else names nothing.
package names

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.einride.tech/aip/resourcename"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
)

// The patterns of the names.
const (
	AccountPattern      = "accounts/{account}"
	NotificationPattern = "accounts/{account}/notifications/{notification}"
	PhoneUserPattern    = "accounts/{account}/phoneUsers/{phone_user}"
)

// ErrNoID is a name of the right form in which an id is not one, so that the resource cannot exist.
var ErrNoID = errors.New("the name holds an id that is not a UUID")

// ParseAccount returns the id in the name of an account.
func ParseAccount(name string) (uuid.UUID, error) {
	ids, err := parse(name, AccountPattern, 1)
	return ids[0], err
}

// ParseNotification returns the ids in the name of a notification.
func ParseNotification(name string) (message.Key, error) {
	ids, err := parse(name, NotificationPattern, 2)
	return message.Key{Account: ids[0], ID: ids[1]}, err
}

// ParsePhoneUser returns the ids in the name of a phone user.
func ParsePhoneUser(name string) (account, phoneUser uuid.UUID, err error) {
	ids, err := parse(name, PhoneUserPattern, 2)
	return ids[0], ids[1], err
}

// Notification returns the name of a notification.
func Notification(k message.Key) string {
	return resourcename.Sprint(NotificationPattern, k.Account.String(), k.ID.String())
}

// PhoneUser returns the name of a phone user.
func PhoneUser(account, phoneUser uuid.UUID) string {
	return resourcename.Sprint(PhoneUserPattern, account.String(), phoneUser.String())
}

// parse returns the first n ids of a name, always two, so that callers need not look at lengths.
func parse(name, pattern string, n int) ([2]uuid.UUID, error) {
	var texts [2]string
	var ids [2]uuid.UUID
	if err := resourcename.Sscan(name, pattern, []*string{&texts[0], &texts[1]}[:n]...); err != nil {
		return ids, fmt.Errorf("the name is not like %q", pattern)
	}
	for i, text := range texts[:n] {
		id, err := uuid.Parse(text)
		if err != nil || id.String() != text {
			return [2]uuid.UUID{}, ErrNoID
		}
		ids[i] = id
	}
	return ids, nil
}

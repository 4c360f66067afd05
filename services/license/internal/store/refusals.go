package store

import (
	"fmt"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// InProgress is the refusal to change a phone user that an operation holds.
func InProgress(p *model.PhoneUser) *errs.Error {
	return errs.New(commonv1.Reason_OPERATION_IN_PROGRESS, "another operation on the phone user is under way: repeat the call").
		With("resource", model.PhoneUserName(p.AccountID, p.ID))
}

// LicenseExhausted is the refusal of an operation that needs more licence seats than are free.
func LicenseExhausted(seats, taken, requested int) error {
	return errs.New(commonv1.Reason_LICENSE_EXHAUSTED,
		"licence seats needed: %d, free: %d of %d: remove licences or buy more", requested, seats-taken, seats).
		With("seats", fmt.Sprint(seats)).With("assigned", fmt.Sprint(taken)).With("requested", fmt.Sprint(requested))
}

// RequestIDReused is the refusal of a request under the id of another one.
func RequestIDReused(id string) error {
	return errs.New(commonv1.Reason_REQUEST_ID_REUSED,
		"the request id was used for another request: repeat that one unchanged or take a new id").With("request_id", id)
}

// AlreadyLicensed is the refusal to give a licence to those who have one; nil when none of them has. live maps assignees to their
// phone users, field is the list that they were named in, name says how the i-th is called.
func AlreadyLicensed(account uuid.UUID, assignees []uuid.UUID, live map[uuid.UUID]uuid.UUID, field string, name func(i int) string) error {
	var all errs.Collector
	for i, id := range assignees {
		if holder, ok := live[id]; ok {
			text := name(i) + " has a phone licence already"
			all.Add(fmt.Sprintf("%s[%d]", field, i), text,
				errs.New(commonv1.Reason_ALREADY_LICENSED, "%s", text).With("phone_user", model.PhoneUserName(account, holder)))
		}
	}
	return all.Err()
}

// MissingPhoneUsers is the refusal of a request that names phone users that do not exist; missing are their indexes in ids.
func MissingPhoneUsers(account uuid.UUID, ids []uuid.UUID, missing []int) error {
	e := model.NotFound(model.PhoneUserName(account, ids[missing[0]]))
	for _, i := range missing {
		e = e.Violation(fmt.Sprintf("phone_users[%d]", i), "the phone user does not exist")
	}
	return e
}

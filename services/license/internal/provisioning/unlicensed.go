package provisioning

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// requireLicence makes NOT_FOUND say what is really missing: ids that are no phone users, but name people or rooms of the directory,
// or licences that were removed, are refused with LICENSE_REQUIRED. Other refusals and ids that nobody ever had stay as they are.
func (e *Engine) requireLicence(ctx context.Context, account uuid.UUID, ids []uuid.UUID, err error) error {
	if errs.Reason(err) != commonv1.Reason_NOT_FOUND {
		return err
	}
	unlicensed, findErr := e.unlicensed(ctx, account, ids)
	if findErr != nil || len(unlicensed) == 0 {
		return err
	}
	var all errs.Collector
	for i, id := range ids {
		if unlicensed[id] {
			all.Add(fmt.Sprintf("phone_users[%d]", i), "has no phone licence",
				errs.New(commonv1.Reason_LICENSE_REQUIRED, "there is no phone licence (any more): assign one first").
					With("phone_user", model.PhoneUserName(account, id)))
		}
	}
	return all.Err()
}

// unlicensed finds those of the ids that are people, rooms or removed phone users.
func (e *Engine) unlicensed(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	found, err := e.store.RemovedPhoneUsers(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	users, err := e.store.GetUsers(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	rooms, err := e.store.GetRooms(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	for id := range users {
		found[id] = true
	}
	for id := range rooms {
		found[id] = true
	}
	return found, nil
}

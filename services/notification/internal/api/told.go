package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/notification/internal/names"
)

// BatchGetTold implements the method of the same name.
func (s *Server) BatchGetTold(ctx context.Context, req *notificationv1.BatchGetToldRequest) (*notificationv1.BatchGetToldResponse, error) {
	account, err := parseAccount("parent", req.GetParent())
	if err != nil {
		return nil, err
	}
	asked := make(map[uuid.UUID]string, len(req.GetPhoneUsers()))
	ids := make([]uuid.UUID, len(req.GetPhoneUsers()))
	for i, name := range req.GetPhoneUsers() {
		_, ids[i], err = names.ParsePhoneUser(name)
		if err := nameError(fmt.Sprintf("phone_users[%d]", i), name, err); err != nil {
			return nil, err
		}
		asked[ids[i]] = name
	}
	told, err := s.store.Told(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	answer := &notificationv1.BatchGetToldResponse{}
	for _, id := range told {
		answer.PhoneUsers = append(answer.PhoneUsers, asked[id])
	}
	return answer, nil
}

package api

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
)

// PhoneUserServer implements licensev1.PhoneUserServiceServer.
type PhoneUserServer struct {
	licensev1.UnimplementedPhoneUserServiceServer
	*PhoneUserReader

	store    store.Store
	engine   *provisioning.Engine
	maxBatch int
}

// NewPhoneUserServer returns a server whose batches hold at most maxBatch items.
func NewPhoneUserServer(st store.Store, engine *provisioning.Engine, reader *PhoneUserReader, maxBatch int) *PhoneUserServer {
	return &PhoneUserServer{PhoneUserReader: reader, store: st, engine: engine, maxBatch: maxBatch}
}

// replayOr fills answer with what is remembered under the request id, or returns err. A repeated call gets its first answer also
// when what it names is gone by now, or is not clear any more.
func replayOr(ctx context.Context, e *provisioning.Engine, account uuid.UUID, requestID string, hash []byte, answer proto.Message, err error) error {
	found, replayErr := e.Replay(ctx, account, requestID, hash, answer)
	switch {
	case replayErr != nil:
		return errors.Join(replayErr, err)
	case found:
		return nil
	}
	return err
}

// preview answers a call with validate_only by would. Under a request id that was used before it is answered as the real call is: with
// the first answer, or with REQUEST_ID_REUSED.
func preview[A any, P interface {
	*A
	proto.Message
}](ctx context.Context, e *provisioning.Engine, t provisioning.Targets, would func(context.Context, provisioning.Targets) (P, error)) (P, error) {
	answer := P(new(A))
	if found, err := e.Replay(ctx, t.Account, t.RequestID, t.BodyHash, answer); found || err != nil {
		return answer, err
	}
	return would(ctx, t)
}

// batchRequest is what the batch methods over phone users have in common.
type batchRequest interface {
	proto.Message
	GetParent() string
	GetPhoneUsers() []string
	GetRequestId() string
}

// targets reads the phone users that a batch names. requestID points into req.
func (s *PhoneUserServer) targets(ctx context.Context, req batchRequest, requestID *string) (provisioning.Targets, error) {
	t := provisioning.Targets{Caller: callerOf(ctx), RequestID: req.GetRequestId()}
	var err error
	if t.Account, err = model.ParseAccount(req.GetParent()); err != nil {
		return t, err
	}
	if err := checkBatch(req.GetPhoneUsers(), s.maxBatch, "phone_users"); err != nil {
		return t, err
	}
	if t.PhoneUsers, err = phoneUserIDs(t.Account, req.GetPhoneUsers()); err != nil {
		return t, err
	}
	t.BodyHash, err = hashRequest(req, requestID)
	return t, err
}

func phoneUserIDs(account uuid.UUID, names []string) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(names))
	var missing refusals
	for i, name := range names {
		owner, id, err := model.ParsePhoneUser(name)
		if err != nil || owner != account {
			missing.addMissing("phone_users", i, name)
		}
		ids[i] = id
	}
	return ids, missing.Err()
}

// oneFields are the fields of a request about one phone user that refusals blame: the one that says which phone user, and the one
// with the extension number wished for.
type oneFields struct{ phoneUser, extension string }

// byName are those of custom methods of a phone user.
var byName = oneFields{phoneUser: "name"}

// blame makes a refusal of the engine, which knows lists of phone users and the extension service's own request, blame fields of the
// request about one.
func (f oneFields) blame(err error) error {
	return provisioning.RenameFields(err, func(path string) string {
		switch path {
		case "phone_users[0]":
			return f.phoneUser
		case "number":
			return f.extension
		}
		return strings.TrimPrefix(path, "phone_users[0].")
	})
}

// single is targets for a method over one phone user.
func single(ctx context.Context, name, requestID string, hash []byte) (provisioning.Targets, error) {
	account, id, err := model.ParsePhoneUser(name)
	return provisioning.Targets{
		Account: account, Caller: callerOf(ctx), PhoneUsers: []uuid.UUID{id}, RequestID: requestID, BodyHash: hash,
	}, err
}

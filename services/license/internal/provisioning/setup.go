package provisioning

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Setup is what a person reaches with the token out of the mail.
type Setup struct {
	PhoneUser  model.PhoneUser
	ExpireTime time.Time
}

// View is the set-up as the person sees it.
func (s *Setup) View() *licensev1.PhoneUserSetup {
	p := &s.PhoneUser
	return &licensev1.PhoneUserSetup{
		DisplayName: p.DisplayName, ExtensionNumber: p.ExtensionNumber, PhoneNumbers: p.PhoneNumbers, Settings: p.Settings,
		SetupComplete: p.SetupComplete, ExtensionChangeable: p.Invited, ExpireTime: view.Time(s.ExpireTime),
	}
}

// OpenSetup finds the phone user of a set-up token. A token of somebody removed or trashed since is refused with LICENSE_REQUIRED.
func (e *Engine) OpenSetup(ctx context.Context, text string) (*Setup, error) {
	account, id, expires, err := e.tokens.Read(token.Setup, text, e.clock.Now())
	if err != nil {
		return nil, err
	}
	found, err := e.store.GetPhoneUser(ctx, account, id)
	if errs.Reason(err) == commonv1.Reason_NOT_FOUND || err == nil && found.State != model.StateActive {
		return nil, errs.New(commonv1.Reason_LICENSE_REQUIRED, "this phone licence is not active any more: ask your administrator")
	}
	if err != nil {
		return nil, err
	}
	return &Setup{PhoneUser: found, ExpireTime: expires}, nil
}

// Replay fills answer with what is remembered under a request id. It answers false when nothing is (yet) or the id is empty, and
// refuses an id that was used for another request.
func (e *Engine) Replay(ctx context.Context, account uuid.UUID, requestID string, bodyHash []byte, answer proto.Message) (bool, error) {
	if requestID == "" {
		return false, nil
	}
	known, err := e.store.FindRequest(ctx, account, requestID)
	switch {
	case err != nil || known == nil:
		return false, err
	case !bytes.Equal(known.BodyHash, bodyHash):
		return false, store.RequestIDReused(requestID)
	case known.Response == nil: // the first call is under way
		return false, nil
	}
	return true, unmarshalAnswer(known.Response, answer)
}

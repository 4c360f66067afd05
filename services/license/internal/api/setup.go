package api

import (
	"context"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// SetupServer implements licensev1.PhoneUserSetupServiceServer.
type SetupServer struct {
	licensev1.UnimplementedPhoneUserSetupServiceServer

	engine *provisioning.Engine
}

// NewSetupServer returns a server for the page behind the link in a mail.
func NewSetupServer(engine *provisioning.Engine) *SetupServer { return &SetupServer{engine: engine} }

// LookupPhoneUserSetup implements licensev1.PhoneUserSetupServiceServer.
func (s *SetupServer) LookupPhoneUserSetup(ctx context.Context, req *licensev1.LookupPhoneUserSetupRequest) (*licensev1.PhoneUserSetup, error) {
	setup, err := s.engine.OpenSetup(ctx, req.GetToken())
	if err != nil {
		return nil, err
	}
	return setup.View(), nil
}

// CompletePhoneUserSetup implements licensev1.PhoneUserSetupServiceServer.
func (s *SetupServer) CompletePhoneUserSetup(ctx context.Context, req *licensev1.CompletePhoneUserSetupRequest) (*licensev1.PhoneUserSetup, error) {
	if err := checkSettings(req.GetSettings(), "settings"); err != nil {
		return nil, err
	}
	setup, err := s.engine.OpenSetup(ctx, req.GetToken())
	if err != nil {
		return nil, err
	}
	wish := req.GetExtensionNumber()
	if wish == setup.PhoneUser.ExtensionNumber {
		wish = ""
	}
	if wish != "" && !setup.PhoneUser.Invited {
		return nil, errs.New(commonv1.Reason_FIELD_INVALID, "your extension number is changed by an administrator only").
			Violation("extension_number", "cannot be changed here")
	}
	fields := setFields(req.GetSettings())
	if len(fields) > 0 {
		return s.complete(ctx, req, setup, wish, mergeSettings(req.GetSettings(), fields))
	}
	return s.complete(ctx, req, setup, wish, nil)
}

func (s *SetupServer) complete(ctx context.Context, req *licensev1.CompletePhoneUserSetupRequest, setup *provisioning.Setup,
	wish string, settings func(*licensev1.Settings) *licensev1.Settings,
) (*licensev1.PhoneUserSetup, error) {
	u := provisioning.Update{
		Account: setup.PhoneUser.AccountID, PhoneUser: setup.PhoneUser.ID, Caller: callerOf(ctx), CompletesSetup: true, Settings: settings,
	}
	if wish != "" {
		u.Extension = &wish
	}
	if _, err := s.engine.Update(ctx, u); err != nil {
		return nil, oneFields{phoneUser: "token", extension: "extension_number"}.blame(err)
	}
	// Read again rather than put together: what the person sees is what is stored.
	setup, err := s.engine.OpenSetup(ctx, req.GetToken())
	if err != nil {
		return nil, err
	}
	return setup.View(), nil
}

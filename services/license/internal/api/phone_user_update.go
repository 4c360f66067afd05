package api

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// UpdatePhoneUser implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) UpdatePhoneUser(ctx context.Context, req *licensev1.UpdatePhoneUserRequest) (*licensev1.PhoneUser, error) {
	p := req.GetPhoneUser()
	account, id, err := model.ParsePhoneUser(p.GetName())
	if err != nil {
		return nil, orDenied(ctx, err)
	}
	limited, err := requireOwnPhoneUser(ctx, s.store, account, id)
	if err != nil {
		return nil, err
	}
	paths, err := updatePaths(p, req.GetUpdateMask())
	if err != nil {
		return nil, err
	}
	if limited && (paths.has("extension_number") || paths.has("site")) {
		return nil, errs.New(commonv1.Reason_PERMISSION_DENIED, "your extension number and your site are changed by an administrator only")
	}
	u := provisioning.Update{Account: account, Caller: callerOf(ctx), PhoneUser: id, Etag: p.GetEtag()}
	if paths.has("extension_number") {
		u.Extension = proto.String(p.GetExtensionNumber())
	}
	if paths.has("site") {
		site, err := optionalChild(account, p.GetSite(), model.ParseSite)
		if err != nil {
			return nil, err
		}
		if site == uuid.Nil {
			return nil, errs.New(commonv1.Reason_FIELD_INVALID, "a phone user belongs to a site: name one").Violation("phone_user.site", "must not be empty")
		}
		u.SiteID = &site
	}
	if settings := paths.settings(); settings != nil {
		if err := checkSettings(p.GetSettings(), "phone_user.settings"); err != nil {
			return nil, err
		}
		u.Settings = mergeSettings(p.GetSettings(), settings)
	}
	answer, err := s.engine.Update(ctx, u)
	return answer, oneFields{phoneUser: "phone_user.name", extension: "phone_user.extension_number"}.blame(err)
}

// pathSet are the paths of an update mask.
type pathSet map[string]bool

func (s pathSet) has(path string) bool { return s[path] }

// settings are the fields of settings to change: ["*"] for all of them, nil for none.
func (s pathSet) settings() []string {
	var fields []string
	for path := range s {
		if path == "settings" {
			return []string{"*"}
		}
		if field, ok := strings.CutPrefix(path, "settings."); ok {
			fields = append(fields, field)
		}
	}
	return fields
}

// updatePaths reads an update mask, or infers it from the fields that are set.
func updatePaths(p *licensev1.PhoneUser, mask *fieldmaskpb.FieldMask) (pathSet, error) {
	paths := pathSet{}
	for _, path := range mask.GetPaths() {
		switch {
		case path == "*":
			paths["extension_number"], paths["site"], paths["settings"] = true, true, true
		case path == "name" || path == "etag": // they say which phone user and which state of it
		case path == "extension_number", path == "site", path == "settings", isSettingsPath(path):
			paths[path] = true
		default:
			return nil, errs.New(commonv1.Reason_FIELD_INVALID,
				"update_mask: %q cannot be changed here; extension_number, site and settings can", path).
				Violation("update_mask", path+" cannot be changed")
		}
	}
	if len(mask.GetPaths()) == 0 {
		paths["extension_number"], paths["site"] = p.GetExtensionNumber() != "", p.GetSite() != ""
		paths["settings"] = false
		for _, field := range setFields(p.GetSettings()) {
			paths["settings."+field] = true
		}
	}
	for path, set := range paths {
		if !set {
			delete(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil, errs.New(commonv1.Reason_FIELD_INVALID, "nothing to change: set extension_number, site or settings").
			Violation("update_mask", "names nothing to change")
	}
	return paths, nil
}

func isSettingsPath(path string) bool {
	field, ok := strings.CutPrefix(path, "settings.")
	return ok && (&licensev1.Settings{}).ProtoReflect().Descriptor().Fields().ByTextName(field) != nil
}

func setFields(s *licensev1.Settings) []string {
	var fields []string
	s.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		fields = append(fields, fd.TextName())
		return true
	})
	return fields
}

// mergeSettings returns the function that applies changes to the present settings: the fields named are set as in changed,
// or cleared to their default where changed leaves them out. "*" stands for all fields.
func mergeSettings(changed *licensev1.Settings, fields []string) func(*licensev1.Settings) *licensev1.Settings {
	return func(present *licensev1.Settings) *licensev1.Settings {
		if fields[0] == "*" {
			if changed == nil {
				return &licensev1.Settings{}
			}
			return proto.CloneOf(changed)
		}
		merged := &licensev1.Settings{}
		if present != nil {
			merged = proto.CloneOf(present)
		}
		from, to := changed.ProtoReflect(), merged.ProtoReflect()
		for _, field := range fields {
			fd := to.Descriptor().Fields().ByTextName(field)
			if changed == nil || !from.Has(fd) {
				to.Clear(fd)
				continue
			}
			to.Set(fd, from.Get(fd))
		}
		return merged
	}
}

// checkSettings refuses what the rules in the proto cannot: time zones that do not exist.
func checkSettings(s *licensev1.Settings, path string) error {
	if s == nil || s.TimeZone == nil {
		return nil
	}
	if _, err := time.LoadLocation(s.GetTimeZone()); err != nil || s.GetTimeZone() == "Local" {
		return errs.New(commonv1.Reason_FIELD_INVALID, "%q is not an IANA time zone such as Europe/Lisbon", s.GetTimeZone()).
			Violation(path+".time_zone", "is not an IANA time zone")
	}
	return nil
}

// ResendInvite implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) ResendInvite(ctx context.Context, req *licensev1.ResendInviteRequest) (*licensev1.ResendInviteResponse, error) {
	account, id, err := model.ParsePhoneUser(req.GetName())
	if err != nil {
		return nil, err
	}
	message, err := s.engine.ResendInvite(ctx, callerOf(ctx), account, id)
	if err != nil {
		return nil, err
	}
	return &licensev1.ResendInviteResponse{Notification: model.NotificationName(account, message)}, nil
}

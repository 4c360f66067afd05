package view

import (
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// Account is an account as callers see it.
func Account(a *model.Account) *licensev1.Account {
	return &licensev1.Account{
		Name:             model.AccountName(a.ID),
		DisplayName:      a.DisplayName,
		LicenseSeats:     int32(a.Seats),
		LicensesAssigned: int32(a.Taken),
		Policy: &licensev1.AccountPolicy{
			SoftDelete:            a.Policy.SoftDelete,
			ExtensionQuarantine:   durationpb.New(a.Policy.ExtensionQuarantine),
			PhoneNumberQuarantine: durationpb.New(a.Policy.PhoneNumberQuarantine),
		},
		CreateTime: Time(a.CreateTime),
		UpdateTime: Time(a.UpdateTime),
		Etag:       Etag(a.Revision),
	}
}

// Site is a site as callers see it.
func Site(s *model.Site) *licensev1.Site {
	return &licensev1.Site{
		Name:        model.SiteName(s.AccountID, s.ID),
		DisplayName: s.DisplayName,
		SiteCode:    s.SiteCode,
		IsMain:      s.IsMain,
		CreateTime:  Time(s.CreateTime),
		Etag:        Etag(s.Revision),
	}
}

// User is a person as callers see it.
func User(u *model.User) *licensev1.User {
	out := &licensev1.User{
		Name:        model.UserName(u.AccountID, u.ID),
		Email:       u.Email,
		GivenName:   u.GivenName,
		FamilyName:  u.FamilyName,
		DisplayName: u.DisplayName,
		Role:        commonv1.Role(commonv1.Role_value[string(u.Role)]),
		Status:      licensev1.User_Status(licensev1.User_Status_value[string(u.Status)]),
		PhoneUser:   model.PhoneUserName(u.AccountID, u.PhoneUserID),
		Site:        model.SiteName(u.AccountID, u.SiteID),
		CreateTime:  Time(u.CreateTime),
	}
	if u.Phone {
		out.Features = []licensev1.User_Feature{licensev1.User_PHONE}
	}
	return out
}

// Users is User for several.
func Users(us []model.User) []*licensev1.User {
	out := make([]*licensev1.User, len(us))
	for i := range us {
		out[i] = User(&us[i])
	}
	return out
}

// Room is a room as callers see it.
func Room(r *model.Room) *licensev1.Room {
	return &licensev1.Room{
		Name:        model.RoomName(r.AccountID, r.ID),
		DisplayName: r.DisplayName,
		Site:        model.SiteName(r.AccountID, r.SiteID),
		PhoneUser:   model.PhoneUserName(r.AccountID, r.PhoneUserID),
		CreateTime:  Time(r.CreateTime),
	}
}

// Template is a template as callers see it.
func Template(t *model.Template) *licensev1.Template {
	settings := t.Settings
	if settings == nil {
		settings = &licensev1.Settings{}
	}
	return &licensev1.Template{
		Name:        model.TemplateName(t.AccountID, t.ID),
		DisplayName: t.DisplayName,
		Site:        model.SiteName(t.AccountID, t.SiteID),
		Settings:    settings,
		CreateTime:  Time(t.CreateTime),
		Etag:        Etag(t.Revision),
	}
}

// LogEntry is an entry of the account log as callers see it.
func LogEntry(e *model.LogEntry) (*licensev1.LogEntry, error) {
	before, err := structpb.NewStruct(e.Before)
	if err != nil {
		return nil, fmt.Errorf("log entry: %w", err)
	}
	after, err := structpb.NewStruct(e.After)
	if err != nil {
		return nil, fmt.Errorf("log entry: %w", err)
	}
	return &licensev1.LogEntry{
		Name:        model.LogEntryName(e.AccountID, e.ID),
		Kind:        licensev1.LogEntry_Kind(licensev1.LogEntry_Kind_value[string(e.Kind)]),
		PhoneUser:   model.PhoneUserName(e.AccountID, e.PhoneUserID),
		Assignee:    model.AssigneeName(e.AccountID, e.AssigneeKind, e.AssigneeID),
		DisplayName: e.DisplayName,
		Actor:       e.Actor,
		RequestId:   e.RequestID,
		Time:        Time(e.Time),
		Before:      before,
		After:       after,
	}, nil
}

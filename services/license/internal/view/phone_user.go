// Package view turns the license service's records into what callers see.
package view

import (
	"strconv"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// PackageStates says of packages whether they are active.
type PackageStates map[uuid.UUID]numberingv1.Package_State

// PhoneUser is a phone user as callers see it. states must hold the state of the package that it has.
func PhoneUser(p *model.PhoneUser, states PackageStates) *licensev1.PhoneUser {
	out := &licensev1.PhoneUser{
		Name:            PhoneUserName(p),
		Assignee:        model.AssigneeName(p.AccountID, p.AssigneeKind, p.AssigneeID),
		DisplayName:     p.DisplayName,
		Email:           p.Email,
		Kind:            licensev1.PhoneUser_Kind(licensev1.PhoneUser_Kind_value[string(p.AssigneeKind)]),
		State:           licensev1.PhoneUser_State(licensev1.PhoneUser_State_value[string(p.State)]),
		ExtensionNumber: p.ExtensionNumber,
		Site:            model.SiteName(p.AccountID, p.SiteID),
		Package:         model.PackageName(p.AccountID, p.PackageID),
		PhoneNumbers:    p.PhoneNumbers,
		SetupComplete:   p.SetupComplete,
		Settings:        p.Settings,
		CreateTime:      Time(p.CreateTime),
		UpdateTime:      Time(p.UpdateTime),
		DeleteTime:      Time(p.DeleteTime),
		PurgeTime:       Time(p.PurgeTime),
		Etag:            Etag(p.Revision),
	}
	if p.PackageID != uuid.Nil {
		state := states[p.PackageID]
		out.PackageState = &state
		out.OutboundCalling = state == numberingv1.Package_ACTIVE && p.State == model.StateActive
	}
	return out
}

// PhoneUsers is PhoneUser for several.
func PhoneUsers(ps []model.PhoneUser, states PackageStates) []*licensev1.PhoneUser {
	out := make([]*licensev1.PhoneUser, len(ps))
	for i := range ps {
		out[i] = PhoneUser(&ps[i], states)
	}
	return out
}

// PhoneUserName is the resource name of a phone user.
func PhoneUserName(p *model.PhoneUser) string { return model.PhoneUserName(p.AccountID, p.ID) }

// Etag is a record's etag: it changes with every revision.
func Etag(revision int64) string { return `"` + strconv.FormatInt(revision, 36) + `"` }

// Time is t for callers; the zero time is not set.
func Time(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

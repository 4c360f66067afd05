package provisioning

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Update changes one phone user. Fields that are nil stay.
type Update struct {
	Account   uuid.UUID
	Caller    Caller
	PhoneUser uuid.UUID
	// Extension is the wished number.
	Extension *string
	// SiteID is the new site; without Extension the phone user gets a number of that site.
	SiteID *uuid.UUID
	// Settings are the new settings, computed from the present ones.
	Settings func(present *licensev1.Settings) *licensev1.Settings
	// Etag must be that of the phone user, when not empty.
	Etag string
	// CompletesSetup says that the person behind the mail's link does this.
	CompletesSetup bool
}

// Update carries out an update. Extension and site change together or not at all, and with them the settings.
func (e *Engine) Update(ctx context.Context, u Update) (*licensev1.PhoneUser, error) {
	update := e.updateRecord
	if u.Extension != nil || u.SiteID != nil {
		update = e.moveTo
	}
	answer, err := update(ctx, u)
	return answer, e.requireLicence(ctx, u.Account, []uuid.UUID{u.PhoneUser}, err)
}

// moveRuns bounds how often a change is planned anew because the phone user was changed meanwhile.
const moveRuns = 5

// errPlannedBefore says that a phone user is not any more what a change was planned from.
var errPlannedBefore = errors.New("the phone user was changed after this change was planned")

// moveTo changes extension, site or both. Somebody else's change in between is in the way only of a caller who sent an etag.
func (e *Engine) moveTo(ctx context.Context, u Update) (answer *licensev1.PhoneUser, err error) {
	for range moveRuns {
		if answer, err = e.tryMove(ctx, u); !errors.Is(err, errPlannedBefore) {
			break
		}
	}
	return answer, err
}

// tryMove plans the change from the phone user as it is now, and carries it out unless the phone user is changed in between.
func (e *Engine) tryMove(ctx context.Context, u Update) (*licensev1.PhoneUser, error) {
	account, err := e.store.GetAccount(ctx, u.Account)
	if err != nil {
		return nil, err
	}
	present, err := e.store.GetPhoneUser(ctx, u.Account, u.PhoneUser)
	if err != nil {
		return nil, err
	}
	op := &move{Quarantine: account.Policy.ExtensionQuarantine, SiteID: present.SiteID, CompletesSetup: u.CompletesSetup}
	if u.SiteID != nil {
		op.SiteID = *u.SiteID
	}
	if u.Extension != nil {
		op.Extension = *u.Extension
	}
	if u.Settings != nil {
		op.Settings = &settingsJSON{u.Settings(present.Settings)}
	}
	t := Targets{Account: u.Account, Caller: u.Caller, PhoneUsers: []uuid.UUID{u.PhoneUser}}
	r := t.request(op, func(ps []model.PhoneUser) error {
		if err := u.check(&ps[0]); err != nil {
			return err
		}
		if ps[0].Revision != present.Revision {
			return store.InProgress(&ps[0]).Wrap(errPlannedBefore)
		}
		if u.Extension != nil && op.Extension == "" && op.SiteID == present.SiteID {
			return errs.New(commonv1.Reason_EXTENSION_INVALID, "an extension number is not taken away: name another one, or another site").
				With("number", "").Violation("phone_user.extension_number", "must not be empty")
		}
		return nil
	})
	r.sites = []uuid.UUID{op.SiteID}
	answer := &licensev1.PhoneUser{}
	err = e.perform(ctx, r, answer)
	return answer, e.nameHolder(ctx, u.Account, err)
}

func (u *Update) check(p *model.PhoneUser) error {
	if err := requireActive([]model.PhoneUser{*p}); err != nil {
		return err
	}
	if u.Etag != "" && u.Etag != view.Etag(p.Revision) {
		return etagMismatch(p)
	}
	return nil
}

func etagMismatch(p *model.PhoneUser) error {
	return errs.New(commonv1.Reason_ETAG_MISMATCH, "the phone user was changed meanwhile: read it again and repeat the change").
		With("etag", view.Etag(p.Revision)).With("resource", view.PhoneUserName(p))
}

// nameHolder puts the name of a number's holder into the refusal, so that the administrator need not look it up.
func (e *Engine) nameHolder(ctx context.Context, account uuid.UUID, err error) error {
	if errs.Reason(err) != commonv1.Reason_EXTENSION_IN_USE {
		return err
	}
	refusal, ok := errs.From(err)
	if !ok {
		return err
	}
	_, id, parseErr := model.ParsePhoneUser(refusal.Metadata()["holder"])
	if parseErr != nil {
		return err
	}
	holder, readErr := e.store.GetPhoneUser(ctx, account, id)
	if readErr != nil {
		return err
	}
	return copyRefusal(refusal, refusal.Message()+" (held by "+holder.DisplayName+")", nil).
		With("holder_display_name", holder.DisplayName)
}

// updateRecord changes what only this service keeps.
func (e *Engine) updateRecord(ctx context.Context, u Update) (*licensev1.PhoneUser, error) {
	changed, err := e.store.ChangePhoneUser(ctx, u.Account, u.PhoneUser, func(p model.PhoneUser) (store.Change, error) {
		if err := u.check(&p); err != nil {
			return store.Change{}, err
		}
		c := store.Change{PhoneUser: p}
		if u.Settings != nil {
			c.PhoneUser.Settings = u.Settings(p.Settings)
		}
		c.PhoneUser.SetupComplete = p.SetupComplete || u.CompletesSetup
		c.Unchanged = proto.Equal(p.Settings, c.PhoneUser.Settings) && p.SetupComplete == c.PhoneUser.SetupComplete
		c.PhoneUser.UpdateTime = e.clock.Now()
		c.Log = e.changeEntries(u.Caller, &p, &c.PhoneUser)
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	states, err := e.packageStates(ctx, u.Account, []model.PhoneUser{changed})
	if err != nil {
		return nil, err
	}
	return view.PhoneUser(&changed, states), nil
}

// packageStates asks for package states if any of the phone users holds a package.
func (e *Engine) packageStates(ctx context.Context, account uuid.UUID, ps []model.PhoneUser) (view.PackageStates, error) {
	for i := range ps {
		if ps[i].PackageID != uuid.Nil {
			return e.numbering.PackageStates(ctx, account)
		}
	}
	return nil, nil
}

// changeEntries are the log entries of a change by update: one per kind of thing that changed.
func (e *Engine) changeEntries(c Caller, before, after *model.PhoneUser) []model.LogEntry {
	var entries []model.LogEntry
	add := func(kind model.LogKind, b, a map[string]any) {
		entries = append(entries, e.logEntry(c, after, kind, b, a))
	}
	if before.SiteID != after.SiteID {
		add(model.LogSiteChanged, map[string]any{"site": model.SiteName(before.AccountID, before.SiteID)},
			map[string]any{"site": model.SiteName(after.AccountID, after.SiteID)})
	}
	if before.ExtensionNumber != after.ExtensionNumber {
		add(model.LogExtensionChanged, map[string]any{"extensionNumber": before.ExtensionNumber},
			map[string]any{"extensionNumber": after.ExtensionNumber})
	}
	if !proto.Equal(before.Settings, after.Settings) {
		add(model.LogSettingsChanged, settingsFields(before.Settings), settingsFields(after.Settings))
	}
	if !before.SetupComplete && after.SetupComplete {
		add(model.LogSetupCompleted, map[string]any{"setupComplete": false}, map[string]any{"setupComplete": true})
	}
	return entries
}

// move gives a phone user another extension number, another site, or both.
type move struct {
	SiteID         uuid.UUID     `json:"site"`
	Extension      string        `json:"extension,omitempty"`
	Quarantine     time.Duration `json:"quarantine,omitempty"`
	Settings       *settingsJSON `json:"settings,omitempty"`
	CompletesSetup bool          `json:"completesSetup,omitempty"`
	atomicRemote

	number string
	states view.PackageStates
}

func (*move) kind() string { return "MOVE" }

func (op *move) remote(ctx context.Context, e *Engine, s *store.Saga, locked []model.PhoneUser) (err error) {
	if op.states, err = e.packageStates(ctx, s.AccountID, locked); err != nil {
		return err
	}
	op.number, err = e.extensions.Swap(ctx, s.AccountID, op.SiteID, s.PhoneUserIDs[0], op.Extension, op.Quarantine)
	return err
}

func (op *move) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	if len(locked) != 1 {
		return store.Finish{}, nil, errors.New("the phone user is gone")
	}
	p := locked[0]
	p.ExtensionNumber, p.SiteID, p.UpdateTime = op.number, op.SiteID, e.clock.Now()
	if op.Settings != nil {
		p.Settings = op.Settings.Settings
	}
	p.SetupComplete = p.SetupComplete || op.CompletesSetup
	f := store.Finish{Update: []model.PhoneUser{p}}
	f.Log = e.changeEntries(Caller{Actor: s.Actor, TraceID: s.TraceID}, &locked[0], &p)
	return f, view.PhoneUser(&finished(f.Update)[0], op.states), nil
}

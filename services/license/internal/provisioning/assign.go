package provisioning

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
)

// Assignee is a person or room to be given a licence.
type Assignee struct {
	Kind        model.AssigneeKind
	ID          uuid.UUID
	DisplayName string
	Email       string
	Settings    *licensev1.Settings
	// PhoneUserID is the id that the phone user gets; uuid.Nil for a new one. An import derives it from the row, and so knows
	// again what it did before a crash.
	PhoneUserID uuid.UUID
	// Extension is a wished number; empty for any.
	Extension string
	// PhoneNumbers are direct numbers to assign with the package.
	PhoneNumbers []string
}

// Assignment asks for licences for several people or rooms of one site.
type Assignment struct {
	Account   uuid.UUID
	Caller    Caller
	SiteID    uuid.UUID
	PackageID uuid.UUID // uuid.Nil for none
	Assignees []Assignee
	RequestID string
	BodyHash  []byte
}

// assign is the saga behind Assign.
type assign struct {
	SiteID       uuid.UUID  `json:"site"`
	PackageID    uuid.UUID  `json:"package,omitzero"`
	Wishes       []string   `json:"wishes,omitempty"`
	PhoneNumbers [][]string `json:"phoneNumbers,omitempty"`
	AccountName  string     `json:"accountName"`

	extensions []string
	holdings   []Holding
}

func (*assign) kind() string         { return "ASSIGN" }
func (*assign) madePhoneUsers() bool { return true }

// Assign gives licences to people and rooms, all or none. The answer holds one phone user per assignee, in order.
func (e *Engine) Assign(ctx context.Context, a Assignment) (*licensev1.BatchAssignResponse, error) {
	account, err := e.store.GetAccount(ctx, a.Account)
	if err != nil {
		return nil, err
	}
	op := newAssign(&a, account.DisplayName)
	answer := &licensev1.BatchAssignResponse{}
	err = e.perform(ctx, request{
		account: a.Account, caller: a.Caller, op: op, requestID: a.RequestID, bodyHash: a.BodyHash,
		seats: len(a.Assignees), insert: e.newPhoneUsers(&a), sites: []uuid.UUID{a.SiteID},
	}, answer)
	return answer, renameViolations(err, "assignees")
}

func newAssign(a *Assignment, accountName string) *assign {
	op := &assign{SiteID: a.SiteID, PackageID: a.PackageID, AccountName: accountName}
	for i := range a.Assignees {
		op.Wishes = append(op.Wishes, a.Assignees[i].Extension)
		op.PhoneNumbers = append(op.PhoneNumbers, a.Assignees[i].PhoneNumbers)
	}
	if allEmpty(op.Wishes) {
		op.Wishes = nil
	}
	if a.PackageID == uuid.Nil || allNone(op.PhoneNumbers) {
		op.PhoneNumbers = nil
	}
	return op
}

func allEmpty(texts []string) bool { return strings.Join(texts, "") == "" }

func allNone(lists [][]string) bool {
	for _, l := range lists {
		if len(l) > 0 {
			return false
		}
	}
	return true
}

func (e *Engine) newPhoneUsers(a *Assignment) []model.PhoneUser {
	now := e.clock.Now()
	made := make([]model.PhoneUser, len(a.Assignees))
	for i := range a.Assignees {
		as := &a.Assignees[i]
		id := as.PhoneUserID
		if id == uuid.Nil {
			id = uuid.Must(uuid.NewV7())
		}
		made[i] = model.PhoneUser{
			AccountID: a.Account, ID: id, AssigneeKind: as.Kind, AssigneeID: as.ID,
			DisplayName: as.DisplayName, Email: as.Email, State: model.StateProvisioning, SiteID: a.SiteID,
			Settings: as.Settings, Revision: 1, CreateTime: now, UpdateTime: now,
		}
	}
	return made
}

// remote asks for extensions and packages side by side.
func (op *assign) remote(ctx context.Context, e *Engine, s *store.Saga, _ []model.PhoneUser) error {
	return op.ask(ctx, e, s.AccountID, s.PhoneUserIDs, false)
}

func (op *assign) ask(ctx context.Context, e *Engine, account uuid.UUID, owners []uuid.UUID, validateOnly bool) error {
	var extensionErr, packageErr error
	var both errgroup.Group // not bound to the first error: undoing must not begin while the other call is on its way
	both.Go(func() error {
		op.extensions, extensionErr = e.extensions.Allocate(ctx, account, op.SiteID, owners, op.Wishes, validateOnly)
		return nil
	})
	if op.PackageID != uuid.Nil {
		both.Go(func() error {
			op.holdings, packageErr = e.numbering.AssignPackages(ctx, account, op.PackageID, owners, op.PhoneNumbers, validateOnly)
			return nil
		})
	}
	_ = both.Wait()
	if isRefusal(packageErr) || extensionErr == nil {
		return packageErr
	}
	return extensionErr
}

func (op *assign) undo(ctx context.Context, e *Engine, s *store.Saga) error {
	if err := e.extensions.Release(ctx, s.AccountID, s.PhoneUserIDs, 0); err != nil {
		return err
	}
	if op.PackageID == uuid.Nil {
		return nil
	}
	return e.numbering.Remove(ctx, s.AccountID, s.PhoneUserIDs, 0)
}

func (op *assign) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	if len(locked) != len(s.PhoneUserIDs) {
		return store.Finish{}, nil, fmt.Errorf("%d of %d phone users are left", len(locked), len(s.PhoneUserIDs))
	}
	f := store.Finish{}
	states := view.PackageStates{}
	for i := range locked {
		p := op.result(locked[i], i, states)
		p.State, p.UpdateTime = model.StateActive, e.clock.Now()
		f.Update = append(f.Update, p)
		f.Log = append(f.Log, e.entry(s, &p, model.LogAssigned, nil, snapshot(&p)))
		message, err := e.told(&p, op.AccountName, originOfSaga(s))
		if err != nil {
			return f, nil, err
		}
		f.Outbox = append(f.Outbox, message...)
	}
	return f, &licensev1.BatchAssignResponse{PhoneUsers: view.PhoneUsers(finished(f.Update), states)}, nil
}

// result is the i-th phone user with what the other services gave it.
func (op *assign) result(p model.PhoneUser, i int, states view.PackageStates) model.PhoneUser {
	p.ExtensionNumber = op.extensions[i]
	if op.PackageID != uuid.Nil {
		h := op.holdings[i]
		p.PackageID, p.PhoneNumbers = h.PackageID, h.PhoneNumbers
		states[h.PackageID] = h.PackageState
	}
	return p
}

// finished are phone users as they are stored: with the revision that the store gives them.
func finished(ps []model.PhoneUser) []model.PhoneUser {
	out := make([]model.PhoneUser, len(ps))
	for i := range ps {
		out[i] = ps[i]
		out[i].Revision++
	}
	return out
}

// PreviewAssign says what Assign would do, refuses where it would, and changes nothing.
func (e *Engine) PreviewAssign(ctx context.Context, a Assignment) (*licensev1.BatchAssignResponse, error) {
	account, err := e.store.GetAccount(ctx, a.Account)
	if err != nil {
		return nil, err
	}
	if err := e.checkUnlicensed(ctx, &a); err != nil {
		return nil, err
	}
	if account.Taken+len(a.Assignees) > account.Seats {
		return nil, store.LicenseExhausted(account.Seats, account.Taken, len(a.Assignees))
	}
	made := e.newPhoneUsers(&a)
	owners := make([]uuid.UUID, len(made))
	for i := range made {
		owners[i] = made[i].ID
	}
	op := newAssign(&a, account.DisplayName)
	if err := op.ask(ctx, e, a.Account, owners, true); err != nil {
		return nil, renameViolations(err, "assignees")
	}
	answer := &licensev1.BatchAssignResponse{}
	for i := range made {
		states := view.PackageStates{}
		p := op.result(made[i], i, states)
		p.State = model.StateActive
		v := view.PhoneUser(&p, states)
		v.Name, v.Etag, v.CreateTime, v.UpdateTime = "", "", nil, nil
		answer.PhoneUsers = append(answer.PhoneUsers, v)
	}
	return answer, nil
}

func (e *Engine) checkUnlicensed(ctx context.Context, a *Assignment) error {
	ids := make([]uuid.UUID, len(a.Assignees))
	for i := range a.Assignees {
		ids[i] = a.Assignees[i].ID
	}
	live, err := e.store.LivePhoneUsers(ctx, a.Account, ids)
	if err != nil {
		return err
	}
	return store.AlreadyLicensed(a.Account, ids, live, "assignees", func(i int) string { return a.Assignees[i].DisplayName })
}

package provisioning

import (
	"context"
	"fmt"
	"slices"
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

// Targets are phone users that an operation is asked for.
type Targets struct {
	Account    uuid.UUID
	Caller     Caller
	PhoneUsers []uuid.UUID
	RequestID  string
	BodyHash   []byte
}

func (t *Targets) request(op operation, check func([]model.PhoneUser) error) request {
	return request{
		account: t.Account, caller: t.Caller, op: op, requestID: t.RequestID, bodyHash: t.BodyHash,
		lock: t.PhoneUsers, check: check,
	}
}

// requireActive refuses phone users that are not in service.
func requireActive(ps []model.PhoneUser) error {
	return refuseEach(ps, commonv1.Reason_LICENSE_REQUIRED, func(p *model.PhoneUser) string {
		if p.State == model.StateActive {
			return ""
		}
		return fmt.Sprintf("%s has no active phone licence (state %s)", p.DisplayName, p.State)
	})
}

// refuseEach collects what refusal says of each phone user ("" for nothing) into one error that names them by index.
func refuseEach(ps []model.PhoneUser, reason commonv1.Reason, refusal func(p *model.PhoneUser) string) error {
	var all errs.Collector
	for i := range ps {
		if text := refusal(&ps[i]); text != "" {
			all.Add(fmt.Sprintf("phone_users[%d]", i), text, errs.New(reason, "%s", text).With("phone_user", view.PhoneUserName(&ps[i])))
		}
	}
	return all.Err()
}

// holdings is the common part of operations that change what phone users hold of the numbering service.
type holdings struct {
	atomicRemote
	result []Holding
}

// finishHoldings writes what each phone user holds now.
func (h *holdings) finishHoldings(e *Engine, s *store.Saga, locked []model.PhoneUser, kind model.LogKind) (store.Finish, view.PackageStates, error) {
	f, states := store.Finish{}, view.PackageStates{}
	if len(locked) != len(h.result) {
		return f, nil, fmt.Errorf("%d phone users are left of %d", len(locked), len(h.result))
	}
	for i := range locked {
		p := locked[i]
		p.PackageID, p.PhoneNumbers = h.result[i].PackageID, h.result[i].PhoneNumbers
		p.UpdateTime = e.clock.Now()
		states[p.PackageID] = h.result[i].PackageState
		f.Update = append(f.Update, p)
		f.Log = append(f.Log, e.entry(s, &p, kind, holdingFields(&locked[i]), holdingFields(&p)))
	}
	return f, states, nil
}

// assignPackage gives phone users a package and direct numbers.
type assignPackage struct {
	PackageID    uuid.UUID  `json:"package"`
	PhoneNumbers [][]string `json:"phoneNumbers,omitempty"`
	holdings
}

func (*assignPackage) kind() string { return "ASSIGN_PACKAGE" }

func (op *assignPackage) remote(ctx context.Context, e *Engine, s *store.Saga, _ []model.PhoneUser) (err error) {
	op.result, err = e.numbering.AssignPackages(ctx, s.AccountID, op.PackageID, s.PhoneUserIDs, op.PhoneNumbers, false)
	return err
}

func (op *assignPackage) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	f, states, err := op.finishHoldings(e, s, locked, model.LogPackageAssigned)
	return f, &licensev1.BatchAssignPackageResponse{PhoneUsers: view.PhoneUsers(finished(f.Update), states)}, err
}

// AssignPackage gives phone users a package in place of the one held, and direct numbers in addition to those held. numbers is nil
// or as long as t.PhoneUsers.
func (e *Engine) AssignPackage(ctx context.Context, t Targets, pkg uuid.UUID, numbers [][]string) (*licensev1.BatchAssignPackageResponse, error) {
	answer := &licensev1.BatchAssignPackageResponse{}
	err := e.perform(ctx, t.request(&assignPackage{PackageID: pkg, PhoneNumbers: numbers}, requireActive), answer)
	return answer, e.requireLicence(ctx, t.Account, t.PhoneUsers, renameViolations(err, "phone_users"))
}

// PreviewAssignPackage says what AssignPackage would do.
func (e *Engine) PreviewAssignPackage(ctx context.Context, t Targets, pkg uuid.UUID, numbers [][]string) (*licensev1.BatchAssignPackageResponse, error) {
	ps, err := e.readTargets(ctx, &t, requireActive)
	if err != nil {
		return nil, e.requireLicence(ctx, t.Account, t.PhoneUsers, err)
	}
	held, err := e.numbering.AssignPackages(ctx, t.Account, pkg, t.PhoneUsers, numbers, true)
	if err != nil {
		return nil, renameViolations(err, "phone_users")
	}
	states := view.PackageStates{}
	for i := range ps {
		ps[i].PackageID, ps[i].PhoneNumbers = held[i].PackageID, held[i].PhoneNumbers
		states[held[i].PackageID] = held[i].PackageState
	}
	return &licensev1.BatchAssignPackageResponse{PhoneUsers: view.PhoneUsers(ps, states)}, nil
}

// readTargets reads the phone users of a preview and checks them as the real operation would.
func (e *Engine) readTargets(ctx context.Context, t *Targets, check func([]model.PhoneUser) error) ([]model.PhoneUser, error) {
	ps, err := e.store.GetPhoneUsers(ctx, t.Account, t.PhoneUsers)
	if err != nil {
		return nil, err
	}
	for i := range ps {
		if ps[i].SagaID != uuid.Nil {
			return nil, store.InProgress(&ps[i])
		}
	}
	return ps, check(ps)
}

// changeNumbers gives one phone user direct numbers, or takes them.
type changeNumbers struct {
	PhoneNumbers []string      `json:"phoneNumbers"`
	Take         bool          `json:"take,omitempty"`
	Quarantine   time.Duration `json:"quarantine,omitempty"`
	holdings
}

func (*changeNumbers) kind() string { return "CHANGE_NUMBERS" }

func (op *changeNumbers) remote(ctx context.Context, e *Engine, s *store.Saga, _ []model.PhoneUser) error {
	var h Holding
	var err error
	if op.Take {
		h, err = e.numbering.UnassignNumbers(ctx, s.AccountID, s.PhoneUserIDs[0], op.PhoneNumbers, op.Quarantine)
	} else {
		h, err = e.numbering.AssignNumbers(ctx, s.AccountID, s.PhoneUserIDs[0], op.PhoneNumbers)
	}
	op.result = []Holding{h}
	return err
}

func (op *changeNumbers) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	kind := model.LogPhoneNumbersAssigned
	if op.Take {
		kind = model.LogPhoneNumbersUnassigned
	}
	f, states, err := op.finishHoldings(e, s, locked, kind)
	if err != nil {
		return f, nil, err
	}
	return f, view.PhoneUser(&finished(f.Update)[0], states), nil
}

// AssignNumbers gives one phone user direct numbers in addition to those held.
func (e *Engine) AssignNumbers(ctx context.Context, t Targets, numbers []string) (*licensev1.PhoneUser, error) {
	answer := &licensev1.PhoneUser{}
	check := func(ps []model.PhoneUser) error {
		if err := requireActive(ps); err != nil {
			return err
		}
		if ps[0].PackageID == uuid.Nil {
			return errs.New(commonv1.Reason_PACKAGE_REQUIRED, "%s has no package, which a direct number needs: assign one first", ps[0].DisplayName)
		}
		return nil
	}
	err := e.perform(ctx, t.request(&changeNumbers{PhoneNumbers: numbers}, check), answer)
	return answer, e.requireLicence(ctx, t.Account, t.PhoneUsers, err)
}

// UnassignNumbers takes direct numbers that a phone user holds.
func (e *Engine) UnassignNumbers(ctx context.Context, t Targets, numbers []string) (*licensev1.PhoneUser, error) {
	account, err := e.store.GetAccount(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	check := func(ps []model.PhoneUser) error {
		if err := requireActive(ps); err != nil {
			return err
		}
		return requireHeld(&ps[0], numbers)
	}
	op := &changeNumbers{PhoneNumbers: numbers, Take: true, Quarantine: account.Policy.PhoneNumberQuarantine}
	answer := &licensev1.PhoneUser{}
	err = e.perform(ctx, t.request(op, check), answer)
	return answer, e.requireLicence(ctx, t.Account, t.PhoneUsers, err)
}

func requireHeld(p *model.PhoneUser, numbers []string) error {
	var all errs.Collector
	for i, n := range numbers {
		if !slices.Contains(p.PhoneNumbers, n) {
			all.Add(fmt.Sprintf("phone_numbers[%d]", i), "is not held by the phone user",
				errs.New(commonv1.Reason_NUMBER_NOT_AVAILABLE, "%s does not hold %s", p.DisplayName, n).With("number", n))
		}
	}
	return all.Err()
}

// removePackages takes packages and direct numbers from phone users.
type removePackages struct {
	Quarantine time.Duration `json:"quarantine,omitempty"`
	holdings
}

func (*removePackages) kind() string { return "REMOVE_PACKAGES" }

func (op *removePackages) remote(ctx context.Context, e *Engine, s *store.Saga, _ []model.PhoneUser) error {
	op.result = make([]Holding, len(s.PhoneUserIDs))
	return e.numbering.Remove(ctx, s.AccountID, s.PhoneUserIDs, op.Quarantine)
}

func (op *removePackages) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	f, states, err := op.finishHoldings(e, s, locked, model.LogPackagesRemoved)
	return f, removedPackages(locked, finished(f.Update), states), err
}

func removedPackages(before, after []model.PhoneUser, states view.PackageStates) *licensev1.BatchRemovePackagesResponse {
	answer := &licensev1.BatchRemovePackagesResponse{PhoneUsers: view.PhoneUsers(after, states)}
	for i := range before {
		r := release(&before[i], 0)
		r.ExtensionNumber = ""
		answer.Releases = append(answer.Releases, r)
	}
	return answer
}

// RemovePackages takes packages and all direct numbers from phone users; licence and extension stay.
func (e *Engine) RemovePackages(ctx context.Context, t Targets) (*licensev1.BatchRemovePackagesResponse, error) {
	account, err := e.store.GetAccount(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	answer := &licensev1.BatchRemovePackagesResponse{}
	op := &removePackages{Quarantine: account.Policy.PhoneNumberQuarantine}
	err = e.perform(ctx, t.request(op, requireActive), answer)
	return answer, e.requireLicence(ctx, t.Account, t.PhoneUsers, err)
}

// PreviewRemovePackages says what RemovePackages would do.
func (e *Engine) PreviewRemovePackages(ctx context.Context, t Targets) (*licensev1.BatchRemovePackagesResponse, error) {
	before, err := e.readTargets(ctx, &t, requireActive)
	if err != nil {
		return nil, e.requireLicence(ctx, t.Account, t.PhoneUsers, err)
	}
	after := slices.Clone(before)
	for i := range after {
		after[i].PackageID, after[i].PhoneNumbers = uuid.Nil, nil
	}
	return removedPackages(before, after, nil), nil
}

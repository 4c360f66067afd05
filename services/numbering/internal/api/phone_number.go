package api

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/names"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// maxBatch is how many direct numbers one call adds or deletes.
const maxBatch = 1000

// PhoneNumberServer implements numberingv1.PhoneNumberServiceServer.
type PhoneNumberServer struct {
	numberingv1.UnimplementedPhoneNumberServiceServer

	store store.Store
	clock clock.Clock
}

// NewPhoneNumberServer returns a server of direct numbers.
func NewPhoneNumberServer(st store.Store, clk clock.Clock) *PhoneNumberServer {
	return &PhoneNumberServer{store: st, clock: clk}
}

// BatchCreatePhoneNumbers implements numberingv1.PhoneNumberServiceServer.
func (s *PhoneNumberServer) BatchCreatePhoneNumbers(ctx context.Context, req *numberingv1.BatchCreatePhoneNumbersRequest) (*numberingv1.BatchCreatePhoneNumbersResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	numbers := make([]string, len(req.GetPhoneNumbers()))
	for i, n := range req.GetPhoneNumbers() {
		numbers[i] = n.GetNumber()
	}
	if err := checkBatch(numbers); err != nil {
		return nil, err
	}
	if err := checkNumbers(numbers); err != nil {
		return nil, err
	}
	at := now(s.clock)
	if err := s.store.CreateNumbers(ctx, account, numbers, at); err != nil {
		return nil, refused(err, account, numberField)
	}
	answer := &numberingv1.BatchCreatePhoneNumbersResponse{}
	for _, n := range numbers {
		answer.PhoneNumbers = append(answer.PhoneNumbers,
			numberMessage(account, books.PhoneNumber{Number: n, State: books.Available, CreateTime: at}))
	}
	return answer, nil
}

// checkBatch refuses batches that are empty, too large or name a number twice.
func checkBatch(numbers []string) error {
	switch {
	case len(numbers) == 0:
		return errs.New(commonv1.Reason_BATCH_EMPTY, "name at least one number")
	case len(numbers) > maxBatch:
		return errs.New(commonv1.Reason_BATCH_TOO_LARGE, "at most %d numbers can be named at once", maxBatch).
			With("limit", number(maxBatch)).With("count", number(int64(len(numbers))))
	}
	twice, seen := each{reason: commonv1.Reason_DUPLICATE_IN_BATCH}, make(map[string]bool, len(numbers))
	for i, n := range numbers {
		if seen[n] {
			twice.add(fmt.Sprintf("phone_numbers[%d]", i), "is named before", "", "")
		}
		seen[n] = true
	}
	return twice.Err()
}

// checkNumbers refuses numbers that are not in E.164 form.
func checkNumbers(numbers []string) error {
	bad := each{reason: commonv1.Reason_NUMBER_INVALID}
	for i, n := range numbers {
		if !books.ValidNumber(n) {
			bad.add(fmt.Sprintf("phone_numbers[%d]", i), notE164, "number", n)
		}
	}
	return bad.Err()
}

const notE164 = `is not a number in E.164 form, such as "+442079460123"`

// ListPhoneNumbers implements numberingv1.PhoneNumberServiceServer.
func (s *PhoneNumberServer) ListPhoneNumbers(ctx context.Context, req *numberingv1.ListPhoneNumbersRequest) (*numberingv1.ListPhoneNumbersResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[string](req)
	if err != nil {
		return nil, err
	}
	query := store.NumberQuery{Now: now(s.clock), Contains: searched(req.GetQuery())}
	if query.Filter, err = numberFilter(account).Parse(req.GetFilter()); err != nil {
		return nil, err
	}
	found, err := s.store.ListNumbers(ctx, account, query, page.From(), page.Limit())
	if err != nil {
		return nil, err
	}
	count, err := s.store.CountNumbers(ctx, account, query)
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(page, found, func(n books.PhoneNumber) string { return n.Number })
	if err != nil {
		return nil, err
	}
	answer := &numberingv1.ListPhoneNumbersResponse{NextPageToken: next, TotalSize: int32(min(count, math.MaxInt32))}
	for _, n := range found {
		answer.PhoneNumbers = append(answer.PhoneNumbers, numberMessage(account, n))
	}
	return answer, nil
}

// numberFilter is the schema of the list's filter. An assignee of another account is nobody's.
func numberFilter(account uuid.UUID) *filter.Schema {
	return filter.New(map[string]filter.Field{
		store.NumberState: filter.Enum(numberingv1.PhoneNumber_STATE_UNSPECIFIED.Descriptor()),
		store.NumberOwner: filter.Name("accounts/a/phoneUsers/p", func(name string) (any, error) {
			owner, err := names.PhoneUserOf(account, name)
			if err != nil {
				return nil, filter.ErrNoMatch
			}
			return owner, nil
		}).Optional(),
	})
}

// searched returns the text to look for in numbers: what was typed without the marks that people put between digits.
func searched(query string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t-./()\u00a0\x00", r) {
			return -1
		}
		return r
	}, query)
}

// BatchDeletePhoneNumbers implements numberingv1.PhoneNumberServiceServer.
func (s *PhoneNumberServer) BatchDeletePhoneNumbers(ctx context.Context, req *numberingv1.BatchDeletePhoneNumbersRequest) (*numberingv1.BatchDeletePhoneNumbersResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	numbers := req.GetPhoneNumbers()
	if err := checkBatch(numbers); err != nil {
		return nil, err
	}
	// What is no number at all cannot be there; the database need not see it.
	missing := each{reason: commonv1.Reason_NOT_FOUND}
	for i, n := range numbers {
		if !books.ValidNumber(n) {
			missing.add(fmt.Sprintf("phone_numbers[%d]", i), "is not a number of the account", "resource", names.PhoneNumber(account, n))
		}
	}
	if err := missing.Err(); err != nil {
		return nil, err
	}
	if err := s.store.DeleteNumbers(ctx, account, numbers); err != nil {
		return nil, refused(err, account, numberField)
	}
	return &numberingv1.BatchDeletePhoneNumbersResponse{}, nil
}

func numberMessage(account uuid.UUID, n books.PhoneNumber) *numberingv1.PhoneNumber {
	m := &numberingv1.PhoneNumber{
		Name: names.PhoneNumber(account, n.Number), Number: n.Number, Assignee: names.PhoneUser(account, n.Owner),
		State:      numberingv1.PhoneNumber_State(numberingv1.PhoneNumber_State_value[string(n.State)]),
		CreateTime: timestamppb.New(n.CreateTime),
	}
	if !n.QuarantineUntil.IsZero() {
		m.QuarantineTime = timestamppb.New(n.QuarantineUntil)
	}
	return m
}

// now is the present time as databases keep it.
func now(clk clock.Clock) time.Time { return clk.Now().Truncate(time.Microsecond) }

package api

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/names"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/resource"
)

// fieldOf says which field of a request an item of a refusal stands for; empty for none.
type fieldOf func(books.Item) string

// assignmentField is for requests with a list of owners, each perhaps with numbers.
func assignmentField(i books.Item) string {
	owner := fmt.Sprintf("assignments[%d]", i.Owner)
	if number := numberField(i); number != "" {
		return owner + "." + number
	}
	return owner
}

// numberField is for requests with one list of numbers.
func numberField(i books.Item) string {
	if i.Index < 0 {
		return ""
	}
	return fmt.Sprintf("phone_numbers[%d]", i.Index)
}

// refused turns a refusal of the rules into what the caller sees. Other errors stay as they are.
func refused(err error, account uuid.UUID, field fieldOf) error {
	var r *books.RefusalError
	if !errors.As(err, &r) {
		return err
	}
	e := explain(r, account).Wrap(err)
	for _, item := range r.Items {
		if f := field(item); f != "" {
			_ = e.Violation(f, blame(r.Kind, item))
		}
	}
	return e
}

// explain is the one mapping from refusals to reasons.
func explain(r *books.RefusalError, account uuid.UUID) *errs.Error {
	pkg := names.Package(account, r.Package)
	switch r.Kind {
	case books.PackageNotFound:
		return resource.NotFound(pkg)
	case books.PackageInactive:
		return errs.New(commonv1.Reason_PACKAGE_INACTIVE, "the package is inactive; activate it or choose another").With("package", pkg)
	case books.SeatsExhausted:
		return errs.New(commonv1.Reason_PACKAGE_SEATS_EXHAUSTED, "the package has %d seats, of which %d are taken; %d more are needed",
			r.Seats, r.Assigned, r.Requested).With("package", pkg).
			With("seats", number(r.Seats)).With("assigned", number(r.Assigned)).With("requested", number(r.Requested))
	case books.SeatsInUse:
		return invalid("package.seats", fmt.Sprintf("%d seats are fewer than the %d that are assigned", r.Seats, r.Assigned))
	case books.PackageRequired:
		return errs.New(commonv1.Reason_PACKAGE_REQUIRED, "a direct number needs a package; assign one first")
	case books.NumberNotAvailable:
		return errs.New(commonv1.Reason_NUMBER_NOT_AVAILABLE, "the number %s is not available", first(r)).With("number", first(r))
	case books.NumberNotFound:
		return resource.NotFound(names.PhoneNumber(account, first(r)))
	case books.NumberExists:
		return errs.New(commonv1.Reason_NUMBER_EXISTS, "the account has the number %s already", first(r)).With("number", first(r))
	case books.TooManyNumbers:
		return errs.New(commonv1.Reason_LIMIT_REACHED, "one phone user can have at most %d direct numbers", r.Limit).With("limit", number(r.Limit))
	case books.NameInUse:
		return errs.New(commonv1.Reason_NAME_IN_USE, "another package of the account is called %q", r.Name).
			With("field", "display_name").With("value", r.Name)
	case books.TooManyPackages:
		return errs.New(commonv1.Reason_LIMIT_REACHED, "an account can have at most %d packages", r.Limit).With("limit", number(r.Limit))
	case books.RevisionMismatch:
		return errs.New(commonv1.Reason_ETAG_MISMATCH, "the package was changed since it was read; read it again").With("etag", etag(r.Revision))
	}
	return errs.New(commonv1.Reason_INTERNAL, "internal error")
}

// blame says what is wrong with one item.
func blame(kind books.Kind, item books.Item) string {
	switch kind {
	case books.SeatsExhausted:
		return "no seat is left for this one"
	case books.PackageInactive:
		return "does not hold the package yet, and it is inactive"
	case books.NumberNotAvailable:
		return item.Number + " is not available"
	case books.NumberNotFound:
		return item.Number + " is not a number of the account"
	case books.NumberExists:
		return item.Number + " exists already"
	}
	return string(kind)
}

func first(r *books.RefusalError) string {
	if len(r.Items) == 0 {
		return ""
	}
	return r.Items[0].Number
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// invalid returns FIELD_INVALID for one field.
func invalid(field, description string) *errs.Error {
	return errs.New(commonv1.Reason_FIELD_INVALID, "%s: %s", field, description).Violation(field, description)
}

// each gathers what is wrong with the items of a batch, for one reason.
type each struct {
	errs.Collector
	reason commonv1.Reason
}

// add blames an item. The first one gives the error its message and its metadata key=value.
func (e *each) add(field, description, key, value string) {
	whole := errs.New(e.reason, "%s: %s", field, description)
	if key != "" {
		_ = whole.With(key, value)
	}
	e.Add(field, description, whole)
}

package importing

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// failure is a refusal as it is kept with a row. Where column is given, it is to blame in place of whatever list of a call the
// refusal speaks of.
func failure(err error, column string) []byte {
	if refusal, ok := errs.From(err); ok {
		err = blame(refusal, column)
	}
	status, marshalErr := proto.Marshal(errs.ToStatus(context.Background(), err).Proto())
	if marshalErr != nil { // a status made of strings
		panic(marshalErr)
	}
	return status
}

// blame is e with nothing but the column to blame.
func blame(e *errs.Error, column string) error {
	if column == "" {
		return e
	}
	out := errs.New(e.Reason(), "%s", e.Message())
	for k, v := range e.Metadata() {
		out = out.With(k, v)
	}
	return out.Violation(column, e.Message())
}

// blamedColumn is the column that a refusal of a call is about; "" when it is about the row as a whole.
func blamedColumn(reason commonv1.Reason) string {
	switch reason {
	case commonv1.Reason_EXTENSION_IN_USE, commonv1.Reason_EXTENSION_INVALID, commonv1.Reason_EXTENSION_OUT_OF_RANGE,
		commonv1.Reason_EXTENSION_RESERVED:
		return columnExtension
	case commonv1.Reason_NUMBER_INVALID, commonv1.Reason_NUMBER_NOT_AVAILABLE, commonv1.Reason_PACKAGE_REQUIRED:
		return columnPhoneNumbers
	case commonv1.Reason_PACKAGE_INACTIVE, commonv1.Reason_PACKAGE_SEATS_EXHAUSTED:
		return columnPackage
	case commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, commonv1.Reason_SITE_REQUIRED:
		return columnSite
	case commonv1.Reason_TEMPLATE_SITE_MISMATCH:
		return columnTemplate
	}
	return ""
}

// offending are the indexes that a refusal of a call names, each once, in the order named. Those out of 0..n-1 are left out.
func offending(refusal *errs.Error, n int) []int {
	var indexes []int
	named := make(map[int]bool, n)
	for _, v := range refusal.Violations() {
		_, rest, ok := strings.Cut(v.GetField(), "[")
		if !ok {
			continue
		}
		digits, _, ok := strings.Cut(rest, "]")
		i, valid := parseIndex(digits, n)
		if ok && valid && !named[i] {
			named[i] = true
			indexes = append(indexes, i)
		}
	}
	return indexes
}

func parseIndex(digits string, n int) (int, bool) {
	if digits == "" || len(digits) > 6 {
		return 0, false
	}
	i := 0
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		i = i*10 + int(d-'0')
	}
	return i, i < n
}

// exhausted says whether a refusal means that fewer would have fitted.
func exhausted(reason commonv1.Reason) bool {
	switch reason {
	case commonv1.Reason_LICENSE_EXHAUSTED, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, commonv1.Reason_PACKAGE_SEATS_EXHAUSTED:
		return true
	}
	return false
}

// mayPass says whether a call that failed so is worth repeating for the same rows: trouble of the moment, or a phone user that
// another operation holds.
func mayPass(err error) bool {
	if !errs.Definitive(err) {
		return true
	}
	switch errs.Reason(err) {
	case commonv1.Reason_REASON_UNSPECIFIED, commonv1.Reason_PERMISSION_DENIED, commonv1.Reason_UNAUTHENTICATED,
		commonv1.Reason_ALREADY_LICENSED, commonv1.Reason_ETAG_MISMATCH:
		return true
	}
	return false
}

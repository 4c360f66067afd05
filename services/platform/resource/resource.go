// Package resource reads resource names whose variables are UUIDs, such as "accounts/{account}/sites/{site}".
package resource

import (
	"github.com/google/uuid"
	"go.einride.tech/aip/resourcename"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Scan reads the ids of a name that has the form of pattern. A resource has one name: with ids in lower case, without a slash in
// front. Anything else is refused with NOT_FOUND, as a resource that is not there would be.
func Scan(name, pattern string, ids ...*uuid.UUID) error {
	texts, refs := make([]string, len(ids)), make([]*string, len(ids))
	for i := range texts {
		refs[i] = &texts[i]
	}
	if err := resourcename.Sscan(name, pattern, refs...); err != nil {
		return NotFound(name)
	}
	for i, text := range texts {
		id, err := uuid.Parse(text)
		if err != nil || id == uuid.Nil || id.String() != text {
			return NotFound(name)
		}
		*ids[i] = id
	}
	if resourcename.Sprint(pattern, texts...) != name {
		return NotFound(name) // another way to write it, such as with a leading slash
	}
	return nil
}

// NotFound is the error for a resource that is not there.
func NotFound(name string) *errs.Error {
	return errs.New(commonv1.Reason_NOT_FOUND, "%.200q does not exist", name).With("resource", name)
}

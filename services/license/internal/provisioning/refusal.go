package provisioning

import (
	"strings"

	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// renameViolations makes a refusal of another service speak of the caller's own request: whatever list the other service names
// by index is the list `field` here, in the same order.
func renameViolations(err error, field string) error {
	return RenameFields(err, func(path string) string {
		if list, index, found := strings.Cut(path, "["); found && (list == "allocations" || list == "assignments") {
			return field + "[" + index
		}
		return path
	})
}

// RenameFields makes a refusal blame other fields: rename says which in place of each. Other errors stay as they are.
func RenameFields(err error, rename func(path string) string) error {
	refusal, ok := errs.From(err)
	if !ok {
		return err
	}
	message := refusal.Message()
	for _, v := range refusal.Violations() {
		// A refusal of one field begins with its name.
		if rest, found := strings.CutPrefix(message, v.GetField()+": "); found && v.GetField() != "" {
			message = rename(v.GetField()) + ": " + rest
			break
		}
	}
	return copyRefusal(refusal, message, rename)
}

// copyRefusal is e with another text and, where rename is given, other field paths.
func copyRefusal(e *errs.Error, message string, rename func(string) string) *errs.Error {
	out := errs.New(e.Reason(), "%s", message).Wrap(e.Unwrap())
	for k, v := range e.Metadata() {
		out = out.With(k, v)
	}
	for _, v := range e.Violations() {
		path := v.GetField()
		if rename != nil {
			path = rename(path)
		}
		out = out.Violation(path, v.GetDescription())
	}
	if wait := e.RetryDelay(); wait > 0 {
		out = out.RetryAfter(wait)
	}
	return out
}

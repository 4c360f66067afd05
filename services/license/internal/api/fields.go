package api

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode"

	"go.einride.tech/aip/fieldmask"
	"golang.org/x/text/unicode/norm"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// maxEmail is the longest e-mail address in bytes (RFC 5321, 4.5.3.1.3, less the angle brackets).
const maxEmail = 254

// fieldErrors collects the fields of a request that do not meet their rules into one FIELD_INVALID.
type fieldErrors struct{ errs.Collector }

func (f *fieldErrors) add(path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	f.Add(path, text, errs.New(commonv1.Reason_FIELD_INVALID, "%s %s", path, text))
}

// text returns a text as it is kept: trimmed, and in the composed form of Unicode (NFC), so that the same name is written in the same
// way. Control characters are refused, as they have no place in a name, a mail header or a database.
func (f *fieldErrors) text(path, value string) string {
	value = clean(value)
	if strings.ContainsFunc(value, isControl) {
		f.add(path, "must not contain control characters")
	}
	return value
}

func clean(value string) string { return norm.NFC.String(strings.TrimSpace(value)) }

// isControl is true of what breaks lines or is not to be seen.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// name is text for a name that must not be empty.
func (f *fieldErrors) name(path, value string) string {
	value = f.text(path, value)
	if value == "" {
		f.add(path, "must not be empty")
	}
	return value
}

// email checks an e-mail address: one address, without display name, comment or blanks.
func (f *fieldErrors) email(path, value string) string {
	value = clean(value)
	parsed, err := mail.ParseAddress(value)
	switch {
	case value == "":
		f.add(path, "must not be empty")
	case len(value) > maxEmail:
		f.add(path, "must have at most %d bytes", maxEmail)
	case err != nil || parsed.Address != value || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || isControl(r) }):
		f.add(path, "is not an e-mail address")
	}
	return value
}

// wholeSeconds checks a duration that is kept in seconds.
func (f *fieldErrors) wholeSeconds(path string, d *durationpb.Duration) {
	if d.GetNanos() != 0 {
		f.add(path, "must be a whole number of seconds")
	}
}

// requestID checks a caller's idempotency key (see hashRequest).
func (f *fieldErrors) requestID(id string) {
	if !validRequestID(id) {
		f.add("request_id", badRequestID)
	}
}

// applyMask copies the fields of from that an update changes into onto, a resource as it is at present. mask is the request's
// update mask; without one, the fields that are set are changed. writable are the fields that may be; others which the message has
// (its name, its etag, what the service sets) are passed over, so that a resource can be sent back as it was read.
func applyMask(mask *fieldmaskpb.FieldMask, onto, from proto.Message, writable ...string) error {
	var paths []string
	switch {
	case len(mask.GetPaths()) == 0:
		paths = setPaths(from.ProtoReflect(), "")
	case fieldmask.IsFullReplacement(mask):
		paths = writable
	default:
		if err := fieldmask.Validate(mask, from); err != nil {
			return errs.New(commonv1.Reason_FIELD_INVALID, "update_mask names a field that does not exist").
				Violation("update_mask", "names a field that does not exist").Wrap(err)
		}
		paths = mask.GetPaths()
	}
	paths = slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		return !slices.ContainsFunc(writable, func(w string) bool { return path == w || strings.HasPrefix(path, w+".") })
	})
	if len(paths) > 0 { // an empty mask would mean something else
		fieldmask.Update(&fieldmaskpb.FieldMask{Paths: paths}, onto, proto.Clone(from))
	}
	return nil
}

// setPaths lists the fields of a message that are set, those of messages inside one by one.
func setPaths(m protoreflect.Message, prefix string) []string {
	var paths []string
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		path := prefix + string(fd.Name())
		nested := fd.Message() != nil && !fd.IsList() && !fd.IsMap() && !strings.HasPrefix(string(fd.Message().FullName()), "google.protobuf.")
		if nested {
			paths = append(paths, setPaths(v.Message(), path+".")...)
		} else {
			paths = append(paths, path)
		}
		return true
	})
	return paths
}

// checkEtag refuses an update of a resource that somebody else has changed since the caller read it. Without an etag the caller
// does not mind.
func checkEtag(sent, present, resource string) error {
	if sent == "" || sent == present {
		return nil
	}
	return errs.New(commonv1.Reason_ETAG_MISMATCH, "%s was changed meanwhile: read it again and repeat the change", resource).
		With("etag", present)
}

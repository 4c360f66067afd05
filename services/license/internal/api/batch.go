package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// checkBatch refuses empty and too long lists and names that come twice, before anything else is looked at.
func checkBatch(names []string, limit int, field string) error {
	switch {
	case len(names) == 0:
		return errs.New(commonv1.Reason_BATCH_EMPTY, "%s is empty: name at least one", field).Violation(field, "must not be empty")
	case len(names) > limit:
		return errs.New(commonv1.Reason_BATCH_TOO_LARGE, "%s holds %d, at most %d are taken at a time: send several calls or import a file", field, len(names), limit).
			With("limit", fmt.Sprint(limit)).With("count", fmt.Sprint(len(names))).Violation(field, fmt.Sprintf("must hold at most %d", limit))
	}
	var twice refusals
	first := make(map[string]int, len(names))
	for i, name := range names {
		if j, ok := first[name]; ok {
			twice.add(commonv1.Reason_DUPLICATE_IN_BATCH, field, i, fmt.Sprintf("is the same as %s[%d]", field, j), "duplicate", name)
			continue
		}
		first[name] = i
	}
	return twice.Err()
}

// refusals collects what is wrong with the items of a list into one error that names each by index.
type refusals struct{ errs.Collector }

func (r *refusals) add(reason commonv1.Reason, field string, i int, text, key, value string) {
	path := fmt.Sprintf("%s[%d]", field, i)
	r.Add(path, text, errs.New(reason, "%s: %s", path, text).With(key, value))
}

// optionalChild reads the name of a resource of the account; "" gives uuid.Nil, another account's is not found.
func optionalChild(account uuid.UUID, name string, parse func(string) (uuid.UUID, uuid.UUID, error)) (uuid.UUID, error) {
	if name == "" {
		return uuid.Nil, nil
	}
	owner, id, err := parse(name)
	if err != nil {
		return uuid.Nil, err
	}
	if owner != account {
		return uuid.Nil, model.NotFound(name)
	}
	return id, nil
}

// callerOf is who calls, for the account log.
func callerOf(ctx context.Context) provisioning.Caller {
	c := provisioning.Caller{Actor: model.ActorPhoneUser, TraceID: telemetry.RequestID(ctx)}
	if id, ok := authn.FromContext(ctx); ok {
		c.Actor = id.Subject
	}
	return c
}

// hashRequest is the hash of a request without its request id and validate_only: what makes two requests the same, and a preview that
// of its real call. requestID points into req; one with control characters is refused.
func hashRequest(req proto.Message, requestID *string) ([]byte, error) {
	id := *requestID
	if !validRequestID(id) {
		return nil, errs.New(commonv1.Reason_FIELD_INVALID, "request_id %s", badRequestID).Violation("request_id", badRequestID)
	}
	*requestID = ""
	m := req.ProtoReflect()
	preview := m.Descriptor().Fields().ByName("validate_only")
	previewed := preview != nil && m.Has(preview)
	if previewed {
		m.Clear(preview)
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	*requestID = id
	if previewed {
		m.Set(preview, protoreflect.ValueOfBool(true))
	}
	if err != nil {
		return nil, fmt.Errorf("hash request: %w", err)
	}
	sum := sha256.New()
	sum.Write([]byte(m.Descriptor().FullName()))
	sum.Write(body)
	return sum.Sum(nil), nil
}

func (r *refusals) addMissing(field string, i int, name string) {
	r.add(commonv1.Reason_NOT_FOUND, field, i, fmt.Sprintf("%q does not exist", name), "resource", name)
}

const badRequestID = "must not contain control characters"

// validRequestID says whether an idempotency key can be kept. Databases do not take every control character.
func validRequestID(id string) bool {
	return !strings.ContainsFunc(id, unicode.IsControl) && utf8.ValidString(id)
}

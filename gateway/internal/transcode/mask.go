package transcode

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

const (
	maskParameter = "updateMask"
	maskField     = "update_mask"
)

func isFieldMask(field protoreflect.FieldDescriptor) bool {
	return field.Message() != nil && field.Message().FullName() == "google.protobuf.FieldMask"
}

// completeMask gives an update its mask (AIP-134). One that the caller sent may spell fields as in JSON or as in the proto
// files, and reaches the service in the latter form. Without one, it is made of the fields that the body holds, save those that
// a caller only repeats from what was read: names, etags and output fields.
func (r *route) completeMask(values url.Values, body []byte, message proto.Message) error {
	field := r.input.Descriptor().Fields().ByName(maskField)
	if r.bodyField == nil || field == nil || !isFieldMask(field) {
		return nil
	}
	sent := values.Get(maskParameter) + values.Get(maskField)
	values.Del(maskParameter)
	values.Del(maskField)
	var paths []string
	var err error
	if sent != "" {
		paths, err = r.sentMask(sent)
	} else if message != nil {
		paths, err = r.inferredMask(body, message)
	}
	if err != nil {
		return err
	}
	if len(paths) > 0 {
		values.Set(maskParameter, strings.Join(paths, ","))
	}
	return nil
}

func (r *route) sentMask(sent string) ([]string, error) {
	var paths []string
	for _, path := range strings.Split(sent, ",") {
		path = strings.TrimSpace(path)
		if path == "*" {
			paths = append(paths, path)
			continue
		}
		_, canonical, ok := resolve(r.body.Descriptor(), path)
		if !ok {
			return nil, errs.New(commonv1.Reason_FIELD_INVALID, "updateMask: there is no field %q", quoted(path)).
				Violation(maskParameter, "there is no field "+quoted(path))
		}
		paths = append(paths, canonical)
	}
	return paths, nil
}

func (r *route) inferredMask(body []byte, message proto.Message) ([]string, error) {
	mask, err := runtime.FieldMaskFromRequestBody(bytes.NewReader(body), message)
	if err != nil {
		return nil, jsonError(err)
	}
	return slices.DeleteFunc(mask.GetPaths(), r.repeatsOutput), nil
}

// repeatsOutput says whether a path of the body's type, or what it is a part of, is the server's to set.
func (r *route) repeatsOutput(path string) bool {
	parts := strings.Split(path, ".")
	for i := range parts {
		field, _, ok := resolve(r.body.Descriptor(), strings.Join(parts[:i+1], "."))
		if !ok {
			return false
		}
		if i == 0 && field.Name() == "etag" {
			return true
		}
		behaviours, _ := proto.GetExtension(field.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
		if slices.Contains(behaviours, annotations.FieldBehavior_OUTPUT_ONLY) || slices.Contains(behaviours, annotations.FieldBehavior_IDENTIFIER) {
			return true
		}
	}
	return false
}

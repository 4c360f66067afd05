package transcode

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/switchboard-phone/switchboard/gateway/internal/httperr"
)

// readBody reads a request body of at most r.maxBody bytes. A route that takes none accepts none.
func (r *route) readBody(req *http.Request) ([]byte, error) {
	if encoding := req.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, httperr.WithHTTPStatus(http.StatusUnsupportedMediaType,
			bodyInvalid("send the body without the content encoding %q", quoted(encoding)))
	}
	if req.ContentLength > r.maxBody {
		return nil, r.tooLarge(req)
	}
	var data bytes.Buffer
	if req.ContentLength > 0 {
		data.Grow(int(req.ContentLength) + bytes.MinRead)
	}
	if _, err := data.ReadFrom(io.LimitReader(req.Body, r.maxBody+1)); err != nil {
		return nil, bodyInvalid("the body ended early").Wrap(err)
	}
	if int64(data.Len()) > r.maxBody {
		return nil, r.tooLarge(req)
	}
	if r.body == nil && len(bytes.TrimSpace(data.Bytes())) > 0 {
		return nil, bodyInvalid("%s takes no body", r.template)
	}
	return data.Bytes(), nil
}

// maxDiscard is how much of a body that is too large is read all the same, in bytes.
const maxDiscard = 64 << 20

// tooLarge refuses a body. It first reads on for a while, because a caller that is still sending when the connection closes
// may never see the answer; one that waits to be asked for the body is not asked.
func (r *route) tooLarge(req *http.Request) error {
	if req.Header.Get("Expect") == "" {
		// The rest is of no use, whether or not it comes.
		_, _ = io.CopyN(io.Discard, req.Body, maxDiscard)
	}
	return httperr.WithHTTPStatus(http.StatusRequestEntityTooLarge,
		bodyInvalid("the body is larger than the %d bytes that this route takes", r.maxBody))
}

// parse reads the JSON of a body strictly: unknown and repeated members, members of a wrong type and anything after the
// object are refused, and the error says where. An empty body gives nil.
func (r *route) parse(data []byte) (proto.Message, error) {
	if r.body == nil || len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	message := r.body.New().Interface()
	if err := strict.Unmarshal(data, message); err != nil {
		return nil, jsonError(err)
	}
	return message, nil
}

func jsonError(err error) error {
	return bodyInvalid("the body is not the JSON that this route takes: %s", protoErrorText(err))
}

// protoErrorText removes the package name that protobuf begins its errors with, and shortens what it quotes.
func protoErrorText(err error) string {
	text := strings.TrimPrefix(err.Error(), "proto:")
	return quoted(strings.TrimLeft(text, " \u00a0"))
}

// lift takes the members out of a body that belong to the request beside the resource, such as `updateMask` and `requestId`
// of a route whose body is the resource alone: callers send them next to the fields of the resource, the gRPC binding wants them in
// the query. It returns the body with spaces in their place, so that positions in errors stay true, and the members as query parameters.
func (r *route) lift(data []byte) ([]byte, url.Values, error) {
	if r.bodyField == nil {
		return data, nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return data, nil, nil //nolint:nilerr // Parsing says better what is wrong.
	}
	lifted, seen := url.Values{}, map[string]bool{}
	out := data
	for dec.More() {
		start := dec.InputOffset()
		key, value, err := member(dec)
		if err != nil {
			return nil, nil, r.syntaxError(data, err)
		}
		field := r.beside(key)
		if field == nil {
			continue
		}
		if seen[field.JSONName()] {
			return nil, nil, bodyInvalid("the member %q is there twice", key)
		}
		if len(seen) == 0 {
			out = bytes.Clone(data)
		}
		seen[field.JSONName()] = true
		text, ok := scalarText(value)
		if !ok {
			return nil, nil, bodyInvalid("the member %q is not a string, a number, true or false", key)
		}
		if text != "" {
			lifted.Set(field.JSONName(), text)
		}
		blank(out, int(start), int(dec.InputOffset()))
	}
	if _, err := dec.Token(); err != nil {
		return nil, nil, r.syntaxError(data, err)
	}
	return out, lifted, nil
}

func member(dec *json.Decoder) (string, json.RawMessage, error) {
	tok, err := dec.Token()
	if err != nil {
		return "", nil, err
	}
	key, ok := tok.(string)
	if !ok {
		return "", nil, errors.New("a member has no name")
	}
	var value json.RawMessage
	err = dec.Decode(&value)
	return key, value, err
}

// syntaxError words an error of encoding/json as protobuf does, which knows the line and column.
func (r *route) syntaxError(data []byte, err error) error {
	lenient := strict
	lenient.DiscardUnknown = true
	if better := lenient.Unmarshal(data, r.body.New().Interface()); better != nil {
		return jsonError(better)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return bodyInvalid("the body is not complete JSON")
	}
	return jsonError(err)
}

// beside returns the field of the request that a member of the body names, if it is one that travels beside the resource.
func (r *route) beside(key string) protoreflect.FieldDescriptor {
	if fieldByName(r.body.Descriptor(), key) != nil {
		return nil
	}
	field := fieldByName(r.input.Descriptor(), key)
	if field == nil || field == r.bodyField || r.bound(string(field.Name())) || field.IsList() || field.IsMap() {
		return nil
	}
	if field.Message() != nil && !isFieldMask(field) {
		return nil
	}
	return field
}

// scalarText returns a JSON value as a query parameter's text; null is "", as good as not there.
func scalarText(value json.RawMessage) (string, bool) {
	switch value[0] {
	case '{', '[':
		return "", false
	case '"':
		var text string
		return text, json.Unmarshal(value, &text) == nil
	case 'n':
		return "", true
	}
	return string(value), true
}

// blank puts spaces over data[start:end], one member of an object, and over the comma that parts it from the others.
func blank(data []byte, start, end int) {
	leading := bytes.IndexByte(data[start:end], '"')
	if comma := bytes.IndexByte(data[start:start+leading], ','); comma < 0 {
		rest := data[end:]
		if next := len(rest) - len(bytes.TrimLeft(rest, " \t\r\n")); next < len(rest) && rest[next] == ',' {
			rest[next] = ' '
		}
	}
	for i := start; i < end; i++ {
		if data[i] != '\n' && data[i] != '\r' {
			data[i] = ' '
		}
	}
}

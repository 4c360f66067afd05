package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// hostile are texts that databases, spreadsheets, terminals and parsers have trouble with. All are UTF-8.
var hostile = []string{
	"\x00", "a\x00b", "\u202e\u2028\U0010FFFF", "' OR 1=1; -- %s%n${x}", strings.Repeat("𝔘", 60), "-9223372036854775809",
}

// internalWords are words that only the inside of the suite knows.
var internalWords = []string{"SQLSTATE", "pgx", "rpc error", "runtime error", "goroutine", "panic", ".go:", "strconv", "pq:", "byte sequence"}

// TestHostileTextsAreRefusedOrKept sends hostile texts in every field of every route to the services themselves: each is answered, and
// never with a fault of ours.
func TestHostileTextsAreRefusedOrKept(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 50)
		h := &hostility{tenant: tn, pkg: tn.pkg("Hostile", 5), person: tn.userNames(1)[0], licensed: tn.one().Name}
		protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
			if strings.HasPrefix(string(file.Package()), "switchboard.") {
				h.file(file)
			}
			return true
		})
		t.Logf("%d requests", h.requests)
		require.Greater(t, h.requests, 1000, "every route was found")
	})
}

// hostility is what plausible requests are made of.
type hostility struct {
	*tenant
	pkg, person, licensed string
	requests              int
}

func (h *hostility) file(file protoreflect.FileDescriptor) {
	for i := range file.Services().Len() {
		methods := file.Services().Get(i).Methods()
		for j := range methods.Len() {
			if rule, ok := proto.GetExtension(methods.Get(j).Options(), annotations.E_Http).(*annotations.HttpRule); ok && rule != nil {
				h.route(methods.Get(j), rule)
			}
		}
	}
}

var pathVariable = regexp.MustCompile(`\{[^=}]+=([^}]+)\}`)

// route sends a plausible request, and then each hostile text in each of its fields.
func (h *hostility) route(method protoreflect.MethodDescriptor, rule *annotations.HttpRule) {
	verb, template := verbOf(rule)
	path := pathVariable.ReplaceAllStringFunc(template, func(variable string) string {
		return h.resource(pathVariable.FindStringSubmatch(variable)[1])
	})
	message := method.Input()
	if rule.GetBody() != "" && rule.GetBody() != "*" {
		message = message.Fields().ByName(protoreflect.Name(rule.GetBody())).Message()
	}
	base := h.plausible(message)
	h.send(verb, path, rule.GetBody() != "", base)
	for _, text := range hostile {
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			if value := spoil(field, text); value != nil {
				body := maps.Clone(base)
				body[field.JSONName()] = value
				h.send(verb, path, rule.GetBody() != "", body)
			}
		}
		h.send(verb, strings.ReplaceAll(path, id(h.account), url.PathEscape(text)), rule.GetBody() != "", base)
	}
}

func verbOf(rule *annotations.HttpRule) (verb, template string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	}
	return "", ""
}

// resource fills the stars of a pattern such as accounts/*/sites/*: with what exists where it may be changed, else with what does not.
func (h *hostility) resource(pattern string) string {
	switch pattern {
	case "accounts/*":
		return h.account
	case "accounts/*/sites/*":
		return h.main
	case "accounts/*/phoneUsers/*":
		return h.licensed
	}
	pattern = strings.Replace(pattern, "accounts/*", h.account, 1)
	return strings.ReplaceAll(pattern, "*", uuid.NewString())
}

// plausible fills the fields of a message with what they are for.
func (h *hostility) plausible(message protoreflect.MessageDescriptor) map[string]any {
	known := map[string]any{
		"displayName": "Hostile", "givenName": "Ho", "familyName": "Stile", "email": uuid.NewString() + "@" + h.domain, "kind": "domestic",
		"site": h.main, "assignees": []string{h.person}, "phoneUsers": []string{h.unknown("phoneUsers")}, "package": h.pkg,
		"numbers": []string{"1234"}, "from": "20000", "to": "20009", "validateOnly": true, "csv": []byte("email\nx@" + h.domain + "\n"),
		"licenseSeats": 50, "seats": 5, "users": []any{map[string]any{"email": uuid.NewString() + "@" + h.domain, "givenName": "Ho"}},
	}
	body := map[string]any{}
	for i := range message.Fields().Len() {
		name := message.Fields().Get(i).JSONName()
		if value, ok := known[name]; ok {
			body[name] = value
		}
	}
	if message.Name() == "PhoneUser" || message.Name() == "PhoneRecord" {
		return map[string]any{}
	}
	return body
}

// spoil is the hostile text as the value of a field; nil for fields that hold no text, and those that the path sets.
func spoil(field protoreflect.FieldDescriptor, text string) any {
	var value any = text
	switch {
	case field.Name() == "parent", field.Name() == "name":
		return nil
	case field.IsMap():
		return nil
	case field.Message() != nil:
		within := map[string]any{}
		for i := range field.Message().Fields().Len() {
			inner := field.Message().Fields().Get(i)
			if inner.Kind() == protoreflect.StringKind && !inner.IsList() {
				within[inner.JSONName()] = text
			}
		}
		value = within
	case field.Kind() == protoreflect.BytesKind:
		value = []byte("email,room\n" + text + ",\n,\"" + text + "\"\n")
	case field.Kind() != protoreflect.StringKind:
		return nil
	}
	if field.IsList() {
		return []any{value, value}
	}
	return value
}

// send sends what it was given as body or as query, as administrator and as operator.
func (h *hostility) send(verb, path string, asBody bool, fields map[string]any) {
	h.Helper()
	target, body := path, any(nil)
	if asBody {
		body = fields
	} else {
		query := url.Values{}
		for name, value := range fields {
			if text, ok := value.(string); ok {
				query.Set(name, text)
			}
		}
		target += "?" + query.Encode()
	}
	for _, caller := range []*gatewayclient.Client{h.admin, h.operator} {
		h.requests++
		answer, err := caller.Raw(h.Context(), verb, target, body, nil)
		require.NoError(h, err, "%s %s", verb, target)
		sent, err := json.Marshal(fields)
		require.NoError(h, err)
		require.Less(h, answer.Status, 500, "%s %s %s\n%s", verb, target, sent, answer.Body)
		if answer.Status < 400 {
			continue
		}
		var refusal struct {
			Code    int
			Message string
			Details []struct{ Reason, Domain string }
		}
		require.NoError(h, json.Unmarshal(answer.Body, &refusal), "%s", answer.Body)
		require.NotEmpty(h, refusal.Details, "%s", answer.Body)
		require.Equal(h, "switchboard", refusal.Details[0].Domain)
		for _, word := range internalWords {
			require.NotContains(h, string(answer.Body), word, "%s %s %s", verb, target, sent)
		}
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/proto"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// hostileRequests is how many requests the hostile run sends.
const hostileRequests = 20_000

// largeBody is from where on a body is sent only once the gateway asks for it, as curl does. A refusal that does not need the body is
// answered without reading it, and a client that goes on sending may see the connection end before it sees the answer.
const largeBody = 256 << 10

// smallBody is up to where a body arrives together with its header.
const smallBody = 1 << 10

// swagger is as much of the OpenAPI document as requests are made from.
type swagger struct {
	Paths       map[string]map[string]documented `json:"paths"`
	Definitions map[string]*schema               `json:"definitions"`
}

type documented struct {
	Parameters []struct {
		Name, In, Type string
		Schema         *schema `json:"schema"`
	} `json:"parameters"`
}

type schema struct {
	Ref        string             `json:"$ref"`
	Type       string             `json:"type"`
	Format     string             `json:"format"`
	Enum       []string           `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	AllOf      []*schema          `json:"allOf"`
}

// attacker makes requests: mostly well formed ones, each with a fault or two. Everything follows from the seed.
type attacker struct {
	*rand.Rand
	doc   swagger
	paths []string
	// known are texts that mean something to the product: names of resources that exist.
	known []string
	// ids are the last parts of names that exist.
	ids []string
}

// leaks are signs of what callers must not see: drivers, languages, files and addresses of ours.
var leaks = regexp.MustCompile(`(?i)pgx|sqlstate|\bsql\b|postgres|cockroach|goroutine|runtime error|\.go:\d|panic|dial tcp|127\.0\.0\.1|rpc error|` +
	`duplicate key|syntax error at or near|violates|relation "|invalid byte sequence|stack trace|grpc-|x509|interface conversion|nil pointer|context (canceled|deadline)|transport:`)

// TestHostileInput sends what nobody should send to every route of the OpenAPI document. Every answer must be one that the document
// allows for: no fault of ours, no text of the machinery behind.
func TestHostileInput(t *testing.T) {
	t.Parallel()
	s := get(t, testkit.Engines(t)[0], "one", stack.Options{})
	tn := newTenant(t, s, 500)
	people := tn.userNames(20)
	phones := tn.assign(people[:10]...)
	token := sign(t, s, issuer.Claims{Subject: "hostile", Account: tn.account, Role: "OWNER"})
	known := append([]string{tn.account, tn.main, tn.pkg("Domestic", 5)}, people...)
	for _, p := range phones {
		known = append(known, p.Name)
	}
	var ids []string
	for _, name := range known {
		ids = append(ids, id(name))
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		MaxIdleConns: 32, MaxIdleConnsPerHost: 32, ExpectContinueTimeout: time.Minute,
	}}
	defer client.CloseIdleConnections()

	began := time.Now()
	var mu sync.Mutex
	codes := map[int]int{}
	var g errgroup.Group
	const workers = 16
	for w := range workers {
		a := newAttacker(t, uint64(w), known, ids)
		g.Go(func() error {
			for range hostileRequests / workers {
				req := a.request(s.Info().Gateway, id(tn.account))
				if a.IntN(20) > 0 {
					req.Header.Set("Authorization", "Bearer "+token)
				}
				code, err := send(client, req.WithContext(t.Context()))
				if err != nil {
					return err
				}
				mu.Lock()
				codes[code]++
				mu.Unlock()
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	t.Logf("%d requests in %v: %v", hostileRequests, time.Since(began).Round(time.Millisecond), codes)
	require.Greater(t, codes[200], hostileRequests/100, "some must get through, or the faults hide what is behind the first check")
	require.Greater(t, codes[400], hostileRequests/4)
	for name, ops := range s.Info().Ops {
		resp, err := client.Get(ops + "/metrics")
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NotRegexp(t, `switchboard_panics_total [1-9]`, string(text), name)
	}
}

// send sends a request and says what is wrong with the answer.
func send(client *http.Client, req *http.Request) (int, error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("%s %.300s %.300v, %d bytes: %w", req.Method, req.URL, req.Header, req.ContentLength, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return 0, fmt.Errorf("%s %.300s: %w", req.Method, req.URL, err)
	}
	shown := fmt.Sprintf("%s %.300s: %d %.600s", req.Method, req.URL, resp.StatusCode, body)
	if resp.StatusCode >= 500 {
		return 0, fmt.Errorf("a fault of ours: %s", shown)
	}
	for name := range resp.Header {
		if strings.HasPrefix(strings.ToLower(name), "grpc") || strings.HasPrefix(strings.ToLower(name), "x-forwarded") {
			return 0, fmt.Errorf("an internal header %s: %s", name, shown)
		}
	}
	if req.Method != http.MethodHead && resp.StatusCode >= 400 && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		var refusal struct {
			Code    int               `json:"code"`
			Message string            `json:"message"`
			Details []json.RawMessage `json:"details"`
		}
		if err := json.Unmarshal(body, &refusal); err != nil || refusal.Code == 0 || refusal.Message == "" {
			return 0, fmt.Errorf("a refusal without its shape: %s", shown)
		}
		// What the caller has sent may be quoted; what it may be taken from is compared apart.
		if found := leaks.FindString(refusal.Message); found != "" && !strings.Contains(strings.ToLower(req.URL.RawQuery), strings.ToLower(found)) {
			return 0, fmt.Errorf("%q gives something away: %s", found, shown)
		}
	}
	return resp.StatusCode, nil
}

func newAttacker(t *testing.T, seed uint64, known, ids []string) *attacker {
	t.Helper()
	a := &attacker{Rand: rand.New(rand.NewPCG(seed, 42)), known: known, ids: ids}
	require.NoError(t, json.Unmarshal(proto.OpenAPI, &a.doc))
	for path := range a.doc.Paths {
		a.paths = append(a.paths, path)
	}
	slices.Sort(a.paths)
	require.Greater(t, len(a.paths), 40)
	return a
}

func oneOf[T any](a *attacker, from []T) T { return from[a.IntN(len(from))] }

// odd are texts that break what is careless.
var odd = []string{
	"", " ", "\x00", "a\x00b", "null", "undefined", "true", "-1", "1e400", "NaN", "'", `"`, `\`, "' OR 1=1 --", "'; DROP TABLE users; --", "%", "%s%n%d", "${7*7}", "{{7*7}}",
	"<script>alert(1)</script>", "../../etc/passwd", "..", ".", "\r\nX-Injected: 1", "\u202e\u2066", "\ufeff", "Z̸̧̛a̴l̶g̷o̸", "👩‍👩‍👧‍👦", "ﷺﷺﷺ", "ı", "ß", "\U0010ffff", "\xff\xfe", "\xed\xa0\x80", "\xc0\xaf",
	"accounts/", "accounts//sites/", "accounts/*/sites/*", "00000000-0000-0000-0000-000000000000", "+1", "+999999999999999999999", "=1+1", "1000-", "０１２３",
	"9223372036854775808", "-9223372036854775809", "0x10", "1_000", "٣", "a@b", "a@b\r\nBcc: c@d", strings.Repeat("a", 300), strings.Repeat("é", 5000), strings.Repeat("(", 3000),
	strings.Repeat("x = y AND ", 400), `state = "ACTIVE" AND (`, `displayName = "\"`, "NOT NOT NOT x", "2026-02-30T25:61:61Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:60Z",
}

// text is a text for a member of that name: mostly one that makes sense.
func (a *attacker) text(name string) string {
	switch a.IntN(6) {
	case 0:
		return oneOf(a, odd)
	case 1:
		return oneOf(a, a.ids)
	case 2:
		return uuid.NewString()
	case 3:
		if strings.Contains(strings.ToLower(name), "email") {
			return fmt.Sprintf("h%d@example.com", a.IntN(1e6))
		}
		return fmt.Sprintf("Name %d", a.IntN(1e6))
	}
	return oneOf(a, a.known)
}

// value makes a JSON value of a schema, at times of another.
func (a *attacker) value(name string, s *schema, depth int) any {
	if a.IntN(25) == 0 {
		return a.wrong()
	}
	for s != nil && (s.Ref != "" || len(s.AllOf) > 0) {
		if len(s.AllOf) > 0 {
			s = s.AllOf[0]
			continue
		}
		s = a.doc.Definitions[strings.TrimPrefix(s.Ref, "#/definitions/")]
	}
	if s == nil || depth > 6 {
		return nil
	}
	switch {
	case len(s.Enum) > 0:
		return oneOf(a, s.Enum)
	case s.Type == "array":
		out := make([]any, oneOf(a, []int{0, 1, 1, 2, 3, 101}))
		for i := range out {
			out[i] = a.value(name, s.Items, depth+1)
		}
		return out
	case s.Type == "object" || len(s.Properties) > 0:
		out := map[string]any{}
		for _, key := range slices.Sorted(keysOf(s.Properties)) {
			if a.IntN(3) > 0 { // the others are missing
				out[key] = a.value(key, s.Properties[key], depth+1)
			}
		}
		if a.IntN(20) == 0 {
			out[oneOf(a, odd)] = a.wrong()
		}
		return out
	case s.Type == "integer" || s.Type == "number":
		return oneOf(a, []any{0, 1, 10, 100, -1, 1 << 31, -1 << 31, 1.5, "7"})
	case s.Type == "boolean":
		return a.IntN(2) == 0
	case s.Format == "byte":
		return oneOf(a, []any{"", "ZW1haWwKYQ==", "====", "not base64", "gICA"})
	case s.Format == "date-time":
		return oneOf(a, odd)
	}
	return a.text(name)
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// wrong is a value of a type that hardly anything has.
func (a *attacker) wrong() any {
	return oneOf(a, []any{nil, true, -1, 1e300, "", []any{}, []any{nil}, map[string]any{}, map[string]any{"@type": "type.googleapis.com/google.protobuf.Any"},
		[]any{[]any{[]any{}}}, json.RawMessage(`1e999`), json.RawMessage(`"\ud800"`), json.RawMessage(`"\u0000"`), oneOf(a, odd)})
}

// request makes one request.
func (a *attacker) request(gateway, account string) *http.Request {
	path := oneOf(a, a.paths)
	methods := slices.Sorted(keysOf(a.doc.Paths[path]))
	method := oneOf(a, methods)
	op := a.doc.Paths[path][method]
	query := url.Values{}
	var body []byte
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			value := oneOf(a, a.ids)
			switch {
			case p.Name == "account" && a.IntN(20) > 0:
				value = account
			case a.IntN(8) == 0:
				value = strings.ReplaceAll(a.text(p.Name), "/", "")
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		case "query":
			if a.IntN(4) == 0 {
				query.Add(p.Name, fmt.Sprint(a.value(p.Name, &schema{Type: p.Type}, 0)))
			}
		case "body":
			body = a.body(p.Schema)
		}
	}
	if a.IntN(30) == 0 {
		query.Add(oneOf(a, odd), oneOf(a, odd))
	}
	if a.IntN(60) == 0 {
		method = oneOf(a, []string{"PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "POST", "TRACE", "PROPFIND"})
	}
	target, err := url.Parse(gateway)
	if err != nil {
		panic(err)
	}
	target.RawQuery = query.Encode()
	if a.IntN(40) == 0 {
		target.RawQuery = oneOf(a, []string{"%", "a=%zz", "&&&", ";", "pageSize=1&pageSize=2", "=", strings.Repeat("a=1&", 500)})
	}
	if target.Path, err = url.PathUnescape(path); err != nil {
		panic(err)
	}
	target.RawPath = path
	req := &http.Request{
		Method: strings.ToUpper(method), URL: target, ProtoMajor: 1, ProtoMinor: 1, Host: target.Host, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(string(body))), ContentLength: int64(len(body)),
	}
	if len(body) == 0 {
		req.Body = http.NoBody
	}
	if len(body) >= largeBody {
		req.Header.Set("Expect", "100-continue")
	}
	a.spoil(req)
	return req
}

// body is a body of a schema, now and then one that is not even JSON.
func (a *attacker) body(s *schema) []byte {
	switch a.IntN(60) {
	case 0:
		return []byte(strings.Repeat("[", 20_000))
	case 1:
		return []byte(strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000))
	case 2:
		return []byte(`{"displayName":"` + strings.Repeat("x", 1<<20) + `"}`)
	case 3:
		return []byte(oneOf(a, odd))
	case 4:
		return []byte(oneOf(a, []string{"{", "[]", "null", `"x"`, "{}{}", `{"a":1,"a":2}`, "\xef\xbb\xbf{}", "{\"a\":\"\xff\"}", "{'a':1}", "{,}", `{"a":01}`}))
	}
	raw, err := json.Marshal(a.value("", s, 0))
	if err != nil {
		return []byte("{}") // a raw piece that is no JSON
	}
	if a.IntN(30) == 0 && len(raw) > 2 {
		raw[a.IntN(len(raw))] = byte(a.IntN(256))
	}
	return raw
}

// spoil adds headers that somebody else might believe.
func (a *attacker) spoil(req *http.Request) {
	if a.IntN(10) > 0 {
		return
	}
	name := oneOf(a, []string{"Content-Type", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Host", "Grpc-Metadata-Authorization", "Grpc-Timeout", "X-Http-Method-Override",
		"Accept", "Accept-Encoding", "Content-Encoding", "Expect", "Range", "If-Match", "Cookie", "Origin", "Traceparent"})
	value := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, oneOf(a, append([]string{"application/xml", "gzip", "1n", "DELETE", "bytes=0-1", "https://evil.example", "Bearer x"}, odd...)))
	if name == "Expect" {
		if req.ContentLength > smallBody {
			return // see largeBody: the answer to nonsense is 417 and the end of the connection, with nothing of the body read
		}
		value = "nonsense"
	}
	req.Header.Set(name, value)
}

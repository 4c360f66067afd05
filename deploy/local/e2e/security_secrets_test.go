package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/license"
	"github.com/switchboard-phone/switchboard/services/notification"
	"github.com/switchboard-phone/switchboard/services/numbering"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/logtest"
)

// plantedPassword is the password of every database URL.
const plantedPassword = "pl4nted-p4ssword"

// plant puts the password into the database's URL. Local databases let everybody in.
func plant(config any) {
	var c *crdb.Config
	switch config := config.(type) {
	case *license.Config:
		c = &config.Database
	case *extension.Config:
		c = &config.Database
	case *numbering.Config:
		c = &config.Database
	case *notification.Config:
		c = &config.Database
	default:
		return
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		panic(err)
	}
	u.User = url.UserPassword(u.User.Username(), plantedPassword)
	c.URL = u.String()
}

// TestSecretsAreNowhere plants secrets where they belong, uses everything that handles them, well and badly, with all logs and all traces
// taken down, and looks for them everywhere else.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	logs, spans := &logtest.Buffer{}, tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	var keyFile string
	s := oneOwn(t, "secrets", stack.Options{TracerProvider: provider, Log: slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})), Configure: func(_ string, config any) {
		plant(config)
		if c, ok := config.(*license.Config); ok {
			keyFile = c.LinkTokens.KeyFile
		}
	}})
	tn := newTenant(t, s, 20)
	token := sign(t, s, issuer.Claims{Subject: "secretive", Account: tn.account, Role: "OWNER"})
	owner := tn.anonymous.As(token)
	invited := create(tn, "/users", gatewayclient.User{Email: "invited@" + tn.domain, GivenName: "In", Features: []string{"PHONE"}})
	people := tn.users(2)
	tn.assign(people[0].Name, people[1].Name)
	secrets := map[string]string{"password of the database": plantedPassword, "signature of a token": token[strings.LastIndexByte(token, '.')+1:], "body of a token": strings.Split(token, ".")[1]}
	for _, to := range []string{invited.Email, people[0].Email} {
		secrets["link of the mail to "+to] = linkToken(tn, tn.awaitMails(to, 1)[0])
	}
	key, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(key)))
	require.NoError(t, err)
	secrets["key of links"], secrets["key of links, raw"] = strings.TrimSpace(string(key)), string(raw)

	var answers strings.Builder
	ask := func(c *gatewayclient.Client, method, path string, body any, header http.Header) {
		a, err := c.Raw(t.Context(), method, path, body, header)
		require.NoError(t, err)
		_, _ = fmt.Fprintf(&answers, "%s %v\n", a.Body, a.Header)
	}
	for _, link := range []string{secrets["link of the mail to "+people[0].Email], secrets["link of the mail to "+invited.Email]} {
		ask(tn.anonymous, "POST", "/v1/phoneUserSetup:lookup", map[string]any{"token": link}, nil)
		ask(tn.anonymous, "POST", "/v1/phoneUserSetup:lookup", map[string]any{"token": link + "x"}, nil)
		ask(tn.anonymous, "POST", "/v1/phoneUserSetup:complete", map[string]any{"token": link, "settings": map[string]any{"language": 7}}, nil)
		ask(tn.anonymous, "POST", "/v1/"+invited.Name+":confirm", map[string]any{"token": link}, nil)
		ask(tn.anonymous, "GET", "/setup?token="+link, nil, nil)
		ask(tn.anonymous, "GET", "/v1/nothing?token="+link, nil, nil)
	}
	for _, path := range []string{"/sites", "/notifications", "/log", "/phoneUsers?filter=nonsense", "/phoneUsers/" + "x", "/packages?pageToken=bad", "/extensions"} {
		ask(owner, "GET", tn.path+path, nil, nil)
		ask(tn.anonymous.As(token+"x"), "GET", tn.path+path, nil, nil)
		ask(tn.anonymous, "GET", tn.path+path, nil, http.Header{"Authorization": {token}, "Cookie": {"session=" + token}, "X-Request-Id": {"kept"}})
	}
	ask(owner, "POST", tn.path+"/users", []byte(`{"email":`), nil)
	for name, ops := range s.Info().Ops {
		for _, path := range []string{"/debug/config", "/metrics", "/readyz", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
			text := readURL(t, ops+path)
			require.NotEmpty(t, text)
			lookFor(t, secrets, name+path, text)
		}
	}
	lookFor(t, secrets, "answers", answers.String())
	_, err = crdb.Open(context.Background(), crdb.Config{URL: "postgresql://u:" + plantedPassword + "@127.0.0.1:1/db?connect_timeout=1", MaxConns: 1}, crdb.Options{})
	if err != nil {
		lookFor(t, secrets, "the error of a database that is not there", err.Error())
	}
	_, err = crdb.Open(context.Background(), crdb.Config{URL: "postgresql://u:" + plantedPassword + "@[nonsense", MaxConns: 1}, crdb.Options{})
	require.Error(t, err)
	lookFor(t, secrets, "the error of a URL that is none", err.Error())

	require.Contains(t, logs.String(), `"audit":true`, "the log is the one that is meant")
	lookFor(t, secrets, "the log", logs.String())
	require.NoError(t, provider.ForceFlush(t.Context()))
	require.NotEmpty(t, spans.GetSpans())
	lookFor(t, secrets, "the traces", fmt.Sprintf("%+v", spans.GetSpans()))
}

func lookFor(t *testing.T, secrets map[string]string, where, text string) {
	t.Helper()
	for what, secret := range secrets {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("the %s is in %s: …%.200s", what, where, text[max(0, at-150):])
		}
	}
}

func readURL(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

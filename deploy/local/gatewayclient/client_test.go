package gatewayclient_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

func serve(t *testing.T, handler http.HandlerFunc) *gatewayclient.Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	c := gatewayclient.New(srv.URL, 1)
	t.Cleanup(c.Close)
	return c
}

func TestRefusalsAreRead(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "r1")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"code":8,"message":"too many","details":[
			{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMITED","domain":"switchboard","metadata":{"limit":"3"}},
			{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"a[1]","description":"x"},{"field":"a[2]","description":"y"}]},
			{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"},
			{"@type":"type.googleapis.com/unknown"}]}`))
	})
	err := c.Post(t.Context(), "/x", map[string]any{}, nil)
	var refused *gatewayclient.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 429, refused.HTTPStatus)
	require.Equal(t, 8, refused.Code)
	require.Equal(t, "RATE_LIMITED", gatewayclient.Reason(err))
	require.Equal(t, "switchboard", refused.Domain)
	require.Equal(t, map[string]string{"limit": "3"}, refused.Metadata)
	require.Equal(t, []string{"a[1]", "a[2]"}, refused.Fields())
	require.Equal(t, 1500*time.Millisecond, refused.RetryDelay)
	require.Equal(t, "r1", refused.RequestID)
}

func TestAnAnswerThatIsNoStatusIsARefusalWithoutReason(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) })
	err := c.Get(t.Context(), "/x", nil)
	require.ErrorContains(t, err, "bad gateway")
	require.Empty(t, gatewayclient.Reason(err))
}

func TestListReadsEveryPage(t *testing.T) {
	t.Parallel()
	var asked []url.Values
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query())
		page := map[string]any{"users": []any{map[string]any{"name": "u" + r.URL.Query().Get("pageToken")}}, "nextPageToken": ""}
		if len(asked) < 3 {
			page["nextPageToken"] = string(rune('0' + len(asked)))
		}
		_ = json.NewEncoder(w).Encode(page)
	})
	users, err := gatewayclient.List[gatewayclient.User](t.Context(), c.As("secret"), "/users", "users", url.Values{"filter": {"a = b"}})
	require.NoError(t, err)
	require.Equal(t, []gatewayclient.User{{Name: "u"}, {Name: "u1"}, {Name: "u2"}}, users)
	for _, q := range asked {
		require.Equal(t, "a = b", q.Get("filter"), "the arguments stay the same on all pages")
	}
}

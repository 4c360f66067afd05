package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/switchboard-phone/switchboard/gateway/internal/httperr"
	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Browsers is what the gateway tells browsers and takes from them.
type Browsers struct {
	// Origins are those of other sites ("https://admin.example.com") whose scripts may call.
	Origins []string
	// HSTS is for how long browsers shall come by HTTPS only; 0 says nothing.
	HSTS time.Duration
}

const (
	corsMethods = "GET, POST, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, X-Request-Id"
	corsExposed = "X-Request-Id, Retry-After"
	corsMaxAge  = "600"
	// apiPolicy is for answers that are no pages: were one opened as a page, it could do nothing.
	apiPolicy = "default-src 'none'; frame-ancestors 'none'"
)

// handler stands before next.
//
// Calls carry a bearer token in a header, which no browser adds by itself, so that another site cannot make a person's browser call. In
// case that ever changes (cookies, client certificates), a browser's changing request from another site is refused unless its origin
// is listed.
func (b Browsers) handler(next http.Handler) (http.Handler, error) {
	csrf := http.NewCrossOriginProtection()
	for _, origin := range b.Origins {
		if err := csrf.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("http.cors_origins: %w", err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", apiPolicy)
		if b.HSTS > 0 {
			h.Set("Strict-Transport-Security", "max-age="+strconv.Itoa(int(b.HSTS.Seconds()))+"; includeSubDomains")
		}
		if len(b.Origins) > 0 {
			h.Add("Vary", "Origin")
		}
		if origin := r.Header.Get("Origin"); origin != "" && slices.Contains(b.Origins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsExposed)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", corsMethods)
				h.Set("Access-Control-Allow-Headers", corsHeaders)
				h.Set("Access-Control-Max-Age", corsMaxAge)
				SetRoute(r.Context(), "preflight")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		if err := csrf.Check(r); err != nil {
			telemetry.Logger(r.Context()).WarnContext(r.Context(), "call refused", "audit", true, "reason", commonv1.Reason_PERMISSION_DENIED.String(), "error", err)
			httperr.Write(w, r, errs.New(commonv1.Reason_PERMISSION_DENIED, "a page of another site may not call; its origin is not listed").Wrap(err))
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

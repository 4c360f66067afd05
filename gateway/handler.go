package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc"

	extensiongw "github.com/switchboard-phone/switchboard/gateway/gen/switchboard/extension/v1"
	licensegw "github.com/switchboard-phone/switchboard/gateway/gen/switchboard/license/v1"
	notificationgw "github.com/switchboard-phone/switchboard/gateway/gen/switchboard/notification/v1"
	numberinggw "github.com/switchboard-phone/switchboard/gateway/gen/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/gateway/internal/httperr"
	"github.com/switchboard-phone/switchboard/gateway/internal/transcode"
	"github.com/switchboard-phone/switchboard/gateway/internal/web"
	"github.com/switchboard-phone/switchboard/proto"
)

// connections are the ways to the services.
type connections struct {
	license, extension, numbering, notification *grpc.ClientConn
}

func (c connections) close() error {
	var errList []error
	for _, conn := range []*grpc.ClientConn{c.license, c.extension, c.numbering, c.notification} {
		if conn != nil {
			errList = append(errList, conn.Close())
		}
	}
	return errors.Join(errList...)
}

// backends says which services are called over which connection.
func (c connections) backends() []transcode.Backend {
	return []transcode.Backend{
		{Conn: c.license, Services: []transcode.Register{
			licensegw.RegisterAccountServiceHandler, licensegw.RegisterSiteServiceHandler, licensegw.RegisterDirectoryServiceHandler,
			licensegw.RegisterTemplateServiceHandler, licensegw.RegisterPhoneUserServiceHandler,
			licensegw.RegisterPhoneUserSetupServiceHandler, licensegw.RegisterImportServiceHandler,
			licensegw.RegisterAccountLogServiceHandler, licensegw.RegisterPhoneRecordServiceHandler,
			licensegw.RegisterReconciliationServiceHandler,
		}},
		{Conn: c.extension, Services: []transcode.Register{
			extensiongw.RegisterExtensionServiceHandler, extensiongw.RegisterExtensionRangeServiceHandler,
		}},
		{Conn: c.numbering, Services: []transcode.Register{
			numberinggw.RegisterPackageServiceHandler, numberinggw.RegisterPhoneNumberServiceHandler,
		}},
		{Conn: c.notification, Services: []transcode.Register{notificationgw.RegisterNotificationServiceHandler}},
	}
}

// newHandler returns what the main port serves: the calls under /v1/, /openapi.json, /healthz and the pages.
func newHandler(calls http.Handler, files *web.Files, ready func(context.Context) error, opts web.Options) (http.Handler, error) {
	if err := files.Add("/openapi.json", "application/json", proto.OpenAPI); err != nil {
		return nil, err
	}
	return web.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1/"):
			calls.ServeHTTP(w, r)
		case r.URL.Path == "/healthz":
			web.SetRoute(r.Context(), "/healthz")
			writeHealth(w, ready(r.Context()) == nil)
		case files.Serve(w, r), files.ServePage(w, r):
			web.SetRoute(r.Context(), "file")
		default:
			httperr.Write(w, r, transcode.NoSuchRoute(r))
		}
	}), opts)
}

// writeHealth says whether callers should come.
func writeHealth(w http.ResponseWriter, ready bool) {
	answer := map[string]string{"status": "SERVING"}
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		answer["status"] = "NOT_SERVING"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// The caller may have left; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(answer)
}

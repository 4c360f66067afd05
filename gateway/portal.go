package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/switchboard-phone/switchboard/gateway/internal/web"
	"github.com/switchboard-phone/switchboard/gateway/portal"
)

// PortalConfig says where the portal is and how people sign in to it.
type PortalConfig struct {
	// Dir is the folder of the built portal (gateway/portal/web/dist after `make portal`). Empty: the gateway serves the API only,
	// and pages say that the portal is not installed.
	Dir string `koanf:"dir"`
	// Issuer is the URL of the OpenID Connect issuer that people sign in at, by the authorization code flow with PKCE. It has to allow
	// requests from the portal's origin (CORS). Empty: nobody can sign in; the pages behind links in mails work.
	Issuer string `koanf:"issuer"`
	// ClientID is the portal's name at the issuer: a public client with the redirect URI <portal>/signed-in.
	ClientID string `koanf:"client_id"`
	// Scope is what the portal asks for, separated by blanks. The access token must be one that the services accept.
	Scope string `koanf:"scope"`
}

func (c PortalConfig) check() error {
	if c.Issuer == "" {
		return nil
	}
	if c.ClientID == "" || c.Scope == "" {
		return errors.New("gateway: portal.client_id and portal.scope go with portal.issuer")
	}
	_, err := c.issuerOrigin()
	return err
}

// issuerOrigin is where the portal's requests for tokens go.
func (c PortalConfig) issuerOrigin() (string, error) {
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Host == "" || (issuer.Scheme != "https" && issuer.Scheme != "http") {
		return "", fmt.Errorf("gateway: portal.issuer %q is not an http or https URL", c.Issuer)
	}
	return issuer.Scheme + "://" + issuer.Host, nil
}

// portalFiles reads the portal. pages is used in place of the configured folder, where there is one.
func portalFiles(cfg PortalConfig, pages fs.FS) (*web.Files, error) {
	if pages == nil {
		var err error
		if pages, err = portal.Files(cfg.Dir); err != nil {
			return nil, err
		}
	}
	var origins []string
	if cfg.Issuer != "" {
		origin, err := cfg.issuerOrigin()
		if err != nil {
			return nil, err
		}
		origins = append(origins, origin)
	}
	files, err := web.NewFiles(pages, origins...)
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(map[string]string{"issuer": cfg.Issuer, "clientId": cfg.ClientID, "scope": cfg.Scope})
	if err != nil {
		return nil, fmt.Errorf("portal settings: %w", err)
	}
	return files, files.Add("/portal/config.json", "application/json", settings)
}

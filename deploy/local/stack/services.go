package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"github.com/switchboard-phone/switchboard/gateway"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/license"
	"github.com/switchboard-phone/switchboard/services/notification"
	"github.com/switchboard-phone/switchboard/services/numbering"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/server"
)

// The services.
const (
	License      = "license"
	Extension    = "extension"
	Numbering    = "numbering"
	Notification = "notification"
)

// ServiceNames lists the services.
func ServiceNames() []string { return []string{License, Extension, Numbering, Notification} }

// kind is what the stack knows of a service.
type kind struct {
	migrate func(ctx context.Context, databaseURL string, log *slog.Logger) error
	// config makes a pointer to the default settings.
	config func() any
	// shared finds the settings in it that all services have.
	shared func(config any) shared
	// wire fills in what only this service has; nil for nothing.
	wire func(s *Stack, config any)
	// build makes the service.
	build func(ctx context.Context, spec Spec) (Runner, error)
}

// shared are settings that all services have.
type shared struct {
	server   *server.Config
	database *crdb.Config
	auth     *authn.Config
}

// kinds are the services by name.
var kinds = map[string]kind{
	License: {
		migrate: license.Migrate,
		config:  func() any { return ptr(license.DefaultConfig()) },
		shared: func(config any) shared {
			c := config.(*license.Config)
			return shared{&c.Server, &c.Database, &c.Auth}
		},
		wire: func(s *Stack, config any) {
			c := config.(*license.Config)
			for service, client := range map[string]*server.ClientConfig{Extension: &c.Extension, Numbering: &c.Numbering, Notification: &c.Notification} {
				client.Target, client.TokenFile = s.target(service), s.tokenFile(License)
			}
			c.Provisioning.PortalURL = s.info.Gateway
			c.LinkTokens.KeyFile = s.linkKeyFile()
		},
		build: func(ctx context.Context, spec Spec) (Runner, error) {
			return license.New(ctx, *spec.Config.(*license.Config), license.Options{Logger: spec.Log, Clock: spec.Clock, Faults: spec.Faults})
		},
	},
	Extension: {
		migrate: extension.Migrate,
		config:  func() any { return ptr(extension.DefaultConfig()) },
		shared: func(config any) shared {
			c := config.(*extension.Config)
			return shared{&c.Server, &c.Database, &c.Auth}
		},
		wire: func(s *Stack, config any) {
			c := config.(*extension.Config)
			c.Etcd.Endpoints = []string{s.etcd.Endpoint}
		},
		build: func(ctx context.Context, spec Spec) (Runner, error) {
			return extension.New(ctx, *spec.Config.(*extension.Config), extension.Options{Logger: spec.Log, Clock: spec.Clock, Faults: spec.Faults})
		},
	},
	Numbering: {
		migrate: numbering.Migrate,
		config:  func() any { return ptr(numbering.DefaultConfig()) },
		shared: func(config any) shared {
			c := config.(*numbering.Config)
			return shared{&c.Server, &c.Database, &c.Auth}
		},
		build: func(ctx context.Context, spec Spec) (Runner, error) {
			return numbering.New(ctx, *spec.Config.(*numbering.Config), numbering.Options{Logger: spec.Log, Clock: spec.Clock, Faults: spec.Faults})
		},
	},
	Notification: {
		migrate: notification.Migrate,
		config:  func() any { return ptr(notification.DefaultConfig()) },
		shared: func(config any) shared {
			c := config.(*notification.Config)
			return shared{&c.Server, &c.Database, &c.Auth}
		},
		wire: func(s *Stack, config any) {
			c := config.(*notification.Config)
			c.SMTP.Address, c.SMTP.TLS, c.SMTP.From = s.front.smtpAddr, "none", "Switchboard <phones@example.com>"
		},
		build: func(ctx context.Context, spec Spec) (Runner, error) {
			return notification.New(ctx, *spec.Config.(*notification.Config), notification.Options{Logger: spec.Log, Clock: spec.Clock, Faults: spec.Faults})
		},
	},
}

func ptr[T any](v T) *T { return &v }

// localConns bounds a replica's connections to the database: many replicas share one small server.
const localConns = 12

// spec says how to start a replica for the first time.
func (s *Stack) spec(service string, replica int) Spec {
	k := kinds[service]
	config := k.config()
	c := k.shared(config)
	localServer(c.server)
	c.database.URL, c.database.MaxConns = s.urls[service], localConns
	c.auth.Issuer, c.auth.Audience = s.front.issuer.URL(), s.front.issuer.Audience()
	if k.wire != nil {
		k.wire(s, config)
	}
	if s.opts.Configure != nil {
		s.opts.Configure(service, config)
	}
	spec := Spec{Service: service, Replica: replica, Config: config, Clock: s.opts.Clock, Log: s.opts.Log}
	if s.opts.Faults != nil {
		spec.Faults = s.opts.Faults(service, replica)
	}
	return spec
}

// localServer makes a server listen on this machine only and end without waiting for a load balancer to turn away.
func localServer(c *server.Config) {
	c.Addr, c.OpsAddr = "127.0.0.1:0", "127.0.0.1:0"
	c.DrainWait = 0
}

// target is where callers find a service: all of its replicas.
func (s *Stack) target(service string) string {
	addrs := make([]string, len(s.replicas[service]))
	for i, r := range s.replicas[service] {
		addrs[i] = r.process.Addr()
	}
	return staticTarget(addrs)
}

func (s *Stack) gatewayConfig() gateway.Config {
	c := gateway.DefaultConfig()
	c.HTTP.OpsAddr = "127.0.0.1:0"
	c.HTTP.DrainWait = 0
	for service, client := range map[string]*server.ClientConfig{
		License: &c.License, Extension: &c.Extension, Numbering: &c.Numbering, Notification: &c.Notification,
	} {
		client.Target = s.target(service)
	}
	return c
}

// Build makes a service that is ready to run.
func Build(ctx context.Context, spec Spec) (Runner, error) {
	k, ok := kinds[spec.Service]
	if !ok {
		return nil, fmt.Errorf("there is no service %q", spec.Service)
	}
	run, err := k.build(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", spec.Service, err)
	}
	return run, nil
}

// DecodeConfig reads a service's settings as json.Marshal wrote them and answers a pointer to its Config.
func DecodeConfig(service string, raw []byte) (any, error) {
	if !slices.Contains(ServiceNames(), service) {
		return nil, fmt.Errorf("there is no service %q", service)
	}
	config := kinds[service].config()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(config); err != nil {
		return nil, fmt.Errorf("reading the settings of %s: %w", service, err)
	}
	return config, nil
}

// WithAddresses fills in the addresses of a replica that has none yet with those that choose answers.
func WithAddresses(spec Spec, choose func() (string, error)) error {
	c := kinds[spec.Service].shared(spec.Config).server
	for _, addr := range []*string{&c.Addr, &c.OpsAddr} {
		if *addr != "127.0.0.1:0" {
			continue
		}
		chosen, err := choose()
		if err != nil {
			return err
		}
		*addr = chosen
	}
	return nil
}

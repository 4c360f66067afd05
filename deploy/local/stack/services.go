package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/switchboard-phone/switchboard/gateway"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/license"
	"github.com/switchboard-phone/switchboard/services/notification"
	"github.com/switchboard-phone/switchboard/services/numbering"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/localaddr"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
)

// The services.
const (
	License      = "license"
	Extension    = "extension"
	Numbering    = "numbering"
	Notification = "notification"
)

// Gateway is the name of the gateway, which stands in front of the services. It is none of them, but has an identity.
const Gateway = "gateway"

// ServiceNames lists the services.
func ServiceNames() []string { return []string{License, Extension, Numbering, Notification} }

// shared are settings that all services have.
type shared struct {
	server   *server.Config
	database *crdb.Config
	auth     *authn.Config
	tls      *mtls.Config
	// license is where services ask who may do what; nil for license itself.
	license *server.ClientConfig
}

// kind is what the stack knows of a service, or of the gateway, which has only the last three. A config is a pointer to its own
// Config.
type kind struct {
	migrate func(ctx context.Context, databaseURL string, log *slog.Logger) error
	// shared finds the settings in it that all services have.
	shared func(config any) shared
	// wire fills in what only this service has.
	wire func(s *Stack, config any)
	// config makes the default settings.
	config func() any
	// addresses finds where it serves and where its metrics are.
	addresses func(config any) (addr, opsAddr *string)
	// build makes the service.
	build func(ctx context.Context, spec Spec) (Runner, error)
}

// service is a kind by its own type of settings.
type service[T any] struct {
	migrate  func(ctx context.Context, databaseURL string, log *slog.Logger) error
	defaults func() T
	shared   func(c *T) shared
	wire     func(s *Stack, c *T)
	build    func(ctx context.Context, c T, spec Spec) (Runner, error)
}

// kind forgets the type.
func (x service[T]) kind() kind {
	return kind{
		migrate: x.migrate,
		config:  func() any { c := x.defaults(); return &c },
		shared:  func(config any) shared { return x.shared(own[T](config)) },
		wire:    func(s *Stack, config any) { x.wire(s, own[T](config)) },
		addresses: func(config any) (addr, opsAddr *string) {
			c := x.shared(own[T](config)).server
			return &c.Addr, &c.OpsAddr
		},
		build: func(ctx context.Context, spec Spec) (Runner, error) { return x.build(ctx, *own[T](spec.Config), spec) },
	}
}

// own takes a config for what it is. Anything else is a mistake in this package or in who calls Build.
func own[T any](config any) *T {
	c, ok := config.(*T)
	if !ok {
		panic(fmt.Sprintf("stack: settings of type %T where *%T are wanted", config, *new(T)))
	}
	return c
}

// kinds are the services by name.
var kinds = map[string]kind{
	License: service[license.Config]{
		migrate:  license.Migrate,
		defaults: license.DefaultConfig,
		shared:   func(c *license.Config) shared { return shared{&c.Server, &c.Database, &c.Auth, &c.TLS, nil} },
		wire: func(s *Stack, c *license.Config) {
			for name, client := range map[string]*server.ClientConfig{Extension: &c.Extension, Numbering: &c.Numbering, Notification: &c.Notification} {
				client.Target = s.target(name)
			}
			c.Provisioning.PortalURL = s.info.Gateway
			c.LinkTokens.KeyFile = s.linkKeyFile()
		},
		build: func(ctx context.Context, c license.Config, spec Spec) (Runner, error) {
			return license.New(ctx, c, license.Options{Logger: spec.Log, Clock: spec.Clock, Faults: spec.Faults, TracerProvider: spec.TracerProvider})
		},
	}.kind(),
	Extension: service[extension.Config]{
		migrate:  extension.Migrate,
		defaults: extension.DefaultConfig,
		shared:   func(c *extension.Config) shared { return shared{&c.Server, &c.Database, &c.Auth, &c.TLS, &c.License} },
		wire:     func(s *Stack, c *extension.Config) { c.Etcd.Endpoints = s.etcd },
		build: func(ctx context.Context, c extension.Config, spec Spec) (Runner, error) {
			return extension.New(ctx, c, extension.Options{Logger: spec.Log, Clock: spec.Clock, Faults: spec.Faults, TracerProvider: spec.TracerProvider})
		},
	}.kind(),
	Numbering: service[numbering.Config]{
		migrate:  numbering.Migrate,
		defaults: numbering.DefaultConfig,
		shared:   func(c *numbering.Config) shared { return shared{&c.Server, &c.Database, &c.Auth, &c.TLS, &c.License} },
		wire:     func(*Stack, *numbering.Config) {},
		build: func(ctx context.Context, c numbering.Config, spec Spec) (Runner, error) {
			return numbering.New(ctx, c, numbering.Options{Logger: spec.Log, Clock: spec.Clock, Faults: spec.Faults, TracerProvider: spec.TracerProvider})
		},
	}.kind(),
	Notification: service[notification.Config]{
		migrate:  notification.Migrate,
		defaults: notification.DefaultConfig,
		shared: func(c *notification.Config) shared {
			return shared{&c.Server, &c.Database, &c.Auth, &c.TLS, &c.License}
		},
		wire: func(s *Stack, c *notification.Config) {
			c.SMTP.Address, c.SMTP.TLS, c.SMTP.From = s.front.smtpAddr, "none", "Switchboard <phones@example.com>"
		},
		build: func(ctx context.Context, c notification.Config, spec Spec) (Runner, error) {
			return notification.New(ctx, c, notification.Options{Logger: spec.Log, Clock: spec.Clock, Faults: spec.Faults, TracerProvider: spec.TracerProvider})
		},
	}.kind(),
	Gateway: {
		config: func() any { c := gateway.DefaultConfig(); return &c },
		addresses: func(config any) (addr, opsAddr *string) {
			c := own[gateway.Config](config)
			return &c.HTTP.Addr, &c.HTTP.OpsAddr
		},
		build: func(_ context.Context, spec Spec) (Runner, error) {
			return gateway.New(*own[gateway.Config](spec.Config), gateway.Options{
				Logger: spec.Log, TracerProvider: spec.TracerProvider, Clock: spec.Clock, Listener: spec.Listener,
			})
		},
	},
}

// localConns bounds a replica's connections to the database: many replicas share one small server.
const localConns = 12

// spec says how to start a replica for the first time.
func (s *Stack) spec(service string, replica int) Spec {
	k := kinds[service]
	config := k.config()
	c := k.shared(config)
	localServer(c.server)
	if service == License {
		c.server.Addr = s.licenseAddrs[replica]
	}
	if c.license != nil {
		c.license.Target = staticTarget(s.licenseAddrs)
	}
	c.database.URL, c.database.MaxConns = rotated(s.urls[service], replica), localConns
	c.auth.Issuer, c.auth.Audience = s.front.issuer.URL(), s.front.issuer.Audience()
	*c.tls = s.identities[service]
	k.wire(s, config)
	if s.opts.Configure != nil {
		s.opts.Configure(service, config)
	}
	spec := Spec{Service: service, Replica: replica, Config: config, Clock: s.opts.Clock, TracerProvider: s.opts.TracerProvider, Log: s.opts.Log}
	if s.opts.Faults != nil {
		spec.Faults = s.opts.Faults(service, replica)
	}
	return spec
}

// rotated is a database URL in which the n-th of several hosts comes first: the driver takes the first that answers, so replicas
// spread over the nodes.
func rotated(raw string, n int) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw // the service says better what is wrong with it
	}
	hosts := strings.Split(u.Host, ",")
	n %= len(hosts)
	u.Host = strings.Join(slices.Concat(hosts[n:], hosts[:n]), ",")
	return u.String()
}

// anyPort is a free port of this machine.
const anyPort = "127.0.0.1:0"

// localServer makes a server listen on this machine only and end without waiting for a load balancer to turn away.
func localServer(c *server.Config) {
	c.Addr, c.OpsAddr = anyPort, anyPort
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

// gatewaySpecs says how to start the gateways, but for the services behind them. Their ports are taken first, since links in mails
// lead to the first of them.
func (s *Stack) gatewaySpecs(ctx context.Context) ([]Spec, error) {
	specs := make([]Spec, s.replicaCount(Gateway))
	for n := range specs {
		c := gateway.DefaultConfig()
		c.HTTP.Addr, c.HTTP.OpsAddr = anyPort, anyPort
		c.HTTP.DrainWait = 0
		// On loopback, for curl and browsers; the services behind are called over TLS.
		c.HTTP.Plaintext, c.HTTP.HSTSMaxAge = true, 0
		// Nobody is kept from loading their own machine.
		c.HTTP.CallerRate, c.HTTP.AccountRate = 0, 0
		c.Auth.Issuer, c.Auth.Audience = s.front.issuer.URL(), s.front.issuer.Audience()
		c.TLS = s.identities[Gateway]
		if n == 0 && s.opts.GatewayAddr != "" {
			c.HTTP.Addr = s.opts.GatewayAddr
		}
		if s.opts.Configure != nil {
			s.opts.Configure(Gateway, &c)
		}
		specs[n] = Spec{Service: Gateway, Replica: n, Config: &c, TracerProvider: s.opts.TracerProvider, Log: s.opts.Log, Clock: s.opts.Clock}
		if _, here := s.opts.Launcher.(InProcess); !here {
			if err := ChooseAddresses(specs[n]); err != nil {
				return specs, err
			}
			continue
		}
		front, err := listen(ctx, c.HTTP.Addr)
		if err != nil {
			return specs, err
		}
		specs[n].Listener, c.HTTP.Addr = front, front.Addr().String()
	}
	return specs, nil
}

// wireGateway tells the gateway where the services are.
func (s *Stack) wireGateway(c *gateway.Config) {
	for service, client := range map[string]*server.ClientConfig{
		License: &c.License, Extension: &c.Extension, Numbering: &c.Numbering, Notification: &c.Notification,
	} {
		client.Target = s.target(service)
	}
	c.Portal.Dir, c.Portal.Issuer = s.opts.PortalDir, s.front.issuer.URL()
}

// Build makes a service, or the gateway, that is ready to run.
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
	k, ok := kinds[service]
	if !ok {
		return nil, fmt.Errorf("there is no service %q", service)
	}
	config := k.config()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(config); err != nil {
		return nil, fmt.Errorf("reading the settings of %s: %w", service, err)
	}
	return config, nil
}

// ChooseAddresses gives a replica that has no addresses yet free ones, where it can be started again and again: outside the range
// from which the system takes ports for outgoing connections.
func ChooseAddresses(spec Spec) error {
	addr, opsAddr := kinds[spec.Service].addresses(spec.Config)
	for _, a := range []*string{addr, opsAddr} {
		if *a != anyPort {
			continue
		}
		chosen, err := localaddr.Choose()
		if err != nil {
			return err
		}
		*a = chosen
	}
	return nil
}

// Addresses are where a replica serves and where its metrics are, as its settings say.
func Addresses(spec Spec) (addr, opsAddr string) {
	a, ops := kinds[spec.Service].addresses(spec.Config)
	return *a, *ops
}

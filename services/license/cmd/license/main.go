// Command license is the license service.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/switchboard-phone/switchboard/services/license"
	"github.com/switchboard-phone/switchboard/services/platform/config"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

func main() {
	os.Exit(config.Main(config.App[license.Config]{
		Name: "license", Short: "Who has a phone licence, in which state, and what happened to it", Defaults: license.DefaultConfig(),
		Telemetry: func(c license.Config) telemetry.Config { return c.Telemetry },
		Serve: func(ctx context.Context, c license.Config, rt config.Runtime) error {
			s, err := license.New(ctx, c, license.Options{Logger: rt.Logger, Registry: rt.Registry, TracerProvider: rt.TracerProvider})
			if err != nil {
				return err
			}
			return s.Run(ctx)
		},
		Migrate: func(ctx context.Context, c license.Config, log *slog.Logger) error {
			url, err := c.Database.ResolveURL()
			if err != nil {
				return err
			}
			return license.Migrate(ctx, url, log)
		},
	}))
}

// Command numbering runs the numbering service.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/switchboard-phone/switchboard/services/numbering"
	"github.com/switchboard-phone/switchboard/services/platform/config"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

func main() {
	os.Exit(config.Main(config.App[numbering.Config]{
		Name: "numbering", Short: "Keeps calling packages and direct numbers, and who holds them", Defaults: numbering.DefaultConfig(),
		Telemetry: func(c numbering.Config) telemetry.Config { return c.Telemetry },
		Serve: func(ctx context.Context, c numbering.Config, rt config.Runtime) error {
			s, err := numbering.New(ctx, c, numbering.Options{
				Logger: rt.Logger, Registry: rt.Registry, TracerProvider: rt.TracerProvider,
			})
			if err != nil {
				return err
			}
			return s.Run(ctx)
		},
		Migrate: func(ctx context.Context, c numbering.Config, log *slog.Logger) error {
			url, err := c.Database.ResolveURL()
			if err != nil {
				return err
			}
			return numbering.Migrate(ctx, url, log)
		},
	}))
}

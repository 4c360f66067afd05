// Command extension runs the extension service.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/platform/config"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

func main() {
	os.Exit(config.Main(config.App[extension.Config]{
		Name: "extension", Short: "Extension numbers: ranges, and who has which number", Defaults: extension.DefaultConfig(),
		Telemetry: func(c extension.Config) telemetry.Config { return c.Telemetry },
		Serve: func(ctx context.Context, c extension.Config, rt config.Runtime) error {
			s, err := extension.New(ctx, c, extension.Options{Logger: rt.Logger, Registry: rt.Registry, TracerProvider: rt.TracerProvider})
			if err != nil {
				return err
			}
			return s.Run(ctx)
		},
		Migrate: func(ctx context.Context, c extension.Config, log *slog.Logger) error {
			url, err := c.Database.ResolveURL()
			if err != nil {
				return err
			}
			return extension.Migrate(ctx, url, log)
		},
	}))
}

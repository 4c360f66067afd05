// Command notification runs the notification service.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/switchboard-phone/switchboard/services/notification"
	"github.com/switchboard-phone/switchboard/services/platform/config"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

func main() {
	os.Exit(config.Main(config.App[notification.Config]{
		Name: "notification", Short: "Tells people by mail, and shows what they were told", Defaults: notification.DefaultConfig(),
		Telemetry: func(c notification.Config) telemetry.Config { return c.Telemetry },
		Serve: func(ctx context.Context, c notification.Config, rt config.Runtime) error {
			s, err := notification.New(ctx, c, notification.Options{
				Logger: rt.Logger, Registry: rt.Registry, TracerProvider: rt.TracerProvider,
			})
			if err != nil {
				return err
			}
			return s.Run(ctx)
		},
		Migrate: func(ctx context.Context, c notification.Config, log *slog.Logger) error {
			url, err := c.Database.ResolveURL()
			if err != nil {
				return err
			}
			return notification.Migrate(ctx, url, log)
		},
	}))
}

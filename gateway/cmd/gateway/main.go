// Command gateway serves Switchboard's API as JSON over HTTP.
package main

import (
	"context"
	"os"

	"github.com/switchboard-phone/switchboard/gateway"
	"github.com/switchboard-phone/switchboard/services/platform/config"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

func main() {
	os.Exit(config.Main(config.App[gateway.Config]{
		Name:      "gateway",
		Short:     "JSON over HTTP for Switchboard",
		Defaults:  gateway.DefaultConfig(),
		Telemetry: func(cfg gateway.Config) telemetry.Config { return cfg.Telemetry },
		Serve: func(ctx context.Context, cfg gateway.Config, rt config.Runtime) error {
			g, err := gateway.New(cfg, gateway.Options{Logger: rt.Logger, Registry: rt.Registry, TracerProvider: rt.TracerProvider})
			if err != nil {
				return err
			}
			return g.Run(ctx)
		},
	}))
}

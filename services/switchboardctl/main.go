// Command switchboardctl administers phone users from a shell. It speaks gRPC to the license service through the generated
// clients, as any other caller does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/switchboard-phone/switchboard/services/switchboardctl/internal/ctl"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return ctl.Run(ctx, os.Args[1:], ctl.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

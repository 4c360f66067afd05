package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// doctor compares the books of all services, and mends them.
func (a *app) doctor() *cobra.Command {
	var (
		repair bool
		grace  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that the books of all services agree, and mend them",
		Long: `Checks that licence seats, extensions, packages, direct numbers and mails of all services agree, while everything goes on: of the account
that --account names, or of all. It says what is wrong, about which resource, and what would mend it; with --repair it does. It needs an operator's
token. See deploy/operations.md for when to use it: after a restore, and after changes by hand.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(table, jsonLines); err != nil {
				return err
			}
			conn, err := a.connect()
			if err != nil {
				return err
			}
			c := checkup{app: a, client: licensev1.NewDoctorServiceClient(conn), repair: repair, grace: durationpb.New(grace)}
			return c.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "mend what is found; without it nothing is changed")
	cmd.Flags().DurationVar(&grace, "grace", 2*time.Second, "how long something must look wrong to count, up to a minute")
	return cmd
}

// checkup is one run of the doctor.
type checkup struct {
	*app
	client                  licensev1.DoctorServiceClient
	repair                  bool
	grace                   *durationpb.Duration
	accounts, found, mended int
}

func (c *checkup) run(ctx context.Context) error {
	var err error
	if c.account != "" {
		err = c.named(ctx)
	} else {
		err = c.all(ctx)
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(c.Err, "%d accounts checked: %d findings, %d mended\n", c.accounts, c.found, c.mended)
	if c.found > c.mended {
		return errFindings
	}
	return nil
}

func (c *checkup) named(ctx context.Context) error {
	parent, err := c.parent()
	if err != nil {
		return err
	}
	return c.check(ctx, parent)
}

func (c *checkup) all(ctx context.Context) error {
	req := &licensev1.ListCheckedAccountsRequest{PageSize: 1000}
	for {
		call, cancel, err := c.call(ctx)
		if err != nil {
			return err
		}
		page, err := c.client.ListCheckedAccounts(call, req)
		cancel()
		if err != nil {
			return err
		}
		for _, account := range page.GetAccounts() {
			if err := c.check(ctx, account); err != nil {
				return err
			}
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return nil
		}
	}
}

// check follows the check of an account for as long as it takes.
func (c *checkup) check(ctx context.Context, account string) error {
	ctx, err := c.authorized(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.client.CheckAccount(ctx, &licensev1.CheckAccountRequest{Parent: account, Repair: c.repair, Grace: c.grace})
	if err != nil {
		return err
	}
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			c.accounts++
			return nil
		}
		if err != nil {
			return err
		}
		c.found++
		if f.GetRepaired() {
			c.mended++
		}
		if err := c.show(f); err != nil {
			return err
		}
	}
}

// show prints a finding: a line of JSON, or lines for people.
func (c *checkup) show(f *licensev1.Finding) error {
	if c.output == jsonLines {
		return c.json(f)
	}
	remedy := "to do: " + f.GetRemedy()
	switch {
	case f.GetRepaired():
		remedy = "done: " + f.GetRemedy()
	case f.GetFailure() != "":
		remedy = "failed: " + f.GetRemedy() + ": " + f.GetFailure()
	}
	_, err := fmt.Fprintf(c.Out, "%s %s\n  %s\n  %s\n", f.GetKind(), f.GetResource(), f.GetDetail(), remedy)
	return err
}

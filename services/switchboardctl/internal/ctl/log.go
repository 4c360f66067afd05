package ctl

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// logPage is how many log entries are read at a time.
const logPage = 1000

func (a *app) log() *cobra.Command {
	filter, limit := "", uint(50)
	cmd := &cobra.Command{
		Use: "log", Short: "Read the account log, newest first; with --output csv, all of it as a file", Args: arguments(cobra.NoArgs),
		Example: `  switchboardctl log --filter 'kind = REMOVED AND time > "2030-01-01T00:00:00Z"'
  switchboardctl log --output csv > log.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.output == csvFile {
				if cmd.Flags().Changed("limit") {
					return wrongUsage(cmd, errors.New("--limit does not go with --output csv: choose by --filter"))
				}
				return a.exportLog(cmd.Context(), filter)
			}
			return a.readLog(cmd.Context(), filter, int(limit))
		},
	}
	cmd.Flags().StringVar(&filter, "filter", "", "AIP-160 filter over phoneUser, kind, time, actor")
	cmd.Flags().UintVar(&limit, "limit", limit, "at most so many entries")
	return cmd
}

func (a *app) exportLog(ctx context.Context, filter string) error {
	parent, err := a.parent(csvFile)
	if err != nil {
		return err
	}
	conn, err := a.connect()
	if err != nil {
		return err
	}
	if ctx, err = a.authorized(ctx); err != nil {
		return err
	}
	file, err := licensev1.NewAccountLogServiceClient(conn).ExportLogEntries(ctx, &licensev1.ExportLogEntriesRequest{Parent: parent, Filter: filter})
	if err != nil {
		return err
	}
	return a.save(file)
}

func (a *app) readLog(ctx context.Context, filter string, limit int) error {
	parent, err := a.parent()
	if err != nil {
		return err
	}
	conn, err := a.connect()
	if err != nil {
		return err
	}
	req := &licensev1.ListLogEntriesRequest{Parent: parent, Filter: filter}
	var rows [][]string
	for left := limit; left > 0; {
		req.PageSize = int32(min(left, logPage))
		page, err := a.logPage(ctx, licensev1.NewAccountLogServiceClient(conn), req)
		if err != nil {
			return err
		}
		for _, e := range page.GetEntries() {
			if a.output != jsonLines {
				rows = append(rows, []string{at(e.GetTime()), e.GetKind().String(), e.GetDisplayName(), e.GetActor(), e.GetPhoneUser()})
			} else if err := a.json(e); err != nil {
				return err
			}
		}
		left -= len(page.GetEntries())
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if a.output == jsonLines {
		return nil
	}
	return a.printTable("TIME KIND PERSON ACTOR PHONE_USER", rows)
}

func (a *app) logPage(ctx context.Context, client licensev1.AccountLogServiceClient, req *licensev1.ListLogEntriesRequest) (*licensev1.ListLogEntriesResponse, error) {
	ctx, cancel, err := a.call(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return client.ListLogEntries(ctx, req)
}

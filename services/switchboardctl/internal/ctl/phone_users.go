package ctl

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// emailsPerLookup bounds how many people are looked up in one call.
const emailsPerLookup = 50

// batch are the flags of commands over several phone users.
type batch struct {
	requestID string
	dryRun    bool
}

func (b *batch) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.requestID, "request-id", "", "makes the command repeatable: the same id replays the first answer")
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "only say what would happen")
}

func (a *app) assign() *cobra.Command {
	var b batch
	req := &licensev1.BatchAssignRequest{}
	cmd := &cobra.Command{
		Use:   "assign PERSON…",
		Short: "Assign phone licences to people (e-mail addresses) and rooms (resource names)",
		Example: `  switchboardctl assign zoe@example.com --package accounts/…/packages/…
  switchboardctl assign --dry-run ada@example.com zoe@example.com`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			parent, err := a.parent()
			if err != nil {
				return err
			}
			conn, err := a.connect()
			if err != nil {
				return err
			}
			ctx, cancel, err := a.call(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			directory := licensev1.NewDirectoryServiceClient(conn)
			if req.Assignees, err = people(ctx, directory, parent, args, (*licensev1.User).GetName); err != nil {
				return err
			}
			req.Parent, req.RequestId, req.ValidateOnly = parent, b.requestID, b.dryRun
			answer, err := licensev1.NewPhoneUserServiceClient(conn).BatchAssign(ctx, req)
			if err != nil {
				return err
			}
			return a.phoneUsers(answer.GetPhoneUsers())
		},
	}
	b.flags(cmd)
	cmd.Flags().StringVar(&req.Site, "site", "", "the site; needed when the account has several")
	cmd.Flags().StringVar(&req.Package, "package", "", "a calling package to assign")
	cmd.Flags().StringVar(&req.Template, "template", "", "a template whose settings they start with")
	return cmd
}

// people turns e-mail addresses into the names that name gives of directory users. What is a resource name stays as it is, and so
// does an address for which there is no name: the service refuses it by its place in the list.
func people(ctx context.Context, directory licensev1.DirectoryServiceClient, parent string, args []string, name func(*licensev1.User) string) ([]string, error) {
	names := map[string]string{}
	for start := 0; start < len(args); start += emailsPerLookup {
		var wanted []string
		for _, arg := range args[start:min(start+emailsPerLookup, len(args))] {
			if strings.Contains(arg, "@") {
				wanted = append(wanted, fmt.Sprintf("email = %q", arg))
			}
		}
		if len(wanted) == 0 {
			continue
		}
		page, err := directory.ListUsers(ctx, &licensev1.ListUsersRequest{
			Parent: parent, Filter: strings.Join(wanted, " OR "), PageSize: emailsPerLookup,
		})
		if err != nil {
			return nil, err
		}
		for _, u := range page.GetUsers() {
			names[strings.ToLower(u.GetEmail())] = name(u)
		}
	}
	out := make([]string, len(args))
	for i, arg := range args {
		if out[i] = names[strings.ToLower(arg)]; out[i] == "" {
			out[i] = arg
		}
	}
	return out, nil
}

func (a *app) list() *cobra.Command {
	req := &licensev1.ListPhoneUsersRequest{PageSize: 1000}
	limit := uint(0)
	cmd := &cobra.Command{
		Use:   "list [WORD…]",
		Short: "List phone users, searched by the beginnings of name, e-mail address, extension or number",
		Example: `  switchboardctl list zo
  switchboardctl list --filter 'packageState = INACTIVE'`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if req.Parent, err = a.parent(); err != nil {
				return err
			}
			conn, err := a.connect()
			if err != nil {
				return err
			}
			req.Query = strings.Join(args, " ")
			var found []*licensev1.PhoneUser
			for {
				ctx, cancel, err := a.call(cmd.Context())
				if err != nil {
					return err
				}
				page, err := licensev1.NewPhoneUserServiceClient(conn).ListPhoneUsers(ctx, req)
				cancel()
				if err != nil {
					return err
				}
				found = append(found, page.GetPhoneUsers()...)
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" || limit > 0 && len(found) >= int(limit) {
					break
				}
			}
			if limit > 0 {
				found = found[:min(int(limit), len(found))]
			}
			return a.phoneUsers(found)
		},
	}
	cmd.Flags().StringVar(&req.Filter, "filter", "", "AIP-160 filter over site, package, packageState, state, kind, setupComplete")
	cmd.Flags().StringVar(&req.OrderBy, "order-by", "", "displayName, extensionNumber or createTime, with \" desc\" for descending")
	cmd.Flags().BoolVar(&req.ShowDeleted, "show-deleted", false, "list the trash too")
	cmd.Flags().UintVar(&limit, "limit", 0, "at most so many; 0 for all")
	return cmd
}

// overPhoneUsers makes a command that does something to the phone users named.
func (a *app) overPhoneUsers(use, example, short string, do func(ctx context.Context, c licensev1.PhoneUserServiceClient, parent string, names []string, b batch) (proto.Message, []*licensev1.PhoneUser, error)) *cobra.Command {
	var b batch
	cmd := &cobra.Command{
		Use: use + " PERSON…", Example: "  switchboardctl " + use + " --dry-run " + example, Short: short, Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			parent, err := a.parent()
			if err != nil {
				return err
			}
			conn, err := a.connect()
			if err != nil {
				return err
			}
			ctx, cancel, err := a.call(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			names, err := people(ctx, licensev1.NewDirectoryServiceClient(conn), parent, args, (*licensev1.User).GetPhoneUser)
			if err != nil {
				return err
			}
			answer, users, err := do(ctx, licensev1.NewPhoneUserServiceClient(conn), parent, names, b)
			switch {
			case err != nil:
				return err
			case users != nil && a.output == table:
				return a.phoneUsers(users)
			case a.output == jsonLines:
				return a.json(answer)
			}
			return nil
		},
	}
	b.flags(cmd)
	return cmd
}

func (a *app) trash() *cobra.Command {
	return a.overPhoneUsers("trash", "zoe@example.com", "Move phone users to the trash",
		func(ctx context.Context, c licensev1.PhoneUserServiceClient, parent string, names []string, b batch) (proto.Message, []*licensev1.PhoneUser, error) {
			r, err := c.BatchTrash(ctx, &licensev1.BatchTrashRequest{Parent: parent, PhoneUsers: names, RequestId: b.requestID, ValidateOnly: b.dryRun})
			return r, r.GetPhoneUsers(), err
		})
}

func (a *app) restore() *cobra.Command {
	return a.overPhoneUsers("restore", "accounts/…/phoneUsers/…", "Restore phone users (as list --show-deleted names them) from the trash, and say what could not be given back",
		func(ctx context.Context, c licensev1.PhoneUserServiceClient, parent string, names []string, b batch) (proto.Message, []*licensev1.PhoneUser, error) {
			r, err := c.BatchRestore(ctx, &licensev1.BatchRestoreRequest{Parent: parent, PhoneUsers: names, RequestId: b.requestID, ValidateOnly: b.dryRun})
			for _, gone := range r.GetRestorations() {
				if gone.GetMissingPackage() != "" || len(gone.GetMissingPhoneNumbers()) > 0 {
					_, _ = fmt.Fprintf(a.Err, "%s: gone: package %s, numbers %s\n", gone.GetPhoneUser(), orDash(gone.GetMissingPackage()),
						orDash(strings.Join(gone.GetMissingPhoneNumbers(), " ")))
				}
			}
			return r, r.GetPhoneUsers(), err
		})
}

func (a *app) remove() *cobra.Command {
	return a.overPhoneUsers("remove", "zoe@example.com", "Remove licences, and say what is freed",
		func(ctx context.Context, c licensev1.PhoneUserServiceClient, parent string, names []string, b batch) (proto.Message, []*licensev1.PhoneUser, error) {
			r, err := c.BatchRemove(ctx, &licensev1.BatchRemoveRequest{Parent: parent, PhoneUsers: names, RequestId: b.requestID, ValidateOnly: b.dryRun})
			if err != nil || a.output != table {
				return r, nil, err
			}
			var rows [][]string
			for _, f := range r.GetReleases() {
				rows = append(rows, []string{
					f.GetDisplayName(), orDash(f.GetExtensionNumber()), orDash(f.GetPackage()),
					orDash(strings.Join(f.GetPhoneNumbers(), " ")), fmt.Sprint(f.GetRecordCount()),
				})
			}
			return r, nil, a.printTable("PERSON EXTENSION PACKAGE NUMBERS RECORDS", rows)
		})
}

package localdb

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Dump writes all that is in a database to w, as it was at one instant, in the form that Restore reads. Others go on meanwhile. It uses the
// tools of the database itself: `cockroach dump` up to CockroachDB 20.2 (newer ones have BACKUP, and no dump), pg_dump.
func (i *Instance) Dump(ctx context.Context, database string, w io.Writer) error {
	if !identifier.MatchString(database) {
		return fmt.Errorf("%q is not a name for a database", database)
	}
	if i.Engine == crdb.CockroachDB {
		return i.cockroach(ctx, nil, w, "dump", "--insecure", "--host="+i.firstHost(), database)
	}
	return i.postgres(ctx, nil, w, "pg_dump", "--format=custom", "--no-owner", "--dbname="+i.URL(database))
}

// Restore reads what Dump has written into a database that CreateDatabase has made, that is empty, and that belongs to user.
func (i *Instance) Restore(ctx context.Context, database, user string, r io.Reader) error {
	for _, name := range []string{database, user} {
		if !identifier.MatchString(name) {
			return fmt.Errorf("%q is not a name for a database or user", name)
		}
	}
	if i.Engine == crdb.CockroachDB {
		return i.cockroach(ctx, r, io.Discard, "sql", "--insecure", "--host="+i.firstHost(), "--database="+database, "--set=errexit=true")
	}
	args := []string{"--no-owner", "--exit-on-error", "--single-transaction", "--dbname=" + i.URL(database)}
	if !i.given {
		args = append(args, "--role="+user)
	}
	return i.postgres(ctx, r, io.Discard, "pg_restore", args...)
}

func (i *Instance) firstHost() string {
	host, _, _ := strings.Cut(i.base.Host, ",")
	return host
}

func (i *Instance) cockroach(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	binary, err := findCockroach(ctx, &Options{SkipDownload: true})
	if err != nil {
		return err
	}
	return runTool(exec.CommandContext(ctx, binary, args...), in, out)
}

func (i *Instance) postgres(ctx context.Context, in io.Reader, out io.Writer, tool string, args ...string) error {
	bins, err := findPostgres(ctx, &Options{})
	if err != nil {
		return err
	}
	return runTool(exec.CommandContext(ctx, bins.path(tool), args...), in, out)
}

func runTool(cmd *exec.Cmd, in io.Reader, out io.Writer) error {
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w; it said:\n%s", cmd.Path, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

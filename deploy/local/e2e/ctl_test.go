package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// ctlBinary builds switchboardctl once.
var ctlBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "switchboardctl-")
	if err != nil {
		return "", err
	}
	testkit.AtEnd(func() error { return os.RemoveAll(dir) })
	binary := filepath.Join(dir, "switchboardctl")
	text, err := exec.Command("go", "build", "-o", binary, "github.com/switchboard-phone/switchboard/services/switchboardctl").CombinedOutput()
	if err != nil {
		return "", errors.Join(err, errors.New(string(text)))
	}
	return binary, nil
})

// shell runs switchboardctl as an administrator of a tenant does.
type shell struct {
	*tenant
	binary, token string
	env           []string
}

func newShell(tn *tenant) *shell {
	tn.Helper()
	binary, err := ctlBinary()
	require.NoError(tn, err)
	sh := &shell{tenant: tn, binary: binary, token: filepath.Join(tn.TempDir(), "token")}
	token, err := tn.stack.Issuer().Token(issuer.Claims{Subject: "ada", Account: tn.account, Role: "ADMIN"})
	require.NoError(tn, err)
	require.NoError(tn, os.WriteFile(sh.token, []byte(token+"\n"), 0o600))
	sh.env = []string{
		"SWITCHBOARDCTL_SERVER=" + tn.stack.Info().GRPC[stack.License], "SWITCHBOARDCTL_CA_FILE=" + tn.stack.Info().CAFile,
		"SWITCHBOARDCTL_ACCOUNT=" + tn.account, "SWITCHBOARDCTL_TOKEN_FILE=" + sh.token,
	}
	return sh
}

// ran is what came of a command.
type ran struct {
	code     int
	out, err string
}

// run runs a command line with text at its standard input.
func (sh *shell) run(input string, args ...string) ran {
	sh.Helper()
	cmd := exec.CommandContext(sh.Context(), sh.binary, args...)
	cmd.Env, cmd.Stdin = append(os.Environ(), sh.env...), strings.NewReader(input)
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(sh, err, &exit)
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), errText.String()}
}

// does runs a command that has to succeed and answers its output.
func (sh *shell) does(args ...string) string {
	sh.Helper()
	got := sh.run("", args...)
	require.Zero(sh, got.code, "%v: %s", args, got.err)
	return got.out
}

// fails runs a command that has to end with a code and say why.
func (sh *shell) fails(code int, says string, args ...string) {
	sh.Helper()
	got := sh.run("", args...)
	require.Equal(sh, code, got.code, "%v: %s%s", args, got.out, got.err)
	require.Contains(sh, got.err, says, "%v", args)
	require.True(sh, strings.HasPrefix(got.err, "switchboardctl: "), got.err)
	require.NotContains(sh, got.err, "rpc error")
}

// lines reads lines of JSON.
func lines[T any](sh *shell, text string) (out []T) {
	sh.Helper()
	for line := range strings.Lines(text) {
		var v T
		require.NoError(sh, json.Unmarshal([]byte(line), &v), line)
		out = append(out, v)
	}
	return out
}

// TestCtl_ALicenceFromAssignToRemove goes through a licence's life from a shell.
func TestCtl_ALicenceFromAssignToRemove(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		sh := newShell(tn)
		users := tn.users(2)
		room := tn.room("Boardroom")

		require.Contains(t, sh.does("assign", users[0].Email, room, "--dry-run", "--site", tn.main), "Boardroom")
		require.Empty(t, tn.phoneUsers(), "a dry run changes nothing")
		for range 2 {
			out := sh.does("assign", strings.ToUpper(users[0].Email), room, "--request-id", "once")
			require.Contains(t, out, "PERSON")
			require.Contains(t, out, "1000")
		}
		found := lines[gatewayclient.PhoneUser](sh, sh.does("list", "-o", "json"))
		require.Len(t, found, 2)
		require.Len(t, lines[gatewayclient.PhoneUser](sh, sh.does("list", "board", "-o", "json")), 1)
		require.Len(t, lines[gatewayclient.PhoneUser](sh, sh.does("list", "-o", "json", "--limit", "1", "--order-by", "createTime desc")), 1)
		require.Contains(t, sh.does("list", "--filter", "kind = ROOM"), "Boardroom")
		require.NotContains(t, sh.does("list", "--filter", "kind = ROOM"), users[0].Email)

		require.NoError(t, tn.admin.Patch(t.Context(), tn.path, map[string]any{"policy": map[string]any{"softDelete": true}}, nil))
		sh.fails(2, "TRASH_REQUIRED", "remove", users[0].Email)
		require.Contains(t, sh.does("trash", users[0].Email), "TRASHED")
		require.NotContains(t, sh.does("list"), users[0].Email)
		trashed := lines[gatewayclient.PhoneUser](sh, sh.does("list", "--show-deleted", "--filter", "state = TRASHED", "-o", "json"))
		require.Len(t, trashed, 1)
		require.Contains(t, sh.does("restore", trashed[0].Name), "ACTIVE")
		sh.does("trash", trashed[0].Name)
		require.Contains(t, sh.does("remove", trashed[0].Name, "--dry-run"), "EXTENSION")
		require.Contains(t, sh.does("remove", trashed[0].Name), trashed[0].ExtensionNumber)

		log := sh.does("log", "--filter", `phoneUser = "`+trashed[0].Name+`"`)
		for _, kind := range []string{"ASSIGNED", "TRASHED", "RESTORED", "REMOVED", "ada"} {
			require.Contains(t, log, kind)
		}
		require.Len(t, lines[gatewayclient.LogEntry](sh, sh.does("log", "-o", "json", "--limit", "2")), 2)
		require.Equal(t, len(tn.logFile("")), strings.Count(sh.does("log", "--output", "csv"), "\n")-1)
	})
}

// TestCtl_Files imports, follows, exports and corrects files.
func TestCtl_Files(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		sh := newShell(tn)
		users := tn.users(2)
		file := "email,extension\n" + users[0].Email + ",\n" + users[1].Email + ",7\nnobody@" + tn.domain + ",\n"
		path := filepath.Join(t.TempDir(), "people.csv")
		require.NoError(t, os.WriteFile(path, []byte(file), 0o600))

		got := sh.run("", "import", path, "--dry-run")
		require.Equal(t, 6, got.code, got.err)
		require.Contains(t, got.out, "3 rows: 1 would be done, 0 unchanged, 2 refused")
		require.Empty(t, tn.phoneUsers())

		got = sh.run(file, "import", "-", "--request-id", "monday")
		require.Equal(t, 6, got.code, got.err)
		require.Contains(t, got.out, "3 rows: 1 done, 0 unchanged, 2 refused")
		require.Contains(t, got.out, "EXTENSION_INVALID")
		require.Contains(t, got.err, "3 of 3 rows, 2 refused")
		_, rest, ok := strings.Cut(got.err, "switchboardctl rows ")
		require.True(t, ok, "it says how to get all of them: %s", got.err)
		operation := strings.Fields(rest)[0]
		bad := sh.does("rows", operation, "--outcome", "FAILED")
		require.Equal(t, 3, strings.Count(bad, "\n"))
		require.Contains(t, bad, "nobody@"+tn.domain)
		require.Contains(t, sh.does("rows", strings.TrimPrefix(operation, "operations/")), "ASSIGNED")

		watched := sh.run("", "watch", operation, "-o", "json")
		require.Equal(t, 6, watched.code, "the outcome is that of the import")
		require.True(t, lines[operationJSON](sh, watched.out)[0].Done)
		require.Equal(t, 0, sh.run("", "cancel", operation).code, "one that is over stays as it is")

		exported := sh.does("export")
		require.Contains(t, exported, users[0].Email)
		same := sh.run(exported, "import", "-")
		require.Zero(t, same.code, same.err)
		require.Contains(t, same.out, "1 rows: 0 done, 1 unchanged, 0 refused")
		require.Equal(t, 6, sh.run(exported, "import", "-", "--assign-only").code)
		detached := sh.run(exported, "import", "-", "--detach")
		require.Zero(t, detached.code, detached.err)
		require.Contains(t, detached.out, "operations/")
	})
}

type operationJSON struct {
	Name string
	Done bool
}

// TestCtl_FailuresSayWhatToDo goes through the exit codes that scripts go by.
func TestCtl_FailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		sh := newShell(tn)
		person := tn.users(1)[0].Email

		// 1: the command line.
		sh.fails(1, `there is no command "lst", did you mean list or log?`, "lst", person)
		sh.fails(1, "switchboardctl assign --help", "assign")
		sh.fails(1, "unknown flag: --colour", "list", "--colour", "red")
		sh.fails(1, `--output is "xml", and takes table or json`, "list", "-o", "xml")
		sh.fails(1, `--output is "csv"`, "trash", person, "-o", "csv")
		sh.fails(1, "--limit", "log", "-o", "csv", "--limit", "5")
		sh.fails(1, "invalid argument", "list", "--limit", "-1")
		sh.fails(1, "which account?", "list", "--account", "")
		sh.fails(1, "no such file", "import", filepath.Join(t.TempDir(), "missing.csv"))
		sh.fails(1, "--outcome", "rows", "operations/x", "--outcome", "GOOD")
		sh.fails(1, "host:port", "list", "--server", "nowhere")
		sh.fails(1, "--plaintext", "list", "--ca-file", "")
		sh.fails(1, "--ca-file", "list", "--ca-file", filepath.Join(t.TempDir(), "missing"))
		sh.fails(1, "token", "list", "--token-file", filepath.Join(t.TempDir(), "missing"))
		// 2: refused.
		sh.fails(2, "FILTER_INVALID", "list", "--filter", "colour = red")
		tn.assign(tn.userNames(1)...)
		sh.fails(2, "ALREADY_LICENSED", "assign", tn.phoneUsers()[0].Email)
		got := sh.run("mail\nx\n", "import", "-")
		require.Equal(t, 2, got.code)
		require.Contains(t, got.err, "did you mean email?")
		// 3: not there.
		sh.fails(3, "assignees[1]", "assign", person, "nobody@"+tn.domain)
		sh.fails(3, "NOT_FOUND", "watch", "operations/0193c2a4-5b6c-7d8e-9fa0-b1c2d3e4f506")
		sh.fails(3, "NOT_FOUND", "trash", "nobody@"+tn.domain)
		// 4: not allowed.
		sh.fails(4, "PERMISSION_DENIED", "list", "--account", "0193c2a4-5b6c-7d8e-9fa0-b1c2d3e4f506")
		anonymous := *sh
		anonymous.env = sh.env[:3]
		anonymous.fails(4, "SWITCHBOARDCTL_TOKEN", "list")
		// 5: not now.
		sh.fails(5, "cannot be reached at 127.0.0.1:1", "list", "--server", "127.0.0.1:1", "--timeout", "2s")
		// 7: a fault, here a disk that is full.
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("there is no /dev/full here")
		}
		cmd := exec.CommandContext(t.Context(), sh.binary, "export")
		cmd.Env, cmd.Stdout = append(os.Environ(), sh.env...), full
		require.Error(t, cmd.Run())
		require.Equal(t, 7, cmd.ProcessState.ExitCode())
		require.NoError(t, full.Close())
	})
}

// TestCtl_HelpAndCompletion needs no service.
func TestCtl_HelpAndCompletion(t *testing.T) {
	t.Parallel()
	binary, err := ctlBinary()
	require.NoError(t, err)
	sh := &shell{tenant: &tenant{T: t}, binary: binary}
	help := sh.does("--help")
	require.Equal(t, help, sh.does())
	require.Contains(t, help, "Exit codes:")
	for _, command := range []string{"assign", "list", "trash", "restore", "remove", "log", "import", "export", "rows", "watch", "cancel"} {
		require.Contains(t, help, "\n  "+command+" ")
		if command != "list" {
			require.Contains(t, sh.does(command, "--help"), "switchboardctl "+command, "it has an example")
		}
	}
	for _, kind := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, sh.does("completion", kind), "switchboardctl")
	}
	require.Contains(t, sh.does("__complete", "ass"), "assign")
	require.Contains(t, sh.does("__complete", "list", "--output", ""), "json")
	require.Contains(t, sh.does("__complete", "rows", "x", "--outcome", ""), "FAILED")
}

// TestCtl_FollowsAnImportOverACrash kills license while a file is imported.
func TestCtl_FollowsAnImportOverACrash(t *testing.T) {
	t.Parallel()
	eachKillable(t, func(v *victims) {
		const people = 300
		tn := newTenant(v.T, v.stack, people)
		sh := newShell(tn)
		v.stack.ExpectEnd(stack.License, 0)
		require.NoError(v, v.launcher.Arrange(stack.License, 0, serviceproc.Death{Point: "license.FinishSagas", After: true}))
		came := make(chan ran, 1)
		csv := sheet(tn.users(people), func(int) string { return ",,,," })
		go func() { came <- sh.run(csv, "import", "-") }()
		v.awaitEnd(stack.License)
		require.NoError(v, v.restart(stack.License))
		select {
		case got := <-came:
			require.Zero(v, got.code, got.err)
			require.Contains(v, got.out, "300 rows: 300 done")
		case <-time.After(2 * patience):
			require.Fail(v, "the import is not over")
		}
	})
}

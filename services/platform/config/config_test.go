package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/config"
)

type database struct {
	URL      string        `koanf:"url" secret:"true"`
	MaxConns int32         `koanf:"max_conns"`
	Timeout  time.Duration `koanf:"timeout"`
}

type settings struct {
	Name     string   `koanf:"name"`
	Verbose  bool     `koanf:"verbose"`
	Hosts    []string `koanf:"hosts"`
	Database database `koanf:"database"`
}

var defaults = settings{Name: "x", Hosts: []string{"a", "b", "c"}, Database: database{MaxConns: 8, Timeout: time.Minute, URL: "postgresql://default"}}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestLaterSourcesWin(t *testing.T) {
	t.Parallel()
	none := []string{}
	got, err := config.Load(defaults, config.Sources{Environ: none})
	require.NoError(t, err)
	require.Equal(t, defaults, got)

	src := config.Sources{Environ: none, File: write(t, "name: file\nhosts: [z]\ndatabase: {max_conns: 20, timeout: 5s}\n")}
	got, err = config.Load(defaults, src)
	require.NoError(t, err)
	want := settings{Name: "file", Hosts: []string{"z"}, Database: database{MaxConns: 20, Timeout: 5 * time.Second, URL: "postgresql://default"}}
	require.Equal(t, want, got, "what the file does not name keeps its default")

	src.Environ = []string{
		"SWITCHBOARD_DATABASE__MAX_CONNS=30", "SWITCHBOARD_NAME=env", "SWITCHBOARD_HOSTS=p,q", "SWITCHBOARD_VERBOSE=true",
		"SWITCHBOARD_TEST_ENGINES=both", "SWITCHBOARD_EXTENSION_SERVICE_HOST=10.0.0.1", "OTHER__THING=1",
	}
	got, err = config.Load(defaults, src)
	require.NoError(t, err)
	want = settings{Name: "env", Verbose: true, Hosts: []string{"p", "q"}, Database: database{MaxConns: 30, Timeout: 5 * time.Second, URL: "postgresql://default"}}
	require.Equal(t, want, got)

	src.Set = []string{"database.max_conns=40", "name=a=b"}
	got, err = config.Load(defaults, src)
	require.NoError(t, err)
	require.Equal(t, int32(40), got.Database.MaxConns)
	require.Equal(t, "a=b", got.Name)
	require.Equal(t, []string{"a", "b", "c"}, defaults.Hosts, "the defaults are not touched")
}

func TestMistakesRefuseToStart(t *testing.T) {
	t.Parallel()
	none := []string{}
	for name, c := range map[string]struct {
		src  config.Sources
		want string
	}{
		"unknown key in the file":   {config.Sources{Environ: none, File: write(t, "database: {max_con: 1}\n")}, "max_con"},
		"unknown key at the top":    {config.Sources{Environ: none, File: write(t, "databse: {}\n")}, "databse"},
		"unknown variable":          {config.Sources{Environ: []string{"SWITCHBOARD_DATABASE__MAX_CON=1"}}, "max_con"},
		"unknown flag":              {config.Sources{Environ: none, Set: []string{"database.max_con=1"}}, "max_con"},
		"flag without value":        {config.Sources{Environ: none, Set: []string{"name"}}, "name"},
		"not a number":              {config.Sources{Environ: none, Set: []string{"database.max_conns=many"}}, "max_conns"},
		"number that does not fit":  {config.Sources{Environ: none, Set: []string{"database.max_conns=99999999999"}}, "max_conns"},
		"not a duration":            {config.Sources{Environ: none, Set: []string{"database.timeout=soon"}}, "timeout"},
		"file that is not there":    {config.Sources{Environ: none, File: "/nowhere/config.yaml"}, "/nowhere"},
		"file that is not YAML":     {config.Sources{Environ: none, File: write(t, "a: [")}, "configuration file"},
		"text in place of settings": {config.Sources{Environ: none, Set: []string{"database=x"}}, "database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(defaults, c.src)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestRedactedHidesSecrets(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string]any{
		"name": "x", "verbose": false, "hosts": []string{"a", "b", "c"},
		"database": map[string]any{"url": "(redacted)", "max_conns": int32(8), "timeout": "1m0s"},
	}, config.Redacted(defaults))
	require.Equal(t, map[string]any{"url": "", "max_conns": int32(0), "timeout": "0s"}, config.Redacted(&database{}), "a secret that is not set shows as such")
	require.Nil(t, config.Redacted(nil))
}

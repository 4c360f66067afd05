package localetcd_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
	"github.com/switchboard-phone/switchboard/services/platform/localetcd"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func TestDataStaysFromRunToRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for run := range 2 {
		inst, err := localetcd.Start(t.Context(), localetcd.Options{DataDir: dir})
		require.NoError(t, err)
		client, err := etcdx.Open(etcdx.Config{Endpoints: []string{inst.Endpoint}})
		require.NoError(t, err)
		got, err := client.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Len(t, got.Kvs, run)
		_, err = client.Put(t.Context(), "k", "v")
		require.NoError(t, err)
		require.NoError(t, client.Close())
		require.NoError(t, inst.Stop())
		require.NoError(t, inst.Stop(), "twice is no error")
		require.Regexp(t, `^3\.`, inst.Version)
	}
}

func TestTemporaryDataGoes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	inst, err := localetcd.Start(t.Context(), localetcd.Options{})
	require.NoError(t, err)
	require.NoError(t, inst.Stop())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAddressTaken(t *testing.T) {
	t.Parallel()
	inst, err := localetcd.Start(t.Context(), localetcd.Options{})
	require.NoError(t, err)
	defer func() { _ = inst.Stop() }()
	_, err = localetcd.Start(t.Context(), localetcd.Options{Addr: inst.Endpoint[len("http://"):]})
	require.Error(t, err)
}

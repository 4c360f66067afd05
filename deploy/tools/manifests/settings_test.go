package manifests_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/switchboard-phone/switchboard/deploy/tools/manifests"
)

const root = "../../.."

// binaries builds all services once and answers the folder.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "switchboard-binaries-")
	if err != nil {
		return "", err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-o", dir + "/", "./gateway/cmd/gateway"}
	for _, s := range services {
		if s != "gateway" {
			args = append(args, "./services/"+s+"/cmd/"+s)
		}
	}
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOWORK=", "GOFLAGS=", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return dir, cmd.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil && dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// settings are what a service makes of a configuration, as its config command prints it.
type settings map[string]any

// at answers the setting with a dotted name; "" where there is none.
func (s settings) at(path string) string {
	var v any = map[string]any(s)
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[part]
	}
	text, _ := v.(string)
	return text
}

func (s settings) duration(t *testing.T, path string) time.Duration {
	t.Helper()
	if s.at(path) == "" {
		return 0
	}
	d, err := time.ParseDuration(s.at(path))
	require.NoError(t, err, path)
	return d
}

// load asks the service itself. It refuses keys that it does not know.
func load(t *testing.T, service, config string, environ []string) settings {
	t.Helper()
	dir, err := binaries()
	require.NoError(t, err)
	args := []string{"config"}
	if config != "" {
		file := filepath.Join(t.TempDir(), "config.yaml")
		require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
		args = append(args, "--config", file)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, service), args...)
	cmd.Env = append([]string{"PATH=/nowhere"}, environ...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", service, out)
	var s settings
	require.NoError(t, json.Unmarshal(out, &s))
	return s
}

// podSettings are those that a container of an overlay will have.
func podSettings(t *testing.T, service string, c corev1.Container, volumes []corev1.Volume, maps map[string]corev1.ConfigMap) settings {
	t.Helper()
	var environ []string
	for _, from := range c.EnvFrom {
		m, ok := maps[from.ConfigMapRef.Name]
		require.True(t, ok, "%s: no ConfigMap %s", service, from.ConfigMapRef.Name)
		for k, v := range m.Data {
			environ = append(environ, k+"="+v)
		}
	}
	for _, v := range volumes {
		if v.Name == "config" {
			return load(t, service, maps[v.ConfigMap.Name].Data["config.yaml"], environ)
		}
	}
	t.Fatalf("%s has no configuration", service)
	return nil
}

// TestServicesUnderstandTheirSettings starts no service, but has each read exactly what its pod will give it, and compares what comes of
// it with the rest of the pod.
func TestServicesUnderstandTheirSettings(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []manifests.Object) {
		configs := of[corev1.ConfigMap](t, objects, "ConfigMap")
		svcs := of[corev1.Service](t, objects, "Service")
		for name, d := range of[appsv1.Deployment](t, objects, "Deployment") {
			if !slices.Contains(services, name) {
				continue
			}
			spec := d.Spec.Template.Spec
			c := spec.Containers[0]
			s := podSettings(t, name, c, spec.Volumes, configs)
			ports := map[string]string{"grpc": s.at("server.addr"), "https": s.at("http.addr"), "ops": s.at("server.ops_addr") + s.at("http.ops_addr")}
			for _, p := range c.Ports {
				require.Equal(t, ":"+strconv.Itoa(int(p.ContainerPort)), ports[p.Name], "%s: port %s", name, p.Name)
			}
			for key, path := range files(s, "") {
				if key == "portal.dir" {
					continue // part of the image
				}
				require.True(t, slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return filepath.Dir(path) == m.MountPath }),
					"%s: %s=%s is on no volume", name, key, path)
			}
			for _, other := range services {
				target := s.at(other + ".target")
				if target == "" {
					continue
				}
				require.Equal(t, "dns:///"+other+":8443", target, name)
				require.EqualValues(t, 8443, svcs[other].Spec.Ports[0].Port)
			}
			for _, setting := range []string{"auth.issuer", "portal.issuer", "provisioning.portal_url", "smtp.from"} {
				require.NotContains(t, s.at(setting), ".invalid", "%s: %s is not set", name, setting)
			}
			withinGrace(t, name, s, &spec)
		}
	})
}

// withinGrace compares the time that a pod gets to end with what its process may take at most. The sum is that of server.Run,
// gateway.Run, sender.Run and Relay.Run: see there.
func withinGrace(t *testing.T, name string, s settings, spec *corev1.PodSpec) {
	t.Helper()
	const flushTraces, claimMails, recordOutcomes, handOverMails = 5 * time.Second, 5 * time.Second, 5 * time.Second, 10 * time.Second
	section := "server"
	if name == "gateway" {
		section = "http"
	}
	defaults := load(t, name, "", nil)
	wait := time.Duration(spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	require.Equal(t, defaults.duration(t, section+".drain_wait"), wait, "%s: the pod waits as long as the process would have", name)
	require.Zero(t, s.duration(t, section+".drain_wait"), "%s: and it waits once", name)

	drain := s.duration(t, section+".drain_timeout")
	require.Positive(t, drain)
	most := wait + drain + flushTraces
	if name != "gateway" {
		most += drain // closers get as long again
	}
	if stop := s.duration(t, "sender.stop_timeout"); stop > 0 {
		most += claimMails + stop + recordOutcomes
	}
	if name == "license" {
		most += handOverMails
	}
	grace := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second
	require.LessOrEqual(t, most, grace, "%s would be killed before it is done", name)
	require.LessOrEqual(t, grace, most+30*time.Second, "%s: longer than it needs", name)
}

// files lists settings that name files, by their dotted names.
func files(s map[string]any, prefix string) map[string]string {
	out := map[string]string{}
	for key, value := range s {
		switch v := value.(type) {
		case map[string]any:
			maps.Copy(out, files(v, prefix+key+"."))
		case string:
			if strings.HasPrefix(v, "/") {
				out[prefix+key] = v
			}
		}
	}
	return out
}

// TestMigrationJobsReadWhatTheServicesRead: a Job on another database would leave the service waiting.
func TestMigrationJobsReadWhatTheServicesRead(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []manifests.Object) {
		configs := of[corev1.ConfigMap](t, objects, "ConfigMap")
		deployments := of[appsv1.Deployment](t, objects, "Deployment")
		var migrated []string
		for _, w := range workloads(t, objects) {
			name, ok := strings.CutSuffix(w.Name(), "-migrate")
			if !ok || w.Kind() != "Job" {
				continue
			}
			migrated = append(migrated, name)
			spec, server := w.template.Spec, deployments[name].Spec.Template.Spec
			require.Equal(t, server.Containers[0].Image, spec.Containers[0].Image)
			require.Equal(t, "migrate", spec.Containers[0].Args[0])
			job := podSettings(t, name, spec.Containers[0], spec.Volumes, configs)
			require.Equal(t, podSettings(t, name, server.Containers[0], server.Volumes, configs)["database"], job["database"])
			secret := func(vs []corev1.Volume) string {
				i := slices.IndexFunc(vs, func(v corev1.Volume) bool { return v.Name == "database" })
				require.GreaterOrEqual(t, i, 0)
				return vs[i].Secret.SecretName
			}
			require.Equal(t, secret(server.Volumes), secret(spec.Volumes))
		}
		slices.Sort(migrated)
		require.Equal(t, []string{"extension", "license", "notification", "numbering"}, migrated)
	})
}

package manifests_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-phone/switchboard/deploy/tools/manifests"
)

// The schemas come out of module zips, which is where they can be had without any network but a Go module proxy. The sums are those of
// the checksum database; the go command verifies what it downloads against them.
var (
	kubernetes = module{"k8s.io/kubernetes@v1.37.2", "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="}
	certs      = module{"github.com/cert-manager/cert-manager@v1.21.2", "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68="}
)

type module struct{ path, sum string }

// dir downloads the module, unless it is in the cache, and answers where it is.
func (m module) dir(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", m.path)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	require.NoError(t, err, "go mod download %s: %s", m.path, out)
	var got struct{ Dir, Sum string }
	require.NoError(t, json.Unmarshal(out, &got))
	require.Equal(t, m.sum, got.Sum, "the module is not the one that was looked at")
	return got.Dir
}

// overlays are all that can be applied to a cluster, and each service's base, which other people's overlays may start from.
func overlays(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"../../kubernetes/overlays/*", "../../kubernetes/base/*/kustomization.yaml"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range found {
			path = strings.TrimSuffix(path, "/kustomization.yaml")
			if filepath.Base(path) != "common" {
				out = append(out, path)
			}
		}
	}
	require.GreaterOrEqual(t, len(out), 7)
	return out
}

var built sync.Map

func build(t *testing.T, dir string) []manifests.Object {
	t.Helper()
	render := sync.OnceValues(func() ([]manifests.Object, error) { return manifests.Build(dir) })
	once, _ := built.LoadOrStore(dir, render)
	objects, err := once.(func() ([]manifests.Object, error))()
	require.NoError(t, err)
	return objects
}

// TestManifestsAreValidBySchema holds every object to the OpenAPI schema of its kind, strictly: a field that the schema does not name
// is a mistake, as it would be lost on the way.
func TestManifestsAreValidBySchema(t *testing.T) {
	t.Parallel()
	schemas := newSchemas(t)
	for _, dir := range overlays(t) {
		for _, o := range build(t, dir) {
			require.NoError(t, schemas.check(t, o), "%s: %s", dir, o)
		}
	}
	for name, broken := range map[string]string{
		"unknown field":   `{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {port: [1]}}`,
		"wrong type":      `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {replicas: many, selector: {}, template: {}}}`,
		"missing field":   `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {template: {}}}`,
		"unknown kind":    `{apiVersion: apps/v2, kind: Deployment, metadata: {name: x}}`,
		"in a custom one": `{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: x}, spec: {secretName: x, issuerRef: {name: y}, uri: [z]}}`,
	} {
		var o manifests.Object
		require.NoError(t, yaml.Unmarshal([]byte(broken), &o))
		require.Error(t, schemas.check(t, o), name)
	}
}

// schemas are those of all kinds.
type schemas struct {
	compiler *jsonschema.Compiler
	byKind   map[string]string // "apps/v1 Deployment" → where its schema is
}

const base = "https://switchboard.invalid/"

func newSchemas(t *testing.T) *schemas {
	t.Helper()
	s := &schemas{compiler: jsonschema.NewCompiler(), byKind: map[string]string{}}
	s.compiler.DefaultDraft(jsonschema.Draft4)
	raw, err := os.ReadFile(filepath.Join(kubernetes.dir(t), "api", "openapi-spec", "swagger.json"))
	require.NoError(t, err)
	var swagger map[string]any
	require.NoError(t, json.Unmarshal(raw, &swagger))
	definitions := swagger["definitions"].(map[string]any)
	for name, definition := range definitions {
		d := definition.(map[string]any)
		kinds, _ := d["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			gvk := k.(map[string]any)
			version := strings.TrimPrefix(gvk["group"].(string)+"/"+gvk["version"].(string), "/")
			s.byKind[version+" "+gvk["kind"].(string)] = base + "kubernetes#/definitions/" + name
		}
	}
	require.NoError(t, s.compiler.AddResource(base+"kubernetes", strict(map[string]any{"definitions": definitions})))
	s.addCustom(t)
	return s
}

// addCustom adds the kinds of cert-manager.
func (s *schemas) addCustom(t *testing.T) {
	t.Helper()
	dir := certs.dir(t)
	files, err := filepath.Glob(filepath.Join(dir, "deploy", "crds", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var crd struct {
			Spec struct {
				Group    string
				Names    struct{ Kind string }
				Versions []struct {
					Name   string
					Schema struct{ OpenAPIV3Schema map[string]any }
				}
			}
		}
		require.NoError(t, yaml.Unmarshal(raw, &crd), file)
		for _, v := range crd.Spec.Versions {
			at := base + filepath.Base(file) + "/" + v.Name
			schema := v.Schema.OpenAPIV3Schema
			delete(schema["properties"].(map[string]any), "metadata") // of which a CRD says nothing but that it is an object
			schema["additionalProperties"] = true
			require.NoError(t, s.compiler.AddResource(at, strict(schema)))
			s.byKind[crd.Spec.Group+"/"+v.Name+" "+crd.Spec.Names.Kind] = at
		}
	}
}

func (s *schemas) check(t *testing.T, o manifests.Object) error {
	t.Helper()
	at, ok := s.byKind[o.APIVersion()+" "+o.Kind()]
	if !ok {
		return os.ErrNotExist
	}
	schema, err := s.compiler.Compile(at)
	require.NoError(t, err)
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	require.NoError(t, err)
	return schema.Validate(value)
}

// strict turns a schema of OpenAPI into one of JSON: numbers or texts where Kubernetes takes either, and no fields but those named.
func strict(schema any) any {
	switch s := schema.(type) {
	case []any:
		for i := range s {
			s[i] = strict(s[i])
		}
	case map[string]any:
		if s["format"] == "int-or-string" || s["x-kubernetes-int-or-string"] == true {
			return map[string]any{"type": []any{"string", "integer"}}
		}
		if d, _ := s["description"].(string); strings.HasPrefix(d, "Quantity is a fixed-point") {
			return map[string]any{"type": []any{"string", "number"}}
		}
		_, isObject := s["properties"].(map[string]any)
		if _, says := s["additionalProperties"]; isObject && !says && s["x-kubernetes-preserve-unknown-fields"] != true {
			s["additionalProperties"] = false
		}
		delete(s, "default")
		if f, isText := s["format"].(string); isText && f != "" {
			delete(s, "format") // formats of Kubernetes' own
		}
		for key, value := range s {
			s[key] = strict(value)
		}
	}
	return schema
}

// Package manifests builds the overlays of deploy/kubernetes as `kubectl kustomize` does. What is in it besides are the tests: that the
// result is valid by the schemas of Kubernetes, holds to our rules, and says what the services understand.
package manifests

import (
	"fmt"
	"path/filepath"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Object is one object of an overlay, as JSON knows it.
type Object map[string]any

// Kind returns the object's kind.
func (o Object) Kind() string { s, _ := o["kind"].(string); return s }

// APIVersion returns the object's API group and version.
func (o Object) APIVersion() string { s, _ := o["apiVersion"].(string); return s }

// Name returns the object's name.
func (o Object) Name() string {
	meta, _ := o["metadata"].(map[string]any)
	s, _ := meta["name"].(string)
	return s
}

// String names the object for messages.
func (o Object) String() string { return o.Kind() + "/" + o.Name() }

// Into decodes the object into one of Kubernetes' own types and fails on fields that the type does not have.
func (o Object) Into(out any) error {
	raw, err := yaml.Marshal(o)
	if err != nil {
		return fmt.Errorf("%s: %w", o, err)
	}
	if err := yaml.UnmarshalStrict(raw, out); err != nil {
		return fmt.Errorf("%s: %w", o, err)
	}
	return nil
}

// Build renders the kustomization in a folder.
func Build(dir string) ([]Object, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("overlay %s: %w", dir, err)
	}
	var out []Object
	for _, r := range resources.Resources() {
		m, err := r.Map()
		if err != nil {
			return nil, fmt.Errorf("overlay %s: %w", dir, err)
		}
		out = append(out, m)
	}
	return out, nil
}

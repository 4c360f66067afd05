// Package config reads a service's settings: defaults, overlaid by a YAML file, by environment variables and by flags, in this
// order. A key that the settings do not know refuses to start, whichever way it came.
//
// Settings are a struct with `koanf:"name"` tags, nested at will. Durations are written "1m30s", lists in the environment and
// in flags "a,b". Fields tagged `secret:"true"` are never shown; secrets are better given as the path of a file.
package config

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// EnvPrefix begins the environment variables that are settings: SWITCHBOARD_DATABASE__URL_FILE is database.url_file.
const EnvPrefix = "SWITCHBOARD_"

// Sources say where settings come from, besides the defaults.
type Sources struct {
	// File is the path of a YAML file; empty for none.
	File string
	// Environ is the environment, as os.Environ returns it; nil for that of the process.
	Environ []string
	// Set are assignments "database.max_conns=20" from flags.
	Set []string
}

// Load returns defaults overlaid by src.
//
// Of the environment it takes variables that begin with EnvPrefix and either contain "__" or name a key of the first level.
// Others with the prefix are left alone, since clusters and test tools put some there.
func Load[T any](defaults T, src Sources) (T, error) {
	out := defaults
	k := koanf.New(".")
	if src.File != "" {
		if err := k.Load(file.Provider(src.File), yaml.Parser()); err != nil {
			return out, fmt.Errorf("configuration file: %w", err)
		}
	}
	environ := src.Environ
	if environ == nil {
		environ = os.Environ()
	}
	if err := k.Load(confmap.Provider(fromEnviron(environ, topLevel(reflect.TypeFor[T]())), "."), nil); err != nil {
		return out, fmt.Errorf("configuration from the environment: %w", err)
	}
	set, err := fromFlags(src.Set)
	if err != nil {
		return out, err
	}
	if err := k.Load(confmap.Provider(set, "."), nil); err != nil {
		return out, fmt.Errorf("configuration from flags: %w", err)
	}
	err = k.UnmarshalWithConf("", &out, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: &mapstructure.DecoderConfig{
		Result: &out, TagName: "koanf", ErrorUnused: true, WeaklyTypedInput: true, ZeroFields: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(","), mapstructure.TextUnmarshallerHookFunc()),
	}})
	if err != nil {
		return out, fmt.Errorf("configuration: %w", err)
	}
	return out, nil
}

// topLevel lists the keys of the first level.
func topLevel(t reflect.Type) []string {
	var out []string
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			out = append(out, key(t.Field(i)))
		}
	}
	return out
}

func key(f reflect.StructField) string {
	if tag, _, _ := strings.Cut(f.Tag.Get("koanf"), ","); tag != "" {
		return tag
	}
	return f.Name
}

func fromEnviron(environ, top []string) map[string]any {
	out := map[string]any{}
	for _, assignment := range environ {
		name, value, _ := strings.Cut(assignment, "=")
		rest, ok := strings.CutPrefix(name, EnvPrefix)
		path := strings.ToLower(strings.ReplaceAll(rest, "__", "."))
		if ok && (strings.Contains(rest, "__") || slices.Contains(top, path)) {
			out[path] = value
		}
	}
	return out
}

func fromFlags(set []string) (map[string]any, error) {
	out := map[string]any{}
	for _, assignment := range set {
		path, value, ok := strings.Cut(assignment, "=")
		if !ok || path == "" {
			return nil, fmt.Errorf("configuration from flags: %q is not key=value", assignment)
		}
		out[path] = value
	}
	return out, nil
}

// Redacted returns settings in the form of their file, for people: secrets that are set read "(redacted)".
func Redacted(settings any) any {
	if settings == nil {
		return nil
	}
	return redacted(reflect.ValueOf(settings))
}

func redacted(v reflect.Value) any {
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err == nil {
			return string(text)
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return redacted(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case !f.IsExported():
			case f.Tag.Get("secret") == "true" && !v.Field(i).IsZero():
				out[key(f)] = "(redacted)"
			default:
				out[key(f)] = redacted(v.Field(i))
			}
		}
		return out
	}
	return v.Interface()
}

// ErrNoMigrations is returned by the migrate command of a service that has no database.
var ErrNoMigrations = errors.New("this service has no database")

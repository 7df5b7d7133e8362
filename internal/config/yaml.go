package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// ParseConfig reads the YAML form on top of the defaults. For an unknown key the error suggests the
// nearest option.
func ParseConfig(b []byte) (Config, error) {
	c := DefaultConfig()
	var keys map[string]any
	if err := yaml.Unmarshal(b, &keys); err != nil {
		return c, oneLine(err)
	}
	known := configKeys()
	unknown := ""
	for k := range keys {
		if !slices.Contains(known, k) && (unknown == "" || k < unknown) {
			unknown = k
		}
	}
	if unknown != "" {
		return c, fmt.Errorf("no option %q%s", unknown, option.DidYouMean(unknown, known))
	}
	if len(keys) == 0 {
		return c, nil // an empty document would reset every option to its zero value
	}
	size := yaml.CustomUnmarshaler(func(n *int64, b []byte) error { return (*option.Size)(n).Set(unquoted(b)) })
	if err := yaml.UnmarshalWithOptions(b, &c, size); err != nil {
		return c, oneLine(err)
	}
	return c, nil
}

// LoadConfig reads a run.yaml.
func LoadConfig(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	c, err := ParseConfig(b)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// YAML returns c in the form of run.yaml, with names of the hub for paths in its cache.
func (c *Config) YAML() ([]byte, error) {
	pinned := c.Pinned()
	b, err := yaml.MarshalWithOptions(&pinned, yaml.CustomMarshaler(func(n int64) ([]byte, error) { return yaml.Marshal(option.Size(n)) }))
	if err != nil {
		return nil, err
	}
	return append([]byte("# Every option of this run. permafrost fit --config run.yaml --out DIR does it again.\n"), b...), nil
}

// unquoted is a YAML scalar without surrounding quotes.
func unquoted(b []byte) string { return strings.Trim(strings.TrimSpace(string(b)), `"'`) }

// MarshalJSON writes the options in order, under the keys of run.yaml. Sizes in bytes are written
// as a Size.
func (c Config) MarshalJSON() ([]byte, error) {
	v := reflect.ValueOf(c)
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range configKeys() {
		field := v.Field(i).Interface()
		if n, ok := field.(int64); ok {
			field = option.Size(n)
		}
		value, err := json.Marshal(field)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", key, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. Options that are missing keep their values.
func (c *Config) UnmarshalJSON(b []byte) error {
	var options map[string]json.RawMessage
	if err := json.Unmarshal(b, &options); err != nil {
		return err
	}
	v := reflect.ValueOf(c).Elem()
	for i, key := range configKeys() {
		text, ok := options[key]
		if !ok {
			continue
		}
		to := v.Field(i).Addr().Interface()
		if n, ok := to.(*int64); ok {
			to = (*option.Size)(n)
		}
		if err := json.Unmarshal(text, to); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// configKeys lists the YAML keys in the order of Config's fields.
func configKeys() []string {
	t := reflect.TypeFor[Config]()
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

// oneLine is a YAML error without the excerpt that follows it.
func oneLine(err error) error {
	s, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
	return fmt.Errorf("%s", s)
}

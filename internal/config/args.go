package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Args returns the options that differ from their defaults as arguments of permafrost fit.
func (c *Config) Args() []string {
	var out []string
	standard := DefaultConfig()
	now, usual := reflect.ValueOf(*c), reflect.ValueOf(standard)
	for i, key := range configKeys() {
		v := now.Field(i)
		if v.Kind() == reflect.Slice && v.Len() == 0 || reflect.DeepEqual(v.Interface(), usual.Field(i).Interface()) {
			continue
		}
		name := "--" + strings.ReplaceAll(key, "_", "-")
		switch v := v.Interface().(type) {
		case bool:
			if v {
				out = append(out, name)
			} else {
				out = append(out, name+"=false")
			}
		case []string:
			for _, s := range v {
				out = append(out, name, s)
			}
		case *float64:
			if v != nil {
				out = append(out, name, fmt.Sprint(*v))
			}
		case int64:
			out = append(out, name, option.Size(v).String())
		default:
			out = append(out, name, fmt.Sprint(v))
		}
	}
	return out
}

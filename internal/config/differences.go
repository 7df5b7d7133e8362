package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// resumable lists the options that a resumed run may change.
var resumable = []string{"model", "data", "val", "out", "tensorboard", "extends", "tokenizer", "threads", "cache", "cache_budget", "memory"}

// Differences lists the options that differ and may change the resulting bits.
func (c *Config) Differences(now *Config) []string {
	var out []string
	then, here := reflect.ValueOf(*c), reflect.ValueOf(*now)
	for i, key := range configKeys() {
		a, b := then.Field(i), here.Field(i)
		bothEmpty := a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0
		if slices.Contains(resumable, key) || bothEmpty || reflect.DeepEqual(a.Interface(), b.Interface()) {
			continue
		}
		out = append(out, fmt.Sprintf("%s was %s, is %s", key, optionText(a), optionText(b)))
	}
	return out
}

func optionText(v reflect.Value) string {
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return string(b)
}

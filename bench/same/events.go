package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// unequal lists the keys of events.jsonl whose values two runs of one program need not share, some
// of them only in events of one type.
var unequal = map[string]string{
	"time":                "time",
	"seconds":             "time",
	"epoch_seconds":       "time",
	"examples_per_second": "time",
	"peak_rss_bytes":      "memory",
	"version":             "the program's",
	"model":               "path",
	"data":                "path",
	"out":                 "path",
	"path":                "path",
	"hits":                "state of the cache",
	"near":                "state of the cache",
	"misses":              "state of the cache",
}

// firstDifference says in a line where two event streams part, "" when they tell the same.
func firstDifference(before, after []byte) (string, error) {
	a, err := readEvents(before)
	if err != nil {
		return "", fmt.Errorf("before: %w", err)
	}
	b, err := readEvents(after)
	if err != nil {
		return "", fmt.Errorf("after: %w", err)
	}
	for i := range min(len(a), len(b)) {
		if key, x, y, differ := difference(fmt.Sprint(a[i]["type"]), a[i], b[i]); differ {
			return fmt.Sprintf("line %d, %s: %s, then %s", i+1, key, short(x), short(y)), nil
		}
	}
	if len(a) != len(b) {
		more := a
		if len(b) > len(a) {
			more = b
		}
		return fmt.Sprintf("%d lines, then %d; the first of those missing is %s", len(a), len(b), short(more[min(len(a), len(b))])), nil
	}
	return "", nil
}

// readEvents reads the lines of events.jsonl, but for the checkpoints: how often one is written
// goes by the clock.
func readEvents(b []byte) ([]map[string]any, error) {
	var events []map[string]any
	for i, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
		var e map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber() // numbers are compared digit by digit
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if e["type"] != "checkpoint" {
			events = append(events, e)
		}
	}
	return events, nil
}

// difference finds the first value by which a and b differ, by the order of keys, and the path to
// it, which begins with the event's type. Keys of unequal are passed over at every depth.
func difference(path string, a, b any) (key string, x, y any, differ bool) {
	from, ok := a.(map[string]any)
	to, both := b.(map[string]any)
	if !ok || !both {
		return path, a, b, !reflect.DeepEqual(strip(a), strip(b))
	}
	keys := slices.Sorted(maps.Keys(from))
	for k := range to {
		if _, ok := from[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if unequal[k] != "" || unequal[path+"."+k] != "" {
			continue
		}
		v, one := from[k]
		w, other := to[k]
		if one != other {
			return path + "." + k, v, w, true
		}
		if key, x, y, differ := difference(path+"."+k, v, w); differ {
			return key, x, y, true
		}
	}
	return "", nil, nil, false
}

// flagName is an option as a command line names it. In a message it counts the same as the option's
// own name.
var flagName = regexp.MustCompile(`--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`)

func optionNames(message string) string {
	return flagName.ReplaceAllStringFunc(message, func(f string) string {
		return "option " + strings.ReplaceAll(f[2:], "-", "_")
	})
}

// strip is v without the keys of unequal, options under their own names.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if unequal[k] == "" {
				out[k] = strip(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = strip(e)
		}
		return out
	case string:
		return optionNames(v)
	}
	return v
}

// short is the beginning of v as JSON.
func short(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > 120 {
		b = append(b[:117:117], "..."...)
	}
	return string(b)
}

package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/freeze"
)

// planText is the plan in Markdown: what trains of each block.
func (b *board) planText() string {
	set, plan := b.loop.session.Net.Set, b.loop.session.Plans.Reach
	var s strings.Builder
	fmt.Fprintf(&s, "thaw %s", strings.Join(b.plan.Thaw, ","))
	if len(b.plan.Freeze) > 0 {
		fmt.Fprintf(&s, ", freeze %s", strings.Join(b.plan.Freeze, ","))
	}
	if b.plan.Schedule != "" {
		fmt.Fprintf(&s, ", schedule %s", b.plan.Schedule)
	}
	fmt.Fprintf(&s, ": %d of %d parameters train.\n\n", b.plan.ParamsThawed, b.plan.ParamsTotal)
	fmt.Fprintf(&s, "The frozen part ends at %s.\n\n| block | parameters | trains |\n|---|---|---|\n", strings.Join(b.plan.Frontier, ", "))
	type sum struct{ all, thawed int }
	sums := map[string]*sum{}
	var order []string
	trains := map[string]int{}
	plan.Thawed(set).Each(func(w *freeze.Weight, e freeze.Entry) {
		trains[w.Name] = w.Len()
		if m := e.ElementMask(w.Value.Type.Shape); m != nil {
			trains[w.Name] = bytes.Count(m, []byte{1})
		}
	})
	for _, w := range set.Weights {
		name := "(other layers)"
		switch {
		case w.Head:
			name = "head"
		case w.Block >= 0:
			name = set.Blocks[w.Block]
		}
		if sums[name] == nil {
			sums[name], order = &sum{}, append(order, name)
		}
		if w.Role.Trains() {
			sums[name].all += w.Len()
		}
		sums[name].thawed += trains[w.Name]
	}
	for _, name := range order {
		fmt.Fprintf(&s, "| %s | %d | %d |\n", cell(name), sums[name].all, sums[name].thawed)
	}
	return s.String()
}

// named is a sentence of names, "" without any.
func named(what string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s\n\n", what, strings.Join(names, ", "))
}

// HParams are the options that differ from the defaults, and those that every run has. Paths are
// shortened to names.
func HParams(c *config.Config) map[string]any {
	out := map[string]any{}
	standard := config.DefaultConfig()
	standard.Settle()
	usual := asMap(standard)
	given := asMap(*c)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		v := given[name]
		always := slices.Contains([]string{"model", "thaw", "epochs", "batch", "lr", "optimizer", "seed"}, name)
		if v == nil || !always && reflect.DeepEqual(v, usual[name]) || slices.Contains([]string{"out", "extends", "tensorboard", "threads"}, name) {
			continue
		}
		switch x := v.(type) {
		case []any:
			texts := make([]string, len(x))
			for i := range x {
				texts[i] = fmt.Sprint(x[i])
				if input, file, ok := strings.Cut(texts[i], "="); ok && name == "input" {
					texts[i] = input + "=" + filepath.Base(file)
				}
			}
			out[name] = strings.Join(texts, ",")
		case string:
			switch name {
			case "model", "data", "val", "tokenizer", "preprocess":
				x = filepath.Base(x)
			case "adapter":
				x = adapter.Named(x)
			}
			out[name] = x
		case float64:
			if !math.IsNaN(x) {
				out[name] = x
			}
		default:
			out[name] = x
		}
	}
	return out
}

// asMap is a configuration by the names of run.yaml.
func asMap(c config.Config) map[string]any {
	out := map[string]any{}
	b, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil { // options are numbers and words
		panic(err)
	}
	return out
}

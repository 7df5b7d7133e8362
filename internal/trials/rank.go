package trials

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// rank is the parameter of a space that stands for option adapter: the rank of LoRA, 0 for none.
// With selectors behind an @, as rank@layers.0, it is that of the layers which they name; without,
// that of all layers that no other rank names.
const rank = "rank"

// ways are the divisions of the layers for which a space may ask: rank: {ordered: [0, 8], by: block}
// makes a parameter for each part.
var ways = map[string]func(*freeze.Set, *freeze.Weight) string{
	"block": func(set *freeze.Set, w *freeze.Weight) string {
		if w.Block < 0 {
			return ""
		}
		return set.Blocks[w.Block]
	},
	"kind": func(_ *freeze.Set, w *freeze.Weight) string { return strings.Join(w.Use.Selectors(), ",") },
	"layer": func(set *freeze.Set, w *freeze.Weight) string {
		name := strings.Join(w.Module, ".")
		if ws, err := set.Select([]string{name, "!kind:bias"}); err == nil && len(ws) == 1 {
			return name
		}
		return w.Name
	},
}

// divided gives the selectors of the parts into which the layers that can have LoRA are divided, in
// the order of the network. A part "" is all layers that no other names.
func divided(s *run.Session, by string) ([]string, error) {
	way := ways[by]
	if way == nil {
		return nil, fmt.Errorf("%q is none of block, kind, layer", by)
	}
	var parts []string
	of := map[string]int{} // layers by part
	for _, w := range adapter.Usual(s.Net.Headed.Graph, s.Net.Set) {
		part := way(s.Net.Set, w)
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
		of[part]++
	}
	if len(of) == 0 || len(of) == 1 && of[""] > 0 {
		return nil, fmt.Errorf("the model has no layers of which the %s is known: write rank: {ordered: [0, 8]}, or name layers as in rank@layer1", by)
	}
	return parts, nil
}

// takeRanks gives the configuration the adapter that the ranks of a point stand for. Where all are 0
// there is none, and what says more of adapters is left out.
func takeRanks(c *config.Config, p space.Point) error {
	var parts []adapter.Part
	some, others := false, false
	for _, s := range p.Settings() {
		layers, ok := rankOf(s.Name)
		if !ok {
			continue
		}
		some = true
		part := adapter.Part{Kind: adapter.None, Layers: layers}
		if x, _ := s.Value.Float(); x > 0 {
			part.Kind, part.Rank = adapter.LoRA, int(x)
			others = others || layers == ""
		}
		parts = append(parts, part)
	}
	parts = slices.DeleteFunc(parts, func(p adapter.Part) bool { // only the part for the others must know of these
		return p.Kind == adapter.None && (p.Layers == "" || !others)
	})
	if !some {
		return nil
	}
	if c.Adapter != "" {
		return fmt.Errorf("%s and adapter say the same thing: leave one of them out", rank)
	}
	if c.Adapter = adapter.Join(parts); c.Adapter == "" {
		usual := config.DefaultConfig()
		c.AdapterTargets, c.AdapterAlpha, c.AdapterMerge = usual.AdapterTargets, usual.AdapterAlpha, usual.AdapterMerge
	}
	return nil
}

// rankOf gives the selectors of the layers whose rank a parameter is. It is false for another
// parameter.
func rankOf(name string) (layers string, ok bool) {
	if name == rank {
		return "", true
	}
	return strings.CutPrefix(name, rank+"@")
}

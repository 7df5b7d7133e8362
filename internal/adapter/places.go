package adapter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// place is a layer with the part of the spec that it belongs to.
type place struct {
	*layer
	part *Part
}

// places are the layers that get adapters, each once. Those that several parts share stand in the
// order of the set, so that what is drawn for a layer does not depend on how the spec is written.
func (b *builder) places(set *freeze.Set) ([]place, error) {
	var out []place
	var others *Part
	named := map[*freeze.Weight]*Part{}
	for i := range b.spec.Parts {
		part := &b.spec.Parts[i]
		if part.Layers == "" {
			others = part
			continue
		}
		layers, err := b.selected(set, part)
		if err != nil {
			return nil, err
		}
		for _, l := range layers {
			switch had := named[l.weight]; {
			case had == nil:
				named[l.weight] = part
				out = append(out, place{l, part})
			case had.adapter() != part.adapter():
				return nil, option.Errorf("adapter", "%s and %s both name %q: take it away from one, as in %s,!%s", had, part, l.weight.Name, had, l.name)
			}
		}
	}
	if others != nil {
		layers, err := b.usual(set, others.Kind)
		if err != nil {
			return nil, err
		}
		for _, l := range layers {
			if named[l.weight] == nil {
				out = append(out, place{l, others})
			}
		}
	}
	out = slices.DeleteFunc(out, func(p place) bool { return p.part.Kind == None })
	if len(b.spec.Parts) > 1 {
		slices.SortStableFunc(out, func(x, y place) int {
			return slices.Index(set.Weights, x.weight) - slices.Index(set.Weights, y.weight)
		})
	}
	return out, nil
}

// selected are the layers that a part names, of those that the targets name.
func (b *builder) selected(set *freeze.Set, part *Part) ([]*layer, error) {
	out, err := b.matrices(set, "adapter", []string{part.Layers})
	if err != nil {
		return nil, err
	}
	if len(b.spec.Targets) == 0 {
		return out, nil
	}
	targets, err := b.matrices(set, "adapter_targets", b.spec.Targets)
	if err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(l *layer) bool {
		return !slices.ContainsFunc(targets, func(t *layer) bool { return t.weight == l.weight })
	})
	if len(out) == 0 && part.Kind != None {
		b.to.Skipped = append(b.to.Skipped, fmt.Sprintf("%s: option adapter_targets leaves none of its layers", part))
	}
	return out, nil
}

// matrices are the layers that selectors name outside of the head. Selectors also name biases, but
// only matrices and filters have adapters.
func (b *builder) matrices(set *freeze.Set, name string, selectors []string) ([]*layer, error) {
	ws, err := set.Select(selectors)
	if err != nil {
		return nil, option.Errorf(name, "%w", err)
	}
	var out []*layer
	for _, w := range ws {
		if w.Role == freeze.RoleWeight && !w.Head {
			out = append(out, b.describe(w))
		}
	}
	if len(out) == 0 {
		return nil, option.Errorf(name, "%s: no weight of a linear layer or convolution outside of the head is among these", strings.Join(selectors, ","))
	}
	return out, nil
}

// usual are the layers that have an adapter where no selectors of a part say which: see Add.
func (b *builder) usual(set *freeze.Set, kind Kind) ([]*layer, error) {
	if len(b.spec.Targets) > 0 {
		return b.matrices(set, "adapter_targets", b.spec.Targets)
	}
	var linear, conv, kv, hidden []*layer
	for _, w := range set.Weights {
		if w.Role != freeze.RoleWeight || w.Head {
			continue
		}
		l := b.describe(w)
		switch {
		case l.odd != "":
			continue
		case !l.linear():
			conv = append(conv, l)
			continue
		}
		linear = append(linear, l)
		switch {
		case w.Use&(freeze.UseKey|freeze.UseValue) != 0:
			kv = append(kv, l)
		case w.Use&freeze.UseReduce != 0:
			h := *l
			h.hidden = true
			hidden = append(hidden, &h)
		}
	}
	if kind == IA3 {
		switch {
		case set.Attention:
			return append(kv, hidden...), nil
		case len(conv) > 0:
			return conv, nil
		case len(hidden) > 0:
			return hidden, nil
		}
		return linear, nil
	}
	if set.Attention {
		return linear, nil
	}
	out := append(conv, linear...)
	slices.SortStableFunc(out, func(x, y *layer) int {
		return slices.Index(set.Weights, x.weight) - slices.Index(set.Weights, y.weight)
	})
	return out, nil
}

// Usual lists the weights of the layers that LoRA goes to where no selectors say which, in the order
// of the set.
func Usual(g *ir.Graph, set *freeze.Set) []*freeze.Weight {
	layers, err := newBuilder(g, Spec{}).usual(set, LoRA)
	if err != nil {
		panic(err) // only of targets, of which there are none
	}
	var out []*freeze.Weight
	for _, l := range layers {
		out = append(out, l.weight)
	}
	return out
}

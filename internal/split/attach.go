package split

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// place is a value that a fresh head can read.
type place struct {
	value *ir.Value
	width int // features
	depth int // see flow
	why   string
}

// choosePlaces finds what a fresh head reads by default, and after it, what it could read instead:
// what the model's classifier reads; else the features that the model ends in; else, behind a
// trunk that ends in regression or detection, its last wide map. The order of the outputs and the
// names say nothing.
func choosePlaces(raw *ir.Graph, f *flow, shapes map[string]tensor.Shape) ([]place, error) {
	types, err := traceOutputs(raw, f, shapes)
	if err != nil {
		return nil, fmt.Errorf("%w; to train a head on a value before that node, name the value with option attach", err)
	}
	examples := 0
	for _, v := range raw.Inputs {
		if s := shapes[v.Name]; len(s) > 0 {
			examples = s[0]
			break
		}
	}
	width := func(v *ir.Value) int { return featuresOf(v, types[v], examples) }

	users := raw.Users()
	var own, ends []place
	for _, c := range classifiers(raw, f) {
		if w := width(c.Features); w > 0 {
			own = append(own, place{c.Features, w, f.depth[c.Features], fmt.Sprintf("what the classifier %q reads (output %q)", c.node.Name, c.output.Name)})
		}
	}
	for _, o := range raw.Outputs {
		if t := tailOf(f, users, o); classifierBefore(f, t) == nil && t.endsInFeatures(width(o)) {
			ends = append(ends, place{o, width(o), f.depth[o], "the features that the model ends in"})
		}
	}
	slices.SortStableFunc(ends, func(a, b place) int { return cmp.Or(cmp.Compare(b.depth, a.depth), cmp.Compare(b.width, a.width)) })
	inner := innerPlaces(raw, f, types, width)

	found := own
	wide := len(own) > 0 && own[0].width >= fewFeatures
	switch {
	case wide && (len(ends) == 0 || 2*own[0].depth >= ends[0].depth):
		found = slices.Concat(own, ends)
	case len(ends) > 0:
		found = slices.Concat(ends, own)
	case !wide && len(inner) > 0 && (len(own) == 0 || inner[0].width >= fewFeatures):
		found = append(slices.Clone(inner[:1]), own...)
	}
	found = append(found, inner...)
	var out []place
	for _, p := range found {
		if !slices.ContainsFunc(out, func(q place) bool { return sameFeatures(p.value, q.value) }) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		if at := slices.IndexFunc(raw.Nodes, func(n *ir.Node) bool { return len(n.Attrs.Graphs()) > 0 }); at >= 0 {
			n := raw.Nodes[at]
			return nil, fmt.Errorf("the model's layers are inside node %q (%s), where no head can read: read what comes out of it by option attach %s, or write the model without the node, as simplifiers do once its condition is fixed", n.Name, n.Op, raw.Outputs[0].Name)
		}
		return nil, fmt.Errorf("the model has no features that a head could read: none of its outputs depends on its inputs through layers with weights; name a value by option attach")
	}
	return out, nil
}

// traceOutputs gives the types of the values that the outputs are computed from. An output that
// cannot be computed here is left out where another can.
func traceOutputs(raw *ir.Graph, f *flow, shapes map[string]tensor.Shape) (map[*ir.Value]*ir.Value, error) {
	g := *raw
	g.Outputs = slices.DeleteFunc(slices.Clone(raw.Outputs), func(v *ir.Value) bool { return !f.example[v] })
	if len(g.Outputs) == 0 {
		return nil, fmt.Errorf("the model's outputs do not depend on what its inputs hold")
	}
	types, err := compile.Trace(&g, shapes)
	if err == nil || len(g.Outputs) == 1 {
		return types, err
	}
	all, any := map[*ir.Value]*ir.Value{}, false
	for _, o := range g.Outputs {
		one := g
		one.Outputs = []*ir.Value{o}
		if types, err := compile.Trace(&one, shapes); err == nil {
			any = true
			for v, t := range types {
				all[v] = t
			}
		}
	}
	if !any {
		return nil, err
	}
	return all, nil
}

// featuresOf is the number of features that a head would read of a value, 0 where it cannot: they
// are floating point, and the examples lie on the first axis.
func featuresOf(v *ir.Value, t *ir.Value, examples int) int {
	if t == nil || t.Kind == ir.Const || !t.Type.DType.IsFloat() {
		return 0
	}
	s := t.Type.Shape
	if len(s) < 2 || len(s) > 5 || s[0] != examples || s.Len() == 0 {
		return 0
	}
	if s[1:].Len() == slices.Max(s[1:]) {
		return s[1:].Len()
	}
	return s[featureAxis(v, len(s))]
}

// endsInFeatures reports whether a tail ends in features, of which there are so many at each place
// of its output, and not in scores, boxes or maps of them.
func (t *tail) endsInFeatures(width int) bool {
	if width < fewFeatures || t.scored || t.joins || len(t.ends) == 0 {
		return false
	}
	if len(t.ends) > 1 || t.normalises || t.residual || t.activated {
		return true
	}
	n := t.ends[0] // a layer whose results are given as they are
	if n.Op != "Conv" || t.pools {
		return true
	}
	w := weightBehind(n.In(1))
	return w == nil || outputs(n) == width && outputs(n)*3 >= w.Type.Shape[1:].Len()
}

// innerPlaces lists what layers read, the last wide one first: the deepest of at least half as
// many features as the widest has. Those that are behind it or narrower follow. A map that was
// flattened is as wide as the map.
func innerPlaces(raw *ir.Graph, f *flow, types map[*ir.Value]*ir.Value, width func(*ir.Value) int) []place {
	needed := raw.Ancestors(raw.Outputs...)
	at := map[*ir.Node]int{}
	for i, n := range raw.Nodes {
		at[n] = i
	}
	var found []place
	widest, channels := 0, map[*ir.Value]int{}
	for _, n := range raw.Nodes {
		if !needed[n] || !isLayer(n) {
			continue
		}
		v := n.In(0)
		if v == nil || v.Node == nil || f.depth[v] == 0 || !f.example[v] || slices.ContainsFunc(found, func(p place) bool { return p.value == v }) {
			continue
		}
		if w := width(v); w > 0 {
			found = append(found, place{v, w, f.depth[v], "the last wide values of its trunk, for it ends neither in a classifier nor in features"})
			channels[v] = channelsOf(v, types, w)
			widest = max(widest, channels[v])
		}
	}
	slices.SortStableFunc(found, func(a, b place) int {
		wide := func(p place) int {
			if 2*channels[p.value] >= widest {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(wide(a), wide(b)), cmp.Compare(b.depth, a.depth), cmp.Compare(b.width, a.width),
			cmp.Compare(at[b.value.Node], at[a.value.Node]))
	})
	return found
}

// channelsOf is the number of channels of the map that a value of so many features is, flattened;
// the features themselves where it is none.
func channelsOf(v *ir.Value, types map[*ir.Value]*ir.Value, features int) int {
	for u := v; u != nil && u.Node != nil; {
		t := types[u]
		if t == nil {
			break
		}
		if s := t.Type.Shape; len(s) == 4 && s[1:].Len() == features {
			return s[featureAxis(u, len(s))]
		}
		if n := u.Node; n.RawTraits().Elementwise {
			i := slices.IndexFunc(n.Inputs, func(in *ir.Value) bool { return in != nil && in.Kind == ir.Result })
			if i < 0 {
				break
			}
			u = n.Inputs[i]
		} else if n.RawTraits().HandsOn {
			u = n.In(0)
		} else {
			break
		}
	}
	return features
}

// sameFeatures reports whether two values hold the same numbers, in whatever shape.
func sameFeatures(a, b *ir.Value) bool { return origin(a) == origin(b) }

func origin(v *ir.Value) *ir.Value {
	for v.Node != nil && v.Node.RawTraits().HandsOn && v.Node.In(0) != nil {
		v = v.Node.In(0)
	}
	return v
}

// noteOf says which place a head reads and why, and what it could read instead.
func noteOf(places []place) string {
	p := places[0]
	note := fmt.Sprintf("the head reads %q, %d features: %s", p.value.Name, p.width, p.why)
	var others []string
	for _, q := range places[1:min(1+printedAlternatives, len(places))] {
		others = append(others, fmt.Sprintf("%q (%d)", q.value.Name, q.width))
	}
	if len(others) > 0 {
		note += "; option attach takes others, such as " + strings.Join(others, " or ")
	}
	if p.width < fewFeatures {
		note += fmt.Sprintf("; %d features tell a head little", p.width)
	}
	return note
}

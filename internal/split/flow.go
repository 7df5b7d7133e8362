package split

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// flow says what the values of a raw graph depend on.
type flow struct {
	example map[*ir.Value]bool // depends on what an example holds, not on its shape alone
	depth   map[*ir.Value]int  // layers with weights on the longest path from an input
}

// shapeOnly lists the operators whose results depend on the shape of their inputs alone.
var shapeOnly = []string{"Shape", "Size", "EyeLike", "RandomNormalLike", "RandomUniformLike"}

func flowOf(g *ir.Graph) *flow {
	f := &flow{map[*ir.Value]bool{}, map[*ir.Value]int{}}
	for _, v := range g.Inputs {
		f.example[v] = true
	}
	for _, n := range g.Nodes {
		if slices.Contains(shapeOnly, n.Op) {
			continue
		}
		depends, depth := false, 0
		for _, v := range reads(n) {
			if f.example[v] {
				depends = true
				depth = max(depth, f.depth[v])
			}
		}
		if !depends {
			continue
		}
		if isLayer(n) {
			depth++
		}
		for _, v := range n.Outputs {
			if v != nil {
				f.example[v], f.depth[v] = true, depth
			}
		}
	}
	return f
}

// reads lists the values that a node reads, those of its subgraphs included.
func reads(n *ir.Node) []*ir.Value {
	vs := slices.Clone(n.Inputs)
	for _, s := range n.Attrs.Graphs() {
		vs = append(vs, s.Captures()...)
	}
	return slices.DeleteFunc(vs, func(v *ir.Value) bool { return v == nil })
}

// isWeighted reports whether a node reads a weight, or what nodes compute of weights alone.
func isWeighted(n *ir.Node) bool {
	return slices.ContainsFunc(n.Inputs, func(v *ir.Value) bool { return weightBehind(v) != nil || quantized(v) || ofWeights(v, 8) })
}

// ofWeights reports whether v is computed of weights and constants alone, by few nodes one behind
// another: the gates of a recurrence in another order, a filter that is scaled.
func ofWeights(v *ir.Value, steps int) bool {
	if v == nil || v.Kind == ir.Param {
		return v != nil
	}
	if v.Node == nil || steps == 0 {
		return false
	}
	some := false
	for _, in := range v.Node.Inputs {
		if in != nil && !in.IsConst() {
			if some = ofWeights(in, steps-1); !some {
				return false
			}
		}
	}
	return some
}

// isLayer reports whether a node combines features by weights, as products, convolutions, tables
// and recurrences do. Normalisations and arithmetic with a weight scale and shift features.
func isLayer(n *ir.Node) bool {
	t := n.RawTraits()
	return isWeighted(n) && !t.Elementwise && t.Use(1) != ir.UseScale && t.Use(1) != ir.UseShift
}

// outputs is the number of features or scores that a layer gives, 0 for unknown.
func outputs(n *ir.Node) int {
	w := weightBehind(n.In(1))
	if w == nil || len(w.Type.Shape) < 2 {
		return 0
	}
	s := w.Type.Shape
	if n.Op == "Conv" || n.Attrs.Int("transB", 0) != 0 != transposed(n.In(1)) {
		return s[0]
	}
	return s[len(s)-1]
}

// transposed reports whether a weight is read through an odd number of transpositions.
func transposed(v *ir.Value) bool {
	odd := false
	for v != nil && v.Node != nil {
		odd = odd != (v.Node.Op == "Transpose")
		v = v.Node.In(0)
	}
	return odd
}

package freeze

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// joinSegments joins the segments that together are one layer of a network that repeats:
//
//   - tables whose rows are added, as of tokens and of their places
//   - attention with the feed-forward layer behind it, as in transformers
//   - a depthwise convolution with the pointwise one behind it, and the pointwise one before it that
//     widens the map, as in MobileNets; a gate may lie between them
//
// What would hold more than half of the weights is not joined, unless one part alone does.
func joinSegments(segments []*segment) []*segment {
	total := elements(segments...)
	var out []*segment
	for i := 0; i < len(segments); {
		n := togetherAt(segments[i:])
		heavy := func(s *segment) bool { return 2*elements(s) > total }
		if together := segments[i : i+n]; 2*elements(together...) > total && !slices.ContainsFunc(together, heavy) {
			n = 1
		}
		s := segments[i]
		for _, next := range segments[i+1 : i+n] {
			s = s.with(next)
		}
		out = append(out, s)
		i += n
	}
	return out
}

// togetherAt counts the first segments that belong together.
func togetherAt(s []*segment) int {
	if k := slices.IndexFunc(s, func(s *segment) bool { return !s.looksUp() }); k > 1 {
		return k
	}
	if len(s) > 1 && s[0].attends() && !s[1].attends() && s[1].residual() && len(s[1].layers) > 1 {
		return 2
	}
	i := 0
	if s[0].convolves(pointwise) {
		i++
	}
	if i >= len(s) || !s[i].convolves(depthwise) {
		return 1
	}
	i++
	if i < len(s) && s[i].gates() {
		i++
	}
	if i >= len(s) || !s[i].convolves(pointwise) {
		return 1
	}
	return i + 1
}

// looksUp reports whether all layers of a segment are tables.
func (s *segment) looksUp() bool {
	return len(s.layers) > 0 && !slices.ContainsFunc(s.layers, func(w *Weight) bool { return w.Role != RoleEmbedding })
}

// attends reports whether a segment weighs values by how they match each other.
func (s *segment) attends() bool {
	softmax := slices.ContainsFunc(s.nodes, func(n *ir.Node) bool { return n.Op == "Softmax" && s.of.flows[n.In(0)] })
	return slices.ContainsFunc(s.nodes, func(n *ir.Node) bool {
		t := n.RawTraits()
		if len(n.Outputs) == 0 || !s.of.flows[n.Outputs[0]] {
			return false
		}
		return t.Attention || softmax && (t.Linear || n.Op == "Einsum") && len(n.Inputs) > 1 && paramBehind(n.In(0)) == nil && paramBehind(n.In(1)) == nil
	})
}

// residual reports whether a segment adds two computed values.
func (s *segment) residual() bool { return s.combines("Add") }

// gates reports whether a segment does nothing but multiply a value by a function of it, by one or
// two layers, as squeeze and excitation does.
func (s *segment) gates() bool {
	return len(s.layers) <= 2 && s.combines("Mul") && !s.combines("Add") && !s.convolves(depthwise)
}

func (s *segment) combines(op string) bool {
	return slices.ContainsFunc(s.nodes, func(n *ir.Node) bool {
		return n.Op == op && computed(n.In(0)) && computed(n.In(1)) && s.of.flows[n.Outputs[0]]
	})
}

func computed(v *ir.Value) bool {
	return v != nil && v.Kind == ir.Result && paramBehind(v) == nil && !fromConst(v)
}

// fromConst reports whether v is a constant that nodes only pass on.
func fromConst(v *ir.Value) bool {
	for v != nil && v.Node != nil && v.Node.RawTraits().HandsOn {
		v = v.Node.In(0)
	}
	return v.IsConst()
}

// paramBehind follows v through nodes that only pass a weight on.
func paramBehind(v *ir.Value) *ir.Value {
	for v != nil && v.Node != nil && v.Node.RawTraits().HandsOn {
		v = v.Node.In(0)
	}
	if v == nil || v.Kind != ir.Param {
		return nil
	}
	return v
}

// convolves reports whether the only layer of a segment is a convolution of a kind.
func (s *segment) convolves(kind func(n *ir.Node, filters []int) bool) bool {
	if len(s.layers) != 1 || s.layers[0].op != "Conv" {
		return false
	}
	for _, n := range s.nodes {
		if n.Name == s.layers[0].Nodes[0] {
			return kind(n, s.layers[0].Value.Type.Shape)
		}
	}
	return false
}

func depthwise(n *ir.Node, filters []int) bool {
	return n.Attrs.Int("group", 1) > 1 && filters[1] == 1
}

func pointwise(n *ir.Node, filters []int) bool {
	return n.Attrs.Int("group", 1) == 1 && !slices.ContainsFunc(filters[2:], func(d int) bool { return d != 1 })
}

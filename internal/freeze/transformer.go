package freeze

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Use is what a linear layer is for in a transformer; several where one layer computes several, as
// queries, keys and values in one product. The graph shows it. Names do not, since exporters choose
// them freely.
type Use uint8

// The uses.
const (
	UseQuery  Use = 1 << iota
	UseKey        // keys of attention
	UseValue      // values of attention
	UseOutput     // reads what attention gives
	UseExpand     // first layer of a feed-forward part, a gate too
	UseReduce     // last layer of a feed-forward part: it reads the hidden activation

	UseAttention   = UseQuery | UseKey | UseValue | UseOutput
	UseFeedForward = UseExpand | UseReduce
)

// uses are the words for uses in selectors of the form kind:USE.
var uses = map[string]Use{
	"query": UseQuery, "key": UseKey, "value": UseValue, "output": UseOutput,
	"attention": UseAttention, "feedforward": UseFeedForward,
}

// findUses finds what the linear layers of a raw graph are for, and whether the graph has any
// attention.
func findUses(raw *ir.Graph, users map[*ir.Value][]*ir.Node, weights []*Weight) (attention bool) {
	t := transformer{users: users, of: map[*ir.Node]*Weight{}}
	var linear []*Weight
	for _, w := range weights {
		if w.Role != RoleWeight && w.Role != RoleAdapter || len(w.Value.Type.Shape) != 2 {
			continue
		}
		readers(users, w.Value, 0, func(n *ir.Node, slot int) {
			if slot == 1 && (n.Op == "MatMul" || n.Op == "Gemm" || n.Op == "FusedMatMul") {
				t.of[n] = w
			}
		})
		if w.Role == RoleWeight && !w.Head {
			linear = append(linear, w)
		}
	}
	for _, n := range raw.Nodes {
		attention = t.attention(n) || attention
	}
	for n, w := range t.of {
		if !slices.Contains(linear, w) {
			continue
		}
		if first, ok := t.activated(n.Inputs[0]); ok {
			w.Use |= UseReduce
			for _, f := range first {
				f.Use |= UseExpand
			}
		}
	}
	for _, w := range t.of {
		if !slices.Contains(linear, w) {
			w.Use = 0
		}
	}
	return attention
}

// transformer finds the parts of a transformer in a graph.
type transformer struct {
	users map[*ir.Value][]*ir.Node
	of    map[*ir.Node]*Weight // the linear layers, by their nodes
}

// attention marks the layers around a node if it is attention, or the softmax of attention that an
// exporter wrote out.
func (t *transformer) attention(n *ir.Node) bool {
	mark := func(v *ir.Value, use Use) {
		for _, w := range t.sources(v) {
			w.Use |= use
		}
	}
	switch {
	case n.RawTraits().Attention:
		if n.In(2) != nil && n.In(1) != nil && n.In(2).Kind == ir.Result {
			mark(n.In(0), UseQuery)
			mark(n.In(1), UseKey)
			mark(n.In(2), UseValue)
		} else {
			mark(n.In(0), UseQuery|UseKey|UseValue)
		}
		t.output(n.Outputs[0], 0)
	case n.Op == "Softmax":
		product, value := t.weighted(n.Outputs[0], 0)
		scores := t.product(n.Inputs[0], 0)
		if product == nil || scores == nil {
			return false
		}
		mark(scores.In(0), UseQuery)
		mark(scores.In(1), UseKey)
		mark(value, UseValue)
		t.output(product.Outputs[0], 0)
	default:
		return false
	}
	return true
}

// output marks the linear layers that read v, also through nodes that only move or pick its
// elements.
func (t *transformer) output(v *ir.Value, depth int) {
	for _, n := range t.users[v] {
		switch w := t.of[n]; {
		case w != nil && n.In(0) == v:
			w.Use |= UseOutput
		case w == nil && n.RawTraits().HandsOn && n.In(0) == v && depth < 8:
			t.output(n.Outputs[0], depth+1)
		}
	}
}

// weighted finds the product of v, the weights of attention, with a value.
func (t *transformer) weighted(v *ir.Value, depth int) (product *ir.Node, value *ir.Value) {
	for _, n := range t.users[v] {
		switch traits := n.RawTraits(); {
		case n.Op == "MatMul":
			if n.In(0) == v && n.In(1).Kind == ir.Result {
				return n, n.In(1)
			}
		case (traits.Elementwise || traits.HandsOn) && depth < 6:
			if p, value := t.weighted(n.Outputs[0], depth+1); p != nil {
				return p, value
			}
		}
	}
	return nil, nil
}

// product finds the product of two computed values of which v is a scaled and masked form.
func (t *transformer) product(v *ir.Value, depth int) *ir.Node {
	if v == nil || v.Node == nil || depth > 12 || t.of[v.Node] != nil {
		return nil
	}
	switch n, traits := v.Node, v.Node.RawTraits(); {
	case n.Op == "MatMul":
		if n.In(0).Kind == ir.Result && n.In(1).Kind == ir.Result {
			return n
		}
	case traits.Elementwise || traits.HandsOn:
		for _, in := range n.Inputs {
			if p := t.product(in, depth+1); p != nil {
				return p
			}
		}
	}
	return nil
}

// sources are the linear layers from which v is computed, without another linear layer between.
func (t *transformer) sources(v *ir.Value) []*Weight {
	var out []*Weight
	seen := map[*ir.Node]bool{}
	stack := []*ir.Value{v}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v == nil || v.Node == nil || seen[v.Node] {
			continue
		}
		n := v.Node
		seen[n] = true
		if w := t.of[n]; w != nil {
			out = append(out, w)
			continue
		}
		// sizes and weights depend on other layers, values do not
		if n.Op != "Shape" && n.Op != "Softmax" {
			stack = append(stack, n.Inputs...)
		}
	}
	return out
}

// activated reports whether v is the activation of linear layers, gated or not, and of which:
// elementwise operators lead back to linear layers on every path, and one of the operators is
// nonlinear.
func (t *transformer) activated(v *ir.Value) (of []*Weight, ok bool) {
	bends := false
	seen := map[*ir.Node]bool{}
	var only func(v *ir.Value) bool
	only = func(v *ir.Value) bool {
		if v == nil || v.Kind == ir.Param || v.Kind == ir.Const {
			return true
		}
		if v.Node == nil {
			return false
		}
		if seen[v.Node] {
			return true
		}
		seen[v.Node] = true
		if w := t.of[v.Node]; w != nil {
			of = append(of, w)
			return true
		}
		switch traits := v.Node.RawTraits(); {
		case traits.Activation:
			bends = true
		case traits.Elementwise, traits.HandsOn, traits.Part, len(v.Node.Inputs) == 0:
		default:
			return false
		}
		for _, in := range v.Node.Inputs {
			if !only(in) {
				return false
			}
		}
		return true
	}
	ok = only(v) && bends && len(of) > 0
	return of, ok
}

// Selectors name the uses, one selector a use.
func (u Use) Selectors() []string {
	var out []string
	for _, k := range []struct {
		use  Use
		word string
	}{{UseQuery, "query"}, {UseKey, "key"}, {UseValue, "value"}, {UseOutput, "output"}, {UseFeedForward, "feedforward"}} {
		if u&k.use != 0 {
			out = append(out, "kind:"+k.word)
		}
	}
	return out
}

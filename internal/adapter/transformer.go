package adapter

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// The graph shows what a linear layer is for. Its name does not, since exporters choose names
// freely.

// transformer finds the linear layers that compute keys and values, and those that read the hidden
// activation of a feed-forward part. Attention is true where the graph has any attention.
func (b *builder) transformer(linear []*layer) (kv, hidden []*layer, attention bool) {
	of := map[*ir.Node]*layer{}
	for _, l := range linear {
		for _, r := range l.reads {
			of[r.node] = l
		}
	}
	is := map[*layer]bool{}
	for _, v := range b.keysAndValues(of) {
		attention = true
		for _, l := range sources(v, of) {
			is[l] = true
		}
	}
	for _, l := range linear {
		switch {
		case is[l]:
			kv = append(kv, l)
		case activated(l.reads[0].node.Inputs[0], of):
			h := *l
			h.hidden = true
			hidden = append(hidden, &h)
		}
	}
	return kv, hidden, attention
}

// keysAndValues are the keys and values that attention reads.
func (b *builder) keysAndValues(of map[*ir.Node]*layer) []*ir.Value {
	var out []*ir.Value
	for _, n := range b.g.Nodes {
		switch t := n.RawTraits(); {
		case t.Attention:
			if n.In(2) != nil && n.In(1) != nil && n.In(2).Kind == ir.Result {
				out = append(out, n.In(1), n.In(2))
			} else {
				out = append(out, n.In(0))
			}
		case n.Op == "Softmax": // attention that an exporter wrote out
			value := b.weighted(n.Outputs[0], 0)
			scores := product(n.Inputs[0], of, 0)
			if value != nil && scores != nil {
				out = append(out, scores.In(1), value)
			}
		}
	}
	return out
}

// weighted finds the value by which attention weights v are multiplied.
func (b *builder) weighted(v *ir.Value, depth int) *ir.Value {
	for _, n := range b.users[v] {
		switch t := n.RawTraits(); {
		case n.Op == "MatMul":
			if n.In(0) == v && n.In(1).Kind == ir.Result {
				return n.In(1)
			}
		case (t.Elementwise || t.HandsOn) && depth < 6:
			if w := b.weighted(n.Outputs[0], depth+1); w != nil {
				return w
			}
		}
	}
	return nil
}

// product finds the product of two computed values of which v is a scaled and masked form.
func product(v *ir.Value, of map[*ir.Node]*layer, depth int) *ir.Node {
	if v == nil || v.Node == nil || depth > 12 || of[v.Node] != nil {
		return nil
	}
	switch n, t := v.Node, v.Node.RawTraits(); {
	case n.Op == "MatMul":
		if n.In(0).Kind == ir.Result && n.In(1).Kind == ir.Result {
			return n
		}
	case t.Elementwise || t.HandsOn:
		for _, in := range n.Inputs {
			if p := product(in, of, depth+1); p != nil {
				return p
			}
		}
	}
	return nil
}

// sources are the linear layers from which v is computed, without another linear layer between.
func sources(v *ir.Value, of map[*ir.Node]*layer) []*layer {
	var out []*layer
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
		if l := of[n]; l != nil {
			if !slices.Contains(out, l) {
				out = append(out, l)
			}
			continue
		}
		// sizes and weights depend on other layers, values do not
		if n.Op != "Shape" && n.Op != "Softmax" {
			stack = append(stack, n.Inputs...)
		}
	}
	return out
}

// activated reports whether v is the activation of another linear layer, gated or not: elementwise
// operators lead back to linear layers on every path, and one of the operators is nonlinear.
func activated(v *ir.Value, of map[*ir.Node]*layer) bool {
	bends, found := false, false
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
		if of[v.Node] != nil {
			found = true
			return true
		}
		switch t := v.Node.RawTraits(); {
		case t.Activation:
			bends = true
		case t.Elementwise, t.HandsOn, t.Part, len(v.Node.Inputs) == 0:
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
	return only(v) && bends && found
}

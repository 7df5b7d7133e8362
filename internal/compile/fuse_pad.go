package compile

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// fusePads merges zero padding of spatial axes into the convolution that reads it, and removes
// empty padding. TensorFlow's SAME at stride 2 is exported with such padding.
func fusePads(g *ir.Graph) error {
	return rewrite(g, func(m *matcher, n *ir.Node) *ir.Node {
		if n.Op != "Conv" || n.Attrs.Str("layout", "") != "" {
			return nil
		}
		pad := m.by(n.Inputs[0], "Pad")
		if pad == nil || pad.Attrs.Str("mode", "constant") != "constant" {
			return nil
		}
		if v := pad.In(1); v != nil {
			if x, ok := number(v); !ok || x != 0 {
				return nil
			}
		}
		by := pad.Attrs.Ints("pads")
		rank := len(pad.Inputs[0].Type.Shape)
		if len(by) != 2*rank || by[0] != 0 || by[1] != 0 || by[rank] != 0 || by[rank+1] != 0 {
			return nil
		}
		sum := make([]int, 2*(rank-2))
		copy(sum, n.Attrs.Ints("pads"))
		for i := range rank - 2 {
			sum[i] += by[2+i]
			sum[rank-2+i] += by[rank+2+i]
		}
		for _, p := range by {
			if p < 0 {
				return nil
			}
		}
		inputs := append([]*ir.Value{pad.Inputs[0]}, n.Inputs[1:]...)
		return &ir.Node{Name: n.Name, Op: "Conv", Inputs: inputs, Attrs: n.Attrs.With("pads", sum)}
	})
}

// dropIdentities removes nodes that return their input unchanged. It keeps dropout that training
// may switch on; see dropDropout.
func dropIdentities(g *ir.Graph) error {
	return bypass(g, func(n *ir.Node) bool {
		same := n.Traits().Identity
		return same != nil && same(n)
	})
}

// dropDropout removes dropout that is off. Outside the live region in training, this is all
// dropout.
func dropDropout(g *ir.Graph) error {
	return bypass(g, func(n *ir.Node) bool { return n.Op == "Dropout" && n.In(1) == nil })
}

// bypass makes readers of a node's result read its first input instead, for every node that accept
// selects.
func bypass(g *ir.Graph, accept func(n *ir.Node) bool) error {
	alias := map[*ir.Value]*ir.Value{}
	for _, n := range g.Nodes {
		for i, v := range n.Inputs {
			if w := alias[v]; w != nil {
				n.Inputs[i] = w
			}
		}
		if accept(n) {
			alias[n.Outputs[0]] = n.Inputs[0]
		}
	}
	for i, v := range g.Outputs {
		if w := alias[v]; w != nil {
			g.Outputs[i] = w
		}
	}
	g.Prune()
	return nil
}

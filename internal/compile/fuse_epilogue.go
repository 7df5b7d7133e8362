package compile

import (
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// fuseEpilogues merges the bias, the residual sum and the activation after a convolution or product
// into it, so that a result is written to memory once. It runs on a region after differentiation. A
// value that backward reads has another reader and is not merged.
func fuseEpilogues(g *ir.Graph) error {
	return rewrite(g, matchClampedRelu, matchBias, matchResidual, matchActivation)
}

// matchClampedRelu: a clip with a lower bound of 0 or more makes the relu before it redundant.
func matchClampedRelu(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Clip" || n.Attrs.Float("min", -1) < 0 {
		return nil
	}
	relu := m.by(n.Inputs[0], "Relu")
	if relu == nil {
		return nil
	}
	return &ir.Node{Name: n.Name, Op: "Clip", Inputs: relu.Inputs, Attrs: n.Attrs}
}

// product returns the node that computes v if it is a Conv or MatMul without an activation, and
// nothing else reads its result.
func (m *matcher) product(v *ir.Value) *ir.Node {
	p := m.by(v, "Conv")
	if p == nil {
		p = m.by(v, "MatMul")
	}
	if p == nil || p.Attrs.Has("act") || v.Type.DType != tensor.Float32 {
		return nil
	}
	return p
}

// extend copies a product with one more input.
func extend(p *ir.Node, name string, at int, v *ir.Value) *ir.Node {
	in := slices.Clone(p.Inputs)
	for len(in) <= at {
		in = append(in, nil)
	}
	in[at] = v
	return &ir.Node{Name: name, Op: p.Op, Inputs: in, Attrs: p.Attrs}
}

// matchBias: a matrix product plus a vector over the last axis.
func matchBias(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Add" {
		return nil
	}
	for i, v := range n.Inputs {
		p := m.product(v)
		b := n.Inputs[1-i]
		if p == nil || p.Op != "MatMul" || p.In(2) != nil || p.In(3) != nil || len(b.Type.Shape) != 1 {
			continue
		}
		if s := v.Type.Shape; b.Type.Shape[0] != s[len(s)-1] || b.Kind == ir.Result && b.Node != nil && !before(m.g, b.Node, p) {
			continue
		}
		return extend(p, p.Name, 2, b)
	}
	return nil
}

// matchResidual: a product, or the gradient of a convolution's input, plus an earlier value of the same
// shape.
func matchResidual(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Add" {
		return nil
	}
	for i, v := range n.Inputs {
		r := n.Inputs[1-i]
		p := m.product(v)
		if p == nil {
			p = m.by(v, "ConvGradInput")
		}
		if p == nil || p.In(3) != nil || r == v || !r.Type.Equal(v.Type) || v.Type.DType != tensor.Float32 {
			continue
		}
		return extend(p, p.Name, 3, r)
	}
	return nil
}

func matchActivation(m *matcher, n *ir.Node) *ir.Node {
	attrs, ok := op.FuseAct(n)
	if !ok {
		return nil
	}
	p := m.product(n.Inputs[0])
	if p == nil {
		return nil
	}
	all := maps.Clone(p.Attrs)
	if all == nil {
		all = ir.Attrs{}
	}
	maps.Copy(all, attrs)
	return &ir.Node{Name: p.Name, Op: p.Op, Inputs: p.Inputs, Attrs: all}
}

// before reports whether a comes before b.
func before(g *ir.Graph, a, b *ir.Node) bool {
	for _, n := range g.Nodes {
		if n == a {
			return true
		}
		if n == b {
			return false
		}
	}
	return false
}

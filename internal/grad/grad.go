// Package grad turns a graph into its training graph.
//
// In: a graph, its loss, and the thawed weights. Out: nodes that compute the gradients. It builds
// gradient nodes only on paths to a thawed weight.
package grad

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Differentiate adds to g the nodes that compute the gradient of loss, a float scalar, with respect
// to the values wrt. It returns one gradient per value, nil if the loss does not depend on it.
//
// Only values that depend on wrt get a gradient, and each rule computes only the gradients that are
// needed. If an operator between wrt and loss has no gradient, the error names its node.
func Differentiate(g *ir.Graph, loss *ir.Value, wrt []*ir.Value) ([]*ir.Value, error) {
	if loss.Type.Shape.Len() != 1 || !loss.Type.DType.IsFloat() {
		return nil, fmt.Errorf("grad: loss %q is %v, want a float scalar", loss.Name, loss.Type)
	}
	live := Live(g, wrt)
	if !live[loss] {
		return nil, fmt.Errorf("grad: loss %q depends on none of the %d thawed weights", loss.Name, len(wrt))
	}
	forward := g.Nodes[:len(g.Nodes):len(g.Nodes)]
	needed := g.Ancestors(loss)

	one := tensor.New(loss.Type.DType, loss.Type.Shape...)
	if err := fillOne(one); err != nil {
		return nil, err
	}
	d := map[*ir.Value]*ir.Value{loss: g.NewConst("grad/"+loss.Name, one)}
	for i := len(forward) - 1; i >= 0; i-- {
		n := forward[i]
		if !needed[n] {
			continue
		}
		if err := backward(g, n, live, d); err != nil {
			return nil, err
		}
	}
	out := make([]*ir.Value, len(wrt))
	for i, v := range wrt {
		out[i] = d[v]
	}
	return out, nil
}

// backward adds the gradient nodes of one node and accumulates into d.
func backward(g *ir.Graph, n *ir.Node, live map[*ir.Value]bool, d map[*ir.Value]*ir.Value) error {
	dy := make([]*ir.Value, len(n.Outputs))
	any := false
	for i, v := range n.Outputs {
		if v != nil && live[v] && d[v] != nil {
			dy[i] = d[v]
			any = true
		}
	}
	if !any {
		return nil
	}
	need := make([]bool, len(n.Inputs))
	wanted := false
	for i, v := range n.Inputs {
		if v != nil && live[v] && v.Type.DType.IsFloat() {
			need[i], wanted = true, true
		}
	}
	if !wanted {
		return nil
	}
	def := ir.Lookup(n.Op)
	if def.Grad == nil {
		return fmt.Errorf("grad: %w", n.Errorf("has no gradient, but a thawed weight lies before it: freeze that weight, or attach the head earlier"))
	}
	b := ir.NewBuilder(g, "grad/"+n.Name)
	dx := def.Grad(b, n, dy, need)
	if err := b.Err(); err != nil {
		return fmt.Errorf("grad: %w", err)
	}
	for i, v := range n.Inputs {
		if !need[i] || i >= len(dx) || dx[i] == nil {
			continue
		}
		if !dx[i].Type.Equal(v.Type) {
			return fmt.Errorf("grad: %w", n.Errorf("gradient of input %d is %v, the input %v", i, dx[i].Type, v.Type))
		}
		if prev := d[v]; prev != nil {
			sum := b.Op("Add", nil, prev, dx[i])
			if err := b.Err(); err != nil {
				return fmt.Errorf("grad: %w", err)
			}
			d[v] = sum
		} else {
			d[v] = dx[i]
		}
	}
	return nil
}

// Live returns the values that depend on any of roots, including the roots.
func Live(g *ir.Graph, roots []*ir.Value) map[*ir.Value]bool {
	live := map[*ir.Value]bool{}
	for _, v := range roots {
		live[v] = true
	}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v == nil || !live[v] {
				continue
			}
			for _, o := range n.Outputs {
				if o != nil {
					live[o] = true
				}
			}
			break
		}
	}
	return live
}

// Frontier lists the values at which a graph that is thawed at roots changes from inference to
// training. They are not live themselves, are computed by a node or are inputs, and are read by a
// live node or are outputs. They are what the frozen region passes to the live one, in order of
// definition.
func Frontier(g *ir.Graph, roots []*ir.Value) []*ir.Value {
	live := Live(g, roots)
	var out []*ir.Value
	seen := map[*ir.Value]bool{}
	visit := func(v *ir.Value) {
		if v != nil && !live[v] && !seen[v] && (v.Kind == ir.Result || v.Kind == ir.Input) {
			seen[v] = true
			out = append(out, v)
		}
	}
	for _, n := range g.Nodes {
		alive := false
		for _, v := range n.Inputs {
			alive = alive || v != nil && live[v]
		}
		if !alive {
			continue
		}
		for _, v := range n.Inputs {
			visit(v)
		}
	}
	for _, v := range g.Outputs {
		visit(v)
	}
	return out
}

func fillOne(t *tensor.Tensor) error {
	switch t.DType {
	case tensor.Float32:
		t.F32()[0] = 1
	case tensor.Float64:
		tensor.Data[float64](t)[0] = 1
	default:
		return fmt.Errorf("grad: a loss of type %v is not differentiated: compute it in float32", t.DType)
	}
	return nil
}

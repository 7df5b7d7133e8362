package split

import (
	"cmp"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// BackwardCost is the backward work that training one weight needs, in floating-point operations
// for a batch of two.
type BackwardCost struct {
	Weight *freeze.Weight
	Own    float64 // for its gradient, given the gradient of its layer's output
	// for the gradient of its layer's output, starting at the loss; shared with every weight closer
	// to the loss
	Reach float64
}

// BackwardCosts lists the cost of training each weight of the trunk, from the loss to the input.
// For a product or convolution, the gradient with respect to either operand costs as much as the
// operation itself, as it takes the same multiplications. Any other gradient costs one operation
// per element of the layer's output. Reach adds up all later layers, including those of parallel
// branches.
func (n *Network) BackwardCosts() ([]BackwardCost, error) {
	g, err := compile.Model(n.Headed.Graph, compile.Options{Shapes: n.Base.Shapes(2), Plain: true})
	if err != nil {
		return nil, err
	}
	reads := weightsRead(g, n.Set)
	costs := map[*freeze.Weight]*BackwardCost{}
	reach := 0.0
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		ws, dynamic := reads[g.Nodes[i]]
		if !dynamic {
			continue
		}
		work := float64(g.Nodes[i].FLOPs())
		for _, w := range ws {
			c := costs[w]
			if c == nil {
				c = &BackwardCost{Weight: w}
				costs[w] = c
			}
			c.Reach = reach
			if w.Role == freeze.RoleWeight {
				c.Own += work
			} else {
				c.Own += float64(g.Nodes[i].Outputs[0].Type.Shape.Len())
			}
		}
		reach += work
	}
	var out []BackwardCost
	for _, w := range slices.Backward(n.Set.Weights) {
		if c := costs[w]; c != nil && w.Block >= 0 && w.Role.Trains() {
			out = append(out, *c)
		}
	}
	slices.SortStableFunc(out, func(a, b BackwardCost) int { return cmp.Compare(a.Reach, b.Reach) })
	return out, nil
}

// weightsRead maps every node that depends on the inputs to the weights that it reads, directly or
// through nodes that read only weights.
func weightsRead(g *ir.Graph, set *freeze.Set) map[*ir.Node][]*freeze.Weight {
	static := map[*ir.Value][]*freeze.Weight{}
	for _, p := range g.Params() {
		static[p] = nil
		if w := set.ByName(p.Name); w != nil {
			static[p] = []*freeze.Weight{w}
		}
	}
	out := map[*ir.Node][]*freeze.Weight{}
	for _, n := range g.Nodes {
		from, depends := map[*freeze.Weight]bool{}, false
		for _, v := range n.Inputs {
			ws, fixed := static[v]
			depends = depends || v != nil && v.Kind != ir.Const && !fixed
			for _, w := range ws {
				from[w] = true
			}
		}
		ws := slices.SortedFunc(maps.Keys(from), func(a, b *freeze.Weight) int { return cmp.Compare(a.Name, b.Name) })
		if depends {
			out[n] = ws
			continue
		}
		for _, v := range n.Outputs {
			static[v] = ws
		}
	}
	return out
}

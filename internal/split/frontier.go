package split

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// frontier finds the values at which the frozen region ends and the live region begins. They are
// identified by their index in the graph, which is the same for every batch size.
//
// Every frontier value has the examples on its first axis, so that it can be kept per example. If
// the plain frontier contains another value, such as a sequence-first tensor inside an attention
// layer, the values from which it is computed are used instead. The few nodes between them then run
// with the live region. The same applies to masks of examples with several lengths, see fromInputs.
func (n *Network) frontier(g *ir.Graph) ([]*ir.Value, error) {
	if err := n.Prepare(); err != nil {
		return nil, err
	}
	all := values(g)
	out := make([]*ir.Value, len(n.cut))
	for i, k := range n.cut {
		if k >= len(all) {
			return nil, fmt.Errorf("split: the graph of this batch size has another structure")
		}
		out[i] = all[k]
	}
	return out, nil
}

func (n *Network) chooseCut(small, large *ir.Graph) ([]int, error) {
	a, b := values(small), values(large)
	if len(a) != len(b) {
		return nil, fmt.Errorf("split: the graph changes its structure with the batch size")
	}
	position := map[*ir.Value]int{}
	for i, v := range a {
		position[v] = i
	}
	perExample := func(i int) bool {
		s, l := a[i].Type.Shape, b[i].Type.Shape
		return len(s) > 0 && len(l) == len(s) && s[0]%2 == 0 && s[0] > 0 && s[0]/2*3 == l[0] && s[1:].Equal(l[1:])
	}
	var roots []*ir.Value
	for _, v := range n.thawed(small) {
		if v != nil {
			roots = append(roots, v)
		}
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("split: the output depends on none of the thawed weights")
	}
	live := grad.Live(small, roots)
	taken := map[int]bool{}
	var cut []int
	var take func(v *ir.Value)
	take = func(v *ir.Value) {
		if v == nil || live[v] || v.Kind == ir.Param || v.Kind == ir.Const {
			return
		}
		i := position[v]
		if taken[i] {
			return
		}
		if v.Node == nil || perExample(i) && !(n.Form != nil && fromInputs(small, v)) {
			taken[i] = true
			cut = append(cut, i)
			return
		}
		for _, in := range v.Node.Inputs {
			take(in)
		}
	}
	for _, v := range grad.Frontier(small, roots) {
		take(v)
	}
	return cut, nil
}

// values lists inputs and results in order of definition; an output that nobody asks for is nil.
func values(g *ir.Graph) []*ir.Value {
	out := append([]*ir.Value(nil), g.Inputs...)
	for _, n := range g.Nodes {
		out = append(out, n.Outputs...)
	}
	return out
}

// FrontierTypes returns the types and names of the frontier values for a batch size.
func (n *Network) FrontierTypes(batch int) ([]ir.Type, []string, error) {
	g, err := n.Graph(batch)
	if err != nil {
		return nil, nil, err
	}
	cut, err := n.frontier(g)
	if err != nil {
		return nil, nil, err
	}
	var types []ir.Type
	var names []string
	for _, v := range cut {
		types = append(types, v.Type)
		names = append(names, v.Name)
	}
	return types, names, nil
}

package compile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Recomputed says what a program recomputes in the backward pass instead of keeping it.
type Recomputed struct {
	Values int // number of values
	Bytes  int // bytes saved
}

func (r Recomputed) String() string {
	return fmt.Sprintf("%d values are computed again for the backward pass, which saves %.1f MiB", r.Values, float64(r.Bytes)/(1<<20))
}

// recompute rewrites g until its memory fits the budget, 0 for none, or nothing more helps. Within the
// budget it goes on with large values, as far as the graph's spare bytes go. A cheap value that only the
// backward pass still needs is recomputed there, by a copy of its node before its first late reader.
// Values are tried by size. If a copy would keep other buffers of the same size alive, the value is
// left unchanged.
func recompute(g *ir.Graph, p *memoryPlan, budget int) (*memoryPlan, Recomputed, error) {
	var done Recomputed
	if len(g.Outputs) == 0 {
		return p, done, nil
	}
	first, spare := p.total(), spare(g)
	at := func() int { return max(0, slices.Index(g.Nodes, g.Outputs[0].Node)) } // the loss
	var candidates []*ir.Value
	for _, n := range g.Nodes[:at()] {
		if cheap(n) && !slices.Contains(g.Outputs, n.Outputs[0]) {
			candidates = append(candidates, n.Outputs[0])
		}
	}
	slices.SortStableFunc(candidates, func(a, b *ir.Value) int { return cmp.Compare(b.Type.Bytes(), a.Type.Bytes()) })
	for _, v := range candidates {
		within := budget == 0 || p.total() <= budget
		if within && v.Type.Bytes() < p.total()/largePart {
			break
		}
		nodes := slices.Clone(g.Nodes)
		copied := late(g, v, at())
		if copied == nil {
			continue
		}
		moved := moves(g, nodes)
		if within && moved > spare {
			undo(g, nodes, copied, v)
			continue
		}
		q, err := planMemory(g, p.bounds)
		if err != nil {
			return nil, done, err
		}
		if q.total() < p.total() {
			p = q
			done.Values++
			spare -= moved
			continue
		}
		undo(g, nodes, copied, v) // no gain
	}
	done.Bytes = first - p.total()
	return p, done, nil
}

// undo takes a copy of v out again, to leave the nodes given.
func undo(g *ir.Graph, nodes []*ir.Node, copied, v *ir.Value) {
	for _, n := range g.Nodes {
		for i, in := range n.Inputs {
			if in == copied {
				n.Inputs[i] = v
			}
		}
	}
	g.Nodes = nodes
}

// moves is how many bytes the nodes move that g has beside those given.
func moves(g *ir.Graph, nodes []*ir.Node) (bytes int64) {
	had := map[*ir.Node]bool{}
	for _, n := range nodes {
		had[n] = true
	}
	for _, n := range g.Nodes {
		if cost := ir.Lookup(n.Op).Cost; !had[n] && cost != nil {
			bytes += cost(n).Bytes
		}
	}
	return bytes
}

// sparePart is the part of a program's time that saving memory may take where no budget asks for it,
// and opsPerByte how many operations a processor does in the time that it moves a byte, about.
const (
	sparePart  = 0.02
	opsPerByte = 20
)

// largePart is the part of a program's memory from which on a value is large: a hundredth.
const largePart = 100

// spare is how many bytes may be moved to save memory without a budget: so few that no one sees the
// difference.
func spare(g *ir.Graph) int64 { return int64(sparePart / opsPerByte * float64(g.FLOPs())) }

func cheap(n *ir.Node) bool {
	return n.Traits().Cheap && n.Outputs[0] != nil && !n.Attrs.Bool("random")
}

// late makes the readers of v after the loss read a copy, which is computed just before the first
// of them, and returns the copy. It returns nil if there is no such reader. Cheap values that the
// copy reads, and that nothing else after the loss reads, are copied too.
func late(g *ir.Graph, v *ir.Value, loss int) *ir.Value {
	last := map[*ir.Value]int{}
	first := -1
	for i, n := range g.Nodes {
		for _, in := range n.Inputs {
			if in != nil {
				last[in] = i
			}
			if in == v && i > loss && first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return nil
	}
	var chain []*ir.Node
	copied := again(g, v, func(u *ir.Value) bool { return last[u] > loss || slices.Contains(g.Outputs, u) }, 3, &chain)
	for _, m := range g.Nodes[first:] {
		for i, in := range m.Inputs {
			if in == v {
				m.Inputs[i] = copied
			}
		}
	}
	g.Nodes = slices.Insert(g.Nodes, first, chain...)
	return copied
}

// again copies the node that computes v, and up to depth cheap nodes before it whose results are
// not kept.
func again(g *ir.Graph, v *ir.Value, kept func(*ir.Value) bool, depth int, chain *[]*ir.Node) *ir.Value {
	n := v.Node
	c := &ir.Node{Name: g.Unique(n.Name + "/again"), Op: n.Op, Inputs: slices.Clone(n.Inputs), Attrs: n.Attrs}
	types := make([]ir.Type, len(n.Outputs))
	for i, o := range n.Outputs {
		if o != nil {
			types[i] = o.Type
		}
	}
	for i, u := range c.Inputs {
		if u != nil && u.Node != nil && depth > 0 && u.Kind == ir.Result && !kept(u) && cheap(u.Node) && u.Out == 0 {
			c.Inputs[i] = again(g, u, kept, depth-1, chain)
		}
	}
	g.AddNode(c, types, v.Name)
	g.Nodes = g.Nodes[:len(g.Nodes)-1]
	*chain = append(*chain, c)
	return c.Outputs[0]
}

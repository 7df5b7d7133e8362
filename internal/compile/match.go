package compile

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// matcher finds subgraphs by pattern and replaces them by one operator. Rules search backwards from
// the last node of a pattern. Nothing outside may read the nodes that are replaced.
type matcher struct {
	g     *ir.Graph
	users map[*ir.Value]int
	// a node has graphs of its own, which may read values of this one
	captures bool
	pre      []*ir.Node // nodes that a match needs before the operator that it returns
	err      error
}

// add makes a node that the operator of a match reads.
func (m *matcher) add(name, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
	n := &ir.Node{Name: m.g.Unique(name), Op: op, Inputs: in, Attrs: attrs}
	types, err := ir.Lookup(op).Infer(n)
	if err != nil {
		if m.err == nil {
			m.err = n.Errorf("%w", err)
		}
		return in[0]
	}
	m.g.AddNode(n, types)
	m.g.Nodes = m.g.Nodes[:len(m.g.Nodes)-1]
	m.pre = append(m.pre, n)
	return n.Outputs[0]
}

// rewrite runs the rules one after the other, each over every node until it matches nowhere. A rule
// that matches returns the operator that replaces the node. List rules for larger patterns first.
func rewrite(g *ir.Graph, rules ...func(m *matcher, n *ir.Node) *ir.Node) error {
	for _, rule := range rules {
		m := newMatcher(g)
		for changed, first := true, true; changed; {
			var err error
			if changed, err = m.once(rule); err != nil {
				return err
			}
			if first && changed || m.captures { // what was dead before the first match is gone
				g.Prune()
				m = newMatcher(g)
				first = false
			}
		}
	}
	g.Prune()
	return nil
}

// newMatcher counts who reads what.
func newMatcher(g *ir.Graph) *matcher {
	m := &matcher{g: g, users: make(map[*ir.Value]int, 2*len(g.Nodes))}
	for _, n := range g.Nodes {
		m.read(n, 1)
		m.captures = m.captures || len(n.Attrs.Graphs()) > 0
	}
	for _, v := range g.Outputs {
		m.users[v]++
	}
	return m
}

// read counts the inputs of a node that comes, or with -1 of one that goes.
func (m *matcher) read(n *ir.Node, by int) {
	for _, v := range n.Inputs {
		m.users[v] += by
	}
}

// once applies the first match.
func (m *matcher) once(rule func(m *matcher, n *ir.Node) *ir.Node) (bool, error) {
	m.pre = nil
	for i, n := range m.g.Nodes {
		if r := rule(m, n); r != nil {
			return true, m.replace(i, n, r)
		}
	}
	return false, nil
}

// replace puts r in n's place, and removes what nothing reads any more. Output 0 of r takes over the
// identity of n's.
func (m *matcher) replace(at int, n, r *ir.Node) error {
	if m.err != nil {
		return m.err
	}
	types, err := ir.Lookup(r.Op).Infer(r)
	if err != nil {
		return r.Errorf("%w", err)
	}
	m.g.AddNode(r, types)
	m.g.Nodes = m.g.Nodes[:len(m.g.Nodes)-1]
	y := n.Outputs[0]
	r.Outputs[0] = y
	y.Node, y.Out = r, 0
	m.g.Nodes[at] = r // after everything that it reads, as n or the nodes it replaces read the same
	m.g.Nodes = slices.Insert(m.g.Nodes, at, m.pre...)
	for _, p := range append(m.pre, r) {
		m.read(p, 1)
	}
	m.read(n, -1)
	if !m.captures {
		m.prune(append(m.pre, n))
	}
	return nil
}

// prune removes those of these nodes, and of the nodes before them, that nothing reads. The last of
// these is no longer in the graph.
func (m *matcher) prune(from []*ir.Node) {
	dead := map[*ir.Node]bool{}
	var stack []*ir.Node
	look := func(n *ir.Node) {
		if n != nil && !dead[n] && !slices.ContainsFunc(n.Outputs, func(v *ir.Value) bool { return v != nil && m.users[v] > 0 }) {
			dead[n] = true
			stack = append(stack, n)
		}
	}
	last := len(from) - 1
	for _, n := range from[:last] {
		look(n)
	}
	for _, v := range from[last].Inputs {
		if v != nil {
			look(v.Node)
		}
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		m.read(n, -1)
		for _, v := range n.Inputs {
			if v != nil {
				look(v.Node)
			}
		}
	}
	if len(dead) > 0 {
		m.g.Nodes = slices.DeleteFunc(m.g.Nodes, func(n *ir.Node) bool { return dead[n] })
	}
}

// by returns the node that computes v if it is op and v has no other reader, else nil.
func (m *matcher) by(v *ir.Value, op string) *ir.Node {
	if v == nil || v.Node == nil || v.Node.Op != op || v.Out != 0 || m.users[v] != 1 {
		return nil
	}
	return v.Node
}

// operands returns a binary node's inputs in the order (match, other) for the first input that f
// accepts.
func operands(n *ir.Node, f func(v *ir.Value) bool) (yes, other *ir.Value) {
	if len(n.Inputs) != 2 {
		return nil, nil
	}
	for i, v := range n.Inputs {
		if f(v) {
			return v, n.Inputs[1-i]
		}
	}
	return nil, nil
}

// number returns the single value of a constant.
func number(v *ir.Value) (float64, bool) {
	if !v.IsConst() || v.Type.Shape.Len() != 1 || !v.Type.DType.IsFloat() {
		return 0, false
	}
	return v.Data.Float64s()[0], true
}

// isNumber reports whether v is a constant equal to want within the rounding of half precision.
func isNumber(v *ir.Value, want float64) bool {
	x, ok := number(v)
	return ok && math.Abs(x-want) <= 1e-3*math.Abs(want)
}

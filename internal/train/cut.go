package train

import (
	"fmt"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// cut is a set of values of the frozen region from which all behind it can be computed.
type cut struct {
	points []point
	flops  int64 // of computing the frontier from it, for one example
}

// point is a value at which examples may be kept.
type point struct {
	at   int     // position among the graph's values, see Network.frontier
	name string  // for people
	one  ir.Type // for one example: the first axis is one example's share
	sum  digest  // what it is, see identifier
}

// bytes is the size of the cut for one example.
func (c *cut) bytes() int64 {
	n := int64(0)
	for _, p := range c.points {
		n += int64(p.one.Bytes())
	}
	return n
}

func (c *cut) types() []ir.Type {
	var out []ir.Type
	for _, p := range c.points {
		out = append(out, p.one)
	}
	return out
}

func (c *cut) names() []string {
	var out []string
	for _, p := range c.points {
		out = append(out, p.name)
	}
	return out
}

// between compiles the network between two cuts for a batch. From nil are the inputs, to nil is the frontier.
func (n *Network) between(batch int, from, to *cut) (*compile.Program, error) {
	g, err := n.graph(batch)
	if err != nil {
		return nil, err
	}
	all := values(g)
	pick := func(c *cut) (out []*ir.Value, err error) {
		for _, p := range c.points {
			if p.at >= len(all) || all[p.at].Name != p.name {
				return nil, fmt.Errorf("train: the graph of this batch size has another structure")
			}
			out = append(out, all[p.at])
		}
		return out, nil
	}
	in := g.Inputs
	if from != nil {
		if in, err = pick(from); err != nil {
			return nil, err
		}
	}
	var out []*ir.Value
	if to == nil {
		out, err = n.frontier(g)
	} else {
		out, err = pick(to)
	}
	if err != nil {
		return nil, err
	}
	sub, _ := ir.Extract(g, "frozen", in, out)
	return compile.Region(sub, compile.Memory{})
}

// outline is the frozen region seen from its frontier.
type outline struct {
	net      *Network
	graph    *ir.Graph // for a batch of two
	all      []*ir.Value
	position map[*ir.Value]int
	frontier []*ir.Value
	ids      *identifier
	three    []*ir.Value // the same values for a batch of three, once asked for
}

func (n *Network) outline() (*outline, error) {
	g, err := n.graph(2)
	if err != nil {
		return nil, err
	}
	o := &outline{net: n, graph: g, all: values(g), position: map[*ir.Value]int{}, ids: identify(g)}
	for i, v := range o.all {
		o.position[v] = i
	}
	o.frontier, err = n.frontier(g)
	return o, err
}

// cut describes the given values. It does not say how far they are from the frontier.
func (o *outline) cut(values []*ir.Value) *cut {
	c := &cut{}
	for _, v := range values {
		s := v.Type.Shape.Clone()
		s[0] /= 2
		c.points = append(c.points, point{at: o.position[v], name: v.Name, one: ir.Type{DType: v.Type.DType, Shape: s}, sum: o.ids.of(v)})
	}
	return c
}

// work is the floating point operations of the frozen region for one example.
func (o *outline) work() int64 {
	need := o.graph.Ancestors(o.frontier...)
	n := int64(0)
	for m := range need {
		n += nodeFLOPs(m)
	}
	return n / 2
}

// workPerByte is how many floating point operations take as long as copying a byte of memory.
const workPerByte = 10

// worthKeeping reports whether computing the frontier takes longer than copying it. Where it does not, as where the first layer trains,
// the frontier is computed from the pictures, which have a memory of their own.
func (o *outline) worthKeeping() bool { return o.work() > workPerByte*o.cut(o.frontier).bytes() }

// perExample reports whether all values have the examples on their first axis.
func (o *outline) perExample(set map[*ir.Value]bool) (bool, error) {
	if o.three == nil {
		g, err := o.net.graph(3)
		if err != nil {
			return false, err
		}
		o.three = values(g)
	}
	if len(o.three) != len(o.all) {
		return false, nil
	}
	for v := range set {
		two, three := v.Type.Shape, o.three[o.position[v]].Type.Shape
		if len(two) == 0 || len(three) != len(two) || two[0] == 0 || two[0]%2 != 0 || two[0]/2*3 != three[0] || !two[1:].Equal(three[1:]) {
			return false, nil
		}
	}
	return true, nil
}

// nearest walks from the frontier towards the inputs and stops at values that have been kept. It returns
// nil when a path leads to an input without meeting one, or when the frontier itself is kept.
func (o *outline) nearest(kept func(digest) bool) *cut {
	at := map[*ir.Value]bool{}
	seen := map[*ir.Value]bool{}
	complete := true
	var walk func(v *ir.Value, first bool)
	walk = func(v *ir.Value, first bool) {
		if v == nil || seen[v] || v.Kind == ir.Param || v.Kind == ir.Const {
			return
		}
		seen[v] = true
		if v.Node == nil {
			complete = false
			return
		}
		if !first && kept(o.ids.of(v)) {
			at[v] = true
			return
		}
		for _, in := range v.Node.Inputs {
			walk(in, false)
		}
		for _, g := range v.Node.Attrs.Graphs() {
			for _, in := range g.Captures() {
				walk(in, false)
			}
		}
	}
	for _, v := range o.frontier {
		walk(v, true)
	}
	if !complete || len(at) == 0 {
		return nil
	}
	return o.cut(o.ordered(at))
}

// ordered lists a set of values by position.
func (o *outline) ordered(set map[*ir.Value]bool) []*ir.Value {
	var out []*ir.Value
	for v := range set {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *ir.Value) int { return o.position[a] - o.position[b] })
	return out
}

// cheapest finds the cut that saves most when at most budget bytes may be kept for each example: of all
// places at which the frozen region can be divided in its order of computation, and whose values have the examples on their first
// axis, the one with the least work left. It is nil when none fits, or none saves anything.
func (o *outline) cheapest(budget int64) (*cut, error) {
	need := o.graph.Ancestors(o.frontier...)
	nodes := slices.DeleteFunc(slices.Clone(o.graph.Nodes), func(n *ir.Node) bool { return !need[n] })
	last := map[*ir.Value]int{} // the last node of the region that reads a value
	for i, n := range nodes {
		for _, v := range n.Inputs {
			last[v] = i
		}
		for _, g := range n.Attrs.Graphs() {
			for _, v := range g.Captures() {
				last[v] = i
			}
		}
	}
	for _, v := range o.frontier {
		last[v] = len(nodes)
	}
	crossing := map[*ir.Value]bool{} // values that are there and still needed
	for _, v := range o.graph.Inputs {
		if _, ok := last[v]; ok {
			crossing[v] = true
		}
	}
	var best map[*ir.Value]bool
	var left, done int64
	for i, n := range nodes {
		for _, v := range n.Outputs {
			if v != nil {
				crossing[v] = true
			}
		}
		maps.DeleteFunc(crossing, func(v *ir.Value, _ bool) bool { return last[v] <= i })
		done += nodeFLOPs(n) / 2
		if done == 0 || !o.fits(crossing, budget) {
			continue
		}
		ok, err := o.perExample(crossing)
		if err != nil {
			return nil, err
		}
		if ok {
			best, left = maps.Clone(crossing), o.work()-done
		}
	}
	if best == nil {
		return nil, nil
	}
	c := o.cut(o.ordered(best))
	c.flops = left
	return c, nil
}

// fits reports whether values take at most budget bytes for each example. Inputs do not: with them, pictures would have to
// be read too.
func (o *outline) fits(set map[*ir.Value]bool, budget int64) bool {
	size := int64(0)
	for v := range set {
		if v.Kind == ir.Input {
			return false
		}
		size += int64(v.Type.Bytes()) / 2
	}
	return size <= budget
}

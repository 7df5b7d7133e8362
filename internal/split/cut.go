package split

import (
	"fmt"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Cut is a set of values of the frozen region from which everything after them can be computed.
type Cut struct {
	Points []Point
	FLOPs  int64 // of computing the frontier from the cut, per example
}

// Point is a value at which examples can be kept.
type Point struct {
	At   int     // index among the graph's values, see Network.frontier
	Name string  // for people
	One  ir.Type // type for one example, whose first axis is that example's share
	Sum  Digest  // digest of how it is computed, see identifier
}

// Bytes is the size of the cut per example.
func (c *Cut) Bytes() int64 {
	n := int64(0)
	for _, p := range c.Points {
		n += int64(p.One.Bytes())
	}
	return n
}

func (c *Cut) Types() []ir.Type {
	var out []ir.Type
	for _, p := range c.Points {
		out = append(out, p.One)
	}
	return out
}

func (c *Cut) Names() []string {
	var out []string
	for _, p := range c.Points {
		out = append(out, p.Name)
	}
	return out
}

// Between compiles the network between two cuts for a batch size. If from is nil it starts at the
// inputs; if to is nil it ends at the frontier.
func (n *Network) Between(batch int, from, to *Cut) (*compile.Program, error) {
	if n.oneByOne(batch) {
		one, err := n.Between(1, from, to)
		if err != nil {
			return nil, err
		}
		return one.Repeat(batch), nil
	}
	g, err := n.Graph(batch)
	if err != nil {
		return nil, err
	}
	all := values(g)
	pick := func(c *Cut) (out []*ir.Value, err error) {
		for _, p := range c.Points {
			if p.At >= len(all) || all[p.At].Name != p.Name {
				return nil, fmt.Errorf("split: the graph of this batch size has another structure")
			}
			out = append(out, all[p.At])
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
	return n.region(sub, 0)
}

// Outline describes the frozen region for choosing what to keep.
type Outline struct {
	net      *Network
	Graph    *ir.Graph // for batch size two
	all      []*ir.Value
	position map[*ir.Value]int
	Frontier []*ir.Value
	ids      *identifier
	three    []*ir.Value        // the same values for batch size three, built on first use
	merged   map[*ir.Value]bool // values between a convolution and its normalisation, see mergedIn
}

func (n *Network) Outline() (*Outline, error) {
	g, err := n.Graph(2)
	if err != nil {
		return nil, err
	}
	o := &Outline{net: n, Graph: g, all: values(g), position: map[*ir.Value]int{}, ids: Identify(g), merged: mergedIn(g)}
	o.ids.common = n.common()
	for i, v := range o.all {
		o.position[v] = i
	}
	o.Frontier, err = n.frontier(g)
	return o, err
}

// mergedIn finds the values between convolutions and normalisations. The compiler merges the two
// operators if both are frozen. A program that starts between them would round differently, and
// results would depend on what is kept. So these values are never kept.
func mergedIn(g *ir.Graph) map[*ir.Value]bool {
	found := map[*ir.Value]bool{}
	for _, n := range g.Nodes {
		if n.Op == "BatchNormalization" && n.Inputs[0].Node != nil && n.Inputs[0].Node.Op == "Conv" {
			found[n.Inputs[0]] = true
		}
	}
	return found
}

// Cut describes the given values as a cut. It leaves FLOPs unset.
func (o *Outline) Cut(values []*ir.Value) *Cut {
	c := &Cut{}
	o.ids.constants(o.Graph, values)
	for _, v := range values {
		s := v.Type.Shape.Clone()
		s[0] /= 2
		c.Points = append(c.Points, Point{At: o.position[v], Name: v.Name, One: ir.Type{DType: v.Type.DType, Shape: s}, Sum: o.ids.Of(v)})
	}
	return c
}

// Find describes the values with the given digests as a cut, in their order. It is nil where one of
// them is not among the values before the frontier.
func (o *Outline) Find(sums []Digest) *Cut {
	region := o.Graph.Ancestors(o.Frontier...)
	by := map[Digest]*ir.Value{}
	for _, v := range o.all {
		if v != nil && (v.Node == nil || region[v.Node]) {
			by[o.ids.Of(v)] = v
		}
	}
	var found []*ir.Value
	for _, d := range sums {
		if by[d] == nil {
			return nil
		}
		found = append(found, by[d])
	}
	return o.Cut(found)
}

// Work returns the floating-point operations of the frozen region per example.
func (o *Outline) Work() int64 {
	need := o.Graph.Ancestors(o.Frontier...)
	n := int64(0)
	for m := range need {
		n += m.FLOPs()
	}
	return n / 2
}

// workPerByte is the number of floating-point operations that take as long as copying one byte.
const workPerByte = 10

// WorthKeeping reports whether computing the frontier takes longer than copying it. If not, for
// example because the first layer trains, the frontier is computed from the pictures, which have
// their own cache.
func (o *Outline) WorthKeeping() bool { return o.Work() > workPerByte*o.Cut(o.Frontier).Bytes() }

// anyMerged reports whether set contains a merged value.
func (o *Outline) anyMerged(set map[*ir.Value]bool) bool {
	for v := range set {
		if o.merged[v] {
			return true
		}
	}
	return false
}

// perExample reports whether all values have the examples on their first axis.
func (o *Outline) perExample(set map[*ir.Value]bool) (bool, error) {
	if o.three == nil {
		g, err := o.net.Graph(3)
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

// Nearest walks from the frontier towards the inputs and stops at kept values. It returns nil if a
// path reaches an input without meeting a kept value, or if the frontier itself is kept.
func (o *Outline) Nearest(kept func(Digest) bool) *Cut {
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
		if !first && !o.merged[v] && kept(o.ids.Of(v)) {
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
	for _, v := range o.Frontier {
		walk(v, true)
	}
	if !complete || len(at) == 0 {
		return nil
	}
	return o.Cut(o.ordered(at))
}

// ordered lists a set of values by index.
func (o *Outline) ordered(set map[*ir.Value]bool) []*ir.Value {
	var out []*ir.Value
	for v := range set {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *ir.Value) int { return o.position[a] - o.position[b] })
	return out
}

// Cheapest finds the cut that saves the most work when at most budget bytes can be kept per
// example. Candidates are all points in the order of computation where the frozen region can be
// divided and all values have the examples on their first axis. It picks the one with the least
// work left. It returns nil if no cut fits or saves anything.
func (o *Outline) Cheapest(budget int64) (*Cut, error) {
	need := o.Graph.Ancestors(o.Frontier...)
	nodes := slices.DeleteFunc(slices.Clone(o.Graph.Nodes), func(n *ir.Node) bool { return !need[n] })
	last := map[*ir.Value]int{} // the last node of the region that reads each value
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
	for _, v := range o.Frontier {
		last[v] = len(nodes)
	}
	crossing := map[*ir.Value]bool{} // values that exist and are still needed
	for _, v := range o.Graph.Inputs {
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
		done += n.FLOPs() / 2
		if done == 0 || o.anyMerged(crossing) || !o.fits(crossing, budget) {
			continue
		}
		ok, err := o.perExample(crossing)
		if err != nil {
			return nil, err
		}
		if ok {
			best, left = maps.Clone(crossing), o.Work()-done
		}
	}
	if best == nil {
		return nil, nil
	}
	c := o.Cut(o.ordered(best))
	c.FLOPs = left
	return c, nil
}

// fits reports whether values take at most budget bytes per example. A set with an input never
// fits, as pictures would have to be read too.
func (o *Outline) fits(set map[*ir.Value]bool, budget int64) bool {
	size := int64(0)
	for v := range set {
		if v.Kind == ir.Input {
			return false
		}
		size += int64(v.Type.Bytes()) / 2
	}
	return size <= budget
}

package split

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// bypassed finds the value of a residual block that can be replaced by x, which the block reads, so
// that none of its layers is needed any more; nil where there is none. end is what the block gives.
//
// It is a value through which all goes that flows from x to end, and to which a shortcut leads
// around the block's layers. Several may be: the sum, what follows an activation, a norm. Taken is
// the last one that is made as x is made, so that a block whose result is normalised leaves out its
// norm, and a norm that only follows the last block stays. Where none is made so, it is the first.
//
// Leaving residual blocks out: Huang et al., Deep Networks with Stochastic Depth, ECCV 2016; Fan,
// Grave, Joulin, Reducing Transformer Depth on Demand with Structured Dropout, ICLR 2020.
func bypassed(g *ir.Graph, x, end *ir.Value) *ir.Value {
	b := blockBetween(g, x, end)
	var found *ir.Value
	for _, y := range b.waists() {
		if shortcut, sum := b.shortcut(y); !shortcut || !sum || !b.spares(y) {
			continue
		}
		if found == nil || madeAlike(y, x) {
			found = y
		}
	}
	return found
}

// madeAlike reports whether two values come out of operators of one kind: a sum, an activation, a
// norm, written out or not.
func madeAlike(a, b *ir.Value) bool {
	return a.Node != nil && b.Node != nil && a.Node.Op == b.Node.Op && (addedWeight(a.Node) == nil) == (addedWeight(b.Node) == nil)
}

// between is what flows from one value of a graph to another.
type between struct {
	g      *ir.Graph
	x, end *ir.Value
	inside map[*ir.Value]bool // depends on x, and end depends on it; x is not
	nodes  []*ir.Node         // that compute what is inside, in order
	known  map[*ir.Value]way
}

// way says how a value is reached from x without a layer.
type way struct{ shortcut, sum bool }

func blockBetween(g *ir.Graph, x, end *ir.Value) *between {
	b := &between{g: g, x: x, end: end, inside: map[*ir.Value]bool{}, known: map[*ir.Value]way{}}
	needed := g.Ancestors(end)
	for _, n := range g.Nodes {
		if !needed[n] || slices.Contains(shapeOnly, n.Op) || !slices.ContainsFunc(reads(n), b.flows) {
			continue
		}
		b.nodes = append(b.nodes, n)
		for _, v := range n.Outputs {
			if v != nil {
				b.inside[v] = true
			}
		}
	}
	return b
}

func (b *between) flows(v *ir.Value) bool { return v != nil && (v == b.x || b.inside[v]) }

// waists lists the values through which all goes that flows from x to end, in order, end included.
func (b *between) waists() []*ir.Value { return waists(b.nodes, b.flows, b.x, b.end) }

// waistsOf lists the values through which all goes that flows from the layers of a graph to end.
// What no layer gave, such as masks and positions, does not flow.
func waistsOf(g *ir.Graph, end *ir.Value) []*ir.Value {
	f, needed := flowOf(g), g.Ancestors(end)
	var nodes []*ir.Node
	for _, n := range g.Nodes {
		if needed[n] && slices.ContainsFunc(n.Outputs, func(v *ir.Value) bool { return v != nil && f.depth[v] > 0 }) {
			nodes = append(nodes, n)
		}
	}
	return waists(nodes, func(v *ir.Value) bool { return f.depth[v] > 0 }, nil, end)
}

// waists lists the values that alone are open behind some of the nodes: later nodes read them, or
// they are the end. first is open before the nodes; nil for none.
func waists(nodes []*ir.Node, flows func(*ir.Value) bool, first, end *ir.Value) []*ir.Value {
	last := map[*ir.Value]int{}
	for i, n := range nodes {
		for _, v := range reads(n) {
			if flows(v) {
				last[v] = i
			}
		}
	}
	last[end] = len(nodes)
	open := []*ir.Value{first}
	var found []*ir.Value
	for i, n := range nodes {
		open = append(open, n.Outputs...)
		open = slices.DeleteFunc(open, func(v *ir.Value) bool { return v == nil || last[v] <= i })
		if len(open) == 1 && open[0] != first && !slices.Contains(found, open[0]) {
			found = append(found, open[0])
		}
	}
	return found
}

// shortcut reports whether v is reached from x through sums, activations and norms alone, and
// whether a sum on the way adds what layers make of x.
func (b *between) shortcut(v *ir.Value) (shortcut, sum bool) {
	if v == b.x {
		return true, false
	}
	if !b.inside[v] || v.Node == nil {
		return false, false
	}
	if w, ok := b.known[v]; ok {
		return w.shortcut, w.sum
	}
	n, t := v.Node, v.Node.RawTraits()
	var inputs []*ir.Value
	switch {
	case isLayer(n):
	case t.Elementwise:
		inputs = n.Inputs
	case t.Use(1) == ir.UseScale, t.HandsOn:
		inputs = n.Inputs[:1]
	}
	flow := 0
	for _, in := range inputs {
		if !b.flows(in) {
			continue
		}
		flow++
		s, also := b.shortcut(in)
		shortcut, sum = shortcut || s, sum || s && also
	}
	if (n.Op == "Add" || n.Op == "Sum") && flow > 1 {
		sum = sum || shortcut
	}
	b.known[v] = way{shortcut, sum}
	return shortcut, sum
}

// spares reports whether at least one layer is no longer needed where x takes the place of y, and
// none between them still is.
func (b *between) spares(y *ir.Value) bool {
	behind := b.g.Ancestors(y)
	needed := map[*ir.Node]bool{}
	stack := slices.Clone(b.g.Outputs)
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v == y {
			v = b.x
		}
		if v == nil || v.Node == nil || needed[v.Node] {
			continue
		}
		needed[v.Node] = true
		for _, s := range v.Node.Attrs.Graphs() {
			if slices.Contains(s.Captures(), y) {
				return false // a wire that a patch cannot lay anew
			}
		}
		stack = append(stack, reads(v.Node)...)
	}
	layers := 0
	for _, n := range b.nodes {
		if isLayer(n) && behind[n] {
			if needed[n] {
				return false
			}
			layers++
		}
	}
	return layers > 0
}

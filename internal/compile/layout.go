package compile

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// channelsLast rewrites a graph so that image-like values are stored channels-last (N,H,W,C), the
// layout of the kernels. It runs before the graph is split and differentiated, so that the frontier
// and every gradient are channels-last too. Transposes remain only where a value enters or leaves.
//
// An operator's traits say what it supports. One with Spatial inputs is switched by the attribute
// layout. One that is Elementwise or has a ChannelsLast form follows its inputs. Any other gets its
// inputs channels-first, through a transpose.
func (c *Constants) channelsLast(g *ir.Graph) error {
	l := &layouter{g: g, constants: c, last: map[*ir.Value]*ir.Value{}, pending: map[*ir.Value]bool{},
		expanded: map[*ir.Value]*ir.Value{}, alias: map[*ir.Value]*ir.Value{}}
	old := g.Nodes
	g.Nodes = nil
	for _, n := range old {
		for i, v := range n.Inputs {
			if w := l.alias[v]; w != nil {
				n.Inputs[i] = w
			}
		}
		if err := l.node(n); err != nil {
			return err
		}
	}
	for i, v := range g.Outputs {
		if w := l.alias[v]; w != nil {
			g.Outputs[i] = w
		}
		if err := l.first(g.Outputs[i]); err != nil {
			return err
		}
	}
	g.Prune()
	return nil
}

type layouter struct {
	g    *ir.Graph
	last map[*ir.Value]*ir.Value // channels-last version of each value
	// values that are not computed, only their channels-last versions
	pending map[*ir.Value]bool
	// channels-last version of each broadcast operand of lower rank
	expanded map[*ir.Value]*ir.Value
	// what later nodes read instead of values that are not computed
	alias map[*ir.Value]*ir.Value

	constants *Constants
}

// add appends a node and infers its types.
func (l *layouter) add(n *ir.Node, names ...string) ([]*ir.Value, error) {
	b := ir.NewBuilder(l.g, n.Name)
	out := b.Add(n, names...)
	return out, b.Err()
}

// first makes sure that v itself, channels-first, is computed.
func (l *layouter) first(v *ir.Value) error {
	if v == nil || !l.pending[v] {
		return nil
	}
	_, back := op.ChannelsLast(len(v.Type.Shape))
	src := l.last[v]
	n := &ir.Node{Name: l.g.Unique(v.Name + "/first"), Op: "Transpose", Inputs: []*ir.Value{src}, Attrs: ir.Attrs{"perm": back}}
	if sameOrder(v.Type.Shape) {
		n.Op, n.Attrs = "Reshape", ir.Attrs{"shape": []int(v.Type.Shape)}
	}
	n.Outputs = []*ir.Value{v}
	v.Node, v.Out = n, 0
	l.g.Nodes = append(l.g.Nodes, n)
	delete(l.pending, v)
	return nil
}

// sameOrder reports whether the elements of a channels-first shape are in the same order in
// channels-last.
func sameOrder(s tensor.Shape) bool {
	return len(s) >= 3 && (s[1] == 1 || s[2:].Len() == 1)
}

// toLast returns the channels-last version of v, which has at least three axes.
func (l *layouter) toLast(v *ir.Value) (*ir.Value, error) {
	if w := l.last[v]; w != nil {
		return w, nil
	}
	to, _ := op.ChannelsLast(len(v.Type.Shape))
	n := &ir.Node{Name: l.g.Unique(v.Name + "/last"), Op: "Transpose", Inputs: []*ir.Value{v}, Attrs: ir.Attrs{"perm": to}}
	if sameOrder(v.Type.Shape) {
		shape := make([]int, len(to))
		for i, p := range to {
			shape[i] = v.Type.Shape[p]
		}
		n.Op, n.Attrs = "Reshape", ir.Attrs{"shape": shape}
	}
	out, err := l.add(n, v.Name)
	if err != nil {
		return nil, err
	}
	if v.Kind == ir.Const {
		if err := l.constants.foldFrom(l.g, len(l.g.Nodes)-1); err != nil {
			return nil, err
		}
	}
	l.last[v] = out[0]
	return out[0], nil
}

// emit appends the channels-last form of n with the given inputs.
func (l *layouter) emit(n *ir.Node, inputs []*ir.Value, attrs ir.Attrs) error {
	names := make([]string, len(n.Outputs))
	for i, v := range n.Outputs {
		if v != nil {
			names[i] = v.Name
		}
	}
	m := &ir.Node{Name: n.Name, Op: n.Op, Inputs: inputs, Attrs: attrs}
	out, err := l.add(m, names...)
	if err != nil {
		return fmt.Errorf("channels last: %w", err)
	}
	for i, v := range n.Outputs {
		if v == nil {
			if i < len(m.Outputs) {
				m.Outputs[i] = nil
			}
			continue
		}
		if i > 0 { // statistics, which have no spatial layout
			l.alias[v] = out[i]
			continue
		}
		l.last[v], l.pending[v] = out[i], true
	}
	m.Outputs = m.Outputs[:len(n.Outputs)]
	return nil
}

// keep appends n as it is.
func (l *layouter) keep(n *ir.Node) error {
	for _, v := range n.Inputs {
		if err := l.first(v); err != nil {
			return err
		}
	}
	l.g.Nodes = append(l.g.Nodes, n)
	return nil
}

func (l *layouter) node(n *ir.Node) error {
	x := n.In(0)
	switch {
	case x == nil || len(n.Outputs) == 0 || n.Outputs[0] == nil:
		return l.keep(n)
	case len(n.Traits().Spatial) > 0 && len(x.Type.Shape) >= 3 && n.Attrs.Str("layout", "") == "" && x.Type.DType == tensor.Float32:
		return l.spatial(n)
	case n.Op == "Transpose":
		return l.transpose(n)
	case l.pools(n):
		rank := len(x.Type.Shape)
		var axes []int
		for i := 1; i < rank-1; i++ {
			axes = append(axes, i)
		}
		n.Inputs[0], n.Attrs = l.last[x], n.Attrs.With("axes", axes)
		l.g.Nodes = append(l.g.Nodes, n)
		return nil
	case !l.follows(n):
		return l.keep(n)
	}
	attrs, ok := followAttrs(n)
	if !ok {
		return l.keep(n)
	}
	rank := len(n.Outputs[0].Type.Shape)
	inputs := make([]*ir.Value, len(n.Inputs))
	for i, v := range n.Inputs {
		if n.Traits().Use(i) == ir.UseIndex { // has no spatial layout
			inputs[i] = v
			continue
		}
		var err error
		if inputs[i], err = l.operand(v, rank); err != nil {
			return err
		}
	}
	return l.emit(n, inputs, attrs)
}

// pools reports whether n reduces every spatial axis of a channels-last value. The result [N,C] is
// the same in both layouts.
func (l *layouter) pools(n *ir.Node) bool {
	x := n.Inputs[0]
	rank := len(x.Type.Shape)
	if !n.Traits().Reduces || !l.pending[x] || len(n.Outputs[0].Type.Shape) != 2 || n.Attrs.Int("keepdims", 1) != 0 {
		return false
	}
	axes := slices.Clone(n.Attrs.Ints("axes"))
	for i, a := range axes {
		if a < 0 {
			axes[i] = a + rank
		}
	}
	return len(axes) == rank-2 && !slices.Contains(axes, 0) && !slices.Contains(axes, 1)
}

func wanted(n *ir.Node) []*ir.Value {
	return slices.DeleteFunc(slices.Clone(n.Outputs), func(v *ir.Value) bool { return v == nil })
}

// spatial switches an operator that has the attribute layout.
func (l *layouter) spatial(n *ir.Node) error {
	inputs := slices.Clone(n.Inputs)
	for _, i := range n.Traits().Spatial {
		if n.In(i) == nil {
			continue
		}
		var err error
		if inputs[i], err = l.toLast(n.Inputs[i]); err != nil {
			return err
		}
	}
	return l.emit(n, inputs, n.Attrs.With("layout", "NHWC"))
}

// transpose recognises permutations to or from channels-last, which are free here.
func (l *layouter) transpose(n *ir.Node) error {
	x, y := n.Inputs[0], n.Outputs[0]
	rank := len(x.Type.Shape)
	if rank < 3 {
		return l.keep(n)
	}
	to, back := op.ChannelsLast(rank)
	perm := n.Attrs.Ints("perm")
	if slices.Equal(perm, to) && l.pending[x] {
		// y is exactly the channels-last version of x.
		l.alias[y] = l.last[x]
		return nil
	}
	if slices.Equal(perm, back) && rank >= 4 {
		if err := l.first(x); err != nil {
			return err
		}
		l.last[y], l.pending[y] = x, true
		return nil
	}
	return l.keep(n)
}

// follows reports whether n's result can be channels-last because an image-like input is.
func (l *layouter) follows(n *ir.Node) bool {
	rank := len(n.Outputs[0].Type.Shape)
	any := false
	for _, v := range n.Inputs {
		if v != nil && l.pending[v] && len(v.Type.Shape) >= 3 {
			any = true
			if len(v.Type.Shape) != rank {
				return false
			}
		}
	}
	return any && len(wanted(n)) == 1
}

// followAttrs returns the attributes of n's channels-last form, and whether it has one.
func followAttrs(n *ir.Node) (ir.Attrs, bool) {
	switch t := n.Traits(); {
	case t.ChannelsLast != nil:
		return t.ChannelsLast(n)
	case t.Elementwise:
		return n.Attrs, true
	}
	return nil, false
}

// operand returns what the channels-last form of an operator with rank axes reads instead of v.
func (l *layouter) operand(v *ir.Value, rank int) (*ir.Value, error) {
	if v == nil || v.Type.Shape.Len() == 1 && len(v.Type.Shape) <= rank && !l.pending[v] {
		return v, nil
	}
	if len(v.Type.Shape) == rank {
		return l.toLast(v)
	}
	if w := l.expanded[v]; w != nil {
		return w, nil
	}
	shape := make([]int, rank) // leading axes of size 1, as in broadcasting
	for i := range shape {
		shape[i] = 1
	}
	copy(shape[rank-len(v.Type.Shape):], v.Type.Shape)
	out, err := l.add(&ir.Node{Name: l.g.Unique(v.Name + "/rank"), Op: "Reshape", Inputs: []*ir.Value{v}, Attrs: ir.Attrs{"shape": shape}})
	if err != nil {
		return nil, err
	}
	if v.Kind == ir.Const {
		if err := l.constants.foldFrom(l.g, len(l.g.Nodes)-1); err != nil {
			return nil, err
		}
	}
	w, err := l.toLast(out[0])
	if err != nil {
		return nil, err
	}
	l.expanded[v] = w
	return w, nil
}

package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Control flow disappears when a graph is specialised. A constant condition picks a branch of If. A
// Scan is unrolled, and so is a Loop with constant trip count and conditions. An If with an unknown
// condition computes both branches and selects one result. All of these can be differentiated. A
// Loop that depends on data remains a loop (see loop.go).
func init() {
	ir.RegisterForms(
		ir.Form{Op: "If", Since: 1, Lower: lowerIf},
		ir.Form{Op: "Loop", Since: 1, Lower: lowerLoop},
		ir.Form{Op: "Scan", Since: 9, Lower: lowerScan},
	)
}

// maxTrips limits how often a body is unrolled.
const maxTrips = 1 << 16

// body is the subgraph of an attribute.
func body(n *ir.Node, name string) (*ir.Graph, error) {
	g := n.Attrs.Graph(name)
	if g == nil {
		return nil, errorf("has no graph %s", name)
	}
	return g, nil
}

// truth is the one element of a constant condition.
func truth(v *ir.Value) bool { return v.Data.Len() > 0 && v.Data.Float64s()[0] != 0 }

func lowerIf(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	yes, err := body(n, "then_branch")
	if err != nil {
		return nil, err
	}
	no, err := body(n, "else_branch")
	if err != nil {
		return nil, err
	}
	cond := n.In(0)
	if cond.IsConst() {
		if !truth(cond) {
			yes = no
		}
		return b.Inline(yes, nil)
	}
	a, err := b.Inline(yes, nil)
	if err != nil {
		return nil, err
	}
	z, err := b.Inline(no, nil)
	if err != nil {
		return nil, err
	}
	if len(a) != len(z) {
		return nil, errorf("branches give %d and %d values", len(a), len(z))
	}
	for i := range a {
		if !a[i].Type.Equal(z[i].Type) {
			return nil, errorf("the condition depends on data and branches give %v and %v", a[i].Type, z[i].Type)
		}
		a[i] = b.Op("Where", nil, reshape(b, cond, tensor.Shape{}), a[i], z[i])
	}
	return a, b.Err()
}

// lowerLoop unrolls body(iteration, condition, states...) -> condition, states..., scanned...
func lowerLoop(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	g, err := body(n, "body")
	if err != nil {
		return nil, err
	}
	trips := maxTrips
	if m := n.In(0); m.IsConst() {
		trips = int(m.Data.Float64s()[0])
	}
	cond := n.In(1)
	if cond == nil {
		cond = b.Const(tensor.Scalar(true))
	}
	var states []*ir.Value
	if len(n.Inputs) > 2 {
		states = slices.Clone(n.Inputs[2:])
	}
	if len(g.Inputs) != 2+len(states) || len(g.Outputs) < 1+len(states) {
		return nil, errorf("a body with %d inputs and %d outputs does not fit %d states", len(g.Inputs), len(g.Outputs), len(states))
	}
	scanned := make([][]*ir.Value, len(g.Outputs)-1-len(states))
	for i := 0; i < trips; i++ {
		if !cond.IsConst() || n.In(0) != nil && !n.In(0).IsConst() {
			if len(scanned) > 0 {
				return nil, errorf("how often it runs, and so the shape of what it scans, depends on data")
			}
			return runLoop(b, n, g, i, cond, states)
		}
		if !truth(cond) {
			break
		}
		if i == maxTrips-1 {
			return nil, errorf("runs for more than %d iterations", maxTrips)
		}
		outs, err := b.Inline(g, append([]*ir.Value{b.Const(tensor.Scalar(int64(i))), cond}, states...))
		if err != nil {
			return nil, err
		}
		cond = outs[0]
		copy(states, outs[1:])
		for k, v := range outs[1+len(states):] {
			scanned[k] = append(scanned[k], v)
		}
	}
	outs := states
	for k, vs := range scanned {
		if len(vs) == 0 {
			t := g.Outputs[1+len(states)+k].Type
			if slices.Contains(t.Shape, -1) || t.DType == tensor.Invalid {
				return nil, errorf("never runs, which leaves the shape of output %d open", len(states)+k)
			}
			outs = append(outs, zeros(b, ir.Type{DType: t.DType, Shape: append(tensor.Shape{0}, t.Shape...)}))
			continue
		}
		outs = append(outs, stack(b, vs, 0))
	}
	return same(b, n, outs), b.Err()
}

// runLoop builds a node that runs the rest of a loop, from iteration start on.
func runLoop(b *ir.Builder, n *ir.Node, g *ir.Graph, start int, cond *ir.Value, states []*ir.Value) ([]*ir.Value, error) {
	types := []ir.Type{{DType: tensor.Int64, Shape: tensor.Shape{}}, {DType: tensor.Bool, Shape: tensor.Shape{}}}
	for _, v := range states {
		types = append(types, v.Type)
	}
	sub, captured, err := b.Subgraph(g, types)
	if err != nil {
		return nil, err
	}
	in := slices.Concat([]*ir.Value{n.In(0), cond}, states, captured)
	return b.Ops("Loop", ir.Attrs{"body": sub, "states": len(states), "start": start}, in...), b.Err()
}

// stack joins values of one type along a new axis.
func stack(b *ir.Builder, vs []*ir.Value, axis int) *ir.Value {
	parts := make([]*ir.Value, len(vs))
	for i, v := range vs {
		if v == nil {
			return nil
		}
		parts[i] = reshape(b, v, slices.Insert(v.Type.Shape.Clone(), axis, 1))
	}
	return b.Op("Concat", ir.Attrs{"axis": axis}, parts...)
}

// same copies results that are inputs of n, so that each output is a separate value.
func same(b *ir.Builder, n *ir.Node, outs []*ir.Value) []*ir.Value {
	for i, v := range outs {
		if v != nil && b.Err() == nil && slices.Contains(n.Inputs, v) {
			outs[i] = handOn(b, v)[0]
		}
	}
	return outs
}

// lowerScan unrolls body(states..., elements...) -> states..., scanned... over axes of its inputs.
// Version 8 has a batch axis and is not read.
func lowerScan(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	g, err := body(n, "body")
	if err != nil {
		return nil, err
	}
	m := n.Attrs.Int("num_scan_inputs", 0)
	k := len(n.Inputs) - m
	if m < 1 || k < 0 || len(g.Inputs) != len(n.Inputs) || len(g.Outputs) < k {
		return nil, errorf("a body with %d inputs and %d outputs does not scan %d of %d inputs", len(g.Inputs), len(g.Outputs), m, len(n.Inputs))
	}
	at := func(name string, i, def int) int {
		if v := n.Attrs.Ints(name); i < len(v) {
			return v[i]
		}
		return def
	}
	states := slices.Clone(n.Inputs[:k])
	axes := make([]int, m)
	trips := -1
	for i, v := range n.Inputs[k:] {
		if axes[i], err = axisOf(at("scan_input_axes", i, 0), len(v.Type.Shape)); err != nil {
			return nil, err
		}
		if d := v.Type.Shape[axes[i]]; trips < 0 {
			trips = d
		} else if trips != d {
			return nil, errorf("scans %d and %d elements at once", trips, d)
		}
	}
	scanned := make([][]*ir.Value, len(g.Outputs)-k)
	for t := range trips {
		args := slices.Clone(states)
		for i, v := range n.Inputs[k:] {
			from := t
			if at("scan_input_directions", i, 0) == 1 {
				from = trips - 1 - t
			}
			e := slice(b, v, axes[i], from, from+1)
			args = append(args, reshape(b, e, dropAxes(e.Type.Shape, []int{axes[i]})))
		}
		if err := b.Err(); err != nil {
			return nil, err
		}
		outs, err := b.Inline(g, args)
		if err != nil {
			return nil, err
		}
		copy(states, outs)
		for i, v := range outs[k:] {
			scanned[i] = append(scanned[i], v)
		}
	}
	outs := states
	for i, vs := range scanned {
		if len(vs) == 0 {
			return nil, errorf("scans nothing, which leaves the shape of output %d open", k+i)
		}
		axis, err := axisOf(at("scan_output_axes", i, 0), len(vs[0].Type.Shape)+1)
		if err != nil {
			return nil, err
		}
		if at("scan_output_directions", i, 0) == 1 {
			slices.Reverse(vs)
		}
		outs = append(outs, stack(b, vs, axis))
	}
	return same(b, n, outs), b.Err()
}

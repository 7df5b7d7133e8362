package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Traits that many operators share, and the rules for axes that they are put together from.

// unary are the traits of an elementwise function of one tensor.
var unary = ir.Traits{Elementwise: true, Batch: ir.BatchKept}

// combining are the traits of an elementwise function of several tensors, which broadcast.
func combining(uses ...ir.Use) ir.Traits {
	return ir.Traits{Elementwise: true, Batch: ir.BatchBroadcast, Inputs: uses}
}

// cheap adds that.
func cheap(t ir.Traits) ir.Traits {
	t.Cheap = true
	return t
}

// sameTypes: the node changes neither type nor shape.
func sameTypes(n *ir.Node) bool { return n.In(0).Type.Equal(n.Outputs[0].Type) }

// rowsAlways: rows are independent on any axis.
func rowsAlways(*ir.Node, int, []int, int) bool { return true }

// rowsBut: an operator mixes along the axis that an attribute names; everything else is rows. The
// other inputs are the same for all rows.
func rowsBut(attr string, def int) func(n *ir.Node, rank int, in []int, out int) bool {
	return func(n *ir.Node, rank int, in []int, out int) bool {
		return fromFront(n.Attrs.Int(attr, def), rank) != in[0] && forAll(in[1:])
	}
}

// rowsBefore: an operator mixes along the axis that an attribute names and all later axes.
func rowsBefore(attr string, def int) func(n *ir.Node, rank int, in []int, out int) bool {
	return func(n *ir.Node, rank int, in []int, out int) bool {
		axis := fromFront(n.Attrs.Int(attr, def), rank)
		return (axis < 0 || axis > in[0]) && forAll(in[1:])
	}
}

// rowsButAxes: an operator mixes along, or cuts, the axes that the attribute axes names; all of
// them without it.
func rowsButAxes(n *ir.Node, rank int, in []int, out int) bool {
	axes := n.Attrs.Ints("axes")
	return len(axes) > 0 && forAll(in[1:]) &&
		!slices.ContainsFunc(axes, func(a int) bool { return fromFront(a, rank) == in[0] })
}

// forAll reports whether inputs are the same for all rows.
func forAll(in []int) bool { return !slices.ContainsFunc(in, func(a int) bool { return a >= 0 }) }

// fromFront counts an axis from the front, if the rank is known.
func fromFront(axis, rank int) int {
	if axis < 0 {
		axis += rank
	}
	return axis
}

// ChannelsLast is the permutation of a value with rank axes from [N,C,...] to [N,...,C], and the
// one back.
func ChannelsLast(rank int) (to, back []int) {
	to = append(to, 0)
	for i := 2; i < rank; i++ {
		to = append(to, i)
	}
	to = append(to, 1)
	back = make([]int, rank)
	for i, p := range to {
		back[p] = i
	}
	return to, back
}

// lastAxis converts the axis in an attribute (default 0) to channels-last order.
func lastAxis(n *ir.Node) (ir.Attrs, bool) {
	rank := len(n.Outputs[0].Type.Shape)
	_, back := ChannelsLast(rank)
	return n.Attrs.With("axis", back[fromFront(n.Attrs.Int("axis", 0), rank)]), true
}

// lastAxes does that for the attribute axes, which must be there.
func lastAxes(n *ir.Node) (ir.Attrs, bool) {
	rank := len(n.Outputs[0].Type.Shape)
	_, back := ChannelsLast(rank)
	var moved []int
	for _, a := range n.Attrs.Ints("axes") {
		moved = append(moved, back[fromFront(a, rank)])
	}
	return n.Attrs.With("axes", moved), len(moved) > 0
}

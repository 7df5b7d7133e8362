package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// broadcastShape is the shape that all given ones broadcast to by numpy's rule: aligned at the last
// axis, sizes are equal or 1.
func broadcastShape(shapes ...tensor.Shape) (tensor.Shape, error) {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := make(tensor.Shape, rank)
	for i := range out {
		out[i] = 1
	}
	for _, s := range shapes {
		for i, d := range s {
			o := &out[rank-len(s)+i]
			switch {
			case *o == 1:
				*o = d
			case d != 1 && d != *o:
				return nil, fmt.Errorf("shapes %v do not broadcast together", shapes)
			}
		}
	}
	return out, nil
}

// inferBroadcast is the shape rule of an elementwise operator on lo to hi inputs of one type. A
// valid result type replaces that of the inputs.
func inferBroadcast(lo, hi int, result tensor.DType) inferFunc {
	return func(n *ir.Node) ([]ir.Type, error) {
		if err := inputs(n, lo, hi); err != nil {
			return nil, err
		}
		t := n.In(0).Type
		shapes := make([]tensor.Shape, len(n.Inputs))
		for i, v := range n.Inputs {
			if v == nil {
				return nil, fmt.Errorf("input %d is missing", i)
			}
			if v.Type.DType != t.DType {
				return nil, fmt.Errorf("input %d is %v, input 0 is %v", i, v.Type.DType, t.DType)
			}
			shapes[i] = v.Type.Shape
		}
		s, err := broadcastShape(shapes...)
		if err != nil {
			return nil, err
		}
		if result != tensor.Invalid {
			t.DType = result
		}
		return []ir.Type{{DType: t.DType, Shape: s}}, nil
	}
}

// plan lines the inputs up with the result shape.
func plan(out tensor.Shape, ins ...*ir.Value) (*kernel.Broadcast, error) {
	shapes := make([][]int, len(ins))
	for i, v := range ins {
		shapes[i] = v.Type.Shape
	}
	return kernel.NewBroadcast(out, shapes...)
}

// inPlace lists those inputs whose type is that of output 0.
func inPlace(n *ir.Node, is ...int) []int {
	return slices.DeleteFunc(is, func(i int) bool {
		return n.In(i) == nil || !n.In(i).Type.Equal(n.Outputs[0].Type)
	})
}

// sumTo undoes broadcasting: it sums dy to the type of v.
func sumTo(b *ir.Builder, dy *ir.Value, v *ir.Value) *ir.Value {
	if dy == nil || dy.Type.Shape.Equal(v.Type.Shape) {
		return dy
	}
	return b.Op("SumTo", ir.Attrs{"shape": []int(v.Type.Shape)}, dy)
}

// map2 computes elementwise on any type of a class, inputs broadcast as planned.
func map2[W, Y widest](f func(a, b W) Y, p *kernel.Broadcast) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		y := wideOut[Y](out[0])
		kernel.Map2(y, widen[W](in[0]), widen[W](in[1]), p, f)
		narrow(out[0], y)
		return nil
	}
}

// map1 computes elementwise on any type of a class.
func map1[W, Y widest](f func(W) Y) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := widen[W](in[0]), wideOut[Y](out[0])
		for i, v := range x {
			y[i] = f(v)
		}
		narrow(out[0], y)
		return nil
	}
}

// legacyBroadcast is the form of a binary operator before version 7, where attributes broadcast and
// axis say how the second input lines up with the first.
func legacyBroadcast(op string) ir.Form {
	return ir.Form{Op: op, Since: 1, Until: 6, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 2, 2); err != nil {
			return nil, err
		}
		x, y := n.In(0), n.In(1)
		if n.Attrs.Has("axis") {
			axis, err := axisOf(n.Attrs.Int("axis", 0), len(x.Type.Shape))
			if err != nil {
				return nil, err
			}
			pad := len(x.Type.Shape) - axis - len(y.Type.Shape)
			if pad < 0 {
				return nil, errorf("shape %v at axis %d does not fit in %v", y.Type.Shape, axis, x.Type.Shape)
			}
			shape := slices.Clone(y.Type.Shape)
			for range pad {
				shape = append(shape, 1)
			}
			y = b.Op("Reshape", ir.Attrs{"shape": []int(shape)}, y)
		}
		return b.Ops(op, nil, x, y), b.Err()
	}}
}

// binaryForms are the forms of a binary operator of all versions.
func binaryForms(op string) []ir.Form {
	return []ir.Form{legacyBroadcast(op), {Op: op, Since: 7}}
}

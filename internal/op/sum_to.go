package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// SumTo is the inverse of broadcasting: it sums x over the axes along which a tensor of the
// attribute's shape would be repeated to give x's shape.
func init() {
	register(ir.Def{
		Name: "SumTo",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x, shape := n.In(0).Type, tensor.Shape(n.Attrs.Ints("shape"))
			if s, err := broadcastShape(x.Shape, shape); err != nil || !s.Equal(x.Shape) {
				return nil, fmt.Errorf("%v is no broadcast of %v", x.Shape, shape)
			}
			return []ir.Type{{DType: x.DType, Shape: shape}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{expandTo(b, dy[0], n.In(0).Type.Shape)}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, y := n.In(0).Type, n.Outputs[0].Type
			if x.Shape.Len() == y.Shape.Len() {
				return ir.Bound{View: true}, nil
			}
			p, err := kernel.NewBroadcast(x.Shape, y.Shape)
			if err != nil {
				return ir.Bound{}, err
			}
			axes := repeated(x.Shape, y.Shape)
			switch c := classOf(x.DType); {
			case x.DType == tensor.Float32:
				return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
					kernel.SumTo(out[0].F32(), in[0].F32(), p)
					return nil
				}}, nil
			case c == classInt:
				return ir.Bound{Run: reduceWide(axes, sumOf[int64])}, nil
			case c == classUint:
				return ir.Bound{Run: reduceWide(axes, sumOf[uint64])}, nil
			}
			return ir.Bound{Run: reduceWide(axes, sumOf[float64])}, nil
		},
		Cost: func(n *ir.Node) ir.Cost {
			return ir.Cost{FLOPs: int64(n.In(0).Type.Shape.Len()), Bytes: bytesMoved(n)}
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "leading", Attrs: ir.Attrs{"shape": []int{4}}, Inputs: []*tensor.Tensor{random(3, 2, 4)}},
				{Name: "last", Attrs: ir.Attrs{"shape": []int{3, 1}}, Inputs: []*tensor.Tensor{random(3, 5)}},
				{Name: "channel", Attrs: ir.Attrs{"shape": []int{1, 3, 1, 1}}, Inputs: []*tensor.Tensor{random(2, 3, 2, 2)}},
				{Name: "scalar", Attrs: ir.Attrs{"shape": []int{}}, Inputs: []*tensor.Tensor{random(2, 3)}},
				{Name: "view", Attrs: ir.Attrs{"shape": []int{2, 3}}, Inputs: []*tensor.Tensor{random(1, 2, 3)}},
				{Name: "empty", Attrs: ir.Attrs{"shape": []int{3}}, Inputs: []*tensor.Tensor{random(0, 3)}, Want: []*tensor.Tensor{floats32(0, 0, 0)}},
			}
		},
	})
}

// repeated lists the axes of x along which a tensor of shape y is repeated.
func repeated(x, y tensor.Shape) []int {
	var axes []int
	for i, d := range x {
		k := i - (len(x) - len(y))
		if k < 0 || y[k] == 1 && d != 1 {
			axes = append(axes, i)
		}
	}
	return axes
}

// expandTo broadcasts v to a shape.
func expandTo(b *ir.Builder, v *ir.Value, shape tensor.Shape) *ir.Value {
	if v == nil || v.Type.Shape.Equal(shape) {
		return v
	}
	return b.Op("Expand", ir.Attrs{"shape": []int(shape)}, v)
}

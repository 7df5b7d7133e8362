package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// OneHot adds an axis of size depth (both attributes) to its indices. It is true where the position
// along the new axis equals the index, else false, and all false for an index out of range. Where
// selects the values of ONNX's OneHot.
func init() {
	register(ir.Def{
		Name: "OneHot",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x, depth := n.In(0).Type.Shape, n.Attrs.Int("depth", 0)
			axis, err := axisOf(n.Attrs.Int("axis", -1), len(x)+1)
			if err != nil {
				return nil, err
			}
			if depth < 0 {
				return nil, fmt.Errorf("depth is %d", depth)
			}
			s := slices.Insert(x.Clone(), axis, depth)
			return []ir.Type{{DType: tensor.Bool, Shape: s}}, checkShape(s)
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			y := n.Outputs[0].Type.Shape
			axis, _ := axisOf(n.Attrs.Int("axis", -1), len(y))
			_, depth, inner := splitAt(y, axis)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				y := tensor.Data[bool](out[0])
				clear(y)
				for i, v := range in[0].Float64s() {
					k := int(v)
					if k < 0 {
						k += depth
					}
					if k >= 0 && k < depth {
						y[(i/inner*depth+k)*inner+i%inner] = true
					}
				}
				return nil
			}}, nil
		},
		ONNX: []ir.Form{{Op: "OneHot", Since: 9, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 3, 3); err != nil {
				return nil, err
			}
			if !n.In(1).IsConst() || n.In(1).Data.Len() != 1 {
				return nil, errorf("depth depends on data: input %q is not one constant", n.In(1).Name)
			}
			hot := b.Op("OneHot", ir.Attrs{"axis": n.Attrs.Int("axis", -1), "depth": int(n.In(1).Data.Float64s()[0])}, n.In(0))
			return b.Ops("Where", nil, hot, slice(b, n.In(2), 0, 1, 2), slice(b, n.In(2), 0, 0, 1)), b.Err()
		}}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "last", Attrs: ir.Attrs{"depth": 3}, Inputs: []*tensor.Tensor{ints64(1, -1, 5)},
					Want: []*tensor.Tensor{tensor.Of([]bool{false, true, false, false, false, true, false, false, false}, 3, 3)}},
				{Name: "first", Attrs: ir.Attrs{"depth": 2, "axis": 0}, Inputs: []*tensor.Tensor{ints64(1, 0)},
					Want: []*tensor.Tensor{tensor.Of([]bool{false, true, true, false}, 2, 2)}},
			}
		},
	})
}

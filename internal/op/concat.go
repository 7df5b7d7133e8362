package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Concat joins tensors that differ along one axis only.
func init() {
	axisBefore4 := func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		return b.Ops("Concat", ir.Attrs{"axis": n.Attrs.Int("axis", 1)}, n.Inputs...), b.Err()
	}
	register(ir.Def{
		Name: "Concat",
		Traits: ir.Traits{Cheap: true, ChannelsLast: lastAxis,
			Rows: func(n *ir.Node, rank int, in []int, out int) bool {
				return !slices.ContainsFunc(in, func(a int) bool { return a != in[0] }) && fromFront(n.Attrs.Int("axis", 0), rank) != in[0]
			}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, len(n.Inputs)); err != nil {
				return nil, err
			}
			t := n.In(0).Type
			axis, err := axisOf(n.Attrs.Int("axis", 0), len(t.Shape))
			if err != nil {
				return nil, err
			}
			s := t.Shape.Clone()
			for i, v := range n.Inputs[1:] {
				if v == nil {
					return nil, fmt.Errorf("input %d is missing", i+1)
				}
				u := v.Type
				if u.DType != t.DType || len(u.Shape) != len(s) {
					return nil, fmt.Errorf("joins %v and %v", t, u)
				}
				for d := range s {
					if d != axis && s[d] != u.Shape[d] {
						return nil, fmt.Errorf("joins %v and %v along axis %d", t, u, axis)
					}
				}
				s[axis] += u.Shape[axis]
			}
			return []ir.Type{{DType: t.DType, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			axis, _ := axisOf(n.Attrs.Int("axis", 0), len(n.In(0).Type.Shape))
			at := make([]int, len(n.Inputs)+1)
			for i, v := range n.Inputs {
				at[i+1] = at[i] + v.Type.Shape[axis]
			}
			return grads(need, func(i int) *ir.Value { return slice(b, dy[0], axis, at[i], at[i+1]) })
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			if len(n.Inputs) == 1 {
				return ir.Bound{View: true}, nil
			}
			y := n.Outputs[0].Type
			axis, _ := axisOf(n.Attrs.Int("axis", 0), len(y.Shape))
			st := y.Shape.Strides()
			var plans []strided
			at := 0
			for _, v := range n.Inputs {
				x := v.Type.Shape
				plans = append(plans, strided{dims: x, dst: st, src: x.Strides(), dstAt: at * st[axis]}.merged())
				at += x[axis]
			}
			move := copier(y.DType)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				for i, x := range in {
					move(out[0], x, plans[i])
				}
				return nil
			}}, nil
		},
		ONNX: []ir.Form{{Op: "Concat", Since: 1, Until: 3, Lower: axisBefore4}, {Op: "Concat", Since: 4}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "first", Attrs: ir.Attrs{"axis": 0}, Inputs: []*tensor.Tensor{random(2, 3), random(1, 3), random(0, 3)}},
				{Name: "last", Attrs: ir.Attrs{"axis": -1}, Inputs: []*tensor.Tensor{random(2, 3, 1), random(2, 3, 4)}},
				{Name: "middle", Attrs: ir.Attrs{"axis": 1}, Inputs: []*tensor.Tensor{random(2, 1, 3), random(2, 2, 3)}},
				{Name: "one", Attrs: ir.Attrs{"axis": 1}, Inputs: []*tensor.Tensor{random(2, 1, 3)}},
				{Name: "bool", Attrs: ir.Attrs{"axis": 0}, Inputs: []*tensor.Tensor{tensor.Of([]bool{true}), tensor.Of([]bool{false})},
					Want: []*tensor.Tensor{tensor.Of([]bool{true, false})}},
			}
		},
	})
}

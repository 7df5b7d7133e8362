package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Expand repeats x along axes of size 1 to the attribute's shape.
func init() {
	register(ir.Def{
		Name: "Expand",
		Traits: ir.Traits{Cheap: true,
			// Axes line up from the last.
			Rows: func(n *ir.Node, rank int, in []int, out int) bool {
				return in[0] < 0 || out == in[0]+len(n.Outputs[0].Type.Shape)-rank
			},
			ChannelsLast: func(n *ir.Node) (ir.Attrs, bool) {
				y := n.Outputs[0].Type.Shape
				to, _ := ChannelsLast(len(y))
				shape := make([]int, len(y))
				for i, p := range to {
					shape[i] = y[p]
				}
				return n.Attrs.With("shape", shape), len(n.In(0).Type.Shape) == len(y)
			}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x, shape := n.In(0).Type, tensor.Shape(n.Attrs.Ints("shape"))
			s, err := broadcastShape(x.Shape, shape)
			if err != nil || !s.Equal(shape) {
				return nil, fmt.Errorf("%v does not expand to %v", x.Shape, shape)
			}
			if err := checkShape(s); err != nil {
				return nil, err
			}
			return []ir.Type{{DType: x.DType, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{sumTo(b, dy[0], n.In(0))}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, y := n.In(0).Type, n.Outputs[0].Type
			if x.Bytes() == y.Bytes() {
				return ir.Bound{View: true}, nil
			}
			p, err := plan(y.Shape, n.In(0))
			if err != nil {
				return ir.Bound{}, err
			}
			return ir.Bound{Run: bySize(x.DType, expand[uint8](p), expand[uint16](p), expand[uint32](p), expand[uint64](p))}, nil
		},
		ONNX: []ir.Form{{Op: "Expand", Since: 8, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 2, 2); err != nil {
				return nil, err
			}
			shape, err := constInts(n, 1, "the shape")
			if err != nil {
				return nil, err
			}
			s, err := broadcastShape(n.In(0).Type.Shape, shape)
			if err != nil {
				return nil, errorf("%w", err)
			}
			return b.Ops("Expand", ir.Attrs{"shape": []int(s)}, n.In(0)), b.Err()
		}}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "last", Attrs: ir.Attrs{"shape": []int{3, 4}}, Inputs: []*tensor.Tensor{random(3, 1)}},
				{Name: "channels", Attrs: ir.Attrs{"shape": []int{2, 3, 4}}, Inputs: []*tensor.Tensor{random(2, 3, 1)}},
				{Name: "leading", Attrs: ir.Attrs{"shape": []int{2, 3, 4}}, Inputs: []*tensor.Tensor{random(4)}},
				{Name: "bool", Attrs: ir.Attrs{"shape": []int{2, 2}}, Inputs: []*tensor.Tensor{tensor.Of([]bool{true, false}, 2, 1)},
					Want: []*tensor.Tensor{tensor.Of([]bool{true, true, false, false}, 2, 2)}},
			}
		},
	})
}

func expand[W word](p *kernel.Broadcast) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		kernel.Expand(bits[W](out[0]), bits[W](in[0]), p)
		return nil
	}
}

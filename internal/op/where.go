package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Where is a if the condition (input 0, bool) is true, else b; all three are broadcast together.
func init() {
	mask := tensor.Of([]bool{true, false, true}, 3, 1)
	register(ir.Def{
		Name:   "Where",
		Traits: combining(),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 3, 3); err != nil {
				return nil, err
			}
			c, x, y := n.In(0).Type, n.In(1).Type, n.In(2).Type
			if c.DType != tensor.Bool {
				return nil, fmt.Errorf("the condition is %v, not bool", c.DType)
			}
			if x.DType != y.DType {
				return nil, fmt.Errorf("chooses between %v and %v", x.DType, y.DType)
			}
			s, err := broadcastShape(c.Shape, x.Shape, y.Shape)
			if err != nil {
				return nil, err
			}
			return []ir.Type{{DType: x.DType, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			zero := scalar(b, dy[0].Type.DType, 0)
			return grads(need, func(i int) *ir.Value {
				x, y := dy[0], zero
				if i == 2 {
					x, y = zero, dy[0]
				}
				return sumTo(b, b.Op("Where", nil, n.In(0), x, y), n.In(i))
			})
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			y := n.Outputs[0].Type
			p, err := plan(y.Shape, n.Inputs...)
			if err != nil {
				return ir.Bound{}, err
			}
			return ir.Bound{
				Run:     bySize(y.DType, where[uint8](p), where[uint16](p), where[uint32](p), where[uint64](p)),
				InPlace: inPlace(n, 1, 2),
			}, nil
		},
		ONNX: onnx("Where", 9),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "same", Inputs: []*tensor.Tensor{tensor.Of([]bool{true, false, true}), random(3), random(3)}},
				{Name: "broadcast", Inputs: []*tensor.Tensor{mask, random(4), random(2, 1, 4)}},
				{Name: "scalar", Inputs: []*tensor.Tensor{mask, random(3, 2), random()}},
			}
		},
	})
}

func where[W word](p *kernel.Broadcast) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		kernel.Where(bits[W](out[0]), tensor.Data[bool](in[0]), bits[W](in[1]), bits[W](in[2]), p)
		return nil
	}
}

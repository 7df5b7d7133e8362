package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// IsNaN and IsInf test every element. IsInf has the flags detect_positive and detect_negative, both
// set by default.
func init() {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	register(ir.Def{
		Name:   "IsNaN",
		Traits: unary,
		Infer:  testInfer,
		Bind: func(n *ir.Node) (ir.Bound, error) {
			return ir.Bound{Run: test1(math.IsNaN)}, nil
		},
		ONNX: onnx("IsNaN", 9),
		Cases: func() []ir.Case {
			return []ir.Case{{Inputs: []*tensor.Tensor{floats32(1, nan, inf)}, Want: []*tensor.Tensor{tensor.Of([]bool{false, true, false})}}}
		},
	})
	register(ir.Def{
		Name:   "IsInf",
		Traits: unary,
		Infer:  testInfer,
		Bind: func(n *ir.Node) (ir.Bound, error) {
			pos, neg := n.Attrs.Int("detect_positive", 1) != 0, n.Attrs.Int("detect_negative", 1) != 0
			return ir.Bound{Run: test1(func(x float64) bool {
				return pos && math.IsInf(x, 1) || neg && math.IsInf(x, -1)
			})}, nil
		},
		ONNX: onnx("IsInf", 10),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Inputs: []*tensor.Tensor{floats32(1, nan, inf, -inf)}, Want: []*tensor.Tensor{tensor.Of([]bool{false, false, true, true})}},
				{Name: "negative", Attrs: ir.Attrs{"detect_positive": 0}, Inputs: []*tensor.Tensor{floats32(inf, -inf)}, Want: []*tensor.Tensor{tensor.Of([]bool{false, true})}},
			}
		},
	})
}

func testInfer(n *ir.Node) ([]ir.Type, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	if err := floats(n, 0); err != nil {
		return nil, err
	}
	return []ir.Type{{DType: tensor.Bool, Shape: n.In(0).Type.Shape}}, nil
}

func test1(f func(float64) bool) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		y := tensor.Data[bool](out[0])
		for i, x := range widen[float64](in[0]) {
			y[i] = f(x)
		}
		return nil
	}
}

package op

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Range is start, start+delta and so on before limit. All three inputs are scalars of one type and
// constant, since the output's length depends on them.
func init() {
	register(ir.Def{
		Name:   "Range",
		Traits: ir.Traits{Inputs: []ir.Use{ir.UseSetting, ir.UseSetting, ir.UseSetting}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 3, 3); err != nil {
				return nil, err
			}
			var x [3]float64
			for i, v := range n.Inputs {
				if !v.IsConst() {
					return nil, fmt.Errorf("the length depends on data: input %q is not constant", v.Name)
				}
				if v.Data.Len() != 1 || v.Type.DType != n.In(0).Type.DType {
					return nil, fmt.Errorf("input %d is %v, not one %v", i, v.Type, n.In(0).Type.DType)
				}
				x[i] = v.Data.Float64s()[0]
			}
			k := math.Ceil((x[1] - x[0]) / x[2])
			if math.IsNaN(k) || k > maxConstant {
				return nil, fmt.Errorf("from %g to %g by %g is no range", x[0], x[1], x[2])
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: tensor.Shape{int(max(k, 0))}}}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			switch classOf(n.In(0).Type.DType) {
			case classInt:
				return ir.Bound{Run: runRange[int64]}, nil
			case classUint:
				return ir.Bound{Run: runRange[uint64]}, nil
			}
			return ir.Bound{Run: runRange[float64]}, nil
		},
		ONNX: onnx("Range", 11),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Const: []int{0, 1, 2}, Inputs: []*tensor.Tensor{tensor.Scalar(float32(1)), tensor.Scalar(float32(2)), tensor.Scalar(float32(0.4))},
					Want: []*tensor.Tensor{floats32(1, 1.4, 1.8)}},
				{Name: "down", Const: []int{0, 1, 2}, Inputs: []*tensor.Tensor{tensor.Scalar(int64(5)), tensor.Scalar(int64(0)), tensor.Scalar(int64(-2))},
					Want: []*tensor.Tensor{ints64(5, 3, 1)}},
			}
		},
	})
}

func runRange[W widest](in, out []*tensor.Tensor, _ []byte) error {
	start, delta := widen[W](in[0])[0], widen[W](in[2])[0]
	y := wideOut[W](out[0])
	for i := range y {
		y[i] = start + W(i)*delta
	}
	narrow(out[0], y)
	return nil
}

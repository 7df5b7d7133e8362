package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ProdOfOthers gives for every element the product of all other elements along the attribute axes:
// the derivative of ReduceProd, right where elements are zero too.
func init() {
	register(ir.Def{
		Name:  "ProdOfOthers",
		Infer: sameFloat(1),
		Bind: func(n *ir.Node) (ir.Bound, error) {
			axes := reduceAxes(n)
			run := func(in, out []*tensor.Tensor, _ []byte) error {
				x, y := widen[float64](in[0]), wideOut[float64](out[0])
				prod, zeros := map[int]float64{}, map[int]int{} // of the elements that are not zero
				eachReduced(in[0].Shape, axes, func(i, o int) {
					if _, ok := prod[o]; !ok {
						prod[o] = 1
					}
					if x[i] == 0 {
						zeros[o]++
					} else {
						prod[o] *= x[i]
					}
				})
				eachReduced(in[0].Shape, axes, func(i, o int) {
					switch z := zeros[o]; {
					case z == 0:
						y[i] = prod[o] / x[i]
					case z == 1 && x[i] == 0:
						y[i] = prod[o]
					default:
						y[i] = 0
					}
				})
				narrow(out[0], y)
				return nil
			}
			return ir.Bound{Run: run}, nil
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "zero", Attrs: ir.Attrs{"axes": []int{1}}, Inputs: []*tensor.Tensor{tensor.Of([]float32{2, 3, 4, 0, 5, 6}, 2, 3)},
					Want: []*tensor.Tensor{tensor.Of([]float32{12, 8, 6, 30, 0, 0}, 2, 3)}},
			}
		},
	})
}

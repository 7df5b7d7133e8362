package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// The operator that docs/extending.md adds, as the page shows it: TestExtending runs it.

// Squareplus is (x + sqrt(x*x + b)) / 2 (Barron, 2021), a smooth Relu. The attribute b (default 4)
// says how smooth.
func init() {
	register(ir.Def{
		Name:   "Squareplus",
		Traits: ir.Traits{Elementwise: true, Activation: true, Batch: ir.BatchKept},
		Attrs:  map[string]ir.AttrType{"b": ir.AttrFloat},
		Infer:  sameFloat(1),
		// With the root r = 2y - x the derivative is y/r.
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			x, y := n.In(0), n.Outputs[0]
			root := b.Op("Sub", nil, b.Op("Add", nil, y, y), x)
			return []*ir.Value{b.Op("Mul", nil, dy[0], b.Op("Div", nil, y, root))}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			c := float64(n.Attrs.Float("b", 4))
			return ir.Bound{InPlace: []int{0}, Run: map1(func(x float64) float64 {
				return (x + math.Sqrt(x*x+c)) / 2
			})}, nil
		},
		Cost: perElement(5),
		ONNX: []ir.Form{{Domain: "org.example", Op: "Squareplus", Since: 1}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "random", Inputs: []*tensor.Tensor{random(3, 7)}},
				{Name: "by hand", Attrs: ir.Attrs{"b": float32(9)}, Inputs: []*tensor.Tensor{floats32(0, 4, -4)},
					Want: []*tensor.Tensor{floats32(1.5, 4.5, 0.5)}},
			}
		},
	})
}

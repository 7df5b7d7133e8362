package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Identity is its input.
func init() {
	register(ir.Def{
		Name:  "Identity",
		Infer: sameType(1, 1),
		Grad:  func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value { return dy },
		Bind:  func(n *ir.Node) (ir.Bound, error) { return ir.Bound{View: true}, nil },
		ONNX:  onnx("Identity", 1),
		Cases: []ir.Case{{Inputs: []*tensor.Tensor{random(2, 3)}}},
	})
}

package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Identity is its input.
func init() {
	register(ir.Def{
		Name:   "Identity",
		Traits: ir.Traits{Elementwise: true, HandsOn: true, Batch: ir.BatchKept, Identity: func(*ir.Node) bool { return true }},
		Infer:  sameType(1, 1),
		Grad:   func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value { return dy },
		Bind:   func(n *ir.Node) (ir.Bound, error) { return ir.Bound{View: true}, nil },
		ONNX: []ir.Form{{Op: "Identity", Since: 1, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			return handOn(b, n.In(0)), b.Err()
		}}},
		Cases: func() []ir.Case { return []ir.Case{{Inputs: []*tensor.Tensor{random(2, 3)}}} },
	})
}

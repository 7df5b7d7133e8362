package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Max and Min of two tensors that broadcast; NaN where either is NaN. ONNX gives any number of
// inputs, which become a chain, as do Sum and Mean. Max is an activation: some exporters write Relu
// so.
func init() {
	for _, m := range []struct {
		name string
		k    binary
		wins string // the comparison that the winner passes

		traits ir.Traits
	}{
		{"Max", binary{kernel.OpMax, math.Max, func(a, b int64) int64 { return max(a, b) }, func(a, b uint64) uint64 { return max(a, b) }}, "GreaterOrEqual",
			ir.Traits{Elementwise: true, Activation: true, Batch: ir.BatchBroadcast}},
		{"Min", binary{kernel.OpMin, math.Min, func(a, b int64) int64 { return min(a, b) }, func(a, b uint64) uint64 { return min(a, b) }}, "LessOrEqual", combining()},
	} {
		register(ir.Def{
			Name:   m.name,
			Traits: m.traits,
			Infer:  inferBroadcast(2, 2, tensor.Invalid),
			// The gradient goes to the winner, to the first of equals.
			Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
				first := b.Op(m.wins, nil, n.In(0), n.In(1))
				zero := scalar(b, dy[0].Type.DType, 0)
				return grads(need, func(i int) *ir.Value {
					if i == 0 {
						return sumTo(b, b.Op("Where", nil, first, dy[0], zero), n.In(0))
					}
					return sumTo(b, b.Op("Where", nil, first, zero, dy[0]), n.In(1))
				})
			},
			Bind: m.k.bind,
			Cost: perElement(1),
			ONNX: []ir.Form{{Op: m.name, Since: 1, Lower: variadic(m.name, nil)}},
			Cases: func() []ir.Case {
				return append(broadcastCases(-1, 1), ir.Case{Name: "int64", Inputs: []*tensor.Tensor{ints64(1, -5), ints64(1, -5)},
					Want: []*tensor.Tensor{ints64(1, -5)}})
			},
		})
	}
}

// variadic chains a binary operator over all inputs; finish, where given, makes the result of the
// chain's.
func variadic(op string, finish func(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value) func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	return func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 1, len(n.Inputs)); err != nil {
			return nil, err
		}
		v := n.In(0)
		if len(n.Inputs) == 1 {
			v = b.Op("Identity", nil, v)
		}
		for _, u := range n.Inputs[1:] {
			v = b.Op(op, nil, v, u)
		}
		if finish != nil && b.Err() == nil {
			v = finish(b, n, v)
		}
		return []*ir.Value{v}, b.Err()
	}
}

package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// composedReductions are the reductions of ONNX that are made of others.
var composedReductions = []struct {
	op    string
	build func(b *ir.Builder, x *ir.Value, attrs ir.Attrs) *ir.Value
}{
	{"ReduceL1", func(b *ir.Builder, x *ir.Value, attrs ir.Attrs) *ir.Value {
		return b.Op("ReduceSum", attrs, b.Op("Abs", nil, x))
	}},
	{"ReduceL2", func(b *ir.Builder, x *ir.Value, attrs ir.Attrs) *ir.Value {
		return b.Op("Sqrt", nil, b.Op("ReduceSum", attrs, b.Op("Mul", nil, x, x)))
	}},
	{"ReduceSumSquare", func(b *ir.Builder, x *ir.Value, attrs ir.Attrs) *ir.Value {
		return b.Op("ReduceSum", attrs, b.Op("Mul", nil, x, x))
	}},
	{"ReduceLogSum", func(b *ir.Builder, x *ir.Value, attrs ir.Attrs) *ir.Value {
		return b.Op("Log", nil, b.Op("ReduceSum", attrs, x))
	}},
	{"ReduceLogSumExp", func(b *ir.Builder, x *ir.Value, attrs ir.Attrs) *ir.Value {
		return b.Op("ReduceLogSumExp", attrs, x)
	}},
}

func composedForms() (fs []ir.Form) {
	for _, r := range composedReductions {
		fs = append(fs, reduceForms(r.op, 18, r.build)...)
	}
	return fs
}

// ReduceLogSumExp is log(sum(exp(x))) along axes, safe against overflow. It carries the forms of
// the composed reductions too.
func init() {
	register(ir.Def{
		Name:   "ReduceLogSumExp",
		Traits: ir.Traits{Batch: ir.BatchReduced, Rows: rowsButAxes},
		Infer:  inferReduce,
		// d log(sum(exp(x))) = exp(x - y).
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			y, g := reshape(b, n.Outputs[0], keptShape(n)), reshape(b, dy[0], keptShape(n))
			return []*ir.Value{b.Op("Mul", nil, b.Op("Exp", nil, b.Op("Sub", nil, n.In(0), y)), g)}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, axes := n.In(0).Type, reduceAxes(n)
			if x.DType == tensor.Float32 {
				return reduceFast(kernel.ReduceLogSumExp, x.Shape, axes), nil
			}
			return ir.Bound{Run: reduceWide(axes, kernel.LogAddExp)}, nil
		},
		Cost: func(n *ir.Node) ir.Cost {
			return ir.Cost{FLOPs: 12 * int64(n.In(0).Type.Shape.Len()), Bytes: bytesMoved(n)}
		},
		ONNX: composedForms(),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "all", Inputs: []*tensor.Tensor{random(2, 3)}},
				{Name: "last", Attrs: ir.Attrs{"axes": []int{-1}}, Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "around", Attrs: ir.Attrs{"axes": []int{0, 2}, "keepdims": 0}, Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "large", Inputs: []*tensor.Tensor{floats32(1000, 1000)}, Want: []*tensor.Tensor{tensor.Of([]float32{1000.6931}, 1)}, NoGrad: []int{0}},
			}
		},
	})
}

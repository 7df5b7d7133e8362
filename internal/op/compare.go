package op

import (
	"cmp"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Comparisons of two tensors of one type, which broadcast to each other, to bool. NaN compares
// false.
func init() {
	for _, c := range []struct {
		name string
		ops  compare
		want []bool
	}{
		{"Equal", compare{eq[float32], eq[float64], eq[int64], eq[uint64]}, []bool{false, true, false}},
		{"Less", compare{lt[float32], lt[float64], lt[int64], lt[uint64]}, []bool{true, false, false}},
		{"Greater", compare{gt[float32], gt[float64], gt[int64], gt[uint64]}, []bool{false, false, true}},
		{"LessOrEqual", compare{le[float32], le[float64], le[int64], le[uint64]}, []bool{true, true, false}},
		{"GreaterOrEqual", compare{ge[float32], ge[float64], ge[int64], ge[uint64]}, []bool{false, true, true}},
	} {
		register(ir.Def{
			Name:   c.name,
			Traits: combining(),
			Infer:  inferBroadcast(2, 2, tensor.Bool),
			Bind:   c.ops.bind,
			ONNX:   binaryForms(c.name),
			Cases: func() []ir.Case {
				return []ir.Case{
					{Name: "float32", Inputs: []*tensor.Tensor{floats32(1, 2, 3), floats32(2)}, Want: []*tensor.Tensor{tensor.Of(c.want)}},
					{Name: "int64", Inputs: []*tensor.Tensor{ints64(-1, 2, 3), ints64(2)}, Want: []*tensor.Tensor{tensor.Of(c.want)}},
					{Name: "uint8", Inputs: []*tensor.Tensor{tensor.Of([]uint8{1, 2, 255}), tensor.Of([]uint8{2})}, Want: []*tensor.Tensor{tensor.Of(c.want)}},
				}
			},
		})
	}
}

func eq[T comparable](a, b T) bool  { return a == b }
func lt[T cmp.Ordered](a, b T) bool { return a < b }
func gt[T cmp.Ordered](a, b T) bool { return a > b }
func le[T cmp.Ordered](a, b T) bool { return a <= b }
func ge[T cmp.Ordered](a, b T) bool { return a >= b }

type compare struct {
	f32 func(a, b float32) bool
	f64 func(a, b float64) bool
	i64 func(a, b int64) bool
	u64 func(a, b uint64) bool
}

func (c compare) bind(n *ir.Node) (ir.Bound, error) {
	p, err := plan(n.Outputs[0].Type.Shape, n.In(0), n.In(1))
	if err != nil {
		return ir.Bound{}, err
	}
	dt := n.In(0).Type.DType
	switch k := classOf(dt); {
	case dt == tensor.Float32:
		return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
			kernel.Map2(tensor.Data[bool](out[0]), in[0].F32(), in[1].F32(), p, c.f32)
			return nil
		}}, nil
	case k == classInt:
		return ir.Bound{Run: test2(c.i64, p)}, nil
	case k == classUint:
		return ir.Bound{Run: test2(c.u64, p)}, nil
	}
	return ir.Bound{Run: test2(c.f64, p)}, nil
}

func test2[W widest](f func(a, b W) bool, p *kernel.Broadcast) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		kernel.Map2(tensor.Data[bool](out[0]), widen[W](in[0]), widen[W](in[1]), p, f)
		return nil
	}
}

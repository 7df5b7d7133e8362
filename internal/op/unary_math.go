package op

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// unaryMath is an elementwise function of one tensor.
type unaryMath struct {
	name  string
	since int // first ONNX opset version, 0 for operators of this package only
	fast  func(y, x []float32)
	f     func(x float64) float64
	i     func(x int64) int64                               // signed integers, nil for none
	u     func(x uint64) uint64                             // unsigned integers, nil for none
	grad  func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value // nil result: zero
	lo    float64                                           // domain of the test cases
	hi    float64
}

// zeroGrad is the gradient of a function that is constant between its steps.
func zeroGrad(*ir.Builder, *ir.Value, *ir.Value, *ir.Value) *ir.Value { return nil }

// chain builds dy times the derivative d.
func chain(d func(b *ir.Builder, x, y *ir.Value) *ir.Value) func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
	return func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value { return b.Op("Mul", nil, dy, d(b, x, y)) }
}

// over builds dy divided by d.
func over(d func(b *ir.Builder, x, y *ir.Value) *ir.Value) func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
	return func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value { return b.Op("Div", nil, dy, d(b, x, y)) }
}

// square builds c + s*v*v.
func square(b *ir.Builder, c, s float64, v *ir.Value) *ir.Value {
	v = b.Op("Mul", nil, v, v)
	if s != 1 {
		v = b.Op("Mul", nil, v, scalar(b, v.Type.DType, s))
	}
	return b.Op("Add", nil, v, scalar(b, v.Type.DType, c))
}

func same64[W widest](x W) W { return x }

func init() {
	for _, u := range []unaryMath{
		{name: "Exp", since: 1, fast: kernel.Exp, f: math.Exp, lo: -2, hi: 2,
			grad: chain(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return y })},
		{name: "Log", since: 1, fast: kernel.Log, f: math.Log, lo: 0.2, hi: 3,
			grad: over(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return x })},
		{name: "Sqrt", since: 1, fast: kernel.Sqrt, f: math.Sqrt, lo: 0.2, hi: 3,
			grad: over(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Add", nil, y, y) })},
		{name: "Reciprocal", since: 1, fast: kernel.Reciprocal, f: func(x float64) float64 { return 1 / x }, lo: 0.5, hi: 2,
			grad: chain(func(b *ir.Builder, x, y *ir.Value) *ir.Value {
				return b.Op("Neg", nil, b.Op("Mul", nil, y, y))
			})},
		{name: "Neg", since: 1, fast: kernel.Neg, f: func(x float64) float64 { return -x }, lo: -1, hi: 1,
			i:    func(x int64) int64 { return -x },
			grad: func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value { return b.Op("Neg", nil, dy) }},
		{name: "Abs", since: 1, fast: kernel.Abs, f: math.Abs, lo: -1, hi: 1,
			i: func(x int64) int64 { return max(x, -x) }, u: same64[uint64],
			grad: chain(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Sign", nil, x) })},
		{name: "Sign", since: 9, fast: kernel.Sign, f: sign64, lo: 0.1, hi: 1, grad: zeroGrad,
			i: func(x int64) int64 { return int64(sign64(float64(x))) }, u: func(x uint64) uint64 { return min(x, 1) }},
		{name: "Floor", since: 1, fast: kernel.Floor, f: math.Floor, lo: 1.1, hi: 1.9, grad: zeroGrad},
		{name: "Ceil", since: 1, fast: kernel.Ceil, f: math.Ceil, lo: 1.1, hi: 1.9, grad: zeroGrad},
		{name: "Round", since: 11, fast: kernel.Round, f: math.RoundToEven, lo: 0.6, hi: 1.4, grad: zeroGrad},
		{name: "Sin", since: 7, fast: kernel.Sin, f: math.Sin, lo: -3, hi: 3,
			grad: chain(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Cos", nil, x) })},
		{name: "Cos", since: 7, fast: kernel.Cos, f: math.Cos, lo: -3, hi: 3,
			grad: chain(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Neg", nil, b.Op("Sin", nil, x)) })},
		{name: "Tan", since: 7, fast: kernel.Tan, f: math.Tan, lo: -1, hi: 1,
			grad: chain(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return square(b, 1, 1, y) })},
		{name: "Asin", since: 7, fast: kernel.Asin, f: math.Asin, lo: -0.9, hi: 0.9,
			grad: over(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Sqrt", nil, square(b, 1, -1, x)) })},
		{name: "Acos", since: 7, fast: kernel.Acos, f: math.Acos, lo: -0.9, hi: 0.9,
			grad: over(func(b *ir.Builder, x, y *ir.Value) *ir.Value {
				return b.Op("Neg", nil, b.Op("Sqrt", nil, square(b, 1, -1, x)))
			})},
		{name: "Atan", since: 7, fast: kernel.Atan, f: math.Atan, lo: -2, hi: 2,
			grad: over(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return square(b, 1, 1, x) })},
		{name: "Sinh", since: 9, fast: kernel.Sinh, f: math.Sinh, lo: -2, hi: 2,
			grad: chain(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Cosh", nil, x) })},
		{name: "Cosh", since: 9, fast: kernel.Cosh, f: math.Cosh, lo: -2, hi: 2,
			grad: chain(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Sinh", nil, x) })},
		{name: "Asinh", since: 9, fast: kernel.Asinh, f: math.Asinh, lo: -2, hi: 2,
			grad: over(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Sqrt", nil, square(b, 1, 1, x)) })},
		{name: "Acosh", since: 9, fast: kernel.Acosh, f: math.Acosh, lo: 1.2, hi: 3,
			grad: over(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return b.Op("Sqrt", nil, square(b, -1, 1, x)) })},
		{name: "Atanh", since: 9, fast: kernel.Atanh, f: math.Atanh, lo: -0.9, hi: 0.9,
			grad: over(func(b *ir.Builder, x, y *ir.Value) *ir.Value { return square(b, 1, -1, x) })},
	} {
		u.register()
	}
}

func sign64(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

func (u unaryMath) register() {
	r := [2]float64{u.lo, u.hi}
	d := ir.Def{
		Name:   u.name,
		Traits: unary,
		Infer:  sameType(1, 1),
		Bind:   u.bind,
		Cost:   perElement(4),
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{u.grad(b, n.In(0), n.Outputs[0], dy[0])}
		},
		Cases: func() []ir.Case { return []ir.Case{{Range: r, Inputs: []*tensor.Tensor{random(3, 7)}}} },
	}
	if u.since > 0 {
		d.ONNX = onnx(u.name, u.since)
	}
	register(d)
}

func (u unaryMath) bind(n *ir.Node) (ir.Bound, error) {
	dt := n.In(0).Type.DType
	b := ir.Bound{InPlace: []int{0}}
	switch c := classOf(dt); {
	case dt == tensor.Float32:
		b.Run = func(in, out []*tensor.Tensor, _ []byte) error {
			u.fast(out[0].F32(), in[0].F32())
			return nil
		}
	case c == classFloat:
		b.Run = map1(u.f)
	case c == classInt && u.i != nil:
		b.Run = map1(u.i)
	case c == classUint && u.u != nil && dt != tensor.Bool:
		b.Run = map1(u.u)
	default:
		return ir.Bound{}, fmt.Errorf("has no meaning for %v", dt)
	}
	return b, nil
}

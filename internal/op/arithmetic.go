package op

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// binary is an elementwise function of two tensors that broadcast to each other, by class of type.
// A nil function means that the class has none.
type binary struct {
	fast kernel.BinaryOp // float32
	f    func(a, b float64) float64
	i    func(a, b int64) int64
	u    func(a, b uint64) uint64
}

func (k binary) bind(n *ir.Node) (ir.Bound, error) {
	p, err := plan(n.Outputs[0].Type.Shape, n.In(0), n.In(1))
	if err != nil {
		return ir.Bound{}, err
	}
	bound := ir.Bound{InPlace: inPlace(n, 0, 1)}
	dt := n.In(0).Type.DType
	switch c := classOf(dt); {
	case dt == tensor.Float32:
		bound.Run = func(in, out []*tensor.Tensor, _ []byte) error {
			kernel.Binary(k.fast, out[0].F32(), in[0].F32(), in[1].F32(), p)
			return nil
		}
	case c == classFloat:
		bound.Run = map2(k.f, p)
	case c == classInt && k.i != nil:
		bound.Run = map2(k.i, p)
	case c == classUint && k.u != nil && dt != tensor.Bool:
		bound.Run = map2(k.u, p)
	default:
		return ir.Bound{}, fmt.Errorf("has no meaning for %v", dt)
	}
	return bound, nil
}

// nonZero checks first that no element of an integer divisor is 0.
func nonZero(run runFunc) runFunc {
	return func(in, out []*tensor.Tensor, scratch []byte) error {
		for i, v := range widen[int64](in[1]) {
			if v == 0 {
				return fmt.Errorf("integer division by zero (element %d of the divisor)", i)
			}
		}
		return run(in, out, scratch)
	}
}

// bindDiv guards integer division.
func bindDiv(k binary) func(n *ir.Node) (ir.Bound, error) {
	return func(n *ir.Node) (ir.Bound, error) {
		bound, err := k.bind(n)
		if err == nil && classOf(n.In(0).Type.DType) != classFloat {
			bound.Run = nonZero(bound.Run)
		}
		return bound, err
	}
}

func ints64(v ...int64) *tensor.Tensor     { return tensor.Of(v) }
func floats32(v ...float32) *tensor.Tensor { return tensor.Of(v) }

// broadcastCases pairs shapes in every way of broadcasting that kernels distinguish.
func broadcastCases(lo, hi float64) []ir.Case {
	r := [2]float64{lo, hi}
	return []ir.Case{
		{Name: "same", Range: r, Inputs: []*tensor.Tensor{random(3, 5), random(3, 5)}},
		{Name: "scalar", Range: r, Inputs: []*tensor.Tensor{random(2, 3, 4), random()}},
		{Name: "scalar first", Range: r, Inputs: []*tensor.Tensor{random(1), random(2, 3)}},
		{Name: "last axis", Range: r, Inputs: []*tensor.Tensor{random(2, 3, 4), random(4)}},
		{Name: "channel", Range: r, Inputs: []*tensor.Tensor{random(2, 3, 2, 2), random(1, 3, 1, 1)}},
		{Name: "both", Range: r, Inputs: []*tensor.Tensor{random(2, 1, 4), random(3, 1)}},
		{Name: "empty", Range: r, Inputs: []*tensor.Tensor{random(0, 3), random(3)}},
	}
}

func init() {
	add := binary{kernel.OpAdd, func(a, b float64) float64 { return a + b },
		func(a, b int64) int64 { return a + b }, func(a, b uint64) uint64 { return a + b }}
	register(ir.Def{
		Name:   "Add",
		Traits: cheap(combining(ir.UseTerm, ir.UseTerm)),
		Infer:  inferBroadcast(2, 2, tensor.Invalid),
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return grads(need, func(i int) *ir.Value { return sumTo(b, dy[0], n.In(i)) })
		},
		Bind: add.bind,
		Cost: perElement(1),
		ONNX: append(binaryForms("Add"),
			ir.Form{Op: "Sum", Since: 1, Lower: variadic("Add", nil)},
			ir.Form{Op: "Mean", Since: 1, Lower: variadic("Add", func(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value {
				return b.Op("Mul", nil, v, scalar(b, v.Type.DType, 1/float64(len(n.Inputs))))
			})}),
		Cases: func() []ir.Case {
			return append(broadcastCases(-1, 1), ir.Case{Name: "int64", Inputs: []*tensor.Tensor{ints64(1, 1<<60), ints64(2)}, Want: []*tensor.Tensor{ints64(3, 1<<60+2)}})
		},
	})

	sub := binary{kernel.OpSub, func(a, b float64) float64 { return a - b },
		func(a, b int64) int64 { return a - b }, func(a, b uint64) uint64 { return a - b }}
	register(ir.Def{
		Name:   "Sub",
		Traits: cheap(combining(ir.UseTerm, ir.UseTerm)),
		Infer:  inferBroadcast(2, 2, tensor.Invalid),
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return grads(need, func(i int) *ir.Value {
				dx := sumTo(b, dy[0], n.In(i))
				if i == 1 {
					dx = b.Op("Neg", nil, dx)
				}
				return dx
			})
		},
		Bind: sub.bind,
		Cost: perElement(1),
		ONNX: binaryForms("Sub"),
		Cases: func() []ir.Case {
			return append(broadcastCases(-1, 1), ir.Case{Name: "uint8", Inputs: []*tensor.Tensor{tensor.Of([]uint8{1}), tensor.Of([]uint8{2})}, Want: []*tensor.Tensor{tensor.Of([]uint8{255})}})
		},
	})

	mul := binary{kernel.OpMul, func(a, b float64) float64 { return a * b },
		func(a, b int64) int64 { return a * b }, func(a, b uint64) uint64 { return a * b }}
	register(ir.Def{
		Name:   "Mul",
		Traits: cheap(combining(ir.UseFactor, ir.UseFactor)),
		Infer:  inferBroadcast(2, 2, tensor.Invalid),
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return grads(need, func(i int) *ir.Value { return sumTo(b, b.Op("Mul", nil, dy[0], n.In(1-i)), n.In(i)) })
		},
		Bind: mul.bind,
		Cost: perElement(1),
		ONNX: binaryForms("Mul"),
		Cases: func() []ir.Case {
			return append(broadcastCases(-1, 1), ir.Case{Name: "int32", Inputs: []*tensor.Tensor{tensor.Of([]int32{3, -4}), tensor.Of([]int32{5})}, Want: []*tensor.Tensor{tensor.Of([]int32{15, -20})}})
		},
	})

	div := binary{kernel.OpDiv, func(a, b float64) float64 { return a / b },
		func(a, b int64) int64 { return a / b }, func(a, b uint64) uint64 { return a / b }}
	register(ir.Def{
		Name:   "Div",
		Traits: cheap(combining(ir.UseFactor, ir.UseFactor)),
		Infer:  inferBroadcast(2, 2, tensor.Invalid),
		// d(a/b) = da/b - db*y/b.
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			q := b.Op("Div", nil, dy[0], n.In(1))
			return grads(need, func(i int) *ir.Value {
				if i == 0 {
					return sumTo(b, q, n.In(0))
				}
				return b.Op("Neg", nil, sumTo(b, b.Op("Mul", nil, q, n.Outputs[0]), n.In(1)))
			})
		},
		Bind: bindDiv(div),
		Cost: perElement(1),
		ONNX: binaryForms("Div"),
		Cases: func() []ir.Case {
			return append(broadcastCases(0.5, 2), ir.Case{Name: "int64 toward zero", Inputs: []*tensor.Tensor{ints64(-7, 7), ints64(2)}, Want: []*tensor.Tensor{ints64(-3, 3)}})
		},
	})

	// The sign of an integer remainder is the divisor's, as in Python; with fmod it is the
	// dividend's.
	mod := binary{0, func(a, b float64) float64 { return a - b*math.Floor(a/b) },
		func(a, b int64) int64 {
			r := a % b
			if r != 0 && (r < 0) != (b < 0) {
				r += b
			}
			return r
		}, func(a, b uint64) uint64 { return a % b }}
	fmod := binary{0, math.Mod, func(a, b int64) int64 { return a % b }, func(a, b uint64) uint64 { return a % b }}
	register(ir.Def{
		Name:   "Mod",
		Traits: combining(),
		Infer:  inferBroadcast(2, 2, tensor.Invalid),
		Bind: func(n *ir.Node) (ir.Bound, error) {
			k := mod
			if n.Attrs.Bool("fmod") {
				k = fmod
			}
			bound, err := bindDiv(k)(n)
			if err == nil && n.In(0).Type.DType == tensor.Float32 {
				p, _ := plan(n.Outputs[0].Type.Shape, n.In(0), n.In(1))
				bound.Run = map2(k.f, p)
			}
			return bound, err
		},
		// d(a - b*q) with the quotient q constant.
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return grads(need, func(i int) *ir.Value {
				if i == 0 {
					return sumTo(b, dy[0], n.In(0))
				}
				q := b.Op("Round", nil, b.Op("Div", nil, b.Op("Sub", nil, n.Outputs[0], n.In(0)), n.In(1)))
				return sumTo(b, b.Op("Mul", nil, dy[0], q), n.In(1))
			})
		},
		Cost: perElement(4),
		ONNX: onnx("Mod", 10),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "int64", Inputs: []*tensor.Tensor{ints64(-7, 7, -7), ints64(3, -3, -3)}, Want: []*tensor.Tensor{ints64(2, -2, -1)}},
				{Name: "fmod", Attrs: ir.Attrs{"fmod": 1}, Inputs: []*tensor.Tensor{floats32(-4.3, 7.2, 5), floats32(2.1, -3.4, 8)}, Want: []*tensor.Tensor{floats32(-0.1, 0.4, 5)}},
			}
		},
	})
}

// grads calls f for each input that needs a gradient.
func grads(need []bool, f func(i int) *ir.Value) []*ir.Value {
	dx := make([]*ir.Value, len(need))
	for i, want := range need {
		if want {
			dx[i] = f(i)
		}
	}
	return dx
}

package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Pow is a**b, both of one type. ONNX lets them differ: see lowerPow.
func init() {
	pow := binary{kernel.OpPow, math.Pow, powInt[int64], powInt[uint64]}
	register(ir.Def{
		Name:   "Pow",
		Traits: combining(),
		Infer:  inferBroadcast(2, 2, tensor.Invalid),
		Grad:   powGrad,
		Bind:   pow.bind,
		Cost:   perElement(20),
		ONNX:   []ir.Form{legacyBroadcast("Pow"), {Op: "Pow", Since: 7, Lower: lowerPow}},
		Cases: func() []ir.Case {
			return append(broadcastCases(0.5, 2),
				ir.Case{Name: "negative base", Range: [2]float64{-2, -1}, Inputs: []*tensor.Tensor{random(4), floats32(3)}, NoGrad: []int{1}},
				ir.Case{Name: "int32", Inputs: []*tensor.Tensor{tensor.Of([]int32{-2, 3}), tensor.Of([]int32{3, 2})}, Want: []*tensor.Tensor{tensor.Of([]int32{-8, 9})}})
		},
	})
}

// powGrad is da = dy*b*a**(b-1) and db = dy*y*log(a), 0 where a is not positive.
func powGrad(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
	base, exp := n.In(0), n.In(1)
	dt := base.Type.DType
	return grads(need, func(i int) *ir.Value {
		if i == 0 {
			less := b.Op("Sub", nil, exp, scalar(b, dt, 1))
			d := b.Op("Mul", nil, exp, b.Op("Pow", nil, base, less))
			return sumTo(b, b.Op("Mul", nil, dy[0], d), base)
		}
		positive := b.Op("Greater", nil, base, scalar(b, dt, 0))
		log := b.Op("Log", nil, b.Op("Where", nil, positive, base, scalar(b, dt, 1)))
		return sumTo(b, b.Op("Mul", nil, dy[0], b.Op("Mul", nil, n.Outputs[0], log)), exp)
	})
}

// lowerPow brings both operands to one type, which is floating point if either is, and replaces
// common powers by simpler operators.
func lowerPow(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 2); err != nil {
		return nil, err
	}
	x, e := n.In(0), n.In(1)
	dt := x.Type.DType
	if e.IsConst() && e.Type.Shape.Len() == 1 && len(e.Type.Shape) <= len(x.Type.Shape) && dt.IsFloat() {
		switch e.Data.Float64s()[0] {
		case 1:
			return b.Ops("Identity", nil, x), b.Err()
		case 2:
			return b.Ops("Mul", nil, x, x), b.Err()
		case 3:
			return b.Ops("Mul", nil, x, b.Op("Mul", nil, x, x)), b.Err()
		case 0.5:
			return b.Ops("Sqrt", nil, x), b.Err()
		case -1:
			return b.Ops("Reciprocal", nil, x), b.Err()
		}
	}
	if !dt.IsFloat() && e.Type.DType.IsFloat() {
		return []*ir.Value{cast(b, b.Op("Pow", nil, cast(b, x, e.Type.DType), e), dt)}, b.Err()
	}
	return b.Ops("Pow", nil, x, cast(b, e, dt)), b.Err()
}

// powInt is a**b by repeated squaring; 0 for a negative exponent, unless a is 1 or -1.
func powInt[W int64 | uint64](a, b W) W {
	if b < 0 {
		switch {
		case a == 1:
			return 1
		case a*a == 1: // -1
			return powInt(a, -b)
		}
		return 0
	}
	r := W(1)
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			r *= a
		}
		a *= a
	}
	return r
}

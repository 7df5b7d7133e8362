package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Quantize gives x/scale, rounded with halves to even, plus zero, cut to the range of the integer
// type named by the attribute to; scale and zero are attributes too. FakeQuantize takes that back
// to floating point at once: the pair of QuantizeLinear and DequantizeLinear that quantised models
// put around every operator.
func init() {
	infer := func(fake bool) inferFunc {
		return func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			dt, err := dtypeNamed(n.Attrs.Str("to", ""))
			if err != nil {
				return nil, err
			}
			x := n.In(0).Type
			if x.DType != tensor.Float32 || !dt.IsInt() || dt.Size() > 2 || !(n.Attrs.Float("scale", 0) > 0) {
				return nil, fmt.Errorf("from %v to %v by scale %g", x.DType, dt, n.Attrs.Float("scale", 0))
			}
			if fake {
				dt = x.DType
			}
			return []ir.Type{{DType: dt, Shape: x.Shape}}, nil
		}
	}
	x := floats32(-1, 0.25, 0.75, 300)
	attrs := ir.Attrs{"to": "uint8", "scale": float32(0.5), "zero": 1}
	register(ir.Def{
		Name:   "Quantize",
		Attrs:  toName,
		Traits: unary,
		Infer:  infer(false),
		Bind: func(n *ir.Node) (ir.Bound, error) {
			q := newQuantizer(n.Attrs)
			switch q.dt {
			case tensor.Int8, tensor.Int4, tensor.Int2:
				return ir.Bound{Run: runQuantize[int8](q)}, nil
			case tensor.Uint8, tensor.Uint4, tensor.Uint2:
				return ir.Bound{Run: runQuantize[uint8](q)}, nil
			case tensor.Int16:
				return ir.Bound{Run: runQuantize[int16](q)}, nil
			}
			return ir.Bound{Run: runQuantize[uint16](q)}, nil
		},
		Cost: perElement(5),
		Cases: func() []ir.Case {
			return []ir.Case{{Attrs: attrs, Inputs: []*tensor.Tensor{x}, Want: []*tensor.Tensor{tensor.Of([]uint8{0, 1, 3, 255})}, NoGrad: []int{0}}}
		},
	})
	register(ir.Def{
		Name:   "FakeQuantize",
		Attrs:  toName,
		Traits: unary,
		Infer:  infer(true),
		// The gradient passes straight through the rounding, and none through what is cut (Bengio,
		// Léonard and Courville, 2013).
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			x, q := n.In(0), newQuantizer(n.Attrs)
			at := func(v float32) *ir.Value { return scalar(b, x.Type.DType, float64(v*q.scale)) }
			inside := b.Op("And", nil, b.Op("GreaterOrEqual", nil, x, at(q.lo-0.5)), b.Op("LessOrEqual", nil, x, at(q.hi+0.5)))
			return []*ir.Value{b.Op("Where", nil, inside, dy[0], scalar(b, x.Type.DType, 0))}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			q := newQuantizer(n.Attrs)
			return ir.Bound{InPlace: []int{0}, Run: func(in, out []*tensor.Tensor, _ []byte) error {
				x, y := in[0].F32(), out[0].F32()
				q.blocks(len(x), func(lo, hi int) {
					for i, v := range x[lo:hi] {
						y[lo+i] = q.round(v) * q.scale
					}
				})
				return nil
			}}, nil
		},
		Cost: perElement(6),
		Cases: func() []ir.Case {
			return []ir.Case{{Attrs: attrs, Inputs: []*tensor.Tensor{x}, Want: []*tensor.Tensor{floats32(-0.5, 0, 1, 127)}, NoGrad: []int{0}}}
		},
	})
}

type quantizer struct {
	dt           tensor.DType
	scale        float32
	zero, lo, hi float32 // lo and hi are the type's range less the zero point
}

func newQuantizer(a ir.Attrs) quantizer {
	dt, _ := dtypeNamed(a.Str("to", ""))
	q := quantizer{dt: dt, scale: a.Float("scale", 1), zero: float32(a.Int("zero", 0))}
	bits := dt.Bits()
	q.lo, q.hi = 0, float32(int(1)<<bits-1)
	if classOf(dt) == classInt {
		q.lo, q.hi = -float32(int(1)<<(bits-1)), float32(int(1)<<(bits-1)-1)
	}
	q.lo -= q.zero
	q.hi -= q.zero
	return q
}

// round is x/scale as an integer in range, before the zero point is added. Adding and subtracting
// 1.5*2^23 rounds values below 2^22 to even.
func (q quantizer) round(x float32) float32 {
	const magic = 3 << 22
	v := x / q.scale
	if v < q.lo {
		v = q.lo
	} else if v > q.hi {
		v = q.hi
	}
	v += magic
	return v - magic
}

func (q quantizer) blocks(n int, f func(lo, hi int)) {
	kernel.Parallel((n+castBlock-1)/castBlock, func(k int) { f(k*castBlock, min((k+1)*castBlock, n)) })
}

func runQuantize[T int8 | uint8 | int16 | uint16](q quantizer) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := in[0].F32(), tensor.Data[T](out[0])
		q.blocks(len(x), func(lo, hi int) {
			for i, v := range x[lo:hi] {
				y[lo+i] = T(int32(q.round(v) + q.zero))
			}
		})
		return nil
	}
}

// scalarQuantizer gives the attributes of Quantize where scale and zero point are one constant
// each.
func scalarQuantizer(x, scale, zero *ir.Value, dt tensor.DType) (ir.Attrs, bool) {
	if x.Type.DType != tensor.Float32 || !dt.IsInt() || dt.Size() > 2 || !scale.IsConst() || scale.Data.Len() != 1 || scale.Type.DType != tensor.Float32 {
		return nil, false
	}
	attrs := ir.Attrs{"to": dt.String(), "scale": scale.Data.F32()[0], "zero": 0}
	if zero != nil {
		if !zero.IsConst() || zero.Data.Len() != 1 {
			return nil, false
		}
		attrs["zero"] = int(zero.Data.Float64s()[0])
	}
	return attrs, attrs.Float("scale", 0) > 0
}

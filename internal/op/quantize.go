package op

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Saturate rounds floating point to the nearest integer, halves to even, cut to the range of the
// integer type that the attribute to names. The quantised operators of ONNX are built with it:
// their products are exact, computed on integers held in floating point.
func init() {
	register(ir.Def{
		Name:   "Saturate",
		Attrs:  toName,
		Traits: unary,
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			dt, err := dtypeNamed(n.Attrs.Str("to", ""))
			if err != nil {
				return nil, err
			}
			if !dt.IsInt() || !n.In(0).Type.DType.IsFloat() {
				return nil, fmt.Errorf("from %v to %v", n.In(0).Type.DType, dt)
			}
			return []ir.Type{{DType: dt, Shape: n.In(0).Type.Shape}}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			switch n.Outputs[0].Type.DType {
			case tensor.Int8:
				return ir.Bound{Run: saturate[int8](math.MinInt8, math.MaxInt8)}, nil
			case tensor.Uint8:
				return ir.Bound{Run: saturate[uint8](0, math.MaxUint8)}, nil
			case tensor.Int4:
				return ir.Bound{Run: saturate[int8](-8, 7)}, nil
			case tensor.Uint4:
				return ir.Bound{Run: saturate[uint8](0, 15)}, nil
			case tensor.Int2:
				return ir.Bound{Run: saturate[int8](-2, 1)}, nil
			case tensor.Uint2:
				return ir.Bound{Run: saturate[uint8](0, 3)}, nil
			case tensor.Int16:
				return ir.Bound{Run: saturate[int16](math.MinInt16, math.MaxInt16)}, nil
			case tensor.Uint16:
				return ir.Bound{Run: saturate[uint16](0, math.MaxUint16)}, nil
			case tensor.Int32:
				return ir.Bound{Run: saturate[int32](math.MinInt32, math.MaxInt32)}, nil
			}
			return ir.Bound{}, fmt.Errorf("has no meaning for %v", n.Outputs[0].Type.DType)
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "uint8", Attrs: ir.Attrs{"to": "uint8"}, Inputs: []*tensor.Tensor{floats32(-1, 0.5, 1.5, 300)}, Want: []*tensor.Tensor{tensor.Of([]uint8{0, 0, 2, 255})}},
				{Name: "int8", Attrs: ir.Attrs{"to": "int8"}, Inputs: []*tensor.Tensor{floats32(-200, -1.5, 126.6)}, Want: []*tensor.Tensor{tensor.Of([]int8{-128, -2, 127})}},
			}
		},
	})
	ir.RegisterForms(
		ir.Form{Op: "QuantizeLinear", Since: 10, Lower: lowerQuantize,
			Traits: &ir.Traits{Batch: ir.BatchKept, Inputs: []ir.Use{ir.UseData, ir.UseSetting}}},
		ir.Form{Op: "DequantizeLinear", Since: 10, Lower: lowerDequantize,
			Traits: &ir.Traits{HandsOn: true, Batch: ir.BatchKept, Inputs: []ir.Use{ir.UseData, ir.UseSetting}}},
		ir.Form{Op: "DynamicQuantizeLinear", Since: 11, Lower: lowerDynamicQuantize, Traits: &ir.Traits{WholeBatch: true, Batch: ir.BatchKept}},
		ir.Form{Op: "MatMulInteger", Since: 10, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 2, 4); err != nil {
				return nil, err
			}
			a, w := centred(b, n.In(0), alongRows(b, n.In(2), n.In(0))), centred(b, n.In(1), n.In(3))
			return []*ir.Value{cast(b, exactMatMul(b, a, w), tensor.Int32)}, b.Err()
		}},
		ir.Form{Op: "QLinearMatMul", Since: 10, Lower: lowerQLinearMatMul},
		ir.Form{Op: "ConvInteger", Since: 10, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 2, 4); err != nil {
				return nil, err
			}
			x, w := centred(b, n.In(0), n.In(2)), centred(b, n.In(1), perFilter(b, n.In(3), n.In(1)))
			return []*ir.Value{cast(b, exactConv(b, n, x, w), tensor.Int32)}, b.Err()
		}},
		ir.Form{Op: "QLinearConv", Since: 10, Lower: lowerQLinearConv},
	)
}

func saturate[T int8 | uint8 | int16 | uint16 | int32](lo, hi float64) runFunc {
	one := func(x float64) T { return T(min(max(math.RoundToEven(x), lo), hi)) }
	return func(in, out []*tensor.Tensor, _ []byte) error {
		y := tensor.Data[T](out[0])
		if in[0].DType != tensor.Float32 {
			for i, v := range widen[float64](in[0]) {
				y[i] = one(v)
			}
			return nil
		}
		x := in[0].F32()
		kernel.Parallel((len(x)+castBlock-1)/castBlock, func(k int) {
			for i := k * castBlock; i < min((k+1)*castBlock, len(x)); i++ {
				y[i] = one(float64(x[i]))
			}
		})
		return nil
	}
}

// spread makes a scale or zero point of a quantised tensor of shape x broadcast to it: one value,
// one for each position along axis, or one for each block of block positions.
func spread(b *ir.Builder, n *ir.Node, v *ir.Value, x tensor.Shape) (*ir.Value, error) {
	if v == nil || v.Type.Shape.Len() == 1 {
		return reshape(b, v, tensor.Shape{}), nil
	}
	axis, err := axisOf(n.Attrs.Int("axis", 1), len(x))
	if err != nil {
		return nil, err
	}
	s := v.Type.Shape
	if len(s) == 1 && s[0] == x[axis] {
		one := make(tensor.Shape, len(x))
		for i := range one {
			one[i] = 1
		}
		one[axis] = s[0]
		return reshape(b, v, one), nil
	}
	block := n.Attrs.Int("block_size", 0)
	if block < 1 || len(s) != len(x) || s[axis] != (x[axis]+block-1)/block {
		return nil, errorf("scale or zero point %v does not fit %v along axis %d with blocks of %d", s, x, axis, block)
	}
	index := make([]int, x[axis])
	for i := range index {
		index[i] = i / block
	}
	return b.Op("Gather", ir.Attrs{"axis": axis}, v, b.Ints(index...)), nil
}

func lowerQuantize(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, err
	}
	work := workType(n.In(1))
	x := cast(b, n.In(0), work)
	dt := tensor.Uint8
	if n.Attrs.Int("output_dtype", 0) != 0 {
		var err error
		if dt, err = onnxType(n.Attrs.Int("output_dtype", 0)); err != nil {
			return nil, errorf("%w", err)
		}
	}
	if n.In(2) != nil {
		dt = n.In(2).Type.DType
	}
	if attrs, ok := scalarQuantizer(n.In(0), n.In(1), n.In(2), dt); ok {
		return b.Ops("Quantize", attrs, n.In(0)), b.Err()
	}
	scale, err := spread(b, n, cast(b, n.In(1), work), x.Type.Shape)
	if err != nil {
		return nil, err
	}
	zero, err := spread(b, n, n.In(2), x.Type.Shape)
	if err != nil {
		return nil, err
	}
	v := b.Op("Div", nil, x, scale)
	if dt.IsSmallFloat() {
		if zero != nil {
			v = b.Op("Add", nil, v, cast(b, zero, work))
		}
		return b.Ops("Cast", ir.Attrs{"to": dt.String(), "saturate": n.Attrs.Int("saturate", 1)}, v), b.Err()
	}
	return []*ir.Value{quantize(b, v, zero, dt)}, b.Err()
}

// workType is float64 for a float64 scale, else float32.
func workType(scale *ir.Value) tensor.DType {
	if scale.Type.DType == tensor.Float64 {
		return tensor.Float64
	}
	return tensor.Float32
}

// quantize is saturate(round(v) + zero); rounding first, since halves go to even.
func quantize(b *ir.Builder, v, zero *ir.Value, dt tensor.DType) *ir.Value {
	if zero != nil {
		v = b.Op("Add", nil, b.Op("Round", nil, v), cast(b, zero, v.Type.DType))
	}
	return b.Op("Saturate", ir.Attrs{"to": dt.String()}, v)
}

func lowerDequantize(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, err
	}
	x, dt := n.In(0), n.In(1).Type.DType
	if q := x.Node; q != nil && q.Op == "Quantize" && !n.Attrs.Has("output_dtype") {
		// A pair: read x, the value before quantisation.
		if attrs, ok := scalarQuantizer(q.In(0), n.In(1), n.In(2), x.Type.DType); ok && maps.Equal(attrs, q.Attrs) {
			return b.Ops("FakeQuantize", attrs, q.In(0)), b.Err()
		}
	}
	work := workType(n.In(1))
	scale, err := spread(b, n, cast(b, n.In(1), work), x.Type.Shape)
	if err != nil {
		return nil, err
	}
	zero, err := spread(b, n, n.In(2), x.Type.Shape)
	if err != nil {
		return nil, err
	}
	if code := n.Attrs.Int("output_dtype", 0); code != 0 {
		if dt, err = onnxType(code); err != nil {
			return nil, errorf("%w", err)
		}
	}
	return []*ir.Value{cast(b, b.Op("Mul", nil, cast(b, centred(b, x, zero), work), scale), dt)}, b.Err()
}

// lowerDynamicQuantize chooses scale and zero point so that 0 and all of x fit in 0 to 255.
func lowerDynamicQuantize(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x := n.In(0)
	all := ir.Attrs{"keepdims": 0}
	hi := b.Op("Max", nil, b.Op("ReduceMax", all, x), b.Float(0))
	lo := b.Op("Min", nil, b.Op("ReduceMin", all, x), b.Float(0))
	scale := b.Op("Div", nil, b.Op("Sub", nil, hi, lo), b.Float(255))
	zero := b.Op("Saturate", ir.Attrs{"to": "uint8"}, b.Op("Div", nil, b.Op("Neg", nil, lo), scale))
	return []*ir.Value{quantize(b, b.Op("Div", nil, x, scale), zero, tensor.Uint8), scale, zero}, b.Err()
}

// centred is x minus its zero point, in float32.
func centred(b *ir.Builder, x, zero *ir.Value) *ir.Value {
	x = cast(b, x, tensor.Float32)
	if zero == nil {
		return x
	}
	return b.Op("Sub", nil, x, cast(b, zero, tensor.Float32))
}

// alongRows makes one value for each row of matrix m broadcast over it.
func alongRows(b *ir.Builder, v, m *ir.Value) *ir.Value {
	if v != nil && len(v.Type.Shape) == 1 && v.Type.Shape[0] > 1 && len(m.Type.Shape) > 1 {
		return reshape(b, v, tensor.Shape{v.Type.Shape[0], 1})
	}
	return v
}

// perFilter makes one value for each filter of w broadcast over it.
func perFilter(b *ir.Builder, v, w *ir.Value) *ir.Value {
	if v == nil || v.Type.Shape.Len() == 1 {
		return reshape(b, v, tensor.Shape{})
	}
	s := slices.Repeat(tensor.Shape{1}, len(w.Type.Shape))
	s[0] = v.Type.Shape.Len()
	return reshape(b, v, s)
}

// exactTerms is how many products of two numbers of at most 9 bits float32 adds up without
// rounding.
const exactTerms = 256

// exactMatMul multiplies small integers held in float32, in runs short enough to be exact, and adds
// those up in int32.
func exactMatMul(b *ir.Builder, a, w *ir.Value) *ir.Value {
	if b.Err() != nil {
		return nil
	}
	rank := len(a.Type.Shape)
	k := a.Type.Shape[rank-1]
	if k <= exactTerms {
		return b.Op("MatMul", nil, a, w)
	}
	inner := max(0, len(w.Type.Shape)-2)
	var sum *ir.Value
	for at := 0; at < k; at += exactTerms {
		to := min(at+exactTerms, k)
		p := cast(b, b.Op("MatMul", nil, slice(b, a, rank-1, at, to), slice(b, w, inner, at, to)), tensor.Int32)
		if sum == nil {
			sum = p
		} else {
			sum = b.Op("Add", nil, sum, p)
		}
	}
	return sum
}

// exactConv convolves small integers held in float32, in float64 where float32 would round.
func exactConv(b *ir.Builder, n *ir.Node, x, w *ir.Value) *ir.Value {
	if w != nil && w.Type.Shape[1:].Len() > exactTerms {
		x, w = cast(b, x, tensor.Float64), cast(b, w, tensor.Float64)
	}
	return lowered(b, n, "Conv", x, w)
}

// lowered builds an ONNX operator of the newest version with the attributes of n.
func lowered(b *ir.Builder, n *ir.Node, op string, in ...*ir.Value) *ir.Value {
	return loweredAt(b, n, op, newestOpset, in...)
}

// newestOpset is the newest version of ONNX that operators are lowered from.
const newestOpset = 28

func lowerQLinearMatMul(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 8, 8); err != nil {
		return nil, err
	}
	f := func(i int) *ir.Value { return cast(b, n.In(i), tensor.Float32) }
	a := centred(b, n.In(0), alongRows(b, n.In(2), n.In(0)))
	w := centred(b, n.In(3), n.In(5))
	y := cast(b, exactMatMul(b, a, w), tensor.Float32)
	scale := b.Op("Div", nil, b.Op("Mul", nil, alongRows(b, f(1), n.In(0)), f(4)), f(6))
	return []*ir.Value{quantize(b, b.Op("Mul", nil, y, scale), n.In(7), n.In(7).Type.DType)}, b.Err()
}

func lowerQLinearConv(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 8, 9); err != nil {
		return nil, err
	}
	f := func(i int) *ir.Value { return cast(b, n.In(i), tensor.Float32) }
	x, w := centred(b, n.In(0), n.In(2)), centred(b, n.In(3), perFilter(b, n.In(5), n.In(3)))
	y := cast(b, exactConv(b, n, x, w), tensor.Float32)
	if b.Err() != nil {
		return nil, b.Err()
	}
	perChannel := func(v *ir.Value) *ir.Value {
		if v.Type.Shape.Len() == 1 {
			return reshape(b, v, tensor.Shape{})
		}
		s := slices.Repeat(tensor.Shape{1}, len(y.Type.Shape))
		s[1] = v.Type.Shape.Len()
		return reshape(b, v, s)
	}
	if n.In(8) != nil {
		y = b.Op("Add", nil, y, perChannel(f(8)))
	}
	scale := b.Op("Div", nil, b.Op("Mul", nil, f(1), perChannel(f(4))), f(6))
	return []*ir.Value{quantize(b, b.Op("Mul", nil, y, scale), n.In(7), n.In(7).Type.DType)}, b.Err()
}

package op

import (
	"fmt"
	"math"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// onnxTypes lists the element types by their number in ONNX (TensorProto.DataType).
var onnxTypes = map[int]tensor.DType{
	1: tensor.Float32, 2: tensor.Uint8, 3: tensor.Int8, 4: tensor.Uint16, 5: tensor.Int16, 6: tensor.Int32,
	7: tensor.Int64, 9: tensor.Bool, 10: tensor.Float16, 11: tensor.Float64, 12: tensor.Uint32,
	13: tensor.Uint64, 16: tensor.BFloat16, 17: tensor.Float8E4M3FN, 18: tensor.Float8E4M3FNUZ,
	19: tensor.Float8E5M2, 20: tensor.Float8E5M2FNUZ, 21: tensor.Uint4, 22: tensor.Int4, 23: tensor.Float4E2M1,
	24: tensor.Float8E8M0, 25: tensor.Uint2, 26: tensor.Int2,
}

// onnxType is the element type of an ONNX type number.
func onnxType(code int) (tensor.DType, error) {
	dt, ok := onnxTypes[code]
	if !ok {
		return tensor.Invalid, fmt.Errorf("element type %d of ONNX is not supported", code)
	}
	return dt, nil
}

// toName: the attribute to holds the name of an element type.
var toName = map[string]ir.AttrType{"to": ir.AttrString}

// dtypeNamed is the element type of an attribute that holds its name, such as "float32".
func dtypeNamed(name string) (tensor.DType, error) {
	for _, dt := range onnxTypes {
		if dt.String() == name {
			return dt, nil
		}
	}
	return tensor.Invalid, fmt.Errorf("no element type is named %q", name)
}

// cast builds v in another type.
func cast(b *ir.Builder, v *ir.Value, dt tensor.DType) *ir.Value {
	if v == nil || v.Type.DType == dt {
		return v
	}
	return b.Op("Cast", ir.Attrs{"to": dt.String()}, v)
}

// Cast changes the element type; the attribute to names the new one. Floating point becomes integer
// by dropping the fraction, and anything but 0 becomes true. In floats of a byte or less, too large
// values become the greatest number, or with saturate 0 infinity or NaN. float8e8m0 rounds
// according to round_mode.
func init() {
	register(ir.Def{
		Name:   "Cast",
		Attrs:  toName,
		Traits: ir.Traits{Elementwise: true, HandsOn: true, Batch: ir.BatchKept, Identity: sameTypes},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			dt, err := dtypeNamed(n.Attrs.Str("to", ""))
			if err != nil {
				return nil, err
			}
			return []ir.Type{{DType: dt, Shape: n.In(0).Type.Shape}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{cast(b, dy[0], n.In(0).Type.DType)}
		},
		Bind: bindCast,
		ONNX: []ir.Form{
			{Op: "Cast", Since: 1, Until: 5, Attrs: toName, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 1, 1); err != nil {
					return nil, err
				}
				name := strings.ToLower(n.Attrs.Str("to", ""))
				switch name {
				case "float":
					name = "float32"
				case "double":
					name = "float64"
				}
				dt, err := dtypeNamed(name)
				if err != nil {
					return nil, err
				}
				return castOrSame(b, n, dt), b.Err()
			}},
			{Op: "Cast", Since: 6, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 1, 1); err != nil {
					return nil, err
				}
				dt, err := onnxType(n.Attrs.Int("to", 0))
				if err != nil {
					return nil, errorf("%w", err)
				}
				return castOrSame(b, n, dt), b.Err()
			}},
			{Op: "CastLike", Since: 15, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 2, 2); err != nil {
					return nil, err
				}
				return castOrSame(b, n, n.In(1).Type.DType), b.Err()
			}},
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "float64", Attrs: ir.Attrs{"to": "float64"}, Inputs: []*tensor.Tensor{random(5)}},
				{Name: "toward zero", Attrs: ir.Attrs{"to": "int32"}, Inputs: []*tensor.Tensor{floats32(-1.7, 1.7)}, NoGrad: []int{0},
					Want: []*tensor.Tensor{tensor.Of([]int32{-1, 1})}},
				{Name: "bool", Attrs: ir.Attrs{"to": "bool"}, Inputs: []*tensor.Tensor{floats32(0, 0.5, -2)}, NoGrad: []int{0},
					Want: []*tensor.Tensor{tensor.Of([]bool{false, true, true})}},
				{Name: "from bool", Attrs: ir.Attrs{"to": "float32"}, Inputs: []*tensor.Tensor{tensor.Of([]bool{false, true})},
					Want: []*tensor.Tensor{floats32(0, 1)}},
				{Name: "from int64", Attrs: ir.Attrs{"to": "uint8"}, Inputs: []*tensor.Tensor{ints64(257, -1)},
					Want: []*tensor.Tensor{tensor.Of([]uint8{1, 255})}},
				{Name: "eight bits", Attrs: ir.Attrs{"to": "float8e4m3fn"}, Inputs: []*tensor.Tensor{floats32(0.3, -500, 448)}, NoGrad: []int{0},
					Want: []*tensor.Tensor{{DType: tensor.Float8E4M3FN, Shape: tensor.Shape{3}, Bytes: []byte{0x2a, 0xfe, 0x7e}}}},
				{Name: "four bits", Attrs: ir.Attrs{"to": "int4"}, Inputs: []*tensor.Tensor{ints64(7, 8, -9)},
					Want: []*tensor.Tensor{{DType: tensor.Int4, Shape: tensor.Shape{3}, Bytes: []byte{7, 0xf8, 7}}}},
				{Name: "half", Attrs: ir.Attrs{"to": "float16"}, Inputs: []*tensor.Tensor{floats32(1, -0.5)}, NoGrad: []int{0}},
			}
		},
	})
}

// castOrSame is cast, but adds a node even if nothing changes, so that the output is not the input.
func castOrSame(b *ir.Builder, n *ir.Node, dt tensor.DType) []*ir.Value {
	if n.In(0).Type.DType == dt {
		return b.Ops("Identity", nil, n.In(0))
	}
	attrs := ir.Attrs{"to": dt.String()}
	if dt.IsSmallFloat() {
		attrs["saturate"], attrs["round_mode"] = n.Attrs.Int("saturate", 1), n.Attrs.Str("round_mode", "up")
	}
	return b.Ops("Cast", attrs, n.In(0))
}

func bindCast(n *ir.Node) (ir.Bound, error) {
	from, to := n.In(0).Type.DType, n.Outputs[0].Type.DType
	if from == to {
		return ir.Bound{View: true}, nil
	}
	b := ir.Bound{}
	switch {
	case from == tensor.Float16 && to == tensor.Float32:
		b.Run = castWith(tensor.Float16ToFloat32)
	case from == tensor.BFloat16 && to == tensor.Float32:
		b.Run = castWith(tensor.BFloat16ToFloat32)
	case from == tensor.Float32 && to == tensor.Float16:
		b.Run = castWith(tensor.Float32ToFloat16)
	case from == tensor.Float32 && to == tensor.BFloat16:
		b.Run = castWith(tensor.Float32ToBFloat16)
	case from == tensor.Float32 && to == tensor.Uint8: // as narrow does
		b.Run = func(in, out []*tensor.Tensor, _ []byte) error {
			castBlocks(in[0], out[0], func(x []float32, y []uint8) {
				for i, v := range x {
					y[i] = uint8(int64(v))
				}
			})
			return nil
		}
	case from == tensor.Uint8 && to == tensor.Float32:
		b.Run = castPlain[uint8, float32]
	case from == tensor.Int32 && to == tensor.Float32:
		b.Run = castPlain[int32, float32]
	case from == tensor.Float32 && to == tensor.Int64:
		b.Run = castPlain[float32, int64]
	case from == tensor.Int64 && to == tensor.Float32:
		b.Run = castPlain[int64, float32]
	case to.IsSmallFloat():
		saturate, round := n.Attrs.Int("saturate", 1) != 0, n.Attrs.Str("round_mode", "up")
		b.Run = func(in, out []*tensor.Tensor, _ []byte) error {
			narrowSmall(out[0], in[0].Float64s(), saturate, round)
			return nil
		}
	case classOf(from) == classInt:
		b.Run = castWide[int64]
	case classOf(from) == classUint:
		b.Run = castWide[uint64]
	case to == tensor.Uint64: // int64 does not reach that far
		b.Run = func(in, out []*tensor.Tensor, _ []byte) error {
			y := tensor.Data[uint64](out[0])
			for i, x := range in[0].Float64s() {
				if x >= math.MaxInt64 {
					y[i] = uint64(x)
				} else {
					y[i] = uint64(int64(x))
				}
			}
			return nil
		}
	default:
		b.Run = castWide[float64]
	}
	return b, nil
}

// castWide goes through the class of the input.
func castWide[W widest](in, out []*tensor.Tensor, _ []byte) error {
	narrow(out[0], widen[W](in[0]))
	return nil
}

func castWith[X, Y tensor.Elem](f func(X) Y) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		castBlocks(in[0], out[0], func(x []X, y []Y) {
			for i, v := range x {
				y[i] = f(v)
			}
		})
		return nil
	}
}

// castPlain converts as Go does. It has no call for each element.
func castPlain[X, Y interface {
	uint8 | int32 | int64 | float32
	tensor.Elem
}](in, out []*tensor.Tensor, _ []byte) error {
	castBlocks(in[0], out[0], func(x []X, y []Y) {
		for i, v := range x {
			y[i] = Y(v)
		}
	})
	return nil
}

// castBlocks calls fn with pieces of the elements, of equal length.
func castBlocks[X, Y tensor.Elem](in, out *tensor.Tensor, fn func(x []X, y []Y)) {
	x, y := tensor.Data[X](in), tensor.Data[Y](out)
	kernel.Parallel((len(x)+castBlock-1)/castBlock, func(k int) {
		lo, hi := k*castBlock, min((k+1)*castBlock, len(x))
		fn(x[lo:hi], y[lo:hi:hi][:hi-lo])
	})
}

// castBlock is the number of elements of one task.
const castBlock = 1 << 14

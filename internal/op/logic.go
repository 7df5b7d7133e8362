package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// And, Or, Xor and Not work on bool; BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot and BitShift,
// whose attribute direction is LEFT or RIGHT, on integers. The binary ones broadcast.
func init() {
	isBool := func(dt tensor.DType) bool { return dt == tensor.Bool }
	booleans := tensor.Of([]bool{false, true})
	for _, l := range []struct {
		name string
		f    func(a, b uint64) uint64
		want []bool
		bits uint8
	}{
		{"And", func(a, b uint64) uint64 { return a & b }, []bool{false, false, false, true}, 0b1000},
		{"Or", func(a, b uint64) uint64 { return a | b }, []bool{false, true, true, true}, 0b1110},
		{"Xor", func(a, b uint64) uint64 { return a ^ b }, []bool{false, true, true, false}, 0b0110},
	} {
		register(ir.Def{
			Name:   l.name,
			Traits: combining(),
			Infer:  only(isBool, inferBroadcast(2, 2, tensor.Invalid)),
			Bind:   bindBits(l.f),
			ONNX:   binaryForms(l.name),
			Cases: func() []ir.Case {
				return []ir.Case{{Inputs: []*tensor.Tensor{booleans.Reshape(2, 1), booleans}, Want: []*tensor.Tensor{tensor.Of(l.want, 2, 2)}}}
			},
		})
		register(ir.Def{
			Name:   "Bitwise" + l.name,
			Traits: combining(),
			Infer:  only(tensor.DType.IsInt, inferBroadcast(2, 2, tensor.Invalid)),
			Bind:   bindBits(l.f),
			ONNX:   onnx("Bitwise"+l.name, 18),
			Cases: func() []ir.Case {
				return []ir.Case{{Inputs: []*tensor.Tensor{tensor.Of([]uint8{0b1100}), tensor.Of([]uint8{0b1010})}, Want: []*tensor.Tensor{tensor.Of([]uint8{l.bits})}}}
			},
		})
	}
	register(ir.Def{
		Name:   "Not",
		Traits: unary,
		Infer:  only(isBool, sameType(1, 1)),
		Bind: func(n *ir.Node) (ir.Bound, error) {
			return ir.Bound{Run: map1(func(x uint64) uint64 { return 1 - x }), InPlace: []int{0}}, nil
		},
		ONNX: onnx("Not", 1),
		Cases: func() []ir.Case {
			return []ir.Case{{Inputs: []*tensor.Tensor{booleans}, Want: []*tensor.Tensor{tensor.Of([]bool{true, false})}}}
		},
	})
	register(ir.Def{
		Name:   "BitwiseNot",
		Traits: unary,
		Infer:  only(tensor.DType.IsInt, sameType(1, 1)),
		Bind: func(n *ir.Node) (ir.Bound, error) {
			b := ir.Bound{Run: map1(func(x int64) int64 { return ^x }), InPlace: []int{0}}
			if classOf(n.In(0).Type.DType) == classUint {
				b.Run = map1(func(x uint64) uint64 { return ^x })
			}
			return b, nil
		},
		ONNX: onnx("BitwiseNot", 18),
		Cases: func() []ir.Case {
			return []ir.Case{{Inputs: []*tensor.Tensor{tensor.Of([]uint8{1, 255})}, Want: []*tensor.Tensor{tensor.Of([]uint8{254, 0})}}}
		},
	})
	register(ir.Def{
		Name:   "BitShift",
		Traits: combining(),
		Infer: only(func(dt tensor.DType) bool { return classOf(dt) == classUint && dt != tensor.Bool },
			inferBroadcast(2, 2, tensor.Invalid)),
		Bind: func(n *ir.Node) (ir.Bound, error) {
			switch d := n.Attrs.Str("direction", ""); d {
			case "LEFT":
				return bindBits(func(a, b uint64) uint64 { return a << b })(n)
			case "RIGHT":
				return bindBits(func(a, b uint64) uint64 { return a >> b })(n)
			default:
				return ir.Bound{}, fmt.Errorf("direction %q is neither LEFT nor RIGHT", d)
			}
		},
		ONNX: onnx("BitShift", 11),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "left", Attrs: ir.Attrs{"direction": "LEFT"}, Inputs: []*tensor.Tensor{tensor.Of([]uint8{129, 3}), tensor.Of([]uint8{1, 9})},
					Want: []*tensor.Tensor{tensor.Of([]uint8{2, 0})}},
				{Name: "right", Attrs: ir.Attrs{"direction": "RIGHT"}, Inputs: []*tensor.Tensor{tensor.Of([]uint8{129, 3}), tensor.Of([]uint8{1})},
					Want: []*tensor.Tensor{tensor.Of([]uint8{64, 1})}},
			}
		},
	})
}

// only is a shape rule that accepts some element types only.
func only(ok func(tensor.DType) bool, infer inferFunc) inferFunc {
	return func(n *ir.Node) ([]ir.Type, error) {
		ts, err := infer(n)
		if err == nil && !ok(n.In(0).Type.DType) {
			return nil, fmt.Errorf("has no meaning for %v", n.In(0).Type.DType)
		}
		return ts, err
	}
}

// bindBits computes on words of 64 bits, sign-extended from signed types.
func bindBits(f func(a, b uint64) uint64) func(n *ir.Node) (ir.Bound, error) {
	return func(n *ir.Node) (ir.Bound, error) {
		p, err := plan(n.Outputs[0].Type.Shape, n.In(0), n.In(1))
		if err != nil {
			return ir.Bound{}, err
		}
		b := ir.Bound{Run: map2(f, p)}
		if classOf(n.In(0).Type.DType) == classInt {
			b.Run = map2(func(x, y int64) int64 { return int64(f(uint64(x), uint64(y))) }, p)
		}
		return b, nil
	}
}

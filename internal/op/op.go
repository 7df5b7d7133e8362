// Package op holds the operators: for each its shape rule, gradient, code, ONNX forms and test
// cases, one file an operator or a tight family.
//
// Operators carry the names and the meaning of the newest ONNX version; older versions, and inputs
// that ONNX gives as tensors but that are static here (shapes, axes), are brought to it by an
// ir.Form. Image-like operators take an attribute layout: "" is ONNX's channels first
// (N,C,spatial...), "NHWC" is channels last (N,spatial...,C), the layout of the kernels.
package op

import (
	"fmt"
	"unsafe"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func register(d ir.Def) { ir.Register(d) }

// runFunc is the code of a bound node (see ir.Bound).
type runFunc = func(in, out []*tensor.Tensor, scratch []byte) error

// inferFunc is the shape rule of an operator.
type inferFunc = func(n *ir.Node) ([]ir.Type, error)

// onnx is the form of an ONNX operator, from opset version since on, that maps to the operator as
// is.
func onnx(op string, since int) []ir.Form { return []ir.Form{{Op: op, Since: since}} }

// errorf makes an error; builders and specialisation add the node's name.
var errorf = fmt.Errorf

// inputs checks that n has at least lo inputs, all of them present, and at most hi.
func inputs(n *ir.Node, lo, hi int) error {
	if len(n.Inputs) > hi {
		return fmt.Errorf("has %d inputs, takes at most %d", len(n.Inputs), hi)
	}
	for i := range lo {
		if n.In(i) == nil {
			return fmt.Errorf("input %d is missing", i)
		}
	}
	return nil
}

// floats checks that the given inputs, where present, are floating point and of the same type.
func floats(n *ir.Node, is ...int) error {
	var dt tensor.DType
	for _, i := range is {
		v := n.In(i)
		if v == nil {
			continue
		}
		if !v.Type.DType.IsFloat() {
			return fmt.Errorf("input %d is %v, not floating point", i, v.Type.DType)
		}
		if dt != tensor.Invalid && v.Type.DType != dt {
			return fmt.Errorf("input %d is %v, others are %v", i, v.Type.DType, dt)
		}
		dt = v.Type.DType
	}
	return nil
}

// sameType is the shape rule of an operator whose output has the type of its first input, and which
// takes lo to hi inputs.
func sameType(lo, hi int) inferFunc {
	return func(n *ir.Node) ([]ir.Type, error) {
		if err := inputs(n, lo, hi); err != nil {
			return nil, err
		}
		return []ir.Type{n.In(0).Type}, nil
	}
}

// sameFloat is sameType for operators on floating point numbers whose inputs all have the same
// type.
func sameFloat(k int) inferFunc {
	return func(n *ir.Node) ([]ir.Type, error) {
		if err := inputs(n, k, k); err != nil {
			return nil, err
		}
		for i := range k {
			if err := floats(n, 0, i); err != nil {
				return nil, err
			}
			if !n.In(i).Type.Equal(n.In(0).Type) {
				return nil, fmt.Errorf("input %d is %v, input 0 is %v", i, n.In(i).Type, n.In(0).Type)
			}
		}
		return []ir.Type{n.In(0).Type}, nil
	}
}

// axisOf resolves a possibly negative axis of a tensor with rank axes.
func axisOf(axis, rank int) (int, error) {
	if axis < -rank || axis >= rank {
		return 0, fmt.Errorf("axis %d is outside a tensor of rank %d", axis, rank)
	}
	if axis < 0 {
		axis += rank
	}
	return axis, nil
}

// splitAt gives the number of elements before axis, along it, and after it.
func splitAt(s tensor.Shape, axis int) (outer, size, inner int) {
	return s[:axis].Len(), s[axis], s[axis+1:].Len()
}

// scalar makes a constant of shape [] and the given type.
func scalar(b *ir.Builder, dt tensor.DType, x float64) *ir.Value {
	t := tensor.New(dt)
	fromFloat64(t, []float64{x})
	return b.Const(t)
}

// constInts reads a constant integer input. If it is not constant, the error says what it is for.
func constInts(n *ir.Node, i int, what string) ([]int, error) {
	v := n.In(i)
	if v == nil {
		return nil, nil
	}
	if !v.IsConst() {
		return nil, n.Errorf("%s depends on data: input %q is not constant", what, v.Name)
	}
	ints, err := v.Data.Ints()
	if err != nil {
		return nil, n.Errorf("%s: %w", what, err)
	}
	return ints, nil
}

// perElement is the cost of an elementwise operator that takes flops operations an output element.
func perElement(flops int64) func(n *ir.Node) ir.Cost {
	return func(n *ir.Node) ir.Cost {
		return ir.Cost{FLOPs: flops * int64(n.Outputs[0].Type.Shape.Len()), Bytes: bytesMoved(n)}
	}
}

// bytesMoved is the size of all inputs and outputs of n.
func bytesMoved(n *ir.Node) int64 {
	var b int64
	for _, v := range n.Inputs {
		if v != nil {
			b += int64(v.Type.Bytes())
		}
	}
	for _, v := range n.Outputs {
		if v != nil {
			b += int64(v.Type.Bytes())
		}
	}
	return b
}

// forFloat picks the code for a floating-point type: f32, f64, and for the two half types f64
// between conversions. A nil f32 means that float32 is computed in float64 too.
func forFloat(dt tensor.DType, f32, f64 runFunc) (runFunc, error) {
	switch {
	case dt == tensor.Float32 && f32 != nil:
		return f32, nil
	case dt == tensor.Float64:
		return f64, nil
	case dt.IsFloat():
		return wide(f64), nil
	}
	return nil, fmt.Errorf("no code for %v", dt)
}

// wide runs code for float64 on tensors of other floating-point types; the others pass as they are.
func wide(run runFunc) runFunc {
	narrow := func(t *tensor.Tensor) bool {
		return t != nil && t.DType.IsFloat() && t.DType != tensor.Float64
	}
	return func(in, out []*tensor.Tensor, scratch []byte) error {
		win, wout := make([]*tensor.Tensor, len(in)), make([]*tensor.Tensor, len(out))
		copy(win, in)
		copy(wout, out)
		for i, t := range in {
			if narrow(t) {
				win[i] = tensor.New(tensor.Float64, t.Shape...)
				copy(f64(win[i]), t.Float64s())
			}
		}
		for i, t := range out {
			if narrow(t) {
				wout[i] = tensor.New(tensor.Float64, t.Shape...)
			}
		}
		if err := run(win, wout, scratch); err != nil {
			return err
		}
		for i, t := range out {
			if narrow(t) {
				fromFloat64(t, f64(wout[i]))
			}
		}
		return nil
	}
}

// f64 views the elements of a Float64 tensor.
func f64(t *tensor.Tensor) []float64 { return tensor.Data[float64](t) }

// f32 views the elements of a Float32 tensor, nil for an absent one.
func f32(t *tensor.Tensor) []float32 {
	if t == nil {
		return nil
	}
	return t.F32()
}

// fromFloat64 rounds x into t, a tensor of any type: floating-point types to nearest, integers
// toward zero.
func fromFloat64(t *tensor.Tensor, x []float64) {
	switch t.DType {
	case tensor.Float32:
		convert(t.F32(), x)
	case tensor.Float64:
		copy(f64(t), x)
	case tensor.Float16:
		for i, d := 0, tensor.Data[uint16](t); i < len(d); i++ {
			d[i] = tensor.Float32ToFloat16(float32(x[i]))
		}
	case tensor.BFloat16:
		for i, d := 0, tensor.Data[uint16](t); i < len(d); i++ {
			d[i] = tensor.Float32ToBFloat16(float32(x[i]))
		}
	case tensor.Int8:
		convert(tensor.Data[int8](t), x)
	case tensor.Int16:
		convert(tensor.Data[int16](t), x)
	case tensor.Int32:
		convert(tensor.Data[int32](t), x)
	case tensor.Int64:
		convert(t.I64(), x)
	case tensor.Uint8:
		convert(tensor.Data[uint8](t), x)
	case tensor.Uint16:
		convert(tensor.Data[uint16](t), x)
	case tensor.Uint32:
		convert(tensor.Data[uint32](t), x)
	case tensor.Uint64:
		convert(tensor.Data[uint64](t), x)
	case tensor.Bool:
		for i, d := 0, tensor.Data[bool](t); i < len(d); i++ {
			d[i] = x[i] != 0
		}
	}
}

func convert[T, S number](dst []T, src []S) {
	for i, v := range src {
		dst[i] = T(v)
	}
}

// number lists the element types that have arithmetic.
type number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

// float lists the element types that kernels compute in.
type float interface{ float32 | float64 }

// carve takes n float32 off the front of a scratch buffer, at a multiple of tensor.Align.
func carve(scratch *[]byte, n int) []float32 {
	size := carved(n)
	b := (*scratch)[:size]
	*scratch = (*scratch)[size:]
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), n)
}

// carved is the number of scratch bytes that carve takes for n float32.
func carved(n int) int { return (4*n + tensor.Align - 1) / tensor.Align * tensor.Align }

// random is an input of a test case that the tests fill from Case.Range, [-1, 1] by default.
func random(shape ...int) *tensor.Tensor {
	return &tensor.Tensor{DType: tensor.Float32, Shape: shape}
}

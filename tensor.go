package permafrost

import "github.com/permafrost-ml/permafrost/internal/tensor"

// Element is a Go type whose values a Tensor may hold.
type Element interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// Tensor is a dense array of numbers: an input of a model or what it gives out. Elements lie in
// row-major order, the last axis fastest. The zero Tensor is none.
type Tensor struct{ t *tensor.Tensor }

// NewTensor makes a tensor of elements, which it shares with the caller. Without sizes it has one
// axis. It panics where the elements do not fill the shape.
func NewTensor[T Element](elements []T, shape ...int) Tensor {
	return Tensor{tensor.Of(elements, shape...)}
}

// Elements gives a tensor's elements, which it shares with the caller; ok is false where they are
// of another type.
func Elements[T Element](t Tensor) (elements []T, ok bool) {
	var none []T
	if t.t == nil || t.t.DType != tensor.Of(none, 0).DType {
		return nil, false
	}
	return tensor.Data[T](t.t), true
}

// Shape is the sizes of the tensor's axes, outermost first.
func (t Tensor) Shape() []int {
	if t.t == nil {
		return nil
	}
	return t.t.Shape.Clone()
}

// Type is the type of the elements, as ONNX writes it: float32, int64, ...
func (t Tensor) Type() string {
	if t.t == nil {
		return "none"
	}
	return t.t.DType.String()
}

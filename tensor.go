package permafrost

import "github.com/permafrost-ml/permafrost/internal/tensor"

// Element is a Go type that a Tensor may contain.
type Element interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// Tensor is a dense array of numbers: an input or output of a model. Elements are in row-major
// order, the last axis fastest. The zero Tensor is none.
type Tensor struct{ t *tensor.Tensor }

// NewTensor makes a tensor that shares elements with the caller. Without sizes it has one axis. It
// panics if the elements do not fill the shape.
func NewTensor[T Element](elements []T, shape ...int) Tensor {
	return Tensor{tensor.Of(elements, shape...)}
}

// Elements returns a tensor's elements, shared with the caller; ok is false if they are of another
// type.
func Elements[T Element](t Tensor) (elements []T, ok bool) {
	var none []T
	if t.t == nil || t.t.DType != tensor.Of(none, 0).DType {
		return nil, false
	}
	return tensor.Data[T](t.t), true
}

// Shape returns the sizes of the tensor's axes, outermost first.
func (t Tensor) Shape() []int {
	if t.t == nil {
		return nil
	}
	return t.t.Shape.Clone()
}

// Type returns the type of the elements in ONNX's spelling: float32, int64, ...
func (t Tensor) Type() string {
	if t.t == nil {
		return "none"
	}
	return t.t.DType.String()
}

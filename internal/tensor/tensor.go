// Package tensor holds what every other package agrees on: element types, shapes and dense buffers.
//
// A Tensor is a dense, row-major array whose elements lie in one byte slice in little-endian order.
// Bytes rather than a typed slice, because the same buffer is read from a file, hashed, planned
// into an arena and written back without a copy; Data gives the typed view.
package tensor

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"github.com/permafrost-ml/permafrost/internal/hugepage"
)

// Shape lists the sizes of a tensor's axes, outermost first. An empty Shape is a scalar. A size of
// -1 stands for an axis not known yet and appears only in graphs that have not been specialised.
type Shape []int

// Len is the number of elements: the product of all sizes, 1 for a scalar.
func (s Shape) Len() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Equal reports whether both shapes have the same axes.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// Clone returns a copy that shares nothing with s.
func (s Shape) Clone() Shape { return slices.Clone(s) }

// Strides gives the distance in elements between neighbours along each axis of a row-major tensor.
func (s Shape) Strides() []int {
	st := make([]int, len(s))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		st[i] = n
		n *= s[i]
	}
	return st
}

// String writes the shape as [2,3,224,224]; an unknown size is ?.
func (s Shape) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		if d < 0 {
			b.WriteByte('?')
		} else {
			fmt.Fprint(&b, d)
		}
	}
	b.WriteByte(']')
	return b.String()
}

// Tensor is a dense row-major array. Bytes holds Shape.Len()*DType.Size() bytes.
type Tensor struct {
	DType DType
	Shape Shape
	Bytes []byte
}

// Elem lists the Go types that elements are viewed as. Float16 and BFloat16 are viewed as uint16.
type Elem interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// Align is the alignment of buffers made by this package: one cache line, one AVX-512 register.
const Align = 64

// Unaligned says that this processor reads and writes numbers at any address, so that weights may
// be viewed where a file has them.
const Unaligned = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"

// large is the size from which on a buffer is worth a system call.
const large = 256 << 10

// AlignedBytes returns n zero bytes that start at a multiple of Align.
func AlignedBytes(n int) []byte {
	if n == 0 {
		return []byte{}
	}
	b := make([]byte, n+Align)
	if n >= large {
		hugepage.Advise(b)
	}
	off := int(-uintptr(unsafe.Pointer(&b[0])) & (Align - 1))
	return b[off : off+n : off+n]
}

// New returns a tensor of zeros.
func New(dt DType, shape ...int) *Tensor {
	s := Shape(slices.Clone(shape))
	return &Tensor{DType: dt, Shape: s, Bytes: AlignedBytes(s.Len() * dt.Size())}
}

// Of returns a tensor that shares data's memory. No shape means a vector of len(data).
// It panics when the shape does not hold len(data) elements.
func Of[T Elem](data []T, shape ...int) *Tensor {
	if shape == nil {
		shape = []int{len(data)}
	}
	s := Shape(slices.Clone(shape))
	if s.Len() != len(data) {
		panic(fmt.Sprintf("tensor: %d elements do not fill shape %v", len(data), s))
	}
	return &Tensor{DType: dtypeOf[T](), Shape: s, Bytes: bytesOf(data)}
}

// Scalar returns a tensor of shape [] that holds v.
func Scalar[T Elem](v T) *Tensor { return Of([]T{v}, []int{}...) }

func dtypeOf[T Elem]() DType {
	var z T
	switch any(z).(type) {
	case float32:
		return Float32
	case float64:
		return Float64
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	default:
		return Bool
	}
}

func bytesOf[T Elem](data []T) []byte {
	if len(data) == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), len(data)*int(unsafe.Sizeof(data[0])))
}

// Data views the elements of t as a slice of T, sharing memory. It panics when T is not how t's
// elements are stored (uint16 also views Float16 and BFloat16, uint8 and int8 the types of a byte
// or less).
func Data[T Elem](t *Tensor) []T {
	if want := dtypeOf[T](); t.DType != want && t.DType.stored() != want {
		panic(fmt.Sprintf("tensor: %v elements viewed as %v", t.DType, dtypeOf[T]()))
	}
	n := t.Shape.Len()
	if n == 0 {
		return []T{}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&t.Bytes[0])), n)
}

// F32 views the elements of a Float32 tensor.
func (t *Tensor) F32() []float32 { return Data[float32](t) }

// I64 views the elements of an Int64 tensor.
func (t *Tensor) I64() []int64 { return Data[int64](t) }

// Len is the number of elements.
func (t *Tensor) Len() int { return t.Shape.Len() }

// Clone returns a copy that shares nothing with t.
func (t *Tensor) Clone() *Tensor {
	c := New(t.DType, t.Shape...)
	copy(c.Bytes, t.Bytes)
	return c
}

// Reshape returns a view of t with another shape. It panics when the element counts differ.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	s := Shape(slices.Clone(shape))
	if s.Len() != t.Len() {
		panic(fmt.Sprintf("tensor: %v does not reshape to %v", t.Shape, s))
	}
	return &Tensor{DType: t.DType, Shape: s, Bytes: t.Bytes}
}

// Ints returns the elements of an integer or bool tensor as ints; shapes and axes arrive this way.
func (t *Tensor) Ints() ([]int, error) {
	switch t.DType {
	case Int64:
		return ints(t.I64()), nil
	case Int32:
		return ints(Data[int32](t)), nil
	case Int16:
		return ints(Data[int16](t)), nil
	case Int8, Int4, Int2:
		return ints(Data[int8](t)), nil
	case Uint8, Uint4, Uint2:
		return ints(Data[uint8](t)), nil
	case Uint16:
		return ints(Data[uint16](t)), nil
	case Uint32:
		return ints(Data[uint32](t)), nil
	case Uint64:
		return ints(Data[uint64](t)), nil
	}
	return nil, fmt.Errorf("tensor: %v elements are not integers", t.DType)
}

func ints[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](v []T) []int {
	out := make([]int, len(v))
	for i, x := range v {
		out[i] = int(x)
	}
	return out
}

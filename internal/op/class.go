package op

import (
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// class groups the element types by the type that rare ones are computed in: floating point in
// float64, signed integers in int64, unsigned ones and bool in uint64. Results wrap around in the
// narrow type.
type class uint8

const (
	classFloat class = iota
	classInt
	classUint
)

func classOf(dt tensor.DType) class {
	switch dt {
	case tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64, tensor.Int4, tensor.Int2:
		return classInt
	case tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64, tensor.Bool, tensor.Uint4, tensor.Uint2:
		return classUint
	}
	return classFloat
}

// widest lists the types that classes are computed in.
type widest interface{ float64 | int64 | uint64 }

// widen returns t's elements as W, the type of its class. It returns t's own memory if they already
// are W.
func widen[W widest](t *tensor.Tensor) []W {
	switch t.DType {
	case tensor.Float32:
		return converted[W](tensor.Data[float32](t))
	case tensor.Float64:
		return converted[W](tensor.Data[float64](t))
	case tensor.Int8, tensor.Int4, tensor.Int2:
		return converted[W](tensor.Data[int8](t))
	case tensor.Int16:
		return converted[W](tensor.Data[int16](t))
	case tensor.Int32:
		return converted[W](tensor.Data[int32](t))
	case tensor.Int64:
		return converted[W](tensor.Data[int64](t))
	case tensor.Uint8, tensor.Uint4, tensor.Uint2:
		return converted[W](tensor.Data[uint8](t))
	case tensor.Uint16:
		return converted[W](tensor.Data[uint16](t))
	case tensor.Uint32:
		return converted[W](tensor.Data[uint32](t))
	case tensor.Uint64:
		return converted[W](tensor.Data[uint64](t))
	case tensor.Bool:
		return converted[W](bits[uint8](t))
	}
	return converted[W](t.Float64s()) // half and smaller floats
}

func converted[W widest, S number](src []S) []W {
	if same, ok := any(src).([]W); ok {
		return same
	}
	dst := make([]W, len(src))
	convert(dst, src)
	return dst
}

// wideOut returns memory for t's elements as W: its own if they already are W, else new.
func wideOut[W widest](t *tensor.Tensor) []W {
	var w W
	switch any(w).(type) {
	case float64:
		if t.DType == tensor.Float64 {
			return any(f64(t)).([]W)
		}
	case int64:
		if t.DType == tensor.Int64 {
			return any(t.I64()).([]W)
		}
	case uint64:
		if t.DType == tensor.Uint64 {
			return any(tensor.Data[uint64](t)).([]W)
		}
	}
	return make([]W, t.Len())
}

// narrow writes w, from wideOut of the same tensor, to t.
func narrow[W widest](t *tensor.Tensor, w []W) {
	switch t.DType {
	case tensor.Float32:
		convert(t.F32(), w)
	case tensor.Float64:
		convertOver(f64(t), w)
	case tensor.Float16:
		for i, d := 0, tensor.Data[uint16](t); i < len(d); i++ {
			d[i] = tensor.Float32ToFloat16(float32(w[i]))
		}
	case tensor.BFloat16:
		for i, d := 0, tensor.Data[uint16](t); i < len(d); i++ {
			d[i] = tensor.Float32ToBFloat16(float32(w[i]))
		}
	case tensor.Int8:
		truncate(tensor.Data[int8](t), w)
	case tensor.Int16:
		truncate(tensor.Data[int16](t), w)
	case tensor.Int32:
		truncate(tensor.Data[int32](t), w)
	case tensor.Int64:
		convertOver(t.I64(), w)
	case tensor.Uint8:
		truncate(tensor.Data[uint8](t), w)
	case tensor.Uint16:
		truncate(tensor.Data[uint16](t), w)
	case tensor.Uint32:
		truncate(tensor.Data[uint32](t), w)
	case tensor.Uint64:
		convertOver(tensor.Data[uint64](t), w)
	case tensor.Bool:
		for i, d := 0, tensor.Data[bool](t); i < len(d); i++ {
			d[i] = w[i] != 0
		}
	case tensor.Int4, tensor.Int2:
		shift := 8 - t.DType.Bits()
		for i, d := 0, tensor.Data[int8](t); i < len(d); i++ {
			d[i] = int8(int64(w[i])) << shift >> shift
		}
	case tensor.Uint4, tensor.Uint2:
		for i, d := 0, tensor.Data[uint8](t); i < len(d); i++ {
			d[i] = uint8(int64(w[i])) & (1<<t.DType.Bits() - 1)
		}
	default:
		narrowSmall(t, w, true, "up")
	}
}

// narrowSmall writes w to t, of a float type of a byte or less (see tensor.Float64ToSmall).
func narrowSmall[W widest](t *tensor.Tensor, w []W, saturate bool, round string) {
	for i, d := 0, tensor.Data[uint8](t); i < len(d); i++ {
		if t.DType == tensor.Float8E8M0 {
			d[i] = tensor.Float64ToScale(float64(w[i]), saturate, round)
		} else {
			d[i] = tensor.Float64ToSmall(t.DType, float64(w[i]), saturate)
		}
	}
}

// convertOver is convert, but does nothing if both are the same memory.
func convertOver[T widest, S widest](dst []T, src []S) {
	if same, ok := any(src).([]T); ok {
		copy(dst, same)
		return
	}
	convert(dst, src)
}

// truncate goes through int64, so that what does not fit wraps around on every processor.
func truncate[T int8 | int16 | int32 | uint8 | uint16 | uint32, W widest](dst []T, src []W) {
	for i, v := range src {
		dst[i] = T(int64(v))
	}
}

// word lists one Go type for each element size; operators that only move elements are written over
// it.
type word interface {
	uint8 | uint16 | uint32 | uint64
}

// bits views t's elements, of whatever type, as words of their size.
func bits[W word](t *tensor.Tensor) []W {
	u := *t
	switch t.DType.Size() {
	case 1:
		u.DType = tensor.Uint8
	case 2:
		u.DType = tensor.Uint16
	case 4:
		u.DType = tensor.Uint32
	case 8:
		u.DType = tensor.Uint64
	}
	return tensor.Data[W](&u)
}

// bySize picks the instance of an element-moving function for a type's size.
func bySize[F any](dt tensor.DType, f1, f2, f4, f8 F) F {
	switch dt.Size() {
	case 1:
		return f1
	case 2:
		return f2
	case 4:
		return f4
	}
	return f8
}

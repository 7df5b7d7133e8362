package tensor

import (
	"fmt"
	"math"
)

// Float16ToFloat32 widens an IEEE 754 binary16 number.
func Float16ToFloat32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	man := uint32(h) & 0x3ff
	switch {
	case exp == 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
	case man == 0:
		return math.Float32frombits(sign)
	}
	// A subnormal half is a normal float: man * 2^-24.
	f := float32(man) * (1.0 / (1 << 24))
	return math.Float32frombits(math.Float32bits(f) | sign)
}

// Float32ToFloat16 rounds to the nearest IEEE 754 binary16 number, ties to even.
func Float32ToFloat16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN stays NaN and quiet
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case b >= 0x38800000: // normal half
		b += 0xfff + b>>13&1
		return sign | uint16((b-0x38000000)>>13)
	}
	// Adding 0.5 lines the subnormal's bits up with the end of the mantissa and rounds them.
	r := math.Float32frombits(b) + 0.5
	return sign | uint16(math.Float32bits(r)-0x3f000000)
}

// BFloat16ToFloat32 widens a bfloat16 number.
func BFloat16ToFloat32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// Float32ToBFloat16 rounds to the nearest bfloat16 number, ties to even.
func Float32ToBFloat16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Float64 is element i as float64, whatever its type.
func (t *Tensor) Float64(i int) float64 {
	size := t.DType.Size()
	return (&Tensor{t.DType, Shape{1}, t.Bytes[i*size : (i+1)*size]}).Float64s()[0]
}

// Float64s returns a copy of t's elements as float64, whatever their type; true is 1.
func (t *Tensor) Float64s() []float64 {
	out := make([]float64, t.Len())
	switch t.DType {
	case Float32:
		widen(out, t.F32())
	case Float64:
		copy(out, Data[float64](t))
	case Float16:
		for i, h := range Data[uint16](t) {
			out[i] = float64(Float16ToFloat32(h))
		}
	case BFloat16:
		for i, h := range Data[uint16](t) {
			out[i] = float64(BFloat16ToFloat32(h))
		}
	case Bool:
		for i, b := range Data[uint8](&Tensor{Uint8, t.Shape, t.Bytes}) {
			out[i] = float64(b)
		}
	case Int8, Int4, Int2:
		widen(out, Data[int8](t))
	case Int16:
		widen(out, Data[int16](t))
	case Int32:
		widen(out, Data[int32](t))
	case Int64:
		widen(out, t.I64())
	case Uint8, Uint4, Uint2:
		widen(out, Data[uint8](t))
	case Uint16:
		widen(out, Data[uint16](t))
	case Uint32:
		widen(out, Data[uint32](t))
	case Uint64:
		widen(out, Data[uint64](t))
	default:
		for i, b := range Data[uint8](t) {
			out[i] = SmallToFloat64(t.DType, b)
		}
	}
	return out
}

func widen[T float32 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](dst []float64, src []T) {
	for i, v := range src {
		dst[i] = float64(v)
	}
}

// Tolerance bounds how far two numbers that should be equal may lie apart:
// |got-want| <= Abs + Rel*|want|. The name says in a failing test which rule was broken.
type Tolerance struct {
	Name     string
	Rel, Abs float64
}

// Close returns nil when got and want have the same shape and all elements agree within tol, NaN
// equal to NaN; otherwise an error that names the tolerance and the worst element.
func Close(got, want *Tensor, tol Tolerance) error {
	if !got.Shape.Equal(want.Shape) {
		return fmt.Errorf("tensor: shape %v, want %v", got.Shape, want.Shape)
	}
	g, w := got.Float64s(), want.Float64s()
	worst, at := 0.0, -1
	for i := range g {
		if g[i] == w[i] || math.IsNaN(g[i]) && math.IsNaN(w[i]) {
			continue
		}
		over := math.Abs(g[i]-w[i]) - tol.Abs - tol.Rel*math.Abs(w[i])
		if math.IsNaN(over) {
			over = math.Inf(1)
		}
		if over > worst {
			worst, at = over, i
		}
	}
	if at < 0 {
		return nil
	}
	return fmt.Errorf("tensor: element %d of %v is %g, want %g (tolerance %s: rel %g, abs %g)",
		at, got.Shape, g[at], w[at], tol.Name, tol.Rel, tol.Abs)
}

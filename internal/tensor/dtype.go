package tensor

import "fmt"

// DType is the type of a tensor's elements.
type DType uint8

// The element types. Float16 and BFloat16 elements are stored as their 16 bits (uint16). The types
// after Bool occupy a byte each, whatever their width: small floats their bits (uint8), small
// integers their value.
const (
	Invalid DType = iota
	Float32
	Float64
	Float16
	BFloat16
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Bool
	Float8E4M3FN
	Float8E4M3FNUZ
	Float8E5M2
	Float8E5M2FNUZ
	Float8E8M0
	Float4E2M1
	Int4
	Uint4
	Int2
	Uint2
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid:  {"invalid", 0},
	Float32:  {"float32", 4},
	Float64:  {"float64", 8},
	Float16:  {"float16", 2},
	BFloat16: {"bfloat16", 2},
	Int8:     {"int8", 1},
	Int16:    {"int16", 2},
	Int32:    {"int32", 4},
	Int64:    {"int64", 8},
	Uint8:    {"uint8", 1},
	Uint16:   {"uint16", 2},
	Uint32:   {"uint32", 4},
	Uint64:   {"uint64", 8},
	Bool:     {"bool", 1},

	Float8E4M3FN:   {"float8e4m3fn", 1},
	Float8E4M3FNUZ: {"float8e4m3fnuz", 1},
	Float8E5M2:     {"float8e5m2", 1},
	Float8E5M2FNUZ: {"float8e5m2fnuz", 1},
	Float8E8M0:     {"float8e8m0", 1},
	Float4E2M1:     {"float4e2m1", 1},
	Int4:           {"int4", 1},
	Uint4:          {"uint4", 1},
	Int2:           {"int2", 1},
	Uint2:          {"uint2", 1},
}

// Size is the size of one element in bytes; 0 for Invalid.
func (d DType) Size() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

func (d DType) String() string {
	if int(d) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// IsFloat reports whether elements are floating-point numbers that arithmetic is done on: of 16
// bits or more.
func (d DType) IsFloat() bool { return d >= Float32 && d <= BFloat16 }

// IsInt reports whether elements are integers, signed or not. Bool is not.
func (d DType) IsInt() bool { return d >= Int8 && d <= Uint64 || d >= Int4 && d <= Uint2 }

// IsSmallFloat reports whether elements are floating-point numbers of a byte or less.
func (d DType) IsSmallFloat() bool { return d >= Float8E4M3FN && d <= Float4E2M1 }

// Bits is the width of an element in a file: less than 8 times Size for the types of less than a
// byte.
func (d DType) Bits() int {
	switch d {
	case Float4E2M1, Int4, Uint4:
		return 4
	case Int2, Uint2:
		return 2
	}
	return 8 * d.Size()
}

// stored is the type whose Go form holds the elements.
func (d DType) stored() DType {
	switch {
	case d == Float16 || d == BFloat16:
		return Uint16
	case d == Int4 || d == Int2:
		return Int8
	case d > Bool:
		return Uint8
	}
	return d
}

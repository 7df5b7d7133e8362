package tensor

import "fmt"

// DType is the type of a tensor's elements.
type DType uint8

// The element types. Float16 and BFloat16 elements are stored as their 16 bits (uint16).
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

// IsFloat reports whether elements are floating-point numbers of any width.
func (d DType) IsFloat() bool { return d >= Float32 && d <= BFloat16 }

// IsInt reports whether elements are integers, signed or not. Bool is not.
func (d DType) IsInt() bool { return d >= Int8 && d <= Uint64 }

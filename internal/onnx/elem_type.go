package onnx

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// elems are the element types of TensorProto.DataType that Permafrost computes with.
var elems = map[int]tensor.DType{
	1: tensor.Float32, 2: tensor.Uint8, 3: tensor.Int8, 4: tensor.Uint16, 5: tensor.Int16, 6: tensor.Int32,
	7: tensor.Int64, 9: tensor.Bool, 10: tensor.Float16, 11: tensor.Float64, 12: tensor.Uint32,
	13: tensor.Uint64, 16: tensor.BFloat16, 17: tensor.Float8E4M3FN, 18: tensor.Float8E4M3FNUZ,
	19: tensor.Float8E5M2, 20: tensor.Float8E5M2FNUZ, 21: tensor.Uint4, 22: tensor.Int4, 23: tensor.Float4E2M1,
	24: tensor.Float8E8M0, 25: tensor.Uint2, 26: tensor.Int2,
}

// otherElems names the element types that it does not compute with.
var otherElems = map[int]string{
	0: "undefined", 8: "string", 14: "complex64", 15: "complex128",
}

// DType returns the element type for a code of TensorProto.DataType, as in the attribute "to" of
// Cast. It errors, naming the type, for unsupported ones: string and complex.
func DType(code int) (tensor.DType, error) {
	if dt, ok := elems[code]; ok {
		return dt, nil
	}
	if name, ok := otherElems[code]; ok {
		return tensor.Invalid, fmt.Errorf("elements of type %s are not supported", name)
	}
	return tensor.Invalid, fmt.Errorf("elements of unknown type %d", code)
}

// Code returns the TensorProto.DataType of an element type, 0 for Invalid.
func Code(dt tensor.DType) int {
	for c, d := range elems {
		if d == dt {
			return c
		}
	}
	return 0
}

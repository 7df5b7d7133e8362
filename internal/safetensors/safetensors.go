// Package safetensors reads and writes the safetensors file format: named tensors behind a JSON
// header.
//
// A file is the header's length (uint64, little-endian), the header, and the tensors' bytes. The
// header is a JSON object that gives every tensor's type, shape and place; the key "__metadata__"
// holds strings. The tensors' bytes tile the rest of the file without holes or overlap, so two
// equal sets of tensors have one form only. Source: https://huggingface.co/docs/safetensors, format
// 0.4.
package safetensors

import (
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// MaxHeader bounds the header's length in bytes, as the reference implementation does.
const MaxHeader = 100_000_000

// metadataKey is the one header key that is not a tensor's name.
const metadataKey = "__metadata__"

// File is the content of one safetensors file held in memory.
type File struct {
	Tensors  map[string]*tensor.Tensor
	Metadata map[string]string // free text; nil when the file has none
}

// Info says where one tensor of a file lies.
type Info struct {
	DType      tensor.DType
	Shape      tensor.Shape
	Begin, End int64 // bytes, counted from the end of the header
}

// entry is Info as the header spells it.
type entry struct {
	DType       string   `json:"dtype"`
	Shape       []int64  `json:"shape"`
	DataOffsets [2]int64 `json:"data_offsets"`
}

var names = map[tensor.DType]string{
	tensor.Float32:  "F32",
	tensor.Float64:  "F64",
	tensor.Float16:  "F16",
	tensor.BFloat16: "BF16",
	tensor.Int8:     "I8",
	tensor.Int16:    "I16",
	tensor.Int32:    "I32",
	tensor.Int64:    "I64",
	tensor.Uint8:    "U8",
	tensor.Uint16:   "U16",
	tensor.Uint32:   "U32",
	tensor.Uint64:   "U64",
	tensor.Bool:     "BOOL",
}

var dtypes = func() map[string]tensor.DType {
	m := make(map[string]tensor.DType, len(names))
	for dt, name := range names {
		m[name] = dt
	}
	return m
}()

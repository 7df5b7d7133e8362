package onnx

import (
	"fmt"
	"os"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ReadTensor reads a file with one TensorProto, such as input_0.pb of a test data set. It returns
// the tensor's name and contents.
func ReadTensor(path string) (string, *tensor.Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("onnx: read tensor: %w", err)
	}
	name, t, err := ParseTensor(b)
	if err != nil {
		return name, nil, fmt.Errorf("onnx: tensor file %s: %w", path, err)
	}
	return name, t, nil
}

// ParseTensor reads a serialised TensorProto. It returns the tensor's name and contents, which may
// share b.
func ParseTensor(b []byte) (string, *tensor.Tensor, error) {
	p, err := parseTensor(b)
	if err != nil {
		return "", nil, err
	}
	t, err := p.decode(nil)
	return p.name, t, err
}

// MarshalTensor makes a serialised TensorProto with raw contents.
func MarshalTensor(name string, t *tensor.Tensor) []byte { return encodeTensor(name, t).bytes() }

// WriteTensor writes t to a file as one TensorProto.
func WriteTensor(path, name string, t *tensor.Tensor) error {
	return atomicfile.Write(path, encodeTensor(name, t).writeTo)
}

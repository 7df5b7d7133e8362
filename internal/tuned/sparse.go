package tuned

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Suffixes of the two tensors that store a tensor with few changed elements: the positions in
// row-major order, ascending, as uint32, and the new values of these elements.
const (
	indicesOf = ":indices"
	valuesOf  = ":values"
)

// putSparse adds a changed tensor to a file's tensors. It is stored completely under its name or,
// if that is smaller, as the elements whose bits differ from those of was, under name:indices and
// name:values.
func putSparse(to map[string]*tensor.Tensor, name string, was, is *tensor.Tensor) {
	size := is.DType.Size()
	if was.DType != is.DType || !was.Shape.Equal(is.Shape) || size < 2 || is.Len()*size != len(is.Bytes) || uint64(is.Len()) > 1<<32 {
		to[name] = is
		return
	}
	var at []uint32
	var values []byte
	for i := range is.Len() {
		if now := is.Bytes[i*size : (i+1)*size]; string(now) != string(was.Bytes[i*size:(i+1)*size]) {
			at = append(at, uint32(i))
			values = append(values, now...)
			if len(at)*(4+size) >= len(is.Bytes) {
				to[name] = is
				return
			}
		}
	}
	v := tensor.New(is.DType, len(at))
	copy(v.Bytes, values)
	to[name+indicesOf], to[name+valuesOf] = tensor.Of(at), v
}

// HalfOfSparse reports whether a name in a delta is that of the indices of a sparsely stored
// tensor, which come in addition to its values.
func HalfOfSparse(name string) bool { return strings.HasSuffix(name, indicesOf) }

// getSparse returns base with the changes that a file stores under name:indices and name:values, or
// base itself if there are none.
func getSparse(from map[string]*tensor.Tensor, name string, base *tensor.Tensor) (*tensor.Tensor, error) {
	at, v := from[name+indicesOf], from[name+valuesOf]
	if at == nil && v == nil {
		return base, nil
	}
	if at == nil || v == nil || at.DType != tensor.Uint32 || v.DType != base.DType || at.Len() != v.Len() {
		return nil, fmt.Errorf("the changed elements of tensor %q do not fit together: the delta is damaged", name)
	}
	size := v.DType.Size()
	out := base.Clone()
	for i, k := range tensor.Data[uint32](at) {
		if int64(k) >= int64(base.Len()) {
			return nil, fmt.Errorf("element %d of tensor %q lies outside: the delta is damaged", k, name)
		}
		copy(out.Bytes[int(k)*size:], v.Bytes[i*size:(i+1)*size])
	}
	return out, nil
}

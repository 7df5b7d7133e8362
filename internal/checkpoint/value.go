package checkpoint

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Value computes the model's tensor.
func (m *Match) Value() *tensor.Tensor {
	dt := m.target.param.Tensor.DType
	switch m.form {
	case foldedWeight:
		return m.fold.weight(dt).Reshape(m.target.shape()...)
	case foldedBias:
		return m.fold.bias(dt).Reshape(m.target.shape()...)
	case recurrent:
		return convert(m.gates.join(m.target.shape()), dt)
	case transposed:
		return convert(turn(m.source.Tensor), dt)
	case gatheredRows:
		return convert(m.table.gather(m.target.shape()), dt)
	}
	return convert(m.source.Tensor.Reshape(m.target.shape()...), dt)
}

// turn transposes a matrix.
func turn(t *tensor.Tensor) *tensor.Tensor {
	rows, cols := t.Shape[0], t.Shape[1]
	out := tensor.New(t.DType, cols, rows)
	gather(out.Bytes, t.Bytes, []int64{int64(cols), int64(rows)}, []int64{1, int64(cols)}, t.DType.Size())
	return out
}

// convert gives t in another floating-point type, rounded to the nearest.
func convert(t *tensor.Tensor, dt tensor.DType) *tensor.Tensor {
	if t.DType == dt {
		return t
	}
	return fromFloat64s(t.Float64s(), dt, t.Shape)
}

func fromFloat64s(v []float64, dt tensor.DType, shape tensor.Shape) *tensor.Tensor {
	out := tensor.New(dt, shape...)
	switch dt {
	case tensor.Float64:
		copy(tensor.Data[float64](out), v)
	case tensor.Float32:
		for i, dst := 0, out.F32(); i < len(dst); i++ {
			dst[i] = float32(v[i])
		}
	case tensor.Float16:
		for i, dst := 0, tensor.Data[uint16](out); i < len(dst); i++ {
			dst[i] = tensor.Float32ToFloat16(float32(v[i]))
		}
	case tensor.BFloat16:
		for i, dst := 0, tensor.Data[uint16](out); i < len(dst); i++ {
			dst[i] = tensor.Float32ToBFloat16(float32(v[i]))
		}
	default:
		panic(fmt.Sprintf("checkpoint: no conversion to %v", dt))
	}
	return out
}

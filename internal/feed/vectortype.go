package feed

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// vectorType returns what writes a number into element i of a tensor of a type, nil for types that
// numbers of tables are not turned into. It errors on a number that the type does not hold.
func vectorType(dt tensor.DType) func(t *tensor.Tensor, i int, v float64) error {
	switch dt {
	case tensor.Float64:
		return func(t *tensor.Tensor, i int, v float64) error {
			tensor.Data[float64](t)[i] = v
			return nil
		}
	case tensor.Float32:
		return func(t *tensor.Tensor, i int, v float64) error {
			t.F32()[i] = float32(v)
			return within(dt, v, math.MaxFloat32)
		}
	case tensor.Float16:
		return func(t *tensor.Tensor, i int, v float64) error {
			tensor.Data[uint16](t)[i] = tensor.Float32ToFloat16(float32(v))
			return within(dt, v, 65504)
		}
	case tensor.BFloat16:
		return func(t *tensor.Tensor, i int, v float64) error {
			tensor.Data[uint16](t)[i] = tensor.Float32ToBFloat16(float32(v))
			return within(dt, v, 3.3895313892515355e38)
		}
	case tensor.Int64:
		return whole[int64](dt, -1<<53, 1<<53)
	case tensor.Int32:
		return whole[int32](dt, math.MinInt32, math.MaxInt32)
	case tensor.Int16:
		return whole[int16](dt, math.MinInt16, math.MaxInt16)
	case tensor.Int8:
		return whole[int8](dt, math.MinInt8, math.MaxInt8)
	case tensor.Uint16:
		return whole[uint16](dt, 0, math.MaxUint16)
	case tensor.Uint8:
		return whole[uint8](dt, 0, math.MaxUint8)
	}
	return nil
}

func within(dt tensor.DType, v, most float64) error {
	if math.Abs(v) > most {
		return fmt.Errorf("%g is out of the range of %v, which the model takes", v, dt)
	}
	return nil
}

// whole is vectorType for whole numbers.
func whole[T int8 | int16 | int32 | int64 | uint8 | uint16](dt tensor.DType, least, most float64) func(*tensor.Tensor, int, float64) error {
	return func(t *tensor.Tensor, i int, v float64) error {
		switch {
		case v != math.Trunc(v):
			return fmt.Errorf("%g is no whole number, and the model takes %v", v, dt)
		case v < least || v > most:
			return fmt.Errorf("%g is out of the range of %v, which the model takes", v, dt)
		}
		tensor.Data[T](t)[i] = T(v)
		return nil
	}
}

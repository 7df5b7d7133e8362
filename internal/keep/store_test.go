package keep

import (
	"bytes"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func TestHalfIsExactForItself(t *testing.T) {
	src := tensor.Of([]float32{0, 1, -2.5, 65504, 1e-7, 3.14159})
	dst := make([]byte, len(src.Bytes))
	widen(dst, narrow(src.Bytes))
	again := make([]byte, len(dst))
	widen(again, narrow(dst))
	if !bytes.Equal(dst, again) {
		t.Error("rounding twice is not rounding once")
	}
	if err := tensor.Close(&tensor.Tensor{DType: tensor.Float32, Shape: src.Shape, Bytes: dst}, src, tensor.Tolerance{Name: "half", Rel: 1e-3, Abs: 1e-7}); err != nil {
		t.Error(err)
	}
}

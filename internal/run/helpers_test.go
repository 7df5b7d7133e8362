package run

import (
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func vector(v []float32) *tensor.Tensor { return tensor.Of(slices.Clone(v)) }

func halves(v ...float32) *tensor.Tensor {
	t := tensor.New(tensor.Float16, len(v))
	for i, x := range v {
		tensor.Data[uint16](t)[i] = tensor.Float32ToFloat16(x)
	}
	return t
}

// rounding is what PyTorch's float32 arithmetic may differ by over a few steps.
var rounding = tensor.Tolerance{Name: "float32 rounding", Rel: 2e-6, Abs: 2e-7}

func goodConfig() config.Config {
	c := config.DefaultConfig()
	c.Model, c.Data = "model.onnx", "photos"
	return c
}

package feed

import (
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func TestFit(t *testing.T) {
	for _, c := range []struct {
		row  []int
		in   tensor.Shape
		want tensor.Shape
	}{
		{[]int{76, 32}, tensor.Shape{76, 32, 1}, tensor.Shape{76, 32, 1}},
		{[]int{76, 32}, tensor.Shape{1, 76, 32}, tensor.Shape{1, 76, 32}},
		{[]int{80, 3000}, tensor.Shape{80, 3000}, tensor.Shape{80, 3000}},
		{[]int{80, 3000}, tensor.Shape{80, -1}, tensor.Shape{80, 3000}},
		{[]int{80, 3000}, tensor.Shape{3000, 80}, nil},
		{[]int{32000}, tensor.Shape{-1}, tensor.Shape{32000}},
		{[]int{32000}, tensor.Shape{1, -1}, tensor.Shape{1, 32000}},
		{[]int{32000}, tensor.Shape{3, 32, 32}, nil},
		{[]int{1, 32}, tensor.Shape{32}, tensor.Shape{32}},
		{[]int{76, 32}, tensor.Shape{76}, nil},
	} {
		if got := fit(c.row, c.in); !got.Equal(c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%v in %v: %v, want %v", c.row, c.in, got, c.want)
		}
	}
}

// TestAssumedWindows: without a preprocessor file the windows are as long as the model's input.
func TestAssumedWindows(t *testing.T) {
	for n, window := range map[int]int{-1: 32000, 32000: 32000, 15600: 15600} {
		f, err := Of(vectorModel(t, tensor.Float32, n), Options{})
		if err != nil {
			t.Errorf("%d samples: %v", n, err)
			continue
		}
		if c := f.(*Sounds).Pipeline.Config; c.Window != window || c.Hop != window/2 || c.SamplingRate != 16000 {
			t.Errorf("%d samples: %+v", n, c)
		}
	}
}

package compile

import (
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestPackedConstantsAreReleased checks that a program drops the weights that its convolution has
// packed, and computes the same as before.
func TestPackedConstantsAreReleased(t *testing.T) {
	g := ir.New("g")
	b := ir.NewBuilder(g, "")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{1, 2, 4, 4}})
	w := tensor.New(tensor.Float32, 3, 2, 1, 1)
	for i := range w.F32() {
		w.F32()[i] = float32(i + 1)
	}
	weight := g.NewConst("w", w)
	g.Outputs = []*ir.Value{b.Op("Conv", ir.Attrs{"kernel_shape": []int{1, 1}}, x, weight)}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := Region(g, Memory{})
	if err != nil {
		t.Fatal(err)
	}
	if weight.Data.Bytes != nil {
		t.Error("the packed weight is still held")
	}
	in := tensor.New(tensor.Float32, 1, 2, 4, 4)
	for i := range in.F32() {
		in.F32()[i] = 1
	}
	for range 2 {
		out, err := p.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got := out[0].F32()[47]; got != 5+6 {
			t.Errorf("the last channel is %v, want 11", got)
		}
	}
}

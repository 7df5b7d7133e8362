package exec

import (
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestConstants checks that graphs of two batch sizes share what folding came to, and that another epsilon is another constant.
func TestConstants(t *testing.T) {
	var c Constants
	weights := map[string]*tensor.Tensor{
		"w": tensor.New(tensor.Float32, 16, 8, 3, 3), "scale": tensor.New(tensor.Float32, 16), "bias": tensor.New(tensor.Float32, 16),
		"mean": tensor.New(tensor.Float32, 16), "var": tensor.New(tensor.Float32, 16),
	}
	for i := range weights["w"].F32() {
		weights["w"].F32()[i] = float32(i)
	}
	for k := range 16 {
		weights["scale"].F32()[k], weights["var"].F32()[k] = 1, 1
	}
	folded := func(batch int, eps float32) *tensor.Tensor {
		g := ir.New("g")
		x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{batch, 8, 6, 6}})
		b := ir.NewBuilder(g, "")
		constant := func(name string) *ir.Value { return g.NewConst(name, weights[name]) }
		y := b.Op("Conv", ir.Attrs{"kernel_shape": []int{3, 3}}, x, constant("w"))
		y = b.Op("BatchNormalization", ir.Attrs{"epsilon": eps}, y, constant("scale"), constant("bias"), constant("mean"), constant("var"))
		g.Outputs = []*ir.Value{y}
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.foldBatchNorms(g); err != nil {
			t.Fatal(err)
		}
		if len(g.Nodes) != 1 {
			t.Fatalf("%d nodes are left, want the convolution alone", len(g.Nodes))
		}
		return g.Nodes[0].Inputs[1].Data
	}
	two, three, other := folded(2, 1e-5), folded(3, 1e-5), folded(2, 3)
	if two != three {
		t.Error("two batch sizes do not share the folded weight")
	}
	if two == other || two.F32()[7] == other.F32()[7] {
		t.Error("another epsilon gave the same weight")
	}
}
